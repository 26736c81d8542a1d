"""Reads the rows of a point layer as NumPy arrays, off the window's thread; what columns mean tells ``point_facts``."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
from qgis.core import (
    QgsExpression,
    QgsFeatureRequest,
    QgsRectangle,
    QgsVectorLayer,
    QgsVectorLayerFeatureSource,
)
from qgis.PyQt.QtCore import QDate, QDateTime

from ...shared.presets import Exclusion
from ...shared.windows import Window
from . import file_rows, layers
from .analysis_error import AnalysisError
from .errors import Cancelled
from .file_rows import PointFile, UnexpectedShape
from .periods import Period
from .point_facts import Column, ColumnKind, PointFacts, check_layer, describe
from .sql_text import literal

NOTHING = Exclusion()
_NOT_ARRAYS = ("extra", "guarded")
CHECK_EVERY = 5000  # rows between two looks at the cancel flag

CancelledCheck = Callable[[], bool]


def never_cancelled() -> bool:
    """The default of ``cancelled``."""
    return False


@dataclass(frozen=True)
class Points:
    """Rows with a place, as arrays of equal length.

    ``eastings`` and ``northings`` are int64 where every coordinate is a whole metre (exact distances), else float64;
    ``hours``, ``weekdays`` (0 for Monday … 6) and ``precision`` (metres) are NaN where unknown; ``days`` are
    ``datetime64[D]``, NaT where unknown. ``extra`` holds further columns, by name: numbers as floats
    (NaN where empty), moments as ``datetime64[s]`` without a time zone (NaT where empty), texts as ``str``.
    ``guarded`` marks rows with a value that is published among others only; ``None`` where the layer has no such.
    """

    eastings: np.ndarray
    northings: np.ndarray
    categories: np.ndarray
    months: np.ndarray
    hours: np.ndarray
    weekdays: np.ndarray
    precision: np.ndarray
    days: np.ndarray
    extra: Mapping[str, np.ndarray] = field(default_factory=dict)
    guarded: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.eastings)

    def where(self, mask: np.ndarray) -> Points:
        """The rows that a boolean mask or an index array picks."""
        arrays = {name: getattr(self, name)[mask] for name in self.__dataclass_fields__ if name not in _NOT_ARRAYS}
        extra = {name: values[mask] for name, values in self.extra.items()}
        return Points(**arrays, extra=extra, guarded=None if self.guarded is None else self.guarded[mask])

    @property
    def number_guarded(self) -> int:
        """How many rows are guarded."""
        return 0 if self.guarded is None else int(self.guarded.sum())


class Rows(Protocol):
    """What a search needs of a layer: its rows, from the layer (``PointSource``) or from memory.

    ``identity`` stands for the content: it changes with it. ``kept_file`` is the file whose content never changes, if
    it is one.
    """

    facts: PointFacts
    identity: str
    kept_file: Path | None

    def read(
        self,
        extent: QgsRectangle | None = ...,
        period: Period | None = ...,
        *,
        cancelled: CancelledCheck = ...,
        leave_out: Exclusion = ...,
    ) -> Points:
        """Those with a place inside ``extent`` (border included), of the period."""
        ...

    def unplaced(self, window: Window, cancelled: CancelledCheck = ...) -> int:
        """How many of the months have no place."""
        ...

    def categories(self, cancelled: CancelledCheck = ...) -> tuple[str, ...]:
        """The categories that occur."""
        ...


class PointSource:
    """A point layer that a background thread may read; made on the layer's own thread."""

    def __init__(self, layer: QgsVectorLayer) -> None:
        self.facts = describe(check_layer(layer))
        self.subset = layer.subsetString()
        self.rows = layer.featureCount()
        self.file = Path(layer.source().split("|", 1)[0])
        self._fields = layer.fields()
        self._source = QgsVectorLayerFeatureSource(layer)
        self._direct = PointFile.of(layer)
        ours = layers.facts(layer) is not None and self._direct is not None
        self.kept_file = self.file if ours else None
        # A local copy is never written again; any other layer may have changed since.
        self.identity = str(self.file) if ours else f"{layer.id()} {layer.source()} {self.rows} {_made(self)}"
        self._unplaced_by_month: dict[str, int] | None = None
        self._categories: tuple[str, ...] | None = None

    def still_shows(self, layer: QgsVectorLayer) -> bool:
        """Whether the layer is what it was when this was made: so of a local copy that is not filtered anew."""
        return self.kept_file is not None and PointFile.of(layer) == self._direct

    def months_expression(self, period: Period) -> str:
        """What chooses the rows of a period, in QGIS's language."""
        return self._expression(period, (), NOTHING)

    def read(
        self,
        extent: QgsRectangle | None = None,
        period: Period | None = None,
        categories: Sequence[str] = (),
        cancelled: CancelledCheck = never_cancelled,
        progress: Callable[[int], None] | None = None,
        leave_out: Exclusion = NOTHING,
        extra: Sequence[str] = (),
        places_only: bool = False,
    ) -> Points:
        """The rows with a place inside ``extent`` (border included), of the period and the categories (none: all).

        ``leave_out`` names categories and columns of yes and no whose rows are left out. ``extra`` names further
        columns to be read. ``places_only`` leaves categories, months, hours and days empty where that is many times
        faster. ``progress`` hears the number of rows read so far. Raises ``Cancelled`` when cancelled.
        """
        self._require(period, categories)
        further = self._further(extra)
        if self._direct is not None:
            try:
                if places_only and extent is None and not further:
                    return self._places_of_file(
                        self._direct, self._conditions(period, categories, leave_out), cancelled
                    )
                return self._from_file(
                    self._direct, extent, period, categories, cancelled, progress, leave_out, further
                )
            except (UnexpectedShape, sqlite3.Error):
                self._direct = None  # QGIS reads it, whatever it is
        facts = self.facts
        wanted = (facts.category_field, facts.month_field, facts.date_field, facts.hour_field, facts.precision_field)
        columns = [self._fields.indexOf(name) if name else -1 for name in wanted]
        more = [self._fields.indexOf(column.name) for column in further]
        guarded = [(self._fields.indexOf(name), frozenset(held)) for name, held in facts.guarded_values.items()]
        request = QgsFeatureRequest()
        request.setSubsetOfAttributes([index for index in (*columns, *more, *(at for at, _ in guarded)) if index >= 0])
        if extent is not None:
            request.setFilterRect(extent)
        expression = self._expression(period, categories, leave_out)
        if expression:
            request.setFilterExpression(expression)
        category, month, day, hour, precision = columns
        rows = []
        for number, feature in enumerate(self._source.getFeatures(request)):
            if number % CHECK_EVERY == 0:
                if cancelled():
                    raise Cancelled
                if progress is not None:
                    progress(number)
            geometry = feature.geometry()
            if geometry.isEmpty():
                continue
            point = geometry.asMultiPoint()[0] if geometry.isMultipart() else geometry.asPoint()
            date = feature[day] if day >= 0 else None
            date = date if isinstance(date, (QDate, QDateTime)) and date.isValid() else None
            rows.append(
                (
                    point.x(),
                    point.y(),
                    _text(feature[category]) if category >= 0 else "",
                    _text(feature[month]) if month >= 0 else (date.toString("yyyy-MM") if date else ""),
                    _number(feature[hour]) if hour >= 0 else np.nan,
                    date.toString("yyyy-MM-dd") if date else None,
                    _number(feature[precision]) if precision >= 0 else np.nan,
                    any(_text(feature[at]) in held for at, held in guarded),
                    *(feature[index] for index in more),
                )
            )
        return _points(rows, further, bool(guarded))

    def _further(self, names: Sequence[str]) -> list[Column]:
        """The columns of these names; raises ``AnalysisError`` where one is not there."""
        known = {column.name: column for column in self.facts.columns}
        for name in names:
            if name not in known:
                raise AnalysisError(
                    f"“{self.facts.title}” has no column “{name}” of numbers, texts or dates: choose another.", "column"
                )
        return [known[name] for name in dict.fromkeys(names)]

    def count_unplaced(
        self, period: Period | None = None, categories: Sequence[str] = (), cancelled: CancelledCheck = never_cancelled
    ) -> int:
        """How many rows of the period and categories have no place."""
        self._require(period, categories)
        if self._direct is not None:
            try:
                conditions = self._conditions(period, categories, NOTHING)
                return sum(self._direct.count_without_place("''", conditions).values())
            except sqlite3.Error:
                self._direct = None
        # A column is asked of the file itself; the geometry has to be read row by row.
        nowhere = (
            f"{self._quoted(self.facts.easting_field)} IS NULL"
            if self.facts.easting_field
            else "is_empty_or_null($geometry)"
        )
        expression = self._expression(period, categories, NOTHING)
        request = QgsFeatureRequest()
        request.setFilterExpression(f"{nowhere} AND ({expression})" if expression else nowhere)
        request.setSubsetOfAttributes([])
        if self.facts.easting_field:
            request.setFlags(QgsFeatureRequest.Flag.NoGeometry)
        count = 0
        for count, _ in enumerate(self._source.getFeatures(request), start=1):
            if count % CHECK_EVERY == 0 and cancelled():
                raise Cancelled
        return count

    def unplaced(self, window: Window, cancelled: CancelledCheck = never_cancelled) -> int:
        """How many rows of the months have no place; asked again of a file, it is known at once."""
        if self._direct is not None and self._unplaced_by_month is None:
            try:
                self._unplaced_by_month = self._direct.count_without_place(self._month_of_file())
            except sqlite3.Error:
                self._direct = None
        if self._unplaced_by_month is None:
            return self.count_unplaced(Period(window.first, window.last), cancelled=cancelled)
        return sum(number for month, number in self._unplaced_by_month.items() if window.covers(month))

    def categories(self, cancelled: CancelledCheck = never_cancelled) -> tuple[str, ...]:
        """The categories that occur, in order; asked again, they are known at once."""
        name = self.facts.category_field
        if self._categories is None and name and self._direct is not None:
            try:
                self._categories = tuple(sorted(self._direct.distinct(file_rows.column(name))))
            except sqlite3.Error:
                self._direct = None
        if self._categories is None:
            self._categories = tuple(sorted(self._categories_by_row(name, cancelled))) if name else ()
        return self._categories

    def _categories_by_row(self, name: str, cancelled: CancelledCheck) -> set[str]:
        request = QgsFeatureRequest().setFlags(QgsFeatureRequest.Flag.NoGeometry)
        request.setSubsetOfAttributes([self._fields.indexOf(name)])
        found = set()
        for number, feature in enumerate(self._source.getFeatures(request)):
            if number % CHECK_EVERY == 0 and cancelled():
                raise Cancelled
            found.add(_text(feature[name]))
        return found - {""}

    # ------------------------------------------------------------------ straight from the file

    def _from_file(
        self,
        file: PointFile,
        extent: QgsRectangle | None,
        period: Period | None,
        categories: Sequence[str],
        cancelled: CancelledCheck,
        progress: Callable[[int], None] | None,
        leave_out: Exclusion,
        further: Sequence[Column],
    ) -> Points:
        facts = self.facts
        columns = [
            file_rows.column(facts.category_field) if facts.category_field else "''",
            self._month_of_file(),
            file_rows.column(facts.hour_field) if facts.hour_field else "NULL",
            f"substr({file_rows.column(facts.date_field)}, 1, 10)" if facts.date_field else "NULL",
            file_rows.column(facts.precision_field) if facts.precision_field else "NULL",
            self._guarded_of_file(),
            *(file_rows.column(column.name) for column in further),
        ]
        box = None
        if extent is not None:
            box = (extent.xMinimum(), extent.yMinimum(), extent.xMaximum(), extent.yMaximum())
        places: list[np.ndarray] = [np.empty((0, 2))]
        rows: list[tuple] = []
        for part, values in file.rows(columns, box, self._conditions(period, categories, leave_out), cancelled):
            places.append(part)
            rows += values
            if progress is not None:
                progress(len(rows))
        if not rows:
            return _points([], further, bool(facts.guarded_values))
        _geometries, category, month, hour, day, precision, guarded, *more = zip(*rows)
        x, y = np.concatenate(places).T
        return _arranged(
            x,
            y,
            category=["" if value is None else str(value) for value in category],
            month=[value or "" for value in month],
            hour=_numbers(hour),
            day=day,
            precision=_numbers(precision),
            extra={column.name: _values_of(column, values) for column, values in zip(further, more)},
            guarded=np.array(guarded, dtype=bool) if facts.guarded_values else None,
        )

    def _guarded_of_file(self) -> str:
        """1 for a row with a value that is published among others only, in SQL."""
        held = [
            f"coalesce({file_rows.column(name)} IN ({', '.join(map(literal, values))}), 0)"
            for name, values in self.facts.guarded_values.items()
        ]
        return f"({' OR '.join(held)})" if held else "0"

    def _places_of_file(self, file: PointFile, conditions: str, cancelled: CancelledCheck) -> Points:
        name, marks = self.facts.precision_field, None
        precise = file_rows.column(name) if name else ""
        if self.facts.guarded_values:
            each = (f"NOT {self._guarded_of_file()}", self._guarded_of_file())
            sets = [" AND ".join(filter(None, (conditions, one))) for one in each]
            parts = [file.places(precise, one, cancelled) for one in sets]
            x, y, precision = (np.concatenate(values) for values in zip(*parts))
            marks = np.arange(len(x)) >= len(parts[0][0])
        else:
            x, y, precision = file.places(precise, conditions, cancelled)
        x, y = _whole_metres(x, y)
        unknown = np.full(len(x), np.nan)
        nothing = np.full(len(x), "")
        days = np.full(len(x), "NaT", "datetime64[D]")
        return Points(x, y, nothing, nothing, unknown, unknown, precision, days, guarded=marks)

    def _month_of_file(self) -> str:
        if self.facts.month_field:
            return file_rows.column(self.facts.month_field)
        if self.facts.date_field:
            return f"substr({file_rows.column(self.facts.date_field)}, 1, 7)"
        return "''"

    def _conditions(self, period: Period | None, categories: Sequence[str], leave_out: Exclusion) -> str:
        """What ``_expression`` asks for, in SQL."""
        parts = []
        if period is not None:
            parts.append(f"{self._month_of_file()} BETWEEN '{period.first}' AND '{period.last}'")
        name = file_rows.column(self.facts.category_field) if self.facts.category_field else ""
        if categories:
            parts.append(f"{name} IN ({', '.join(map(literal, categories))})")
        if leave_out.categories:
            parts.append(f"coalesce({name}, '') NOT IN ({', '.join(map(literal, leave_out.categories))})")
        parts += [f"coalesce({file_rows.column(flag)}, 0) = 0" for flag in leave_out.flags]
        return " AND ".join(parts)

    # ------------------------------------------------------------------ through QGIS

    @staticmethod
    def _quoted(name: str) -> str:
        return QgsExpression.quotedColumnRef(name)

    def _require(self, period: Period | None, categories: Sequence[str]) -> None:
        """Raise ``AnalysisError`` where the layer lacks what is asked for."""
        if period is not None and not (self.facts.month_field or self.facts.date_field):
            raise AnalysisError(
                f"“{self.facts.title}” has no dates, so no period can be chosen: take all of it, or leave it out.",
                "period",
            )
        if categories and not self.facts.category_field:
            raise AnalysisError(
                f"“{self.facts.title}” has no categories to choose from: take all of its incidents.", "category"
            )

    def _expression(self, period: Period | None, categories: Sequence[str], leave_out: Exclusion) -> str:
        parts = []
        if period is not None:
            if self.facts.month_field:
                month = self._quoted(self.facts.month_field)
            else:
                month = f"format_date({self._quoted(self.facts.date_field)}, 'yyyy-MM')"
            parts.append(f"{month} >= '{period.first}' AND {month} <= '{period.last}'")
        name = self._quoted(self.facts.category_field) if self.facts.category_field else ""
        if categories:
            parts.append(f"{name} IN ({', '.join(map(QgsExpression.quotedString, categories))})")
        if leave_out.categories:
            values = ", ".join(map(QgsExpression.quotedString, leave_out.categories))
            parts.append(f"coalesce({name}, '') NOT IN ({values})")
        parts += [f"NOT coalesce({self._quoted(flag)}, FALSE)" for flag in leave_out.flags]
        return " AND ".join(parts)


