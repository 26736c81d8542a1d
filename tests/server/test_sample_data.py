"""The synthetic deliveries: the same every time, labelled, loadable, and with the traps that suppliers have."""

from __future__ import annotations

import csv
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
from safestats.sync_server.needs.denominators import base_of, load_denominators
from safestats.sync_server.needs.models import Kind, Level
from safestats.sync_server.sample.service import DENOMINATORS, ISTV, YEARLY_ROWS, make_sample
from safestats.sync_server.schema import create_schema
from safestats.sync_server.services import Services, open_services
from safestats.sync_server.settings import Part, Settings
from safestats.tests.server.engines import settings_for
from safestats.tests.server.ingest_rig import held

# Made above the database: one engine will do in every commit, the other is for `make test-slow`.
pytestmark = pytest.mark.above_engines

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
    # Hospitals load one by one: their tests are others'.
    codes = [code for code in YEARLY_ROWS if code != ISTV]
    reports = {code: load(services, code, sorted((sample / code).iterdir())) for code in codes}
    yield services, reports
    services.close()


def test_a_seed_makes_the_same_bytes(sample: Path, tmp_path: Path) -> None:
    make_sample(tmp_path / "same", RESOURCES, 2025, 1, SCALE)
    make_sample(tmp_path / "other", RESOURCES, 2025, 2, SCALE)
    assert digests(tmp_path / "same") == digests(sample)
    other = digests(tmp_path / "other")
    assert set(other) == set(digests(sample))
    same = {Path(name).name for name, digest in digests(sample).items() if other[name] == digest}
    # Returns of nothing, and what must be stopped, are alike whatever the seed.
    nothing = {f"synthetic-RVR50-2025-0{month}" for month in (1, 5, 9)} | {"synthetic-R1K04-2025-02"}
    assert {name.rpartition(".")[0] for name in same} == nothing | {"synthetic-RAS01-2025-03-identifying"}


def test_everything_says_that_it_is_made_up(sample: Path) -> None:
    files = [path for path in sample.rglob("*") if path.is_file() and path.name != "README.txt"]
    folders = Counter(path.relative_to(sample).parts[0] for path in files)
    assert folders == {
        "mps": 12, "colp": 12, "btp": 12, "lfb": 1, "rnli": 1, "las": 12, "lfb_mobilisations": 1, "tfl": 12, "ndtms": 4,
        "istv": 28 * 12 - 1, "truth": 28 * 12 - 1 + 1, "corrected": 1, "refused": 1,
        "denominators": 1,
    }  # fmt: skip
    assert all(path.name.startswith("synthetic-") for path in files)
    assert "SYNTHETIC" in (sample / "README.txt").read_text(encoding="utf-8")


def test_rates_divide_by_numbers_that_say_they_are_synthetic(sample: Path, loaded: tuple[Services, dict]) -> None:
    services, _ = loaded
    (file,) = (sample / DENOMINATORS).iterdir()
    told = load_denominators(services, file, {})
    boroughs, lsoas = len(services.areas.boroughs), len(services.areas.lsoas)
    edition = "synthetic 2025"
    assert told.areas == {
        ("residents", edition, "lsoa"): lsoas,
        ("residents", edition, "borough"): boroughs,
        ("workday", edition, "borough"): boroughs,
        ("licensed-premises", edition, "borough"): boroughs,
    }
    assert not told.unknown
    with services.database.read() as session:
        of_lsoas, *of_boroughs = (
            base_of(session, Kind.RESIDENTS, Level.LSOA),
            *(base_of(session, kind, Level.BOROUGH) for kind in Kind),
        )
    for base in (of_lsoas, *of_boroughs):
        assert base is not None and base.edition == edition and base.source.startswith("Synthetic")
        assert min(base.values.values()) > 0
    residents, workday, _premises = of_boroughs
    for code in services.areas.boroughs:
        own = [lsoa for lsoa, one in services.areas.lsoas.items() if one.borough_code == code]
        assert residents.of([code]) == of_lsoas.of(own)
    city = "E09000001"
    assert residents.values[city] < 50_000 < workday.values[city]  # so that its rates are flagged


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
    for code in ("las", "lfb_mobilisations", "tfl", "ndtms"):
        assert reports[code].rejected == {} and reports[code].duplicates == 0, code
    assert reports["las"].areas["code"] > 1000 and reports["las"].areas["outside"] >= 1
    assert reports["tfl"].areas["borough"] > 10 and reports["ndtms"].areas == {"borough": 33 * 4 * 12}
    for code, report in reports.items():
        scale = 1 if code == "ndtms" else SCALE
        assert report.rows_in == pytest.approx(YEARLY_ROWS[code] * scale, rel=0.06), code


def test_ages_are_banded_and_small_numbers_stay_unknown(loaded: tuple[Services, dict]) -> None:
    ages = Counter(row.age_band for row in held(loaded[0], "las"))
    labels = set(loaded[0].definitions["las"].field("age_band").codes.values())
    assert set(ages) == labels | {None} and 20 < ages[None] < 120
    counts = held(loaded[0], "ndtms")
    withheld = [row for row in counts if row.withheld]
    assert 5 < len(withheld) < 60 and {row.borough for row in withheld} == {"City of London"}
    assert all(row.count is None for row in withheld) and min(row.count for row in counts if not row.withheld) >= 0
    assert not any(0 < row.count < 5 for row in counts if not row.withheld)
    assert all(row.easting is None and row.lsoa_code is None and row.area_code == row.borough_code for row in counts)


def test_an_incident_has_its_vehicles(loaded: tuple[Services, dict]) -> None:
    vehicles = Counter(row.incident_number for row in held(loaded[0], "lfb_mobilisations"))
    incidents = held(loaded[0], "lfb")
    pumps = [row.pumps for row in incidents]
    assert set(vehicles) == {row.incident_number for row in incidents}
    assert sorted(vehicles.values()) == sorted(pumps) and sum(vehicles.values()) > len(pumps)
    methods = {row.location_method for row in held(loaded[0], "lfb_mobilisations")}
    assert methods == {"rounded"}


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


def test_years_do_not_share_what_incidents_are_known_by(sample: Path, tmp_path: Path) -> None:
    make_sample(tmp_path / "before", RESOURCES, 2024, 2, SCALE)
    known_by = {
        "lfb": "IncidentNumber",
        "lfb_mobilisations": "ResourceMobilisationId",
        "las": "Incident ID",
        "tfl": "Report No",
        "rnli": "ROSNumber",
    }

    def names(folder: Path, dataset: str) -> set[str]:
        found: set[str] = set()
        for path in (folder / dataset).glob("*.csv"):
            with path.open(encoding="utf-8-sig", newline="") as file:
                found.update(row[known_by[dataset]] for row in csv.DictReader(file))
        return found

    for dataset in known_by:
        now, before = names(sample, dataset), names(tmp_path / "before", dataset)
        assert now and before and not now & before, dataset
