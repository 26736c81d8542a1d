"""Changes to a GeoPackage that nobody has open yet: months out, months in, R-tree, extent; and the proof of it.

Plain SQLite, in one transaction. The triggers that GDAL put on the table keep its R-tree right; they call
functions that GDAL provides to its own connections and that stand in for it here.
"""

from __future__ import annotations

import sqlite3
import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from osgeo import gdal

from ...shared.manifest import FID_COLUMN, GEOMETRY_COLUMN, Manifest, Slice, slice_name
from .errors import Cancelled

_ENVELOPE_BYTES = {0: 0, 1: 32, 2: 48, 3: 48, 4: 64}
_EMPTY_FLAG = 0x10
_STEPS_BETWEEN_LOOKS = 20_000


class UnprovedError(Exception):
    """A file does not hold what it should; the message says what, for the log."""


def replace_months(
    path: Path,
    table: str,
    gone: Sequence[Slice],
    new: Sequence[tuple[Path, Slice]],
    columns: Sequence[str],
    cancelled: Callable[[], bool],
) -> None:
    """Delete the months of ``gone``, then insert the rows of ``new``, all or nothing.

    ``columns`` are the table's columns without feature id, geometry included. Raises ``UnprovedError`` where a
    month does not hold what it announces, ``Cancelled``, and ``sqlite3.Error``.
    """
    names = ", ".join(_quoted(name) for name in (FID_COLUMN, *columns))
    marks = ", ".join("?" * (len(columns) + 1))
    # Inserts only: REPLACE and UPSERT would falsify GDAL's count of features or fail in its triggers.
    insert = f"INSERT INTO {_quoted(table)} ({names}) VALUES ({marks})"
    select = f"SELECT {names} FROM {_quoted(table)} ORDER BY {FID_COLUMN}"
    with _transaction(path, cancelled) as connection:
        for month in gone:
            connection.execute(
                f"DELETE FROM {_quoted(table)} WHERE {FID_COLUMN} BETWEEN ? AND ?",
                (month.fid_from, month.fid_to),
            )
        for source, month in new:
            _prove_size(source, table, month)
            with closing(sqlite3.connect(_read_only(source), uri=True)) as reading:
                connection.executemany(insert, reading.execute(select))


def add_spatial_index(path: Path, table: str) -> None:
    """Build the R-tree by GDAL, once for all rows; raises ``UnprovedError`` where that fails."""
    gdal.PushErrorHandler("CPLQuietErrorHandler")  # it would grumble about the file's name
    try:
        dataset = gdal.OpenEx(str(path), gdal.OF_VECTOR | gdal.OF_UPDATE)
        if dataset is not None:
            dataset.ExecuteSQL(f"SELECT CreateSpatialIndex('{table}', '{GEOMETRY_COLUMN}')")
        del dataset
    finally:
        gdal.PopErrorHandler()
    with closing(_open(path)) as connection:
        if not _has_index(connection, table):
            raise UnprovedError(f"GDAL made no spatial index in {path.name}: {gdal.GetLastErrorMsg()}")


def settle(path: Path, table: str, changed_at: str, cancelled: Callable[[], bool]) -> None:
    """Bring extent, count of features and date of change in the file's own tables up to date."""
    with _transaction(path, cancelled) as connection:
        extent = (None,) * 4
        if _has_index(connection, table):
            # Coordinates are whole metres; the R-tree keeps them as 32-bit numbers rounded outwards.
            extent = connection.execute(
                "SELECT round(min(minx)), round(min(miny)), round(max(maxx)), round(max(maxy)) "
                f"FROM {_quoted(_index_name(table))}"
            ).fetchone()
        connection.execute(
            "UPDATE gpkg_contents SET min_x = ?, min_y = ?, max_x = ?, max_y = ?, last_change = ? WHERE table_name = ?",
            (*extent, changed_at, table),
        )
        connection.execute(
            f"UPDATE gpkg_ogr_contents SET feature_count = (SELECT count(*) FROM {_quoted(table)}) WHERE "
            "table_name = ?",
            (table,),
        )


def prove(
    path: Path, table: str, columns: Sequence[str], rows: int, placed: bool, cancelled: Callable[[], bool]
) -> None:
    """Raise ``UnprovedError`` unless the file is sound and has these columns and rows, each placed row indexed.

    ``columns`` are the table's columns without feature id, geometry included; ``placed``: it is a layer of
    points.
    """
    with closing(_open(path)) as connection, _watched(connection, cancelled):
        found = [row[1] for row in connection.execute(f"PRAGMA table_info({_quoted(table)})")]
        if set(found) != {FID_COLUMN, *columns}:
            raise UnprovedError(f"{path.name} has the columns {found} in “{table}”, not those that were announced.")
        (counted,) = connection.execute(f"SELECT count(*) FROM {_quoted(table)}").fetchone()
        if counted != rows:
            raise UnprovedError(f"{path.name} has {counted} rows and {rows} were announced.")
        if placed:
            if not _has_index(connection, table):
                raise UnprovedError(f"{path.name} has no spatial index.")
            (located,) = connection.execute(
                f"SELECT count(*) FROM {_quoted(table)} WHERE {GEOMETRY_COLUMN} IS NOT NULL"
            ).fetchone()
            (indexed,) = connection.execute(f"SELECT count(*) FROM {_quoted(_index_name(table))}").fetchone()
            if located != indexed:
                raise UnprovedError(f"{path.name} has {located} placed rows and {indexed} in its spatial index.")
        verdict = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if verdict != "ok":
            raise UnprovedError(f"{path.name} is damaged: {verdict}")


