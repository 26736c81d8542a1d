"""Reads a point layer for analysis: what its columns mean, and its rows as NumPy arrays, off the window's thread."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Protocol

import numpy as np
from qgis.core import (
    Qgis,
    QgsCategorizedSymbolRenderer,
    QgsCoordinateReferenceSystem,
    QgsExpression,
    QgsFeatureRequest,
    QgsFields,
    QgsRectangle,
    QgsVectorLayer,
    QgsVectorLayerFeatureSource,
    QgsWkbTypes,
)
from qgis.PyQt.QtCore import QDate, QDateTime, QMetaType

from ...shared.held_months import HeldMonths
from ...shared.presets import Exclusion
from ...shared.windows import Window
from . import file_rows, layers
from .analysis_error import AnalysisError
from .errors import Cancelled
from .file_rows import PointFile, UnexpectedShape
from .periods import Period

NATIONAL_GRID = "EPSG:27700"
_CODE = re.compile("[a-z0-9]+([-_][a-z0-9]+)*")
_SNAPPED = re.compile(r"\bsnap|map points\b", re.IGNORECASE)
NOTHING = Exclusion()
_OCCURRED = "occurred_on"  # an emergency department tells the day of arrival, too
CHECK_EVERY = 5000  # rows between two looks at the cancel flag

CancelledCheck = Callable[[], bool]


def never_cancelled() -> bool:
    """The default of ``cancelled``."""
    return False


class ColumnKind(Enum):
    """What a column holds."""

    NUMBER = "number"
    TEXT = "text"
    MOMENT = "moment"  # a day, or a day and a time


@dataclass(frozen=True)
class Column:
    """A column of a layer: its name, its words for people, what it holds."""

    name: str
    words: str
    kind: ColumnKind


@dataclass(frozen=True)
class PointFacts:
    """What a point layer's name, columns and notes are; an empty column name where the layer has none.

    A layer that SafeStats opened tells most itself (``core.layers.facts``); any other is known by the names and types
    of its columns.
    """

    layer_id: str
    title: str
    dataset: str
    category_field: str
    category_labels: tuple[tuple[str, str], ...]
    month_field: str
    date_field: str
    hour_field: str
    precision_field: str
    easting_field: str
    attribution: str
    caveats: tuple[str, ...]
    synthetic: bool
    first_month: str
    newest_month: str
    newest_day: str = ""  # of data that come in as things happen
    flag_fields: tuple[str, ...] = ()  # columns of yes and no
    areas: tuple[str, ...] = ()  # codes of the areas in which incidents are held; empty where nobody has told
    threshold: int = 0  # smaller counts are not published; 0 where nobody has told
    sensitive: tuple[str, ...] = ()  # categories that are published among others only
    returned: tuple[str, ...] = ()  # of what several sites return: the months of which any return came
    columns: tuple[Column, ...] = ()  # those of numbers, texts and moments

    @property
    def held(self) -> HeldMonths:
        """The months that are held; of rows that are dated."""
        return HeldMonths.of(self.first_month, self.newest_month, self.returned)

    def label(self, category: str) -> str:
        """The words for a category's value; a bare code such as ``violent-crime`` is written as words."""
        words = dict(self.category_labels).get(category, category)
        if _CODE.fullmatch(words):
            words = re.sub("[-_]", " ", words).capitalize()
        return words or "Not stated"

    @property
    def months(self) -> tuple[str, ...]:
        """The first and the newest month held; empty where rows are not dated."""
        return (self.first_month, self.newest_month) if self.newest_month else ()

    @property
    def timed(self) -> bool:
        """Whether the hour and the day of the week are told."""
        return bool(self.hour_field and self.date_field)

    @property
    def snapped(self) -> bool:
        """Whether the supplier's caveats say that points were moved to shared map points."""
        return any(_SNAPPED.search(caveat) for caveat in self.caveats)


