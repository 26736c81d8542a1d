"""The database: SpatiaLite in one file (WAL, one writer), or PostgreSQL with PostGIS.

``read()`` and ``write()`` give a Session each. A write is one transaction, committed on leaving; an exception rolls
it back. Writers go one after the other, so that what a write has looked up still holds when it commits: SpatiaLite
begins IMMEDIATE, PostgreSQL takes an advisory lock first.
"""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from geoalchemy2.admin.dialects.sqlite import init_spatialite
from sqlalchemy import Engine, MetaData, create_engine, event
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import DeclarativeBase, Session

from ..shared.manifest import SRID

BUSY_TIMEOUT_MS = 30_000
# A load holds the writer longer than a person waits.
PERSONS_PATIENCE_MS = 8_000
# PostgreSQL: more requests than this at once wait for a connection.
_POOL, _MORE = 8, 24
_CONNECT_SECONDS = 10
# Advisory locks of writers: this class, and a number within it.
_WRITERS = 0x5AFE
_PATIENCE, _LANE = "safestats_patience_ms", "safestats_lane"
_BUSY_STATES = ("55P03", "40P01")  # lock not available, deadlock detected


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
    # Of both engines: a failure is logged, and must not tell what the statement held.
    engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": BUSY_TIMEOUT_MS / 1000}, hide_parameters=True)
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
    patience_ms = connection.get_execution_options().get(_PATIENCE)
    connection.exec_driver_sql(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS if patience_ms is None else patience_ms}")
    connection.exec_driver_sql(f"BEGIN {'DEFERRED' if patience_ms is None else 'IMMEDIATE'}")


def connect_engine(url: str) -> Engine:
    """An engine on PostgreSQL's database; connections are made when needed and tried before each use."""
    engine = create_engine(
        url,
        pool_size=_POOL,
        max_overflow=_MORE,
        pool_pre_ping=True,
        hide_parameters=True,
        connect_args={
            "connect_timeout": _CONNECT_SECONDS,
            "application_name": "safestats",
            # Compiling a query of a dozen partitions takes longer than running it.
            "options": "-c jit=off",
        },
    )
    event.listen(engine, "begin", _queue)
    return engine


def _queue(connection: Any) -> None:
    """Take the writers' lock, in a statement before the first: what follows sees all that others have committed."""
    options = connection.get_execution_options()
    patience_ms = options.get(_PATIENCE)
    if patience_ms is not None:
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = {int(patience_ms)}")
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_WRITERS}, {options[_LANE]})")


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
        """The embedded database in the file at ``path``."""
        return cls(open_engine(path))

    @classmethod
    def connect(cls, url: str) -> Database:
        """PostgreSQL's database at the address, which need not answer yet."""
        return cls(connect_engine(url))

    @property
    def embedded(self) -> bool:
        """Whether it is the embedded one."""
        return self.engine.dialect.name == "sqlite"

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A session that sees one consistent state; leaving it ends the transaction and keeps what was read."""
        reader = self.engine
        if not self.embedded:
            reader = reader.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        with Session(reader, expire_on_commit=False) as session:
            yield session
            # Nothing was written. But a rollback would make psycopg forget the statements that it has prepared.
            try:
                session.commit()
            except BaseException:
                session.rollback()  # else the connection would go back to the pool within its transaction
                raise

    @contextmanager
    def write(self, patience_ms: int = BUSY_TIMEOUT_MS, *, dataset: str = "") -> Iterator[Session]:
        """A session in one transaction, committed on leaving without an exception: writers go one after the other.

        On PostgreSQL those who write incidents and releases name their ``dataset``: they wait for each other, and
        nobody else for them. Waits ``patience_ms`` for another writer, then raises
        ``sqlalchemy.exc.OperationalError``, of which ``is_busy`` is true.
        """
        writer = self.engine.execution_options(**{_PATIENCE: patience_ms, _LANE: _lane(dataset)})
        with Session(writer, expire_on_commit=False) as session, session.begin():
            yield session


def is_busy(error: OperationalError) -> bool:
    """Whether the transaction failed because another writer is at work: it may be tried again."""
    return getattr(error.orig, "sqlstate", None) in _BUSY_STATES or "database is locked" in str(error.orig)


def is_out_of_reach(error: BaseException) -> bool:
    """Whether PostgreSQL did not answer, or let nobody in."""
    return isinstance(error, OperationalError) and getattr(error.orig, "sqlstate", "") is None


def _lane(dataset: str) -> int:
    """A number that fits PostgreSQL's ``integer``, 0 for no dataset."""
    return zlib.crc32(dataset.encode()) & 0x7FFFFFFF if dataset else 0
