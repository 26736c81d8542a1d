"""Counts of a local copy by area, category and month: SQL on its GeoPackage, for tasks.

What the agreement withholds is told, never counted as nothing: areas that the copy does not hold, rows without a place
or an hour, positions on a grid, numbers that the supplier has masked.
"""

from __future__ import annotations

import re
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from qgis.core import QgsGeometry, QgsProviderRegistry, QgsVectorLayer
from qgis.PyQt.QtCore import QCoreApplication

from ....shared.manifest import FID_COLUMN, GEOMETRY_COLUMN
from .. import layers
from ..analysis_error import AnalysisError
from ..errors import Cancelled, LocalCopyTrouble
from ..geopackage import quoted, read_only, read_points, watched
from ..layers import LayerFacts
from ..study_areas import points_inside
from .area_sets import AreaSet, AreaSets, Held, Place
from .selection import AREA_COLUMNS, DAY, HOUR, MONTH, OF_PLACES, By, Conditions, Selection, Within, conditions

NOWHERE = "nowhere"  # the row shows no place
ELSEWHERE = "elsewhere"  # it has one, in none of the areas
WHOLE = "whole"  # everything that is asked for, as one
_COUNT, _WITHHELD = "count", "withheld"  # the columns of rows that are numbers themselves
_METHOD, _PRECISION = "location_method", "precision_m"
_ON_GRID, _IN_AREA = "grid", "area"
_AT_ONCE = 20_000
_MOST_CATEGORIES = 500  # a column with more holds something else
_MOST_FINER = 60  # values of a column that refines the categories; one with more holds something else
_HELD_FIRST = (Held.WHOLE, Held.PART, Held.NONE)
_SNAPPED = re.compile(r"\bsnap|map points\b", re.IGNORECASE)
_BUILT_IN = {"borough", "borough_code", "lsoa_code", "month", "location_method", "weekday"}

Report = Callable[[str, float, float], None]


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
    def holds_numbers(self) -> bool:
        """Whether its rows are numbers (people in treatment), not incidents: counting rows would tell nothing."""
        return not self.placed and _COUNT in self.columns and _WITHHELD in self.columns

    def can(self, choice: Within | By) -> bool:
        """Whether the copy shows what the choice needs."""
        if choice in OF_PLACES:
            return self.placed
        return choice not in AREA_COLUMNS or AREA_COLUMNS[choice] in self.columns

    @property
    def timed(self) -> bool:
        """Whether the hour is told."""
        return HOUR in self.columns

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


@dataclass(frozen=True)
class Counted:
    """What was counted, as cells of areas × categories × months (int64), and what was not.

    ``places`` end with ``NOWHERE`` and ``ELSEWHERE`` where rows are in no area. ``withheld`` marks cells of which the
    supplier masked a number: they hold more than is told. Where rows are numbers of people (``additive`` is false),
    cells must not be added up. ``boroughs``: the same question everywhere, by borough code.
    """

    asked: Selection
    facts: LayerFacts
    places: tuple[Place, ...]
    held: tuple[Held, ...]
    categories: tuple[tuple[str, ...], ...]
    months: tuple[str, ...]
    cells: np.ndarray
    withheld: np.ndarray
    additive: bool
    edition: str
    attribution: str
    boroughs: Mapping[str, int]
    boroughs_held: Mapping[str, Held]
    notes: tuple[str, ...]

    @property
    def total(self) -> int:
        """All that was counted; of numbers of people there is none."""
        return int(self.cells.sum()) if self.additive else 0

    def of_places(self) -> np.ndarray:
        """The sum of each place, shape ``(places,)``."""
        return self.cells.sum(axis=(1, 2))


