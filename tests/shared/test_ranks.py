"""Counting around every postcode at once equals counting one by one, and a rank is what it says."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safestats.shared.areas import BOUNDARIES_FILE, Boundaries
from safestats.shared.postcodes import POSTCODES_FILE, PostcodeIndex
from safestats.shared.ranks import Distribution, borough_postcodes, count_all, sentence

ROOT = Path(__file__).resolve().parents[2]
RESOURCES = ROOT / "resources"
DATA = ROOT.parent / "shared" / "data"

near = st.tuples(st.integers(0, 600), st.integers(0, 600))


@settings(deadline=None)
@given(
    st.lists(st.tuples(near, st.integers(0, 3)), max_size=60),
    st.lists(st.tuples(st.integers(-300, 900), st.integers(-300, 900)), max_size=12),
    st.lists(st.integers(1, 400), min_size=1, max_size=3),
    st.sampled_from([0, 0.25]),
)
def test_equals_one_by_one(points, centres, radii, shift):
    places = np.array([place for place, _ in points]).reshape(-1, 2) + shift
    weights = np.array([weight for _, weight in points], dtype=int)
    counted = count_all(places, weights, np.array(centres).reshape(-1, 2), radii)
    by_hand = [
        [
            sum(w for (x, y), w in zip(places.tolist(), weights.tolist()) if (x - e) ** 2 + (y - n) ** 2 <= r * r)
            for r in radii
        ]
        for e, n in centres
    ]
    assert counted.tolist() == by_hand


def test_kinds_are_counted_side_by_side():
    random = np.random.default_rng(5)
    places, centres = random.integers(0, 3000, (4000, 2)), random.integers(-200, 3200, (200, 2))
    kinds = random.integers(0, 3, (4000, 4))
    together = count_all(places, kinds, centres, (100, 250))
    assert together.shape == (200, 2, 4)
    for kind in range(4):
        assert (together[:, :, kind] == count_all(places, kinds[:, kind], centres, (100, 250))).all()


def test_on_the_ring_is_inside_whatever_cell_it_lies_in():
    # Every whole-number point at exactly 65 m: 16² + 63², 25² + 60², 33² + 56², 39² + 52², and the axes.
    legs = [(16, 63), (25, 60), (33, 56), (39, 52), (0, 65)]
    around = {(sx * a, sy * b) for p, q in legs for a, b in ((p, q), (q, p)) for sx in (-1, 1) for sy in (-1, 1)}
    for centre in ((0, 0), (530_013, 180_007)):
        places = np.array(sorted(around)) + centre
        for widest in (65, 130, 1300):
            assert count_all(places, np.ones(len(places)), [centre], (64, 65, widest))[0].tolist() == [0, 36, 36]


def test_real_incidents_around_real_postcodes():
    folder = DATA / "lfb"
    if not folder.is_dir():
        pytest.skip("The real files are not beside the project (../shared/data/lfb).")
    with (folder / "2017-01-lfb-incidents.csv").open(encoding="utf-8", newline="") as file:
        places = [(int(float(r["easting_rounded"])), int(float(r["northing_rounded"]))) for r in csv.DictReader(file)]
    index = PostcodeIndex.load(RESOURCES / POSTCODES_FILE)
    centres = borough_postcodes(index, Boundaries.read(RESOURCES / BOUNDARIES_FILE))["E09000001"]
    counted = count_all(np.array(places), np.ones(len(places)), centres, (100, 250, 500))
    east, north = np.array(places).T
    for (x, y), row in zip(centres.tolist(), counted.tolist()):
        squared = (east - x) ** 2 + (north - y) ** 2
        assert row == [int((squared <= radius**2).sum()) for radius in (100, 250, 500)]
    assert counted.max() > 20


def test_the_postcodes_of_a_borough_are_those_of_the_file():
    boundaries = Boundaries.read(RESOURCES / BOUNDARIES_FILE)
    found = borough_postcodes(PostcodeIndex.load(RESOURCES / POSTCODES_FILE), boundaries)
    by_hand: dict[str, list[tuple[int, int]]] = {code: [] for code in boundaries.boroughs}
    with gzip.open(RESOURCES / POSTCODES_FILE, "rt", encoding="ascii", newline="") as file:
        for row in csv.DictReader(file):
            if row["lsoa"] in boundaries.lsoas and int(row["quality"]) < 60 and int(row["easting"] or 0):
                borough = boundaries.lsoas[row["lsoa"]].parent
                by_hand[borough].append((int(row["easting"]), int(row["northing"])))
    assert {code: list(map(tuple, places.tolist())) for code, places in found.items()} == by_hand
    assert min(map(len, by_hand.values())) > 1000


def test_shares_are_of_those_with_fewer_and_more():
    spread = Distribution.of([0, 0, 0, 1, 1, 4, 9, 9, 9, 9])
    assert (spread.counts, spread.postcodes, spread.total) == ((0, 1, 4, 9), (3, 2, 1, 4), 10)
    assert [spread.share_below(n) for n in (0, 1, 2, 9, 10)] == [0, 30, 50, 60, 100]
    assert [spread.share_above(n) for n in (0, 1, 2, 9)] == [70, 50, 50, 0]
    assert Distribution((), ()).share_below(3) == 0


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (100, "more than around 99 in 100 postcodes in Camden"),
        (95, "more than around 9 in 10 postcodes in Camden"),
        (97, "more than around 9 in 10 postcodes in Camden"),  # never “10 in 10”
        (70, "more than around 7 in 10 postcodes in Camden"),
        (50, "about as many as most postcodes in Camden"),
        (4, "fewer than around 9 in 10 postcodes in Camden"),
        (0, "fewer than around 99 in 100 postcodes in Camden"),
    ],
)
def test_the_sentence(count, words):
    assert sentence(Distribution.of(range(100)), count, "Camden") == words


def test_the_sentence_of_the_commonest_count_and_of_nothing_to_compare_with():
    assert sentence(Distribution.of([0] * 80 + [5] * 20), 0, "Brent") == "about as many as most postcodes in Brent"
    assert sentence(Distribution.of([0] * 80 + [5] * 20), 1, "City of London").endswith("in the City of London")
    assert sentence(Distribution((), ()), 3, "Brent") == ""
