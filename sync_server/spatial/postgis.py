"""PostGIS: incidents partitioned by year, behind row-level security.

Who works as the application sees the parent table only, and of it the rows that ``admit`` opened to the transaction.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Collection, Generator, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from pyarrow import csv
from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    Identity,
    Index,
    MetaData,
    PrimaryKeyConstraint,
    Select,
    Table,
    and_,
    cast,
    inspect,
    text,
)
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from ...shared.manifest import SRID, UNDATED
from ..database import is_busy
from ..datasets.incidents import incident_table
from ..errors import SafeStatsError
from .held_columns import HeldColumns, missing_columns
from .order import storing_order

if TYPE_CHECKING:
    import polars as pl

    from ..database import Database
    from ..datasets.definitions import DatasetDefinition

PARTITION_FUNCTION = "safestats_add_year"
BEGIN_YEAR, FINISH_YEAR = "safestats_begin_year", "safestats_finish_year"
_CHUNK_ROWS = 20_000
_VERY_MANY_ROWS = 20_000
_BYTES_A_ROW = 160
_INCOMING = "safestats_incoming"
# What keeps texts of suppliers' rows beside the incidents.
_SUPPLIED = ("delivery", "place_decision", "place_review", "place_waiting", "rejected_row")
_PATIENCE_MS = 60_000
_POINT_WITH_SRID = 0x20000001
_EWKB = np.dtype(
    [("order", "u1"), ("type", "<u4"), ("srid", "<u4"), ("easting", "<f8"), ("northing", "<f8")], align=False
)
# What transactions note and the policies read; see ``rights``.
DATASET, AREAS, RELEASE = "safestats.dataset", "safestats.areas", "safestats.release"


class PostgisBackend:
    """Incidents in a partitioned table of PostgreSQL."""

    def admit(self, session: Session, dataset: str, areas: Collection[str], release: int) -> None:
        """For this transaction: a connection that is used again admits nothing by itself."""
        session.execute(
            text(
                f"SELECT set_config('{DATASET}', :dataset, true), set_config('{AREAS}', :areas, true), "
                # A plan for whatever place and months there may be is several times as slow as one for these.
                f"set_config('{RELEASE}', :release, true), set_config('plan_cache_mode', 'force_custom_plan', true)"
            ),
            {"dataset": dataset, "areas": ",".join(sorted(areas)), "release": str(release)},
        )

    def in_bbox(
        self, x: ColumnElement[int], y: ColumnElement[int], west: int, south: int, east: int, north: int
    ) -> ColumnElement[bool]:
        """Comparisons of integers: unlike ``&&`` they may use an index beneath row-level security."""
        return and_(x.between(west, east), y.between(south, north))

    def within(
        self, x: ColumnElement[int], y: ColumnElement[int], easting: int, northing: int, radius_m: int
    ) -> ColumnElement[bool]:
        """The box around the circle for the index, then the distance, in 64 bits."""
        dx, dy = cast(x, BigInteger) - easting, cast(y, BigInteger) - northing
        box = self.in_bbox(x, y, easting - radius_m, northing - radius_m, easting + radius_m, northing + radius_m)
        return and_(box, dx * dx + dy * dy <= cast(radius_m * radius_m, BigInteger))

    def ensure_table(self, database: Database, definition: DatasetDefinition, held: HeldColumns | None) -> None:
        """As the protocol says; others than the owner are told to have it done."""
        name = incident_table(definition).name
        missing = missing_columns(held, database.engine.dialect, definition) if held is not None else []
        if held is not None and not missing:
            return
        with database.write() as session:
            if not session.scalar(text("SELECT has_schema_privilege('public', 'CREATE')")):
                raise SafeStatsError(
                    f"The database lacks what the definition of {definition.code} asks for: run “safestats init”, "
                    "which works as the owner of the tables."
                )
            if held is None:
                self._make(session, definition)
            for column in missing:
                kind = column.type.compile(database.engine.dialect)
                session.execute(text(f'ALTER TABLE "{name}" ADD COLUMN "{column.name}" {kind}'))

    def _make(self, session: Session, definition: DatasetDefinition) -> None:
        """The parent, a partition for undated rows, and one for years that nobody made room for."""
        table = _partitioned(incident_table(definition))
        table.create(session.connection())
        for statement in (
            f"CREATE TABLE \"{table.name}_undated\" PARTITION OF \"{table.name}\" FOR VALUES FROM ('') TO ('0')",
            f'CREATE TABLE "{table.name}_other" PARTITION OF "{table.name}" DEFAULT',
            # Nobody is admitted before a policy says so, the owner neither.
            f'ALTER TABLE "{table.name}" ENABLE ROW LEVEL SECURITY',
            f'ALTER TABLE "{table.name}" FORCE ROW LEVEL SECURITY',
        ):
            session.execute(text(statement))

    def make_room(
        self, database: Database, definition: DatasetDefinition, periods: Collection[str], rows: int = 0
    ) -> None:
        """A partition for each year that has none; rows of a year that wait elsewhere stay there.

        Very many rows make their partitions themselves: ``store``.
        """
        if rows >= _VERY_MANY_ROWS:
            return
        name = incident_table(definition).name
        years = sorted({period[:4] for period in periods if period != UNDATED})
        there = inspect(database.engine)
        missing = [year for year in years if not there.has_table(f"{name}_{year}")]
        if missing:
            # On its own: it keeps readers out for the moment that it takes.
            with database.write(dataset=definition.code) as session:
                for year in missing:
                    session.execute(
                        text(f"SELECT {PARTITION_FUNCTION}(:parent, :year)"), {"parent": name, "year": int(year)}
                    )

    def store(
        self,
        session: Session,
        definition: DatasetDefinition,
        rows: pl.DataFrame,
        stored: Callable[[int], None],
    ) -> None:
        """Rows of years without partition become that partition; others go by COPY into a table of the transaction's
        own and from there into the parent: PostgreSQL copies into none with row-level security."""
        import polars as pl

        table = incident_table(definition).name
        # SQLite's booleans are numbers, and so are these columns.
        rows = rows.with_columns(
            pl.col(name).cast(pl.Int16) for name, kind in rows.schema.items() if kind == pl.Boolean
        )
        years = rows.get_column("period").str.head(4)
        order = storing_order(rows)
        begun = []
        done = 0
        for year in years.unique().sort():
            bare = year and _begun(session, table, year)
            of_year = order.filter((years == year).gather(order))
            told = _from(done, stored)
            if bare:
                begun.append(year)
                _copy(session, bare, rows, order=of_year, stored=told, points=True)
            else:
                _insert(session, table, rows, of_year, told)
            done += len(of_year)
        for year in begun:
            while _finished(session, table, year):
                stored(done)

    def batches(
        self, connection: Connection, query: Select, schema: pa.Schema, batch_rows: int
    ) -> Generator[pa.RecordBatch]:
        """By COPY, read as CSV: rows as Python objects take several times as long."""
        compiled = query.compile(dialect=connection.dialect, compile_kwargs={"render_postcompile": True})
        driver: Any = connection.connection.driver_connection
        with (
            driver.cursor() as cursor,
            cursor.copy(f"COPY ({compiled}) TO STDOUT (FORMAT csv)", compiled.construct_params()) as copy,
        ):
            stream = _Stream(bytes(block) for block in copy)
            if stream.empty:
                return
            reader = csv.open_csv(
                pa.PythonFile(stream, mode="r"),
                csv.ReadOptions(use_threads=False, column_names=schema.names, block_size=batch_rows * _BYTES_A_ROW),
                csv.ParseOptions(newlines_in_values=True),
                csv.ConvertOptions(
                    column_types=schema,
                    null_values=[""],
                    true_values=["1"],
                    false_values=["0"],
                    strings_can_be_null=True,
                    quoted_strings_can_be_null=False,
                ),
            )
            for batch in reader:
                yield batch.cast(schema)

    def settle(self, session: Session) -> None:
        """Nothing: the database's administrator decides about its memory."""

    def rewrite(self, database: Database, definition: DatasetDefinition) -> None:
        """By VACUUM FULL of the dataset's partitions, of what suppliers' rows are kept in, and of the statistics.

        What lies in the write-ahead log is the administrator's: docs/recall.md.
        """
        tables = (f'"{incident_table(definition).name}"', *_SUPPLIED)
        with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            try:
                connection.exec_driver_sql(f"SET lock_timeout = {_PATIENCE_MS}")
                for table in tables:
                    connection.exec_driver_sql(f"VACUUM (FULL, ANALYZE) {table}")
                # It held the most common values of columns; those of before are dead rows of it.
                connection.exec_driver_sql("VACUUM FULL pg_catalog.pg_statistic")
            except OperationalError as error:
                if not is_busy(error):
                    raise
                raise SafeStatsError(
                    "Others use the database, so that its files cannot be rewritten now and may still hold bytes of "
                    "what was deleted: run “safestats recall --again” when they are through."
                ) from error
            finally:
                connection.exec_driver_sql("RESET lock_timeout")


