"""What was done at this desk, noted for the audit: a line in a file at once, sent when there is a server.

The server marks these as reported by the client. Each has an id of its own, so that sending twice counts once.
"""

from __future__ import annotations

import json
import os
import uuid
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from enum import Enum
from pathlib import Path
from typing import Any

from qgis.PyQt.QtCore import QLockFile

from .errors import DeskError, LocalCopyTrouble
from .replacing import put_in_place
from .transport import Cancel, Transport, never

_AT_ONCE = 200
_LOCK_WAIT_MS = 5000
_INVALID = "invalid-request"
_LARGEST_FILTER = 4000  # bytes of JSON; the server takes 4096
_CUT = "cut"


class EventKind(Enum):
    """What can be done with a dataset at the desk."""

    PROXIMITY_SEARCH = "proximity.search"
    HOTSPOT_RUN = "hotspot.run"
    MAP_EXPORT = "map.export"
    LAYER_OPENED = "layer.opened"
    EXPLORED = "explore.run"
    TIME_CHARTS = "time.charts"
    TABLE_EXPORT = "table.export"


class EventQueue:
    """The queue in one file for all accounts of this machine's user; each event belongs to one."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._held: deque[tuple[str, dict[str, Any]]] = deque()

    def hold(self, account: str, kind: EventKind, dataset: str, filters: dict[str, Any], rows: int | None) -> None:
        """Keep one event in memory until ``write_held`` has put it on the disk."""
        self._held.append((account, _event(kind, dataset, filters, rows)))

    def write_held(self) -> None:
        """Put what is held at the end of the queue; what cannot be written stays held, and the trouble is raised.

        Of one thread only.
        """
        while self._held:
            with self._locked():
                self._append(self._path, *self._held[0])
            self._held.popleft()

    def record(self, account: str, kind: EventKind, dataset: str, filters: dict[str, Any], rows: int | None) -> None:
        """Put one event at the end of the queue; it is on the disk when this returns."""
        with self._locked():
            self._append(self._path, account, _event(kind, dataset, filters, rows))

    def record_all(self, account: str, kind: EventKind, uses: Sequence[tuple[str, dict[str, Any], int | None]]) -> None:
        """Put one event for each (dataset, filters, rows) at the end of the queue: all are on the disk, or none.

        Raises ``LocalCopyTrouble`` or ``OSError`` where they cannot be kept.
        """
        with self._locked():
            before = self._path.stat().st_size if self._path.exists() else 0
            try:
                self._append(self._path, account, *(_event(kind, *use) for use in uses))
            except OSError:
                with suppress(OSError):
                    os.truncate(self._path, before)
                raise

    def waiting(self, account: str) -> list[dict[str, Any]]:
        """The events of ``account`` that the server has not accepted yet, oldest first."""
        with self._locked():
            return [entry["event"] for entry in self._entries() if entry["account"] == account]

    def send(self, account: str, transport: Transport, cancelled: Cancel = never) -> int:
        """Send what waits for ``account``; the number sent. What the server has leaves the queue.

        One that the server calls invalid is set aside in a file of its own: it must not hold up the others.
        """
        sent = 0
        while batch := self.waiting(account)[:_AT_ONCE]:
            try:
                transport.post_json("/v1/events", {"events": batch}, cancelled=cancelled)
            except DeskError as error:
                if error.code != _INVALID:
                    raise
                sent += self._send_singly(account, batch, transport, cancelled)
                continue
            self._drop(batch)
            sent += len(batch)
        return sent

    def _send_singly(self, account: str, batch: list[dict[str, Any]], transport: Transport, cancelled: Cancel) -> int:
        sent = 0
        for event in batch:
            try:
                transport.post_json("/v1/events", {"events": [event]}, cancelled=cancelled)
                sent += 1
            except DeskError as error:
                if error.code != _INVALID:
                    raise
                with self._locked():
                    self._append(self._path.with_suffix(".refused"), account, event)
            self._drop([event])
        return sent

    def _drop(self, events: list[dict[str, Any]]) -> None:
        gone = {event["id"] for event in events}
        with self._locked():
            self._keep([entry for entry in self._entries() if entry["event"]["id"] not in gone])

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Alone with the file, among threads and among several QGIS."""
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = QLockFile(f"{self._path}.lock")
        if not lock.tryLock(_LOCK_WAIT_MS):
            raise LocalCopyTrouble(
                f"The notes of use in {self._path.parent} are held by another program. Close other QGIS "
                "windows, then try again.",
                "events-busy",
            )
        try:
            yield
        finally:
            lock.unlock()

    @staticmethod
    def _append(path: Path, account: str, *events: dict[str, Any]) -> None:
        # Ended on both sides: whatever a killed QGIS left of its last line stays a line of its own.
        lines = [json.dumps({"account": account, "event": event}, ensure_ascii=False) + "\n" for event in events]
        line = "\n" + "".join(lines)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(handle, "ab") as file:
            file.write(line.encode())
            file.flush()
            os.fsync(file.fileno())

    def _entries(self) -> list[dict[str, Any]]:
        if not self._path.exists():
            return []
        entries = []
        for line in self._path.read_text(encoding="utf-8").splitlines():
            try:
                entries.append(json.loads(line))
            except ValueError:
                continue  # the last line of a QGIS that was killed while writing
        return entries

    def _keep(self, entries: list[dict[str, Any]]) -> None:
        rest = self._path.with_suffix(".part")
        handle = os.open(rest, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.writelines(json.dumps(entry, ensure_ascii=False) + "\n" for entry in entries)
            file.flush()
            os.fsync(file.fileno())
        put_in_place(rest, self._path)


def _event(kind: EventKind, dataset: str, filters: dict[str, Any], rows: int | None) -> dict[str, Any]:
    return {
        "id": str(uuid.uuid4()),
        "kind": kind.value,
        "at": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "dataset": dataset,
        "filter": _fitting(filters),
        "rows": rows,
    }


def _fitting(filters: dict[str, Any]) -> dict[str, Any]:
    """``filters`` no larger than the server takes: the longest are cut, for a note that it refuses tells it nothing."""
    told = dict(filters)
    while _size(told) > _LARGEST_FILTER:
        longest = max((name for name in told if name != _CUT), key=lambda name: _size(told[name]))
        value = told[longest]
        told[_CUT] = True
        if isinstance(value, (list, tuple, str)) and len(value) > 1:
            told[longest] = value[: len(value) // 2]
        else:
            del told[longest]
    return told


def _size(value: object) -> int:
    return len(json.dumps(value, ensure_ascii=False).encode(errors="replace"))
