"""The audit's store on PostgreSQL: tables of its own, and short transactions of its own under an advisory lock.

The migrations make the tables. The application's role may insert and select, and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, create_engine, text
from sqlalchemy.exc import SQLAlchemyError

from .canonical import START
from .store import (
    ALL,
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

WAIT_SECONDS = 10
EVENT_TABLE, SEAL_TABLE = "audit_event", "audit_seal"
_LOCK = 0x5AFE_A0D1  # of this database's audit: one writer at a time, whatever process
_SQL = Statements(EVENT_TABLE, SEAL_TABLE)
_AT_ONCE = 1000


class PostgresAuditStore:
    """Events and seals in the database at ``url``. Nothing is asked of it before the first use."""

    def __init__(self, url: str, wait_seconds: int = WAIT_SECONDS) -> None:
        options = f"-c lock_timeout={wait_seconds * 1000} -c synchronous_commit=on"
        self._engine = create_engine(
            url,
            # What fails is logged, and must not tell what it held.
            hide_parameters=True,
            # Events wait for each other anyhow: a few connections serve any number of requests.
            pool_size=2,
            max_overflow=4,
            pool_timeout=wait_seconds,
            pool_pre_ping=True,
            connect_args={"options": options, "connect_timeout": wait_seconds},
        )

    def append(self, members: Mapping[str, Any], once: str | None) -> tuple[int, bool]:
        """See ``AuditStore``."""
        with self._writing() as connection:
            if once is not None:
                there = connection.execute(text(_SQL.once), {"once": once}).scalar()
                if there is not None:
                    return there, False
            number, previous = _head(connection)
            event = StoredEvent.chained(number + 1, previous, once, members)
            connection.execute(text(_SQL.insert_event), row_of(event))
        return event.number, True

    def head(self) -> tuple[int, str]:
        """See ``AuditStore``."""
        with self._reading() as connection:
            return _head(connection)

    def event(self, number: int) -> StoredEvent | None:
        """See ``AuditStore``."""
        with self._reading() as connection:
            row = connection.execute(text(_SQL.event), {"number": number}).first()
        return StoredEvent(*row) if row else None

    def events(self, after: int = 0, until: int | None = None) -> Iterator[StoredEvent]:
        """See ``AuditStore``."""
        wanted = {"after": after, "until": ALL if until is None else until}
        with self._reading() as connection:
            streamed = connection.execution_options(yield_per=_AT_ONCE)
            for row in streamed.execute(text(_SQL.events()), wanted):
                yield StoredEvent(*row)

    def search(self, criteria: Criteria, before: int | None, limit: int) -> list[StoredEvent]:
        """See ``AuditStore``."""
        with self._reading() as connection:
            rows = connection.execute(text(_SQL.search(criteria)), parameters(criteria, before, limit))
            return [StoredEvent(*row) for row in rows]

    def seals(self, after: int = 0) -> Iterator[StoredSeal]:
        """See ``AuditStore``."""
        with self._reading() as connection:
            streamed = connection.execution_options(yield_per=_AT_ONCE)
            for row in streamed.execute(text(_SQL.seals), {"after": after}):
                yield StoredSeal(*row)

    def newest_seal(self) -> StoredSeal | None:
        """See ``AuditStore``."""
        with self._reading() as connection:
            newest = connection.execute(text(_SQL.newest_seal)).first()
        return StoredSeal(*newest) if newest else None

    def seal(self, make: MakesSeal, at_most: int) -> StoredSeal | None:
        """See ``AuditStore``."""
        with self._writing() as connection:
            newest = connection.execute(text(_SQL.newest_seal)).first()
            previous = StoredSeal(*newest) if newest else None
            wanted = {"after": last_sealed(previous), "until": ALL, "limit": at_most}
            events = [StoredEvent(*row) for row in connection.execute(text(_SQL.events(limited=True)), wanted)]
            made = make(previous, events)
            if made is not None:
                connection.execute(text(_SQL.insert_seal), row_of(made))
        return made

    def remove(self, until: int) -> int:
        """See ``AuditStore``."""
        with self._writing() as connection:
            # Only the tables' owner may do this; the guard is down within this transaction only.
            connection.execute(text(f"ALTER TABLE {EVENT_TABLE} DISABLE TRIGGER {EVENT_TABLE}_is_append_only"))
            removed = connection.execute(text(_SQL.remove), {"until": until}).rowcount
            connection.execute(text(f"ALTER TABLE {EVENT_TABLE} ENABLE TRIGGER {EVENT_TABLE}_is_append_only"))
        return removed

    def close(self) -> None:
        """See ``AuditStore``."""
        self._engine.dispose()

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        with _told(), self._engine.begin() as connection:
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
            yield connection

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with _told(), self._engine.connect() as connection:
            yield connection


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except SQLAlchemyError as error:
        raise AuditUnavailable from error


def _head(connection: Connection) -> tuple[int, str]:
    row = connection.execute(text(_SQL.head)).first()
    return (row[0], row[1]) if row else (0, START)
