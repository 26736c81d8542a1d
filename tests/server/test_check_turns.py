"""Two checks at a time, while all else goes on; and what ended is started again."""

from __future__ import annotations

import os
import signal
import socket
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from httpx import Response
from safestats.sync_server.publishing.supervisor import pause_after
from safestats.tests.server.engines import settings_for
from safestats.tests.server.identity_rig import code
from safestats.tests.server.jobs_rig import Commands, eventually
from safestats.tests.server.supplies_rig import Doors, doors_on, las_csv
from safestats.tests.server.sync_rig import Rig

# Made above the database: one engine will do in every commit, the other is for `make test-slow`.
pytestmark = pytest.mark.above_engines


@pytest.fixture
def doors(tmp_path: Path) -> Iterator[Doors]:
    with doors_on(settings_for(tmp_path / "server")) as made:
        yield made


@pytest.fixture
def commands(tmp_path: Path) -> Commands:
    return Commands(Rig.make(tmp_path / "server"))


def test_a_third_check_at_once_is_asked_to_come_back(doors: Doors) -> None:
    def check() -> Response:
        return doors.post("check", doors.key(), files=[("file", ("a.csv", las_csv(1)))])

    turns = doors.client.app.state.services.check_turns
    with turns.turn():
        assert check().status_code == 200
        with turns.turn():
            refused = check()
            assert code(refused) == (429, "too-many-checks") and int(refused.headers["Retry-After"]) > 0
            assert doors.client.get("/v1/health").status_code == 200
    assert check().status_code == 200


def test_a_worker_that_lived_for_a_while_is_started_again_at_once() -> None:
    pause, pauses = 0.5, []
    for lived in (0, 1, 1, 1, 1, 1, 1, 1, 299, 301, 1):
        pause = pause_after(pause, lived)
        pauses.append(pause)
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60, 1, 2]


def test_a_web_process_that_was_killed_is_started_again(commands: Commands) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]

    def answers() -> bool:
        with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/health", timeout=1):
            return True
        return False

    def webs() -> set[int]:
        found = Path(f"/proc/{serving.pid}/task").glob("*/children")
        children = {int(child) for path in found for child in path.read_text().split()}
        return {child for child in children if "serve" in Path(f"/proc/{child}/cmdline").read_text()}

    with commands.running("serve", "--port", str(port)) as serving:
        eventually(answers, "the server does not answer")
        first = eventually(webs, "there is no web process")
        for child in first:
            os.kill(child, signal.SIGKILL)
        eventually(lambda: webs() - first and answers(), "it is not started again")
