"""What is typed becomes a postcode or a sentence; places come from the shipped file."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from safestats.shared.areas import BOUNDARIES_FILE, Boundaries
from safestats.shared.postcodes import (
    POSTCODES_FILE,
    EmptyPostcode,
    MalformedPostcode,
    PartialPostcode,
    PostcodeIndex,
    PostcodeNotCovered,
    PostcodeWithoutPlace,
    UnknownPostcode,
    parse,
)

ROOT = Path(__file__).resolve().parents[2]
REAL = ROOT.parent / "shared" / "data" / "postcodes"


@pytest.fixture(scope="module")
def index():
    return PostcodeIndex.load(ROOT / "resources" / POSTCODES_FILE)


@pytest.mark.parametrize("typed", ["se1 2aa", "SE12AA", " Se1-2aA ", "S E 1 2 A A", "SE1.2AA"])
def test_every_spelling_is_the_same_postcode(typed):
    assert str(parse(typed)) == "SE1 2AA"


@pytest.mark.parametrize("typed", ["e16 1ze", "E161ZE", "e 16 1 ze"])
def test_every_spelling_is_the_same_place(index, typed):
    place = index.find(typed)
    assert (place.easting, place.northing, place.lsoa) == (540021, 180656, "E01033574")
    assert not place.warning


@pytest.mark.parametrize("text", ["N1 9AA", "N12 9AA", "SE1 2AA", "SW19 2AA", "W1A 1AA", "EC1A 1BB", "GIR 0AA"])
def test_the_shapes_of_postcodes(text):
    assert str(parse(text)) == text


@pytest.mark.parametrize(
    "text", ["QV1 2AA", "VE1 2AA", "XE1 2AA", "SI1 2AA", "SJ1 2AA", "SZ1 2AA", "SE1 AAA", "12 3AB"]
)
def test_letters_that_no_postcode_has(text):
    with pytest.raises(MalformedPostcode, match="is not a UK postcode"):
        parse(text)


@pytest.mark.parametrize("letter", "CIKMOV")
def test_inward_letters_that_no_postcode_has(letter):
    with pytest.raises((MalformedPostcode, PartialPostcode)):
        parse(f"SE1 2A{letter}")


@pytest.mark.parametrize("text", ["SE1", "SE1 2", "SE1 2A", "SW1A", "EC1A 1", "n1"])
def test_part_of_a_postcode_asks_for_the_rest(text):
    with pytest.raises(PartialPostcode, match="give the full postcode"):
        parse(text)


def test_nothing_typed():
    with pytest.raises(EmptyPostcode, match="No postcode was given"):
        parse("  - ")


def test_letters_for_digits_are_suggested_never_changed(index):
    with pytest.raises(MalformedPostcode, match="did you mean E16 1ZE"):
        index.find("EI6 1ZE")
    with pytest.raises(MalformedPostcode, match="did you mean SE1 2AA") as caught:
        parse("SEI 2AA")
    assert caught.value.suggestions == ("SE1 2AA",)


def test_far_away(index):
    with pytest.raises(PostcodeNotCovered, match="EH1 1YZ lies outside London"):
        index.find("EH1 1YZ")


def test_unknown_with_those_near_it(index):
    with pytest.raises(UnknownPostcode, match="SE1 2AA is not a live postcode") as caught:
        index.find("SE1 2AA")
    assert "SE1 2AD" in caught.value.suggestions


def test_without_a_place():
    index = PostcodeIndex(["N11AA,90,,,", "N11AB,60,530000,180000,E01000001", "N11AD,30,530000,180000,E01000001"])
    with pytest.raises(PostcodeWithoutPlace, match="position of N1 1AA is not known"):
        index.find("N1 1AA")
    with pytest.raises(PostcodeWithoutPlace, match="too coarse to search around"):
        index.find("N1 1AB")
    assert "small rings" in index.find("N1 1AD").warning


def test_suggestions_begin_with_what_was_typed(index):
    found = index.suggest("e16 1z", limit=3)
    assert len(found) == 3
    assert all(text.startswith("E16 1Z") for text in found)


@given(st.text(max_size=12))
def test_any_text_gives_a_postcode_or_a_sentence(text):
    try:
        postcode = parse(text)
    except ValueError as error:
        assert str(error).endswith((".", "?"))
    else:
        assert parse(str(postcode)) == postcode
        assert parse(postcode.compact.lower()) == postcode


def test_the_file_equals_the_real_one(index):
    if not REAL.is_dir():
        pytest.skip("the real postcode files are not beside this checkout")
    rows = 0
    for path in sorted(REAL.glob("*.csv.gz")):
        with gzip.open(path, "rt", newline="") as file:
            for postcode, quality, easting, northing in csv.reader(file):
                rows += 1
                if rows % 97 == 0 and int(easting) and int(quality) < 60:
                    place = index.find(postcode)
                    assert (place.easting, place.northing, place.quality) == (int(easting), int(northing), int(quality))
    assert rows == len(index)


def test_boroughs_and_lsoas_of_the_shipped_boundaries():
    boundaries = Boundaries.read(ROOT / "resources" / BOUNDARIES_FILE)
    assert len(boundaries.boroughs) == 33
    assert len(boundaries.lsoas) == 4835
    assert boundaries.boroughs["E09000007"].name == "Camden"
    camden = boundaries.borough_of("E01000863")
    assert camden is not None and camden.name == "Camden"
    assert boundaries.borough_of("E01099999") is None
    assert {lsoa.parent for lsoa in boundaries.lsoas.values()} == set(boundaries.boroughs)
