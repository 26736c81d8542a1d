"""What a release changes against the one before: counted by the worker, shown to the team alone, printed alike."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from safestats.sync_server.errors import SafeStatsError
from safestats.sync_server.publishing.comparing import any_lacks, compare_next, compared, comparison
from safestats.sync_server.publishing.comparing_tables import Changes, changes_of
from safestats.sync_server.publishing.rollback import discard_staged, stage_rollback
from safestats.sync_server.recall.choosing import Named
from safestats.sync_server.recall.service import recall
from safestats.sync_server.services import Services, open_services
from safestats.sync_server.settings import Part
from safestats.tests.server.engines import databases_of_a_test, settings_for
from safestats.tests.server.ingest_rig import BRIGHTON, load_street, publish_now, street_row
from safestats.tests.server.recall_rig import GONE, RecallRig, rows
from safestats.tests.server.upload_rig import Uploads, month, running, street


@pytest.fixture(scope="module")
def uploads(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Uploads]:
    """Release 1 is published: ten incidents of May, three of June; of release 2 two deliveries are staged."""
    with databases_of_a_test(), running(settings_for(tmp_path_factory.mktemp("changes") / "server")) as found:
        found.loaded(("may.csv", month("2023-05", 10)))
        found.loaded(("june.csv", month("2023-06", 3)))
        publish_now(found.worker, "colp")
        # One goes, one moves to Brighton, one is another crime, and one is new.
        may = [street_row(f"2023-05-{n}", month="2023-05") for n in range(7)]
        may += [
            street_row("2023-05-7", month="2023-05", place=BRIGHTON),
            street_row("2023-05-8", month="2023-05", category="Robbery"),
            street_row("new", month="2023-05"),
        ]
        assert found.loaded(("may.csv", street(*may))).release == 2
        assert found.loaded(("july.csv", month("2023-07", 2))).release == 2
        yield found


def count_all(services: Services) -> int:
    """Let the worker compare what waits; how many releases that were."""
    return sum(1 for _ in itertools.takewhile(bool, (compare_next(services) for _ in range(50))))


def told(services: Services, dataset: str, release: int | None = None, of: str = "") -> Changes:
    found = compared(services, dataset, release)
    with services.database.read() as session:
        return changes_of(session, found, of)


def by_name(entries: tuple) -> dict[str, tuple[int, ...]]:
    return {one.name: (one.before, one.after, one.added, one.changed, one.withdrawn) for one in entries}


def test_all_waiting_deliveries_are_compared_with_the_last_release(uploads: Uploads) -> None:
    changes = told(uploads.worker, "colp")
    assert (changes.release, changes.before) == (2, 1)
    assert by_name((changes.total,)) == {"All months": (13, 15, 3, 2, 1)}
    # June is as it was.
    assert by_name(changes.months) == {"2023-05": (10, 10, 1, 2, 1), "2023-07": (0, 2, 2, 0, 0)}
    assert by_name(changes.boroughs) == {"Camden": (10, 11, 3, 1, 1), "Outside London": (0, 1, 0, 1, 0)}
    categories = {one.name: (one.before, one.after) for one in changes.categories}
    assert categories == {"Burglary": (10, 11), "Robbery": (0, 1)}
    assert [one.name for one in changes.most][0] == "2023-07, Camden" and len(changes.most) == 3
    assert by_name(told(uploads.worker, "colp", of="2023-07").boroughs) == {"Camden": (0, 2, 2, 0, 0)}
    first = told(uploads.worker, "colp", 1)
    assert (first.before, by_name((first.total,))["All months"]) == (0, (0, 13, 13, 0, 0))
    with pytest.raises(SafeStatsError, match="no release 9"):
        compared(uploads.worker, "colp", 9)
    with pytest.raises(SafeStatsError, match="load a file first"):
        compared(uploads.worker, "btp")


def test_the_page_shows_what_the_worker_counted(uploads: Uploads) -> None:
    visitor = uploads.console.as_("gla.publisher")
    count_all(uploads.worker)
    page = visitor.get("/console/releases/colp")
    assert "Against release 1: 3 added, 2 changed, 1 withdrawn" in page.text
    assert "2023-07, Camden 0 2 +2 2 0 0" in page.text
    assert {f"/console/releases/colp/changes/{n}" for n in (1, 2)} <= set(page.links)
    changes = visitor.get("/console/releases/colp/changes/2")
    assert "What release 2 would change" in changes.text and "2023-05 10 10 – 1 2 1" in changes.text
    assert "Robbery 0 1 +1" in changes.text and "2023-06" not in changes.text
    may = visitor.get("/console/releases/colp/changes/2?month=2023-05")
    assert "By borough in 2023-05" in may.text and "Camden 10 9 −1 1 1 1" in may.text
    assert "Nothing was published before it: 13 added" in visitor.get("/console/releases/colp/changes/1").text
    assert visitor.get("/console/releases/colp/changes/9").status == 404
    newest = uploads.standing(max(int(link.rpartition("/")[2]) for link in page.links if "/uploads/" in link))
    assert "/console/releases/colp/changes/2" in visitor.get(f"/console/uploads/{newest.number}").links


@pytest.mark.parametrize("username", ["gla.auditor", "hospital.clerk", "camden.admin", "camden.analyst"])
def test_nobody_else_sees_a_count(uploads: Uploads, username: str) -> None:
    count_all(uploads.worker)
    visitor = uploads.console.as_(username)
    assert visitor.get("/console/releases/colp/changes/2").status == 403
    page = visitor.get("/console/releases/colp")
    assert (page.status == 200) == (username == "gla.auditor")
    assert "added" not in page.text and "/changes/" not in " ".join(page.links)


def test_the_command_prints_the_same(
    commands: Callable[..., str],
) -> None:
    output = commands("releases", "compare", "colp")
    assert "release 2 against release 1: 13 rows before, 15 after; 3 added, 2 changed, 1 withdrawn." in output
    lines = [" ".join(line.split()) for line in output.splitlines()]
    assert "2023-05 10 10 – 1 2 1" in lines and "Robbery 0 1 +1" in lines and "2023-07, Camden 0 2 +2 2 0 0" in lines
    assert "Camden 10 9 −1 1 1 1" in " ".join(commands("releases", "compare", "colp", "--month", "2023-05").split())
    with pytest.raises(SafeStatsError, match="changes nothing in “2023-06”"):
        commands("releases", "compare", "colp", "--month", "2023-06")


@pytest.fixture
def commands(uploads: Uploads, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> Callable[..., str]:
    """The commands on that server, which tell what they print."""
    from safestats.sync_server.cli import app

    settings = uploads.services.settings
    monkeypatch.setenv("SAFESTATS_DATA_DIR", str(settings.data_dir))
    for name in ("database_url", "publisher_url", "owner_url"):
        if getattr(settings, name):
            monkeypatch.setenv(f"SAFESTATS_{name.upper()}", getattr(settings, name))

    def run(*words: str) -> str:
        capsys.readouterr()
        app(list(words), standalone_mode=False)
        return capsys.readouterr().out

    return run


def test_what_moves_on_is_counted_again(tmp_path: Path) -> None:
    rig = RecallRig.published(tmp_path / "server")
    services = rig.services
    assert any_lacks(services) and count_all(services) == 2 and not any_lacks(services)
    assert by_name((told(services, "mps", 2).total,))["All months"] == (25, 25, 0, 1, 0)

    # A load makes what was counted of the staged release old.
    for staged in (1, 2):
        load_street(services, tmp_path / "july.csv", *rows("2023-07", count=8 + staged), dataset="mps")
        with services.database.read() as session:
            assert comparison(session, "mps", 3) is None
        assert count_all(services) == 1
        assert told(services, "mps", 3).total.added == 8 + staged
    discard_staged(services, services.definition("mps"))
    with pytest.raises(SafeStatsError, match="no release 3"):
        compared(services, "mps", 3)
    # Going back gives every incident a new version: those that are as they were have not changed.
    stage_rollback(services, services.definition("mps"), 1)
    assert by_name((told(services, "mps").total,))["All months"] == (25, 25, 0, 1, 0)
    discard_staged(services, services.definition("mps"))

    # What is recalled is in no count any more, also not in one of before.
    recall(services, "mps", Named(incidents=(GONE,)), "A court order of the ninth of November.")
    with services.database.read() as session:
        assert comparison(session, "mps", 1) is None
    assert count_all(services) == 3
    assert told(services, "mps", 1).total.after == 24 and not told(services, "mps", 2).most
    services.close()


def test_the_worker_counts_when_nothing_else_waits(tmp_path: Path) -> None:
    from safestats.sync_server.publishing.worker import work

    rig = RecallRig.published(tmp_path / "server")
    rig.services.close()
    services = open_services(rig.services.settings, Part.PUBLISHER)
    work(services, lambda: any_lacks(services))
    with services.database.read() as session:
        assert comparison(session, "mps", 1) is not None and comparison(session, "mps", 2) is not None
    services.close()