def _made(source: PointSource) -> int:
    """When the file of a layer was last written, in nanoseconds; 0 where it has none."""
    try:
        return source.file.stat().st_mtime_ns
    except OSError:
        return 0


def _text(value: object) -> str:
    return value if isinstance(value, str) else "" if value is None or _is_null(value) else str(value)


def _number(value: object) -> float:
    return float(value) if isinstance(value, (int, float)) else np.nan


def _numbers(values: Sequence[object]) -> np.ndarray:
    """Floats, NaN for what is none."""
    try:
        return np.array(values, dtype=float)  # takes None for NaN
    except (TypeError, ValueError):
        return np.array([_number(value) for value in values])


def _is_null(value: object) -> bool:
    return hasattr(value, "isNull") and value.isNull()


def _values_of(column: Column, values: Sequence[object]) -> np.ndarray:
    """A further column's values, from the file or from QGIS, as ``Points`` has them."""
    if column.kind is ColumnKind.NUMBER:
        return _numbers(values)
    if column.kind is ColumnKind.MOMENT:
        return np.array([_moment(value) for value in values], dtype="datetime64[s]")
    return np.array([_text(value) for value in values], dtype=str)


def _moment(value: object) -> str:
    if isinstance(value, QDateTime):
        return value.toString("yyyy-MM-ddTHH:mm:ss") if value.isValid() else "NaT"
    if isinstance(value, QDate):
        return value.toString("yyyy-MM-dd") if value.isValid() else "NaT"
    # What follows the seconds in a file is their fraction or the time zone.
    return value[:19] if isinstance(value, str) and value else "NaT"