def count(
    table: CopyTable,
    asked: Selection,
    sets: AreaSets,
    wards: AreaSet | None,
    cancelled: Callable[[], bool],
    report: Report = lambda *_told: None,
) -> Counted:
    """Count what is asked; ``wards`` where the question is of wards. Raises ``DeskError`` and ``Cancelled``."""
    told = conditions(asked, table.columns)
    if asked.by is not By.WHOLE and not (table.can(asked.by) and table.can(asked.within)):
        raise AnalysisError(
            _tr("Your copy of {title} does not show where its incidents are: count them as one.").format(
                title=table.facts.title
            ),
            "area",
        )
    areas = wards if asked.by is By.WARD else None if asked.by is By.WHOLE else sets.get(asked.by, None)
    with table.connected(cancelled) as connection:
        joins = _place_rows(connection, table, asked, told, wards, cancelled, report)
        report(_tr("Counting"), 0, 0)
        rows = _rows(connection, table, asked, told, joins)
        boroughs = _by_borough(connection, table, told)
        notes = _notes(connection, table, asked, told, joins)
    places, held = _places(asked, areas, sets, table.facts.areas, {row[0] for row in rows})
    cells, withheld, categories, months = _cube(rows, [place.code for place in places])
    by_borough = sets.get(By.BOROUGH, None)
    missing, partly = (sum(one is share for one in held) for share in (Held.NONE, Held.PART))
    if missing or partly:
        number = sum(place.code not in (NOWHERE, ELSEWHERE) for place in places)
        notes.insert(
            0,
            _tr(
                "Your agreement does not hold all areas: {missing:,} of {number:,} are not in your copy, {partly:,} "
                "only in part. They are marked, and none of them counts as zero."
            ).format(missing=missing, partly=partly, number=number),
        )
    return Counted(
        asked=asked,
        facts=table.facts,
        places=places,
        held=held,
        categories=categories,
        months=months,
        cells=cells,
        withheld=withheld,
        additive=not table.holds_numbers,
        edition=areas.edition if areas else "",
        attribution=areas.attribution if areas else "",
        boroughs=boroughs,
        boroughs_held=sets.held(by_borough, table.facts.areas),
        notes=tuple(notes),
    )


def rows_of(table: CopyTable, asked: Selection, wards: AreaSet | None, most: int, cancelled: Callable[[], bool]) -> str:
    """The SQL of a question that a layer can be filtered by; of places it names the rows.

    Raises ``AnalysisError`` where these are more than ``most``: SQL has its length.
    """
    told = conditions(asked, table.columns)
    if asked.within not in OF_PLACES:
        return told.joined
    with table.connected(cancelled) as connection:
        joins = _place_rows(connection, table, asked, told, wards, cancelled, lambda *_told: None)
        found = connection.execute(
            f"SELECT t.{quoted(FID_COLUMN)} FROM {quoted(table.table)} AS t {joins} {told.where()} LIMIT {most + 1}"
        ).fetchall()
    if len(found) > most:
        raise AnalysisError(
            _tr(
                "The layer cannot be filtered by this shape, as more than {most:,} incidents lie in it: choose fewer "
                "months or categories, or boroughs and LSOAs."
            ).format(most=most),
            "area",
        )
    return f"{quoted(FID_COLUMN)} IN ({', '.join(str(row) for (row,) in found)})"


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
    cursor = connection.execute(f"SELECT {columns} FROM {quoted(table.table)}")
    while rows := cursor.fetchmany(_AT_ONCE):
        found.update(rows)
        if len(found) > most:
            return None
    return tuple((*pair, number) for pair, number in sorted(found.items(), key=lambda item: (-item[1], item[0])))


def _rows(
    connection: sqlite3.Connection, table: CopyTable, asked: Selection, told: Conditions, joins: str
) -> list[tuple]:
    """(area, category, finer, month, number, how many of its numbers are withheld), each combination once."""
    source = f"FROM {quoted(table.table)} AS t {joins} {told.where()}"
    names = [_area(table, asked.by), _column(table, "category"), "''", _column(table, MONTH)]
    if table.holds_numbers:
        # Numbers of people are of a measure of a group: every text column that tells one from another is named.
        finer = [f"coalesce({quoted(name)}, '')" for name in table.texts]
        names[2] = " || ' · ' || ".join(finer) if finer else "''"
        values = f"coalesce(sum({quoted(_COUNT)}), 0), coalesce(sum({quoted(_WITHHELD)}), 0)"
        return connection.execute(f"SELECT {', '.join(names)}, {values} {source} GROUP BY 1, 2, 3, 4").fetchall()
    if asked.refined_by:
        names[2] = f"coalesce({quoted(asked.refined_by)}, '')"
    # Not GROUP BY: SQLite sorts all rows for it, which takes five times as long.
    found = Counter(connection.execute(f"SELECT {', '.join(names)} {source}"))
    return [(*names, number, 0) for names, number in found.items()]


