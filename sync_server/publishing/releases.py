"""Which release of a dataset is visible, which is staged, and what of it may be synced."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import date, timedelta

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from ..agreements.opened import Scope
from ..agreements.scope import live_scopes
from ..datasets.definitions import DatasetDefinition
from ..datasets.incidents import changed_days_of_month, changes_by_period
from ..datasets.periods import is_day, month_of, period_of_day
from ..errors import SafeStatsError
from ..services import Services
from .models import LayerSlice, Release, ReleaseState
from .slices import SliceKey


def newest_release(session: Session, dataset: str, state: ReleaseState) -> Release | None:
    """The newest release of that state."""
    return session.scalar(
        select(Release)
        .where(Release.dataset == dataset, Release.state == state)
        .order_by(Release.number.desc())
        .limit(1)
    )


def find_release(session: Session, dataset: str, number: int) -> Release | None:
    """The release of that number, ``None`` where there is none."""
    return session.get(Release, (dataset, number))


def releases_of(session: Session, dataset: str, count: int) -> Sequence[Release]:
    """The newest releases of a dataset, the newest one first."""
    newest = select(Release).where(Release.dataset == dataset).order_by(Release.number.desc()).limit(count)
    return session.scalars(newest).all()


def staged_releases(session: Session) -> Sequence[Release]:
    """What waits to be published, by dataset."""
    return session.scalars(select(Release).where(Release.state == ReleaseState.STAGED).order_by(Release.dataset)).all()


def begin_building(session: Session, planned: Release) -> None:
    """Forget the slices that were made for a staged release of rows which have moved since."""
    release = refuse_moved_rows(session, planned)
    if not _built_from_these_rows(release):
        session.execute(
            delete(LayerSlice).where(LayerSlice.dataset == release.dataset, LayerSlice.release == release.number)
        )
        release.built_from = release.staged_at


def refuse_moved_rows(session: Session, built: Release) -> Release:
    """The release as it is now; raises ``SafeStatsError`` where it is another one than that which was built."""
    release = session.get(Release, (built.dataset, built.number))
    if release is None or (release.state, release.staged_at) != (built.state, built.staged_at):
        raise SafeStatsError(
            f"The staged rows of {built.dataset} changed while its release {built.number} was being published: "
            "publish it again."
        )
    return release


def valid_slices(session: Session, definition: DatasetDefinition, release: Release) -> dict[SliceKey, str]:
    """The recorded slices that hold for the release: its own, and those of periods that it leaves unchanged."""
    recorded = session.scalars(select(LayerSlice).where(LayerSlice.dataset == definition.code)).all()
    valid = [slice_ for slice_ in recorded if slice_.release == release.number and _built_from_these_rows(release)]
    if release.state == ReleaseState.STAGED:
        cut = {month_of(slice_.period) for slice_ in recorded if is_day(slice_.period)}
        changed = _changed_periods(session, definition, release.number, cut)
        valid += [slice_ for slice_ in recorded if slice_.release < release.number and slice_.period not in changed]
    return {SliceKey(slice_.fingerprint, slice_.period): slice_.artefact for slice_ in valid}


def _changed_periods(session: Session, definition: DatasetDefinition, release: int, cut: Collection[str]) -> set[str]:
    """The months in which rows begin or end with the release, and the days of those that are ``cut`` into days."""
    months = {row.period for row in session.execute(changes_by_period(definition, release))}
    days: set[str] = set()
    for month in months & set(cut):
        days.update(map(period_of_day, session.scalars(changed_days_of_month(definition, release, month))))
    return months | days


def changed_months(session: Session, definition: DatasetDefinition, former: int, newer: int) -> set[str]:
    """The months in which rows begin or end with a release after the ``former``, up to the ``newer``."""
    return {
        row.period
        for number in range(former + 1, newer + 1)
        for row in session.execute(changes_by_period(definition, number))
    }


def syncable(session: Session, services: Services, dataset: str, release: int, today: date) -> list[Scope]:
    """What agreements in force show at the release, today and, for "the last months", when the month turns."""
    turn = (today.replace(day=1) + timedelta(days=32)).replace(day=1)
    return [
        replace(scope, release=release)
        for day in (today, turn)
        for scope in live_scopes(session, dataset, services.definitions, day)
    ]


def _built_from_these_rows(release: Release) -> bool:
    """Whether the slices that are recorded for the release are of its rows as they are now."""
    return release.state == ReleaseState.PUBLISHED or release.built_from == release.staged_at
