"""Reads of a layer when its incidents happened: all of them, those of its filter or those selected, off the thread."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
from qgis.core import (
    QgsFeatureRequest,
    QgsFields,
    QgsProviderRegistry,
    QgsVectorLayer,
    QgsVectorLayerFeatureSource,
)
from qgis.PyQt.QtCore import QDate, QDateTime, QMetaType

from ...shared.areas import Boundaries
from ...shared.windows import newest_full_month
from .analysis_error import AnalysisError
from .errors import Cancelled
from .geopackage import read_only
from .periods import month_number, month_of
from .points import CHECK_EVERY, CancelledCheck, PointFacts, describe, never_cancelled
from .resource_files import BOUNDARIES

BOROUGH_FIELD, LSOA_FIELD = "borough_code", "lsoa_code"
_AT_ONCE = 20_000
_MEASURED = {"measure", "withheld"}  # the columns of a layer of counts


@dataclass(frozen=True)
class TimeRows:
    """Incidents as arrays of equal length, placed or not.

    ``ids`` are the features', ``days`` datetime64[D] (NaT: not known to the day), ``months`` ``YYYY-MM`` (empty:
    undated), ``hours`` 0 to 23 or NaN, ``boroughs`` codes (empty: in none). ``begins`` and ``ends`` are datetime64[m],
    NaT where a layer has no such columns: between them the incident happened.
    """

    ids: np.ndarray
    categories: np.ndarray
    months: np.ndarray
    days: np.ndarray
    hours: np.ndarray
    boroughs: np.ndarray
    begins: np.ndarray
    ends: np.ndarray

    def __len__(self) -> int:
        return len(self.months)

    def where(self, mask: np.ndarray) -> TimeRows:
        """The rows that a boolean mask or an index array picks."""
        return TimeRows(*(getattr(self, name)[mask] for name in self.__dataclass_fields__))

    @classmethod
    def joined(cls, parts: Sequence[TimeRows]) -> TimeRows:
        """The rows of all parts, of which there is one at least."""
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in cls.__dataclass_fields__))


@dataclass(frozen=True)
class HeldMonths:
    """What was delivered, whatever is selected: the months that hold any row, and which of them is not over yet."""

    months: frozenset[str]
    partial: frozenset[str] = frozenset()

    @property
    def span(self) -> tuple[str, ...]:
        """Every month from the first to the newest, those between that were not delivered too."""
        if not self.months:
            return ()
        first, last = month_number(min(self.months)), month_number(max(self.months))
        return tuple(map(month_of, range(first, last + 1)))


def dated_facts(layer: QgsVectorLayer | None) -> PointFacts:
    """The facts of a layer whose rows are dated; else ``AnalysisError``. On the layer's own thread."""
    if layer is None or not layer.isValid():
        raise AnalysisError("No layer is chosen: open a SafeStats layer first, then choose it here.", "layer")
    names = set(layer.fields().names())
    if names >= _MEASURED:
        raise AnalysisError(
            f"The rows of “{layer.name()}” are counts of people by area, not incidents, so they have no pattern in "
            "time: choose a layer of incidents.",
            "layer",
        )
    facts = describe(layer)
    if not (facts.month_field or facts.date_field):
        raise AnalysisError(
            f"“{layer.name()}” has no column of dates or months, so nothing can be told of its time: "
            "choose a layer that has one.",
            "layer",
        )
    return facts


@dataclass(frozen=True)
class Reading:
    """The rows of a layer's filter and the months that were delivered: good until the layer's content changes."""

    rows: TimeRows
    held: HeldMonths

    def chosen(self, selected: frozenset[int]) -> TimeRows:
        """The rows selected, all where none is."""
        if not selected:
            return self.rows
        return self.rows.where(np.isin(self.rows.ids, np.fromiter(selected, np.int64, len(selected))))


@dataclass(frozen=True)
class _Columns:
    category: str
    month: str
    day: str
    hour: str
    area: str
    begin: str
    end: str

    @property
    def names(self) -> tuple[str, ...]:
        return (self.category, self.month, self.day, self.hour, self.area, self.begin, self.end)