def _points(rows: list[tuple], further: Sequence[Column], guards: bool) -> Points:
    columns = zip(*rows) if rows else ((),) * (8 + len(further))
    eastings, northings, categories, months, hours, days, precision, guarded, *more = columns
    return _arranged(
        np.array(eastings, dtype=float),
        np.array(northings, dtype=float),
        category=categories,
        month=months,
        hour=np.array(hours, dtype=float),
        day=days,
        precision=np.array(precision, dtype=float),
        extra={column.name: _values_of(column, values) for column, values in zip(further, more)},
        guarded=np.array(guarded, dtype=bool) if guards else None,
    )


def _arranged(
    x: np.ndarray,
    y: np.ndarray,
    *,
    category: Sequence[str],
    month: Sequence[str],
    hour: np.ndarray,
    day: Sequence[str | None],
    precision: np.ndarray,
    extra: Mapping[str, np.ndarray],
    guarded: np.ndarray | None,
) -> Points:
    x, y = _whole_metres(x, y)
    days = np.array([text or "NaT" for text in day], dtype="datetime64[D]")
    return Points(
        eastings=x,
        northings=y,
        categories=np.array(category, dtype=str),
        months=np.array(month, dtype=str),
        hours=hour,
        weekdays=_weekdays(days),
        precision=precision,
        days=days,
        extra=extra,
        guarded=guarded,
    )


