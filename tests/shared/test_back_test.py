"""Back-tests against scores worked out by sorting cells, and by trying every way to break ties."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from safestats.shared.back_test import BackTestError, scores


def a_map(seed, ties):
    rng = np.random.default_rng(seed)
    shape = (6, 5)
    values = rng.integers(0, 3, shape).astype(float) if ties else rng.permutation(30).reshape(shape) / 7
    return values, rng.poisson(1.5, shape), rng.poisson(1.2, shape), rng.random(shape) > 0.3


def by_sorting(values, before, after, mask, share):
    """Hits and so on of the hottest cells, no two of which are alike."""
    cells = sorted(((values[c], before[c], after[c]) for c in np.ndindex(values.shape) if mask[c]), reverse=True)
    number = max(1, int(share * len(cells) / 100 + 0.5))
    hits, made = sum(c[2] for c in cells[:number]), sum(c[1] for c in cells[:number])
    best = sum(sorted((c[2] for c in cells), reverse=True)[:number])
    of_all, of_made = sum(c[2] for c in cells), sum(c[1] for c in cells)
    return {
        "cells": number,
        "hits": hits,
        "made_of": made,
        "best_hits": best,
        "hit_rate": hits / of_all,
        "pai": (hits / of_all) / (number / len(cells)),
        "pei_star": hits / best,
        "rri": (hits / made) / (of_all / of_made) if made else math.nan,
    }


@pytest.mark.parametrize("seed", range(6))
def test_scores_equal_those_of_sorted_cells(seed):
    values, before, after, mask = a_map(seed, ties=False)
    shares = [1, 5, 10, 25, 50, 100]
    for share, score in zip(shares, scores(values, before, after, mask, shares)):
        for name, expected in by_sorting(values, before, after, mask, share).items():
            assert getattr(score, name) == pytest.approx(expected, abs=1e-9, nan_ok=True), (share, name)


def test_ties_count_as_the_mean_of_every_way_to_break_them():
    values = np.array([[3.0, 2.0, 2.0, 2.0, 1.0]])
    before, after = np.array([[4, 1, 0, 2, 0]]), np.array([[2, 3, 0, 1, 5]])
    found = scores(values, before, after, np.ones((1, 5), bool), [60])[0]
    ways = [after[0, 0] + after[0, list(pick)].sum() for pick in itertools.combinations((1, 2, 3), 2)]
    made = [before[0, 0] + before[0, list(pick)].sum() for pick in itertools.combinations((1, 2, 3), 2)]
    assert found.cells == 3
    assert found.hits == pytest.approx(np.mean(ways), abs=1e-12)
    assert found.made_of == pytest.approx(np.mean(made), abs=1e-12)
    assert found.best_hits == 10


def test_a_map_that_knows_nothing_scores_one():
    flat = np.zeros((6, 5))
    _, before, after, mask = a_map(1, ties=True)
    for score in scores(flat, before, after, mask, [5, 20, 100]):
        assert score.pai == pytest.approx(1.0)
        assert score.rri == pytest.approx(1.0)


def test_a_map_of_what_came_could_not_be_better():
    _, before, after, mask = a_map(2, ties=True)
    for score in scores(after.astype(float), before, after, mask, [5, 20, 100]):
        assert score.pei_star == pytest.approx(1.0)


def test_pai_worked_out_on_paper():
    # 25 of 100 later incidents in 1 of 10 cells: hit rate 0.25, PAI 2.5; of 50 earlier ones 20 lay there: RRI 0.625.
    values = np.array([[9.0, *range(9)]]) - 1
    values[0, 0] = 100
    before, after = np.array([[20, *[3] * 6, *[4] * 3]]), np.array([[25, 11, *[8] * 8]])
    found = scores(values, before, after, np.ones((1, 10), bool), [10])[0]
    assert (found.hit_rate, found.pai, found.pei_star, found.rri) == pytest.approx((0.25, 2.5, 1.0, 0.625))


def test_a_cell_without_a_value_is_the_coldest():
    values = np.array([[np.nan, -5.0, -6.0]])
    found = scores(values, np.array([[0, 1, 1]]), np.array([[9, 1, 0]]), np.ones((1, 3), bool), [33])[0]
    assert found.hits == 1


def test_what_lies_outside_the_study_area_is_left_out():
    values, before, after, mask = a_map(3, ties=False)
    first = scores(values, before, after, mask, [10])
    values[~mask], before[~mask], after[~mask] = 99, 99, 99
    assert scores(values, before, after, mask, [10]) == first


ONES = np.ones((2, 2), int)


@pytest.mark.parametrize(
    ("before", "after", "mask", "share", "words"),
    [
        (ONES, ONES, np.zeros((2, 2), bool), 5, "study area holds no cell"),
        (ONES * 0, ONES, np.ones((2, 2), bool), 5, "No incident of the first period"),
        (ONES, ONES * 0, np.ones((2, 2), bool), 5, "No incident of the second period"),
        (ONES, ONES, np.ones((2, 2), bool), 0, "up to 100 per cent; it is 0"),
        (ONES, ONES, np.ones((2, 2), bool), 101, "up to 100 per cent; it is 101"),
    ],
)
def test_bad_input_is_told_in_a_sentence(before, after, mask, share, words):
    with pytest.raises(BackTestError, match=words):
        scores(np.arange(4.0).reshape(2, 2), before, after, mask, [share])
