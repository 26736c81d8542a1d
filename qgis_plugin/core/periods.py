"""Months, periods and spans of days: what a search covers and what it is compared with."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from .analysis_error import AnalysisError
from .days import day_in_words

_MONTH = re.compile(r"(\d{4})-(0[1-9]|1[0-2])")
_NAMES = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)


def month_number(month: str) -> int:
    """Months since year 0 of a ``YYYY-MM``; raises ``AnalysisError`` for anything else."""
    match = _MONTH.fullmatch(month.strip())
    if not match:
        raise AnalysisError(f"“{month}” is no month: write it as year and month, for example 2025-03.", "month")
    return int(match[1]) * 12 + int(match[2]) - 1


def month_of(number: int) -> str:
    """``YYYY-MM`` of a month number."""
    return f"{number // 12:04d}-{number % 12 + 1:02d}"


def month_words(month: str) -> str:
    """``2025-03`` as “March 2025”."""
    number = month_number(month)
    return f"{_NAMES[number % 12]} {number // 12}"


@dataclass(frozen=True)
class Period:
    """Whole months from ``first`` to ``last``, both included, as ``YYYY-MM``."""

    first: str
    last: str

    def __post_init__(self) -> None:
        if month_number(self.first) > month_number(self.last):
            raise AnalysisError(
                f"The period ends ({month_words(self.last)}) before it starts ({month_words(self.first)}): "
                "choose a later end or an earlier start.",
                "month",
            )

    @property
    def months(self) -> int:
        """The number of months."""
        return month_number(self.last) - month_number(self.first) + 1

    @property
    def label(self) -> str:
        """“January 2025 to December 2025”, or one month's name."""
        if self.first == self.last:
            return month_words(self.first)
        return f"{month_words(self.first)} to {month_words(self.last)}"

    def covers(self, month: str) -> bool:
        """Whether a ``YYYY-MM`` lies in the period; an empty month lies in none."""
        return self.first <= month <= self.last

    @property
    def days(self) -> DaySpan:
        """All its days."""
        after = month_of(month_number(self.last) + 1)
        return DaySpan(f"{self.first}-01", (_day(f"{after}-01") - timedelta(days=1)).isoformat())

    def before(self) -> Period:
        """The period of equal length that ends the month before this one starts."""
        start = month_number(self.first)
        return Period(month_of(start - self.months), month_of(start - 1))


@dataclass(frozen=True)
class DaySpan:
    """Days from ``first`` to ``last``, both included, as ``YYYY-MM-DD``; raises ``AnalysisError`` for anything else."""

    first: str
    last: str

    def __post_init__(self) -> None:
        first, last = _day(self.first), _day(self.last)
        if first > last:
            raise AnalysisError(
                f"The last day ({day_in_words(last)}) comes before the first ({day_in_words(first)}): "
                "choose a later end or an earlier start.",
                "day",
            )

    @property
    def period(self) -> Period:
        """The months that the days are of."""
        return Period(self.first[:7], self.last[:7])

    @property
    def label(self) -> str:
        """“5 January 2025 to 14 February 2025”, or one day."""
        first, last = day_in_words(_day(self.first)), day_in_words(_day(self.last))
        return first if first == last else f"{first} to {last}"

    @property
    def in_part(self) -> tuple[str, ...]:
        """The months, one or two, of which some days are left out; none where these are whole months."""
        after_first, after_last = (date.fromisoformat(day).day for day in (self.first, self.day_after))
        cut = [self.first[:7]] if after_first > 1 else []
        return tuple(dict.fromkeys([*cut, self.last[:7]] if after_last > 1 else cut))

    @property
    def day_after(self) -> str:
        """The day after the last one."""
        return (_day(self.last) + timedelta(days=1)).isoformat()

    def within(self, held: DaySpan) -> DaySpan | None:
        """Those that lie in ``held`` too, if any do."""
        first, last = max(self.first, held.first), min(self.last, held.last)
        return DaySpan(first, last) if first <= last else None


def _day(text: str) -> date:
    try:
        found = date.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.isoformat() != text:
        raise AnalysisError(f"“{text}” is no day: write it as year, month and day, for example 2025-03-09.", "day")
    return found


def latest_year(months: Sequence[str]) -> Period | None:
    """The last twelve months held, fewer where fewer are held; ``None`` where no row is dated."""
    held = sorted(month for month in months if _MONTH.fullmatch(month))
    if not held:
        return None
    first = max(month_number(held[0]), month_number(held[-1]) - 11)
    return Period(month_of(first), held[-1])


def held_before(period: Period, months: Sequence[str]) -> Period | None:
    """The period before, where the data reach back to its first month; else ``None``: half a year is no comparison."""
    held = sorted(month for month in months if _MONTH.fullmatch(month))
    previous = period.before()
    return previous if held and held[0] <= previous.first else None
