"""The audit: an append-only chain of events in a file of its own, so that a refusal outlives its request.

Each event is canonical JSON, kept as text; its hash is SHA-256 over the hash before it and its bytes. The hash
of the newest event (the head) is exported to a second file, which belongs on another host: a chain alone cannot
show that its end was cut off.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from ..instants import iso, now
from ..problems import Problem

HEAD_INTERVAL_SECONDS = 60
_BUSY_TIMEOUT_SECONDS = 10
_START = "0" * 64
_HEAD = re.compile(r"(\d+) ([0-9a-f]{64}) ")

_SCHEMA = """
CREATE TABLE IF NOT EXISTS event (
    number INTEGER PRIMARY KEY,
    once TEXT UNIQUE,
    body TEXT NOT NULL,
    hash TEXT NOT NULL
);
CREATE TRIGGER IF NOT EXISTS event_is_never_changed BEFORE UPDATE ON event
BEGIN SELECT RAISE(ABORT, 'The audit is append-only.'); END;
CREATE TRIGGER IF NOT EXISTS event_is_never_deleted BEFORE DELETE ON event
BEGIN SELECT RAISE(ABORT, 'The audit is append-only.'); END;
"""


class EventType(StrEnum):
    """What is audited: whatever touches data or rights."""

    SIGN_IN = "session.sign-in"
    CONDITIONS_ACCEPTED = "session.accept"
    CONDITIONS_DECLINED = "session.decline"
    SIGN_OUT = "session.sign-out"
    LAYERS_LISTED = "layers.list"
    LAYER_MANIFEST = "layer.manifest"
    LAYER_PULL = "layer.pull"
    POSTCODE_LOOKUP = "postcode.lookup"
    PROXIMITY_SEARCH = "proximity.search"
    HOTSPOT_RUN = "hotspot.run"
    MAP_EXPORT = "map.export"
    LAYER_OPENED = "layer.opened"
    DATASET_LOADED = "dataset.load"
    DATASET_PUBLISHED = "dataset.publish"
    DATASET_ROLLED_BACK = "dataset.rollback"
    DATASET_DISCARDED = "dataset.discard"
    AREAS_LOADED = "areas.load"
    ORGANISATION_ADDED = "organisation.add"
    USER_ADDED = "user.add"
    USER_PASSWORD = "user.password"
    USER_DEACTIVATED = "user.deactivate"
    AGREEMENT_ADDED = "agreement.add"
    AGREEMENT_GRANTED = "agreement.grant"
    AGREEMENT_ACTIVATED = "agreement.activate"
    AGREEMENT_SUSPENDED = "agreement.suspend"
    AGREEMENT_ENDED = "agreement.end"
    CONDITIONS_PUBLISHED = "conditions.publish"


class Outcome(StrEnum):
    """How it went."""

    OK = "ok"
    REFUSED = "refused"


COMMAND_LINE = "command-line"  # the actor of what is done on the server's own command line


class AuditUnavailable(Problem):
    """The audit cannot be written, so nothing is given out."""

    def __init__(self) -> None:
        super().__init__(
            503,
            "audit-unavailable",
            "The audit cannot be written",
            "The server cannot keep its audit at the moment, so it gives out no data: tell the SafeStats team.",
        )


@dataclass(frozen=True)
class VerifyResult:
    """Whether the chain holds; ``first_bad`` is the number of the first event that does not."""

    ok: bool
    events: int
    first_bad: int | None
    message: str


@dataclass(frozen=True)
class Event:
    """One recorded event: its number in the chain and its members."""

    number: int
    body: dict[str, Any]


class AuditLog:
    """The audit in the SQLite file at ``path``; heads go to ``heads_path`` (beside it unless told)."""

    def __init__(self, path: Path, heads_path: Path | None = None) -> None:
        self.path = path
        self.heads_path = heads_path or path.with_name("audit-heads.txt")
        self._lock = threading.Lock()
        self._exported_at = float("-inf")
        path.parent.mkdir(parents=True, exist_ok=True)
        self._connection = sqlite3.connect(
            path, timeout=_BUSY_TIMEOUT_SECONDS, isolation_level=None, check_same_thread=False
        )
        path.chmod(0o600)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        self._connection.executescript(_SCHEMA)

    def record(
        self,
        event: EventType,
        *,
        actor: str,
        organisation: str = "",
        agreement: str = "",
        conditions: str = "",
        purpose: str = "",
        dataset: str = "",
        filter: Mapping[str, Any] | None = None,
        rows: int | None = None,
        outcome: str = Outcome.OK,
        reason: str = "",
        session: str = "",
        once: str | None = None,
        reported_at: str = "",
    ) -> bool:
        """Append an event, durably, before returning; raises ``AuditUnavailable`` where that fails.

        With ``once``, an event with that key is recorded a single time: False tells that it was there already.
        ``reported_at`` marks an event as told by the client, at the client's time.
        """
        body: dict[str, Any] = {
            "at": iso(now()),
            "event": str(event),
            "actor": actor,
            "organisation": organisation,
            "agreement": agreement,
            "conditions": conditions,
            "purpose": purpose,
            "dataset": dataset,
            "filter": dict(filter or {}),
            "rows": rows,
            "outcome": str(outcome),
            "reason": reason,
            "session": session,
        }
        if reported_at:
            body["reported_at"] = reported_at
        try:
            with self._lock:
                new = self._append(body, once)
                if time.monotonic() - self._exported_at >= HEAD_INTERVAL_SECONDS:
                    self._export_head()
        except (sqlite3.Error, OSError) as error:
            raise AuditUnavailable from error
        return new

    def export_head(self) -> None:
        """Write the number and hash of the newest event to the heads file, unless it stands there already."""
        with self._lock:
            self._export_head()

    def events(self, last: int | None = None) -> Iterator[Event]:
        """The events in order; only the ``last`` so many, where given."""
        newest = self._head()[0]
        after = 0 if last is None else newest - last
        rows = self._connection.execute("SELECT number, body FROM event WHERE number > ? ORDER BY number", (after,))
        for number, body in rows:
            yield Event(number, json.loads(body))

    def verify(self) -> VerifyResult:
        """Walk the chain and the exported heads; names the first altered, missing, inserted or moved event."""
        heads = self._read_heads()
        previous, expected, count = _START, 1, 0
        rows = self._connection.execute("SELECT number, once, body, hash FROM event ORDER BY number")
        for number, once, body, recorded in rows:
            trouble = _trouble(number, once, body, recorded, previous, expected)
            if trouble is None and heads.get(number, recorded) != recorded:
                trouble = "is not the one whose head was exported: the chain was written anew"
            if trouble is not None:
                bad = expected if number != expected else number
                return VerifyResult(False, count, bad, f"Event {bad} {trouble}.")
            previous, expected, count = recorded, number + 1, count + 1
        newest_exported = max(heads, default=0)
        if newest_exported > count:
            message = (
                f"Event {count + 1} is missing: the chain ends at {count}, "
                f"but the head of event {newest_exported} was exported."
            )
            return VerifyResult(False, count, count + 1, message)
        return VerifyResult(True, count, None, f"All {count} events are in place and unaltered.")

    def close(self) -> None:
        """Export the head and let go of the file."""
        self.export_head()
        self._connection.close()

    def _append(self, body: dict[str, Any], once: str | None) -> bool:
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            if once is not None and connection.execute("SELECT 1 FROM event WHERE once = ?", (once,)).fetchone():
                connection.execute("ROLLBACK")
                return False
            number, previous = self._head()
            text = _canonical({"number": number + 1, "once": once, **body})
            connection.execute(
                "INSERT INTO event (number, once, body, hash) VALUES (?, ?, ?, ?)",
                (number + 1, once, text, _link(previous, text)),
            )
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        return True

    def _head(self) -> tuple[int, str]:
        row = self._connection.execute("SELECT number, hash FROM event ORDER BY number DESC LIMIT 1").fetchone()
        return row or (0, _START)

    def _export_head(self) -> None:
        number, head = self._head()
        if number and number not in self._read_heads():
            # A line that was cut off stays a line of its own.
            torn = self.heads_path.exists() and self.heads_path.read_bytes()[-1:] not in (b"", b"\n")
            with self.heads_path.open("a", encoding="ascii") as file:
                if torn:
                    file.write("\n")
                file.write(f"{number} {head} {iso(now())}\n")
                file.flush()
                os.fsync(file.fileno())
        self._exported_at = time.monotonic()

    def _read_heads(self) -> dict[int, str]:
        """Number → hash. Of a number that stands there twice, the first counts; a torn line tells nothing."""
        heads: dict[int, str] = {}
        if self.heads_path.exists():
            for line in self.heads_path.read_text(encoding="ascii", errors="replace").splitlines():
                if (head := _HEAD.match(line)) is not None:
                    heads.setdefault(int(head[1]), head[2])
        return heads


def _trouble(number: int, once: str | None, body: str, recorded: str, previous: str, expected: int) -> str | None:
    if number != expected:
        return "is missing"
    if _link(previous, body) == recorded:
        members = json.loads(body)
        if members["number"] != number or members["once"] != once:
            return "is altered"
        return None
    try:
        own_number = json.loads(body)["number"]
    except (ValueError, KeyError, TypeError):
        return "is altered"
    if own_number != number:
        return f"is out of place: what stands there was recorded as event {own_number}"
    return "is altered"


def _canonical(members: Mapping[str, Any]) -> str:
    return json.dumps(members, ensure_ascii=False, sort_keys=True, separators=(",", ":"), default=str)


def _link(previous: str, text: str) -> str:
    return hashlib.sha256(previous.encode() + text.encode()).hexdigest()
