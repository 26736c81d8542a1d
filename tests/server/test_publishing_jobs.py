"""Publishing in the background: workers, commands that wait for them, cancelling, and sudden deaths."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import time
import urllib.request
from contextlib import nullcontext, suppress
from datetime import timedelta
from pathlib import Path

import pytest
from safestats.sync_server.agreements.models import AgreementState
from safestats.sync_server.agreements.scope import live_scopes
from safestats.sync_server.errors import SafeStatsError
from safestats.sync_server.instants import now
from safestats.sync_server.progress import silent
from safestats.sync_server.publishing.jobs import Jobs
from safestats.sync_server.publishing.models import Artefact, JobKind, JobState
from safestats.sync_server.publishing.service import lacks_files, publish
from safestats.sync_server.publishing.worker import see_through
from safestats.sync_server.publishing.worker_lock import worker_lives
from safestats.sync_server.services import open_services
from safestats.sync_server.settings import Part, Settings
from safestats.sync_server.sync.layer import Layer, published_layer
from safestats.tests.server.engines import fill, settings_for
from safestats.tests.server.jobs_rig import MONTHS, Commands, eventually, kill, many
from safestats.tests.server.sync_rig import CAMDEN, CITY, DATASET, Incident, Rig, incidents
from sqlalchemy import select

ROWS = 3_000
AGREEMENTS = {
    "gla": {"areas": (CAMDEN, CITY, "unplaced")},
    "camden": {"areas": (CAMDEN,)},
    "city": {"areas": (CITY,), "precision": "grid", "grid_m": 250},
}


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    """Release 1 of eleven rows is visible to three; release 2, of twelve months, is staged."""
    settings = settings_for(tmp_path / "server")
    fill(settings, stage_much)
    return Rig(open_services(settings, Part.PUBLISHER))


def stage_much(settings: Settings) -> None:
    made = Rig.on(settings)
    for code, grant in AGREEMENTS.items():
        made.organisation(code)
        made.agree(code, grant)
    made.stage(*incidents())
    publish(made.services, DATASET)
    made.stage(*many(100, ROWS))
    made.services.close()


@pytest.fixture
def commands(rig: Rig) -> Commands:
    return Commands(rig)


def layers(rig: Rig) -> list[Layer]:
    with rig.services.database.read() as session:
        scopes = live_scopes(session, DATASET, rig.services.definitions, now().date())
        return [published_layer(session, scope) for scope in scopes]


def sound(rig: Rig) -> bool:
    """Whether every file of every layer is there with the size that is recorded, snapshots included."""
    found = [(layer.snapshot, *(a for _, a in layer.slices)) for layer in layers(rig)]
    return all(a is not None and rig.store.path(a.name).stat().st_size == a.size for files in found for a in files)


def rows_seen(rig: Rig) -> set[int]:
    return {layer.rows for layer in layers(rig)}


ASKED_TO_STOP = "SELECT 1 FROM publishing_job WHERE cancel_requested AND state NOT IN ('cancelled', 'done')"
OLD, NEW = {11, 5, 3}, {11 + ROWS, 5 + ROWS // 2, 3 + ROWS // 2}


def test_a_command_does_the_work_itself_where_no_worker_lives(rig: Rig, commands: Commands) -> None:
    assert "release 2 is published" in commands.run("publish", DATASET)
    assert rows_seen(rig) == NEW and sound(rig)
    ((_, state, message),) = commands.jobs()
    assert state == "done" and "release 2" in message
    assert "done" in commands.here("jobs") and "nothing to cancel" in commands.here("publish", DATASET, "--cancel")


def test_a_worker_does_it_in_the_background(rig: Rig, commands: Commands) -> None:
    told = commands.here("publish", DATASET, "--background")
    assert "job 1" in told and "no worker lives" in told
    assert commands.visible() == 1
    with commands.running("worker"):
        eventually(lambda: commands.jobs()[0][1] == "done", "the job is not done")
        assert rows_seen(rig) == NEW and sound(rig)
        rig.stage(Incident(90_000, CITY, "2025-03"))
        assert "release 3 is published" in commands.run("publish", DATASET)
        other = commands.start("worker")
        assert "A worker lives already" in other.communicate(timeout=60)[1]


def test_people_see_the_months_before_the_whole_layers_are_built(rig: Rig, commands: Commands) -> None:
    with commands.running("publish", DATASET) as publishing:
        eventually(lambda: commands.visible() == 2, "release 2 does not show")
        kill(publishing)
    seen = layers(rig)
    assert {layer.rows for layer in seen} == NEW
    assert any(layer.snapshot is None for layer in seen)
    assert all(layer.size > 0 for layer in seen)
    assert lacks_files(rig.services, DATASET, now().date())
    assert "release 2 stays" in commands.here("publish", DATASET)
    assert sound(rig)


def test_cancelling_leaves_the_visible_release(rig: Rig, commands: Commands) -> None:
    with commands.running("worker") as worker:
        commands.here("publish", DATASET, "--background")
        eventually(lambda: commands.slices_built() > 15, "nothing is built")
        # The command takes longer to start than a quick machine to publish: the worker stands still until it has asked.
        with commands.paused(worker):
            cancelling = commands.start("publish", DATASET, "--cancel")
            eventually(lambda: commands.query(ASKED_TO_STOP), "nobody asks")
        told, _ = cancelling.communicate(timeout=60)
    assert "is cancelled" in told and "release 1 is what people see" in told
    assert commands.visible() == 1 and rows_seen(rig) == OLD and sound(rig)
    kept = commands.slices_built()
    assert "release 2 is published" in commands.here("publish", DATASET)
    assert commands.slices_built() >= kept and rows_seen(rig) == NEW


def test_the_first_interrupt_cancels_and_says_what_shows(rig: Rig, commands: Commands) -> None:
    for worker in (False, True):
        living = commands.start("worker") if worker else None
        if living:
            eventually(lambda: worker_lives(rig.services.settings.data_dir), "it does not live")
        publishing = commands.start("publish", DATASET)
        before = commands.slices_built()
        eventually(lambda before=before: commands.slices_built() > before, "nothing is built")
        # A worker of its own must not be through before it is asked to stop.
        with commands.paused(living) if living else nullcontext():
            os.kill(publishing.pid, signal.SIGINT)
            if living:
                eventually(lambda: commands.query(ASKED_TO_STOP), "nobody asks")
        out, err = publishing.communicate(timeout=20)
        assert publishing.returncode == 1 and "cancelled; release 1 is what people see" in err, (out, err)
        if living:
            kill(living)
    assert [state for _, state, _ in commands.jobs()] == ["cancelled", "cancelled"]
    assert rows_seen(rig) == OLD and sound(rig)


def test_an_interrupt_cancels_no_job_but_its_own(rig: Rig) -> None:
    jobs = Jobs(rig.services.database)
    other = jobs.request(DATASET, JobKind.PLACE, actor="somebody")
    own, joined = jobs.join(DATASET, JobKind.PUBLISH)
    assert not joined
    assert see_through(rig.services, own, silent, lambda: True).state == JobState.CANCELLED
    assert jobs.get(other).state == JobState.WAITING and not jobs.get(other).cancel_requested


def test_an_interrupt_leaves_a_job_that_was_asked_for_before(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = Jobs(rig.services.database)
    asked = jobs.request(DATASET, JobKind.PUBLISH, actor="somebody")
    assert jobs.join(DATASET, JobKind.PUBLISH) == (asked, True)
    monkeypatch.setattr("safestats.sync_server.publishing.worker.worker_lives", lambda _folder: True)
    with pytest.raises(SafeStatsError, match=f"job {asked} was asked for before, so it is not cancelled and goes on"):
        see_through(rig.services, asked, silent, lambda: True, joined=True)
    assert jobs.get(asked).state == JobState.WAITING and not jobs.get(asked).cancel_requested


def test_an_interrupt_puts_back_what_it_did_of_a_job_that_was_asked_for_before(rig: Rig, commands: Commands) -> None:
    commands.here("publish", DATASET, "--background")
    before = commands.slices_built()
    with commands.running("publish", DATASET) as publishing:
        eventually(lambda: commands.slices_built() > before, "nothing is built")
        os.kill(publishing.pid, signal.SIGINT)
        _, err = publishing.communicate(timeout=20)
    said = " ".join(err.split())
    assert publishing.returncode == 1 and "job 1 was asked for before" in said and "waits for a worker" in said, err
    assert commands.jobs() == [(1, "waiting", "")] and rows_seen(rig) == OLD
    (left,) = commands.query("SELECT attempts, process, step FROM publishing_job")
    assert left == (0, None, "")
    assert "release 2 is published" in commands.here("publish", DATASET)
    assert [state for _, state, _ in commands.jobs()] == ["done"] and rows_seen(rig) == NEW and sound(rig)


def test_a_job_whose_worker_died_goes_on_where_it_stopped(rig: Rig, commands: Commands) -> None:
    with commands.running("worker"):
        commands.here("publish", DATASET, "--background")
        eventually(lambda: commands.slices_built() > 20, "nothing is built")
    built = dict(commands.query("SELECT name, created_at FROM artefact"))
    assert commands.jobs()[0][1] == "running" and commands.visible() == 1
    with commands.running("worker"):
        eventually(lambda: commands.jobs()[0][1] == "done", "the job is not done")
    assert rows_seen(rig) == NEW and sound(rig)
    after = dict(commands.query("SELECT name, created_at FROM artefact"))
    assert built.items() <= after.items(), "what was built is built no second time"
    assert "release 2" in commands.jobs()[0][2]


def killed_while_publishing(rig: Rig, commands: Commands, pauses: list[float]) -> int:
    """Kill a publishing process after each pause; after each death all is old or all is new. How many died."""
    died = 0
    for pause in pauses:
        with commands.running("publish", DATASET) as publishing:
            # From the first file on: before it, only Python starts.
            eventually(lambda: commands.jobs() and commands.jobs()[-1][1] != "waiting", "it does not begin")
            time.sleep(pause)
            if publishing.poll() is None:
                kill(publishing)
                died += 1
        seen = rows_seen(rig)
        assert seen == (NEW if commands.visible() == 2 else OLD), pause
        for layer in layers(rig):
            files = [a for _, a in layer.slices] + ([layer.snapshot] if layer.snapshot else [])
            assert all(rig.store.path(a.name).stat().st_size == a.size for a in files), pause
    commands.here("publish", DATASET)
    assert rows_seen(rig) == NEW and sound(rig)
    assert rig.store.names() == {name for (name,) in commands.query("SELECT name FROM artefact")}
    assert not list(rig.store.folder.glob("part-*"))
    return died


def test_killed_anywhere_it_is_the_old_release_or_the_new_one(rig: Rig, commands: Commands) -> None:
    assert killed_while_publishing(rig, commands, [0.0, 0.2, 0.6]) >= 2


@pytest.mark.slow
def test_killed_at_many_points(tmp_path: Path) -> None:
    chance = random.Random(3)
    died = 0
    for round_ in range(8):
        settings = settings_for(tmp_path / f"server-{round_}")
        fill(settings, stage_much)
        made = Rig(open_services(settings, Part.PUBLISHER))
        died += killed_while_publishing(made, Commands(made), [chance.uniform(0, 0.8) for _ in range(5)])
    assert died > 16


def worker_of(serving: subprocess.Popen[str]) -> int:
    """The process that waits for jobs beside a server; 0 where there is none."""

    def arguments(entry: Path) -> list[bytes]:
        with suppress(OSError):
            return (entry / "cmdline").read_bytes().split(b"\0")
        return []

    known = (arguments(entry) + [entry.name.encode()] for entry in Path("/proc").iterdir() if entry.name.isdigit())
    mark = str(serving.pid).encode()
    return next((int(found[-1]) for found in known if b"--parent" in found and mark in found[:-1]), 0)


def test_serve_keeps_a_worker_that_builds_what_is_missing(rig: Rig, commands: Commands) -> None:
    (lost,) = {layer.snapshot.name for layer in layers(rig) if layer.rows == 11}
    rig.store.remove(lost)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]

    def answers() -> bool:
        with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/health", timeout=1):
            return True
        return False

    with commands.running("serve", "--port", str(port)) as serving:
        eventually(answers, "the server does not answer")
        eventually(lambda: rig.store.path(lost).is_file(), "the missing file is not built")
        first = eventually(lambda: worker_of(serving), "there is no worker")
        os.kill(first, signal.SIGKILL)
        second = eventually(
            lambda: worker_of(serving) not in (0, first) and worker_of(serving), "it is not started again"
        )
        assert "release 2 is published" in commands.run("publish", DATASET)
        assert answers()
        os.kill(serving.pid, signal.SIGTERM)
        serving.wait(20)
        eventually(lambda: not Path(f"/proc/{second}").exists(), "the worker outlives its server", 10)


@pytest.mark.above_engines
@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "service manager"])
def test_what_ends_server_and_worker_together_is_no_trouble(rig: Rig, commands: Commands, ending: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    serving = commands.start("serve", "--port", str(port))
    try:
        eventually(lambda: (commands.folder / "worker.lock").exists(), "the worker does not begin")
        time.sleep(1)
        worker = worker_of(serving)
        if ending == signal.SIGTERM:
            os.kill(worker, ending)
        os.killpg(serving.pid, ending)
        told = "".join(serving.communicate(timeout=30))
        assert "started again" not in told and "Traceback" not in told, told
        eventually(lambda: not Path(f"/proc/{worker}").exists(), "the worker outlives its server", 10)
    finally:
        kill(serving)


@pytest.mark.above_engines
def test_a_worker_ends_when_its_server_was_killed(rig: Rig, commands: Commands) -> None:
    with commands.running("worker", "--parent", str(os.getpid())) as worker:
        eventually(lambda: (commands.folder / "worker.lock").exists(), "the worker does not begin")
        time.sleep(1)
        assert worker.poll() is None
    with commands.running("worker", "--parent", "1") as worker:
        assert worker.wait(20) == 0


@pytest.mark.above_engines
def test_garbage_goes_without_publishing(rig: Rig, commands: Commands) -> None:
    commands.here("publish", DATASET)
    kept = {a.name for layer in layers(rig) for a in (layer.snapshot, *(a for _, a in layer.slices))}
    assert rig.store.names() > kept, "release 1's own files are still there"
    rig.set_state("DSA-3", AgreementState.SUSPENDED)
    commands.here("collect")
    with rig.services.database.write() as session:
        for artefact in session.scalars(select(Artefact).where(Artefact.unreferenced_since.is_not(None))):
            artefact.unreferenced_since -= timedelta(hours=48)
    (rig.store.folder / "part-killed").mkdir()
    assert "files removed" in commands.here("collect")
    current = {a.name for layer in layers(rig) for a in (layer.snapshot, *(a for _, a in layer.slices))}
    # Months of which a layer shows no row have their files too, though nobody is told of them.
    assert current <= rig.store.names() and current < kept
    assert len(rig.store.names()) == 2 * (len(MONTHS) + 3 + 1) and not list(rig.store.folder.glob("part-*"))
    # In force again, its files are missing: a collection asks for them.
    rig.set_state("DSA-3", AgreementState.ACTIVE)
    commands.here("collect")
    assert commands.jobs()[-1][1] == "waiting"
