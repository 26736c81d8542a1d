"""What a release changes against the published one before it, in counts. The worker counts, for who answers people may
not read incidents; kept beside the release, so that its page shows it whenever it is asked for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Subquery, and_, delete, func, or_, select
from sqlalchemy.orm import Session

from ..datasets.definitions import DatasetDefinition
from ..datasets.incidents import incident_table
from ..errors import SafeStatsError
from ..services import Services
from .models import Release, ReleaseComparison, ReleaseState
from .releases import newest_release

Cell = tuple[str, str]  # month ("" where undated), borough's code, “outside” or “unplaced”


@dataclass(frozen=True)
class Counts:
    """All rows before and after; and of the months that the release touches cells by month and place, and categories.

    A cell is [month, place, before, after, added, changed, withdrawn], a category [label, before, after]. Where a
    dataset is of counts, before and after are their sums. A changed row counts where it is now.
    """

    before: int
    after: int
    cells: list[list[Any]]
    categories: list[list[Any]]

    def to_json(self) -> dict[str, Any]:
        """For a column."""
        return {"before": self.before, "after": self.after, "cells": self.cells, "categories": self.categories}


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
        before = _predecessor(session, dataset, number)
        counts = _counts(session, definition, before, number)
    with services.database.write() as session:
        now = session.get(Release, (dataset, number))
        if now is not None and now.staged_at == staged_at:
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


def _counts(session: Session, definition: DatasetDefinition, before: int, after: int) -> Counts:
    table = incident_table(definition)
    place = func.coalesce(table.c.borough_code, table.c.area_code)
    category = table.c[definition.category_field]

    def stands(release: int) -> ColumnElement[bool]:
        return and_(table.c.from_release <= release, or_(table.c.to_release.is_(None), table.c.to_release > release))

    versions = select(table.c.identity, table.c.content, table.c.period, place.label("place"))
    begun = versions.where(table.c.from_release > before, stands(after)).subquery("begun")
    ended = versions.where(table.c.to_release <= after, stands(before)).subquery("ended")
    begins, ends = _by_cell(session, begun), _by_cell(session, ended)
    added, withdrawn, changed = Counter(begins), Counter(ends), Counter[Cell]()
    if begins and ends:
        # Versions of one incident on both sides: it changed, or it came back as it was.
        differs = begun.c.content != ended.c.content
        both = session.execute(
            select(begun.c.period, begun.c.place, ended.c.period, ended.c.place, differs, func.count())
            .join(ended, begun.c.identity == ended.c.identity)
            .group_by(begun.c.period, begun.c.place, ended.c.period, ended.c.place, differs)
        )
        for month, where, former_month, former_where, other, number in both:
            added[month, where] -= number
            withdrawn[former_month, former_where] -= number
            changed[month, where] += number if other else 0
    months = sorted({month for month, _ in (*begins, *ends)})
    amount: ColumnElement[Any] = func.count()
    if definition.counting is not None:
        amount = func.sum(table.c[definition.counting.field])
    old, new = (func.coalesce(amount.filter(stands(release)), 0) for release in (before, after))
    all_old, all_new = session.execute(select(old, new).select_from(table)).one()
    touched = table.c.period.in_(months)
    cells = {
        (month, where): (int(was), int(is_))
        for month, where, was, is_ in session.execute(
            select(table.c.period, place, old, new).where(touched).group_by(table.c.period, place)
        )
        if was or is_
    }
    by_category = session.execute(select(category, old, new).where(touched).group_by(category))
    touched_cells = sorted({*cells, *begins, *ends})
    return Counts(
        int(all_old),
        int(all_new),
        [[*cell, *cells.get(cell, (0, 0)), added[cell], changed[cell], withdrawn[cell]] for cell in touched_cells],
        sorted([label or "", int(was), int(is_)] for label, was, is_ in by_category if was or is_),
    )


def _by_cell(session: Session, versions: Subquery) -> dict[Cell, int]:
    found: Sequence[Any] = session.execute(
        select(versions.c.period, versions.c.place, func.count()).group_by(versions.c.period, versions.c.place)
    ).all()
    return {(month, place): number for month, place, number in found}
