"""The table of a local copy: its columns, what it can be asked, and the categories that occur in it."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from qgis.core import QgsProviderRegistry, QgsVectorLayer
from qgis.PyQt.QtCore import QCoreApplication

from .. import layers
from ..analysis_error import AnalysisError
from ..errors import LocalCopyTrouble
from ..geopackage import read_only, watched
from ..layers import LayerFacts
from ..periods import DaySpan, Period
from ..sql_text import quoted
from .selection import AREA_COLUMNS, DAY, HOUR, OF_PLACES, By, Selection, Within

COUNT, WITHHELD = "count", "withheld"  # the columns of rows that are numbers themselves
_AT_ONCE = 20_000
_MOST_CATEGORIES = 500  # a column with more holds something else
_MOST_FINER = 60  # values of a column that refines the categories; one with more holds something else
_BUILT_IN = {"borough", "borough_code", "lsoa_code", "month", "location_method", "weekday"}


def _tr(words: str) -> str:
    return QCoreApplication.translate("Explore", words)


@dataclass(frozen=True)
class CopyTable:
    """The table of a local copy and the names of its columns; made on the window's thread, read on any."""

    path: Path
    table: str
    facts: LayerFacts
    columns: Mapping[str, str] = field(hash=False)  # what each is called; "category" is that of the category
    placed: bool  # whether it has a column of places
    texts: tuple[str, ...] = ()  # columns of text that may refine the categories

    @classmethod
    def of(cls, layer: QgsVectorLayer) -> CopyTable:
        """That of a layer that SafeStats opened; raises ``AnalysisError`` for any other."""
        facts = layers.facts(layer)
        parts = QgsProviderRegistry.instance().decodeUri("ogr", layer.source())
        path = Path(parts.get("path") or "")
        if facts is None or not path.is_file():
            raise AnalysisError(
                _tr("“{layer}” is no layer of SafeStats: open one in the layers dock, then choose it here.").format(
                    layer=layer.name()
                ),
                "layer",
            )
        names = layer.fields().names()
        columns = {name: name for name in names}
        columns["category"] = facts.category_field if facts.category_field in names else ""
        texts = tuple(
            one.name()
            for one in layer.fields()
            if one.typeName().lower() in ("string", "text") or one.typeName().lower().startswith("text")
        )
        finer = tuple(name for name in texts if name not in _BUILT_IN and name != facts.category_field)
        return cls(path, parts.get("layerName") or facts.dataset, facts, columns, layer.isSpatial(), finer)

    @property
    def file(self) -> Path:
        """The local copy, as whoever asks for its rights calls it."""
        return self.path

    @property
    def holds_numbers(self) -> bool:
        """Whether its rows are numbers (people in treatment), not incidents: counting rows would tell nothing."""
        return not self.placed and COUNT in self.columns and WITHHELD in self.columns

    def can(self, choice: Within | By) -> bool:
        """Whether the copy shows what the choice needs."""
        if choice in OF_PLACES:
            return self.placed
        return choice not in AREA_COLUMNS or AREA_COLUMNS[choice] in self.columns

    @property
    def timed(self) -> bool:
        """Whether the hour is told."""
        return HOUR in self.columns

    @property
    def held(self) -> DaySpan | None:
        """From the first day of the oldest month to the newest day; ``None`` of what is not dated."""
        newest = self.facts.newest_period[:7]
        if not self.facts.first_period or not newest:
            return None
        months = Period(self.facts.first_period[:7], newest).days
        # Of what comes in as things happen, days after the newest one have not been told yet.
        return DaySpan(months.first, self.facts.newest_day) if self.facts.newest_day[:7] == newest else months

    def require_held(self, asked: Selection) -> None:
        """Raise ``AnalysisError`` where nothing of the time that is asked for is in the copy: that is not zero."""
        held = self.held if asked.period is not None else None
        if held is None:
            return
        wanted = asked.days or asked.period.days
        if wanted.within(held) is None:
            words = _tr("Your copy holds {held}, and nothing of {asked}: choose other dates, or pull more months.")
            label = wanted.label if asked.days else asked.period.label
            raise AnalysisError(words.format(held=self.held_words, asked=label), "month")

    @property
    def held_words(self) -> str:
        """“January 2025 to December 2025”, or days where the newest month has only some; empty of what is not dated."""
        held = self.held
        if held is None:
            return ""
        return held.label if held.in_part else held.period.label

    @property
    def dated(self) -> bool:
        """Whether the day is told."""
        return DAY in self.columns

    @contextmanager
    def connected(self, cancelled: Callable[[], bool]) -> Iterator[sqlite3.Connection]:
        """The file, opened for reading; raises ``LocalCopyTrouble`` and ``Cancelled``."""
        try:
            with closing(sqlite3.connect(read_only(self.path), uri=True)) as connection:
                connection.execute("PRAGMA temp_store = MEMORY")  # of incidents nothing is written elsewhere
                with watched(connection, cancelled):
                    yield connection
        except sqlite3.Error as error:
            raise LocalCopyTrouble(
                _tr("The local copy of {title} cannot be read ({error}): pull it again.").format(
                    title=self.facts.title, error=error
                ),
                "copy-unreadable",
            ) from error


def category_tree(table: CopyTable, cancelled: Callable[[], bool]) -> tuple[str, tuple[tuple[str, str, int], ...]]:
    """The column that refines the categories ("" where none does), and (category, finer value, rows), most first.

    One refines them where each of its values occurs with a single category, as those of a classification do.
    """
    name = table.columns.get("category")
    if not name:
        return "", ()
    with table.connected(cancelled) as connection:
        categories = _pairs(connection, table, f"coalesce({quoted(name)}, ''), ''", _MOST_CATEGORIES) or ()
        for candidate in table.texts:
            most = _MOST_FINER + len(categories)
            pairs = _pairs(connection, table, f"coalesce({quoted(name)}, ''), coalesce({quoted(candidate)}, '')", most)
            values = [value for _category, value, _rows in pairs or () if value]
            if len(values) == len(set(values)) and len(categories) < len(values) <= _MOST_FINER:
                return candidate, pairs or ()
    return "", categories


def _pairs(
    connection: sqlite3.Connection, table: CopyTable, columns: str, most: int
) -> tuple[tuple[str, str, int], ...] | None:
    """Two columns' values that occur together, and how often, most first; ``None`` where these are more."""
    found: Counter[tuple[str, str]] = Counter()
    cursor = connection.execute(f"SELECT {columns} FROM {quoted(table.table)}")  # nosec B608 # quoted names
    while rows := cursor.fetchmany(_AT_ONCE):
        found.update(rows)
        if len(found) > most:
            return None
    return tuple((*pair, number) for pair, number in sorted(found.items(), key=lambda item: (-item[1], item[0])))
