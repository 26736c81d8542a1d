"""The real files, taken as they are: every row is accounted for."""

from __future__ import annotations

from collections import Counter
from datetime import date
from pathlib import Path

import pytest
from safestats.shared.areas import BOUNDARIES_FILE
from safestats.sync_server.datasets.areas import AreaIndex, load_supplied_areas
from safestats.sync_server.errors import SafeStatsError
from safestats.sync_server.ingest.mappings import read_mappings
from safestats.sync_server.ingest.pipeline import Prepared, finish, prepare
from safestats.sync_server.ingest.rows import RawRows, read_rows
from safestats.sync_server.ingest.tables import SourceFile
from safestats.sync_server.schema import create_schema
from safestats.sync_server.services import Services, open_services
from safestats.sync_server.settings import Part
from safestats.tests.server.engines import databases_of_a_test, settings_for
from safestats.tests.server.ingest_rig import REAL

pytestmark = pytest.mark.skipif(not REAL.exists(), reason="the real data is not beside the project")
TODAY = date(2026, 11, 22)


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Services:
    settings = settings_for(tmp_path_factory.mktemp("real") / "server")
    with databases_of_a_test():
        opened = open_services(settings, Part.PUBLISHER)
        create_schema(opened.database)
        with opened.database.write() as session:
            load_supplied_areas(session, settings.resources_dir / BOUNDARIES_FILE)
        assert isinstance(opened.areas, AreaIndex)
        yield opened


def taken(services: Services, dataset: str, path: str) -> tuple[RawRows, Prepared]:
    definition = services.definitions[dataset]
    mappings = read_mappings(services.settings.resources_dir / "mappings", services.definitions)
    source = SourceFile.read(REAL / Path(path))
    raw = read_rows(source, definition, mappings)
    prepared = prepare(raw, definition, services.areas, TODAY, source.name)
    rows, duplicates = finish(prepared.good, definition, services.keys)
    counts = prepared.counts
    assert len(raw.frame) == len(rows) + len(duplicates) + counts.rejected.total() + counts.left.total()
    return raw, prepared


def test_bus_safety_has_months_and_boroughs_alone(services: Services) -> None:
    raw, prepared = taken(services, "tfl", "tfl/TFL Bus Safety.xlsx")
    good = prepared.good
    assert len(good) == 23_158 and not prepared.counts.rejected and not raw.torn
    assert good["occurred_on"].is_null().all() and good["month"].min() == "2015-01" and good["month"].max() == "2018-09"
    by_borough = Counter(good["area_from"])
    assert set(by_borough) == {"borough", "unplaced"} and by_borough["borough"] > 22_000
    camden = good.filter(good["borough"] == "Camden")
    assert (
        len(camden) == 900
        and set(camden["area_code"]) == {"E09000007"}
        and set(camden["location_method"]) == {"borough"}
    )
    # The sheets of pivots are no tables of incidents, and the stray thirteenth column is none of theirs.
    assert sum("was left out" in note for note in raw.notes) == 2
    assert raw.dropped["sexes and ages of victims"] > 40_000
    assert not prepared.counts.unmapped


def test_fire_incidents_keep_rounded_places_where_exact_ones_are_withheld(services: Services) -> None:
    _, prepared = taken(services, "lfb", "lfb/2017-01-lfb-incidents.csv")
    methods = {method: set(group["precision_m"]) for (method,), group in prepared.good.group_by("location_method")}
    assert methods == {"exact": {1}, "rounded": {100}}
    rounded = prepared.good.filter(prepared.good["location_method"] == "rounded")
    assert 0.4 < len(rounded) / len(prepared.good) < 0.6
    assert (rounded["easting"] % 100 == 50).all() and (rounded["northing"] % 100 == 50).all()


def test_todays_headers_of_the_brigade(services: Services) -> None:
    assert len(taken(services, "lfb", "lfb/LFB Incident data.csv")[1].good) == 20
    _, prepared = taken(services, "lfb_mobilisations", "lfb/LFB Mobilisation data.csv")
    assert len(prepared.good) == 20 and prepared.good["occurred_on"].min() == date(2009, 1, 1)
    assert prepared.good["occurred_time"][0] == "00:02"


@pytest.mark.parametrize(
    ("dataset", "path", "sentence"),
    [
        ("lfb", "lfb/animal_rescues.csv", "animal rescues, .*, which lfb does not take"),
        ("lfb", "lfb/LFB Mobilisation data.csv", "holds the Brigade's mobilisations"),
        ("tfl", "lfb/LFB Incident data.csv", "load it as lfb"),
        ("rnli", "rnli/RNLI_Lifeboat_Station_Locations.csv", "has no column"),
    ],
)
def test_another_file_of_a_suppliers_says_what_it_is(
    services: Services, dataset: str, path: str, sentence: str
) -> None:
    with pytest.raises(SafeStatsError, match=sentence):
        taken(services, dataset, path)


def test_launches_and_snapped_points(services: Services) -> None:
    _, launches = taken(services, "rnli", "rnli/2020-h1-launches.csv")
    assert launches.counts.rejected["outside London"] > 2_000 and len(launches.good) > 100
    _, city = taken(services, "colp", "police_city_of_london/2023-01-city-of-london-street.csv")
    assert set(city.good["location_method"]) == {"snapped", "none"}
    assert city.counts.stacked > 0.25 * len(city.good)
