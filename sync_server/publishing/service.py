"""Publishing: a staged release becomes files and then, in one write, what everybody sees."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date

from sqlalchemy import delete
from sqlalchemy.orm import Session

from ..agreements.opened import Scope
from ..analysis.models import CellAnswer
from ..audit.log import COMMAND_LINE, EventType
from ..datasets.definitions import DatasetDefinition
from ..datasets.incidents import days_of_month, rows_by_period
from ..datasets.periods import open_months, period_of_day
from ..instants import london_today, now
from ..progress import ReportsProgress, silent
from ..recall.heeding import refuse_unheeded
from ..services import Services
from .artefact_store import ArtefactStore, DamagedFileError
from .builder import Builder
from .collecting import collect_dataset, remove_strays
from .models import JobKind, LayerSlice, Release, ReleaseState
from .releases import begin_building, newest_release, refuse_moved_rows, syncable, valid_slices
from .short_writes import in_a_write
from .slices import SliceKey, slice_keys, snapshot_name


@dataclass(frozen=True)
class PublishReport:
    """What a run did. ``release`` is the visible one after it (0: none); ``published`` whether it is new."""

    dataset: str
    release: int
    published: bool
    rows: int
    layers: int
    slices_built: int
    slices_reused: int
    snapshots_built: int
    files_removed: int

    def sentence(self) -> str:
        """It in words."""
        built = self.slices_built + self.snapshots_built
        files = f"{built:,} files built, {self.slices_reused:,} reused, {self.files_removed:,} removed"
        if self.published:
            rights = {0: "no agreement yet", 1: "one set of rights"}
            return (
                f"{self.dataset}: release {self.release} is published with {self.rows:,} rows "
                f"for {rights.get(self.layers, f'{self.layers} different sets of rights')} ({files})."
            )
        if self.release == 0:
            return f"{self.dataset}: nothing is staged and nothing was published before: load a file first."
        return f"{self.dataset}: nothing is staged; release {self.release} stays as it is ({files})."


def publish(
    services: Services, dataset: str, progress: ReportsProgress = silent, today: date | None = None
) -> PublishReport:
    """Make the staged release visible, with the files of every agreement in force; removes files out of use.

    It becomes visible in one write once all its months are built, or not at all; the files of whole layers
    follow. Where nothing is staged, what the visible release lacks is built. ``progress`` may raise to break it
    off: what was built by then is kept for the next run. Raises ``SafeStatsError`` for an unknown dataset, and
    where a load changed the staged rows meanwhile.
    """
    store = ArtefactStore(services.settings.artefacts_dir)
    with store.building(lambda: progress("Waiting for another builder", 0, 1)):
        return publish_in_turn(services, store, dataset, JobKind.PUBLISH, progress, today)


def build_missing(
    services: Services, dataset: str, progress: ReportsProgress = silent, today: date | None = None
) -> PublishReport:
    """Build the files that the visible release lacks for an agreement in force; staged rows stay staged."""
    store = ArtefactStore(services.settings.artefacts_dir)
    with store.building(lambda: progress("Waiting for another builder", 0, 1)):
        return publish_in_turn(services, store, dataset, JobKind.BUILD, progress, today)


def publish_in_turn(
    services: Services,
    store: ArtefactStore,
    dataset: str,
    kind: JobKind,
    progress: ReportsProgress = silent,
    today: date | None = None,
    actor: str = COMMAND_LINE,
) -> PublishReport:
    """``publish`` or ``build_missing`` for whoever is ``store.building()`` already; ``actor`` asked for it."""
    definition = services.definition(dataset)
    today = today or london_today()

    def between() -> None:
        progress(f"Preparing {dataset}", 0, 1)

    between()
    builder = _plan(services, store, definition, kind, today)
    if builder is None:
        return PublishReport(dataset, 0, False, 0, 0, 0, 0, 0, 0)
    published = builder.release.state == ReleaseState.STAGED
    in_a_write(services.database, lambda session: begin_building(session, builder.release), between, dataset)
    _build_and_show(services, builder, definition, progress, today, actor)
    keys = {key for scope in _scopes(services, builder, today) for key in slice_keys(scope, builder.periods)}
    _complete(services, builder, progress, today)
    removed = collect_dataset(services, dataset, today, between)
    remove_strays(services, store)
    scopes = _scopes(services, builder, today)
    made = builder.made - builder.snapshots
    return PublishReport(
        dataset=dataset,
        release=builder.release.number,
        published=published,
        rows=builder.rows,
        layers=len({snapshot_name(scope, builder.snapshot_slices(scope)) for scope in scopes}),
        slices_built=len(made),
        slices_reused=len({builder.slices[key] for key in keys} - made),
        snapshots_built=len(builder.snapshots),
        files_removed=removed,
    )


def lacks_files(services: Services, dataset: str, today: date) -> bool:
    """Whether the visible release lacks a file of an agreement in force."""
    store = ArtefactStore(services.settings.artefacts_dir)
    with services.database.read() as session:
        release = newest_release(session, dataset, ReleaseState.PUBLISHED)
        if release is None:
            return False
        slices = valid_slices(session, services.definitions[dataset], release)
        builder = Builder(services.database, store, release, release.periods, slices)
        scopes = syncable(session, services, dataset, release.number, today)
        return builder.lacks_slices(session, scopes) or builder.lacks_snapshots(session, scopes)


def _plan(
    services: Services, store: ArtefactStore, definition: DatasetDefinition, kind: JobKind, today: date
) -> Builder | None:
    """What there is to build; ``None`` where there is no release."""
    dataset = definition.code
    with services.database.read() as session:
        refuse_unheeded(services, session)
        staged = newest_release(session, dataset, ReleaseState.STAGED) if kind == JobKind.PUBLISH else None
        release = staged or newest_release(session, dataset, ReleaseState.PUBLISHED)
        if release is None:
            return None
        counts = {row.period: row.rows for row in session.execute(rows_by_period(definition, release.number))}
        # What people see keeps its periods: a month closes with a release.
        periods = _periods(session, definition, release, counts, today) if release is staged else release.periods
        slices = valid_slices(session, definition, release)
    return Builder(services.database, store, release, periods, slices, sum(counts.values()))


def _periods(
    session: Session, definition: DatasetDefinition, release: Release, months: Collection[str], today: date
) -> list[str]:
    """The months in which the release has rows; of those that are open, the days."""
    cut = open_months(definition, months, today)
    days = [
        period_of_day(day) for month in cut for day in session.scalars(days_of_month(definition, release.number, month))
    ]
    return sorted([*(month for month in months if month not in cut), *days])


def _scopes(services: Services, builder: Builder, today: date) -> list[Scope]:
    release = builder.release
    with services.database.read() as session:
        return syncable(session, services, release.dataset, release.number, today)


def _build_and_show(
    services: Services,
    builder: Builder,
    definition: DatasetDefinition,
    progress: ReportsProgress,
    today: date,
    actor: str,
) -> None:
    """Build the slices of all live scopes, then let people see them."""
    while True:
        builder.build_slices(_scopes(services, builder, today), progress)

        def show(session: Session) -> Release | None:
            release = refuse_moved_rows(session, builder.release)
            scopes = syncable(session, services, release.dataset, release.number, today)
            # An agreement that came into force while we were building: its files first.
            if builder.lacks_slices(session, scopes):
                return None
            _record(session, builder, scopes)
            if release.state == ReleaseState.STAGED:
                _show(session, services, release, builder, actor)
            return release

        def between() -> None:
            progress(f"Publishing {definition.code}", 0, 1)

        shown = in_a_write(services.database, show, between, definition.code)
        if shown is not None:
            builder.release = shown
            return


def _complete(services: Services, builder: Builder, progress: ReportsProgress, today: date) -> None:
    """Build the snapshots of what people see; a slice that turns out to be damaged is made anew."""
    while True:
        scopes = _scopes(services, builder, today)
        builder.build_slices(scopes, progress)
        try:
            builder.build_snapshots(scopes, progress)
            return
        except DamagedFileError as damaged:
            builder.mend(damaged)


def _record(session: Session, builder: Builder, scopes: Iterable[Scope]) -> None:
    """Write down which slices make up the release's layers."""
    release = builder.release
    keys: set[SliceKey] = {key for scope in scopes for key in slice_keys(scope, builder.periods)}
    for key in keys:
        session.merge(
            LayerSlice(
                dataset=release.dataset,
                release=release.number,
                fingerprint=key.fingerprint,
                period=key.period,
                artefact=builder.slices[key],
            )
        )
    session.flush()


def _show(session: Session, services: Services, release: Release, builder: Builder, actor: str) -> None:
    """Make the staged release the visible one."""
    release.state = ReleaseState.PUBLISHED
    release.published_at = now()
    release.periods = builder.periods
    for made_of in (LayerSlice, CellAnswer):
        session.execute(delete(made_of).where(made_of.dataset == release.dataset, made_of.release != release.number))
    services.audit.record(
        EventType.DATASET_PUBLISHED,
        actor=actor,
        dataset=release.dataset,
        filter={"release": release.number},
        rows=builder.rows,
    )
