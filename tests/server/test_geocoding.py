"""Where it was, from what people wrote."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from safestats.shared.areas import BOUNDARIES_FILE
from safestats.sync_server.datasets.areas import load_supplied_areas
from safestats.sync_server.geocoding.places import Described, Places, place_described
from safestats.sync_server.schema import prepare_database
from safestats.sync_server.services import Services, open_services
from safestats.sync_server.settings import Part
from safestats.tests.server.engines import settings_for


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Services:
    settings = settings_for(Path(tmp_path_factory.mktemp("geocoding")))
    opened = open_services(settings, Part.OWNER)
    prepare_database(opened.database, settings, opened.definitions)
    with opened.database.write() as session:
        load_supplied_areas(session, settings.resources_dir / BOUNDARIES_FILE)
    return opened


@pytest.fixture(scope="module")
def places(services: Services) -> Places:
    with services.database.read() as session:
        return Places.open(services, session, "istv", synthetic=True)


def test_a_full_postcode_is_the_place(places: Places) -> None:
    frame = pl.DataFrame({"location_description": ["o/s station, nw1 8nh", None], "line": [1, 2]})
    placed = place_described(frame, places)
    first, second = placed.rows(named=True)
    assert (first["geo_level"], first["matched_text"], first["place_borough"]) == ("postcode", "NW1 8NH", "E09000007")
    assert first["confidence"] > 90 and first["easting"] > 500_000
    assert second["easting"] is None and second["geo_level"] == "none"
