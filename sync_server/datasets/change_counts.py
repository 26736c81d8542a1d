"""What lies between two releases of a dataset, counted over all rows: for publishers, never for who reads incidents."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Subquery, and_, func, or_, select
from sqlalchemy.orm import Session

from .definitions import DatasetDefinition
from .incidents import incident_table

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


def change_counts(session: Session, definition: DatasetDefinition, before: int, after: int) -> Counts:
    """What changes from release ``before`` (0: nothing) to ``after``."""
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
