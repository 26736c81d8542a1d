"""Every real file in the order in which it came: after each, what one sees is what the files say."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path

import pytest
from safestats.sync_server.ingest.service import load
from safestats.sync_server.services import Services
from safestats.tests.server.ingest_rig import REAL, publish_now, releases
from safestats.tests.server.real_rig import (
    FIRE_COLUMNS,
    POLICE_COLUMNS,
    RNLI_COLUMNS,
    RowSet,
    city_rows,
    fire_rows,
    launch_rows,
    met_rows,
    railway_rows,
    real_server,
    slices,
    visible,
)

pytestmark = [
    pytest.mark.skipif(not REAL.is_dir(), reason=f"the real files are not in {REAL}"),
]
MET = sorted((REAL / "police_met_wards_api").glob("*.zip"))
CITY = sorted((REAL / "police_city_of_london").glob("*.csv"))
EARLIER = sorted((REAL / "police_city_of_london" / "earlier_revision").glob("*.csv"))
RAILWAYS = [path for path in sorted((REAL / "police_btp").glob("*.csv")) if "(" not in path.name]
FIRE = [*sorted((REAL / "lfb").glob("2017-*.csv")), REAL / "lfb" / "LFB Incident data.csv"]
LAUNCHES = [REAL / "rnli" / "2020-h1-launches.csv"]


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    services = real_server(tmp_path / "server")
    yield services
    services.close()


def deliver(services: Services, dataset: str, path: Path) -> bool:
    """Load and publish a file; whether that made a release."""
    made = load(services, dataset, [path]).release is not None
    publish_now(services, dataset)
    return made


def seen(services: Services, dataset: str, columns: tuple[str, ...]) -> RowSet:
    return RowSet(visible(services, dataset, *columns))


def all_again(services: Services, dataset: str, paths: list[Path]) -> None:
    """The same files once more make no release and no slice."""
    before = releases(services, dataset), slices(services, dataset)
    assert not any(deliver(services, dataset, path) for path in paths)
    assert (releases(services, dataset), slices(services, dataset)) == before


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_twelve_months_of_the_met(services: Services) -> None:
    labels = dict(services.definitions["mps"].field("category").codes)
    expected = accumulate(RowSet(met_rows(path, labels)) for path in MET)
    for number, (path, rows) in enumerate(zip(MET, expected, strict=True), start=1):
        assert deliver(services, "mps", path)
        assert seen(services, "mps", POLICE_COLUMNS) == rows, path.name
        assert len(slices(services, "mps")) == number
    assert rows.number == 754_765
    all_again(services, "mps", MET[5:7])


@pytest.mark.slow
def test_twenty_four_months_of_the_city_of_which_six_came_twice(services: Services) -> None:
    """The earlier download of six months, then all that is there now."""
    held: dict[str, RowSet] = {}
    for path in [*CITY[:10], *EARLIER, *CITY[10:]]:
        held[path.name] = RowSet(city_rows(path))
        assert deliver(services, "colp", path)
        assert seen(services, "colp", POLICE_COLUMNS) == sum(held.values(), RowSet()), path
    assert len(held) == 24 and sum(rows.number for rows in held.values()) == 17_301
    all_again(services, "colp", CITY)


@pytest.mark.slow
def test_the_railways_of_which_one_file_is_there_twice(services: Services) -> None:
    expected = accumulate(RowSet(railway_rows(path)) for path in RAILWAYS)
    for path, rows in zip(RAILWAYS, expected, strict=True):
        assert deliver(services, "btp", path)
        assert seen(services, "btp", POLICE_COLUMNS) == rows, path.name
    assert rows.number == 18_954
    copies = [path for path in (REAL / "police_btp").glob("*.csv") if "(" in path.name]
    assert len(copies) == 1
    all_again(services, "btp", copies + RAILWAYS[:3])


def test_the_railways_file_twice_in_one_delivery_and_in_two(services: Services) -> None:
    once, twice = sorted((REAL / "police_btp").glob("2022-10*.csv"), key=lambda path: -len(path.name))
    report = load(services, "btp", [once, twice])
    publish_now(services, "btp")
    rows = RowSet(railway_rows(once))
    assert report.accepted == rows.number and seen(services, "btp", POLICE_COLUMNS) == rows
    all_again(services, "btp", [once, twice])


@pytest.mark.slow
def test_the_fire_brigade_in_both_forms(services: Services) -> None:
    known: dict[str, tuple] = {}
    for path in FIRE:
        known |= fire_rows(path)
        assert deliver(services, "lfb", path)
        assert seen(services, "lfb", FIRE_COLUMNS) == RowSet(known.values()), path.name
    assert len(known) == 23_525
    all_again(services, "lfb", FIRE)


def test_the_lifeboats(services: Services) -> None:
    rows = launch_rows(LAUNCHES[0])
    assert deliver(services, "rnli", LAUNCHES[0])
    assert seen(services, "rnli", RNLI_COLUMNS) == RowSet(rows)
    assert len(rows) == 292
    assert sorted(slices(services, "rnli")) == [f"2020-0{month}" for month in range(1, 7)]
    all_again(services, "rnli", LAUNCHES)
