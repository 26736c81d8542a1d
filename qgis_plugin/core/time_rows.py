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
from . import layers
from .analysis_error import AnalysisError
from .errors import Cancelled
from .filter_text import names_days, names_rows
from .geopackage import read_only
from .periods import month_number, month_of
from .point_facts import PointFacts, describe
from .points import CHECK_EVERY, CancelledCheck, never_cancelled
from .resource_files import BOUNDARIES
from .sql_text import quoted

BOROUGH_FIELD, LSOA_FIELD = "borough_code", "lsoa_code"
_AT_ONCE = 4_000
_NEVER = np.iinfo(np.int64).min  # as NumPy keeps what is not a time
_MEASURED = {"measure", "withheld"}  # the columns of a layer of counts


@dataclass(frozen=True)
class Coded:
    """A column of words: for each row its word's place among ``names``. Numbers are counted at once, words are not."""

    places: np.ndarray
    names: tuple[str, ...]

    @classmethod
    def of(cls, words: Sequence[str]) -> Coded:
        """The column of these words."""
        known: dict[str, int] = {}
        places = [known.setdefault(word, len(known)) for word in words]
        return cls(np.array(places, dtype=np.int64), tuple(known))

    def __getitem__(self, mask: np.ndarray) -> Coded:
        return Coded(self.places[mask], self.names)

    def counts(self) -> dict[str, int]:
        """How many rows have each word, those that occur."""
        numbers = np.bincount(self.places, minlength=len(self.names)).tolist()
        return {name: number for name, number in zip(self.names, numbers) if number}


@dataclass(frozen=True)
class TimeRows:
    """Incidents as columns of equal length, placed or not.

    ``ids`` are the features', ``days`` datetime64[D] and ``months`` datetime64[M] (NaT: not known), ``hours`` 0 to 23
    or NaN, ``boroughs`` codes (empty: in none). ``begins`` and ``ends`` are datetime64[m], NaT where a layer has no
    such columns: between them the incident happened. ``guarded`` marks rows with a value that is published among
    others only.
    """

    ids: np.ndarray
    categories: Coded
    months: np.ndarray
    days: np.ndarray
    hours: np.ndarray
    boroughs: Coded
    begins: np.ndarray
    ends: np.ndarray
    guarded: np.ndarray

    def __len__(self) -> int:
        return len(self.months)

    def where(self, mask: np.ndarray) -> TimeRows:
        """The rows that a boolean mask or an index array picks."""
        return TimeRows(*(getattr(self, name)[mask] for name in self.__dataclass_fields__))

    def within(self, first: str, last: str) -> np.ndarray:
        """Which rows lie in the months from ``first`` to ``last``, both included."""
        return (self.months >= np.datetime64(first, "M")) & (self.months <= np.datetime64(last, "M"))


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


def is_dated(layer: QgsVectorLayer) -> bool:
    """Whether its rows are incidents that tell when they happened."""
    try:
        dated_facts(layer)
    except AnalysisError:
        return False
    return True


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
    guarded: tuple[tuple[str, frozenset[str]], ...]  # columns, and their values that are published among others only

    @property
    def names(self) -> tuple[str, ...]:
        told = (self.category, self.month, self.day, self.hour, self.area, self.begin, self.end)
        return (*told, *(name for name, _ in self.guarded))


class TimeSource:
    """A layer that a background thread may read; made on the layer's own thread, with what is selected then."""

    def __init__(self, layer: QgsVectorLayer, facts: PointFacts, only_selected: bool, today: date) -> None:
        self.facts = facts
        self.selected = frozenset(layer.selectedFeatureIds()) if only_selected else frozenset()
        self.ours = layers.facts(layer) is not None
        self.file = Path(layer.source().split("|", 1)[0])
        self.subset = layer.subsetString()
        # A reading that was kept stands for the content as long as this stays the same.
        self.identity = None if layer.isEditable() else (layer.id(), layer.source(), layer.featureCount())
        self._today = today
        self._fields = layer.fields()
        self._columns = _columns(layer.fields(), self.facts)
        self._source = QgsVectorLayerFeatureSource(layer)
        self._file = _File.of(layer)

    @property
    def names_rows(self) -> bool:
        """Whether the layer's filter picks single rows, as one made of a drawn shape does."""
        return names_rows(self.subset)

    @property
    def names_days(self) -> bool:
        """Whether the layer's filter is by days or hours."""
        return names_days(self.subset, self.facts.moments)

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
        columns = _Reader(self._columns)
        if self._file is not None:
            try:
                for part in self._file.rows(self._columns.names, self.subset):
                    if cancelled():
                        raise Cancelled
                    columns.add(part)
            except sqlite3.Error:
                self._file, columns = None, _Reader(self._columns)
        if self._file is None:
            for part in self._features(self._columns.names, cancelled):
                columns.add(part)
        return columns.rows()

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


