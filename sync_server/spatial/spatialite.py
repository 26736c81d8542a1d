"""SpatiaLite: the embedded engine."""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from sqlalchemy import ColumnElement, Connection, Select, and_, inspect, text
from sqlalchemy.orm import Session

from ...shared.manifest import SRID
from ..datasets.incidents import incident_table
from .held_columns import missing_columns

if TYPE_CHECKING:
    import polars as pl

    from ..database import Database
    from ..datasets.definitions import DatasetDefinition

_CHUNK_ROWS = 20_000
_CACHE_KIB = 262_144


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

    def ensure_tables(self, database: Database, definition: DatasetDefinition) -> None:
        """As the protocol says; any part may."""
        table = incident_table(definition)
        if not inspect(database.engine).has_table(table.name):
            table.create(database.engine)
            return
        missing = missing_columns(database.engine, definition)
        if not missing:
            return  # whoever only reads need not wait for the writer
        with database.write() as session:
            for column in missing:
                kind = column.type.compile(database.engine.dialect)
                session.execute(text(f'ALTER TABLE "{table.name}" ADD COLUMN "{column.name}" {kind}'))

    def make_room(self, database: Database, definition: DatasetDefinition, periods: Collection[str]) -> None:
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

        table = incident_table(definition)
        columns = ", ".join(f'"{name}"' for name in (*rows.columns, "geometry"))
        values = ", ".join("?" * len(rows.columns))
        statement = f'INSERT INTO "{table.name}" ({columns}) VALUES ({values}, MakePoint(?, ?, {SRID}))'
        # In the order of identities the largest index grows at its end only. Dates are text here.
        ready = rows.sort("identity").with_columns(
            *(pl.col(name).cast(pl.String) for name, kind in rows.schema.items() if kind == pl.Date)
        )
        ready = ready.with_columns(pl.col("easting").alias("_x"), pl.col("northing").alias("_y"))
        connection = session.connection()
        for start in range(0, len(ready), _CHUNK_ROWS):
            chunk = ready.slice(start, _CHUNK_ROWS).rows()
            connection.exec_driver_sql(statement, chunk)
            stored(start + len(chunk))

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
        """A larger cache: the indexes of a whole dataset fit into it."""
        session.connection().exec_driver_sql(f"PRAGMA cache_size = -{_CACHE_KIB}")


def _array(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    """The driver's values as the layer's type: SQLite keeps booleans as numbers, dates as text."""
    if pa.types.is_boolean(kind) or pa.types.is_date(kind):
        return pa.array(values).cast(kind)
    return pa.array(values, kind)