@dataclass(frozen=True)
class Points:
    """Rows with a place, as arrays of equal length.

    ``eastings`` and ``northings`` are int64 where every coordinate is a whole metre (exact distances), else float64;
    ``hours``, ``weekdays`` (0 for Monday … 6) and ``precision`` (metres) are NaN where unknown; ``days`` are
    ``datetime64[D]``, NaT where unknown. ``extra`` holds further columns, by name: numbers as floats
    (NaN where empty), moments as ``datetime64[s]`` without a time zone (NaT where empty), texts as ``str``.
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

    def __len__(self) -> int:
        return len(self.eastings)

    def where(self, mask: np.ndarray) -> Points:
        """The rows that a boolean mask or an index array picks."""
        arrays = {name: getattr(self, name)[mask] for name in self.__dataclass_fields__ if name != "extra"}
        return Points(**arrays, extra={name: values[mask] for name, values in self.extra.items()})


def check_layer(layer: QgsVectorLayer | None) -> QgsVectorLayer:
    """The layer, where it can be analysed; else ``AnalysisError`` in one sentence."""
    if layer is None or not layer.isValid():
        raise AnalysisError("No layer is chosen: open a SafeStats layer first, then choose it here.", "layer")
    if QgsWkbTypes.geometryType(layer.wkbType()) != Qgis.GeometryType.Point:
        raise AnalysisError(
            f"“{layer.name()}” holds no points, so nothing can be measured in it: choose a point layer.", "layer"
        )
    if layer.crs() != QgsCoordinateReferenceSystem(NATIONAL_GRID):
        found = layer.crs().authid() or "no coordinate system"
        raise AnalysisError(
            f"“{layer.name()}” is in {found}, not in the British National Grid ({NATIONAL_GRID}): save it in "
            f"{NATIONAL_GRID}, by a transformation that you trust to the metre, and choose that copy.",
            "layer",
        )
    return layer


def describe(layer: QgsVectorLayer) -> PointFacts:
    """The facts of a layer that ``check_layer`` accepts; on the layer's own thread only."""
    ours = layers.facts(layer)
    fields = layer.fields()
    category = ours.category_field if ours is not None else ""
    if category not in fields.names():
        category = _guess_category(layer, fields)
    month = "month" if _is_text(fields, "month") else ""
    dates = [f.name() for f in fields if f.type() in (QMetaType.Type.QDate, QMetaType.Type.QDateTime)]
    date_field = _OCCURRED if _OCCURRED in dates else dates[0] if dates else ""
    first, newest = (ours.first_period, ours.newest_period) if ours is not None else ("", "")
    if not newest:
        first, newest = _held(layer, fields, month, date_field)
    return PointFacts(
        layer_id=layer.id(),
        title=layer.name(),
        dataset=ours.dataset if ours is not None else layer.name(),
        category_field=category,
        category_labels=_labels(layer, category),
        month_field=month,
        date_field=date_field,
        hour_field="hour" if "hour" in fields.names() else "",
        precision_field="precision_m" if "precision_m" in fields.names() else "",
        easting_field="easting" if "easting" in fields.names() else "",
        attribution=ours.attribution if ours is not None else "; ".join(layer.metadata().rights()),
        caveats=ours.caveats if ours is not None else (),
        synthetic=ours.synthetic if ours is not None else False,
        first_month=first,
        newest_month=newest[:7],
        newest_day=ours.newest_day if ours is not None else "",
        flag_fields=tuple(f.name() for f in fields if f.type() == QMetaType.Type.Bool),
        areas=ours.areas if ours is not None else (),
        threshold=ours.threshold if ours is not None else 0,
        sensitive=ours.sensitive if ours is not None else (),
        returned=ours.returned if ours is not None else (),
        columns=tuple(_columns(layer)),
    )


def _columns(layer: QgsVectorLayer) -> Iterator[Column]:
    for found in layer.fields():
        if found.type() in (QMetaType.Type.QDate, QMetaType.Type.QDateTime):
            kind = ColumnKind.MOMENT
        elif found.isNumeric():
            kind = ColumnKind.NUMBER
        elif found.type() == QMetaType.Type.QString:
            kind = ColumnKind.TEXT
        else:
            continue
        yield Column(found.name(), found.displayName(), kind)


