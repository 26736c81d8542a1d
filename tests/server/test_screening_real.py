"""Real files: none is stopped, and nothing is blanked but what is somebody's name."""

from __future__ import annotations

from pathlib import Path

import pytest
from safestats.sync_server.ingest.raw_tables import RawTable
from safestats.sync_server.ingest.source import SourceFile
from safestats.sync_server.ingest.tables import read_tables
from safestats.sync_server.screening.tables import screen_table
from safestats.sync_server.screening.values import blanked
from safestats.tests.server.ingest_rig import REAL
from safestats.tests.server.test_screening import definition

pytestmark = [
    pytest.mark.engineless,
    pytest.mark.skipif(not REAL.is_dir(), reason="the real files are not here"),
]
FILES = {
    "police_city_of_london/2023-05-city-of-london-street.csv": "colp",
    "police_btp/2023-05-btp-street.csv": "btp",
    "lfb/2017-01-lfb-incidents.csv": "lfb",
    "lfb/LFB Incident data.csv": "lfb",
    "lfb/LFB Mobilisation data.csv": "lfb_mobilisations",
    "rnli/2020-h1-launches.csv": "rnli",
    "rnli/RNLI_Lifeboat_Station_Locations.csv": "rnli",
    "tfl/TFL Bus Safety.xlsx": "tfl",
    "tfl/bus-stops.csv": "tfl",
    "tfl/StationPoints.csv": "tfl",
    "police_met_wards_api/2017-03.zip": "mps",
}


def tables(name: str) -> list[RawTable]:
    return read_tables(SourceFile.read(REAL / name))


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("agreed", [True, False], ids=["agreed", "not agreed"])
def test_no_real_file_is_stopped_and_none_of_its_values_blanked(name: str, agreed: bool) -> None:
    for table in tables(name):
        screened = screen_table(table, table.header if agreed else (), definition(FILES[name]))
        assert not screened.blanked
        if agreed:
            assert screened.table.cells.equals(table.cells)


def test_free_text_of_a_fire_brigade_loses_three_names_of_people_and_nothing_else() -> None:
    (table,) = tables("lfb/animal_rescues.csv")
    screened = screen_table(table, table.header, definition("lfb"))
    assert screened.blanked == {"people's names in the column “final description”": 3}


def test_names_of_hospitals_and_stations_are_no_persons() -> None:
    hospitals = (REAL / "hospitals/Hospital.csv").read_text("latin-1").splitlines()[1:]
    names = [line.split("\u00ac")[7] for line in hospitals]
    # One of 1,234 bears the whole name of the man whom it honours.
    assert [name for name in names if blanked(name)[0] != name] == ["Francis Willis Unit"]
    stations = [line.split(",")[1] for line in (REAL / "tfl/Stations.csv").read_text().splitlines()[1:]]
    assert [name for name in stations if blanked(name)[0] != name] == []


def test_a_list_of_stations_under_the_header_name_is_taken_where_it_is_expected() -> None:
    (table,) = tables("tfl/Stations.csv")
    assert screen_table(table, table.header, definition("tfl")).table.header == table.header


def test_the_files_are_there() -> None:
    assert [name for name in FILES if not Path(REAL / name).is_file()] == []
