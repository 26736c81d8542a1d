"""The process whose children run a command and are killed at the Nth statement, write, rename or removal.

Started by ``crash_rig.Runner`` with the fault library preloaded. It imports what a command needs and runs none itself:
it has no thread and no connection when it forks, so that each child begins as fresh as a command that was just typed.
An order is a line of JSON; so is its answer.
"""

from __future__ import annotations

import ctypes
import gc
import io
import json
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

from safestats.sync_server import cli
from safestats.sync_server.command_line import initialised
from safestats.sync_server.domains import domains
from safestats.sync_server.identity.supplies import Supplier
from safestats.sync_server.publishing.jobs import Jobs
from safestats.sync_server.publishing.worker import do_next
from safestats.sync_server.supplies.loading import load_next
from safestats.sync_server.supplies.models import Door, Receipt
from safestats.sync_server.supplies.receiving import Sent, receive
from safestats.tests.end_to_end.faults import Kind, Outcome, bound
from sqlalchemy import Connection, Engine, event
from sqlalchemy.orm import configure_mappers

LIBRARY = bound(Path(sys.argv[1])) if sys.argv[1] else None
# Where a command that is walked through tells of each moment, and where it is let go on.
TELLING, ANSWERED = map(int, sys.argv[2:])
TIMEOUT_S, WALK_S = 120, 3600
# What commands import where they use it.
_LATE = (
    "numpy.ma",
    "rich._emoji_codes",
    "safestats.sync_server.ingest.service",
    "safestats.sync_server.recall.reports",
    "safestats.sync_server.recall.service",
    "safestats.sync_server.spatial.postgis",
    "safestats.sync_server.spatial.spatialite",
)


class Statements:
    """Counts statements and commits of SQLAlchemy; the Nth is never reached. ``tell`` is called before each."""

    def __init__(self, number: int, tell: Callable[[], None]) -> None:
        self.count = 0
        self._number = number
        self._tell = tell
        event.listen(Engine, "before_cursor_execute", self._execute)
        event.listen(Engine, "commit", self._commit)

    def _execute(self, *_: object) -> None:
        self._strike()

    def _commit(self, _connection: Connection) -> None:
        self._strike()

    def _strike(self) -> None:
        self.count += 1
        self._tell()
        if self.count == self._number:
            os.kill(os.getpid(), signal.SIGKILL)


def supply(dataset: str, path: str) -> None:
    """Take a supplier's file in, under one Idempotency-Key, and load what waits: a door and the worker behind it."""
    with initialised() as services:
        supplier = Supplier("supplier", "camden", "Camden", ((dataset, ""),))
        sent = Sent(Path(path).name, io.BytesIO(Path(path).read_bytes()))
        received = receive(services, supplier, Door.API, dataset, "", [sent], key="sent-once")
        while load_next(services):
            pass
        with services.database.read() as session:
            told = session.get_one(Receipt, received.receipt.receipt_id)
    print(f"{told.state}: {told.accepted} accepted, {told.rejected} rejected, {told.duplicates} twice.", flush=True)


def take_up() -> None:
    """Do what is asked for or was broken off, as the worker does."""
    with initialised() as services:
        jobs = Jobs(services.database)
        while jobs.any_open() and do_next(services, jobs):
            pass


def run(order: dict[str, Any]) -> dict[str, Any]:
    """Type the command, in a child."""
    os.environ.update(order["environment"])
    said = os.open(order["said"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.dup2(said, 1)
    os.dup2(said, 2)
    words, kind, number = order["words"], order["kind"], order["number"]
    walked = order["walked"] and LIBRARY is not None
    if walked:
        signal.alarm(WALK_S)
        LIBRARY.faults_watch(TELLING, ANSWERED)
    if walked or number:
        # What is done twice a second is done as often in a walk as in a run.
        began = time.monotonic()
        time.monotonic = lambda: began
    statements = Statements(
        number if kind == "statement" else 0, (lambda: LIBRARY.faults_moment(b"S")) if walked else lambda: None
    )
    if LIBRARY is not None:
        struck = kind not in ("", "statement")
        outcome = Outcome.TORN if order["torn"] else Outcome.KILL
        LIBRARY.faults_arm(
            order["folder"].encode(), Kind[kind.upper()] if struck else 0, outcome, 0, number if struck else 0, 0
        )
    status = 0
    sys.argv = ["safestats", *words]
    try:
        {supply.__name__: supply, take_up.__name__: take_up}.get(words[0], lambda *_: cli.main())(*words[1:])
    except SystemExit as ended:
        status = int(ended.code or 0)
    calls = {"statement": statements.count}
    if LIBRARY is not None:
        LIBRARY.faults_disarm()
        calls |= {each.name.lower(): LIBRARY.faults_calls(each) for each in Kind}
    return {"status": status, "calls": calls}


def in_child(work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What ``work`` returned in a forked child; ``killed`` where it was."""
    reading, writing = os.pipe()
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        os.close(reading)
        signal.alarm(TIMEOUT_S)
        try:
            answer = work()
        except BaseException:
            answer = {"crash": traceback.format_exc()}
        os.write(writing, json.dumps(answer).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        answered = pipe.read()
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
        return {"killed": True}
    return json.loads(answered) if answered else {"crash": f"the child ended with status {status}"}


def main() -> None:
    for name in (*_LATE, *(f"safestats.sync_server.{domain}.commands" for domain in domains())):
        import_module(name)
    configure_mappers()
    with suppress(OSError):
        ctypes.CDLL("mod_spatialite.so")  # else each child links it anew
    gc.disable()
    gc.freeze()  # what children do not collect they need not copy
    assert threading.active_count() == 1

    print("ready", flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        print(json.dumps(in_child(lambda order=order: run(order))), flush=True)


if __name__ == "__main__":
    main()
