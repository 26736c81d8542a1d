"""What the console asks of the worker: going back to an old release, dropping what is staged, in the asker's name."""

from __future__ import annotations

from pathlib import Path

import pytest
from safestats.sync_server.instants import london_today
from safestats.sync_server.publishing.jobs import Jobs
from safestats.sync_server.publishing.models import JobKind, JobState
from safestats.sync_server.publishing.standing import dataset_standing
from safestats.sync_server.publishing.worker import do_next
from safestats.tests.server.sync_rig import DATASET, Rig, incidents

# Made above the database: one engine will do in every commit, the other is for `make test-slow`.
pytestmark = pytest.mark.above_engines

ASKER = "a" * 32


def test_rollback_and_discard_are_jobs_of_who_asked(tmp_path: Path) -> None:
    rig = Rig.make(tmp_path / "server")
    services, jobs = rig.services, Jobs(rig.services.database)
    first, second, third = incidents()[:4], incidents()[4:6], incidents()[6:8]

    def done(kind: JobKind, target: int | None = None) -> str:
        number = jobs.request(DATASET, kind, ASKER, target)
        assert jobs.request(DATASET, kind, ASKER, target) == number
        assert do_next(services, jobs)
        job = jobs.get(number)
        assert job.actor == ASKER
        return f"{job.state}: {job.message}"

    rig.stage(*first)
    assert done(JobKind.PUBLISH).startswith(JobState.DONE)
    rig.stage(*second)
    assert done(JobKind.PUBLISH).startswith(JobState.DONE)
    rig.stage(*third)
    assert done(JobKind.ROLLBACK, 1).startswith(JobState.FAILED)  # something is staged
    assert "is dropped" in done(JobKind.DISCARD)
    assert done(JobKind.DISCARD).startswith(JobState.FAILED)  # nothing is staged
    assert done(JobKind.ROLLBACK, 1).startswith(JobState.DONE)
    assert done(JobKind.ROLLBACK, 99).startswith(JobState.FAILED)

    with services.database.read() as session:
        standing = dataset_standing(services, session, DATASET, london_today())
    assert (standing.release, standing.rows, standing.staged) == (3, len(first), 0)
    made = [e.body for e in services.audit.events() if e.body["event"].startswith("dataset.")]
    assert {body["actor"] for body in made} == {ASKER}
    assert [body["event"] for body in made] == [
        "dataset.publish",
        "dataset.publish",
        "dataset.discard",
        "dataset.rollback",
        "dataset.publish",
    ]
    services.close()
