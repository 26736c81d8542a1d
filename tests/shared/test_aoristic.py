"""Aoristic weights against a minute-by-minute walk through each span."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import pytest
from safestats.shared.aoristic import AoristicError, aoristic_week

NAT = np.datetime64("NaT")


def minute_by_minute(starts, ends):
    """Each minute of a span falls into an hour of the week; a week or longer falls into all alike."""
    week = [0.0] * 168
    for start, end in zip(starts, ends):
        first = start.weekday() * 24 + start.hour
        if end is None or end <= start:
            week[first] += 1
        elif end - start >= timedelta(days=7):
            week = [weight + 1 / 168 for weight in week]
        else:
            minutes = int((end - start).total_seconds() // 60)
            for minute in range(minutes):
                moment = start + timedelta(minutes=minute)
                week[moment.weekday() * 24 + moment.hour] += 1 / minutes
    return np.array(week)


def as_moments(values):
    return np.array([NAT if value is None else np.datetime64(value, "s") for value in values], dtype="datetime64[s]")


def random_spans(seed, number):
    rng = np.random.default_rng(seed)
    start_of = datetime(2025, 3, 3) + timedelta(days=int(rng.integers(0, 300)))
    starts = [start_of + timedelta(minutes=int(rng.integers(0, 60 * 24 * 60))) for _ in range(number)]
    lengths = rng.choice(
        [-300, 0, 1, 30, 60, 61, 600, 60 * 24, 60 * 24 * 6, 60 * 24 * 7 - 1, 60 * 24 * 7, 99999], number
    )
    ends = [None if rng.random() < 0.1 else start + timedelta(minutes=int(m)) for start, m in zip(starts, lengths)]
    return starts, ends


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_weights_equal_those_of_a_walk_through_the_minutes(seed):
    starts, ends = random_spans(seed, 150)
    week = aoristic_week(as_moments(starts), as_moments(ends))
    np.testing.assert_allclose(week.weights, minute_by_minute(starts, ends), rtol=0, atol=1e-9)
    assert week.weights.sum() == pytest.approx(150, abs=150e-9)
    assert week.spread + week.at_start + week.whole_week == week.incidents == 150
    assert week.without_end == ends.count(None)


def test_a_span_is_shared_out_by_how_long_it_is_in_each_hour():
    week = aoristic_week(as_moments([datetime(2025, 6, 6, 22, 30)]), as_moments([datetime(2025, 6, 7, 1)]))
    np.testing.assert_allclose(week.table[4, 22:], [0.2, 0.4])  # a Friday
    np.testing.assert_allclose(week.table[5, :2], [0.4, 0.0])


def test_a_span_over_the_end_of_a_week_goes_on_on_monday():
    week = aoristic_week(as_moments([datetime(2025, 6, 8, 23)]), as_moments([datetime(2025, 6, 9, 1)]))
    assert (week.table[6, 23], week.table[0, 0]) == (0.5, 0.5)


def test_an_end_that_is_missing_or_before_the_start_counts_at_the_start():
    starts = [datetime(2025, 6, 4, 14, 59, 59)] * 3
    week = aoristic_week(as_moments(starts), as_moments([None, datetime(2025, 6, 4, 9), starts[2]]))
    assert week.table[2, 14] == 3
    assert (week.at_start, week.without_end, week.reversed_end, week.spread) == (3, 1, 1, 0)


def test_a_week_or_longer_tells_nothing_of_the_hour():
    start = datetime(2025, 6, 4, 14)
    week = aoristic_week(
        as_moments([start, start]), as_moments([start + timedelta(days=7), start + timedelta(days=99)])
    )
    np.testing.assert_allclose(week.weights, 2 / 168)
    assert week.whole_week == 2


def test_an_end_on_the_hour_belongs_to_the_hour_before_it():
    week = aoristic_week(as_moments([datetime(2025, 6, 4, 14)]), as_moments([datetime(2025, 6, 4, 15)]))
    assert week.table[2, 14] == 1
    assert week.at_start == 1


def test_moments_before_1970_fall_on_their_own_weekday():
    start = datetime(1969, 12, 28, 23, 15)  # a Sunday
    week = aoristic_week(as_moments([start]), as_moments([start + timedelta(hours=2)]))
    np.testing.assert_allclose(week.weights, minute_by_minute([start], [start + timedelta(hours=2)]), atol=1e-12)


def test_incidents_without_a_start_are_left_out_and_counted():
    starts = as_moments([None, datetime(2025, 6, 4, 14)])
    week = aoristic_week(starts, as_moments([datetime(2025, 6, 4, 14), None]))
    assert (week.incidents, week.without_start, week.weights.sum()) == (1, 1, 1.0)


def test_bad_input_is_told_in_a_sentence():
    with pytest.raises(AoristicError, match="2 starts and 1 ends"):
        aoristic_week(as_moments([datetime(2025, 1, 1)] * 2), as_moments([None]))
    with pytest.raises(AoristicError, match="No incident tells when it started"):
        aoristic_week(as_moments([None]), as_moments([datetime(2025, 1, 1)]))
