"""The process whose children run a command and are killed at the Nth statement, write, rename or removal.

Started by ``crash_rig.Runner`` with the fault library preloaded. It imports what a command needs and runs none itself,
so that each child begins as fresh as a command that was just typed. An order is a line of JSON; so is its answer.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from safestats.sync_server import cli
from safestats.sync_server.domains import domains
from safestats.tests.end_to_end.faults import Kind, Outcome, bound
from sqlalchemy import Connection, Engine, event

LIBRARY = bound(Path(sys.argv[1])) if len(sys.argv) > 1 else None
TIMEOUT_S = 120


class Statements:
    """Counts statements and commits of SQLAlchemy; the Nth is never reached."""

    def __init__(self, number: int) -> None:
        self.count = 0
        self._number = number
        event.listen(Engine, "before_cursor_execute", self._execute)
        event.listen(Engine, "commit", self._commit)

    def _execute(self, *_: object) -> None:
        self._strike()

    def _commit(self, _connection: Connection) -> None:
        self._strike()

    def _strike(self) -> None:
        self.count += 1
        if self.count == self._number:
            os.kill(os.getpid(), signal.SIGKILL)


def run(order: dict[str, Any]) -> dict[str, Any]:
    """Type the command, in a child."""
    os.environ.update(order["environment"])
    said = os.open(order["said"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.dup2(said, 1)
    os.dup2(said, 2)
    kind, number = order["kind"], order["number"]
    statements = Statements(number if kind == "statement" else 0)
    if LIBRARY is not None:
        struck = kind not in ("", "statement")
        outcome = Outcome.TORN if order["torn"] else Outcome.KILL
        LIBRARY.faults_arm(
            order["folder"].encode(), Kind[kind.upper()] if struck else 0, outcome, 0, number if struck else 0, 0
        )
    status = 0
    sys.argv = ["safestats", *order["words"]]
    try:
        cli.main()
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
    for domain in domains():
        __import__(f"safestats.sync_server.{domain}.commands")
    from safestats.sync_server.ingest import service  # noqa: F401
    from safestats.sync_server.publishing import worker  # noqa: F401
    from safestats.sync_server.recall import service as recalling  # noqa: F401

    print("ready", flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        print(json.dumps(in_child(lambda order=order: run(order))), flush=True)


if __name__ == "__main__":
    main()
