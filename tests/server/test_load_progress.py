"""A long load tells how far it is, and whoever breaks it off finds everything as it was."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from safestats.benchmarks import police_csv
from safestats.sync_server.ingest.models import Delivery
from safestats.sync_server.ingest.service import load
from safestats.sync_server.publishing.models import Release
from safestats.sync_server.services import Services
from safestats.tests.server.engines import ON_POSTGIS, settings_for
from safestats.tests.server.ingest_rig import held, open_prepared
from sqlalchemy import func, inspect, select, text

ROWS = 25_000  # more than are stored with indexes and triggers in place
TABLE = "incident_mps"


class BrokenOffError(Exception):
    """Somebody has had enough."""


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    settings = settings_for(tmp_path_factory.mktemp("file"))
    path = settings.data_dir / "2025-metropolitan-street.csv"
    police_csv.write(path, ROWS, settings.resources_dir)
    return path


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    settings = settings_for(tmp_path_factory.mktemp("progress") / "server")
    services = open_prepared(settings)
    yield services
    services.close()


def made(services: Services) -> set[str]:
    """The table's indexes, and its triggers."""
    names = {str(index["name"]) for index in inspect(services.database.engine).get_indexes(TABLE)}
    if not ON_POSTGIS:
        with services.database.read() as session:
            found = session.execute(
                text("SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = :t"), {"t": TABLE}
            )
            names |= {row.name for row in found}
    return names


def nothing_is_there(services: Services) -> bool:
    with services.database.read() as session:
        counts = [session.scalar(select(func.count()).select_from(table)) for table in (Release, Delivery)]
    return counts == [0, 0] and held(services, "mps") == []


class Follower:
    """Notes each call, and breaks the work off at the one of that number."""

    def __init__(self, last: int = 0) -> None:
        self.calls: list[str] = []
        self._last = last

    def __call__(self, step: str, done: int, total: int) -> None:
        assert 0 <= done <= total
        self.calls.append(step)
        if len(self.calls) == self._last or (not self._last and (step, done) == ("Storing rows", total)):
            raise BrokenOffError


def test_wherever_a_load_is_broken_off_everything_is_as_it_was(services: Services, file: Path) -> None:
    before = made(services)
    assert len(before) >= (3 if ON_POSTGIS else 8)
    follower = Follower()
    with pytest.raises(BrokenOffError):
        load(services, "mps", [file], follower)
    assert nothing_is_there(services) and made(services) == before
    assert list(dict.fromkeys(follower.calls)) == ["Reading files", "Comparing rows", "Storing rows"]
    number = len(follower.calls)
    assert number > 30
    for last in (1, number // 2, number - 1):
        with pytest.raises(BrokenOffError):
            load(services, "mps", [file], Follower(last))
        assert nothing_is_there(services) and made(services) == before


def test_a_load_goes_through_afterwards_and_leaves_indexes_and_triggers(services: Services, file: Path) -> None:
    before = made(services)
    assert load(services, "mps", [file]).accepted == ROWS == len(held(services, "mps"))
    assert made(services) == before
    if not ON_POSTGIS:
        noted = text("SELECT last_insert FROM geometry_columns_time WHERE f_table_name = :table")
        with services.database.read() as session:
            assert session.scalar(text("PRAGMA integrity_check")) == "ok"
            assert session.scalar(noted, {"table": TABLE})


def test_a_broken_off_correction_leaves_what_was_staged(services: Services, file: Path, tmp_path: Path) -> None:
    before = held(services, "mps")
    assert len(before) == ROWS
    fewer = tmp_path / file.name
    lines = file.read_text(encoding="utf-8").splitlines()
    fewer.write_text(
        "\n".join([lines[0], *(line for number, line in enumerate(lines[1:]) if number % 10)]), encoding="utf-8"
    )

    def stop(step: str, _done: int, _total: int) -> None:
        if step == "Storing rows":
            raise BrokenOffError

    with pytest.raises(BrokenOffError):
        load(services, "mps", [fewer], stop)
    assert held(services, "mps") == before