def _column(table: CopyTable, name: str) -> str:
    return f"coalesce({quoted(table.columns[name])}, '')" if table.columns.get(name) else "''"


def _area(table: CopyTable, by: By) -> str:
    if by is By.WHOLE:
        return f"'{WHOLE}'"
    code = "ward.of_area" if by is By.WARD else quoted(AREA_COLUMNS[by])
    nowhere = f"t.{quoted(GEOMETRY_COLUMN)} IS NULL" if table.placed else "0"
    return f"coalesce({code}, CASE WHEN {nowhere} THEN '{NOWHERE}' ELSE '{ELSEWHERE}' END)"


def _by_borough(connection: sqlite3.Connection, table: CopyTable, told: Conditions) -> dict[str, int]:
    """Everywhere, whatever area was asked for; nothing where the copy does not show boroughs, or holds numbers."""
    if not table.can(By.BOROUGH) or table.holds_numbers:
        return {}
    code = quoted(AREA_COLUMNS[By.BOROUGH])
    where = told.where(f"{code} IS NOT NULL", without="area")
    found = Counter(connection.execute(f"SELECT {code} FROM {quoted(table.table)} {where}"))
    return {borough: number for (borough,), number in found.items()}


# ---------------------------------------------------------------------- rows in shapes


def _place_rows(
    connection: sqlite3.Connection,
    table: CopyTable,
    asked: Selection,
    told: Conditions,
    wards: AreaSet | None,
    cancelled: Callable[[], bool],
    report: Report,
) -> str:
    """Put the rows of wards and of a shape into tables in memory; the joins with them."""
    joins = []
    if By.WARD is asked.by or asked.within is Within.WARDS:
        if wards is None:
            raise AnalysisError(
                _tr("Wards come from the server: sign in first, or count by boroughs or LSOAs."), "area"
            )
        chosen = asked.codes if asked.within is Within.WARDS else tuple(wards.places)
        if not chosen:
            raise AnalysisError(_tr("No area is chosen: choose at least one, or count everywhere."), "area")
        unknown = [code for code in chosen if code not in wards.shapes]
        if unknown:
            raise AnalysisError(
                _tr("{edition} has no ward {code}: choose wards anew.").format(edition=wards.edition, code=unknown[0]),
                "area",
            )
        shapes = [(code, wards.shapes[code]) for code in sorted(chosen)]
        _fill(connection, "ward", _assigned(connection, table, told, shapes, cancelled, report))
        kind = "JOIN" if asked.within is Within.WARDS else "LEFT JOIN"
        joins.append(f"{kind} temp.ward AS ward ON ward.of_row = t.{quoted(FID_COLUMN)}")
    if asked.within is Within.SHAPE:
        shape = QgsGeometry.fromWkt(asked.shape)
        if shape.isEmpty() or not shape.area() > 0:
            raise AnalysisError(_tr("The area is empty: draw one, or select polygons, then count again."), "area")
        _fill(connection, "inside", _assigned(connection, table, told, [("", shape)], cancelled, report))
        joins.append(f"JOIN temp.inside AS inside ON inside.of_row = t.{quoted(FID_COLUMN)}")
    return " ".join(joins)


def _fill(connection: sqlite3.Connection, name: str, rows: Iterator[tuple[int, str]]) -> None:
    connection.execute(f"CREATE TEMP TABLE {name} (of_row INTEGER PRIMARY KEY, of_area TEXT)")
    connection.executemany(f"INSERT INTO temp.{name} VALUES (?, ?)", rows)


