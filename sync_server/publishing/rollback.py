"""Taking a release back, and dropping one that was never published."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from ..audit.log import COMMAND_LINE, EventType
from ..datasets.definitions import DatasetDefinition
from ..datasets.versions import drop_staged_rows, restore_rows
from ..errors import SafeStatsError
from ..ingest.models import Delivery, RejectedRow
from ..instants import now
from ..services import Services
from .comparing import forget
from .models import LayerSlice, Release, ReleaseState
from .releases import newest_release


@dataclass(frozen=True)
class StagedRollback:
    """The staged release ``number`` holds what ``target`` held: so many rows come back, so many end."""

    number: int
    target: int
    restored: int
    closed: int


@dataclass(frozen=True)
class Discarded:
    """What was dropped of the staged release ``number``: rows removed, and rows that go on after all."""

    number: int
    removed: int
    reopened: int


def stage_rollback(
    services: Services, definition: DatasetDefinition, target: int | None = None, actor: str = COMMAND_LINE
) -> StagedRollback:
    """Stage a release with the content of an old one (``None``: the one before the visible one).

    Raises ``SafeStatsError`` where there is none, where it is the visible one, or where something is staged.
    """
    dataset = definition.code
    with services.database.write(dataset=dataset) as session:
        visible = newest_release(session, dataset, ReleaseState.PUBLISHED)
        staged = newest_release(session, dataset, ReleaseState.STAGED)
        if staged is not None:
            what = "Something" if staged.content_of is None else f"A rollback to release {staged.content_of}"
            raise SafeStatsError(
                f"{what} is staged for release {staged.number} of {dataset}: publish it with “safestats publish "
                f"{dataset}” or drop it with “safestats discard {dataset}”, then roll back."
            )
        old = _target(session, dataset, visible, target)
        assert visible is not None
        number = visible.number + 1
        session.add(
            Release(
                dataset=dataset,
                number=number,
                state=ReleaseState.STAGED,
                staged_at=now(),
                synthetic=old.synthetic,
                content_of=old.number,
            )
        )
        session.flush()
        restored, closed = restore_rows(session, definition, visible.number, old.number, number)
        services.audit.record(
            EventType.DATASET_ROLLED_BACK,
            actor=actor,
            dataset=dataset,
            filter={"release": number, "to": old.number},
            rows=restored + closed,
        )
        return StagedRollback(number, old.number, restored, closed)


def discard_staged(services: Services, definition: DatasetDefinition, actor: str = COMMAND_LINE) -> Discarded:
    """Drop the staged release, with its deliveries; raises ``SafeStatsError`` where nothing is staged."""
    dataset = definition.code
    with services.database.write(dataset=dataset) as session:
        staged = newest_release(session, dataset, ReleaseState.STAGED)
        if staged is None:
            raise SafeStatsError(f"Nothing is staged for {dataset}: there is nothing to discard.")
        removed, reopened = drop_staged_rows(session, definition, staged.number)
        # Rejected rows of a delivery that never counted are nobody's business any more.
        deliveries = select(Delivery.delivery_id).where(Delivery.dataset == dataset, Delivery.release == staged.number)
        session.execute(delete(RejectedRow).where(RejectedRow.delivery_id.in_(deliveries)))
        session.execute(delete(Delivery).where(Delivery.delivery_id.in_(deliveries)))
        session.execute(delete(LayerSlice).where(LayerSlice.dataset == dataset, LayerSlice.release == staged.number))
        forget(session, dataset, staged.number)
        session.delete(staged)
        services.audit.record(
            EventType.DATASET_DISCARDED,
            actor=actor,
            dataset=dataset,
            filter={"release": staged.number},
            rows=removed + reopened,
        )
        return Discarded(staged.number, removed, reopened)


def _target(session: Session, dataset: str, visible: Release | None, wanted: int | None) -> Release:
    if visible is None:
        raise SafeStatsError(f"Nothing of {dataset} has been published: there is nothing to go back to.")
    if wanted is None:
        wanted = session.scalar(
            select(func.max(Release.number)).where(
                Release.dataset == dataset,
                Release.state == ReleaseState.PUBLISHED,
                Release.number < visible.number,
            )
        )
        if wanted is None:
            raise SafeStatsError(f"Release {visible.number} is the first of {dataset}: there is none before it.")
    if wanted == visible.number:
        raise SafeStatsError(f"Release {wanted} of {dataset} is the visible one already: name an older one with --to.")
    target = session.get(Release, (dataset, wanted))
    if target is None or target.state != ReleaseState.PUBLISHED:
        raise SafeStatsError(f"{dataset} has no release {wanted}: the visible one is {visible.number}.")
    return target
