"""Counts of a local copy by area, category and month: SQL on its GeoPackage, for tasks.

What the agreement withholds is told, never counted as nothing: areas that the copy does not hold, rows without a place
or an hour, positions on a grid, numbers that the supplier has masked.
"""

from __future__ import annotations

import re
import sqlite3
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from qgis.PyQt.QtCore import QCoreApplication

from ....shared.manifest import GEOMETRY_COLUMN
from ..analysis_error import AnalysisError
from ..cautions import many_at_midnight
from ..layers import LayerFacts
from ..periods import DaySpan, month_words
from ..sql_text import quoted
from .area_sets import AreaSet, AreaSets, Held, Place
from .copy_table import COUNT, WITHHELD, CopyTable
from .rows_in_shapes import Report, place_rows
from .selection import AREA_COLUMNS, DAY, HOUR, MONTH, OF_PLACES, By, Conditions, Selection, Within, conditions

NOWHERE = "nowhere"  # the row shows no place
ELSEWHERE = "elsewhere"  # it has one, in none of the areas
WHOLE = "whole"  # everything that is asked for, as one
_METHOD, _PRECISION = "location_method", "precision_m"
_ON_GRID, _IN_AREA = "grid", "area"
_HELD_FIRST = (Held.WHOLE, Held.PART, Held.NONE)
_SNAPPED = re.compile(r"\bsnap|map points\b", re.IGNORECASE)


