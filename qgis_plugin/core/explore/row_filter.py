"""A question as the filter of a layer, however many rows it picks."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from qgis.PyQt.QtCore import QCoreApplication

from ....shared.manifest import FID_COLUMN
from ..analysis_error import AnalysisError
from ..sql_text import quoted
from .area_sets import AreaSet
from .copy_table import CopyTable
from .rows_in_shapes import Report, place_rows
from .selection import OF_PLACES, Selection, conditions

_MOST_LISTED = 500  # QGIS takes seconds for a list of thousands
_MOST_NAMED = 500_000  # of more the map is slow: each drawing reads the list anew


def rows_of(
    table: CopyTable,
    asked: Selection,
    wards: AreaSet | None,
    cancelled: Callable[[], bool],
    report: Report = lambda *_told: None,
) -> str:
    """The SQL of a question that a layer can be filtered by; of places it names the rows.

    Raises ``AnalysisError`` and ``Cancelled``.
    """
    table.require_held(asked)
    told = conditions(asked, table.columns)
    if asked.within not in OF_PLACES:
        return told.joined
    with table.connected(cancelled) as connection:
        joins = place_rows(connection, table, asked, told, wards, cancelled, report)
        found = connection.execute(
            f"SELECT t.{quoted(FID_COLUMN)} FROM {quoted(table.table)} AS t {joins} {told.where()}"  # nosec B608
        )
        rows = np.fromiter((row for (row,) in found), dtype=np.int64)
    return naming(rows)


def naming(rows: np.ndarray) -> str:
    """SQL that is true of these rows alone, by their numbers, whatever their order; ``AnalysisError`` of too many.

    Few are listed. Many are a list in JSON, which SQLite reads at once, where it would take a list of so many numbers
    to pieces. The numbers of incidents are far apart, so nothing shorter than themselves tells them.
    """
    name = quoted(FID_COLUMN)
    if len(rows) > _MOST_NAMED:
        words = QCoreApplication.translate(
            "Explore",
            "The question picks {number:,} incidents by their place, and a filter holds at most {most:,}: choose a "
            "smaller shape or fewer wards, whole boroughs, or a shorter period.",
        )
        raise AnalysisError(words.format(number=len(rows), most=_MOST_NAMED), "area")
    if len(rows) <= _MOST_LISTED:
        return f"{name} IN ({', '.join(map(str, rows.tolist()))})"
    return f"{name} IN (SELECT value FROM json_each('[{','.join(map(str, np.sort(rows).tolist()))}]'))"  # nosec B608
