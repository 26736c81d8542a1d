"""Changes to a GeoPackage that nobody has open yet: months out, months in, R-tree, extent; and the proof of it.

Plain SQLite on a file that is thrown away where anything fails: no journal, one flush at the end by whoever puts it
in place. The triggers that GDAL put on the table keep its R-tree right; they call functions that GDAL provides to
its own connections and that stand in for it here.
"""

from __future__ import annotations

import errno
import os
import re
import sqlite3
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from osgeo import gdal

from ...shared.manifest import FID_COLUMN, GEOMETRY_COLUMN, Slice
from . import packed_index
from .errors import Cancelled
from .sql_text import literal, quoted

_ENVELOPE_BYTES = {0: 0, 1: 32, 2: 48, 3: 48, 4: 64}
_EMPTY_FLAG = 0x10
# A GeoPackage's point without envelope: its header, the byte order, the type, then two little-endian doubles.
_POINT = np.dtype([("head", "V13"), ("x", "<f8"), ("y", "<f8")])
_LITTLE_ENDIAN = 1
_BYTE_ORDER_AT = 8
_ENVELOPE_BITS = 0x0E  # these bits of the fourth byte say how long the envelope is
# Some hundredths of a second. Each look waits for Python, which a thread beside may hold.
_STEPS_BETWEEN_LOOKS = 500_000
_CACHE_KIB = 131_072
_CELL_BYTES = 24  # of an R-tree in two dimensions
_ATTACHED = "other"
_FULL = "disk is full"  # as SQLite says it, also through GDAL


class UnprovedError(Exception):
    """A file does not hold what it should; the message says what, for the log."""


@dataclass(frozen=True)
class RowCounts:
    """How many rows came, changed and went."""

    added: int = 0
    changed: int = 0
    withdrawn: int = 0

    def __add__(self, other: RowCounts) -> RowCounts:
        return RowCounts(self.added + other.added, self.changed + other.changed, self.withdrawn + other.withdrawn)


def require_plain(path: Path, table: str) -> None:
    """Raise ``UnprovedError`` where the file holds more than the one table, its R-tree and what GeoPackages need.

    A view, a trigger or a table of styles of somebody else's would act when the layer is updated or opened. Asked
    of each file before anything else is read in it.
    """
    index = re.escape(_index_name(table))
    plain = re.compile(rf"(gpkg_\w+|sqlite_\w+|{re.escape(table)}|{index}(_node|_rowid|_parent)?)")
    of_gdal = re.compile(
        rf"({index}_(insert|update\d|delete)|trigger_(insert|delete)_feature_count_{re.escape(table)}|gpkg_\w+)"
    )
    try:
        with closing(sqlite3.connect(read_only(path), uri=True)) as connection:
            found = connection.execute("SELECT type, name, tbl_name, coalesce(sql, '') FROM sqlite_master").fetchall()
    except sqlite3.DatabaseError as error:
        raise UnprovedError(f"{path.name} cannot be read: {error}") from error
    for kind, name, on_table, sql in found:
        if kind == "trigger":
            fine = of_gdal.fullmatch(name) and plain.fullmatch(on_table) and _does_no_more(sql, table)
        else:
            fine = kind in ("table", "index") and plain.fullmatch(on_table) and "virtual" not in _head(sql, table)
        if not fine:
            raise UnprovedError(f"{path.name} holds the {kind} “{name}”, which no published file has")


def _head(sql: str, table: str) -> str:
    """The statement's beginning, where no R-tree of the table's is made, in small letters."""
    return (
        ""
        if re.match(rf"CREATE VIRTUAL TABLE \W?{re.escape(_index_name(table))}\W? USING rtree\b", sql)
        else (sql[:40].lower())
    )