class _Reader:
    """Gathers rows in small parts, each word and each day looked at once: the window needs its turns between them."""

    def __init__(self, columns: _Columns) -> None:
        self._columns = columns
        self._days, self._moments = _Since1970("D", 10), _Since1970("m", 16)
        self._words: dict[str, int] = {}
        self._areas: dict[str, int] = {}
        self._parts: list[tuple[np.ndarray, ...]] = []

    def add(self, rows: list[tuple]) -> None:
        if not rows:
            return
        ids, category, month, day, hour, area, begin, end, *further = zip(*rows)
        guarded = np.zeros(len(rows), dtype=bool)
        for (_, held), values in zip(self._columns.guarded, further):
            guarded |= np.array([_word(value) in held for value in values], dtype=bool)
        days = _dates([self._days[value] for value in day], "D")
        if self._columns.month:
            months = _dates([self._days[value] for value in month], "D").astype("datetime64[M]")
        else:
            months = days.astype("datetime64[M]")
        words, areas = self._words, self._areas
        spans = bool(self._columns.begin)
        nothing = np.full(len(rows), "NaT", dtype="datetime64[m]")
        self._parts.append(
            (
                np.array(ids, dtype=np.int64),
                np.array([words.setdefault(value, len(words)) for value in map(_word, category)], dtype=np.int64),
                months,
                days,
                _hours(hour),
                np.array([areas.setdefault(value, len(areas)) for value in map(_word, area)], dtype=np.int64),
                _dates([self._moments[value] for value in begin], "m") if spans else nothing,
                _dates([self._moments[value] for value in end], "m") if spans else nothing,
                guarded,
            )
        )

    def rows(self) -> TimeRows:
        kinds = (
            "int64",
            "int64",
            "datetime64[M]",
            "datetime64[D]",
            "float64",
            "int64",
            "datetime64[m]",
            "datetime64[m]",
            "bool",
        )
        empty = tuple(np.array([], dtype=kind) for kind in kinds)
        columns = [np.concatenate(parts) for parts in zip(*(self._parts or [empty]))]
        columns[1] = Coded(columns[1], tuple(self._words))
        columns[5] = self._boroughs(columns[5])
        return TimeRows(*columns)

    def _boroughs(self, places: np.ndarray) -> Coded:
        if self._columns.area != LSOA_FIELD:
            return Coded(places, tuple(self._areas))
        lsoas = Boundaries.read(BOUNDARIES).lsoas
        parents = Coded.of([lsoas[code].parent if code in lsoas else "" for code in self._areas])
        return Coded(parents.places[places], parents.names)


class _Since1970(dict):
    """Days or minutes since 1970 by their ISO text (of a month: its first day); ``_NEVER`` where it is none."""

    def __init__(self, unit: str, letters: int) -> None:
        super().__init__()
        self._unit, self._letters = unit, letters

    def __missing__(self, text: object) -> int:
        try:
            found = int(np.datetime64(str(text)[: self._letters].replace(" ", "T"), self._unit).astype(np.int64))
        except ValueError:
            found = _NEVER
        self[text] = found
        return found


def _dates(numbers: Sequence[int], unit: str) -> np.ndarray:
    return np.array(numbers, dtype=np.int64).view(f"datetime64[{unit}]")


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
        guarded=tuple((name, frozenset(held)) for name, held in facts.guarded_values.items()),
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
        names = ", ".join(["rowid", *(quoted(name) if name else "NULL" for name in columns)])
        where = f" WHERE ({subset})" if subset else ""
        with closing(sqlite3.connect(read_only(self.path), uri=True)) as connection:
            cursor = connection.execute(f"SELECT {names} FROM {quoted(self.table)}{where}")  # nosec B608 # quoted names
            while part := cursor.fetchmany(_AT_ONCE):
                yield part

    def months(self, column: str) -> set[str]:
        with closing(sqlite3.connect(read_only(self.path), uri=True)) as connection:
            query = f"SELECT DISTINCT substr({quoted(column)}, 1, 7) FROM {quoted(self.table)}"  # nosec B608
            found = connection.execute(query)
            return {month for (month,) in found if month}


def _plain(value: object) -> object:
    """What QGIS gives as SQLite would: ISO text for a date, ``None`` for nothing."""
    if isinstance(value, QDate):
        return value.toString("yyyy-MM-dd") if value.isValid() else None
    if isinstance(value, QDateTime):
        return value.toString("yyyy-MM-ddTHH:mm:ss") if value.isValid() else None
    return None if hasattr(value, "isNull") and value.isNull() else value


def _month(value: object) -> str:
    return str(value)[:7] if value else ""


def _word(value: object) -> str:
    return "" if value is None else str(value)


def _hours(values: Sequence[object]) -> np.ndarray:
    """Floats, NaN for what is no hour of a day."""
    try:
        hours = np.array(values, dtype=float)  # takes None for NaN
    except (TypeError, ValueError):
        hours = np.array([value if isinstance(value, (int, float)) else np.nan for value in values], dtype=float)
    hours[~((hours >= 0) & (hours < 24))] = np.nan
    return np.floor(hours)
