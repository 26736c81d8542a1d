"""Loads that are jobs: done once whatever happens, and no file is left behind."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest
from safestats.shared.uploads import UploadState
from safestats.sync_server.errors import SafeStatsError
from safestats.sync_server.ingest import staging
from safestats.sync_server.problems import Problem
from safestats.sync_server.publishing import worker
from safestats.sync_server.publishing.jobs import Jobs
from safestats.sync_server.publishing.models import JobState
from safestats.sync_server.settings import Settings
from safestats.sync_server.uploads import loading, service
from safestats.tests.server.engines import settings_for
from safestats.tests.server.ingest_rig import BRIGHTON, deliveries, held, street_row
from safestats.tests.server.upload_rig import Uploads, month, running, street


@pytest.fixture
def uploads(tmp_path: Path) -> Iterator[Uploads]:
    settings: Settings = settings_for(tmp_path / "server")
    with running(settings) as running_uploads:
        yield running_uploads


def test_a_load_waits_is_done_and_leaves_no_file(uploads: Uploads) -> None:
    rows = [street_row(f"a{n}", month="2023-05") for n in range(8)]
    number = uploads.receive(("2023-05.csv", street(*rows, street_row("bad", month="2023-05", category="Sorcery"))))
    assert uploads.standing(number).state == UploadState.WAITING
    assert len(uploads.waiting) == 1
    uploads.work()
    done = uploads.standing(number)
    assert (done.state, done.release, done.others) == (UploadState.STAGED, 1, 0)
    assert done.message == "colp: 9 rows, 8 accepted and 1 rejected; staged for release 1."
    assert done.report is not None and done.report["rows_in"] == 9 and done.report["added"] == 8
    assert done.comparison == [["2023-05", "E09000007", 0, 8]]
    with uploads.services.database.read() as session:
        (line,) = service.rejected_lines(session, done)
    assert (line.file, line.line) == ("2023-05.csv", 10) and "code list" in line.reason
    assert not uploads.waiting
    assert len(held(uploads.worker, "colp")) == 8
    events = [event for event in uploads.console.events() if event["event"].startswith(("upload", "dataset"))]
    assert [event["event"] for event in events] == ["upload.receive", "dataset.load", "upload.end"]
    assert {event["actor"] for event in events} == {uploads.publisher}


def test_a_refused_load_tells_why_and_leaves_nothing(uploads: Uploads) -> None:
    head, row, _ = street(street_row("a", month="2023-05")).split(b"\r\n")
    failed = uploads.loaded(("2023-05.csv", head + b",Victim name\r\n" + row + b",Jo Bloggs\r\n"))
    assert failed.state == UploadState.FAILED
    assert "Victim name" in failed.message and "Bloggs" not in failed.message
    assert failed.report is None and not uploads.waiting and not deliveries(uploads.worker)
    assert [event["outcome"] for event in uploads.console.events() if event["event"] == "upload.end"] == ["refused"]


def test_what_nobody_foresaw_leaks_nothing(
    uploads: Uploads, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_args: object, **_options: object) -> None:
        raise ValueError("could not convert 'Jo Bloggs'")

    monkeypatch.setattr(loading, "load", fail)
    failed = uploads.loaded(("2023-05.csv", month("2023-05", 1)))
    assert failed.state == UploadState.FAILED and "ValueError" in failed.message
    assert "Bloggs" not in failed.message + caplog.text and "test_upload_jobs.py" in caplog.text
    assert not uploads.waiting


def test_the_same_files_again_change_nothing(uploads: Uploads) -> None:
    first = uploads.loaded(("2023-05.csv", month("2023-05", 3)))
    again = uploads.loaded(("2023-05.csv", month("2023-05", 3)))
    assert (first.state, again.state) == (UploadState.STAGED, UploadState.UNCHANGED)
    assert again.report is not None and again.report["unchanged"] == 3
    assert len(deliveries(uploads.worker)) == 1


def test_a_load_that_was_done_when_its_worker_died_is_not_done_twice(
    uploads: Uploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = uploads.receive(("2023-05.csv", month("2023-05", 3)))

    class KilledError(BaseException):
        pass

    def die(*_args: object) -> None:
        raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr(loading, "counts_by_place", die)  # the first thing after the load is committed
        with pytest.raises(KilledError):
            uploads.work()
    assert uploads.standing(number).state == UploadState.LOADING
    assert len(uploads.waiting) == 1
    uploads.work()
    done = uploads.standing(number)
    assert done.state == UploadState.STAGED and done.report is not None and done.report["added"] == 3
    assert done.comparison == [["2023-05", "E09000007", 0, 3]]
    assert len(deliveries(uploads.worker)) == 1 and not uploads.waiting


def test_a_load_whose_worker_died_before_is_done_again(uploads: Uploads, monkeypatch: pytest.MonkeyPatch) -> None:
    number = uploads.receive(("2023-05.csv", month("2023-05", 3)))

    def die(*_args: object, **_options: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(staging, "write", die)
        with pytest.raises(KeyboardInterrupt):
            uploads.work()
    assert not held(uploads.worker, "colp")
    uploads.work()
    assert uploads.standing(number).state == UploadState.STAGED
    assert Jobs(uploads.worker.database).get(number).attempts == 2


def test_cancelled_before_it_begins_and_while_it_runs(uploads: Uploads, monkeypatch: pytest.MonkeyPatch) -> None:
    waiting = uploads.receive(("2023-05.csv", month("2023-05", 3)))
    service.discard(uploads.services, uploads.publisher, waiting)
    assert uploads.standing(waiting).state == UploadState.CANCELLED and not uploads.waiting

    running_one = uploads.receive(("2023-05.csv", month("2023-05", 3)))
    load = loading.load

    def slowly(*args: object, **options: object) -> object:
        service.discard(uploads.services, uploads.publisher, running_one)
        return load(*args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(loading, "load", slowly)
    uploads.work()
    cancelled = uploads.standing(running_one)
    assert cancelled.state == UploadState.CANCELLED and "nothing was loaded" in cancelled.message
    assert not uploads.waiting and not deliveries(uploads.worker)


def test_broken_off_too_often_it_fails_and_the_file_goes(uploads: Uploads) -> None:
    number = uploads.receive(("2023-05.csv", month("2023-05", 3)))
    from safestats.sync_server.publishing.models import PublishingJob

    with uploads.worker.database.write() as session:
        session.get_one(PublishingJob, number).attempts = 5
    worker.do_next(uploads.worker, Jobs(uploads.worker.database))
    assert Jobs(uploads.worker.database).get(number).state == JobState.FAILED
    assert not uploads.waiting


def test_publish_compare_and_discard(uploads: Uploads) -> None:
    first = uploads.loaded(("a.csv", month("2023-05", 5)))
    service.publish(uploads.services, uploads.publisher, first.number)
    assert uploads.standing(first.number).state == UploadState.PUBLISHING
    uploads.work()
    assert uploads.standing(first.number).state == UploadState.PUBLISHED
    with pytest.raises(Problem, match="cannot be dropped"):
        service.discard(uploads.services, uploads.publisher, first.number)

    lacking = uploads.loaded(("b.csv", month("2023-05", 2)))
    assert lacking.state == UploadState.FAILED and "accept the withdrawals" in lacking.message
    moved = street(street_row("2023-05-0", month="2023-05"), street_row("new", month="2023-05", place=BRIGHTON))
    accepted = uploads.loaded(("c.csv", moved), accept_withdrawals=True)
    assert accepted.comparison == [["2023-05", "E09000007", 5, 1], ["2023-05", "outside", 0, 1]]
    assert accepted.report is not None and accepted.report["withdrawn"] == 4

    beside = uploads.loaded(("d.csv", month("2023-06", 1)))
    assert (beside.others, uploads.standing(accepted.number).others) == (1, 1)
    with pytest.raises(Problem, match="other deliveries"):
        service.discard(uploads.services, uploads.publisher, accepted.number)
    service.discard(uploads.services, uploads.publisher, accepted.number, with_others=True)
    assert uploads.standing(accepted.number).state == UploadState.DISCARDING
    uploads.work()
    for number in (accepted.number, beside.number):
        dropped = uploads.standing(number)
        assert (dropped.state, dropped.report, dropped.comparison) == (UploadState.DISCARDED, None, None)
    assert len(held(uploads.worker, "colp")) == 5


@pytest.mark.parametrize("username", ["gla.auditor", "hospital.clerk", "camden.admin", "camden.analyst"])
def test_only_publishers_may(uploads: Uploads, username: str) -> None:
    with pytest.raises(Problem) as refused:
        service.receive(uploads.services, uploads.id_of(username), "colp", [("a.csv", BytesIO(b"x"))])
    assert refused.value.document.status == 403 and not uploads.waiting


def test_what_cannot_be_asked_for_leaves_no_file(uploads: Uploads) -> None:
    good = ("a.csv", month("2023-05", 1))
    for files, options, sentence in (
        ((), {}, "No file was chosen"),
        ((good, ("b.csv", b"")), {}, "b.csv is empty"),
        ((good,), {"site": "tower"}, "has no sites"),
        ((good,) * (service.MOST_FILES + 1), {}, "At most"),
        ((good,), {"dataset": "nothing"}, "no dataset"),
    ):
        with pytest.raises(SafeStatsError, match=sentence):
            uploads.receive(*files, **options)
        assert not uploads.waiting


def test_the_worker_tidies_leftovers_and_keeps_what_waits(uploads: Uploads) -> None:
    import os

    from safestats.sync_server.uploads.incoming import Incoming

    uploads.receive(("waits.csv", month("2023-05", 1)))
    Incoming(uploads.services.settings.incoming_dir).keep(BytesIO(b"x"), "leftover.csv", 9)
    for path in uploads.waiting:
        os.utime(path.parent, (0, 0))
    worker.tidy(uploads.worker)
    assert [path.name for path in uploads.waiting] == ["waits.csv"]