def _does_no_more(sql: str, table: str) -> bool:
    """Whether each statement of a trigger keeps the R-tree or the count of features, or refuses a wrong value."""
    when, begun, body = sql.partition("BEGIN")
    index = re.escape(_index_name(table))
    allowed = re.compile(
        rf"INSERT (?:OR REPLACE )?INTO \W{index}\W VALUES\b|DELETE FROM \W{index}\W WHERE id\b"  # nosec B608
        rf"|UPDATE \W{index}\W SET\b"
        r"|UPDATE gpkg_ogr_contents SET feature_count = feature_count [+-] 1 WHERE\b|SELECT RAISE\(ABORT,"
    )
    asks = re.compile(r"\b(SELECT|FROM|WITH)\b", re.IGNORECASE)
    statements = [statement.strip() for statement in body.rpartition("END")[0].split(";")]
    for statement in filter(None, statements):
        known = allowed.match(statement)
        if known is None or asks.search(statement, known.end()):
            return False
    return bool(begun) and not asks.search(when)


def remove_month(path: Path, table: str, month: Slice, cancelled: Callable[[], bool]) -> RowCounts:
    """Delete the rows of ``month``. Raises ``Cancelled`` and ``sqlite3.Error``."""
    with _transaction(path, cancelled) as connection:
        gone = connection.execute(
            f"DELETE FROM {quoted(table)} WHERE {FID_COLUMN} BETWEEN ? AND ?",  # nosec B608 # quoted names
            (month.fid_from, month.fid_to),
        )
        return RowCounts(withdrawn=gone.rowcount)


def put_month(
    path: Path, table: str, source: Path, month: Slice, columns: Sequence[str], cancelled: Callable[[], bool]
) -> RowCounts:
    """Make the rows of ``month`` those of the file ``source``; rows that are the same in both are not touched.

    ``columns`` are the table's columns without feature id, geometry included. Raises ``UnprovedError`` where
    ``source`` does not hold what it announces, ``Cancelled``, and ``sqlite3.Error``.
    """
    _prove_size(source, table, month)
    ours, theirs = f"main.{quoted(table)}", f"{_ATTACHED}.{quoted(table)}"
    names = ", ".join(quoted(name) for name in (FID_COLUMN, *columns))
    plain = [quoted(name) for name in columns if name != GEOMETRY_COLUMN]
    moved = f"new.{GEOMETRY_COLUMN} IS NOT old.{GEOMETRY_COLUMN}" if GEOMETRY_COLUMN in columns else "0"
    with _transaction(path, cancelled, attached=source) as connection:
        connection.execute(
            f"CREATE TEMP TABLE differing AS SELECT old.{FID_COLUMN} AS fid, "  # nosec B608 # quoted names
            f"new.{FID_COLUMN} IS NULL AS gone, {moved} AS moved "
            f"FROM {ours} AS old LEFT JOIN {theirs} AS new ON new.{FID_COLUMN} = old.{FID_COLUMN} "
            f"WHERE old.{FID_COLUMN} BETWEEN ? AND ? AND (new.{FID_COLUMN} IS NULL OR {_differ(columns)})",
            (month.fid_from, month.fid_to),
        )
        withdrawn, moved_rows, altered = connection.execute(
            "SELECT count(*) FILTER (WHERE gone), count(*) FILTER (WHERE moved AND NOT gone), "
            "count(*) FILTER (WHERE NOT moved AND NOT gone) FROM differing"
        ).fetchone()
        # Deletes and inserts only where the R-tree is concerned: REPLACE and UPSERT would falsify GDAL's count of
        # features or fail in its triggers.
        no_longer = f"{FID_COLUMN} IN (SELECT fid FROM differing WHERE gone OR moved)"  # nosec B608 # quoted names
        connection.execute(f"DELETE FROM {ours} WHERE {no_longer}")  # nosec B608 # quoted names
        if altered:
            connection.execute(
                f"UPDATE {ours} SET ({', '.join(plain)}) = "  # nosec B608 # quoted names
                f"(SELECT {', '.join(plain)} FROM {theirs} AS new "
                f"WHERE new.{FID_COLUMN} = {quoted(table)}.{FID_COLUMN}) "
                f"WHERE {FID_COLUMN} IN (SELECT fid FROM differing WHERE NOT gone AND NOT moved)"
            )
        inserted = connection.execute(
            f"INSERT INTO {ours} ({names}) SELECT {names} FROM {theirs} AS new WHERE NOT EXISTS "  # nosec B608
            f"(SELECT 1 FROM {ours} AS old WHERE old.{FID_COLUMN} = new.{FID_COLUMN}) ORDER BY new.{FID_COLUMN}"
        ).rowcount
    return RowCounts(inserted - moved_rows, moved_rows + altered, withdrawn)