class TimeSource:
    """A layer that a background thread may read; made on the layer's own thread, with what is selected then."""

    def __init__(self, layer: QgsVectorLayer, facts: PointFacts, only_selected: bool, today: date) -> None:
        self.facts = facts
        self.selected = frozenset(layer.selectedFeatureIds()) if only_selected else frozenset()
        self.subset = layer.subsetString()
        # A reading that was kept stands for the content as long as this stays the same.
        self.identity = None if layer.isEditable() else (layer.id(), layer.source(), layer.featureCount())
        self._today = today
        self._fields = layer.fields()
        self._columns = _columns(layer.fields(), self.facts)
        self._source = QgsVectorLayerFeatureSource(layer)
        self._file = _File.of(layer)

    @property
    def tells_boroughs(self) -> bool:
        """Whether a column tells the borough, or the LSOA that lies in one."""
        return bool(self._columns.area)

    @property
    def tells_spans(self) -> bool:
        """Whether two columns tell from when to when an incident may have happened."""
        return bool(self._columns.begin)

    def read(self, cancelled: CancelledCheck = never_cancelled) -> Reading:
        """All rows of the layer's filter, whatever is selected; raises ``Cancelled``."""
        return Reading(self._read(cancelled), self._held(cancelled))

    def _held(self, cancelled: CancelledCheck) -> HeldMonths:
        """The months delivered: of the file as a whole where it can be asked, else of the layer's filter."""
        column = self._columns.month or self._columns.day
        months: set[str] = set()
        if self._file is not None:
            try:
                months = self._file.months(column)
            except sqlite3.Error:
                self._file = None
        if self._file is None:
            for part in self._features([column], cancelled):
                months.update(_month(value) for _, value in part)
        months.discard("")
        newest = max(months, default="")
        partial: set[str] = set()
        if newest:
            told = self.facts.newest_day if self.facts.newest_month == newest else ""
            last = date.fromisoformat(told[:10]) if told else None
            if newest_full_month(newest, last, self._today) < newest:
                partial.add(newest)
        return HeldMonths(frozenset(months), frozenset(partial))

    # ------------------------------------------------------------------ reading

    def _read(self, cancelled: CancelledCheck) -> TimeRows:
        parts: list[TimeRows] = []
        if self._file is not None:
            try:
                for part in self._file.rows(self._columns.names, self.subset):
                    if cancelled():
                        raise Cancelled
                    parts.append(self._arranged(part))
            except sqlite3.Error:
                self._file, parts = None, []
        if self._file is None:
            parts = [self._arranged(part) for part in self._features(self._columns.names, cancelled)]
        return TimeRows.joined(parts or [self._arranged([])])

    def _features(self, columns: Sequence[str], cancelled: CancelledCheck) -> Iterator[list[tuple]]:
        places = [self._fields.indexOf(name) if name else -1 for name in columns]
        request = QgsFeatureRequest()
        request.setFlags(QgsFeatureRequest.Flag.NoGeometry)
        request.setSubsetOfAttributes([place for place in places if place >= 0])
        part: list[tuple] = []
        for feature in self._source.getFeatures(request):
            part.append((feature.id(), *(_plain(feature[place]) if place >= 0 else None for place in places)))
            if len(part) == CHECK_EVERY:
                if cancelled():
                    raise Cancelled
                yield part
                part = []
        yield part

    def _arranged(self, rows: list[tuple]) -> TimeRows:
        ids, category, month, day, hour, area, begin, end = zip(*rows) if rows else ((),) * 8
        days = _moments(day, "D")
        months = np.array([value or "" for value in (month if self._columns.month else day)], dtype="U7")  # cuts days
        return TimeRows(
            ids=np.array(ids, dtype=np.int64),
            categories=np.array(["" if value is None else value for value in category], dtype=str),
            months=months,
            days=days,
            hours=_hours(hour),
            boroughs=self._boroughs(area),
            begins=_moments(begin, "m"),
            ends=_moments(end, "m"),
        )

    def _boroughs(self, area: Sequence[object]) -> np.ndarray:
        codes = np.array([value or "" for value in area], dtype="U9")
        if self._columns.area != LSOA_FIELD:
            return codes
        lsoas = Boundaries.read(BOUNDARIES).lsoas
        found, back = np.unique(codes, return_inverse=True)
        parents = [lsoas[code].parent if code in lsoas else "" for code in found.tolist()]
        return np.array(parents, dtype="U9")[back.reshape(-1)] if len(parents) else codes


