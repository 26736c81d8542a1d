"""Near repeats against every pair looked at in turn, every way of dealing out dates, and Knox's own table."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from safestats.shared import near_repeat as module
from safestats.shared.near_repeat import Metric, NearRepeatError, Role, expected_pairs, near_repeat, series


def pair_by_pair(east, north, days, distances, spans, measure):
    """Observed pairs by band, all pairs by band of distance, and all by band of days."""
    observed = [[0] * len(spans) for _ in range(len(distances) + 1)]
    by_distance, by_days = [0] * (len(distances) + 1), [0] * len(spans)
    for i, j in itertools.combinations(range(len(east)), 2):
        between = measure(east[i] - east[j], north[i] - north[j])
        row = 0 if between == 0 else next((k + 1 for k, top in enumerate(distances) if between < top), None)
        column = next((k for k, top in enumerate(spans) if abs(days[i] - days[j]) < top), None)
        if row is not None:
            by_distance[row] += 1
        if column is not None:
            by_days[column] += 1
        if row is not None and column is not None:
            observed[row][column] += 1
    return observed, by_distance, by_days


MEASURES = {Metric.EUCLIDEAN: math.hypot, Metric.MANHATTAN: lambda dx, dy: abs(dx) + abs(dy)}


def some_incidents(seed, number=160):
    rng = np.random.default_rng(seed)
    # Whole tens of metres: many pairs lie exactly on a bound, and many share a point or a day.
    east, north = rng.integers(0, 90, number) * 10.0 - 300, rng.integers(0, 60, number) * 10.0 + 180000
    return east, north, rng.integers(19000, 19060, number)


@pytest.mark.parametrize("metric", list(Metric))
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_observed_and_expected_equal_those_of_every_pair(seed, metric):
    east, north, days = some_incidents(seed)
    distances, spans = [50.0, 100.0, 200.0], [1, 7, 14, 28]
    found = near_repeat(east, north, days, distances, spans, permutations=0, metric=metric)
    observed, by_distance, by_days = pair_by_pair(east, north, days, distances, spans, MEASURES[metric])
    assert found.observed.tolist() == observed
    assert found.space_pairs.tolist() == by_distance
    assert found.time_pairs.tolist() == by_days
    pairs = 160 * 159 // 2
    for row, column in np.ndindex(4, 4):
        expected = by_distance[row] * by_days[column] / pairs
        assert found.expected[row, column] == pytest.approx(expected, rel=1e-12)
        assert found.ratio[row, column] == pytest.approx(observed[row][column] / expected)


def test_parts_make_the_same_table_as_the_whole(monkeypatch):
    east, north, days = some_incidents(5)
    whole = near_repeat(east, north, days, [100.0], [7], permutations=20)
    monkeypatch.setattr(module, "_AT_ONCE", 37)
    parts = near_repeat(east, north, days, [100.0], [7], permutations=20)
    assert parts.observed.tolist() == whole.observed.tolist()
    assert parts.p.tolist() == whole.p.tolist()


def test_p_comes_near_that_of_every_way_to_deal_the_dates():
    east = np.array([0, 30, 60, 500, 530, 900.0, 905])
    days = np.array([1, 2, 9, 30, 31, 60, 75])
    north = np.zeros(7)
    found = near_repeat(east, north, days, [100.0], [7], permutations=4000)
    measured = []
    for dealt in itertools.permutations(days):
        measured.append(pair_by_pair(east, north, dealt, [100.0], [7], math.hypot)[0][1][0])
    exact = np.mean(np.array(measured) >= found.observed[1, 0])
    # Three standard errors of 4000 deals.
    assert found.p[1, 0] == pytest.approx(exact, abs=3 * math.sqrt(exact * (1 - exact) / 4000) + 1 / 4001)
    assert np.mean(measured) == pytest.approx(found.expected[1, 0], rel=1e-12)


def test_the_expectation_is_the_mean_of_all_deals_for_every_band():
    east, north, days = some_incidents(8, 6)
    distances, spans = [200.0, 500.0], [10, 30]
    total = np.zeros((3, 2))
    for dealt in itertools.permutations(days):
        total += pair_by_pair(east, north, dealt, distances, spans, math.hypot)[0]
    found = near_repeat(east, north, days, distances, spans, permutations=0)
    np.testing.assert_allclose(found.expected, total / math.factorial(6), rtol=1e-12)


def test_knox_1964_childhood_leukaemia():
    # 96 cases in Northumberland and Durham: 25 of 4,560 pairs within 1 km, 152 within 59 days, 5 within both, where
    # chance brings 0.83.
    assert 96 * 95 // 2 == 4560
    assert expected_pairs([25], [152], 4560)[0, 0] == pytest.approx(0.83, abs=0.005)


def test_p_counts_the_observed_deal_in():
    # Three bursts far apart in space and time: no deal comes near, and p is never nought.
    east = np.repeat([0.0, 10_000.0, 20_000.0], 10)
    days = np.repeat([0, 100, 200], 10)
    found = near_repeat(east, np.zeros(30), days, [100.0], [7], permutations=99)
    assert found.p[0, 0] == 1 / 100
    assert found.observed[0, 0] == 3 * 45


def test_chance_alone_is_seldom_unusual():
    rng = np.random.default_rng(11)
    small = 0
    for seed in range(40):
        east, north = rng.uniform(0, 2000, (2, 80))
        found = near_repeat(east, north, rng.integers(0, 100, 80), [300.0], [7], permutations=99, seed=seed)
        small += found.p[1, 0] <= 0.05
    assert small <= 7  # 2 expected; 8 or more have a chance under one in a thousand


def test_equal_seeds_deal_equally():
    east, north, days = some_incidents(3)
    first, again = (near_repeat(east, north, days, [100.0], [7], permutations=50, seed=4) for _ in range(2))
    assert first.p.tolist() == again.p.tolist()


def test_a_band_holds_its_lower_bound_and_not_its_upper():
    # The label “0 to 6 days” holds day 6 and not day 7; 100 m belongs to the band from 100 m.
    found = near_repeat([0, 100, 5000], [0, 0, 0], [0, 7, 6], [100.0, 200.0], [7, 14], permutations=0)
    assert found.observed.tolist() == [[0, 0], [0, 0], [0, 1]]
    assert found.time_pairs.tolist() == [2, 1]


def test_incidents_of_one_day_are_a_pair_in_the_first_band():
    found = near_repeat([0, 10, 9000], [0, 0, 0], [5, 5, 90], [100.0], [1, 7], permutations=0)
    assert found.observed.tolist() == [[0, 0], [1, 0]]


class StoppedError(Exception):
    pass


@pytest.mark.parametrize("after", [0, 10])
def test_a_run_ends_where_its_listener_raises(after):
    east, north, days = some_incidents(3)
    heard = []

    def listen(done, total):
        heard.append((done, total))
        if done == after:
            raise StoppedError

    with pytest.raises(StoppedError):
        near_repeat(east, north, days, [100.0], [7], 500, progress=listen)
    assert heard[-1] == (after, 500)


def test_nothing_near_anything_is_a_table_of_noughts():
    found = near_repeat([0, 5000, 9000], [0, 0, 0], [1, 2, 3], [100.0], [7], permutations=9)
    assert not found.observed.any()
    assert np.isnan(found.ratio).all()
    assert (found.p == 1).all()


@pytest.mark.parametrize("metric", list(Metric))
@pytest.mark.parametrize("seed", [1, 2])
def test_series_are_those_that_a_look_at_every_pair_finds(seed, metric):
    east, north, days = some_incidents(seed, 120)
    hours = np.random.default_rng(seed).choice([np.nan, 3.0, 14.0, 22.0], 120)
    found = series(east, north, days, hours, 100.0, 7, metric)
    for i in range(120):
        before, after = [], 0
        for j in range(120):
            apart = MEASURES[metric](east[i] - east[j], north[i] - north[j])
            if i == j or apart >= 100 or abs(days[i] - days[j]) >= 7:
                continue
            keys = [(days[k], 24 if np.isnan(hours[k]) else hours[k], k) for k in (i, j)]
            if keys[1] < keys[0]:
                before.append((days[i] - days[j], apart))
            else:
                after += 1
        role = Role.ORIGINATOR if after else Role.ALONE
        if before:
            role = Role.REPEAT if any(apart == 0 for _, apart in before) else Role.NEAR_REPEAT
        assert found.role[i] == role
        assert found.followers[i] == after
        assert found.since[i] == (min(gap for gap, _ in before) if before else -1)


def test_of_one_day_the_earlier_hour_is_the_originator():
    found = series([0, 10, 20], [0, 0, 0], [5, 5, 5], [22.0, np.nan, 3.0], 100.0, 7)
    assert found.role.tolist() == [Role.NEAR_REPEAT, Role.NEAR_REPEAT, Role.ORIGINATOR]
    assert found.followers.tolist() == [1, 0, 2]


@pytest.mark.parametrize(
    ("number", "distances", "spans", "permutations", "words"),
    [
        (1, [100.0], [7], 9, "1 incident makes too few"),
        (2, [100.0], [7], 9, "2 incidents make too few"),
        (5, [], [7], 9, "no band of distance"),
        (5, [100.0], [], 9, "no band of days"),
        (5, [0.0, 100.0], [7], 9, "bands of distance have to rise from above 0 m; they are 0, 100"),
        (5, [100.0], [14, 7], 9, "bands of days have to rise from above 0 days; they are 14, 7"),
        (5, [100.0], [7], -1, "cannot be below 0"),
    ],
)
def test_bad_input_is_told_in_a_sentence(number, distances, spans, permutations, words):
    with pytest.raises(NearRepeatError, match=words):
        near_repeat(np.arange(number), np.zeros(number), np.arange(number), distances, spans, permutations)


def test_too_many_pairs_are_refused_before_memory_runs_out(monkeypatch):
    monkeypatch.setattr(module, "MAX_PAIRS", 1000)
    with pytest.raises(NearRepeatError, match="More than 1,000 pairs of incidents lie within 100 m"):
        near_repeat(np.zeros(60), np.zeros(60), np.arange(60), [100.0], [7])
