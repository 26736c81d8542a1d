"""A new visible release without what was just erased, and nothing left to be pulled that held it."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from ..analysis.models import CellAnswer
from ..audit.log import EventType
from ..datasets.definitions import DatasetDefinition
from ..datasets.erasing import renumber
from ..datasets.incidents import days_of_month, rows_by_period
from ..datasets.periods import is_day, month_of, period_of_day
from ..ingest.models import Delivery
from ..instants import now
from ..ranks.models import RankTable
from ..services import Services
from ..supplies.models import Receipt
from ..uploads.models import Upload
from .comparing import forget
from .models import Artefact, LayerSlice, Release, ReleaseState
from .releases import newest_release, syncable
from .slices import SliceKey, in_snapshot, slice_keys, snapshot_name


def show_without(
    session: Session,
    services: Services,
    definition: DatasetDefinition,
    months: Collection[str],
    at_least: int,
    today: date,
    actor: str,
) -> int:
    """Make a release visible that is as the visible one, but for rows of these months that are erased already.

    What is staged follows it under the next number. Files that may hold an erased row are struck out, so that nobody
    may pull them from the commit on; a layer that lacks one is being prepared until it is built. Only while
    ``store.building()``. Returns the release's number, at least ``at_least``; 0 where nothing is visible.
    """
    dataset = definition.code
    forget(session, dataset)
    visible = newest_release(session, dataset, ReleaseState.PUBLISHED)
    staged = newest_release(session, dataset, ReleaseState.STAGED)
    number = max(visible.number + 1, at_least) if visible else 0
    if staged is not None:
        _move_staged(session, definition, staged, number + 1 if visible else staged.number)
    slices = delete(LayerSlice).where(LayerSlice.dataset == dataset)
    kept = _kept_slices(session, dataset, visible.number if visible else 0, months)
    session.execute(slices)
    # What was counted of erased rows goes with them.
    for made_of in (CellAnswer, RankTable):
        session.execute(delete(made_of).where(made_of.dataset == dataset))
    if visible is not None:
        release = Release(
            dataset=dataset,
            number=number,
            state=ReleaseState.PUBLISHED,
            staged_at=now(),
            published_at=now(),
            synthetic=visible.synthetic,
        )
        session.add(release)
        session.flush()
        counts = {row.period: row.rows for row in session.execute(rows_by_period(definition, number))}
        release.periods = [
            period for period in visible.periods if _has_rows(session, definition, number, period, counts, months)
        ]
        session.add_all(
            LayerSlice(dataset=dataset, release=number, fingerprint=key.fingerprint, period=key.period, artefact=name)
            for key, name in kept.items()
        )
        session.flush()
    used = set(kept.values())
    if visible is not None:
        for scope in syncable(session, services, dataset, number, today):
            keys = in_snapshot(slice_keys(scope, release.periods))
            if all(key in kept for key in keys):
                used.add(snapshot_name(scope, [kept[key] for key in keys]))
    for name in session.scalars(select(Artefact.name).where(Artefact.dataset == dataset)).all():
        if name not in used:
            session.execute(delete(Artefact).where(Artefact.name == name))
    if visible is not None:
        services.audit.record(
            EventType.DATASET_PUBLISHED,
            actor=actor,
            dataset=dataset,
            filter={"release": number},
            rows=sum(counts.values()),
        )
    return number


def _kept_slices(session: Session, dataset: str, release: int, months: Collection[str]) -> dict[SliceKey, str]:
    recorded = session.scalars(select(LayerSlice).where(LayerSlice.dataset == dataset, LayerSlice.release == release))
    return {
        SliceKey(slice_.fingerprint, slice_.period): slice_.artefact
        for slice_ in recorded
        if month_of(slice_.period) not in months
    }


def _has_rows(
    session: Session,
    definition: DatasetDefinition,
    release: int,
    period: str,
    counts: Collection[str],
    months: Collection[str],
) -> bool:
    month = month_of(period)
    if month not in counts or not is_day(period) or month not in months:
        return month in counts
    return period in map(period_of_day, session.scalars(days_of_month(definition, release, month)))


def _move_staged(session: Session, definition: DatasetDefinition, staged: Release, number: int) -> None:
    """Its rows have moved, whoever builds it begins anew; and so has its number."""
    former = staged.number
    if number != former:
        renumber(session, definition, former, number)
        theirs = Delivery.dataset == definition.code, Delivery.release == former
        for delivery in session.scalars(select(Delivery).where(*theirs)).all():
            delivery.release = number
            delivery.report = {**delivery.report, "release": number}
        for told in (Upload, Receipt):
            session.execute(
                update(told).where(told.dataset == definition.code, told.release == former).values(release=number)
            )
        # Nothing refers to it by its number but slices, which go with the rows they were made of.
        session.execute(delete(LayerSlice).where(LayerSlice.dataset == definition.code, LayerSlice.release == former))
        session.execute(
            update(Release).where(Release.dataset == definition.code, Release.number == former).values(number=number)
        )
    session.execute(
        update(Release)
        .where(Release.dataset == definition.code, Release.number == number)
        .values(staged_at=now(), built_from=None)
    )
    session.expire(staged)
