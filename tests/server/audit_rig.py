"""An audit for tests, on the engine that is tested, and what somebody with all rights on it could do to it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from dataclasses import astuple
from functools import cached_property
from pathlib import Path

from safestats.sync_server.audit.events import EventType
from safestats.sync_server.audit.log import AuditLog
from safestats.sync_server.audit.opening import open_audit
from safestats.sync_server.audit.store import StoredEvent, StoredSeal
from safestats.sync_server.settings import Part, Settings
from safestats.tests.server.engines import settings_for
from sqlalchemy import Engine, create_engine, text


class AuditRig:
    """The audit of an installation of its own."""

    def __init__(self, folder: Path) -> None:
        self.settings: Settings = settings_for(folder, audit_export_dir=folder.parent / f"{folder.name}-elsewhere")
        self.log = self.open()

    def open(self, part: Part = Part.APPLICATION) -> AuditLog:
        """The audit as another process of that part opens it."""
        return open_audit(self.settings, self.settings.url(part))

    def record(self, events: int, **members: object) -> None:
        """So many pulls, by one session each."""
        for number in range(events):
            self.log.record(EventType.LAYER_PULL, **{"actor": "a1", "dataset": "mps", "rows": number, **members})

    def stored(self) -> tuple[list[StoredEvent], list[StoredSeal]]:
        """Everything that is kept."""
        return list(self.log.store.events()), list(self.log.store.seals())

    def overwrite(self, events: Iterable[StoredEvent], seals: Iterable[StoredSeal]) -> None:
        """Put these in the place of everything, past every guard: as who owns the database could."""
        rows = [(name, [astuple(row) for row in rows]) for name, rows in (("event", events), ("seal", seals))]
        if self.settings.embedded:
            with closing(sqlite3.connect(self.settings.audit_path, isolation_level=None)) as connection:
                connection.execute("BEGIN IMMEDIATE")
                guards = "SELECT name FROM sqlite_master WHERE type = 'trigger'"
                for (guard,) in connection.execute(guards).fetchall():
                    connection.execute(f"DROP TRIGGER {guard}")
                for table, values in rows:
                    columns = "number, once, at, event, actor, organisation, dataset, outcome, body, hash"
                    columns = columns if table == "event" else "number, body, signature"
                    connection.execute(f"DELETE FROM {table}")
                    marks = ", ".join("?" for _ in columns.split(", "))
                    connection.executemany(f"INSERT INTO {table} ({columns}) VALUES ({marks})", values)
                connection.execute("COMMIT")
            return
        with self._owner.begin() as connection:
            for table, values in rows:
                connection.execute(text(f"ALTER TABLE audit_{table} DISABLE TRIGGER USER"))
                connection.execute(text(f"DELETE FROM audit_{table}"))
                if values:
                    marks = ", ".join(f":c{index}" for index in range(len(values[0])))
                    named = [{f"c{index}": one for index, one in enumerate(value)} for value in values]
                    connection.execute(text(f"INSERT INTO audit_{table} VALUES ({marks})"), named)

    @cached_property
    def _owner(self) -> Engine:
        return create_engine(self.settings.url(Part.OWNER))

    def close(self) -> None:
        """Let go of everything, without sealing."""
        self.log.store.close()
        if not self.settings.embedded:
            self._owner.dispose()
