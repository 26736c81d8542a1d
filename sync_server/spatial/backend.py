"""The spatial seam: what SpatiaLite and PostGIS do each in their own way.

Everything else of the server is SQL that both engines understand.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator
from typing import TYPE_CHECKING, Protocol

import pyarrow as pa
from sqlalchemy import ColumnElement, Connection, Dialect, Select
from sqlalchemy.orm import Session

if TYPE_CHECKING:
    import polars as pl

    from ..database import Database
    from ..datasets.definitions import DatasetDefinition
    from .held_columns import HeldColumns


class SpatialBackend(Protocol):
    """One engine. Without state: sessions and connections come as arguments."""

    def admit(self, session: Session, dataset: str, areas: Collection[str], release: int) -> None:
        """Open the dataset's rows of these area codes at the release to the session's transaction, to nobody else."""

    def in_bbox(
        self, x: ColumnElement[int], y: ColumnElement[int], west: int, south: int, east: int, north: int
    ) -> ColumnElement[bool]:
        """Whether a place, in metres, lies in the box, its edges included. Never true of a row without a place."""

    def within(
        self, x: ColumnElement[int], y: ColumnElement[int], easting: int, northing: int, radius_m: int
    ) -> ColumnElement[bool]:
        """Whether a place lies at most ``radius_m`` metres away. Never true of a row without a place."""

    def ensure_table(self, database: Database, definition: DatasetDefinition, held: HeldColumns | None) -> None:
        """Make the dataset's incident table, or add the columns that its definition gained.

        ``held`` are the columns that the table has; ``None`` where there is no table.
        Raises ``SafeStatsError`` where a field changed its type, or where only the owner may do what is to be done.
        """

    def make_room(
        self, database: Database, definition: DatasetDefinition, periods: Collection[str], rows: int = 0
    ) -> None:
        """Make the partitions that rows of these periods need, in a transaction of its own.

        ``rows``: how many are to be stored at once, where that is known.
        """

    def store(
        self,
        session: Session,
        definition: DatasetDefinition,
        rows: pl.DataFrame,
        stored: Callable[[int], None],
    ) -> None:
        """Insert rows into the incident table, geometry made of ``easting`` and ``northing``.

        ``rows`` has every column that is to be filled, under its name; ``stored`` is told how many are in so far.
        """

    def batches(
        self, connection: Connection, query: Select, schema: pa.Schema, batch_rows: int
    ) -> Generator[pa.RecordBatch]:
        """The query's rows in the types of ``schema``, as Arrow; at most about ``batch_rows`` at once."""

    def settle(self, session: Session) -> None:
        """Prepare the session's connection for the writing of very many rows."""

    def rewrite(self, database: Database, definition: DatasetDefinition) -> None:
        """Write the files anew that held the dataset's rows, so that no byte is left of what was deleted in them.

        ``database`` is its owner's. Raises ``SafeStatsError`` where others keep it from being done now.
        """


def backend_of(dialect: Dialect) -> SpatialBackend:
    """The backend of a database that speaks the dialect."""
    # Each engine's driver is loaded where it is used.
    if dialect.name == "postgresql":
        from .postgis import PostgisBackend

        return PostgisBackend()
    from .spatialite import SpatialiteBackend

    return SpatialiteBackend()
