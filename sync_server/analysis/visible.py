"""The rows of a scope as a table to ask: whatever is not in it cannot be named."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Select, and_, cast, func, or_, select
from sqlalchemy.orm import Session

from ..agreements.opened import Scope
from ..agreements.readable import Bounds, open_rows, readable
from ..datasets.definitions import Field, FieldType
from ..problems import Problem
from ..spatial.backend import backend_of
from .schemas import MONTH_PATTERN

LONGEST_VALUE = 200
_MOST_INTEGER = 2**31 - 1
_INTEGER = re.compile(r"[+-]?[0-9]{1,10}", re.ASCII)
_REAL = re.compile(r"[+-]?[0-9]{1,15}(\.[0-9]{1,15})?([eE][+-]?[0-9]{1,2})?", re.ASCII)
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_MONTH = re.compile(MONTH_PATTERN, re.ASCII)
_TRUTH = {"true": 1, "false": 0}

# The day of a row, where it shows one; a row that shows none has its month.
_DAY_FIELD, _MONTH_FIELD = "occurred_on", "month"


class UnknownProperty(Problem):
    """A name that the layer does not have; hidden and absent ones get the same words."""

    def __init__(self) -> None:
        super().__init__(
            400,
            "unknown-property",
            "No such property",
            "This layer has no property or parameter of a name that was asked for: see its list of properties.",
        )


class BadValue(Problem):
    """A value that cannot be what it should be; ``what`` names it by a word of ours, never as typed."""

    def __init__(self, what: str, should: str) -> None:
        super().__init__(400, "invalid-value", "The request is not valid", f"{what}: {should}.")


class CountsLieNowhere(Problem):
    """A question for places of a dataset that has none."""

    def __init__(self, title: str) -> None:
        super().__init__(
            400,
            "counts-lie-nowhere",
            "This dataset has no points",
            f"{title} holds numbers by borough and month, not incidents: nothing of it lies at a place or within a "
            "distance. Ask for its counts by borough instead.",
        )


class CountsNotAlike(Problem):
    """Counts that must not be added up; ``missing`` are the aliases of what would have to be one value."""

    def __init__(self, title: str, missing: Sequence[str]) -> None:
        wanted = " and ".join(f"“{alias}”" for alias in missing)
        super().__init__(
            400,
            "counts-not-alike",
            "These counts cannot be added up",
            f"{title} may count the same people more than once where {wanted} differ: ask for one value of each, or "
            "count by it.",
        )


@dataclass(frozen=True)
class Days:
    """From one day to another, both included; ``None`` is open."""

    first: date | None
    last: date | None


class VisibleRows:
    """``readable(scope)`` with its columns by name: filters, sorts and counts are made of these alone."""

    def __init__(
        self,
        session: Session,
        scope: Scope,
        within: Bounds | None = None,
        months: tuple[str, str] | None = None,
    ) -> None:
        """The database is told that the session's transaction may read the rows.

        ``within`` and ``months`` (the first and the last): those alone, which saves searching the others.
        """
        open_rows(session, scope)
        self._session = session
        self.scope = scope
        self.spatial = backend_of(session.get_bind().dialect)
        self.fields: dict[str, Field] = {field.name: field for field in scope.columns}
        self._rows = readable(scope, within=within, months=months).subquery("visible")

    @property
    def placed(self) -> bool:
        """Whether the layer has coordinates at all."""
        return "x" in self._rows.c

    @property
    def fid(self) -> ColumnElement[int]:
        """The feature id."""
        return cast(self._rows.c.fid, BigInteger)

    @property
    def x(self) -> ColumnElement[int]:
        """The easting as shown; null where none is."""
        return self._rows.c.x

    @property
    def y(self) -> ColumnElement[int]:
        """The northing as shown; null where none is."""
        return self._rows.c.y

    def column(self, name: str) -> ColumnElement[Any]:
        """A visible property; raises ``UnknownProperty``."""
        if name not in self.fields:
            raise UnknownProperty
        return self._rows.c[name]

    def select(self, *columns: ColumnElement[Any]) -> Select[Any]:
        """A SELECT of them over the visible rows."""
        return select(*columns).select_from(self._rows)

    def everything(self) -> list[ColumnElement[Any]]:
        """``fid``, ``x`` and ``y`` where the layer is placed, then the properties in the layer's order."""
        places = [self.x, self.y] if self.placed else []
        return [self.fid.label("fid"), *places, *(self._rows.c[name] for name in self.fields)]

    def equal(self, wanted: Mapping[str, str]) -> list[ColumnElement[bool]]:
        """Conditions that properties have the values; raises ``UnknownProperty`` or ``BadValue``."""
        # All names before any value: which of two troubles is told must not depend on what is hidden.
        columns = {name: self.column(name) for name in wanted}
        return [columns[name] == parse_value(self.fields[name].type, value) for name, value in wanted.items()]

    def within_days(self, days: Days) -> ColumnElement[bool]:
        """Of these days; where a row shows only its month, of a month that shares a day with them."""
        months = self._dated(_MONTH_FIELD, days.first and f"{days.first:%Y-%m}", days.last and f"{days.last:%Y-%m}")
        field = self.fields.get(_DAY_FIELD)
        if field is None or field.type != FieldType.DATE:
            return months
        day = self.column(_DAY_FIELD)
        return or_(self._dated(_DAY_FIELD, days.first, days.last), and_(day.is_(None), months))

    def _dated(self, name: str, first: Any, last: Any) -> ColumnElement[bool]:
        if name not in self.fields:
            return self.fid.is_(None)  # of no row: none shows a date
        column = self.column(name)
        bounds = [column.is_not(None)]
        if first is not None:
            bounds.append(column >= first)
        if last is not None:
            bounds.append(column <= last)
        return and_(*bounds)

    def within_months(self, first: str, last: str) -> ColumnElement[bool]:
        """Of whole months (``YYYY-MM``, "" = open); rows that show no month are only where both are open."""
        if not first and not last:
            return self.fid.is_not(None)
        return self._dated(_MONTH_FIELD, first or None, last or None)

    def first_and_last(self) -> tuple[str, str] | None:
        """The first and the last day, or else month, that any row shows."""
        for name in (_DAY_FIELD, _MONTH_FIELD):
            if name in self.fields:
                column = self.column(name)
                first, last = self._session.execute(self.select(func.min(column), func.max(column))).one()
                if first is not None:
                    return str(first), str(last)
        return None


