"""Reads a part's rows as arrays: those that are shown around a place or in an area, those that are only counted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, Select, and_, or_, select
from sqlalchemy.orm import Session

from ...shared.cell_key import Records
from ...shared.presets import Exclusion
from ...shared.windows import Window
from ..agreements.readable import Bounds, countable, open_rows
from ..analysis.visible import VisibleRows
from .planning import HOUR, OCCURRED, WEEKDAY, Part

PRECISION = "precision_m"
_BATCH = 20_000


@dataclass(frozen=True)
class Incidents:
    """Rows with a place, as arrays of equal length.

    ``hours``, ``weekdays`` (0 for Monday … 6) and ``precision`` (metres) are NaN where unknown. ``months`` are
    ``YYYY-MM``, ``categories`` as rows hold them, "" where they do not tell.
    """

    eastings: NDArray[np.int64]
    northings: NDArray[np.int64]
    months: NDArray[np.object_]
    categories: NDArray[np.object_]
    hours: NDArray[np.float64]
    weekdays: NDArray[np.float64]
    precision: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.eastings)

    def where(self, mask: NDArray[Any]) -> Incidents:
        """The rows that a boolean mask picks."""
        return Incidents(*(getattr(self, name)[mask] for name in self.__dataclass_fields__))


def read_shown(session: Session, part: Part, bounds: Bounds | None, window: Window, leave_out: Exclusion) -> Incidents:
    """The rows that the part shows a place of within the bounds, of these months, but for what is left out."""
    rows = VisibleRows(session, part.scope, bounds, (window.first, window.last))
    query = shown_query(rows, part, window, leave_out)
    if bounds is not None:
        return incidents_of(part, session.execute(query).all())
    # Of a whole borough row by row: a cursor of the server's, which plans for the first rows and not for all.
    return _arrays(part, session.execute(query.execution_options(yield_per=_BATCH)).partitions(_BATCH))


def shown_query(rows: VisibleRows, part: Part, window: Window, leave_out: Exclusion) -> Select[Any]:
    """``x``, ``y`` and what ``_arrays`` asks for, of the rows with a place."""
    wanted = [rows.x, rows.y, *(rows.column(name) for name in _columns(part))]
    conditions = [rows.within_months(window.first, window.last), rows.x.is_not(None)]
    conditions += _kept({name: rows.column(name) for name in rows.fields}, part, leave_out)
    return rows.select(*wanted).where(*conditions)


def read_counted(
    session: Session, part: Part, window: Window, leave_out: Exclusion, secret: bytes
) -> tuple[Incidents, Records]:
    """The rows that are only counted, of these months, with their record keys and weights. Never give them out."""
    beside = [name for name in _columns(part) if name not in ("month", part.scope.definition.category_field)]
    beside = [name for name in beside if name != PRECISION]
    open_rows(session, part.scope)
    held = countable(part.scope, beside=["identity", *beside, *leave_out.flags]).subquery("countable")
    columns = {name: held.c[name] for name in (*beside, *leave_out.flags)}
    columns |= {"month": held.c.month, part.scope.definition.category_field: held.c.category}
    conditions = [
        held.c.aggregate == 1,
        held.c.month.between(window.first, window.last),
        held.c.x.is_not(None),
        *_kept(columns, part, leave_out),
    ]
    asked = [columns.get(name) for name in _columns(part)]
    query = select(held.c.identity, held.c.x, held.c.y, *(one for one in asked if one is not None)).where(*conditions)
    found = session.execute(query).all()
    records = Records.of(secret, (row[0] for row in found))
    return _arrays(part, [[tuple(row)[1:] for row in found]]), records


def incidents_of(part: Part, rows: Sequence[tuple[Any, ...]]) -> Incidents:
    """Rows of ``shown_query`` as arrays."""
    return _arrays(part, [rows] if rows else [])


def _columns(part: Part) -> list[str]:
    """What is read beside the place, in order: month, category, hour, weekday or date, precision, as far as there."""
    names = ["month", part.scope.definition.category_field, HOUR, WEEKDAY]
    if WEEKDAY not in part.columns:
        names.append(OCCURRED)
    if not part.counted:
        names.append(PRECISION)
    return [name for name in names if name in part.columns or name == "month"]


def _kept(columns: Mapping[str, ColumnElement[Any]], part: Part, leave_out: Exclusion) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if leave_out.categories:
        category = columns[part.scope.definition.category_field]
        found.append(or_(category.is_(None), category.not_in(leave_out.categories)))
    for flag in leave_out.flags:
        found.append(or_(columns[flag].is_(None), columns[flag] == 0))
    return [and_(*found)] if found else []


def _arrays(part: Part, batches: Any) -> Incidents:
    columns = ["x", "y", *_columns(part)]
    held: dict[str, list[Any]] = {name: [] for name in columns}
    for batch in batches:
        for name, values in zip(columns, zip(*batch, strict=True), strict=False):
            held[name] += values
    number = len(held["x"])
    category = held.get(part.scope.definition.category_field)
    return Incidents(
        eastings=np.array(held["x"], np.int64),
        northings=np.array(held["y"], np.int64),
        months=np.array(held["month"], dtype=object),
        categories=_texts(category, number),
        hours=_numbers(held.get(HOUR), number),
        weekdays=_weekdays(part, held, number),
        precision=_numbers(held.get(PRECISION), number),
    )


def _texts(values: Sequence[Any] | None, number: int) -> NDArray[np.object_]:
    made = np.empty(number, dtype=object)
    made[:] = "" if values is None else ["" if value is None else value for value in values]
    return made


def _numbers(values: Sequence[Any] | None, number: int) -> NDArray[np.float64]:
    if values is None:
        return np.full(number, np.nan)
    return np.array([np.nan if value is None else value for value in values], np.float64)


def _weekdays(part: Part, held: dict[str, list[Any]], number: int) -> NDArray[np.float64]:
    if WEEKDAY in held:
        field = part.scope.definition.field(WEEKDAY)
        day_of = {name: float(day) for day, name in enumerate(field.codes.values())}
        return np.array([day_of.get(value, np.nan) for value in held[WEEKDAY]], np.float64)
    if OCCURRED in held:
        return np.array([np.nan if day is None else day.weekday() for day in held[OCCURRED]], np.float64)
    return np.full(number, np.nan)
