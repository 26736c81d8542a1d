"""What was done at this desk, noted for the audit: a line in a file at once, sent when there is a server.

The server marks these as reported by the client. Each has an id of its own, so that sending twice counts once.
"""

from __future__ import annotations

import json
import os
import threading
import uuid
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from enum import Enum
from pathlib import Path
from typing import Any

from qgis.PyQt.QtCore import QLockFile

from .errors import Cancelled, DeskError, LocalCopyTrouble
from .replacing import put_in_place
from .transport import Cancel, Transport, never

_AT_ONCE = 200
_LOCK_WAIT_MS = 5000
_LOOK_AGAIN_S = 0.3
_INVALID = "invalid-request"
_REFUSED = "note.refused"  # how the server is told of a note that it would not take
_LONGEST_NOTE, _LONGEST_WHY = 2000, 500  # characters of it, and of why
_TOLD = "told"
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
        self._sending = threading.Lock()

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
            return [entry["event"] for entry in self._entries(self._path) if entry["account"] == account]

    def send(self, account: str, transport: Transport, cancelled: Cancel = never) -> int:
        """Send what waits for ``account``; the number sent. What the server has leaves the queue.

        One that the server calls invalid is set aside in a file of its own: it must not hold up the others.
        Several tasks may ask at once: one sends for all.
        """
        while not self._sending.acquire(timeout=_LOOK_AGAIN_S):
            if cancelled():
                raise Cancelled
        try:
            return self._send(account, transport, cancelled)
        finally:
            self._sending.release()

    def _send(self, account: str, transport: Transport, cancelled: Cancel) -> int:
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
        self._tell_refused(account, transport, cancelled)
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
                    self._append(self._refused, account, event, why=str(error.extra.get("why", error.sentence)))
            self._drop([event])
        return sent

    @property
    def _refused(self) -> Path:
        return self._path.with_suffix(".refused")

    def _tell_refused(self, account: str, transport: Transport, cancelled: Cancel) -> None:
        """Tell the server what notes it would not take, so that somebody hears of them; each once.

        A server that does not know how to be told leaves them to the next time.
        """
        with self._locked():
            untold = [entry for entry in self._entries(self._refused) if _is_untold(entry, account)]
        for first in range(0, len(untold), _AT_ONCE):
            some = untold[first : first + _AT_ONCE]
            try:
                body = {"events": [_of_refused(entry) for entry in some]}
                transport.post_json("/v1/events", body, cancelled=cancelled)
            except DeskError as error:
                if error.code != _INVALID:
                    raise
                return
            told = {entry["event"]["id"] for entry in some}
            with self._locked():
                entries = self._entries(self._refused)
                for entry in entries:
                    if entry["account"] == account and entry["event"]["id"] in told:
                        entry[_TOLD] = True
                self._keep(entries, self._refused)

    def _drop(self, events: list[dict[str, Any]]) -> None:
        gone = {event["id"] for event in events}
        with self._locked():
            self._keep([entry for entry in self._entries(self._path) if entry["event"]["id"] not in gone], self._path)

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
    def _append(path: Path, account: str, *events: dict[str, Any], **more: str) -> None:
        # Ended on both sides: whatever a killed QGIS left of its last line stays a line of its own.
        entries = [{"account": account, "event": event, **more} for event in events]
        lines = [json.dumps(entry, ensure_ascii=False) + "\n" for entry in entries]
        line = "\n" + "".join(lines)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(handle, "ab") as file:
            file.write(line.encode())
            file.flush()
            os.fsync(file.fileno())

    @staticmethod
    def _entries(path: Path) -> list[dict[str, Any]]:
        if not path.exists():
            return []
        entries = []
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                entries.append(json.loads(line))
            except ValueError:
                continue  # the last line of a QGIS that was killed while writing
        return entries

    @staticmethod
    def _keep(entries: list[dict[str, Any]], path: Path) -> None:
        rest = path.with_suffix(f"{path.suffix}.part")
        handle = os.open(rest, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.writelines(json.dumps(entry, ensure_ascii=False) + "\n" for entry in entries)
            file.flush()
            os.fsync(file.fileno())
        put_in_place(rest, path)


def _event(kind: EventKind, dataset: str, filters: dict[str, Any], rows: int | None) -> dict[str, Any]:
    return {
        "id": str(uuid.uuid4()),
        "kind": kind.value,
        "at": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "dataset": dataset,
        "filter": _fitting(filters),
        "rows": rows,
    }


def _is_untold(entry: dict[str, Any], account: str) -> bool:
    return entry["account"] == account and not entry.get(_TOLD)


def _of_refused(entry: dict[str, Any]) -> dict[str, Any]:
    """A note about a note: its id comes of the other's, so that telling it twice counts once."""
    note = json.dumps(entry["event"], ensure_ascii=False)
    return {
        "id": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{_REFUSED}:{entry['event']['id']}")),
        "kind": _REFUSED,
        "at": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "dataset": "",
        "filter": _fitting({"note": note[:_LONGEST_NOTE], "why": str(entry.get("why", ""))[:_LONGEST_WHY]}),
        "rows": None,
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
