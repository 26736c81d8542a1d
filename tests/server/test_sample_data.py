"""The synthetic deliveries: the same every time, labelled, loadable, and with the traps that suppliers have."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from safestats.sync_server.datasets.areas import load_supplied_areas
from safestats.sync_server.errors import SafeStatsError
from safestats.sync_server.ingest.report import DeliveryReport
from safestats.sync_server.ingest.service import load
from safestats.sync_server.sample.service import YEARLY_ROWS, make_sample
from safestats.sync_server.schema import create_schema
from safestats.sync_server.services import Services, open_services
from safestats.sync_server.settings import Part, Settings
from safestats.tests.server.engines import settings_for
from safestats.tests.server.ingest_rig import held

SCALE = 0.1
RESOURCES = Settings().resources_dir


def digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sample")
    make_sample(folder, RESOURCES, 2025, 1, SCALE)
    return folder


@pytest.fixture(scope="module")
def loaded(sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Services, dict]]:
    services = open_services(settings_for(tmp_path_factory.mktemp("server") / "server"), Part.PUBLISHER)
    create_schema(services.database)
    with services.database.write() as session:
        load_supplied_areas(session, RESOURCES / "boundaries" / "london-lsoa-2011.gpkg")
    reports = {code: load(services, code, sorted((sample / code).iterdir())) for code in YEARLY_ROWS}
    yield services, reports
    services.close()


def test_a_seed_makes_the_same_bytes(sample: Path, tmp_path: Path) -> None:
    make_sample(tmp_path / "same", RESOURCES, 2025, 1, SCALE)
    make_sample(tmp_path / "other", RESOURCES, 2025, 2, SCALE)
    assert digests(tmp_path / "same") == digests(sample)
    other = digests(tmp_path / "other")
    assert set(other) == set(digests(sample)) and all(other[name] != d for name, d in digests(sample).items())


def test_everything_says_that_it_is_made_up(sample: Path) -> None:
    files = [path for path in sample.rglob("*") if path.is_file() and path.name != "README.txt"]
    assert len(files) == 38 and all(path.name.startswith("synthetic-") for path in files)
    assert "SYNTHETIC" in (sample / "README.txt").read_text(encoding="utf-8")


def test_a_folder_with_files_is_left_alone(sample: Path) -> None:
    before = digests(sample)
    with pytest.raises(SafeStatsError, match="is not empty: name a new folder"):
        make_sample(sample, RESOURCES, 2025, 3, SCALE)
    assert digests(sample) == before


def test_the_loader_takes_all_but_the_traps(loaded: tuple[Services, dict[str, DeliveryReport]]) -> None:
    reports = loaded[1]
    assert all(report.synthetic and report.unmapped == {} for report in reports.values())
    assert reports["mps"].rejected == {} and reports["mps"].duplicates > 200 and reports["mps"].left["btp"] > 100
    assert reports["colp"].rejected == {"cut off": 1} and reports["colp"].areas["unplaced"] > 30
    assert set(reports["btp"].rejected) == {"outside London"} and reports["btp"].areas["point"] > 50
    assert reports["lfb"].rejected == {} and reports["lfb"].areas["outside"] >= 1
    assert set(reports["rnli"].rejected) == {"outside London"} and reports["rnli"].areas["nearest"] > 10
    for code, report in reports.items():
        assert report.rows_in == pytest.approx(YEARLY_ROWS[code] * SCALE, rel=0.06)


def test_town_centres_draw_and_map_points_stack(loaded: tuple[Services, dict]) -> None:
    rows = [row for row in held(loaded[0], "mps") if row.easting]
    places = np.array([(row.easting, row.northing) for row in rows])
    soho = np.hypot(places[:, 0] - 529_792, places[:, 1] - 181_081) < 500
    assert 0.01 < soho.mean() < 0.08
    kinds = Counter(row.category for row, near in zip(rows, soho, strict=True) if near)
    everywhere = Counter(row.category for row in rows)
    theft = "Theft from the person"
    assert kinds[theft] / soho.sum() > 1.5 * everywhere[theft] / len(rows)
    assert max(Counter(map(tuple, places.tolist())).values()) >= 10
    assert {row.borough for row in rows} > {"Camden", "Croydon", "Hackney", "Havering"}


def test_the_lifeboats_go_to_the_river(loaded: tuple[Services, dict]) -> None:
    rows = held(loaded[0], "rnli")
    stations = Counter(row.station for row in rows)
    assert stations.most_common(1)[0][0] == "Tower" and set(stations) <= {
        "Tower",
        "Chiswick",
        "Teddington",
        "Gravesend",
    }
    assert {row.borough for row in rows} >= {"Westminster", "Richmond upon Thames"}
    assert {row.area_method for row in rows} == {"Nearest to a place on the water", "The place lies in it"}


def test_the_fire_brigades_day_and_week(loaded: tuple[Services, dict]) -> None:
    rows = held(loaded[0], "lfb")
    hours = Counter(row.hour for row in rows)
    assert hours[18] > 2 * hours[5]
    night = Counter(row.weekday for row in rows if row.hour < 4)
    assert night["Saturday"] > night["Tuesday"]
    assert {row.location_method for row in rows} == {"exact", "rounded"}
