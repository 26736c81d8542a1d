"""A load of a supply that is broken off, and two loads at once: nothing twice, nothing by halves, nothing left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from safestats.sync_server.ingest import service
from safestats.sync_server.ingest.models import Delivery
from safestats.sync_server.services import Services, open_services
from safestats.sync_server.settings import Part
from safestats.sync_server.supplies import loading
from safestats.sync_server.supplies.loading import load_next
from safestats.sync_server.supplies.models import Receipt
from safestats.sync_server.supplies.receiving import tidy
from safestats.tests.server.engines import environment, settings_for
from safestats.tests.server.ingest_rig import held, releases
from safestats.tests.server.supplies_rig import Doors, doors_on, las_csv, las_record
from sqlalchemy import select


class Killed(BaseException):
    """The process ends here."""


@pytest.fixture
def doors(tmp_path: Path) -> Iterator[Doors]:
    with doors_on(settings_for(tmp_path / "server")) as made:
        yield made


def receipt(doors: Doors) -> Receipt:
    with doors.publisher.database.read() as session:
        return session.scalars(select(Receipt)).one()


@pytest.mark.parametrize("step", ["before-load", "in-load", "after-load", "before-deleting"])
def test_a_supply_that_was_broken_off_is_taken_up_again(
    doors: Doors, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    where = {
        "before-load": (loading, "load"),
        "in-load": (service.staging, "write"),
        "after-load": (loading, "_finish"),
        "before-deleting": (loading, "_forget"),
    }[step]

    def killed(*_: object, **__: object) -> None:
        raise Killed

    doors.post("records", doors.key(), json=[las_record(1), las_record(2, Call_Date="never")])
    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(*where, killed)
        load_next(doors.publisher)
    assert step == "before-deleting" or receipt(doors).state == "loading"
    doors.load_all()
    told = receipt(doors)
    assert (told.state, told.accepted, told.rejected, len(told.rows)) == ("accepted", 1, 1, 1)
    assert told.published_at_once and told.release == 1 and told.delivery_id
    assert len(held(doors.publisher, "las")) == 1 and releases(doors.publisher, "las") == [(1, "staged")]
    with doors.publisher.database.read() as session:
        assert len(session.scalars(select(Delivery)).all()) == 1
    for path in doors.waiting:
        os.utime(path.parent, (0, 0))
    assert tidy(doors.publisher) == (1 if step == "before-deleting" else 0) and doors.waiting == []


def test_leftovers_of_a_crash_go_and_what_waits_stays(doors: Doors) -> None:
    doors.send(las_csv(1))
    (kept,) = doors.waiting
    left = kept.parent.parent / ("0" * 32)
    left.mkdir()
    (left / "half.csv").write_bytes(las_csv(2))
    for folder in (kept.parent, left):
        os.utime(folder, (0, 0))
    with doors.working():
        until = time.monotonic() + 30
        while (left.exists() or receipt(doors).open) and time.monotonic() < until:
            time.sleep(0.05)
    assert receipt(doors).state == "accepted" and doors.waiting == []


def test_a_process_that_is_killed_leaves_the_supply_to_the_next(doors: Doors) -> None:
    doors.send(las_csv(*range(500)))
    program = (
        "import time\n"
        "from safestats.sync_server.command_line import initialised\n"
        "from safestats.sync_server.ingest.service import staging\n"
        "from safestats.sync_server.supplies.loading import load_next\n"
        "def stuck(*_, **__):\n"
        "    print('loading', flush=True)\n"
        "    time.sleep(60)\n"
        "staging.write = stuck\n"
        "with initialised() as services:\n"
        "    load_next(services)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program], env=environment(doors.publisher.settings), stdout=subprocess.PIPE, text=True
    )
    assert process.stdout and process.stdout.readline() == "loading\n"
    assert not load_next(doors.publisher)  # somebody is at work on it
    assert receipt(doors).state == "loading"
    process.send_signal(signal.SIGKILL)
    process.wait(30)
    assert load_next(doors.publisher) and receipt(doors).accepted == 500


def test_what_breaks_off_every_time_is_given_up(doors: Doors, monkeypatch: pytest.MonkeyPatch) -> None:
    doors.send(las_csv(1))
    (kept,) = doors.waiting
    (kept.parent / "attempts").write_bytes(b"...")  # of processes that were lost while they were at it
    assert load_next(doors.publisher)
    assert receipt(doors).state == "refused" and "broke off" in receipt(doors).refusal and doors.waiting == []


def test_what_was_lost_is_told(doors: Doors) -> None:
    doors.send(las_csv(1))
    for path in doors.waiting:
        path.unlink()
    doors.load_all()
    assert receipt(doors).state == "refused" and "lost" in receipt(doors).refusal


def test_a_failure_is_told_without_its_words(
    doors: Doors, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    cell = "las-00001 of somebody"

    def fails(*_: object, **__: object) -> None:
        raise ValueError(cell)

    doors.send(las_csv(1))
    with monkeypatch.context() as patched:
        patched.setattr(loading, "load", fails)
        doors.load_all()
    told = receipt(doors)
    assert told.state == "refused" and told.number in told.refusal and "somebody" not in told.refusal + caplog.text
    assert "ValueError" in caplog.text and doors.waiting == []


def test_loads_of_one_dataset_at_once_go_one_after_the_other(doors: Doors) -> None:
    """Two processes' worth of loaders, on one dataset: every row is there once, in one staged release."""
    key = doors.key()
    for number in range(8):
        doors.post("records", key, json=[las_record(10 * number + at) for at in range(10)])
    others = [open_services(doors.publisher.settings, Part.PUBLISHER) for _ in range(2)]
    failures: list[BaseException] = []

    def load_all(services: Services) -> None:
        try:
            while load_next(services):
                pass
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=load_all, args=(services,)) for services in others]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(90)
    for services in others:
        services.close()
    doors.load_all()
    assert not failures
    with doors.publisher.database.read() as session:
        found = session.scalars(select(Receipt)).all()
    assert [(one.state, one.accepted, one.release) for one in found] == [("accepted", 10, 1)] * 8
    rows = held(doors.publisher, "las")
    assert len(rows) == 80 == len({row.identity for row in rows}) and releases(doors.publisher, "las") == [
        (1, "staged")
    ]


def test_processes_that_load_the_same_months_do_not_double_a_row(doors: Doors, tmp_path: Path) -> None:
    """The same rows through two doors at once: in the folder of a command, and by its page."""
    path = tmp_path / "2026-03.csv"
    path.write_bytes(las_csv(*range(300)))
    doors.send(las_csv(*range(300), Gender="M"))
    words = [sys.executable, "-m", "safestats.sync_server.cli", "load", "las", str(path)]
    process = subprocess.Popen(words, env=environment(doors.publisher.settings), stderr=subprocess.PIPE, text=True)
    time.sleep(1.0)
    doors.load_all()
    assert process.communicate(timeout=90)[1] == "" and process.returncode == 0
    rows = held(doors.publisher, "las")
    assert len(rows) == 300 == len({row.identity for row in rows}) and len({row.gender for row in rows}) == 1