def _begun(session: Session, table: str, year: str) -> str | None:
    """The bare table for the rows of a year, ``None`` where they go elsewhere."""
    if not year.isdecimal():
        return None
    found = session.scalar(text(f"SELECT {BEGIN_YEAR}(:parent, :year)"), {"parent": table, "year": int(year)})
    return None if found is None else str(found)


def _finished(session: Session, table: str, year: str) -> bool:
    """One step towards the year's partition; whether there are more."""
    return bool(session.scalar(text(f"SELECT {FINISH_YEAR}(:parent, :year)"), {"parent": table, "year": int(year)}))


def _from(start: int, stored: Callable[[int], None]) -> Callable[[int], None]:
    return lambda number: stored(start + number)


def _copy(
    session: Session, table: str, rows: pl.DataFrame, *, order: pl.Series, stored: Callable[[int], None], points: bool
) -> None:
    """COPY into a table, in pieces; with ``geometry`` where ``points`` are wanted."""
    import polars as pl
    from psycopg.copy import QueuedLibpqWriter  # it sends while the next piece is made

    columns = ", ".join(f'"{name}"' for name in (*rows.columns, *(["geometry"] if points else [])))
    driver: Any = session.connection().connection.driver_connection
    statement = f'COPY "{table}" ({columns}) FROM STDIN (FORMAT csv)'
    with driver.cursor() as cursor, cursor.copy(statement, writer=QueuedLibpqWriter(cursor)) as copy:
        for start in range(0, len(order), _CHUNK_ROWS):
            chunk = rows.select(pl.all().gather(order.slice(start, _CHUNK_ROWS)))
            if points:
                chunk = chunk.with_columns(_points(chunk).alias("geometry"))
            # Text is quoted, what is missing is not: so "" stays "".
            copy.write(chunk.write_csv(include_header=False, quote_style="non_numeric").encode())
            stored(start + len(chunk))


