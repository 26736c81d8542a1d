"""Where it was, from what people wrote."""

from __future__ import annotations

import json
from collections.abc import Iterator

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safestats.benchmarks.described_places import POINT_LEVELS, Told, describe
from safestats.shared.areas import BOUNDARIES_FILE
from safestats.sync_server.datasets.areas import load_supplied_areas
from safestats.sync_server.geocoding.levels import GeoLevel
from safestats.sync_server.geocoding.places import Described, Places, place_described
from safestats.sync_server.geocoding.wording import key_of, plain, says_home, words_of
from safestats.sync_server.services import Services, open_services
from safestats.sync_server.settings import Part, Settings
from safestats.tests.server.engines import databases_of_a_test, settings_for

# Made above the database: one engine will do in every commit, the other is for `make test-slow`.
pytestmark = pytest.mark.above_engines

HOMERTON = "RQXM1"


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    from safestats.sync_server.schema import prepare_database

    with databases_of_a_test():
        settings = settings_for(tmp_path_factory.mktemp("geocoding") / "server")
        opened = open_services(settings, Part.OWNER)
        prepare_database(opened.database, settings, opened.definitions)
        with opened.database.write() as session:
            load_supplied_areas(session, settings.resources_dir / BOUNDARIES_FILE)
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def places(services: Services) -> Places:
    with services.database.read() as session:
        return Places.open(services, session, "istv", synthetic=True)


@pytest.fixture(scope="module")
def real_places(services: Services) -> Places:
    with services.database.read() as session:
        return Places.open(services, session, "istv", synthetic=False)


def test_the_frame_gains_where_it_was(places: Places) -> None:
    texts = ["o/s station, nw1 8nh", None, "High Street", "own address, NW1 8NH", "Hackney area"]
    frame = pl.DataFrame({"location_description": texts, "line": [1, 2, 3, 4, 5]})
    postcode, nothing, many, home, area = place_described(frame, places).rows(named=True)
    assert (postcode["geo_level"], postcode["matched_text"]) == ("postcode", "NW1 8NH")
    assert postcode["place_borough"] == "E09000007" and postcode["confidence"] > 90 and postcode["easting"] > 500_000
    assert nothing["easting"] is None and nothing["geo_level"] == "none" and nothing["ambiguous"] is None
    assert many["geo_level"] == "ambiguous" and many["easting"] is None and many["place_key"] == "high street"
    assert len(many["ambiguous"]) > 5 and json.loads(many["ambiguous"][0])["label"].startswith("High Street, ")
    assert home["geo_level"] == "home" and home["easting"] is None and home["place_borough"] is None
    assert (area["geo_level"], area["location_method"], area["place_borough"]) == ("borough", "area", "E09000012")
    assert area["easting"] is None and area["line"] == 5


def test_a_postcode_may_stand_in_a_column_of_its_own(places: Places) -> None:
    frame = pl.DataFrame({"location_postcode": ["E8 2AA", "E8", "E9 6SR"], "site": ["", "", HOMERTON]})
    whole, district, own = place_described(frame, places).rows(named=True)
    assert whole["geo_level"] == "postcode" and district["geo_level"] == "sector" and own["geo_level"] == "none"
    assert district["easting"] is None and district["place_borough"] == "E09000012"


# Text; level, borough, part of the name that was found.
LADDER = [
    ("outside The Royal Falcon, N7", GeoLevel.VENUE, "E09000019", "The Royal Falcon"),
    ("ROYAL FALCON PUB ISLINGTON", GeoLevel.VENUE, "E09000019", "The Royal Falcon"),
    ("Fern Ln HA7", GeoLevel.STREET, "E09000015", "Fern Lane"),
    ("fern lane harrow", GeoLevel.STREET, "E09000015", "Fern Lane"),
    ("Assaulted on Fern Lane, HA7 1", GeoLevel.STREET, "E09000015", "Fern Lane"),
    ("opp 12 elmer dr., W10", GeoLevel.STREET, "E09000020", "Elmer Drive"),
    ("fern lnae, harrow", GeoLevel.STREET, "E09000015", "Fern Lane"),
    ("Fern Lane, Harow", GeoLevel.STREET, "E09000015", "Fern Lane"),
    ("bayham common SW19", GeoLevel.PARK, "E09000024", "Bayham Common"),
    ("o/s Balham Stn", GeoLevel.STATION, "E09000032", "Balham station"),
    ("KING'S CROSS TUBE STATION", GeoLevel.STATION, "E09000007", "King's Cross"),
    ("clapham jct station", GeoLevel.STATION, "E09000032", "Clapham Junction"),
    ("E8 3", GeoLevel.SECTOR, "E09000012", "E8 3"),
    ("pub in E8", GeoLevel.SECTOR, "E09000012", "E8"),
    ("Walthamstowe", GeoLevel.TOWN, "E09000031", "Walthamstow"),
    ("street in tower hamlets", GeoLevel.BOROUGH, "E09000030", "Tower Hamlets"),
    ("on way home, Camden", GeoLevel.BOROUGH, "E09000007", "Camden"),
    ("care home in Hackney", GeoLevel.BOROUGH, "E09000012", "Hackney"),
]