def compare(
    former: Path,
    path: Path,
    table: str,
    columns: Sequence[str],
    ranges: Iterable[tuple[int, int]],
    cancelled: Callable[[], bool],
) -> tuple[int, int]:
    """How many rows both files have within ranges of feature ids, and how many of these are not the same in both.

    ``columns`` are those that both have, without feature id. Raises ``Cancelled`` and ``sqlite3.Error``.
    """
    common = changed = 0
    with (
        closing(sqlite3.connect(read_only(path), uri=True, isolation_level=None)) as connection,
        watched(connection, cancelled),
    ):
        connection.execute(f"ATTACH ? AS {_ATTACHED}", (read_only(former),))
        for first, last in ranges:
            both, differing = connection.execute(
                f"SELECT count(*), count(*) FILTER (WHERE {_differ(columns)}) "  # nosec B608 # quoted names
                f"FROM main.{quoted(table)} AS new "
                f"JOIN {_ATTACHED}.{quoted(table)} AS old ON old.{FID_COLUMN} = new.{FID_COLUMN} "
                f"WHERE new.{FID_COLUMN} BETWEEN ? AND ?",
                (first, last),
            ).fetchone()
            common += both
            changed += differing
    return common, changed


def _differ(columns: Sequence[str]) -> str:
    return " OR ".join(f"new.{quoted(name)} IS NOT old.{quoted(name)}" for name in columns) or "0"


def begin_index(path: Path, table: str) -> list[str]:
    """Empty the table, and let GDAL make an R-tree with its triggers; what fills it at each insert is taken away.

    Returns the statements that put it back, for ``end_index``. Raises ``UnprovedError`` where that fails.
    """
    with closing(_open(path)) as connection:
        connection.execute(f"DELETE FROM {quoted(table)}")  # nosec B608 # quoted names
    said: list[str] = []
    # It would grumble about the file's name, among others.
    gdal.PushErrorHandler(lambda _level, _number, message: said.append(message))
    try:
        dataset = gdal.OpenEx(str(path), gdal.OF_VECTOR | gdal.OF_UPDATE)
        if dataset is not None:
            dataset.ExecuteSQL(f"SELECT CreateSpatialIndex({literal(table)}, {literal(GEOMETRY_COLUMN)})")
        del dataset
    finally:
        gdal.PopErrorHandler()
    if any(_FULL in message for message in said):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with closing(_open(path)) as connection:
        if not _has_index(connection, table):
            raise UnprovedError(f"GDAL made no spatial index in {path.name}: {'; '.join(said)}")
        query = "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND name LIKE ?"
        fillers = connection.execute(query, (f"{_index_name(table)}_insert%",)).fetchall()
        for name, _sql in fillers:
            connection.execute(f"DROP TRIGGER {quoted(name)}")
    return [sql for _name, sql in fillers]


def end_index(path: Path, table: str, fillers: Sequence[str], cancelled: Callable[[], bool]) -> None:
    """Fill the R-tree of ``begin_index`` with all points, and put back what fills it from now on.

    Raises ``UnprovedError`` where a place is not written as a published point is.
    """
    names = f"{FID_COLUMN}, {GEOMETRY_COLUMN}"
    query = f"SELECT {names} FROM {quoted(table)} WHERE {GEOMETRY_COLUMN} IS NOT NULL"  # nosec B608 # quoted names
    with _transaction(path, cancelled) as connection:

        def tree(node_bytes: int) -> packed_index.PackedTree | None:
            rows = connection.execute(query).fetchall()
            if not rows:
                return None
            fids, points = zip(*rows)
            read = read_points(points)
            return packed_index.pack(np.array(fids, np.int64), read["x"], read["y"], node_bytes)

        packed_index.fill(connection, _index_name(table), tree)
        for sql in fillers:
            connection.execute(sql)


