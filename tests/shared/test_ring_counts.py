"""Counts in rings against a loop over every row; the words beside them."""

from __future__ import annotations

import numpy as np
from safestats.shared.ring_counts import RingCounter, count_notes, coverage_notes, hours_of_week
from safestats.shared.rings import ring_area_km2

CENTRE, RADII = (530_000, 180_000), (100, 250, 500)


def test_rows_are_counted_as_one_by_one() -> None:
    random = np.random.default_rng(7)
    places = random.integers(-353, 354, (400, 2))  # all within the outermost ring
    places[:3] = (0, 0), (60, 80), (0, -250)  # on a ring is inside
    kinds = random.choice(["b", "a"], 400)
    precision = random.choice([50.0, 100.0, 300.0, np.nan], 400)
    chosen = random.random(400) < 0.5
    chosen[:3] = True
    counter = RingCounter(places[:, 0] + CENTRE[0], places[:, 1] + CENTRE[1], kinds, precision, CENTRE, RADII)
    inside = [[places[row] @ places[row] <= radius**2 and bool(chosen[row]) for row in range(400)] for radius in RADII]
    wanted = [[sum(ring[row] for row in range(400) if kinds[row] == kind) for ring in inside] for kind in ("a", "b")]
    assert counter.categories.tolist() == ["a", "b"]
    assert counter.table(chosen).tolist() == wanted
    assert counter.coarse(chosen) == tuple(
        sum(ring[row] for row in range(400) if precision[row] > radius) for ring, radius in zip(inside, RADII)
    )


def test_hours_that_are_not_known_are_in_no_cell() -> None:
    table = hours_of_week(np.array([0.0, 23.0, 23.0, np.nan, 5.0]), np.array([0.0, 6.0, 6.0, 1.0, np.nan]))
    assert (table[0][0], table[6][23], sum(map(sum, table))) == (1, 2, 3)


def test_rings_over_other_ground_are_told() -> None:
    whole = [ring_area_km2(radius) for radius in RADII]
    assert coverage_notes(RADII, whole) == []
    (told,) = coverage_notes(RADII, [*whole[:2], whole[2] / 4])
    assert "part of the ring: 500 m 25%." in told


def test_what_the_counts_lack_is_told_in_sentences() -> None:
    assert count_notes(9, RADII, (0, 0, 0), 0, 1, 0, True) == []
    assert count_notes(9, RADII, (0, 2, 3), 1, 4, 1, False) == [
        "Nothing is compared: the months before are not all held.",
        "1 incident of the period, anywhere in the layer, has no place: no ring counts them.",
        "Up to 4 incidents lie on one and the same point.",
        "Placed less exactly than the ring is wide: 2 within 250 m, 3 within 500 m, of 9 in all.",
        "1 incident of unknown hour is left out of the time of day.",
    ]
    assert "1,200 incidents of the period, anywhere in the layer, have no place" in " ".join(
        count_notes(9, RADII, (0, 0, 0), 1200, 1, 0, True)
    )
