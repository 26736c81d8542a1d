"""Which rows of a local copy lie in wards or in a shape, as tables in memory beside it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np
from qgis.core import QgsGeometry
from qgis.PyQt.QtCore import QCoreApplication

from ....shared.manifest import FID_COLUMN, GEOMETRY_COLUMN
from ..analysis_error import AnalysisError
from ..errors import Cancelled
from ..geopackage import read_points
from ..sql_text import quoted
from ..study_areas import points_inside
from .area_sets import AreaSet
from .copy_table import CopyTable
from .selection import By, Conditions, Selection, Within

Report = Callable[[str, float, float], None]
_AT_ONCE = 20_000


def _tr(words: str) -> str:
    return QCoreApplication.translate("Explore", words)


def place_rows(
    connection: sqlite3.Connection,
    table: CopyTable,
    asked: Selection,
    told: Conditions,
    wards: AreaSet | None,
    cancelled: Callable[[], bool],
    report: Report,
) -> str:
    """Put the rows of wards and of a shape into tables in memory; the joins with them.

    Of whatever day and hour: those that tell none are counted, too, as left out.
    """
    told = replace(told, days="", hours="")
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
    connection.execute(f"CREATE TEMP TABLE {quoted(name)} (of_row INTEGER PRIMARY KEY, of_area TEXT)")
    connection.executemany(f"INSERT INTO temp.{quoted(name)} VALUES (?, ?)", rows)  # nosec B608 # quoted names


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
    source = f"{quoted(table.table)} AS t {told.where(f'{place} IS NOT NULL')}"
    cursor = connection.execute(f"SELECT t.{quoted(FID_COLUMN)}, {place} FROM {source}")  # nosec B608 # quoted names
    ids, east, north = [np.empty(0, np.int64)], [np.empty(0)], [np.empty(0)]
    read = 0
    while rows := cursor.fetchmany(_AT_ONCE):
        read += len(rows)
        report(_tr("Reading {number:,} places").format(number=read), 0, 0)
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
