"""The counts of a pack, of the rows that a scope shows; masked and rounded before anything of them is told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, func
from sqlalchemy.orm import Session

from ...shared.disclosure import PublishedCount, published_count, published_table, published_words
from ..agreements.opened import Scope
from ..analysis.visible import VisibleRows
from ..datasets.definitions import RETURN_MONTH, SITE, DatasetDefinition, Field, FieldGroup

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
HOURS = 24
_WEEKDAY, _HOUR, _BOROUGH = "weekday", "hour", "borough_code"


@dataclass(frozen=True)
class Counts:
    """Exact counts, which never leave the server. ``year`` are the months of the window, this month the last.

    ``by_*`` are of the window but for ``by_month`` and ``of_month``; a key of ``None`` is what is not known.
    """

    month: str
    year: Sequence[str]
    by_month: Mapping[str, int]
    category_of_month: Mapping[str | None, int]
    by_category: Mapping[str | None, int]
    by_kind: Mapping[str | None, int]  # of the second field
    by_borough: Mapping[str | None, int]
    by_site: Mapping[str | None, int]
    by_hour: Mapping[tuple[str | None, int | None], int]  # weekday and hour
    last_year: Mapping[str | None, int]  # by borough, of the window before

    @property
    def of_month(self) -> int:
        """Rows of the month."""
        return self.by_month.get(self.month, 0)

    @property
    def of_year(self) -> int:
        """Rows of the window."""
        return sum(self.by_month.get(month, 0) for month in self.year)


def month_field(definition: DatasetDefinition) -> str:
    """What the months of a pack are: those of the returns, where the dataset has them."""
    return RETURN_MONTH if any(field.name == RETURN_MONTH for field in definition.fields) else "month"


def second_field(definition: DatasetDefinition) -> Field | None:
    """The first coded field beside category and weekday: say, the kind of place."""
    for field in definition.fields:
        if field.codes and field.group == FieldGroup.CORE and field.name not in (definition.category_field, _WEEKDAY):
            return field
    return None


def count_rows(session: Session, scope: Scope, months: Sequence[str], year: Sequence[str], borough: str = "") -> Counts:
    """The counts of the scope's rows in ``months`` (the window ``year`` and what stands before it), of all of it or of
    one borough. What a grant does not show counts as not known."""
    definition = scope.definition
    rows = VisibleRows(session, scope)
    named = month_field(definition)
    month = rows.column(named if named in rows.fields else "month")
    before = [one for one in months if one < year[0]][-len(year) :]
    here = [rows.column(_BOROUGH) == borough] if borough else []

    def counted(first: str, last: str, *names: str) -> dict[tuple, int]:
        shown = [name for name in names if name in rows.fields]
        columns: list[ColumnElement] = [rows.column(name) for name in shown]
        asked = rows.select(*columns, func.count()).where(month >= first, month <= last, *here)
        found: dict[tuple, int] = Counter()
        for *values, number in session.execute(asked.group_by(*columns) if columns else asked):
            by_name = dict(zip(shown, values, strict=True))
            found[tuple(by_name.get(name) for name in names)] += int(number)
        return found

    def single(first: str, last: str, name: str) -> dict[str | None, int]:
        return {key: number for (key,), number in counted(first, last, name).items()}

    of_months = rows.select(month, func.count()).where(month >= months[0], month <= months[-1], *here)
    by_month = of_months.group_by(month)
    first, last = year[0], year[-1]
    kind = second_field(definition)
    return Counts(
        month=last,
        year=tuple(year),
        by_month={str(one): int(number) for one, number in session.execute(by_month)},
        category_of_month=single(last, last, definition.category_field),
        by_category=single(first, last, definition.category_field),
        by_kind=single(first, last, kind.name) if kind else {},
        by_borough=single(first, last, _BOROUGH),
        by_site=single(first, last, SITE) if definition.sites else {},
        by_hour={(day, hour): number for (day, hour), number in counted(first, last, _WEEKDAY, _HOUR).items()},
        last_year=single(before[0], before[-1], _BOROUGH) if len(before) == len(year) else {},
    )


class Publisher:
    """Makes counts fit to leave: masked below a threshold, else rounded, and safe against subtraction."""

    def __init__(self, threshold: int) -> None:
        self.threshold = max(1, threshold)
        self._largest = self.threshold - 1

    def one(self, count: int) -> PublishedCount:
        """A count that stands alone."""
        return published_count(count, self._largest)

    def column(self, counts: Sequence[int]) -> tuple[list[PublishedCount], PublishedCount]:
        """Counts of one column, and their total."""
        if not counts:
            return [], 0
        table = published_table([[count] for count in counts], self._largest)
        return [row[0] for row in table.rows], table.totals[0]

    def months(self, counts: Mapping[str, int]) -> tuple[dict[str, PublishedCount], PublishedCount]:
        """The counts of months, and that of all of them together."""
        shown, total = self.column(list(counts.values()))
        return dict(zip(counts, shown, strict=True)), total

    def words(self, count: PublishedCount) -> str:
        """As it is printed: “<8” where masked."""
        return published_words(count, self._largest)