def _assigned(
    connection: sqlite3.Connection,
    table: CopyTable,
    told: Conditions,
    shapes: Sequence[tuple[str, QgsGeometry]],
    cancelled: Callable[[], bool],
    report: Report,
) -> Iterator[tuple[int, str]]:
    """(row, code) of those in a shape, each once: on a border the first of the shapes has it."""
    place = f"t.{quoted(GEOMETRY_COLUMN)}"
    cursor = connection.execute(
        f"SELECT t.{quoted(FID_COLUMN)}, {place} FROM {quoted(table.table)} AS t {told.where(f'{place} IS NOT NULL')}"
    )
    ids, east, north = [np.empty(0, np.int64)], [np.empty(0)], [np.empty(0)]
    while rows := cursor.fetchmany(_AT_ONCE):
        points = read_points([row[1] for row in rows])
        ids.append(np.array([row[0] for row in rows], dtype=np.int64))
        east.append(points["x"].astype(float))
        north.append(points["y"].astype(float))
    rows_at, x, y = np.concatenate(ids), np.concatenate(east), np.concatenate(north)
    # Many incidents share a place: each place is looked at once, those of a shape's width alone.
    spots, back = np.unique(np.stack([x, y], axis=1), axis=0, return_inverse=True)
    found = np.full(len(spots), -1)
    for number, (_code, shape) in enumerate(shapes):
        if cancelled():
            raise Cancelled
        report(_tr("Looking which incidents lie in the areas"), number, len(shapes))
        box = shape.boundingBox()
        near = slice(*np.searchsorted(spots[:, 0], [box.xMinimum(), np.nextafter(box.xMaximum(), np.inf)]).tolist())
        inside = points_inside(spots[near, 0], spots[near, 1], shape) & (found[near] < 0)
        found[near][inside] = number
    of_rows = found[back.reshape(-1)]
    chosen = np.flatnonzero(of_rows >= 0)
    return ((int(rows_at[at]), shapes[of_rows[at]][0]) for at in chosen)


# ---------------------------------------------------------------------- what comes of it


def _places(
    asked: Selection, areas: AreaSet | None, sets: AreaSets, bounds: Sequence[str], found: set[str]
) -> tuple[tuple[Place, ...], tuple[Held, ...]]:
    """The areas of the question, those held in full first, those not held last; then whatever else has incidents."""
    if areas is None:
        return (Place(WHOLE, _tr("All that is asked for"), ""),), (Held.WHOLE,)
    held = sets.held(areas, bounds)
    codes = set(asked.codes)
    in_question = {
        Within.BOROUGHS: lambda place: place.borough in codes,
        Within.WARDS: lambda place: place.code in codes or areas.by is not By.WARD,
        Within.LSOAS: lambda place: place.code in codes or areas.by is not By.LSOA,
    }.get(asked.within, lambda _place: True)
    # Of a shape, of wards told by borough and the like, only areas with incidents are sure to be asked for.
    sure = asked.within is Within.ALL or asked.within is Within.BOROUGHS
    sure = sure or (asked.within, areas.by) in ((Within.WARDS, By.WARD), (Within.LSOAS, By.LSOA))
    chosen = [place for place in areas.places.values() if place.code in found or (sure and in_question(place))]
    chosen.sort(key=lambda place: _HELD_FIRST.index(held[place.code]))  # by name among those that are held alike
    share = [held[place.code] for place in chosen]
    unknown = sorted(found - set(areas.places) - {NOWHERE, ELSEWHERE})
    chosen += [Place(code, code, "") for code in unknown]  # of another edition than the plugin's
    words = {NOWHERE: _tr("Without a place in your copy"), ELSEWHERE: _tr("In none of these areas")}
    chosen += [Place(code, words[code], "") for code in (NOWHERE, ELSEWHERE) if code in found]
    return tuple(chosen), tuple(share + [Held.WHOLE] * (len(chosen) - len(share)))


