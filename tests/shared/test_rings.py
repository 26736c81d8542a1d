"""Rings are inclusive and exact; bands of the day know to which night an hour belongs."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safestats.shared.rings import (
    EVERY_DAY,
    Band,
    OwnBand,
    circle,
    covered_km2,
    in_band,
    ring_area_km2,
    within,
)

CENTRE = (530_000, 180_000)


def test_99_100_and_101_metres():
    east = np.array([530_099, 530_100, 530_101])
    north = np.array([180_000] * 3)
    assert within(east, north, CENTRE, 100).tolist() == [True, True, False]


def test_on_the_ring_off_the_axes():
    # 60² + 80² = 100²
    assert within([530_060, 529_940], [180_080, 179_920], CENTRE, 100).all()


coordinates = st.lists(st.tuples(st.integers(529_000, 531_000), st.integers(179_000, 181_000)), max_size=60)


@given(coordinates, st.integers(1, 1500))
def test_inside_is_what_a_plain_loop_finds(points, radius):
    east, north = [p[0] for p in points], [p[1] for p in points]
    expected = [(e - CENTRE[0]) ** 2 + (n - CENTRE[1]) ** 2 <= radius * radius for e, n in points]
    found = within(np.array(east, dtype=np.int64), np.array(north, dtype=np.int64), CENTRE, radius)
    assert found.tolist() == expected


def test_area():
    assert ring_area_km2(500) == pytest.approx(math.pi / 4)


@pytest.mark.parametrize("radius", [0, -5, math.nan, math.inf])
def test_a_ring_needs_a_radius(radius):
    with pytest.raises(ValueError, match="more than 0 metres"):
        within([1], [1], (0, 0), radius)


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


every_hour = [(day, hour) for day in range(7) for hour in range(24)]


@given(st.integers(0, 23), st.integers(0, 23), st.sets(st.integers(0, 6), min_size=1))
def test_hours_of_ones_own_equal_a_walk_through_the_week(first, last, days):
    # Walk hour by hour from each day's first hour to the end of the last, through midnight where that is earlier.
    length = (last - first) % 24 + 1
    wanted = {((day * 24 + first + step) % 168) for day in days for step in range(length)}
    chosen = in_band(OwnBand(first, last, frozenset(days)), [h for _, h in every_hour], [d for d, _ in every_hour])
    assert {day * 24 + hour for (day, hour), inside in zip(every_hour, chosen.inside) if inside} == wanted


def test_hours_on_all_days_need_no_weekday():
    chosen = in_band(OwnBand(20, 4), [21, 3, 12, math.nan], [math.nan] * 4)
    assert chosen.inside.tolist() == [True, True, False, False] and chosen.unknown == 1
    assert in_band(OwnBand(20, 4, frozenset({1})), [21], [math.nan]).unknown == 1


def test_bands_in_words():
    assert [band.words for band in Band] == ["all hours", "18:00–05:59", "22:00–02:59", "Friday and Saturday nights"]
    assert OwnBand(9, 16).words == "09:00–16:59" and OwnBand(9, 16).days == EVERY_DAY
    assert OwnBand(20, 4, frozenset({4, 3})).words == "20:00–04:59, begun on Thursday, Friday"
    for wrong in ((24, 3, EVERY_DAY), (1, -1, EVERY_DAY), (1, 2, frozenset()), (1, 2, frozenset({7}))):
        with pytest.raises(ValueError, match="Hours go from|at least one day"):
            OwnBand(*wrong)


def test_the_circle_is_closed_and_as_large_as_its_cut_is_counted():
    ring = circle(CENTRE, 500)
    assert ring.shape == (241, 2) and (ring[0] == ring[-1]).all()
    assert np.allclose(np.hypot(*(ring - CENTRE).T), 500)
    x, y = (ring - CENTRE).T
    area = (x[:-1] * y[1:] - x[1:] * y[:-1]).sum() / 2  # positive: anticlockwise
    assert area == pytest.approx(math.pi * 500**2, rel=2e-4)
    assert covered_km2(500, area) == pytest.approx(ring_area_km2(500), rel=1e-12)
    assert covered_km2(500, area / 2) == pytest.approx(ring_area_km2(500) / 2, rel=1e-12)
    assert covered_km2(500, 0) == 0 and covered_km2(500, 2 * area) == ring_area_km2(500)
