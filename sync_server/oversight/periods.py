"""The months of a report, as London counts them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime

from ..errors import SafeStatsError
from ..instants import LONDON, iso

MOST_MONTHS = 60


def month_of(at: str) -> str:
    """The month in London (``2026-11``) of an instant as the audit writes it."""
    return datetime.fromisoformat(at).astimezone(LONDON).strftime("%Y-%m")


def months_until(last: str, count: int) -> list[str]:
    """``count`` months in a row, of which ``last`` is the last; raises ``SafeStatsError``."""
    try:
        year, month = (int(part) for part in last.split("-"))
        date(year, month, 1)
    except ValueError as error:
        raise SafeStatsError(f"“{last}” is no month: write it as 2026-11.") from error
    if not 1 <= count <= MOST_MONTHS:
        raise SafeStatsError(f"A report is of 1 to {MOST_MONTHS} months: ask for fewer.")
    index = year * 12 + month - 1
    return [f"{n // 12:04d}-{n % 12 + 1:02d}" for n in range(index - count + 1, index + 1)]


def bounds(months: Sequence[str]) -> tuple[str, str]:
    """The first instant of the months and the first after them, as the audit writes instants."""
    first, after = min(months), _next(max(months))
    return _start(first), _start(after)


def month_in_words(month: str) -> str:
    """``November 2026``."""
    return f"{date.fromisoformat(f'{month}-01'):%B %Y}"


def so_far(month: str, made_on: date) -> str:
    """What follows a month's name in a report that was made on this day: a month that is not over is marked."""
    return ", so far" if month >= f"{made_on:%Y-%m}" else ""


def period_in_words(months: Sequence[str]) -> str:
    """``November 2026``, or ``December 2025 to November 2026``."""
    first, last = min(months), max(months)
    return month_in_words(last) if first == last else f"{month_in_words(first)} to {month_in_words(last)}"


def _next(month: str) -> str:
    year, number = (int(part) for part in month.split("-"))
    return f"{year + number // 12:04d}-{number % 12 + 1:02d}"


def _start(month: str) -> str:
    year, number = (int(part) for part in month.split("-"))
    return iso(datetime(year, number, 1, tzinfo=LONDON).astimezone(UTC))
