"""The audit's store when embedded: a SQLite file of its own."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from .canonical import START
from .store import (
    ALL,
    COPIED,
    AuditUnavailable,
    Criteria,
    MakesSeal,
    Statements,
    StoredEvent,
    StoredSeal,
    last_sealed,
    parameters,
    row_of,
)

BUSY_TIMEOUT_SECONDS = 10
_LAYOUT = 1  # of the tables; the file's user_version
_SQL = Statements("event", "seal")

_EVENT_TABLE = """
CREATE TABLE IF NOT EXISTS event (
    number INTEGER PRIMARY KEY,
    once TEXT UNIQUE,
    body TEXT NOT NULL,
    hash TEXT NOT NULL
)
"""
_SEAL_TABLE = """
CREATE TABLE seal (
    number INTEGER PRIMARY KEY,
    body TEXT NOT NULL,
    signature TEXT NOT NULL
)
"""
# The names of the events' triggers, as they are since the first version.
_GUARDS = {
    "event_is_never_changed": "BEFORE UPDATE ON event",
    "event_is_never_deleted": "BEFORE DELETE ON event",
    "seal_is_never_changed": "BEFORE UPDATE ON seal",
    "seal_is_never_deleted": "BEFORE DELETE ON seal",
}


class SqliteAuditStore:
    """Events and seals in the file at ``path``, made if it is missing, brought to today's layout if it is older."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        path.parent.mkdir(parents=True, exist_ok=True)
        self._connection = _connect(path)
        path.chmod(0o600)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        if self._connection.execute("PRAGMA user_version").fetchone()[0] < _LAYOUT:
            with self._writing() as connection:
                _lay_out(connection)

    def append(self, members: Mapping[str, Any], once: str | None) -> tuple[int, bool]:
        """See ``AuditStore``."""
        with self._writing() as connection:
            if once is not None and (there := connection.execute(_SQL.once, {"once": once}).fetchone()):
                return there[0], False
            number, previous = _head(connection)
            event = StoredEvent.chained(number + 1, previous, once, members)
            connection.execute(_SQL.insert_event, row_of(event))
        return event.number, True

    def head(self) -> tuple[int, str]:
        """See ``AuditStore``."""
        with self._reading() as connection:
            return _head(connection)

    def event(self, number: int) -> StoredEvent | None:
        """See ``AuditStore``."""
        with self._reading() as connection:
            row = connection.execute(_SQL.event, {"number": number}).fetchone()
        return StoredEvent(*row) if row else None

    def events(self, after: int = 0, until: int | None = None) -> Iterator[StoredEvent]:
        """See ``AuditStore``."""
        with self._reading() as connection:
            wanted = {"after": after, "until": ALL if until is None else until}
            for row in connection.execute(_SQL.events(), wanted):
                yield StoredEvent(*row)

    def search(self, criteria: Criteria, before: int | None, limit: int) -> list[StoredEvent]:
        """See ``AuditStore``."""
        with self._reading() as connection:
            rows = connection.execute(_SQL.search(criteria), parameters(criteria, before, limit))
            return [StoredEvent(*row) for row in rows]

    def seals(self, after: int = 0) -> Iterator[StoredSeal]:
        """See ``AuditStore``."""
        with self._reading() as connection:
            for row in connection.execute(_SQL.seals, {"after": after}):
                yield StoredSeal(*row)

    def newest_seal(self) -> StoredSeal | None:
        """See ``AuditStore``."""
        with self._reading() as connection:
            newest = connection.execute(_SQL.newest_seal).fetchone()
        return StoredSeal(*newest) if newest else None

    def seal(self, make: MakesSeal, at_most: int) -> StoredSeal | None:
        """See ``AuditStore``."""
        with self._writing() as connection:
            newest = connection.execute(_SQL.newest_seal).fetchone()
            previous = StoredSeal(*newest) if newest else None
            wanted = {"after": last_sealed(previous), "until": ALL, "limit": at_most}
            events = [StoredEvent(*row) for row in connection.execute(_SQL.events(limited=True), wanted)]
            made = make(previous, events)
            if made is not None:
                connection.execute(_SQL.insert_seal, row_of(made))
        return made

    def remove(self, until: int) -> int:
        """See ``AuditStore``."""
        with self._writing() as connection:
            # The guard is down within this transaction only: nobody else sees the file without it.
            connection.execute("DROP TRIGGER event_is_never_deleted")
            removed = connection.execute(_SQL.remove, {"until": until}).rowcount
            _guard(connection, "event_is_never_deleted")
        return removed

    def close(self) -> None:
        """See ``AuditStore``."""
        self._connection.close()

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        connection = self._connection
        with self._lock, _told():
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        # A connection of its own: whoever reads long neither waits for writers nor sees their rollbacks.
        with _told(), closing(_connect(self.path)) as connection:
            connection.execute("PRAGMA query_only = ON")
            yield connection


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=BUSY_TIMEOUT_SECONDS, isolation_level=None, check_same_thread=False)


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise AuditUnavailable from error


def _head(connection: sqlite3.Connection) -> tuple[int, str]:
    return connection.execute(_SQL.head).fetchone() or (0, START)


def _guard(connection: sqlite3.Connection, name: str) -> None:
    connection.execute(
        f"CREATE TRIGGER {name} {_GUARDS[name]} BEGIN SELECT RAISE(ABORT, 'The audit is append-only.'); END"
    )


def _lay_out(connection: sqlite3.Connection) -> None:
    """Make the tables, or bring those of an older version up to date: no event's body or hash is touched."""
    if connection.execute("PRAGMA user_version").fetchone()[0] >= _LAYOUT:
        return  # another process was faster
    connection.execute(_EVENT_TABLE)
    for name in _GUARDS:
        connection.execute(f"DROP TRIGGER IF EXISTS {name}")
    for name in COPIED:
        connection.execute(f"ALTER TABLE event ADD COLUMN {name} TEXT NOT NULL DEFAULT ''")
    # What is no JSON was tampered with: verification names it.
    copies = ", ".join(f"{name} = coalesce(json_extract(body, '$.{name}'), '')" for name in COPIED)
    connection.execute(f"UPDATE event SET {copies} WHERE json_valid(body)")
    for name in ("actor", "organisation", "dataset", "at"):
        connection.execute(f"CREATE INDEX ix_event_{name} ON event ({name})")
    connection.execute(_SEAL_TABLE)
    for name in _GUARDS:
        _guard(connection, name)
    connection.execute(f"PRAGMA user_version = {_LAYOUT}")
