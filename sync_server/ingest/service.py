"""Loads a supplier's delivery: read, validate, place, identify, compare, stage. All of it or nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session

from ..audit.log import COMMAND_LINE, EventType
from ..datasets.areas import AreaIndex
from ..datasets.definitions import DatasetDefinition, Within
from ..datasets.definitions import Delivery as DeliveryMode
from ..datasets.service import ensure_incident_tables
from ..errors import SafeStatsError
from ..geocoding.places import Places, place_described
from ..geocoding.review import enqueue
from ..instants import london_today, now
from ..progress import Between, ReportsProgress, silent
from ..publishing.models import Release, ReleaseState
from ..quality import measuring
from ..quality.standards import Standards
from ..recall.heeding import refuse_unheeded
from ..recall.never_load import washed, withhold
from ..recall.retained import first_kept_month, split_by_age, too_old
from ..services import Services
from . import saved_mappings, staging
from .mappings import Mapping, read_mappings
from .models import Delivery, Fate, RejectedRow
from .pipeline import PlacesDescribed, finish, prepare, rejected_records
from .report import DeliveryReport
from .rows import read_rows
from .source import SYNTHETIC_MARK
from .tables import SourceFile, TornRow


def load(
    services: Services,
    dataset: str,
    files: Sequence[Path],
    progress: ReportsProgress = silent,
    synthetic: bool | None = None,
    accept_withdrawals: bool = False,
    today: date | None = None,
    site: str = "",
    actor: str = COMMAND_LINE,
    organisation: str | None = None,
    received_on: date | None = None,
    mapping: str = "",
    recorded: Callable[[Session, int], None] | None = None,
    additions: bool = False,
) -> DeliveryReport:
    """Load one delivery of a dataset and stage it for the next release.

    ``synthetic`` tells that the incidents are made up; unless told, the files' names tell. ``site`` is the one that
    delivered it, of a supplier with several, ``organisation`` the code of the one whose saved mapping holds (unless
    told, whichever has saved one for the dataset and site); ``mapping`` is a document that holds instead.
    ``received_on`` is the day on which it came (unless told, today), by which it is on time or late. ``recorded``
    is given the delivery's id in the transaction that loads it. ``additions`` are records as they happen: what a file
    would replace stays. Raises ``SafeStatsError`` with one sentence where the
    delivery cannot be loaded: then nothing was.
    """
    if dataset not in services.definitions:
        known = ", ".join(sorted(services.definitions))
        raise SafeStatsError(f"There is no dataset “{dataset}”; there are: {known}.")
    definition = services.definitions[dataset]
    mappings = read_mappings(services.settings.resources_dir / "mappings", dict(services.definitions))
    areas = services.areas
    within = str(definition.identity.within)
    report = DeliveryReport(dataset, site=site, area_edition=areas.edition, identity_within=within)
    report.additions = additions
    report.synthetic = _is_synthetic(files, synthetic)
    sources = _sources(files, report)
    with services.database.read() as session:
        saved = (
            saved_mappings.parsed(services, mapping, "The mapping of this delivery", mappings)
            if mapping
            else saved_mappings.mapping_for(services, session, organisation, dataset, site, mappings)
        )
    places = _places(services, dataset, report.synthetic)
    incoming = _Incoming(definition, areas, mappings, saved, places, today or london_today(), site, report)
    number = len(sources)
    for done in range(number):
        # Its bytes are let go of as soon as its rows are there.
        incoming.take(sources.pop(0), partial(progress, "Reading files", done, number))
    progress("Reading files", number, number)
    between = partial(progress, "Comparing rows", 0, 1)
    good = pl.concat(incoming.good) if incoming.good else None
    ensure_incident_tables(services.database, {dataset: definition})
    if good is not None:
        services.spatial.make_room(services.database, definition, good.get_column("period").unique().to_list())
    with services.database.write(dataset=dataset) as session:
        refuse_unheeded(services, session)
        _refuse_mixture(session, definition, report.synthetic)
        if good is None:
            return report
        good, old = split_by_age(good, definition, today or london_today())
        incoming.torn += [TornRow(file, line, too_old(definition)) for file, line in old]
        report.rejected.update(too_old(definition) for _ in old)
        incoming.good.clear()
        rows, duplicates = finish(good, definition, services.keys, between)
        del good
        between()
        rows, report.withdrawn_for_good = withhold(services, session, definition, rows)
        report.accepted, report.duplicates = len(rows), len(duplicates)
        report.areas.update(dict(rows.get_column("area_from").value_counts().iter_rows()))
        report.other_borough = len(rows.filter("borough_differs"))
        measures = _measured(services, definition, rows, duplicates, incoming, report)
        came_on = received_on or today or london_today()
        report.quality = measuring.told(measures, came_on)
        release = 1 + (
            session.scalar(
                select(func.max(Release.number)).where(
                    Release.dataset == dataset, Release.state == ReleaseState.PUBLISHED
                )
            )
            or 0
        )
        kept_from = first_kept_month(definition, today or london_today())
        months = [month for month in report.months if month >= kept_from]
        whole = ((), ()) if additions else (months, incoming.returns)
        covered = staging.Covered(frozenset(whole[0]), frozenset(whole[1]))
        compared = replace(definition, delivery=DeliveryMode.UPSERTS) if additions else definition
        between()
        difference = staging.compare(
            session, compared, rows, covered, release, services.keys, accept_withdrawals, between
        )
        progress("Comparing rows", 1, 1)
        report.added, report.changed = difference.added, difference.changed
        report.withdrawn, report.unchanged = difference.withdrawn, difference.unchanged
        if difference.empty and _loaded_before(session, report):
            return report
        if not difference.empty:
            report.release = release
            refuse_beside_rollback(session, dataset, release)
            stage_release(session, dataset, release, report.synthetic)
        contents = partial(washed, services, session, definition)
        delivery_id = _record(session, report, release, incoming, duplicates, contents)
        measuring.keep(session, dataset, delivery_id, measures, came_on)
        if "place_key" in rows.columns and definition.free_text:
            enqueue(session, dataset, site, rows.select("identity", "place_key", "ambiguous"))
        staging.write(session, definition, difference, release, delivery_id, progress)
        if recorded is not None:
            recorded(session, delivery_id)
        # Last in the transaction: what cannot be audited is not loaded.
        services.audit.record(
            EventType.DATASET_LOADED,
            actor=actor,
            dataset=dataset,
            filter={"files": [file["sha256"] for file in report.files], "months": report.months},
            rows=report.accepted,
        )
    return report


def _measured(
    services: Services,
    definition: DatasetDefinition,
    rows: pl.DataFrame,
    duplicates: pl.DataFrame,
    incoming: _Incoming,
    report: DeliveryReport,
) -> list[measuring.ReturnMeasure]:
    standards = Standards.read(services.settings.resources_dir)
    torn = [(one.file, one.reason) for one in incoming.torn]
    return measuring.measure(definition, rows, incoming.bad, torn, duplicates, report, standards)


def _places(services: Services, dataset: str, synthetic: bool) -> PlacesDescribed:
    """The geocoder, which is opened only where a mapping calls for it."""
    opened: list[Places] = []

    def place(frame: pl.DataFrame) -> pl.DataFrame:
        if not opened:
            # A session of its own, ended here: one that is used after its end holds the database's former state.
            with services.database.read() as session:
                opened.append(Places.open(services, session, dataset, synthetic=synthetic))
        return place_described(frame, opened[0])

    return place


class _Incoming:
    """Takes file after file and keeps what became of their rows."""

    def __init__(
        self,
        definition: DatasetDefinition,
        areas: AreaIndex,
        mappings: Sequence[Mapping],
        saved: Mapping | None,
        places: PlacesDescribed,
        today: date,
        site: str,
        report: DeliveryReport,
    ) -> None:
        self.good: list[pl.DataFrame] = []
        self.bad: list[pl.DataFrame] = []
        self.torn: list[TornRow] = []
        self.returns: set[tuple[str, str]] = set()
        self._definition = definition
        self._areas = areas
        self._mappings = mappings
        self._saved = saved
        self._places = places
        self._today = today
        self._site = site
        self._report = report
        self._file_of_month: dict[str, str] = {}

    def take(self, source: SourceFile, between: Between) -> None:
        """Read and prepare one file; adds to the report."""
        between()
        raw = read_rows(source, self._definition, self._mappings, self._saved, between)
        name = source.name
        del source
        prepared = prepare(raw, self._definition, self._areas, self._today, name, self._site, self._places, between)
        months = set(prepared.months) | ({raw.zero_return} - {""})
        if self._definition.delivery == DeliveryMode.REPLACES:
            self._refuse_second_file(months, name)
        elif self._definition.delivery == DeliveryMode.REPLACES_RETURN:
            self._refuse_second_file({f"{site} in {month}" for site, month in prepared.returns}, name)
        self.good.append(prepared.good)
        self.bad.append(prepared.bad)
        self.torn += raw.torn
        self.returns |= prepared.returns
        report = self._report
        counts = prepared.counts
        report.months = sorted(set(report.months) | months)
        report.returns = [] if report.additions else sorted([site, month] for site, month in self.returns)
        report.left += counts.left
        report.rejected += counts.rejected
        # What cut a row off differs by row; the record of the row tells it.
        report.rejected.update(torn.reason.split(":")[0] for torn in raw.torn)
        report.unmapped += counts.unmapped
        for field, values in counts.unmapped_values.items():
            known = Counter(report.unmapped_values.get(field, {})) + values
            report.unmapped_values[field] = dict(known.most_common())
        report.stacked += counts.stacked
        report.dropped += raw.dropped
        report.blanked += raw.blanked
        report.mappings[raw.mapping.code] = report.mappings.get(raw.mapping.code, 0) + 1
        report.notes += [*raw.notes, *prepared.notes]

    def _refuse_second_file(self, months: set[str], name: str) -> None:
        for month in sorted(months):
            if month in self._file_of_month:
                raise SafeStatsError(
                    f"{self._file_of_month[month]} and {name} both hold {self._definition.code} for {month}, "
                    "and each file is the whole of its month: name only the newer one."
                )
            self._file_of_month[month] = name


def _is_synthetic(files: Sequence[Path], told: bool | None) -> bool:
    if not files:
        raise SafeStatsError("No file was named: name at least one.")
    marked = [file.name for file in files if SYNTHETIC_MARK in file.name.casefold()]
    if marked and (told is False or len(marked) < len(files)):
        raise SafeStatsError(
            f"{marked[0]} is synthetic by its name: synthetic and real incidents are never loaded together."
        )
    return bool(marked) if told is None else told


def _sources(files: Sequence[Path], report: DeliveryReport) -> list[SourceFile]:
    """The files, each content once."""
    sources: dict[str, SourceFile] = {}
    for path in files:
        source = SourceFile.read(path)
        first = sources.setdefault(source.sha256, source)
        if first is not source:
            report.notes.append(f"{source.name} is the same file as {first.name}: it was taken once.")
    report.files = [
        {"name": source.name, "size": len(source.data), "sha256": source.sha256} for source in sources.values()
    ]
    return list(sources.values())


def _refuse_mixture(session: Session, definition: DatasetDefinition, synthetic: bool) -> None:
    """What is held must be of the same kind as the delivery, and be known again in the same way."""
    dataset, within = definition.code, definition.identity.within
    last = session.scalar(
        select(Delivery).where(Delivery.dataset == dataset).order_by(Delivery.delivery_id.desc()).limit(1)
    )
    if last is None:
        return
    if last.synthetic != synthetic:
        kinds = ("real", "synthetic")
        raise SafeStatsError(
            f"{dataset} holds {kinds[last.synthetic]} incidents and this delivery is {kinds[synthetic]}: "
            "load it into another server folder."
        )
    before = last.report.get("identity_within", Within.MONTH)
    if before != within:
        raise SafeStatsError(
            f"{dataset} holds incidents that are known again within the {before}, and is now declared to know them "
            f"within the {within}, so every incident would be taken for a new one: load all its files into a new "
            "server folder."
        )


def _loaded_before(session: Session, report: DeliveryReport) -> bool:
    digests = {file["sha256"] for file in report.files}
    earlier = session.scalars(select(Delivery.files).where(Delivery.dataset == report.dataset))
    return any(digests <= {file["sha256"] for file in files} for files in earlier)


def refuse_beside_rollback(session: Session, dataset: str, number: int) -> None:
    """Raises ``SafeStatsError`` where the release that is to be staged is a rollback that waits."""
    staged = session.get(Release, (dataset, number))
    if staged is not None and staged.content_of is not None:
        raise SafeStatsError(
            f"Release {number} of {dataset}, a rollback to release {staged.content_of}, waits to be published: publish "
            f"it or drop it with “safestats discard {dataset}”, then load."
        )


def stage_release(session: Session, dataset: str, number: int, synthetic: bool) -> None:
    """The release is staged, from now."""
    release = session.get(Release, (dataset, number))
    instant = now()
    if release is None:
        session.add(
            Release(
                dataset=dataset,
                number=number,
                state=ReleaseState.STAGED,
                staged_at=instant,
                synthetic=synthetic,
            )
        )
    else:
        release.staged_at = instant
    session.flush()


def _record(
    session: Session,
    report: DeliveryReport,
    release: int,
    incoming: _Incoming,
    duplicates: pl.DataFrame,
    washed_of_recalled: Callable[[list[dict[str, str]]], list[dict[str, str]]],
) -> int:
    """The delivery and the rows of it that were not taken; returns its id."""
    delivery = Delivery(
        dataset=report.dataset,
        site=report.site,
        release=release,
        loaded_at=now(),
        synthetic=report.synthetic,
        area_edition=report.area_edition,
        files=report.files,
        rows_in=report.rows_in,
        accepted=report.accepted,
        rejected=report.rejected.total(),
        duplicates=report.duplicates,
        left=report.left.total(),
        report=report.to_json(),
    )
    session.add(delivery)
    session.flush()
    kept: list[dict[str, Any]] = [_kept(Fate.REJECTED, torn.file, torn.line, torn.reason, {}) for torn in incoming.torn]
    for bad in incoming.bad:
        places = bad.select("file", "line", "reason").iter_rows()
        kept += [
            _kept(Fate.REJECTED, file, line, reason, content)
            for (file, line, reason), content in zip(places, washed_of_recalled(rejected_records(bad)), strict=True)
        ]
    # A duplicate's content is that of the row that was taken, or what the supplier corrected.
    kept += [_kept(Fate.DUPLICATE, file, line, reason, {}) for file, line, reason in duplicates.iter_rows()]
    for row in kept:
        row["delivery_id"] = delivery.delivery_id
    if kept:
        session.execute(insert(RejectedRow), kept)
    return delivery.delivery_id


def _kept(fate: Fate, file: str, line: int, reason: str, content: dict[str, str]) -> dict[str, Any]:
    return {"fate": fate, "file": file, "line": line, "reason": reason, "content": content}
