"""Exact counts of one dataset in one borough, of rows that an agreement shows; they never leave as they are here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from sqlalchemy import ColumnElement, func
from sqlalchemy.orm import Session

from ...shared.windows import Window, comparison, newest_full_month, trend
from ..agreements.opened import Scope
from ..analysis.visible import VisibleRows
from ..datasets import periods
from ..publishing.models import Release
from ..quality.counting import HOURS, WEEKDAYS, month_field
from ..quality.register import returned_months

AREA_FIELD = "borough_code"
_LSOA, _WEEKDAY, _HOUR, _PRECISION = "lsoa_code", "weekday", "hour", "precision_m"
COARSE_M = 100
UNKNOWN = "Unknown"  # as code lists call it


@dataclass(frozen=True)
class Months:
    """The windows of a dataset; ``held``: the months of which rows came, or the sites' returns of them."""

    now: Window
    before: Window
    trend: Window
    held: frozenset[str]


@dataclass(frozen=True)
class Counts:
    """What the rows come to. ``by_hour`` is empty where the data do not tell hours."""

    by_month: Mapping[str, int]  # of the trend
    now: Mapping[str, int]  # by category
    before: Mapping[str, int]
    by_lsoa: Mapping[str, int]  # "" where none is known; empty where the agreement does not show LSOAs
    by_hour: Mapping[tuple[int, int], int]  # weekday (0 Monday) and hour
    has_hours: bool
    unplaced: int | None  # rows of the window without a point; None where the agreement shows no points
    coarse: int | None  # rows whose point is known to more than COARSE_M, or nobody tells how well
    boroughs: Mapping[str, int]  # of the window, all that is shown

    @property
    def of_now(self) -> int:
        """Rows of the window."""
        return sum(self.now.values())

    @property
    def of_before(self) -> int:
        """Rows of the window before."""
        return sum(self.before.values())


def months_of(session: Session, permitted: Scope, today: date) -> Months | None:
    """The windows that end with the newest whole month that is held; ``None`` where nothing dated is."""
    release = session.get(Release, (permitted.definition.code, permitted.release))
    returned = returned_months(session, permitted.definition)
    held = [period for period in returned or release.periods if period] if release is not None else []
    if not held:
        return None
    newest = max(held)
    day = date.fromisoformat(newest) if periods.is_day(newest) else None
    last = newest_full_month(periods.month_of(newest), day, today)
    now, before = comparison(last)
    return Months(now, before, trend(last), frozenset(map(periods.month_of, held)))


def can_tell(permitted: Scope) -> bool:
    """Whether the agreement shows borough and month of the rows."""
    names = {one.name for one in permitted.columns}
    return {AREA_FIELD, month_field(permitted.definition)} <= names


def count_borough(session: Session, permitted: Scope, months: Months, borough: str) -> Counts:
    """The counts of the borough; raises ``UnknownProperty`` unless ``can_tell``."""
    definition = permitted.definition
    rows = VisibleRows(session, permitted)
    named = month_field(definition)
    month, category = rows.column(named), definition.category_field
    area = rows.column(AREA_FIELD)
    here = area == borough

    def counted(window: Window, *names: str) -> Counter[tuple]:
        """By these properties, ``None`` for one that the agreement does not show."""
        shown = [name for name in names if name in rows.fields]
        columns = [rows.column(name) for name in shown]
        asked = rows.select(*columns, func.count()).where(here, *_within(month, window))
        found: Counter[tuple] = Counter()
        for *values, number in session.execute(asked.group_by(*columns) if columns else asked):
            by_name = dict(zip(shown, values, strict=True))
            found[tuple(by_name.get(name) for name in names)] += int(number)
        return found

    by_month = {key: number for (key,), number in counted(months.trend, named).items()}
    names = set(rows.fields)
    has_hours = {_WEEKDAY, _HOUR} <= names
    by_hour: Counter[tuple[int, int]] = Counter()
    if has_hours:
        for (day, hour), number in counted(months.now, _WEEKDAY, _HOUR).items():
            if day in WEEKDAYS and hour is not None and 0 <= hour < HOURS:
                by_hour[WEEKDAYS.index(day), int(hour)] += number
    by_borough = rows.select(area, func.count()).where(area.is_not(None), *_within(month, months.now)).group_by(area)
    placed = rows.placed and _PRECISION in names
    unplaced = coarse = None
    if placed:
        none_known = rows.x.is_(None)
        asked = rows.select(none_known, rows.column(_PRECISION), func.count())
        asked = asked.where(here, *_within(month, months.now))
        asked = asked.group_by(none_known, rows.column(_PRECISION))
        unplaced = coarse = 0
        for none, precision, number in session.execute(asked):
            if none:
                unplaced += int(number)
            elif precision is None or precision > COARSE_M:
                coarse += int(number)
    return Counts(
        by_month=by_month,
        now=_categories(counted(months.now, category)),
        before=_categories(counted(months.before, category)),
        by_lsoa={key or "": n for (key,), n in counted(months.now, _LSOA).items()} if _LSOA in names else {},
        by_hour=by_hour,
        has_hours=has_hours,
        unplaced=unplaced,
        coarse=coarse,
        boroughs={code: int(number) for code, number in session.execute(by_borough)},
    )


def _within(month: ColumnElement[str], window: Window) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    """Not “between”: PostgreSQL takes no collation there, which a month of return has."""
    return month >= window.first, month <= window.last


def _categories(found: Mapping[tuple, int]) -> dict[str, int]:
    named: Counter[str] = Counter()
    for (category,), number in found.items():
        named[category or UNKNOWN] += number
    return named
