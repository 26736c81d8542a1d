"""Loads a supplier's delivery: read, validate, place, identify, compare, stage. All of it or nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date
from functools import partial
from pathlib import Path

import polars as pl
from sqlalchemy.orm import Session

from ..audit.log import COMMAND_LINE, EventType
from ..datasets.definitions import DatasetDefinition
from ..datasets.definitions import Delivery as DeliveryMode
from ..datasets.service import ensure_incident_tables
from ..geocoding.review import enqueue
from ..instants import london_today
from ..progress import Between, ReportsProgress, silent
from ..quality import measuring
from ..quality.standards import Standards
from ..recall.heeding import refuse_unheeded
from ..recall.never_load import ALIKE, washed, withhold
from ..recall.retained import first_kept_month, split_by_age, too_old
from ..services import Services
from . import refused_rows, saved_mappings, staging
from .intake import Intake, is_synthetic, places_for, read_sources
from .mappings import read_mappings
from .pipeline import finish
from .recording import (
    loaded_before,
    next_release,
    record_delivery,
    refuse_beside_rollback,
    refuse_mixture,
    stage_release,
)
from .report import DeliveryReport
from .tables import TornRow


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
    would replace stays. Raises ``SafeStatsError`` with one sentence where the delivery cannot be loaded: then nothing
    was.
    """
    definition = services.definition(dataset)
    today = today or london_today()
    report = DeliveryReport(
        definition.code,
        site=site,
        area_edition=services.areas.edition,
        identity_within=str(definition.identity.within),
        additions=additions,
        synthetic=is_synthetic(files, synthetic),
    )
    intake = _taken_in(services, definition, files, report, organisation, mapping, today, progress)
    good = pl.concat(intake.good) if intake.good else None
    intake.good.clear()
    ensure_incident_tables(services.database, {definition.code: definition})
    if good is not None:
        periods = good.get_column("period").unique().to_list()
        services.spatial.make_room(services.database, definition, periods, len(good))
    between = partial(progress, "Comparing rows", 0, 1)
    with services.database.write(dataset=definition.code) as session:
        refuse_unheeded(services, session)
        refuse_mixture(session, definition, report.synthetic)
        if good is None:
            return report
        rows, duplicates = _identified(services, session, definition, good, intake, report, today, between)
        del good
        came_on = received_on or today
        measures = _measured(services, definition, rows, duplicates, intake, report)
        report.quality = measuring.told(measures, came_on)
        release = next_release(session, definition.code)
        between()
        difference = _compared(
            services, session, definition, rows, intake, release, report, accept_withdrawals, today, between
        )
        progress("Comparing rows", 1, 1)
        if difference.empty and loaded_before(session, report):
            return report
        if not difference.empty:
            report.release = release
            refuse_beside_rollback(session, definition.code, release)
            stage_release(session, definition.code, release, report.synthetic)
        contents = partial(washed, services, session, definition)
        delivery_id = record_delivery(session, report, release, intake.torn, intake.bad, duplicates, contents)
        measuring.keep(session, definition.code, delivery_id, measures, came_on)
        if "place_key" in rows.columns and definition.free_text:
            enqueue(session, definition.code, site, rows.select("identity", "place_key", "ambiguous"))
        staging.write(session, definition, difference, release, delivery_id, progress)
        if recorded is not None:
            recorded(session, delivery_id)
        # Last in the transaction: what cannot be audited is not loaded.
        services.audit.record(
            EventType.DATASET_LOADED,
            actor=actor,
            dataset=definition.code,
            filter={"files": [file["sha256"] for file in report.files], "months": report.months},
            rows=report.accepted,
        )
    return report


def _taken_in(
    services: Services,
    definition: DatasetDefinition,
    files: Sequence[Path],
    report: DeliveryReport,
    organisation: str | None,
    mapping: str,
    today: date,
    progress: ReportsProgress,
) -> Intake:
    """What the files hold, read by the mapping that holds for them."""
    mappings = read_mappings(services.settings.resources_dir / "mappings", dict(services.definitions))
    sources = read_sources(files, report)
    with services.database.read() as session:
        saved = (
            saved_mappings.parsed(services, mapping, "The mapping of this delivery", mappings)
            if mapping
            else saved_mappings.mapping_for(services, session, organisation, definition.code, report.site, mappings)
        )
    places = places_for(services, definition.code, report.synthetic)
    intake = Intake(definition, services.areas, mappings, saved, places, today, report.site, report)
    number = len(sources)
    for done in range(number):
        # Its bytes are let go of as soon as its rows are there.
        intake.take(sources.pop(0), partial(progress, "Reading files", done, number))
    progress("Reading files", number, number)
    return intake


def _identified(
    services: Services,
    session: Session,
    definition: DatasetDefinition,
    good: pl.DataFrame,
    intake: Intake,
    report: DeliveryReport,
    today: date,
    between: Between,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The rows that may be held, and the duplicates: none that are too old, none that were withdrawn for good."""
    good, old = split_by_age(good, definition, today)
    intake.torn += [TornRow(file, line, too_old(definition)) for file, line in old]
    report.rejected.update(too_old(definition) for _ in old)
    rows, duplicates = finish(good, definition, services.keys, between)
    between()
    withheld = withhold(services, session, definition, rows)
    rows, report.withdrawn_for_good = withheld.rows, withheld.number
    intake.torn += [TornRow(file, line, ALIKE) for file, line in withheld.alike]
    report.rejected.update(ALIKE for _ in withheld.alike)
    report.accepted, report.duplicates = len(rows), len(duplicates)
    report.areas.update(dict(rows.get_column("area_from").value_counts().iter_rows()))
    report.other_borough = len(rows.filter("borough_differs"))
    return rows, duplicates


def _measured(
    services: Services,
    definition: DatasetDefinition,
    rows: pl.DataFrame,
    duplicates: pl.DataFrame,
    intake: Intake,
    report: DeliveryReport,
) -> list[measuring.ReturnMeasure]:
    standards = Standards.read(services.settings.resources_dir)
    torn = [(one.file, one.reason) for one in intake.torn]
    return measuring.measure(definition, rows, intake.bad, torn, duplicates, report, standards)


def _compared(
    services: Services,
    session: Session,
    definition: DatasetDefinition,
    rows: pl.DataFrame,
    intake: Intake,
    release: int,
    report: DeliveryReport,
    accept_withdrawals: bool,
    today: date,
    between: Between,
) -> staging.Difference:
    """What the rows change of what is held; the report counts it. Additions are the whole of nothing."""
    kept_from = first_kept_month(definition, today)
    covered = staging.Covered(
        frozenset() if report.additions else frozenset(month for month in report.months if month >= kept_from),
        frozenset() if report.additions else frozenset(intake.returns),
    )
    if report.additions:
        definition = replace(definition, delivery=DeliveryMode.UPSERTS)
    difference = staging.compare(
        session,
        definition,
        rows,
        covered,
        release,
        services.keys,
        accept_withdrawals,
        between,
        pl.concat(intake.refused),
        partial(refused_rows.told, intake.bad, intake.torn),
    )
    if difference.kept:
        report.notes.append(
            f"{difference.kept:,} held incident(s) stay as they are: their rows in this delivery were rejected."
        )
    report.added, report.changed = difference.added, difference.changed
    report.withdrawn, report.unchanged = difference.withdrawn, difference.unchanged
    return difference
