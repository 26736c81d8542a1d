"""Files of places and postcodes, as their publishers make them."""

from __future__ import annotations

import csv
import gzip
import zipfile
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from safestats.shared.areas import BOUNDARIES_FILE
from safestats.sync_server.datasets.areas import load_supplied_areas
from safestats.sync_server.errors import SafeStatsError
from safestats.sync_server.geocoding import store
from safestats.sync_server.geocoding.hospitals import hospitals_file, read_hospitals
from safestats.sync_server.geocoding.kinds import SourceKind
from safestats.sync_server.geocoding.levels import GeoLevel, LocationMethod
from safestats.sync_server.geocoding.places import Described, Places
from safestats.sync_server.geocoding.service import load_hospitals, load_part, remove_part
from safestats.sync_server.schema import prepare_database
from safestats.sync_server.services import Services, open_services
from safestats.sync_server.settings import Part, Settings
from safestats.tests.server.engines import databases_of_a_test, settings_for
from safestats.tests.server.ingest_rig import REAL

# Made above the database: one engine will do in every commit, the other is for `make test-slow`.
pytestmark = pytest.mark.above_engines

ACTOR = "somebody"
OPEN_NAMES_WIDTH = 34


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    with databases_of_a_test():
        settings = settings_for(tmp_path_factory.mktemp("loaders") / "server")
        opened = open_services(settings, Part.OWNER)
        prepare_database(opened.database, settings, opened.definitions)
        with opened.database.write() as session:
            load_supplied_areas(session, settings.resources_dir / BOUNDARIES_FILE)
        yield opened
        opened.close()


@pytest.fixture(autouse=True)
def nothing_loaded(services: Services) -> Iterator[None]:
    yield
    for part in store.parts(services.settings.data_dir):
        store.remove(services.settings.data_dir, part.kind)


def opened(services: Services) -> Places:
    with services.database.read() as session:
        return Places.open(services, session, "istv", synthetic=False)


def open_names_row(kind: str, local: str, name: str, easting: int, northing: int, reach: int = 100) -> list[str]:
    row = [""] * OPEN_NAMES_WIDTH
    row[0], row[2], row[6], row[7] = f"osgb{easting}{northing}", name, kind, local
    row[8], row[9] = str(easting), str(northing)
    row[12:16] = [str(easting - reach), str(northing - reach), str(easting + reach), str(northing + reach)]
    return row


