"""Reads a point layer for analysis: what its columns mean, and its rows as NumPy arrays, off the window's thread."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

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

from . import layers
from .analysis_error import AnalysisError
from .errors import Cancelled
from .periods import Period

NATIONAL_GRID = "EPSG:27700"
_CODE = re.compile("[a-z0-9]+([-_][a-z0-9]+)*")
_SNAPPED = re.compile(r"\bsnap|map points\b", re.IGNORECASE)
CHECK_EVERY = 5000  # rows between two looks at the cancel flag

CancelledCheck = Callable[[], bool]


def never_cancelled() -> bool:
    """The default of ``cancelled``."""
    return False


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
    def snapped(self) -> bool:
        """Whether the supplier's caveats say that points were moved to shared map points."""
        return any(_SNAPPED.search(caveat) for caveat in self.caveats)


@dataclass(frozen=True)
class Points:
    """Rows with a place, as arrays of equal length.

    ``eastings`` and ``northings`` are int64 where every coordinate is a whole metre (exact distances), else float64;
    ``hours``, ``weekdays`` (0 for Monday … 6) and ``precision`` (metres) are NaN where unknown.
    """

    eastings: np.ndarray
    northings: np.ndarray
    categories: np.ndarray
    months: np.ndarray
    hours: np.ndarray
    weekdays: np.ndarray
    precision: np.ndarray

    def __len__(self) -> int:
        return len(self.eastings)

    def where(self, mask: np.ndarray) -> Points:
        """The rows that a boolean mask or an index array picks."""
        return Points(*(getattr(self, name)[mask] for name in self.__dataclass_fields__))


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
    date_field = dates[0] if dates else ""
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
        newest_month=newest,
    )


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
    index = fields.indexOf(name)
    first, newest = _month_text(layer.minimumValue(index)), _month_text(layer.maximumValue(index))
    return (first, newest) if first and newest else ("", "")


def _month_text(value: object) -> str:
    if isinstance(value, (QDate, QDateTime)):
        return value.toString("yyyy-MM") if value.isValid() else ""
    return value if isinstance(value, str) else ""


class PointSource:
    """A point layer that a background thread may read; made on the layer's own thread."""

    def __init__(self, layer: QgsVectorLayer) -> None:
        self.facts = describe(check_layer(layer))
        self.subset = layer.subsetString()
        self.rows = layer.featureCount()
        self.file = Path(layer.source().split("|", 1)[0])
        self._fields = layer.fields()
        self._source = QgsVectorLayerFeatureSource(layer)

    def read(
        self,
        extent: QgsRectangle | None = None,
        period: Period | None = None,
        categories: Sequence[str] = (),
        cancelled: CancelledCheck = never_cancelled,
        progress: Callable[[int], None] | None = None,
    ) -> Points:
        """The rows with a place inside ``extent`` (border included), of the period and the categories (none: all).

        ``progress`` hears the number of rows read so far. Raises ``Cancelled`` when cancelled.
        """
        facts = self.facts
        wanted = (facts.category_field, facts.month_field, facts.date_field, facts.hour_field, facts.precision_field)
        columns = [self._fields.indexOf(name) if name else -1 for name in wanted]
        request = QgsFeatureRequest()
        request.setSubsetOfAttributes([index for index in columns if index >= 0])
        if extent is not None:
            request.setFilterRect(extent)
        expression = self._expression(period, categories)
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
                    (date.date() if isinstance(date, QDateTime) else date).dayOfWeek() - 1 if date else np.nan,
                    _number(feature[precision]) if precision >= 0 else np.nan,
                )
            )
        return _points(rows)

    def count_unplaced(
        self, period: Period | None = None, categories: Sequence[str] = (), cancelled: CancelledCheck = never_cancelled
    ) -> int:
        """How many rows of the period and categories have no place."""
        # A column is asked of the file itself; the geometry has to be read row by row.
        nowhere = (
            f"{self._quoted(self.facts.easting_field)} IS NULL" if self.facts.easting_field else "$geometry IS NULL"
        )
        expression = self._expression(period, categories)
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

    @staticmethod
    def _quoted(name: str) -> str:
        return QgsExpression.quotedColumnRef(name)

    def _expression(self, period: Period | None, categories: Sequence[str]) -> str:
        parts = []
        if period is not None:
            if self.facts.month_field:
                month = self._quoted(self.facts.month_field)
            elif self.facts.date_field:
                month = f"format_date({self._quoted(self.facts.date_field)}, 'yyyy-MM')"
            else:
                raise AnalysisError(
                    f"“{self.facts.title}” has no dates, so no period can be chosen: take all of it, or leave it out.",
                    "period",
                )
            parts.append(f"{month} >= '{period.first}' AND {month} <= '{period.last}'")
        if categories:
            if not self.facts.category_field:
                raise AnalysisError(
                    f"“{self.facts.title}” has no categories to choose from: take all of its incidents.", "category"
                )
            values = ", ".join(QgsExpression.quotedString(value) for value in categories)
            parts.append(f"{self._quoted(self.facts.category_field)} IN ({values})")
        return " AND ".join(parts)


def _text(value: object) -> str:
    return value if isinstance(value, str) else "" if value is None or _is_null(value) else str(value)


def _number(value: object) -> float:
    return float(value) if isinstance(value, (int, float)) else np.nan


def _is_null(value: object) -> bool:
    return hasattr(value, "isNull") and value.isNull()


def _points(rows: list[tuple]) -> Points:
    eastings, northings, categories, months, hours, weekdays, precision = zip(*rows) if rows else ((),) * 7
    e, n = np.array(eastings, dtype=float), np.array(northings, dtype=float)
    if np.array_equal(e, np.rint(e)) and np.array_equal(n, np.rint(n)):
        e, n = e.astype(np.int64), n.astype(np.int64)
    return Points(
        eastings=e,
        northings=n,
        categories=np.array(categories, dtype=str),
        months=np.array(months, dtype=str),
        hours=np.array(hours, dtype=float),
        weekdays=np.array(weekdays, dtype=float),
        precision=np.array(precision, dtype=float),
    )


def largest_stack(points: Points) -> int:
    """The greatest number of incidents on one and the same point; 0 without points."""
    if not len(points):
        return 0
    places = np.stack([points.eastings, points.northings], axis=1)
    return int(np.unique(places, axis=0, return_counts=True)[1].max())