def prove_month(path: Path, manifest: Manifest, month: Slice, cancelled: Callable[[], bool]) -> None:
    """Raise ``UnprovedError`` unless the file's rows of ``month`` are those that its name is the digest of."""
    columns = ", ".join([FID_COLUMN, *(_quoted(column.name) for column in manifest.columns)])
    if manifest.geometry != "none":
        columns += f", {GEOMETRY_COLUMN}"
    truths = [number for number, column in enumerate(manifest.columns) if column.type == "boolean"]
    header = {
        "dataset": manifest.dataset,
        "definition_version": manifest.definition_version,
        "fingerprint": month.fingerprint,
        "period": month.period,
        "columns": [column.name for column in manifest.columns],
    }
    read_x, read_y = _coordinate(0), _coordinate(1)

    def canonical(connection: sqlite3.Connection) -> Iterator[tuple[object, ...]]:
        query = (
            f"SELECT {columns} FROM {_quoted(manifest.layer_name)} WHERE {FID_COLUMN} BETWEEN ? AND ? "
            f"ORDER BY {FID_COLUMN}"
        )
        count = len(manifest.columns)
        for row in connection.execute(query, (month.fid_from, month.fid_to)):
            values = list(row[1 : count + 1])
            for number in truths:
                values[number] = None if values[number] is None else bool(values[number])
            point = row[count + 1] if len(row) > count + 1 else None
            place = (None, None) if point is None else (int(read_x(point)), int(read_y(point)))
            yield (row[0], *place, *values)

    with closing(sqlite3.connect(_read_only(path), uri=True)) as connection, _watched(connection, cancelled):
        if slice_name(header, canonical(connection)) != month.name:
            raise UnprovedError(f"the rows of {month.period or 'those without a date'} are not the announced ones")


def frequent_values(path: Path, table: str, column: str, limit: int) -> tuple[str, ...]:
    """The values of a text column, most frequent first; empty where there are more than ``limit``."""
    with closing(sqlite3.connect(_read_only(path), uri=True)) as connection:
        found = connection.execute(
            f"SELECT {_quoted(column)}, count(*) FROM {_quoted(table)} WHERE {_quoted(column)} IS NOT NULL "
            "GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT ?",
            (limit + 1,),
        ).fetchall()
    return tuple(str(value) for value, _count in found) if len(found) <= limit else ()


def _prove_size(path: Path, table: str, month: Slice) -> None:
    with closing(sqlite3.connect(_read_only(path), uri=True)) as connection:
        rows, first, last = connection.execute(
            f"SELECT count(*), min({FID_COLUMN}), max({FID_COLUMN}) FROM {_quoted(table)}"
        ).fetchone()
    if rows != month.rows or (rows and not month.fid_from <= first <= last <= month.fid_to):
        raise UnprovedError(f"The month {month.period or 'without date'} does not hold the rows that it announces.")


def _open(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    for name, position in (("ST_MinX", 0), ("ST_MaxX", 0), ("ST_MinY", 1), ("ST_MaxY", 1)):
        connection.create_function(name, 1, _coordinate(position), deterministic=True)
    connection.create_function("ST_IsEmpty", 1, lambda blob: int(bool(blob[3] & _EMPTY_FLAG)), deterministic=True)
    connection.execute("PRAGMA secure_delete = ON")
    return connection


def _coordinate(position: int) -> Callable[[bytes], float]:
    def read(blob: bytes) -> float:
        # GeoPackage header, envelope, then WKB: byte order, type, x, y.
        start = 8 + _ENVELOPE_BYTES[(blob[3] >> 1) & 7]
        order = "<" if blob[start] == 1 else ">"
        return struct.unpack_from(order + "d", blob, start + 5 + 8 * position)[0]

    return read


@contextmanager
def _transaction(path: Path, cancelled: Callable[[], bool]) -> Iterator[sqlite3.Connection]:
    with closing(_open(path)) as connection, _watched(connection, cancelled):
        connection.execute("BEGIN IMMEDIATE")
        yield connection
        connection.execute("COMMIT")


@contextmanager
def _watched(connection: sqlite3.Connection, cancelled: Callable[[], bool]) -> Iterator[None]:
    """Let SQLite stop by itself in the middle of a statement once ``cancelled()``."""
    connection.set_progress_handler(lambda: int(cancelled()), _STEPS_BETWEEN_LOOKS)
    try:
        yield
    except sqlite3.OperationalError as error:
        if cancelled():
            raise Cancelled from error
        raise
    finally:
        connection.set_progress_handler(None, 0)


def _has_index(connection: sqlite3.Connection, table: str) -> bool:
    query = "SELECT count(*) FROM sqlite_master WHERE name = ?"
    return bool(connection.execute(query, (_index_name(table),)).fetchone()[0])


def _index_name(table: str) -> str:
    return f"rtree_{table}_{GEOMETRY_COLUMN}"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _read_only(path: Path) -> str:
    return f"{path.absolute().as_uri()}?mode=ro"