def read_points(points: Sequence[bytes]) -> np.ndarray:
    """``x`` and ``y`` of a GeoPackage's points, whole metres.

    Raises ``UnprovedError`` where one is not written as a published point is: little-endian, without envelope.
    """
    blob = b"".join(points)
    if len(blob) != len(points) * _POINT.itemsize or any(
        len(point) != _POINT.itemsize or point[_BYTE_ORDER_AT] != _LITTLE_ENDIAN or point[3] & _ENVELOPE_BITS
        for point in points
    ):
        raise UnprovedError("a place is not written as a published point is")
    read = np.frombuffer(blob, _POINT)
    if not all(np.array_equal(read[axis], np.rint(read[axis])) for axis in ("x", "y")):
        raise UnprovedError("a place is not in whole metres")
    return read


def settle(path: Path, table: str, rows: int, changed_at: str, cancelled: Callable[[], bool]) -> None:
    """Bring extent, count of features and date of change in the file's own tables up to date."""
    with _transaction(path, cancelled) as connection:
        connection.execute(
            "UPDATE gpkg_contents SET min_x = ?, min_y = ?, max_x = ?, max_y = ?, last_change = ? WHERE table_name = ?",
            (*_extent(connection, table), changed_at, table),
        )
        connection.execute("UPDATE gpkg_ogr_contents SET feature_count = ? WHERE table_name = ?", (rows, table))


def prove(
    path: Path,
    table: str,
    columns: Sequence[str],
    rows: int,
    placed: bool,
    pages: bool,
    cancelled: Callable[[], bool],
) -> None:
    """Raise ``UnprovedError`` unless the file has these columns and rows, each placed row indexed.

    ``columns`` are the table's columns without feature id, geometry included; ``placed``: it is a layer of
    points; ``pages``: look at every page too, which a file that is the announced one byte for byte does not need.
    """
    with closing(_open(path)) as connection, watched(connection, cancelled):
        found = [row[1] for row in connection.execute(f"PRAGMA table_info({quoted(table)})")]
        if set(found) != {FID_COLUMN, *columns}:
            raise UnprovedError(f"{path.name} has the columns {found} in “{table}”, not those that were announced.")
        located = f"count({GEOMETRY_COLUMN})" if placed else "0"
        both = f"SELECT count(*), {located} FROM {quoted(table)}"  # nosec B608 # quoted names
        counted, points = connection.execute(both).fetchone()
        if counted != rows:
            raise UnprovedError(f"{path.name} has {counted} rows and {rows} were announced.")
        if placed:
            if not _has_index(connection, table):
                raise UnprovedError(f"{path.name} has no spatial index.")
            index = quoted(f"{_index_name(table)}_rowid")
            (indexed,) = connection.execute(f"SELECT count(*) FROM {index}").fetchone()  # nosec B608 # quoted names
            if points != indexed:
                raise UnprovedError(f"{path.name} has {points} placed rows and {indexed} in its spatial index.")
        verdict = connection.execute("PRAGMA quick_check(1)").fetchone()[0] if pages else "ok"
        if verdict != "ok":
            raise UnprovedError(f"{path.name} is damaged: {verdict}")


def frequent_values(path: Path, table: str, column: str, limit: int) -> tuple[str, ...]:
    """The values of a text column, most frequent first; empty where there are more than ``limit``."""
    stated = f"FROM {quoted(table)} WHERE {quoted(column)} IS NOT NULL"
    with closing(sqlite3.connect(read_only(path), uri=True)) as connection:
        # Where there are many, a few rows tell; only where there are few are all rows counted.
        several = connection.execute(f"SELECT DISTINCT {quoted(column)} {stated} LIMIT ?", (limit + 1,)).fetchall()
        if len(several) > limit:
            return ()
        counted = connection.execute(f"SELECT {quoted(column)}, count(*) {stated} GROUP BY 1 ORDER BY 2 DESC, 1")
        return tuple(str(value) for value, _count in counted)


