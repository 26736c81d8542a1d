"""Periods of slices: a month (``2026-11``), a day of a month that is still open (``2026-11-20``), or undated ("").

Which months are open is decided once, when a release is planned, and kept with it as its periods.
"""

from __future__ import annotations

import calendar
from collections.abc import Iterable
from datetime import date, timedelta

from ...shared.manifest import UNDATED
from ..keys import date_of_day, feature_id_range
from .definitions import DatasetDefinition, Publish

# A month closes at the first publishing from the eighth day of the next one: what a supplier sends late comes mostly
# within a week, and then costs a day's slice.
OPEN_AFTER_ITS_END = timedelta(days=7)
_MONTH_LENGTH = len("2026-11")


def is_day(period: str) -> bool:
    """Whether the period is a single day."""
    return len(period) > _MONTH_LENGTH


def month_of(period: str) -> str:
    """The month that the period is or lies in; that of undated rows is none (""). Grants know months alone."""
    return period[:_MONTH_LENGTH]


def period_of_day(day: int) -> str:
    """The period of a day number, as feature ids bear it."""
    return date_of_day(day).isoformat()


def period_range(period: str) -> tuple[int, int]:
    """The lowest and the highest feature id that a row of the period can have."""
    if period == UNDATED:
        return feature_id_range(None, None)
    if is_day(period):
        day = date.fromisoformat(period)
        return feature_id_range(day, day)
    first = date.fromisoformat(f"{period}-01")
    return feature_id_range(first, _last_day(first))


def open_months(definition: DatasetDefinition, months: Iterable[str], today: date) -> list[str]:
    """Those of the months that are cut into days: of datasets that publish at once, until a week after their end."""
    if definition.publish != Publish.AT_ONCE or definition.date_precision == "month":
        return []
    return sorted(month for month in months if month and _is_open(month, today))


def _is_open(month: str, today: date) -> bool:
    return today <= _last_day(date.fromisoformat(f"{month}-01")) + OPEN_AFTER_ITS_END


def _last_day(first: date) -> date:
    return first.replace(day=calendar.monthrange(first.year, first.month)[1])
