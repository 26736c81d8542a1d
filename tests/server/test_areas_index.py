"""Which area a point lies in, on hand-made squares and on London."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import shapely
from safestats.sync_server.database import Database
from safestats.sync_server.datasets.areas import AreaIndex, Lsoa, list_areas, load_areas, load_supplied_areas
from safestats.sync_server.datasets.models import AreaLevel
from safestats.sync_server.errors import SafeStatsError
from safestats.sync_server.schema import create_schema
from safestats.sync_server.services import open_database
from safestats.sync_server.settings import Part, Settings
from safestats.tests.server.engines import settings_for
from safestats.tests.server.ingest_rig import REAL

BOUNDARIES = Settings().resources_dir / "boundaries" / "london-lsoa-2011.gpkg"


@pytest.fixture
def squares() -> AreaIndex:
    """Two squares of 1 km side by side."""
    shapes = np.array([shapely.box(0, 0, 1000, 1000), shapely.box(1000, 0, 2000, 1000)])
    lsoas = {"L1": Lsoa("One", "B1"), "L2": Lsoa("Two", "B2")}
    return AreaIndex("test", "", lsoas, shapes, {"B1": "Left", "B2": "Right"})


def test_inside_on_the_border_near_and_far(squares: AreaIndex) -> None:
    found = squares.assign([500, 1000, 1001, -100, -101, 2050], [500, 500, 500, 500, 500, 500])
    assert found.codes.tolist() == ["L1", "L1", "L2", "L1", "", "L2"]
    assert found.nearest.tolist() == [False, False, False, True, False, True]


def test_no_points_at_all(squares: AreaIndex) -> None:
    assert squares.assign([], []).codes.tolist() == []


def test_an_edge_is_what_lies_within_the_distance(squares: AreaIndex) -> None:
    assert squares.near(["L1"], 0) == ("L1", "L2")
    assert squares.near(["B2"], 10) == ("L1", "L2")
    assert squares.near(["nowhere"], 10) == ()


@pytest.fixture
def database(tmp_path: Path) -> Database:
    database = open_database(settings_for(tmp_path), Part.PUBLISHER)
    create_schema(database)
    with database.write() as session:
        load_supplied_areas(session, BOUNDARIES)
    return database


def test_london(database: Database) -> None:
    with database.write() as session:
        assert load_supplied_areas(session, BOUNDARIES) == "lsoa-2011"  # a second time changes nothing
        index = AreaIndex.open(session)
        assert [(level, number) for _, level, number, _ in list_areas(session)] == [("borough", 33), ("lsoa", 4835)]
    codes = index.assign([530_047, 532_500, 400_000], [180_422, 181_300, 100_000]).codes
    boroughs = [index.boroughs[index.lsoas[code].borough_code] if code else "" for code in codes]
    assert boroughs == ["Westminster", "City of London", ""]


@pytest.mark.skipif(not REAL.is_dir(), reason=f"the real files are not in {REAL}")
def test_another_edition_takes_the_place_of_the_loaded_one(database: Database) -> None:
    newer = REAL / "boundaries" / "London-LSOA-2021.gpkg"
    with database.write() as session:
        number = load_areas(session, newer, AreaLevel.LSOA, "lsoa-2021", code_field="lsoa21cd", name_field="lsoa21nm")
        index = AreaIndex.open(session)
    assert number == len(index.lsoas) == 4994 and index.edition == "lsoa-2021"
    wrong = [lsoa for lsoa in index.lsoas.values() if not lsoa.name.startswith(index.boroughs[lsoa.borough_code])]
    assert wrong == []


def test_boundaries_that_cannot_be_loaded(database: Database, tmp_path: Path) -> None:
    (tmp_path / "x.gpkg").write_bytes(b"no boundaries")
    with database.write() as session:
        with pytest.raises(SafeStatsError, match="x.gpkg: this file cannot be read as boundaries"):
            load_areas(session, tmp_path / "x.gpkg", AreaLevel.LSOA, "e", code_field="c", name_field="n")
        with pytest.raises(SafeStatsError, match="has no field “kode”; it has: code, name, borough_code, borough"):
            load_areas(session, BOUNDARIES, AreaLevel.LSOA, "e", code_field="kode", name_field="name", layer="lsoa")
