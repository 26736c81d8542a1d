"""Two QGIS at the same local copies, the second a process of its own."""

from __future__ import annotations

import itertools
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from safestats.qgis_plugin.core import layers
from safestats.qgis_plugin.core.desk import Desk
from safestats.qgis_plugin.core.errors import DeskError
from safestats.qgis_plugin.core.in_use import InUse, is_in_use
from safestats.qgis_plugin.core.pull import PullKind, PullResult

WAIT_S = 120
SECOND = Path(__file__).with_name("second_qgis.py")
SEEDS = itertools.count(7000)


class SecondQgis:
    """The other process; ``said(key)`` waits for its next line that has ``key``."""

    def __init__(self, server: str, root: Path, password: str, purpose: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, SECOND, server, root, password, purpose],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "QT_QPA_PLATFORM": "offscreen"},
        )
        self._lines: queue.Queue[dict[str, Any]] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in self.process.stdout:
            if line.startswith("{"):
                self._lines.put(json.loads(line))

    def tell(self, command: str) -> None:
        self.process.stdin.write(f"{command}\n")
        self.process.stdin.flush()

    def said(self, key: str) -> Any:
        while True:
            line = self._lines.get(timeout=WAIT_S)
            assert "failed" not in line or key == "failed", line
            if key in line:
                return line[key]


@pytest.fixture
def second(desk: Desk, live_server, sign_in) -> Iterator[SecondQgis]:
    """ada has signed in here and there."""
    sign_in(live_server.url, "ada")
    other = SecondQgis(live_server.url, desk.store.root, live_server.password, live_server.purpose)
    try:
        assert other.said("ready")
        yield other
    finally:
        other.process.kill()
        other.process.wait(10)


@pytest.fixture
def pull(desk: Desk, qtbot) -> Callable[[], PullResult]:
    def act() -> PullResult:
        ended: list[Any] = []
        desk.pull("colp", "colp", ended.append, ended.append)
        qtbot.waitUntil(lambda: bool(ended), timeout=WAIT_S * 1000)
        assert not isinstance(ended[0], DeskError), ended[0]
        return ended[0]

    return act


def publish_changes(live_server) -> None:
    live_server.publish(("2025-09", 150, next(SEEDS)))


def test_a_file_that_another_qgis_shows_stays_until_it_has_moved_over(
    second: SecondQgis, desk: Desk, pull, live_server, qtbot
) -> None:
    former = pull().copy.path
    second.tell("open")
    assert second.said("opened") == str(former)
    qtbot.waitUntil(lambda: is_in_use(former), timeout=WAIT_S * 1000)
    account = former.parent.parent.name
    qtbot.waitUntil(lambda: not desk.events.waiting(account), timeout=WAIT_S * 1000)  # it has sent its note of use
    second.process.send_signal(signal.SIGSTOP)  # stopped, it can notice nothing
    publish_changes(live_server)
    copy = pull().copy
    desk.settle()
    assert former.exists() and copy.path.exists()
    assert desk.store.remove_lapsed(copy.valid_until.replace(year=2000)) == []
    assert former.exists()
    second.process.send_signal(signal.SIGCONT)
    assert second.said("layer") == str(copy.path)  # by itself
    second.tell("path")
    assert second.said("shown") == [str(copy.path)]
    qtbot.waitUntil(lambda: not former.exists(), timeout=WAIT_S * 1000)
    assert copy.path.exists()


def test_what_a_killed_qgis_showed_goes(second: SecondQgis, desk: Desk, pull, live_server, qtbot) -> None:
    former = pull().copy.path
    second.tell("open")
    second.said("opened")
    qtbot.waitUntil(lambda: is_in_use(former), timeout=WAIT_S * 1000)
    second.process.kill()
    second.process.wait(10)
    publish_changes(live_server)
    copy = pull().copy
    qtbot.waitUntil(lambda: not former.exists(), timeout=WAIT_S * 1000)
    assert sorted(path.suffix for path in copy.path.parent.iterdir() if path.suffix == ".shown") == []


def test_a_pull_in_the_other_moves_the_layers_here(second: SecondQgis, desk: Desk, pull, live_server, qtbot) -> None:
    former = pull().copy.path
    layer = desk.open_layer("colp")
    chosen = "\"category\" = 'Drugs'"
    layer.setSubsetString(chosen)
    layer.setName("Ours")
    qtbot.waitUntil(lambda: is_in_use(former), timeout=WAIT_S * 1000)
    publish_changes(live_server)
    release = layers.facts(layer).release
    with qtbot.waitSignal(desk.layer_opened, timeout=WAIT_S * 1000):
        second.tell("pull")
    assert second.said("pulled") in ("whole", "updated")
    assert layers.shown_path(layer) != former and layer.isValid()
    assert layer.subsetString() == chosen and layer.name() == "Ours"
    assert layers.facts(layer).release == release + 1 == desk.copy("colp").manifest.release
    qtbot.waitUntil(lambda: not former.exists(), timeout=WAIT_S * 1000)


def test_a_pull_waits_for_the_other_and_then_finds_the_copy_current(
    second: SecondQgis, desk: Desk, pull, live_server
) -> None:
    pull()
    with desk.copies.lock("colp"):
        second.tell("pull")
        while "Another QGIS" not in second.said("stage"):
            pass
    assert second.said("pulled") == PullKind.UNCHANGED.value


def test_a_pull_that_waits_can_be_cancelled(second: SecondQgis, desk: Desk, qtbot) -> None:
    ended: list[Any] = []
    with desk.copies.lock("colp"):
        task = desk.pull("colp", "colp", ended.append, ended.append)
        with qtbot.waitSignal(task.reported, check_params_cb=lambda stage, *_: "Another QGIS" in stage):
            pass
        task.cancel()
        qtbot.waitUntil(lambda: bool(ended), timeout=20_000)  # long before the server or the lock would be given up
    assert ended[0].code == "cancelled"


def test_a_copy_that_the_other_removed_is_closed_here(second: SecondQgis, desk: Desk, pull, qtbot) -> None:
    copy = pull().copy
    second.tell("open")
    second.said("opened")
    qtbot.waitUntil(lambda: is_in_use(copy.path), timeout=WAIT_S * 1000)
    assert desk.give_up("colp")
    assert "another QGIS removed the local copy" in second.said("told")
    second.tell("path")
    assert second.said("shown") == []
    qtbot.waitUntil(lambda: not copy.path.exists(), timeout=WAIT_S * 1000)


def test_marks_are_ones_own(tmp_path: Path) -> None:
    file, other = tmp_path / "a.gpkg", tmp_path / "b.gpkg"
    one, two = InUse(), InUse()
    one.show({file})
    two.show({file, other})
    one.show(set())
    assert is_in_use(file) and is_in_use(other)
    two.show({other})
    assert not is_in_use(file) and is_in_use(other)
    two.show(set())
    assert list(tmp_path.iterdir()) == []
