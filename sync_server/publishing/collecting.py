"""Garbage: files go 48 hours after nobody may sync them any more, those that a killed run left at once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from ..instants import now
from ..services import Services
from .artefact_store import ArtefactStore
from .models import Artefact, LayerSlice, ReleaseState
from .releases import newest_release, syncable
from .short_writes import in_a_write
from .slices import SliceKey, in_snapshot, slice_keys, snapshot_name

KEPT_AFTER_LAST_REFERENCE = timedelta(hours=48)


def collect(services: Services, today: date, between: Callable[[], None]) -> int:
    """Collect in every dataset, those no longer declared included; returns how many files went."""
    store = ArtefactStore(services.settings.artefacts_dir)
    with store.building(between):
        with services.database.read() as session:
            datasets = set(session.scalars(select(Artefact.dataset).distinct()))
        removed = sum(collect_dataset(services, dataset, today, between) for dataset in sorted(datasets))
        remove_strays(services, store)
    return removed


def collect_dataset(services: Services, dataset: str, today: date, between: Callable[[], None]) -> int:
    """Note which files nobody may sync any more; strike out those of which that was so for long enough.

    Only while ``store.building()``; ``remove_strays`` removes what was struck out.
    """

    def retire(session: Session) -> int:
        used = _used(session, services, dataset, today)
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

    return in_a_write(services.database, retire, between, dataset)


def remove_strays(services: Services, store: ArtefactStore) -> None:
    """Remove the files that are not recorded; only while ``store.building()``."""
    with services.database.read() as session:
        recorded = set(session.scalars(select(Artefact.name)))
    for name in store.names() - recorded:
        store.remove(name)


def _used(session: Session, services: Services, dataset: str, today: date) -> set[str]:
    """The files that a live scope's manifest names, and those of layers that are still being built."""
    release = newest_release(session, dataset, ReleaseState.PUBLISHED)
    if release is None or dataset not in services.definitions:
        return set()
    recorded = session.scalars(
        select(LayerSlice).where(LayerSlice.dataset == dataset, LayerSlice.release == release.number)
    )
    slices = {SliceKey(slice_.fingerprint, slice_.period): slice_.artefact for slice_ in recorded}
    used: set[str] = set()
    for scope in syncable(session, services, dataset, release.number, today):
        keys = slice_keys(scope, release.periods)
        used.update(slices[key] for key in keys if key in slices)
        held = in_snapshot(keys)
        if all(key in slices for key in held):
            used.add(snapshot_name(scope, [slices[key] for key in held]))
    return used