@pytest.mark.parametrize(("text", "level", "borough", "name"), LADDER, ids=[row[0] for row in LADDER])
def test_each_rung_of_the_ladder(places: Places, text: str, level: GeoLevel, borough: str, name: str) -> None:
    placed = places.place(Described(text))
    assert placed.level == level and placed.borough_code == borough
    assert name in (placed.matched_text or "")
    assert (placed.easting is not None) == (str(level) in POINT_LEVELS)
    assert (placed.precision_m is not None) == (str(level) in POINT_LEVELS)


@pytest.mark.parametrize(
    "text", ["", "street", "pub", "refused", "unknown", "N/K", "in the street", "can't remember", "bus", "?", "London"]
)
def test_what_says_nothing_is_nowhere_and_nobody_is_asked(places: Places, text: str) -> None:
    placed = places.place(Described(text))
    assert placed.level == GeoLevel.NONE and not placed.unclear and placed.borough_code is None


HOMES = (
    *("home", "at home", "Own address", "home address E8 2AA", "pt's own home, Fern Lane, Harrow", "flat 3, Fern Lane"),
    *("o/s own address", "friend's house", "partners flat E8", "in the living room", "private residence"),
)


@pytest.mark.parametrize("text", HOMES)
def test_a_home_is_never_placed(places: Places, text: str) -> None:
    placed = places.place(Described(text))
    assert placed.level == GeoLevel.HOME
    assert placed.easting is placed.borough_code is placed.matched_text is None and not placed.unclear


@pytest.mark.parametrize("kind", ["home", "Own Home", "private dwelling", "Patient's home"])
def test_a_place_that_the_row_calls_a_home_is_none(places: Places, kind: str) -> None:
    placed = places.place(Described("Fern Lane, Harrow", "E8 2AA", kind))
    assert placed.level == GeoLevel.HOME and placed.easting is None


@pytest.mark.parametrize(
    "text",
    ["walking home from work", "on my way home", "care home", "Homerton", "public house", "childrens home", "bus home"],
)
def test_not_every_home_is_one(text: str) -> None:
    assert not says_home(text)


@pytest.mark.parametrize(
    "text", ["E9 6SR", "e96sr", "Homerton hospital", "HOMERTON UNIVERSITY HOSPITAL, E9 6SR", "HUH"]
)
def test_the_treating_hospital_is_not_the_place(places: Places, text: str) -> None:
    placed = places.place(Described(text, site=HOMERTON))
    assert placed.level == GeoLevel.NONE and placed.easting is None and not placed.unclear


@pytest.mark.parametrize(
    "text", ["outside Homerton hospital", "A&E waiting room, E9 6SR", "on ward at Homerton hospital"]
)
def test_unless_it_happened_there(places: Places, text: str) -> None:
    placed = places.place(Described(text, site=HOMERTON))
    assert placed.level == GeoLevel.VENUE and placed.matched_text == "Homerton University Hospital"


def test_the_hospitals_borough_is_not_the_places(places: Places) -> None:
    """An assault in Camden that is treated in Tower Hamlets is Camden's."""
    for site in ("R1H12", HOMERTON, ""):
        placed = places.place(Described("Fern Lane, Harrow", site=site))
        assert placed.borough_code == "E09000015"
        assert places.place(Described("High Street, Camden", site=site)).borough_code == "E09000007"
    # Alone it is not placed near the hospital either; only the order of the candidates tells what is near.
    near, far = (
        places.place(Described("High Street", site=HOMERTON)),
        places.place(Described("High Street", site="RAS01")),
    )
    assert near.level == far.level == GeoLevel.AMBIGUOUS and near.borough_code is None
    assert near.candidates[0] != far.candidates[0]


def test_words_that_contradict_a_postcode_are_asked_about(places: Places) -> None:
    placed = places.place(Described("NW1 8NH, Croydon"))
    assert placed.level == GeoLevel.AMBIGUOUS and placed.unclear and placed.easting is None
    assert [candidate.label for candidate in placed.candidates] == ["NW1 8NH"]


