"""The embedded database: SpatiaLite in one file, WAL, one writer process.

``read()`` and ``write()`` give a Session each. A write is one transaction, begun IMMEDIATE (so that two writers
wait for each other instead of failing half-way) and committed on leaving; an exception rolls it back.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from geoalchemy2.admin.dialects.sqlite import init_spatialite
from sqlalchemy import Engine, MetaData, create_engine, event
from sqlalchemy.orm import DeclarativeBase, Session

from ..shared.manifest import SRID

BUSY_TIMEOUT_MS = 30_000
# A load holds the writer longer than a person waits.
PERSONS_PATIENCE_MS = 8_000


class Base(DeclarativeBase):
    """The tables that every installation has; incident tables are made from the dataset definitions."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class CannotLoadSpatialiteError(RuntimeError):
    """This Python's sqlite3 cannot load SpatiaLite: the message says what to do."""


def open_engine(path: Path) -> Engine:
    """An engine on the SpatiaLite file at ``path``, made and given its spatial metadata if new."""
    path.parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": BUSY_TIMEOUT_MS / 1000})
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    return engine


def _prepare(connection: Any, _record: Any) -> None:
    # SQLAlchemy begins transactions by the event below, not Python's sqlite3 by guesswork.
    connection.isolation_level = None
    load_spatialite(connection)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA secure_delete = ON")
    if not connection.execute("SELECT CheckSpatialMetaData()").fetchone()[0]:
        # "EMPTY" and the one system that we use take 0.02 s; all of EPSG takes most of a minute.
        init_spatialite(connection, transaction=True, init_mode="EMPTY")
        connection.execute("SELECT InsertEpsgSrid(?)", (SRID,))


def _begin(connection: Any) -> None:
    options = connection.get_execution_options()
    connection.exec_driver_sql(f"PRAGMA busy_timeout = {options.get('sqlite_patience_ms', BUSY_TIMEOUT_MS)}")
    connection.exec_driver_sql(f"BEGIN {options.get('sqlite_begin', 'DEFERRED')}")


def load_spatialite(connection: sqlite3.Connection) -> None:
    """Load mod_spatialite into a connection; raises ``CannotLoadSpatialiteError``."""
    # Both bring a PROJ library of their own: loaded after SpatiaLite's, GDAL's makes the process abort at its end.
    import pyogrio  # noqa: F401

    try:
        connection.enable_load_extension(True)
        connection.load_extension("mod_spatialite")
        connection.enable_load_extension(False)
    except AttributeError as error:
        raise CannotLoadSpatialiteError(
            "This Python's sqlite3 cannot load extensions, which the embedded database needs: "
            "run the server with Debian's own python3."
        ) from error
    except sqlite3.OperationalError as error:
        raise CannotLoadSpatialiteError(
            f"SpatiaLite could not be loaded ({error}): install libsqlite3-mod-spatialite."
        ) from error


class Database:
    """Sessions on one engine."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    @classmethod
    def open(cls, path: Path) -> Database:
        """The database in the file at ``path``."""
        return cls(open_engine(path))

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A session that sees one consistent state; leaving it ends the transaction and keeps what was read."""
        with Session(self.engine) as session:
            yield session

    @contextmanager
    def write(self, patience_ms: int = BUSY_TIMEOUT_MS) -> Iterator[Session]:
        """A session in one IMMEDIATE transaction, committed on leaving without an exception.

        Waits ``patience_ms`` for another writer, then raises ``sqlalchemy.exc.OperationalError``.
        """
        writer = self.engine.execution_options(sqlite_begin="IMMEDIATE", sqlite_patience_ms=patience_ms)
        with Session(writer, expire_on_commit=False) as session, session.begin():
            yield session
