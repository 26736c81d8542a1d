"""What a release changes against the published one before it, in counts. The worker counts, for who answers people may
not read incidents; kept beside the release, so that its page shows it whenever it is asked for."""

from __future__ import annotations

from sqlalchemy import ColumnElement, and_, delete, func, select
from sqlalchemy.orm import Session

from ..datasets.change_counts import change_counts
from ..datasets.definitions import DatasetDefinition
from ..errors import SafeStatsError
from ..services import Services
from .models import Release, ReleaseComparison, ReleaseState
from .releases import newest_release


def comparison(session: Session, dataset: str, release: int) -> ReleaseComparison | None:
    """The comparison of a release, ``None`` where it is not counted yet, or its rows have moved since."""
    return session.scalar(
        select(ReleaseComparison)
        .join(Release, _holds_for())
        .where(ReleaseComparison.dataset == dataset, ReleaseComparison.release == release)
    )


def compared(services: Services, dataset: str, release: int | None = None) -> ReleaseComparison:
    """The comparison of a release, counted where it is not yet; unless told of the staged one, else the visible one.

    Raises ``SafeStatsError`` where there is no such release.
    """
    definition = services.definition(dataset)
    with services.database.read() as session:
        chosen = _chosen(session, dataset, release)
        found = comparison(session, dataset, chosen)
    if found is None:
        count(services, definition, chosen)
        with services.database.read() as session:
            found = comparison(session, dataset, chosen)
    if found is None:
        raise SafeStatsError(f"Release {chosen} of {dataset} changed while it was compared: try again.")
    return found


def any_lacks(services: Services) -> bool:
    """Whether a release waits to be compared."""
    with services.database.read() as session:
        return _next(session, services) is not None


def compare_next(services: Services) -> bool:
    """Compare one release that waits for it, the newest first; whether there was one."""
    with services.database.read() as session:
        waiting = _next(session, services)
    if waiting is None:
        return False
    count(services, services.definition(waiting[0]), waiting[1])
    return True


def count(services: Services, definition: DatasetDefinition, number: int) -> None:
    """Count what a release changes, and keep it unless its rows have moved meanwhile."""
    dataset = definition.code
    with services.database.read() as session:
        release = session.get(Release, (dataset, number))
        if release is None:
            return
        staged_at = release.staged_at
        visible = newest_release(session, dataset, ReleaseState.PUBLISHED)
        before = _predecessor(session, dataset, number)
        counts = change_counts(session, definition, before, number)
    with services.database.write() as session:
        now = session.get(Release, (dataset, number))
        shows = newest_release(session, dataset, ReleaseState.PUBLISHED)
        # Erasing rows makes a new release visible.
        unmoved = (shows.number if shows else 0) == (visible.number if visible else 0)
        if now is not None and now.staged_at == staged_at and unmoved:
            session.merge(
                ReleaseComparison(
                    dataset=dataset, release=number, before=before, staged_at=staged_at, counts=counts.to_json()
                )
            )


def forget(session: Session, dataset: str, release: int | None = None) -> None:
    """Drop a comparison, or all of a dataset: what was erased is in no count."""
    query = delete(ReleaseComparison).where(ReleaseComparison.dataset == dataset)
    session.execute(query if release is None else query.where(ReleaseComparison.release == release))


def _holds_for() -> ColumnElement[bool]:
    """Whether a comparison is of a release as it is."""
    return and_(
        ReleaseComparison.dataset == Release.dataset,
        ReleaseComparison.release == Release.number,
        ReleaseComparison.staged_at == Release.staged_at,
    )


def _next(session: Session, services: Services) -> tuple[str, int] | None:
    waiting = session.execute(
        select(Release.dataset, Release.number)
        .outerjoin(ReleaseComparison, _holds_for())
        .where(ReleaseComparison.release.is_(None), Release.dataset.in_(sorted(services.definitions)))
        .order_by(Release.staged_at.desc())
        .limit(1)
    ).first()
    return None if waiting is None else (waiting.dataset, waiting.number)


def _chosen(session: Session, dataset: str, release: int | None) -> int:
    if release is not None:
        if session.get(Release, (dataset, release)) is None:
            raise SafeStatsError(f"{dataset} has no release {release}: “safestats status” tells which there are.")
        return release
    newest = newest_release(session, dataset, ReleaseState.STAGED) or newest_release(
        session, dataset, ReleaseState.PUBLISHED
    )
    if newest is None:
        raise SafeStatsError(f"Nothing of {dataset} is staged or was published: load a file first.")
    return newest.number


def _predecessor(session: Session, dataset: str, number: int) -> int:
    """The published release before that one; 0 where it is the first."""
    earlier = select(func.max(Release.number)).where(
        Release.dataset == dataset, Release.state == ReleaseState.PUBLISHED, Release.number < number
    )
    return session.scalar(earlier) or 0