def _columns(fields: QgsFields, facts: PointFacts) -> _Columns:
    names = fields.names()
    moments = [f.name() for f in fields if f.type() == QMetaType.Type.QDateTime]
    begin, end = next(
        ((one, other) for one in moments for other in moments if one.endswith("_from") and other == f"{one[:-5]}_to"),
        ("", ""),
    )
    return _Columns(
        category=facts.category_field,
        month=facts.month_field,
        day=facts.date_field,
        hour=facts.hour_field,
        area=next((name for name in (BOROUGH_FIELD, LSOA_FIELD) if name in names), ""),
        begin=begin,
        end=end,
    )


@dataclass(frozen=True)
class _File:
    """A table of a GeoPackage that is not being edited: many times faster than feature by feature."""

    path: Path
    table: str

    @classmethod
    def of(cls, layer: QgsVectorLayer) -> _File | None:
        parts = QgsProviderRegistry.instance().decodeUri("ogr", layer.source())
        path, table = Path(parts.get("path") or ""), parts.get("layerName") or ""
        if layer.providerType() != "ogr" or path.suffix.lower() != ".gpkg" or not path.is_file():
            return None
        whole_statement = layer.subsetString().lstrip().lower().startswith("select")
        return None if not table or layer.isEditable() or whole_statement else cls(path, table)

    def rows(self, columns: Sequence[str], subset: str) -> Iterator[list[tuple]]:
        names = ", ".join(["rowid", *(_quoted(name) if name else "NULL" for name in columns)])
        where = f" WHERE ({subset})" if subset else ""
        with closing(sqlite3.connect(read_only(self.path), uri=True)) as connection:
            cursor = connection.execute(f"SELECT {names} FROM {_quoted(self.table)}{where}")
            while part := cursor.fetchmany(_AT_ONCE):
                yield part

    def months(self, column: str) -> set[str]:
        with closing(sqlite3.connect(read_only(self.path), uri=True)) as connection:
            found = connection.execute(f"SELECT DISTINCT substr({_quoted(column)}, 1, 7) FROM {_quoted(self.table)}")
            return {month for (month,) in found if month}


def _quoted(name: str) -> str:
    escaped = name.replace('"', '""')
    return f'"{escaped}"'


def _plain(value: object) -> object:
    """What QGIS gives as SQLite would: ISO text for a date, ``None`` for nothing."""
    if isinstance(value, QDate):
        return value.toString("yyyy-MM-dd") if value.isValid() else None
    if isinstance(value, QDateTime):
        return value.toString("yyyy-MM-ddTHH:mm:ss") if value.isValid() else None
    return None if hasattr(value, "isNull") and value.isNull() else value


def _month(value: object) -> str:
    return str(value)[:7] if value else ""


def _moments(values: Sequence[object], unit: str) -> np.ndarray:
    if not any(values):
        return np.full(len(values), "NaT", dtype=f"datetime64[{unit}]")
    size = 10 if unit == "D" else 16
    return np.array([value or "NaT" for value in values], dtype=f"U{size}").astype(f"datetime64[{unit}]")


def _hours(values: Sequence[object]) -> np.ndarray:
    """Floats, NaN for what is no hour of a day."""
    try:
        hours = np.array(values, dtype=float)  # takes None for NaN
    except (TypeError, ValueError):
        hours = np.array([value if isinstance(value, (int, float)) else np.nan for value in values], dtype=float)
    hours[~((hours >= 0) & (hours < 24))] = np.nan
    return np.floor(hours)