def _whole_metres(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """As int64 where each is a whole number, so that distances are exact."""
    if np.array_equal(x, np.rint(x)) and np.array_equal(y, np.rint(y)):
        return x.astype(np.int64), y.astype(np.int64)
    return x, y


def _weekdays(days: np.ndarray) -> np.ndarray:
    """0 for Monday … 6; NaN where there is no day."""
    known = ~np.isnat(days)
    found = np.full(len(days), np.nan)
    found[known] = (days[known].astype(np.int64) + 3) % 7  # 1 January 1970 was a Thursday
    return found


def largest_stack(points: Points) -> int:
    """The greatest number of incidents on one and the same point; 0 without points."""
    return int(stacks(points).max(initial=0))


def stacks(points: Points) -> np.ndarray:
    """How many incidents each point has, in no order; empty without points."""
    if not len(points):
        return np.empty(0, dtype=np.int64)
    # One number a point is sorted many times faster than two: the real part counts first, then the imaginary.
    places = points.eastings.astype(float) + 1j * points.northings
    if points.eastings.dtype.kind == "i":
        north = points.northings - points.northings.min()
        places = (points.eastings - points.eastings.min()) * (int(north.max()) + 1) + north
    places.sort()
    ends = np.flatnonzero(np.append(places[1:] != places[:-1], True))
    return np.diff(ends, prepend=-1)
