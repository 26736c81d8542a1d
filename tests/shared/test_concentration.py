"""Concentration against its definitions written out pair by pair and place by place."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safestats.shared.concentration import ConcentrationError, concentration, places_of

counts_lists = st.lists(st.integers(0, 12), min_size=1, max_size=40).filter(any)


def gini_by_pairs(counts):
    """The mean difference of all pairs of places over twice the mean."""
    number, total = len(counts), sum(counts)
    differences = sum(abs(a - b) for a in counts for b in counts)
    return differences / (2 * number * total)


def generalised_gini_by_formula(counts):
    """Bernasco and Steenbeek 2017, as printed: shares of incidents in rising order, weighted by rank."""
    number, total = len(counts), sum(counts)
    weighted = sum(rank * count / total for rank, count in enumerate(sorted(counts), start=1))
    return max(1 / total, 1 / number) * (2 * weighted - number - 1) - max(number / total, 1) + 1


def places_holding_by_hand(counts, percent):
    held = 0
    for number, count in enumerate(sorted(counts, reverse=True), start=1):
        held += count
        if held * 100 >= percent * sum(counts):
            return number
    raise AssertionError


@settings(max_examples=200, deadline=None)
@given(counts_lists)
def test_both_ginis_equal_their_definitions(counts):
    found = concentration(counts)
    assert found.gini == pytest.approx(gini_by_pairs(counts), abs=1e-9)
    assert found.generalised_gini == pytest.approx(generalised_gini_by_formula(counts), abs=1e-9)
    assert (found.incidents, found.places, found.empty) == (sum(counts), len(counts), counts.count(0))


@settings(max_examples=200, deadline=None)
@given(counts_lists, st.integers(1, 100))
def test_the_smallest_number_of_places_is_found(counts, percent):
    assert concentration(counts).places_holding(percent) == places_holding_by_hand(counts, percent)


@settings(max_examples=50, deadline=None)
@given(counts_lists)
def test_places_told_as_a_number_count_as_empty_ones(counts):
    occupied = [count for count in counts if count]
    assert concentration(occupied, places=len(counts)).gini == pytest.approx(concentration(counts).gini, abs=1e-12)


def test_with_fewer_incidents_than_places_the_ordinary_gini_misleads():
    # Ten incidents on ten of a hundred streets: nothing could be more even, yet the ordinary one says 0.9.
    found = concentration([1] * 10 + [0] * 90)
    assert found.gini == pytest.approx(0.9)
    assert found.generalised_gini == pytest.approx(0.0, abs=1e-12)


def test_all_on_one_place_is_one_less_one_over_the_incidents():
    assert concentration([20] + [0] * 999).generalised_gini == pytest.approx(1 - 1 / 20)


def test_the_curve_adds_up():
    curve = concentration([5, 1, 1, 3, 0, 1]).curve
    assert curve.count.tolist() == [5, 3, 1, 0]
    assert curve.places.tolist() == [1, 1, 3, 1]
    assert curve.places_so_far.tolist() == [1, 2, 5, 6]
    assert curve.incidents_so_far.tolist() == [5, 8, 11, 11]


def test_stacks_are_found_and_ranked():
    east, north = [5.0, 1.0, 5.0, 5.0, 1.0, 9.0], [7.0, 2.0, 7.0, 7.0, 2.0, 1.0]
    places = places_of(east, north)
    assert places.counts.tolist() == [3, 2, 1]
    assert list(zip(places.eastings, places.northings)) == [(5, 7), (1, 2), (9, 1)]
    assert places.of_incident.tolist() == [0, 1, 0, 0, 1, 2]


def test_a_stack_is_one_place_however_its_coordinates_were_rounded_in_the_file():
    assert places_of([530000.1, 530000.1 + 1e-9, 530000.2], [1.0, 1.0, 1.0]).counts.tolist() == [2, 1]


@pytest.mark.parametrize("seed", [1, 2])
def test_stacks_equal_a_count_of_coordinates(seed):
    rng = np.random.default_rng(seed)
    # On either side of nought and far away: a point without a place lies at 0, 0 at times.
    east, north = rng.choice([-7.25, 0.0, 530000.5, 530001.0], 300), rng.choice([-5_527_598.0, 0.0, 180000.0], 300)
    counted = Counter(zip(east, north))
    places = places_of(east, north)
    assert dict(zip(zip(places.eastings, places.northings), places.counts)) == counted
    for number, (x, y) in enumerate(zip(east, north)):
        at = places.of_incident[number]
        assert (places.eastings[at], places.northings[at]) == (x, y)
    keys = [(-c, y, x) for c, y, x in zip(places.counts, places.northings, places.eastings)]
    assert keys == sorted(keys)


def test_no_incident_has_no_place():
    assert len(places_of([], []).counts) == 0


@pytest.mark.parametrize(
    ("counts", "places", "words"),
    [
        ([], None, "There is no incident"),
        ([0, 0], None, "There is no incident"),
        ([3, -1], None, "cannot hold -1 incidents"),
        ([3, 1, 2], 2, "on 3 places, more than the 2 places"),
    ],
)
def test_bad_input_is_told_in_a_sentence(counts, places, words):
    with pytest.raises(ConcentrationError, match=words):
        concentration(counts, places)


@pytest.mark.parametrize("percent", [0, -5, 101])
def test_a_share_that_is_none_is_told(percent):
    with pytest.raises(ConcentrationError, match="up to 100 per cent"):
        concentration([1]).places_holding(percent)


def test_streets_of_a_study_hold_what_its_definition_says():
    # 25 and 50 % of incidents: the shares that Weisburd's law of concentration is told in.
    counts = np.repeat([40, 10, 5, 1, 0], [1, 2, 6, 30, 961])
    found = concentration(counts)
    assert found.incidents == 120
    assert (found.places_holding(25), found.places_holding(50), found.places_holding(100)) == (1, 3, 39)