def test_letters_that_look_like_digits_are_suggested_not_taken(places: Places) -> None:
    placed = places.place(Described("NWI 8NH"))
    assert placed.easting is None and placed.unclear
    assert [candidate.label for candidate in placed.candidates] == ["NW1 8NH"]


def test_a_postcode_that_there_is_not_leaves_its_sector(places: Places) -> None:
    placed = places.place(Described("N1 9ZZ"))
    assert placed.level == GeoLevel.SECTOR and placed.easting is None and placed.matched_text == "N1 9"


def test_a_street_that_is_elsewhere_is_not_put_where_it_was_said_to_be(places: Places) -> None:
    placed = places.place(Described("Fern Lane, Croydon"))
    assert placed.easting is None and placed.unclear


def test_two_streets_meet_where_they_are_said_to(places: Places) -> None:
    told = [one for one in describe(Settings().resources_dir, 600, 11) if one.kind == "junction"]
    assert len(told) > 20
    found = [places.place(Described(one.text)) for one in told]
    right = [
        placed for one, placed in zip(told, found, strict=True) if one.found_at(placed.easting, placed.northing, 0)
    ]
    assert len(right) >= 0.95 * len(told)
    assert {placed.level for placed in right} == {GeoLevel.JUNCTION}


def test_what_is_made_up_never_places_what_is_real(real_places: Places) -> None:
    placed = real_places.place(Described("Fern Lane, Harrow"))
    assert placed.easting is None and placed.level == GeoLevel.BOROUGH and placed.unclear
    assert real_places.place(Described("Balham station")).level == GeoLevel.STATION


def test_nothing_of_the_suppliers_words_is_kept(places: Places) -> None:
    placed = places.place(Described("John Smith punched me outside the royal falcon n7 next to 07700 900123"))
    assert placed.matched_text == "The Royal Falcon, Islington, N7"


@pytest.fixture(scope="module")
def told() -> list[Told]:
    return describe(Settings().resources_dir, 3_000, 7)


def test_at_least_95_in_100_are_found_and_at_most_1_in_100_of_the_sure_ones_is_wrong(
    places: Places, told: list[Told]
) -> None:
    allowed = right = sure = wrong = 0
    for one in told:
        placed = places.place(Described(one.text, site=one.site))
        meant = one.level in POINT_LEVELS
        good = meant and one.found_at(placed.easting, placed.northing, placed.precision_m)
        allowed, right = allowed + meant, right + good
        if placed.easting is not None and placed.confidence > 80:
            sure, wrong = sure + 1, wrong + (not good)
        if one.level == "home":
            assert placed.level == GeoLevel.HOME, one.text
        if one.level in ("none", "ambiguous"):
            assert placed.easting is None, one.text
    assert allowed > 2_000 and right >= 0.95 * allowed, (right, allowed)
    assert sure > 1_500 and wrong <= 0.01 * sure, (wrong, sure)


@pytest.mark.parametrize("name", ["Zorba Road", "Quixley Street", "The Purple Walrus", "Spenser Primary School"])
@pytest.mark.parametrize("area", ["Camden", "E8", "SW19", "Walthamstow", ""])
def test_names_that_the_gazetteer_lacks_are_not_mistaken_for_others(places: Places, name: str, area: str) -> None:
    placed = places.place(Described(f"outside {name}, {area}"))
    assert placed.easting is None and placed.unclear, placed.matched_text


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=80), st.sampled_from(["", HOMERTON, "nowhere"]))
def test_any_text_can_be_asked(places: Places, text: str, site: str) -> None:
    placed = places.place(Described(text, site=site))
    assert (placed.easting is None) == (placed.northing is None)
    assert 0 <= placed.confidence <= 100
    if placed.level in (GeoLevel.NONE, GeoLevel.HOME, GeoLevel.AMBIGUOUS):
        assert placed.easting is None
    assert len(plain(text)) <= 200


@settings(max_examples=60, deadline=None)
@given(st.sampled_from([row[0] for row in LADDER]), st.sampled_from(["{}", " {} ", "{}.", "({})"]), st.booleans())
def test_case_and_marks_around_it_change_nothing(places: Places, text: str, form: str, loud: bool) -> None:
    same = form.format(text.upper() if loud else text)
    assert places.place(Described(same)).matched_text == places.place(Described(text)).matched_text


def test_words_are_written_out() -> None:
    assert key_of("St. John’s Wood High St") == "st johns wood high street"
    assert key_of("The Fox & Hen") == key_of("fox and hen") == "fox and hen"
    assert key_of("Saint Mary's Rd") == "st marys road"
    assert words_of("Mare St j/w Well St, E8")[:5] == ["mare", "st", "+", "well", "st"]
    assert words_of("o/s shop opp. bank") == ["outside", "shop", "opposite", "bank"]
