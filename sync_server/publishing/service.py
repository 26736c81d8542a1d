"""Publishing: a staged release becomes files and then, in one write, what everybody sees."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, timedelta

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from ..agreements.scope import Scope, live_scopes
from ..audit.log import COMMAND_LINE, EventType
from ..datasets.definitions import DatasetDefinition
from ..datasets.incidents import changes_by_period, rows_by_period
from ..errors import SafeStatsError
from ..instants import london_today, now
from ..progress import ReportsProgress, silent
from ..services import Services
from .artefact_store import ArtefactStore
from .builder import Builder
from .layer_rows import SliceKey, slice_keys, snapshot_name
from .models import Artefact, LayerSlice, Release, ReleaseState

KEPT_AFTER_LAST_REFERENCE = timedelta(hours=48)


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


def publish(
    services: Services, dataset: str, progress: ReportsProgress = silent, today: date | None = None
) -> PublishReport:
    """Make the staged release visible, with the files of every agreement in force; removes files out of use.

    Where nothing is staged, what the visible release lacks is built. Everything becomes visible in one write,
    or nothing does. Raises ``SafeStatsError`` for an unknown dataset, and where a load changed the staged rows
    meanwhile.
    """
    return _run(services, dataset, progress, today, may_publish=True)


def build_missing(
    services: Services, dataset: str, progress: ReportsProgress = silent, today: date | None = None
) -> PublishReport:
    """Build the files that the visible release lacks for an agreement in force; staged rows stay staged."""
    return _run(services, dataset, progress, today, may_publish=False)


def _run(
    services: Services, dataset: str, progress: ReportsProgress, today: date | None, *, may_publish: bool
) -> PublishReport:
    definition = services.definitions.get(dataset)
    if definition is None:
        raise SafeStatsError(
            f"There is no dataset “{dataset}”: the declared ones are {', '.join(services.definitions)}."
        )
    today = today or london_today()
    store = ArtefactStore(services.settings.artefacts_dir)
    with store.building():
        with services.database.read() as session:
            release = _release(session, dataset, ReleaseState.STAGED) if may_publish else None
            release = release or _release(session, dataset, ReleaseState.PUBLISHED)
            if release is None:
                return PublishReport(dataset, 0, False, 0, 0, 0, 0, 0, 0)
            counts = {row.period: row.rows for row in session.execute(rows_by_period(definition, release.number))}
            builder = Builder(store, sorted(counts), _valid_slices(session, definition, release))
        while True:
            with services.database.read() as session:
                builder.build(session, _scopes(session, services, release, today), progress)
            store.flush()
            with services.database.write() as session:
                scopes = _scopes(session, services, release, today)
                # An agreement that came into force while we were building: its files first.
                if any(builder.lacks(session, scope) for scope in scopes):
                    continue
                keys = _record(session, release, builder, scopes)
                removed = _retire(session, dataset, builder, scopes)
                recorded = set(session.scalars(select(Artefact.name)))
                if release.state == ReleaseState.STAGED:
                    _show(session, release, builder.periods)
                    services.audit.record(
                        EventType.DATASET_PUBLISHED,
                        actor=COMMAND_LINE,
                        dataset=dataset,
                        filter={"release": release.number},
                        rows=sum(counts.values()),
                    )
            break
        for name in store.names() - recorded:
            store.remove(name)
    made = {name for name, artefact in builder.made.items() if artefact.period is not None}
    return PublishReport(
        dataset=dataset,
        release=release.number,
        published=release.state == ReleaseState.STAGED,
        rows=sum(counts.values()),
        layers=len({snapshot_name(scope, builder.names(scope)) for scope in scopes}),
        slices_built=len(made),
        slices_reused=len({builder.slices[key] for key in keys} - made),
        snapshots_built=len(builder.made) - len(made),
        files_removed=removed,
    )


def _release(session: Session, dataset: str, state: ReleaseState) -> Release | None:
    """The newest release of that state."""
    return session.scalar(
        select(Release)
        .where(Release.dataset == dataset, Release.state == state)
        .order_by(Release.number.desc())
        .limit(1)
    )


def _valid_slices(session: Session, definition: DatasetDefinition, release: Release) -> dict[SliceKey, str]:
    """The recorded slices that hold for the release too: all of its own, or those of months left unchanged."""
    changed: set[str] = set()
    if release.state == ReleaseState.STAGED:
        changed = {row.period for row in session.execute(changes_by_period(definition, release.number))}
    recorded = session.scalars(select(LayerSlice).where(LayerSlice.dataset == definition.code))
    return {SliceKey(s.fingerprint, s.period): s.artefact for s in recorded if s.period not in changed}


def _scopes(session: Session, services: Services, release: Release, today: date) -> list[Scope]:
    """What agreements in force show at the release, today and, for "the last months", when the month turns."""
    turn = (today.replace(day=1) + timedelta(days=32)).replace(day=1)
    return [
        replace(scope, release=release.number)
        for day in (today, turn)
        for scope in live_scopes(session, release.dataset, services.definitions, day)
    ]


def _record(session: Session, release: Release, builder: Builder, scopes: Iterable[Scope]) -> set[SliceKey]:
    """Write down the new files, and which slices make up the release's layers; returns their keys."""
    for artefact in builder.made.values():
        session.merge(artefact)
    session.flush()
    keys = {key for scope in scopes for key in slice_keys(scope, builder.periods)}
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
    return keys


def _show(session: Session, built: Release, periods: list[str]) -> None:
    """Make the staged release the visible one, unless its rows have moved since it was built."""
    release = session.get(Release, (built.dataset, built.number))
    if release is None or (release.state, release.staged_at) != (built.state, built.staged_at):
        raise SafeStatsError(
            f"{built.dataset} was loaded again while its release {built.number} was being published: publish it again."
        )
    release.state = ReleaseState.PUBLISHED
    release.published_at = now()
    release.periods = periods
    session.execute(delete(LayerSlice).where(LayerSlice.dataset == built.dataset, LayerSlice.release != built.number))


def _retire(session: Session, dataset: str, builder: Builder, scopes: Iterable[Scope]) -> int:
    """Note which files nobody may sync any more; strike out those of which that was so for long enough."""
    used = {name for scope in scopes for name in builder.names(scope)}
    used |= {snapshot_name(scope, builder.names(scope)) for scope in scopes}
    instant = now()
    removed = 0
    for artefact in session.scalars(select(Artefact).where(Artefact.dataset == dataset)):
        if artefact.name in used:
            artefact.unreferenced_since = None
        elif artefact.unreferenced_since is None:
            artefact.unreferenced_since = instant
        elif instant - artefact.unreferenced_since >= KEPT_AFTER_LAST_REFERENCE:
            session.execute(delete(LayerSlice).where(LayerSlice.artefact == artefact.name))
            session.delete(artefact)
            removed += 1
    session.flush()
    return removed
