"""Rows of a GeoPackage of points read straight from the file: many times faster than feature by feature.

For files as SafeStats makes them: an index of places, and points without an envelope. Anything else is told by
``None`` or ``UnexpectedShape``, and is read through QGIS.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from qgis.core import QgsProviderRegistry, QgsVectorLayer

from .errors import Cancelled
from .geopackage import read_only
from .packed_index import placed
from .sql_text import quoted

_AT_ONCE = 20_000
_MAPPED_BYTES = 2**31 - 2**16
_LITTLE_ENDIAN_POINT = b"\x01\x01\x00\x00\x00"  # how a point's WKB begins
_POINT = np.dtype([("header", "V8"), ("kind", "S5"), ("x", "<f8"), ("y", "<f8")])

CancelledCheck = Callable[[], bool]
Extent = tuple[float, float, float, float]  # west, south, east, north


class UnexpectedShape(Exception):  # noqa: N818
    """A geometry is no plain point."""


@dataclass(frozen=True)
class PointFile:
    """A table of points with an index in a GeoPackage."""

    path: Path
    table: str
    geometry: str

    @classmethod
    def of(cls, layer: QgsVectorLayer) -> PointFile | None:
        """The file that the layer shows as it is: unfiltered, unedited, indexed; else ``None``."""
        parts = QgsProviderRegistry.instance().decodeUri("ogr", layer.source())
        path = Path(parts.get("path") or "")
        if layer.providerType() != "ogr" or path.suffix.lower() != ".gpkg" or not path.is_file():
            return None
        if layer.subsetString() or layer.isEditable():
            return None
        try:
            with closing(sqlite3.connect(read_only(path), uri=True)) as connection:
                table = parts.get("layerName") or _only_table(connection)
                found = connection.execute(
                    "SELECT column_name FROM gpkg_extensions"
                    " WHERE table_name = ? AND extension_name = 'gpkg_rtree_index'",
                    (table,),
                ).fetchone()
        except sqlite3.Error:
            return None
        return cls(path, table, found[0]) if found else None

    def rows(
        self, columns: Sequence[str], extent: Extent | None, conditions: str, cancelled: CancelledCheck
    ) -> Iterator[tuple[np.ndarray, list[tuple]]]:
        """In parts: the places, shape ``(n, 2)``, and the values of ``columns`` (SQL expressions), a tuple a row.

        Rows without a place are left out. ``conditions`` is SQL on the columns, or empty. Raises ``Cancelled``,
        ``UnexpectedShape`` and ``sqlite3.Error``.
        """
        where = [f"t.{quoted(self.geometry)} IS NOT NULL", *([conditions] if conditions else [])]
        source, values = f"{quoted(self.table)} AS t", []
        if extent is not None:
            # The index is asked first whatever else is known of the table.
            source = f"{quoted(f'rtree_{self.table}_{self.geometry}')} AS r CROSS JOIN {source} ON t.rowid = r.id"
            where.append("r.maxx >= ? AND r.maxy >= ? AND r.minx <= ? AND r.miny <= ?")
            values = list(extent)
        names = ", ".join([f"t.{quoted(self.geometry)}", *columns])
        with closing(self._connected()) as connection:
            query = f"SELECT {names} FROM {source} WHERE {' AND '.join(where)}"  # nosec B608 # quoted names
            cursor = connection.execute(query, values)
            while rows := cursor.fetchmany(_AT_ONCE):
                if cancelled():
                    raise Cancelled
                places = _places([row[0] for row in rows])
                if extent is not None:
                    # The index rounds outwards.
                    west, south, east, north = extent
                    x, y = places.T
                    inside = (x >= west) & (x <= east) & (y >= south) & (y <= north)
                    places, rows = places[inside], [row for row, here in zip(rows, inside.tolist()) if here]
                yield places, rows

    def places(
        self, column: str, conditions: str, cancelled: CancelledCheck
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """All places alone, many times faster than ``rows``: x, y and the numbers of ``column``, in no order.

        ``column`` is an SQL expression, NaN where it is NULL; empty for NaN everywhere. ``conditions`` and what is
        raised are those of ``rows``.
        """
        here = f"t.{quoted(self.geometry)} IS NOT NULL{f' AND {conditions}' if conditions else ''}"
        source = f"FROM {quoted(self.table)} AS t WHERE {here}"
        with closing(self._connected()) as connection:
            everywhere = self._same_everywhere(connection, column, source) if column else float("nan")
            found = self._indexed(connection) if everywhere is not None and not conditions else None
            if found is not None:
                return (*found, np.full(len(found[0]), everywhere))
            names = f"t.{quoted(self.geometry)}" + (f", {column}" if column and everywhere is None else "")
            cursor = connection.execute(f"SELECT {names} {source}")
            parts, numbers = [np.empty((0, 2))], [np.empty(0)]
            while rows := cursor.fetchmany(_AT_ONCE):
                if cancelled():
                    raise Cancelled
                parts.append(_places([row[0] for row in rows]))
                if everywhere is None:
                    numbers.append(np.array([row[1] for row in rows], dtype=float))
        x, y = np.concatenate(parts).T
        return x, y, np.concatenate(numbers) if everywhere is None else np.full(len(x), everywhere)

    @staticmethod
    def _same_everywhere(connection: sqlite3.Connection, column: str, source: str) -> float | None:
        """The number that the column holds in each row, NaN where it is NULL in each; ``None`` where rows differ."""
        first = connection.execute(f"SELECT {column} {source} LIMIT 1").fetchone()
        if first is None:
            return float("nan")
        other = connection.execute(f"SELECT 1 {source} AND {column} IS NOT ? LIMIT 1", first).fetchone()
        if other is not None:
            return None
        return float("nan") if first[0] is None else float(first[0])

    def _indexed(self, connection: sqlite3.Connection) -> tuple[np.ndarray, np.ndarray] | None:
        """The places as the index has them; ``None`` where it does not tell all of them exactly."""
        index = f"rtree_{self.table}_{self.geometry}"
        node, parent, rowid = (quoted(f"{index}_{part}") for part in ("node", "parent", "rowid"))
        # A node that is nobody's parent is a leaf.
        leaves = connection.execute(
            f"SELECT data FROM {node} WHERE nodeno NOT IN (SELECT parentnode FROM {parent})"  # nosec B608
        ).fetchall()
        found = placed([data for (data,) in leaves])
        return found if found is not None and len(found[0]) == _number_of_rows(connection, rowid) else None

    def count_without_place(self, month: str, conditions: str = "") -> dict[str, int]:
        """How many rows have no place, by month (the SQL expression ``month``); raises ``sqlite3.Error``."""
        table, index = quoted(self.table), quoted(f"rtree_{self.table}_{self.geometry}_rowid")
        # QGIS writes a row without a place as an empty point, which is not NULL; neither is in the index.
        unplaced = f"t.rowid NOT IN (SELECT rowid FROM {index})"  # nosec B608 # quoted names
        where = f"{unplaced} AND {conditions}" if conditions else unplaced
        with closing(self._connected()) as connection:
            # Looking at every row takes a while: the index often tells that there is none to be found.
            every, placed = (_number_of_rows(connection, each) for each in (table, index))
            if every == placed:
                return {}
            if not conditions and month == "''":
                return {"": every - placed}
            by_month = f"SELECT {month}, count(*) FROM {table} AS t WHERE {where} GROUP BY 1"  # nosec B608
            found = connection.execute(by_month)
            return {name or "": number for name, number in found}

    def range(self, column: str) -> tuple[object, object]:
        """The least and the greatest value of a column (an SQL expression); raises ``sqlite3.Error``."""
        with closing(self._connected()) as connection:
            least, greatest = connection.execute(
                f"SELECT min({column}), max({column}) FROM {quoted(self.table)} AS t"  # nosec B608 # quoted names
            ).fetchone()
        return least, greatest

    def distinct(self, column: str) -> list[str]:
        """The texts that occur in a column (an SQL expression), but for empty ones; raises ``sqlite3.Error``."""
        with closing(self._connected()) as connection:
            found = connection.execute(f"SELECT DISTINCT {column} FROM {quoted(self.table)} AS t")  # nosec B608
            return [str(value) for (value,) in found if value]

    def _connected(self) -> sqlite3.Connection:
        connection = sqlite3.connect(read_only(self.path), uri=True)
        # Rows of a neighbourhood lie all over the file.
        connection.execute(f"PRAGMA mmap_size = {_MAPPED_BYTES}")
        return connection


def _number_of_rows(connection: sqlite3.Connection, table: str) -> int:
    """Of a table, whose name is quoted."""
    return connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # nosec B608 # quoted names


def column(name: str) -> str:
    """The column as the queries name it."""
    return f"t.{quoted(name)}"


def _only_table(connection: sqlite3.Connection) -> str:
    names = connection.execute("SELECT table_name FROM gpkg_contents WHERE data_type = 'features'").fetchall()
    return names[0][0] if len(names) == 1 else ""


def _places(blobs: list[bytes]) -> np.ndarray:
    joined = b"".join(blobs)
    if len(joined) != len(blobs) * _POINT.itemsize:
        raise UnexpectedShape
    points = np.frombuffer(joined, dtype=_POINT)
    if not (points["kind"] == _LITTLE_ENDIAN_POINT.rstrip(b"\x00")).all():
        raise UnexpectedShape
    places = np.stack([points["x"], points["y"]], axis=1)
    if np.isnan(places).any():
        raise UnexpectedShape
    return places
