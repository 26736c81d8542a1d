"""What a cell of a workbook says, as text."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Any

_ERRORS = ("#N/A", "#REF!", "#VALUE!", "#DIV/0!", "#NAME?", "#NUM!", "#NULL!")
_DAY_SECONDS = 86_400


def cell_text(value: Any) -> str:
    """A cell as text: dates as 2026-03-05, instants as 2026-03-05 23:10:00, whole numbers without a point."""
    if isinstance(value, str):
        text = value.strip()
        return "" if text in _ERRORS else text
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    if isinstance(value, datetime):
        value = _to_the_second(value)
        # A time of day is written as an instant of Excel's first day.
        if value.year < 1901:
            return value.strftime("%H:%M:%S")
        return value.strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, time):
        return value.replace(microsecond=0).isoformat()
    if isinstance(value, timedelta):
        seconds = round(value.total_seconds()) % _DAY_SECONDS
        return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
    return "" if value is None else str(value)


def _to_the_second(value: datetime) -> datetime:
    """Fractions of a day are not exact: the nearest second is meant."""
    return (value + timedelta(microseconds=500_000)).replace(microsecond=0)