def _cube(
    rows: Sequence[tuple], codes: Sequence[str]
) -> tuple[np.ndarray, np.ndarray, tuple[tuple[str, ...], ...], tuple[str, ...]]:
    sizes: dict[tuple[str, ...], int] = {}
    for _area_code, category, finer, _month, number, _withheld in rows:
        path = (category, finer) if finer else (category,)
        sizes[path] = sizes.get(path, 0) + number
    categories = sorted(sizes, key=lambda path: (-sizes[path], path))
    months = sorted({row[3] for row in rows}, key=lambda month: (not month, month))
    at = [{name: number for number, name in enumerate(names)} for names in (codes, categories, months)]
    cells = np.zeros((len(codes), len(categories), len(months)), dtype=np.int64)
    withheld = np.zeros(cells.shape, dtype=bool)
    for area, category, finer, month, number, masked in rows:
        cell = at[0][area], at[1][(category, finer) if finer else (category,)], at[2][month]
        cells[cell] += number
        withheld[cell] |= bool(masked)
    return cells, withheld, tuple(categories), tuple(months)


def _notes(
    connection: sqlite3.Connection, table: CopyTable, asked: Selection, told: Conditions, joins: str
) -> list[str]:
    """What the reader must know of rows that were left out, or are not where they seem to be."""
    source, notes = f"FROM {quoted(table.table)} AS t", []

    def number(where: str, joined: str = "") -> int:
        return connection.execute(f"SELECT count(*) {source} {joined} {where}").fetchone()[0]

    of_places = asked.within in OF_PLACES or asked.by in OF_PLACES
    if table.holds_numbers:
        notes.append(
            _tr(
                "These are numbers of people by area, not incidents: numbers of different measures, groups and periods "
                "may be of the same people and are not added up."
            )
        )
    elif table.placed and asked.within is not Within.ALL:
        missing = f"t.{quoted(GEOMETRY_COLUMN)} IS NULL"
        column = AREA_COLUMNS.get(asked.within)
        if column:
            missing += f" AND {quoted(column)} IS NULL"
        rows = number(told.where(missing, without="area"))
        if rows:
            notes.append(_tr("{rows:,} more have no place in your copy, so that no area has them.").format(rows=rows))
    if asked.hours is not None:
        unknown = [f"{quoted(HOUR)} IS NULL"]
        if len(asked.hours.days) < 7:
            unknown.append(f"{quoted(DAY)} IS NULL")
        rows = number(told.where(f"({' OR '.join(unknown)})", without="hours"), joins)
        if rows:
            notes.append(_tr("{rows:,} have no known hour and are left out.").format(rows=rows))
    if of_places and _METHOD in table.columns:
        rows = number(told.where(f"{quoted(_METHOD)} = '{_ON_GRID}'"), joins)
        if rows:
            most = 0
            if _PRECISION in table.columns:
                cell = f"SELECT max({quoted(_PRECISION)}) {source} WHERE {quoted(_METHOD)} = '{_ON_GRID}'"
                most = connection.execute(cell).fetchone()[0] or 0
            notes.append(
                _tr(
                    "{rows:,} are shown on a grid of {metres:,} m, by your agreement: near a border they may count in "
                    "the area beside it."
                ).format(rows=rows, metres=int(most))
            )
        rows = number(told.where(f"{quoted(_METHOD)} = '{_IN_AREA}'", without="area"))
        if rows:
            notes.append(
                _tr("{rows:,} are shown by area alone, by your agreement: they lie in no ward and no shape.").format(
                    rows=rows
                )
            )
    small = of_places or asked.by is By.LSOA or asked.within is Within.LSOAS
    if small and any(_SNAPPED.search(caveat) for caveat in table.facts.caveats):
        notes.append(_tr("The supplier moves incidents to shared map points: counts of small areas are rough."))
    if asked.period is not None:
        first, newest = table.facts.first_period, table.facts.newest_period[:7]
        if newest and (asked.period.first < first or asked.period.last > newest):
            notes.append(
                _tr("Your copy holds {first} to {newest}: other months that are asked for are not in it.").format(
                    first=first, newest=newest
                )
            )
    return notes
