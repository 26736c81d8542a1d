"""What a point layer's name, columns and notes are, and whether it can be analysed; no row is read into memory."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from qgis.core import (
    Qgis,
    QgsCategorizedSymbolRenderer,
    QgsCoordinateReferenceSystem,
    QgsFields,
    QgsVectorLayer,
    QgsWkbTypes,
)
from qgis.PyQt.QtCore import QDate, QDateTime, QMetaType

from ...shared.disclosure import masking_of
from ...shared.held_months import HeldMonths
from . import file_rows, layers
from .analysis_error import AnalysisError
from .exact import Exact
from .file_rows import PointFile
from .filter_text import audited_filter, days_of, filter_words, names_days, names_rows
from .sentences import say, translated

NATIONAL_GRID = "EPSG:27700"
_CODE = re.compile("[a-z0-9]+([-_][a-z0-9]+)*")
_SNAPPED = re.compile(r"\bsnap|map points\b", re.IGNORECASE)
_OCCURRED = "occurred_on"  # an emergency department tells the day of arrival, too


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
    subset: str = ""  # the layer's own filter: what it hides is not analysed
    sensitive_by_column: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # values published so, too

    @property
    def filter_words(self) -> str:
        """The layer's own filter for the person who works with it; empty where there is none."""
        return filter_words(self.subset)

    @property
    def guarded_values(self) -> dict[str, tuple[str, ...]]:
        """By column of the layer: the values that are published among others only."""
        found = dict(self.sensitive_by_column)
        if self.sensitive and self.category_field:
            found[self.category_field] = (*found.get(self.category_field, ()), *self.sensitive)
        there = {column.name for column in self.columns} | {self.category_field}
        return {name: values for name, values in found.items() if values and name in there}

    @property
    def names_rows(self) -> bool:
        """Whether the layer's own filter picks single rows."""
        return names_rows(self.subset)

    @property
    def moments(self) -> tuple[str, ...]:
        """The columns that tell days or hours."""
        told = (column.name for column in self.columns if column.kind is ColumnKind.MOMENT)
        return (*told, *filter(None, (self.date_field, self.hour_field)))

    @property
    def names_days(self) -> bool:
        """Whether the layer's own filter is by days or hours."""
        return names_days(self.subset, self.moments)

    @property
    def audited_filter(self) -> dict[str, Any]:
        """What the audit notes of the layer's own filter; empty where there is none."""
        return audited_filter(self.subset, [*(column.name for column in self.columns), *self.flag_fields])

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


def mostly_guarded(facts: PointFacts, rows: int, guarded: int) -> bool:
    """Whether the guarded among so many rows have too few others beside them: fewer than half, or than the threshold.

    A guarded row has a value in any column that is published among others only.
    """
    others = rows - guarded
    return guarded > 0 and (others <= masking_of(facts.threshold) or 2 * others < rows)


def filter_parameter(facts: PointFacts) -> tuple[tuple[str, str], ...]:
    """The layer's own filter among the parameters of a run; nothing where it shows all its rows."""
    return (filter_told(translated("Filter of the layer"), facts),) if facts.subset else ()


def filter_note(facts: PointFacts) -> str:
    """For colleagues, that the layer was filtered, and how; empty where it shows all its rows."""
    if not facts.subset:
        return ""
    days = days_of(facts.subset)
    return say(
        "Only what the layer's own filter lets through is counted: {filter}",
        filter=f"{days.label} ({facts.filter_words})" if days else facts.filter_words,
    )


def filter_told(words: str, facts: PointFacts) -> Exact:
    """The layer's own filter under these words; everybody is told only that there was one."""
    return Exact.of(words, facts.filter_words, translated("the layer was filtered"))


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
        subset=layer.subsetString(),
        sensitive_by_column=ours.sensitive_by_column if ours is not None else {},
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
