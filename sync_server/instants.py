"""Points in time: stored as UTC, told in London's days."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import DateTime, Dialect
from sqlalchemy.types import TypeDecorator

LONDON = ZoneInfo("Europe/London")


class UtcDateTime(TypeDecorator[datetime]):
    """An aware datetime, kept as UTC in a column without zone."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        """UTC without its zone; raises ``ValueError`` where the value has none."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("An instant needs its time zone.")
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: Any | None, _dialect: Dialect) -> datetime | None:
        """The instant in UTC."""
        return None if value is None else value.replace(tzinfo=UTC)


def now() -> datetime:
    """This instant, in UTC."""
    return datetime.now(UTC)


def london_today() -> date:
    """The date in London, by which agreements begin and end."""
    return datetime.now(LONDON).date()


def end_of_day(day: date) -> datetime:
    """The instant at which the day ends in London."""
    return datetime.combine(day + timedelta(days=1), time(), LONDON).astimezone(UTC)


def iso(instant: datetime) -> str:
    """``2026-11-22T09:30:00Z``: an instant as the API and the audit write it."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
