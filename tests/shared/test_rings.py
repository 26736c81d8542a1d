"""Rings are inclusive and exact; bands of the day know to which night an hour belongs."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safestats.shared.rings import Band, count_in_rings, in_band, rate_per_km2, ring_area_km2, ring_table, within

CENTRE = (530_000, 180_000)


def test_99_100_and_101_metres():
    east = np.array([530_099, 530_100, 530_101])
    north = np.array([180_000] * 3)
    assert count_in_rings(east, north, CENTRE, [100]).tolist() == [2]
    assert within(east, north, CENTRE, 100).tolist() == [True, True, False]


def test_on_the_ring_off_the_axes():
    # 60² + 80² = 100²
    assert count_in_rings([530_060, 529_940], [180_080, 179_920], CENTRE, [100]).tolist() == [2]


coordinates = st.lists(st.tuples(st.integers(529_000, 531_000), st.integers(179_000, 181_000)), max_size=60)


@given(coordinates, st.lists(st.integers(1, 1500), min_size=1, max_size=4))
def test_counts_equal_a_plain_loop(points, radii):
    east, north = [p[0] for p in points], [p[1] for p in points]
    expected = [
        sum((e - CENTRE[0]) ** 2 + (n - CENTRE[1]) ** 2 <= radius * radius for e, n in points) for radius in radii
    ]
    counted = count_in_rings(np.array(east, dtype=np.int64), np.array(north, dtype=np.int64), CENTRE, radii)
    assert counted.tolist() == expected


def test_table_by_category_largest_first():
    categories = ["robbery", "burglary", "burglary", "drugs"]
    table = ring_table(categories, [530_000, 530_050, 530_200, 535_000], [180_000] * 4, CENTRE, [100, 250])
    assert {name: counts.tolist() for name, counts in table.items()} == {"burglary": [1, 2], "robbery": [1, 1]}
    assert list(table) == ["burglary", "robbery"]


def test_area_and_rate():
    assert ring_area_km2(500) == pytest.approx(math.pi / 4)
    assert rate_per_km2(10, 500) == pytest.approx(40 / math.pi)


@pytest.mark.parametrize("radius", [0, -5, math.nan, math.inf])
def test_a_ring_needs_a_radius(radius):
    with pytest.raises(ValueError, match="more than 0 metres"):
        count_in_rings([1], [1], (0, 0), [radius])


def test_bands():
    hours = [17, 18, 23, 2, 3, 5, 6, math.nan]
    weekdays = [4, 4, 4, 5, 5, 5, 5, 5]
    chosen = in_band(Band.EVENING_AND_NIGHT, hours, weekdays)
    assert chosen.inside.tolist() == [False, True, True, True, True, True, False, False]
    assert chosen.unknown == 1
    assert in_band(Band.LATE_NIGHT, hours, weekdays).inside.tolist() == [False, False, True, True] + [False] * 4
    assert in_band(Band.ALL, hours, weekdays).inside.all()


def test_the_small_hours_belong_to_the_night_before():
    # Saturday 02:00 is Friday's night, Monday 02:00 is Sunday's, Friday 02:00 is Thursday's.
    chosen = in_band(Band.WEEKEND_NIGHTS, [2, 2, 2, 20, 20, 20], [5, 0, 4, 4, 5, 6])
    assert chosen.inside.tolist() == [True, False, False, True, True, False]
    # Sunday 05:00 still belongs to Saturday's night.
    assert in_band(Band.WEEKEND_NIGHTS, [5], [6]).inside.tolist() == [True]