def parse_value(kind: FieldType, text: str) -> Any:
    """The text as a value of the type; raises ``BadValue``."""
    if len(text) > LONGEST_VALUE or "\0" in text or any("\ud800" <= c <= "\udfff" for c in text):
        raise BadValue("A property's value", f"at most {LONGEST_VALUE} characters of text")
    if kind == FieldType.INTEGER:
        if _INTEGER.fullmatch(text) and abs(int(text)) <= _MOST_INTEGER:
            return int(text)
        raise BadValue("The value of a whole number", f"digits, at most {_MOST_INTEGER}")
    if kind == FieldType.REAL:
        if _REAL.fullmatch(text):
            return float(text)
        raise BadValue("The value of a number", "digits, perhaps with a decimal point")
    if kind == FieldType.BOOLEAN:
        if text in _TRUTH:
            return _TRUTH[text]
        raise BadValue("The value of a yes or no", "true or false")
    if kind == FieldType.DATE:
        return parse_day(text)
    return text


def parse_day(text: str) -> date:
    """``2026-11-22`` as a day; raises ``BadValue``."""
    try:
        if _DAY.fullmatch(text):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise BadValue("A day", "write it as 2026-11-22")


def parse_months(first: str, last: str) -> tuple[str, str]:
    """Two months (``2026-11``, "" = open); raises ``BadValue``."""
    for month in (first, last):
        if month and not _MONTH.fullmatch(month):
            raise BadValue("A month", "write it as 2026-11")
    if first and last and first > last:
        raise BadValue("The months", "they end before they begin")
    return first, last


def json_value(field: Field, value: Any) -> Any:
    """A row's value as JSON knows it."""
    if value is None:
        return None
    if field.type == FieldType.BOOLEAN:
        return bool(value)
    return value.isoformat() if isinstance(value, date) else value