def _is_text(fields: QgsFields, name: str) -> bool:
    index = fields.indexOf(name)
    return index >= 0 and fields.at(index).type() == QMetaType.Type.QString


def _guess_category(layer: QgsVectorLayer, fields: QgsFields) -> str:
    if isinstance(layer.renderer(), QgsCategorizedSymbolRenderer):
        name = layer.renderer().classAttribute()
        if name in fields.names():
            return name
    for name in ("category", "incident_group", "crime_type", "type"):
        if _is_text(fields, name):
            return name
    return ""


def _labels(layer: QgsVectorLayer, category: str) -> tuple[tuple[str, str], ...]:
    renderer = layer.renderer()
    if not isinstance(renderer, QgsCategorizedSymbolRenderer) or renderer.classAttribute() != category:
        return ()
    return tuple((str(c.value()), c.label()) for c in renderer.categories() if c.value() and c.label())


def _held(layer: QgsVectorLayer, fields: QgsFields, month: str, date_field: str) -> tuple[str, str]:
    name = month or date_field
    if not name:
        return "", ""
    index, file = fields.indexOf(name), PointFile.of(layer)
    try:
        found = file.range(file_rows.column(name)) if file is not None else None
    except sqlite3.Error:
        found = None
    least, greatest = found or (layer.minimumValue(index), layer.maximumValue(index))
    first, newest = _month_text(least), _month_text(greatest)
    return (first, newest) if first and newest else ("", "")


def _month_text(value: object) -> str:
    if isinstance(value, (QDate, QDateTime)):
        return value.toString("yyyy-MM") if value.isValid() else ""
    return value[:7] if isinstance(value, str) else ""


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
        request = QgsFeatureRequest()
        request.setSubsetOfAttributes([index for index in (*columns, *more) if index >= 0])
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
                    *(feature[index] for index in more),
                )
            )
        return _points(rows, further)

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
            return _points([], further)
        _geometries, category, month, hour, day, precision, *more = zip(*rows)
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
        )

    def _places_of_file(self, file: PointFile, conditions: str, cancelled: CancelledCheck) -> Points:
        name = self.facts.precision_field
        x, y, precision = file.places(file_rows.column(name) if name else "", conditions, cancelled)
        x, y = _whole_metres(x, y)
        unknown = np.full(len(x), np.nan)
        nothing = np.full(len(x), "")
        return Points(x, y, nothing, nothing, unknown, unknown, precision, np.full(len(x), "NaT", "datetime64[D]"))

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
            parts.append(f"{name} IN ({', '.join(map(file_rows.text, categories))})")
        if leave_out.categories:
            parts.append(f"coalesce({name}, '') NOT IN ({', '.join(map(file_rows.text, leave_out.categories))})")
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


def _points(rows: list[tuple], further: Sequence[Column]) -> Points:
    columns = zip(*rows) if rows else ((),) * (7 + len(further))
    eastings, northings, categories, months, hours, days, precision, *more = columns
    return _arranged(
        np.array(eastings, dtype=float),
        np.array(northings, dtype=float),
        category=categories,
        month=months,
        hour=np.array(hours, dtype=float),
        day=days,
        precision=np.array(precision, dtype=float),
        extra={column.name: _values_of(column, values) for column, values in zip(further, more)},
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
    if not len(points):
        return 0
    # One number a point is sorted many times faster than two: the real part counts first, then the imaginary.
    places = points.eastings.astype(float) + 1j * points.northings
    if points.eastings.dtype.kind == "i":
        north = points.northings - points.northings.min()
        places = (points.eastings - points.eastings.min()) * (int(north.max()) + 1) + north
    places.sort()
    ends = np.flatnonzero(np.append(places[1:] != places[:-1], True))
    return int(np.diff(ends, prepend=-1).max())
