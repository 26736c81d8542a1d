"""``safestats`` in processes of its own, on a folder whose release takes a moment to build."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from unittest.mock import patch

from safestats.sync_server import cli
from safestats.tests.server.engines import environment
from safestats.tests.server.sync_rig import CAMDEN, CITY, DATASET, Incident, Rig
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from typer.testing import CliRunner

PROGRAM = [sys.executable, "-m", "safestats.sync_server.cli"]
MONTHS = [f"2024-{month:02d}" for month in range(1, 13)]
WAIT_SECONDS = 60


def many(first: int, rows: int) -> list[Incident]:
    """So many incidents over a year."""
    return [Incident(n, (CAMDEN, CITY)[n % 2], MONTHS[n % len(MONTHS)]) for n in range(first, first + rows)]


def eventually(what: Callable[[], Any], message: str, seconds: float = WAIT_SECONDS) -> Any:
    """What it says once that is true of something; fails the test when the time is over."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if found := what():
            return found
        time.sleep(0.02)
    raise AssertionError(message)


class Commands:
    """Commands on the folder of a rig."""

    def __init__(self, rig: Rig) -> None:
        self.folder: Path = rig.services.settings.data_dir
        self.environment = environment(rig.services.settings)
        self._database = rig.services.database

    def start(self, *words: str) -> subprocess.Popen[str]:
        """A command that runs on."""
        return subprocess.Popen(
            [*PROGRAM, *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self.environment,
            start_new_session=True,
        )

    def run(self, *words: str) -> str:
        """What a command said; fails the test where it failed."""
        process = self.start(*words)
        out, err = process.communicate(timeout=WAIT_SECONDS)
        assert process.returncode == 0, (words, err)
        return out

    def here(self, *words: str) -> str:
        """As ``run``, in this process, which need not start: for what neither ends nor outlives a process."""
        with patch.dict(os.environ, self.environment):
            result = CliRunner().invoke(cli.app, words)
        assert result.exit_code == 0, (words, result.output, result.exception)
        return result.output

    @contextmanager
    def running(self, *words: str) -> Iterator[subprocess.Popen[str]]:
        """A command that is killed, with all that it started, on leaving."""
        process = self.start(*words)
        try:
            yield process
        finally:
            kill(process)

    @contextmanager
    def paused(self, process: subprocess.Popen[str]) -> Iterator[None]:
        """A command that stands still, holding no lock of the database, until leaving."""

        def stands_still() -> bool:
            os.killpg(process.pid, signal.SIGSTOP)
            time.sleep(0.05)
            try:
                for dataset in ("", DATASET):
                    with self._database.write(1, dataset=dataset) as session:
                        session.connection()
            except OperationalError:
                os.killpg(process.pid, signal.SIGCONT)
                return False
            return True

        eventually(stands_still, "it never lets go of the database")
        try:
            yield
        finally:
            os.killpg(process.pid, signal.SIGCONT)

    def query(self, statement: str) -> list[tuple]:
        """Rows of the database, read past all of the server's code."""
        with self._database.read() as session:
            return [tuple(row) for row in session.execute(text(statement))]

    def jobs(self) -> list[tuple]:
        """Number, state and message of each job."""
        return self.query("SELECT id, state, message FROM publishing_job ORDER BY id")

    def visible(self) -> int:
        """The number of the visible release."""
        return self.query("SELECT coalesce(max(number), 0) FROM release WHERE state = 'published'")[0][0]

    def slices_built(self) -> int:
        """How many slices are recorded."""
        return self.query("SELECT count(*) FROM artefact WHERE kind = 'slice'")[0][0]


def kill(process: subprocess.Popen[str]) -> None:
    """End a command and what it started, at once."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
