"""SpatiaLite: the embedded engine."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from sqlalchemy import ColumnElement, Connection, MetaData, Select, and_, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from ...shared.manifest import SRID
from ..ahead import one_ahead
from ..database import BUSY_TIMEOUT_MS
from ..datasets.incidents import incident_table
from ..errors import SafeStatsError
from .held_columns import HeldColumns, missing_columns
from .order import storing_order

if TYPE_CHECKING:
    import polars as pl

    from ..database import Database
    from ..datasets.definitions import DatasetDefinition

_CHUNK_ROWS = 20_000
_VERY_MANY_ROWS = 20_000
_STEPS_BETWEEN_LOOKS = 1_000_000  # some tenths of a second
_CACHE_KIB = 262_144
_SORTING_THREADS = 2


class SpatialiteBackend:
    """Incidents in a table of the embedded database; who has the file has all of it."""

    def admit(self, session: Session, dataset: str, areas: Collection[str], release: int) -> None:
        """Nothing: the embedded database knows no roles."""

    def in_bbox(
        self, x: ColumnElement[int], y: ColumnElement[int], west: int, south: int, east: int, north: int
    ) -> ColumnElement[bool]:
        """Plain comparisons, which the index on the coordinates serves."""
        return and_(x.between(west, east), y.between(south, north))

    def within(
        self, x: ColumnElement[int], y: ColumnElement[int], easting: int, northing: int, radius_m: int
    ) -> ColumnElement[bool]:
        """The box around the circle for the index, then the distance. Integers have 64 bits here."""
        dx, dy = x - easting, y - northing
        box = self.in_bbox(x, y, easting - radius_m, northing - radius_m, easting + radius_m, northing + radius_m)
        return and_(box, dx * dx + dy * dy <= radius_m * radius_m)

    def ensure_table(self, database: Database, definition: DatasetDefinition, held: HeldColumns | None) -> None:
        """As the protocol says; any part may."""
        table = incident_table(definition)
        if held is None:
            # While it is made, GeoAlchemy takes the geometry out of the table.
            table.to_metadata(MetaData()).create(database.engine)
            return
        missing = missing_columns(held, database.engine.dialect, definition)
        if not missing:
            return  # whoever only reads need not wait for the writer
        with database.write() as session:
            for column in missing:
                kind = column.type.compile(database.engine.dialect)
                session.execute(text(f'ALTER TABLE "{table.name}" ADD COLUMN "{column.name}" {kind}'))

    def make_room(
        self, database: Database, definition: DatasetDefinition, periods: Collection[str], rows: int = 0
    ) -> None:
        """Nothing: there are no partitions."""

    def store(
        self,
        session: Session,
        definition: DatasetDefinition,
        rows: pl.DataFrame,
        stored: Callable[[int], None],
    ) -> None:
        """As the protocol says, statement by statement on the driver."""
        import polars as pl

        table = incident_table(definition).name
        columns = ", ".join(f'"{name}"' for name in (*rows.columns, "geometry"))
        number = {name: f"?{at}" for at, name in enumerate(rows.columns, start=1)}
        point = f"MakePoint({number['easting']}, {number['northing']}, {SRID})"
        statement = f'INSERT INTO "{table}" ({columns}) VALUES ({", ".join(number.values())}, {point})'
        # Dates are text here.
        dates = [pl.col(name).cast(pl.String) for name, kind in rows.schema.items() if kind == pl.Date]
        order = storing_order(rows)
        connection = session.connection()
        driver: Any = connection.connection.driver_connection

        def piece(start: int) -> pl.DataFrame:
            return rows.select(pl.all().gather(order.slice(start, _CHUNK_ROWS))).with_columns(dates)

        with _set_aside(connection, table, len(rows), stored):
            done = 0
            for chunk in one_ahead(piece, range(0, len(rows), _CHUNK_ROWS)):
                # Column by column: rows of Polars' own making take several times as long.
                driver.executemany(statement, zip(*(column.to_list() for column in chunk), strict=True))
                done += len(chunk)
                stored(done)

    def batches(
        self, connection: Connection, query: Select, schema: pa.Schema, batch_rows: int
    ) -> Generator[pa.RecordBatch]:
        """The driver's own rows: SQLAlchemy's take four times as long."""
        with closing(connection.execute(query)) as found:
            while rows := found.cursor.fetchmany(batch_rows):
                columns = zip(*rows, strict=True)
                arrays = [_array(values, field.type) for values, field in zip(columns, schema, strict=True)]
                yield pa.RecordBatch.from_arrays(arrays, schema=schema)

    def settle(self, session: Session) -> None:
        """A larger cache: the indexes of a whole dataset fit into it; and a second thread to sort them."""
        connection = session.connection()
        connection.exec_driver_sql(f"PRAGMA cache_size = -{_CACHE_KIB}")
        connection.exec_driver_sql(f"PRAGMA threads = {_SORTING_THREADS}")

    def rewrite(self, database: Database, definition: DatasetDefinition) -> None:
        """The whole file: VACUUM writes it anew by way of the write-ahead log, which is then emptied."""
        with closing(database.engine.raw_connection()) as pooled:
            connection: Any = pooled.driver_connection
            try:
                connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
                connection.execute("VACUUM")
                # Where somebody still reads the former state, its pages stay in the log.
                (busy, _, _) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            except sqlite3.OperationalError as error:
                if "locked" not in str(error):
                    raise
                busy = 1
        if busy:
            raise SafeStatsError(
                "Others use the database, so that its file cannot be rewritten now and may still hold bytes of what "
                "was deleted: run “safestats recall --again” when they are through."
            )


@contextmanager
def _set_aside(connection: Connection, table: str, rows: int, stored: Callable[[int], None]) -> Iterator[None]:
    """Without triggers where very many rows come, and without indexes where they are most of the table.

    SpatiaLite's triggers look up the kind of each geometry and note when each row came; here all are points of one
    making. All is put back before anybody else sees it: it is one transaction.
    """
    if rows < _VERY_MANY_ROWS:
        yield
        return
    newest = connection.exec_driver_sql(f'SELECT max(row_id) FROM "{table}"').scalar() or 0
    kinds = "'trigger', 'index'" if newest < rows else "'trigger'"
    query = f"SELECT type, name, sql FROM sqlite_master WHERE tbl_name = ? AND type IN ({kinds}) AND sql NOT NULL"
    aside = connection.exec_driver_sql(query, (table,)).all()
    for kind, name, _sql in aside:
        connection.exec_driver_sql(f'DROP {kind} "{name}"')
    yield
    with _watched(connection, lambda: stored(rows)):
        for _kind, _name, sql in aside:
            connection.exec_driver_sql(sql)
    noted = "strftime('%Y-%m-%dT%H:%M:%fZ', 'now')"
    connection.exec_driver_sql(
        f"UPDATE geometry_columns_time SET last_insert = {noted} WHERE Lower(f_table_name) = Lower(?)", (table,)
    )


@contextmanager
def _watched(connection: Connection, between: Callable[[], None]) -> Iterator[None]:
    """Call ``between`` in the middle of long statements, too; what it raises ends them."""
    raised: list[BaseException] = []

    def look() -> int:
        try:
            between()
        except BaseException as error:
            raised.append(error)
        return len(raised)

    driver: Any = connection.connection.driver_connection
    driver.set_progress_handler(look, _STEPS_BETWEEN_LOOKS)
    try:
        between()
        yield
    except OperationalError:
        if raised:
            raise raised[0] from None
        raise
    finally:
        driver.set_progress_handler(None, 0)


def _array(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    """The driver's values as the layer's type: SQLite keeps booleans as numbers, dates as text."""
    if pa.types.is_boolean(kind) or pa.types.is_date(kind):
        return pa.array(values).cast(kind)
    return pa.array(values, kind)
