"""What a staged release changes, in numbers: rows by month and borough, before and after. Counts and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import Session

from ..datasets.definitions import DatasetDefinition
from ..datasets.incidents import incident_table


def counts_by_place(
    session: Session, definition: DatasetDefinition, months: Sequence[str], before: int, after: int
) -> list[list[Any]]:
    """[month, borough's code (else “outside” or “unplaced”), rows of release ``before``, rows of release ``after``].

    Of the months alone, in their order. Where a dataset is of counts, their sum. Release 0 holds nothing.
    """
    table = incident_table(definition)
    place = func.coalesce(table.c.borough_code, table.c.area_code).label("place")
    amount: ColumnElement[Any] = func.count()
    if definition.counting is not None:
        amount = func.sum(table.c[definition.counting.field])

    def of(release: int) -> ColumnElement[Any]:
        stands = (table.c.from_release <= release) & or_(table.c.to_release.is_(None), table.c.to_release > release)
        return func.coalesce(amount.filter(stands), 0)

    found = session.execute(
        select(table.c.period, place, of(before), of(after))
        .where(table.c.period.in_(months))
        .group_by(table.c.period, place)
        .order_by(table.c.period, place)
    )
    return [[month, code, int(old), int(new)] for month, code, old, new in found if old or new]