def write(path: Path, rows: list[list[str]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)
    return path


def test_os_open_names_from_its_zip(services: Services, tmp_path: Path) -> None:
    rows = [
        open_names_row("transportNetwork", "Named Road", "Quixley Street", 528_900, 183_900, 150),
        open_names_row("transportNetwork", "Named Road", "Zorba Road", 529_100, 183_900, 150),
        open_names_row("transportNetwork", "Railway Station", "Quixley Junction", 528_800, 183_950),
        open_names_row("populatedPlace", "Suburban Area", "Zorbaville", 528_900, 183_900, 500),
        open_names_row("landcover", "Urban Greenspace", "Vandervell Park", 528_700, 183_700),
        open_names_row("transportNetwork", "Named Road", "Brighton Front", 531_000, 104_000),
        open_names_row("other", "Postcode", "NW1 8NH", 528_913, 183_992),
    ]
    tile = write(tmp_path / "TQ28.csv", rows)
    archive = tmp_path / "opname_csv_gb.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.write(tile, "Data/TQ28.csv")
        file.writestr("Doc/OS_Open_Names_Header.csv", ",".join(["ID", "NAMES_URI"] + ["X"] * 32))
    part = load_part(services, ACTOR, SourceKind.OPEN_NAMES, archive, "2026-10")
    assert (part.rows, part.edition) == (5, "2026-10")
    places = opened(services)
    street = places.place(Described("quixley st, Camden"))
    assert (street.level, street.easting, street.borough_code) == (GeoLevel.STREET, 528_900, "E09000007")
    assert street.precision_m == pytest.approx(212, abs=2) and street.matched_text == "Quixley Street, Camden, NW1"
    assert places.place(Described("Quixley St j/w Zorba Rd")).level == GeoLevel.JUNCTION
    assert places.place(Described("Quixley Junction station")).level == GeoLevel.STATION
    assert places.place(Described("street in Zorbaville")).level == GeoLevel.TOWN
    assert places.place(Described("Vandervell Park, NW1")).level == GeoLevel.PARK
    assert places.place(Described("Brighton Front")).easting is None
    # Loaded stations stand in the place of the supplied ones; nothing made up is there.
    assert places.place(Described("Fern Lane, Harrow")).easting is None


@pytest.mark.parametrize("header", [True, False])
def test_code_point_open(services: Services, tmp_path: Path, header: bool) -> None:
    rows = [["NW1 8ZZ", "10", "528900", "183900", "E92000001"], ["BN1 1AA", "10", "531000", "104000", "E92000001"]]
    names = [["Postcode", "Positional_quality_indicator", "Eastings", "Northings", "Country_code"]] if header else []
    part = load_part(services, ACTOR, SourceKind.CODE_POINT_OPEN, write(tmp_path / "nw.csv", names + rows), "")
    assert part.rows == 1 and part.edition == "nw"
    places = opened(services)
    placed = places.place(Described("near NW1 8ZZ"))
    assert (placed.easting, placed.borough_code, placed.confidence) == (528_900, "E09000007", 98)
    assert places.place(Described("NW1 8NH")).level == GeoLevel.POSTCODE  # the supplied ones are there besides


OLD = ["pcd", "pcd2", "pcds", "dointr", "doterm", "oslaua", "osward", "usertype", "oseast1m", "osnrth1m", "osgrdind"]
NEW = ["pcd7", "pcd8", "pcds", "dointr", "doterm", "lad25cd", "wd25cd", "usrtypind", "east1m", "north1m", "gridind"]


@pytest.mark.parametrize("header", [OLD, NEW], ids=["old", "new"])
def test_onspd_with_its_quality_and_its_terminated_postcodes(
    services: Services, tmp_path: Path, header: list[str]
) -> None:
    def row(code: str, ended: str, quality: str, easting: str = "528900", northing: str = "183900") -> list[str]:
        return [code, code, code, "198001", ended, "", "", "0", easting, northing, quality]

    rows = [
        row("NW1 8ZA", "", "1"),
        row("NW1 8ZB", "201903", "1"),
        row("NW1 8ZD", "", "6"),
        row("NW1 8ZE", "", "9", "", ""),
        row("NW1 8ZF", "200001", "8"),
    ]
    load_part(services, ACTOR, SourceKind.ONSPD, write(tmp_path / "ONSPD.csv", [header, *rows]), "2026-08")
    places = opened(services)
    exact, ended, sector, nowhere, old = (places.place(Described(f"NW1 8Z{last}")) for last in "ABDEF")
    assert exact.level == GeoLevel.POSTCODE and exact.confidence == 98
    assert ended.level == GeoLevel.POSTCODE and ended.matched_text == "NW1 8ZB (terminated 2019-03)"
    assert ended.confidence < exact.confidence
    # A sector's mean and no position at all are areas, without a point.
    assert sector.level == nowhere.level == GeoLevel.SECTOR and sector.easting is nowhere.easting is None
    assert old.level == GeoLevel.POSTCODE and (old.precision_m or 0) > (exact.precision_m or 0)


def test_a_plain_list_of_venues(services: Services, tmp_path: Path) -> None:
    rows = [
        ["name", "latitude", "longitude", "kind", "other_names"],
        ["The Purple Walrus", "51.5400", "-0.1415", "venue", "Walrus Bar;Purple's"],
        ["Zorba Estate Road", "51.5402", "-0.1410", "street", ""],
    ]
    load_part(services, ACTOR, SourceKind.VENUES, write(tmp_path / "venues.csv", rows), "")
    places = opened(services)
    for text in ("purple walrus, Camden", "o/s The Purple Walrus NW1", "walrus bar camden", "Purple Wallrus, Camden"):
        placed = places.place(Described(text))
        assert placed.level == GeoLevel.VENUE and placed.method == LocationMethod.GAZETTEER, text
        assert abs((placed.easting or 0) - 528_995) < 60, placed.easting
    assert places.place(Described("Zorba Estate Rd NW1")).level == GeoLevel.STREET


@pytest.mark.parametrize(
    ("kind", "rows", "sentence"),
    [
        (SourceKind.VENUES, [["title"], ["x"]], "has no column “name”"),
        (SourceKind.VENUES, [["name", "easting", "northing", "kind"], ["x y", "529000", "184000", "pub"]], "no kind"),
        (SourceKind.ONSPD, [["postcode"], ["NW1 8NH"]], "ONSPD's headers"),
        (SourceKind.CODE_POINT_OPEN, [["LSOA", "x"], ["E01", "y"]], "no file of Code-Point Open"),
        (SourceKind.OPEN_NAMES, [["ID", "NAME1"], ["1", "x"]], "no tile of OS Open Names"),
        (SourceKind.VENUES, [["name", "easting", "northing"], ["Pier", "531000", "104000"]], "nothing in or around"),
    ],
)
def test_another_file_is_refused_in_a_sentence(
    services: Services, tmp_path: Path, kind: SourceKind, rows: list[list[str]], sentence: str
) -> None:
    with pytest.raises(SafeStatsError, match=sentence):
        load_part(services, ACTOR, kind, write(tmp_path / "file.csv", rows), "")
    assert store.parts(services.settings.data_dir) == []


def test_what_is_loaded_is_told_audited_and_can_go(services: Services, tmp_path: Path) -> None:
    rows = [["name", "easting", "northing"], ["The Purple Walrus", "528900", "183900"]]
    path = write(tmp_path / "venues.csv", rows)
    load_part(services, ACTOR, SourceKind.VENUES, path, "first")
    load_part(services, ACTOR, SourceKind.VENUES, path, "second")
    (part,) = store.parts(services.settings.data_dir)
    assert (part.kind, part.edition, part.rows, part.area_edition) == ("venues", "second", 1, "lsoa-2011")
    events = [event.body for event in services.audit.events() if event.body["event"] == "gazetteer.load"]
    assert events[-1]["filter"] == {"kind": "venues", "edition": "second", "sha256": part.sha256}
    remove_part(services, ACTOR, SourceKind.VENUES)
    with pytest.raises(SafeStatsError, match="Nothing of the kind"):
        remove_part(services, ACTOR, SourceKind.VENUES)
    assert opened(services).place(Described("The Purple Walrus, Camden")).easting is None


def test_hospitals_are_a_register(services: Services, tmp_path: Path) -> None:
    settings = services.settings
    supplied = read_hospitals(hospitals_file(settings.data_dir, settings.resources_dir))
    assert {"R1H12", "RQXM1", "RYJ01"} <= set(supplied)
    text = "code,name,postcode,trust,from,to\nZZZ01,Zorba Hospital,NW1 8NH,Zorba NHS Trust,2020-01-01,2026-03-31\n"
    path = tmp_path / "hospitals.csv"
    path.write_text(text, encoding="utf-8")
    assert load_hospitals(services, ACTOR, path) == 1
    try:
        (only,) = read_hospitals(hospitals_file(settings.data_dir, settings.resources_dir)).values()
        assert only.takes_part(date(2026, 3, 31)) and not only.takes_part(date(2026, 4, 1))
        places = opened(services)
        assert places.place(Described("NW1 8NH", site="ZZZ01")).level == GeoLevel.NONE
        assert places.place(Described("E9 6SR", site="ZZZ01")).level == GeoLevel.POSTCODE
    finally:
        (settings.data_dir / "hospitals" / "hospitals.csv").unlink()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("code,name\nA,B\n", "no column “postcode”"),
        ("code,name,postcode,trust,from,to\n", "holds no hospital"),
        ("code,name,postcode,trust,from,to\nA,B,NW1,C,,\n", "line 2"),
        ("code,name,postcode,trust,from,to\nA,B,NW1 8NH,C,soon,\n", "line 2"),
        ("code,name,postcode,trust,from,to\nA,B,NW1 8NH,C,,\nA,D,NW1 8NH,C,,\n", "twice"),
        ("code,name,postcode,trust,from,to\n,B,NW1 8NH,C,,\n", "needs a code"),
    ],
)
def test_a_register_that_is_none_is_refused(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "hospitals.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SafeStatsError, match=sentence):
        read_hospitals(path)


def test_the_supplied_hospitals_have_postcodes_that_are_known() -> None:
    resources = Settings().resources_dir
    with gzip.open(resources / "postcodes" / "postcodes.csv.gz", "rt", encoding="ascii") as file:
        known = {line.split(",", 1)[0] for line in file}
    lacking = [
        hospital.code
        for hospital in read_hospitals(resources / "hospitals" / "hospitals.csv").values()
        if hospital.postcode.replace(" ", "") not in known
    ]
    # Large users' postcodes are in no open file.
    assert len(lacking) <= 4, lacking


@pytest.fixture
def tfl() -> Path:
    folder = REAL / "tfl"
    if not (folder / "bus-stops.csv").exists():
        pytest.skip("TfL's lists of stops and stations are not beside the project")
    return folder


def test_real_bus_stops_and_stations(services: Services, tfl: Path) -> None:
    stops = load_part(services, ACTOR, SourceKind.BUS_STOPS, tfl / "bus-stops.csv", "")
    stations = load_part(services, ACTOR, SourceKind.STATIONS, tfl / "StationPoints.csv", "")
    assert stops.rows > 15_000 and stations.rows > 450
    places = opened(services)
    stop = places.place(Described("bus stop Trevor Close, Hounslow"))
    assert (stop.level, stop.easting, stop.northing) == (GeoLevel.STATION, 515_781, 174_783)
    assert places.place(Described("Oxford Circus tube")).borough_code == "E09000033"
    with (tfl / "bus-stops.csv").open(encoding="utf-8", newline="") as file:
        names = [row for row in csv.DictReader(file) if row["Stop_Name"].isalpha()][:300]
    for row in names:
        placed = places.place(Described(f"{row['Stop_Name']} bus stop"))
        if placed.easting is not None:
            assert placed.matched_text and row["Stop_Name"].casefold() in placed.matched_text.casefold()


def test_real_postcodes(services: Services, tmp_path: Path) -> None:
    path = REAL / "postcodes" / "nw.csv.gz"
    if not path.exists():
        pytest.skip("the files of Code-Point Open are not beside the project")
    plain = tmp_path / "nw.csv"
    plain.write_bytes(gzip.decompress(path.read_bytes()))
    load_part(services, ACTOR, SourceKind.CODE_POINT_OPEN, plain, "")
    places = opened(services)
    with plain.open(encoding="ascii", newline="") as file:
        rows = [row for row in csv.reader(file) if row[2] != "0" and int(row[1]) < 50][::97]
    for code, _, easting, northing, *_ in rows:
        placed = places.place(Described(f"o/s {code.lower()}"))
        assert (placed.easting, placed.northing) == (int(easting), int(northing)), code