def _prove_size(path: Path, table: str, month: Slice) -> None:
    try:
        with closing(sqlite3.connect(read_only(path), uri=True)) as connection:
            rows, first, last = connection.execute(
                f"SELECT count(*), min({FID_COLUMN}), max({FID_COLUMN}) FROM {quoted(table)}"  # nosec B608
            ).fetchone()
    except sqlite3.DatabaseError as error:
        raise UnprovedError(f"the month {month.period or 'without date'} cannot be read: {error}") from error
    if rows != month.rows or (rows and not month.fid_from <= first <= last <= month.fid_to):
        raise UnprovedError(f"The month {month.period or 'without date'} does not hold the rows that it announces.")


def _open(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path.absolute().as_uri(), uri=True, isolation_level=None)
    for name, position in (("ST_MinX", 0), ("ST_MaxX", 0), ("ST_MinY", 1), ("ST_MaxY", 1)):
        connection.create_function(name, 1, _coordinate(position), deterministic=True)
    connection.create_function("ST_IsEmpty", 1, lambda blob: int(bool(blob[3] & _EMPTY_FLAG)), deterministic=True)
    connection.execute("PRAGMA secure_delete = ON")
    connection.execute("PRAGMA journal_mode = OFF")
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("PRAGMA temp_store = MEMORY")
    connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
    return connection


def _coordinate(position: int) -> Callable[[bytes], float]:
    little, big = (struct.Struct(order + "d").unpack_from for order in "<>")
    # GeoPackage header, envelope, then WKB: byte order, type, x, y.
    starts = {code: 8 + size + 5 + 8 * position for code, size in _ENVELOPE_BYTES.items()}

    def read(blob: bytes) -> float:
        at = starts[(blob[3] >> 1) & 7]
        return (little if blob[at - 5 - 8 * position] == 1 else big)(blob, at)[0]

    return read


@contextmanager
def _transaction(
    path: Path, cancelled: Callable[[], bool], attached: Path | None = None
) -> Iterator[sqlite3.Connection]:
    with closing(_open(path)) as connection, watched(connection, cancelled):
        if attached is not None:
            connection.execute(f"ATTACH ? AS {_ATTACHED}", (read_only(attached),))
        connection.execute("BEGIN")
        yield connection
        connection.execute("COMMIT")


@contextmanager
def watched(connection: sqlite3.Connection, cancelled: Callable[[], bool]) -> Iterator[None]:
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


def _extent(connection: sqlite3.Connection, table: str) -> tuple[float | None, ...]:
    """Least and greatest easting and northing as (min x, min y, max x, max y), from the R-tree's root.

    A node of SQLite's R-tree is its depth and its number of cells as 16-bit numbers, then the cells: a 64-bit number
    and the bounds as 32-bit reals (sqlite.org/rtree.html, "shadow tables"). Whole metres are exact in these.
    """
    if not _has_index(connection, table):
        return (None,) * 4
    nodes = quoted(f"{_index_name(table)}_node")
    (root,) = connection.execute(f"SELECT data FROM {nodes} WHERE nodeno = 1").fetchone()  # nosec B608 # quoted names
    (cells,) = struct.unpack_from(">H", root, 2)
    if not cells:
        return (None,) * 4
    bounds = [struct.unpack_from(">4f", root, 4 + _CELL_BYTES * cell + 8) for cell in range(cells)]
    min_x, max_x, min_y, max_y = zip(*bounds)
    return min(min_x), min(min_y), max(max_x), max(max_y)


def _has_index(connection: sqlite3.Connection, table: str) -> bool:
    query = "SELECT count(*) FROM sqlite_master WHERE name = ?"
    return bool(connection.execute(query, (_index_name(table),)).fetchone()[0])


def _index_name(table: str) -> str:
    return f"rtree_{table}_{GEOMETRY_COLUMN}"


def read_only(path: Path) -> str:
    """The URI that opens the file for reading."""
    return f"{path.absolute().as_uri()}?mode=ro"