def _insert(session: Session, table: str, rows: pl.DataFrame, order: pl.Series, stored: Callable[[int], None]) -> None:
    columns = ", ".join(f'"{name}"' for name in rows.columns)
    session.execute(
        text(f'CREATE TEMPORARY TABLE {_INCOMING} ON COMMIT DROP AS SELECT {columns} FROM "{table}" WITH NO DATA')
    )
    for start in range(0, len(order), _CHUNK_ROWS):
        piece = order.slice(start, _CHUNK_ROWS)
        _copy(session, _INCOMING, rows, order=piece, stored=lambda _number: None, points=False)
        session.execute(
            text(
                f'INSERT INTO "{table}" ({columns}, geometry) SELECT {columns}, '
                f"ST_SetSRID(ST_MakePoint(easting, northing), {SRID}) FROM {_INCOMING}"
            )
        )
        session.execute(text(f"TRUNCATE {_INCOMING}"))
        stored(start + len(piece))
    session.execute(text(f"DROP TABLE {_INCOMING}"))


def _points(rows: pl.DataFrame) -> pl.Series:
    """Places as PostGIS writes them (EWKB in hexadecimal digits), null where there is none."""
    import polars as pl

    made = np.zeros(len(rows), dtype=_EWKB)
    made["order"], made["type"], made["srid"] = 1, _POINT_WITH_SRID, SRID
    for name in ("easting", "northing"):
        made[name] = rows.get_column(name).fill_null(0).to_numpy()
    blobs = pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(_EWKB.itemsize), len(rows), [None, pa.py_buffer(made.tobytes())]
    )
    texts = pl.Series("geometry", blobs.cast(pa.binary())).bin.encode("hex")
    placed = rows.get_column("easting").is_not_null() & rows.get_column("northing").is_not_null()
    return pl.select(pl.when(placed).then(texts)).to_series()


class _Stream(io.RawIOBase):
    """Blocks of bytes as a file that is read from its beginning."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self._held = next(blocks, b"")

    @property
    def empty(self) -> bool:
        """Whether there is nothing to read."""
        return not self._held

    def readable(self) -> bool:
        """It is."""
        return True

    def read(self, size: int = -1, /) -> bytes:
        """At most ``size`` bytes; none at the end."""
        parts, wanted = [], size if size >= 0 else 1 << 62
        while wanted and self._held:
            part, self._held = self._held[:wanted], self._held[wanted:]
            parts.append(part)
            wanted -= len(part)
            if not self._held:
                self._held = next(self._blocks, b"")
        return b"".join(parts)


def _partitioned(table: Table) -> Table:
    """The table as PostgreSQL keeps it: by year, which its primary key must have."""
    made = Table(
        table.name,
        MetaData(),
        *(
            Column(column.name, column.type, *([Identity()] if column.primary_key else []), nullable=column.nullable)
            for column in table.columns
        ),
        PrimaryKeyConstraint("row_id", "period", name=f"pk_{table.name}"),
        postgresql_partition_by="RANGE (period)",
    )
    for index in table.indexes:
        Index(index.name, *(made.c[column.name] for column in index.columns))
    # The two ways in which a grant covers a row, in any months.
    for name, covered in (("area", made.c.area_code), ("borough", made.c.borough_code)):
        Index(f"ix_{table.name}_{name}", covered, made.c.period)
    return made
