"""Whole months: what is counted, what it is compared with, and how far data are complete.

A month is ``YYYY-MM``. Nothing here knows of days beyond telling whether a month is over.
"""

from __future__ import annotations

import re
from calendar import month_name, monthrange
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

YEAR = 12
TREND_MONTHS = 36
# Data that end so much earlier than others are of another time: they are left out rather than hold all others back.
MOST_BEHIND = 6

_MONTH = re.compile(r"([0-9]{4})-(0[1-9]|1[0-2])")


def month_number(month: str) -> int:
    """Months since year 0; raises ``ValueError`` for anything but ``YYYY-MM``."""
    match = _MONTH.fullmatch(month)
    if not match:
        raise ValueError(f"“{month}” is no month: write it as year and month, for example 2025-03.")
    return int(match[1]) * YEAR + int(match[2]) - 1


def month_of(number: int) -> str:
    """``YYYY-MM`` of a month number."""
    return f"{number // YEAR:04d}-{number % YEAR + 1:02d}"


def month_words(month: str) -> str:
    """``2025-03`` as “March 2025”; raises ``ValueError`` for anything but ``YYYY-MM``."""
    number = month_number(month)
    return f"{month_name[number % YEAR + 1]} {number // YEAR}"


@dataclass(frozen=True)
class Window:
    """Whole months from ``first`` to ``last``, both included; raises ``ValueError`` where it ends before it starts."""

    first: str
    last: str

    def __post_init__(self) -> None:
        if month_number(self.first) > month_number(self.last):
            raise ValueError(f"{month_words(self.last)} comes before {month_words(self.first)}: choose a later end.")

    @property
    def months(self) -> tuple[str, ...]:
        """Every month, the first first."""
        return tuple(month_of(n) for n in range(month_number(self.first), month_number(self.last) + 1))

    @property
    def label(self) -> str:
        """“January 2025 to December 2025”, or one month's name."""
        if self.first == self.last:
            return month_words(self.first)
        return f"{month_words(self.first)} to {month_words(self.last)}"

    def covers(self, month: str) -> bool:
        """Whether a month lies in the window; an empty one lies in none."""
        return self.first <= month <= self.last

    def before(self) -> Window:
        """The window of equal length that ends the month before this one starts."""
        start = month_number(self.first)
        return Window(month_of(start - len(self.months)), month_of(start - 1))


def _ending(last: str, months: int) -> Window:
    return Window(month_of(month_number(last) - months + 1), last)


def comparison(newest_full_month: str) -> tuple[Window, Window]:
    """The last 12 full months, and the 12 before them."""
    now = _ending(newest_full_month, YEAR)
    return now, now.before()


def trend(newest: str) -> Window:
    """The 36 months that end with ``newest``."""
    return _ending(newest, TREND_MONTHS)


def newest_full_month(newest_month: str, newest_day: date | None, today: date) -> str:
    """The newest month of which all is held.

    ``newest_day`` is given for data that come in as things happen: their newest month is full once its last day is
    there. Data published by the month (``None``) are full but for a month that is not over today.
    """
    number = month_number(newest_month)
    if newest_day is not None:
        whole = newest_day.day == monthrange(newest_day.year, newest_day.month)[1]
        number = min(number, newest_day.year * YEAR + newest_day.month - (1 if whole else 2))
    return month_of(min(number, today.year * YEAR + today.month - 2))


def common_end(newest_full_months: Sequence[str]) -> str:
    """The newest month that all datasets hold in full, but for those that end ``MOST_BEHIND`` months or more earlier.

    Raises ``ValueError`` where there is none.
    """
    numbers = [month_number(month) for month in newest_full_months]
    if not numbers:
        raise ValueError("None of the datasets is dated: no period can be chosen.")
    return month_of(min(number for number in numbers if number > max(numbers) - MOST_BEHIND))