def _tr(words: str) -> str:
    return QCoreApplication.translate("Explore", words)


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
    uncovered: frozenset[str] = frozenset()  # boroughs that the agreement opens, and the layer does not cover

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
    table.require_held(asked)
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
        joins = place_rows(connection, table, asked, told, wards, cancelled, report)
        report(_tr("Counting"), 0, 0)
        rows = _rows(connection, table, asked, told, joins)
        boroughs, in_layer = _by_borough(connection, table, told)
        notes = _notes(connection, table, asked, told, joins)
    by_borough = sets.get(By.BOROUGH, None)
    boroughs_held = sets.held(by_borough, table.facts.areas, in_layer)
    places, held = _places(asked, areas, sets, table.facts.areas, in_layer, {row[0] for row in rows})
    if areas is None and asked.within is Within.BOROUGHS:
        held = (_together([boroughs_held.get(code, Held.NONE) for code in asked.codes]),)
    cells, withheld, categories, months = _cube(rows, [place.code for place in places])
    missing, partly = (sum(one is share for one in held) for share in (Held.NONE, Held.PART))
    if missing or partly:
        number = sum(place.code not in (NOWHERE, ELSEWHERE) for place in places)
        notes.insert(
            0,
            _tr(
                "Your copy does not hold all areas, as your agreement does not open them or the layer never has an "
                "incident there: {missing:,} of {number:,} are not in your copy, {partly:,} only in part. They are "
                "marked, and none of them counts as zero."
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
        boroughs_held=boroughs_held,
        uncovered=frozenset(sets.uncovered(table.facts.areas, in_layer)),
        notes=tuple(notes),
    )


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
        values = f"coalesce(sum({quoted(COUNT)}), 0), coalesce(sum({quoted(WITHHELD)}), 0)"
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


def _by_borough(
    connection: sqlite3.Connection, table: CopyTable, told: Conditions
) -> tuple[dict[str, int], dict[str, int] | None]:
    """What is asked, everywhere, and all rows that the copy has, by borough: in one pass over the file.

    Where rows are numbers, nothing is counted; where the copy does not show boroughs, nobody knows what it has.
    """
    if not table.can(By.BOROUGH):
        return {}, None
    code = quoted(AREA_COLUMNS[By.BOROUGH])
    meets = told.where(without=("area",)).replace("WHERE", "", 1).strip() or "1"
    rows = connection.execute(
        f"SELECT {code}, coalesce(({meets}), 0) FROM {quoted(table.table)} WHERE {code} IS NOT NULL"  # nosec B608
    )
    asked: Counter[str] = Counter()
    every: Counter[str] = Counter()
    for (borough, met), number in Counter(rows).items():
        every[borough] += number
        if met and not table.holds_numbers:
            asked[borough] += number
    return dict(asked), dict(every)


# ---------------------------------------------------------------------- what comes of it


def _places(
    asked: Selection,
    areas: AreaSet | None,
    sets: AreaSets,
    bounds: Sequence[str],
    in_layer: Mapping[str, int] | None,
    found: set[str],
) -> tuple[tuple[Place, ...], tuple[Held, ...]]:
    """The areas of the question, those held in full first, those not held last; then whatever else has incidents."""
    if areas is None:
        return (Place(WHOLE, _tr("All that is asked for"), ""),), (Held.WHOLE,)
    held = sets.held(areas, bounds, in_layer)
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


def _together(held: Sequence[Held]) -> Held:
    """Of areas that are counted as one."""
    return held[0] if len(set(held)) == 1 else Held.PART


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
        rows = number(told.where(missing, without=("area",)))
        if rows:
            notes.append(_tr("{rows:,} more have no place in your copy, so that no area has them.").format(rows=rows))
    if asked.days is not None:
        months = _tr(" and ").join(month_words(month) for month in asked.days.in_part)
        notes.append(_tr("Counted in part: {months}, {days}.").format(months=months, days=asked.days.label))
    unknown, words = _unknown_times(asked)
    if unknown:
        rows = number(told.where(unknown, without=("days", "hours")), joins)
        if rows:
            notes.append(words.format(rows=rows))
    if asked.hours is not None:
        known = told.where(f"{quoted(HOUR)} BETWEEN 0 AND 23", without=("hours",))
        by_hour = Counter(row for (row,) in connection.execute(f"SELECT {quoted(HOUR)} {source} {joins} {known}"))
        notes += filter(None, [many_at_midnight([by_hour[hour] for hour in range(24)])])
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
        rows = number(told.where(f"{quoted(_METHOD)} = '{_IN_AREA}'", without=("area",)))
        if rows:
            notes.append(
                _tr("{rows:,} are shown by area alone, by your agreement: they lie in no ward and no shape.").format(
                    rows=rows
                )
            )
    if asked.within is Within.SHAPE and asked.brought:
        notes.append(_tr("The area was brought {how}.").format(how=asked.brought))
    small = of_places or asked.by is By.LSOA or asked.within is Within.LSOAS
    if small and any(_SNAPPED.search(caveat) for caveat in table.facts.caveats):
        notes.append(_tr("The supplier moves incidents to shared map points: counts of small areas are rough."))
    held = table.held
    if asked.period is not None and held is not None:
        wanted = asked.days or asked.period.days
        if asked.days is None and wanted.period.last == held.period.last:
            wanted = DaySpan(wanted.first, held.last)  # the newest month is told as it is
        if wanted.within(held) != wanted:
            notes.append(
                _tr("Your copy holds {held}: what else is asked for is not in it, and not zero.").format(
                    held=table.held_words
                )
            )
    return notes


def _unknown_times(asked: Selection) -> tuple[str, str]:
    """What is true of rows that may be asked for, but do not tell their day or hour, and how to say so."""
    day, hour = quoted(DAY), quoted(HOUR)
    if asked.hours is None:
        if asked.days is None:
            return "", ""
        return f"{day} IS NULL", _tr("{rows:,} incidents of these months have no known day and are left out.")
    band = asked.hours
    joint = "OR" if band.through_midnight else "AND"
    in_band = f"({hour} IS NULL OR {hour} >= {band.first} {joint} {hour} <= {band.last})"
    undated = f"{day} IS NULL AND {in_band}"
    if asked.days is not None:
        span = f"{day} BETWEEN '{asked.days.first}' AND '{asked.days.last}'"
        words = _tr("{rows:,} incidents of these months have no known day or hour and are left out.")
        return f"({undated} OR {hour} IS NULL AND {span})", words
    words = _tr("{rows:,} have no known hour and are left out.")
    return f"({hour} IS NULL OR {undated})" if len(band.days) < 7 else f"{hour} IS NULL", words
