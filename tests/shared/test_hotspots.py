"""Kernel density and Gi* against formulas written out cell by cell."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safestats.shared.getis_ord import Correction, GiStarError, corrected, distance_band, gi_star, queen, two_sided_p
from safestats.shared.grids import Grid, GridError
from safestats.shared.kernel_density import DensityError, default_cell, kernel_density


def gi_star_by_hand(counts, mask, near):
    """Ord and Getis 1995, one cell after the other; ``near(dr, dc)`` tells who is a neighbour."""
    cells = [(r, c) for r in range(counts.shape[0]) for c in range(counts.shape[1]) if mask[r, c]]
    n = len(cells)
    values = [float(counts[cell]) for cell in cells]
    mean = math.fsum(values) / n
    s = math.sqrt(math.fsum(v * v for v in values) / n - mean * mean)
    z = np.full(counts.shape, np.nan)
    for row, column in cells:
        weights = [1.0 if near(r - row, c - column) else 0.0 for r, c in cells]
        total = math.fsum(weights)
        inner = (n * math.fsum(w * w for w in weights) - total * total) / (n - 1)
        if inner > 0:
            z[row, column] = (math.fsum(w * v for w, v in zip(weights, values)) - mean * total) / (s * math.sqrt(inner))
    return z


def ragged(rng, shape):
    counts = rng.poisson(2.0, shape)
    counts[2:4, 3:6] += 9
    mask = rng.random(shape) > 0.25
    return counts, mask


@pytest.mark.parametrize("steps", [1, 2])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_gi_star_equals_the_formula_for_queens(seed, steps):
    counts, mask = ragged(np.random.default_rng(seed), (9, 11))
    result = gi_star(counts, mask, queen(steps))
    expected = gi_star_by_hand(counts, mask, lambda dr, dc: max(abs(dr), abs(dc)) <= steps)
    np.testing.assert_allclose(result.z, expected, rtol=0, atol=1e-9)
    assert np.isnan(result.z[~mask]).all()
    assert result.cells == mask.sum()
    assert result.incidents == counts[mask].sum()


def test_gi_star_equals_the_formula_for_a_distance():
    counts, mask = ragged(np.random.default_rng(7), (10, 8))
    result = gi_star(counts, mask, distance_band(50.0, 120.0))
    expected = gi_star_by_hand(counts, mask, lambda dr, dc: 50 * math.hypot(dr, dc) <= 120)
    np.testing.assert_allclose(result.z, expected, rtol=0, atol=1e-9)


def test_gi_star_ignores_what_lies_outside_the_study_area():
    counts, mask = ragged(np.random.default_rng(4), (9, 11))
    before = gi_star(counts, mask, queen())
    counts[~mask] += 1000
    after = gi_star(counts, mask, queen())
    np.testing.assert_array_equal(before.z, after.z)


def test_q_is_benjamini_hochberg_over_all_cells():
    p = np.array([0.01, 0.02, 0.03, 0.5, 0.04])
    # Sorted p times m / rank, smallest from the right: worked out on paper.
    np.testing.assert_allclose(corrected(p, Correction.BENJAMINI_HOCHBERG), [0.05, 0.05, 0.05, 0.5, 0.05])
    harmonic = 1 + 1 / 2 + 1 / 3 + 1 / 4 + 1 / 5
    np.testing.assert_allclose(
        corrected(p, Correction.BENJAMINI_YEKUTIELI),
        np.minimum(np.array([0.05, 0.05, 0.05, 0.5, 0.05]) * harmonic, 1),
    )
    np.testing.assert_array_equal(corrected(p, Correction.NONE), p)


def test_p_is_two_sided():
    np.testing.assert_allclose(
        two_sided_p(np.array([0.0, 1.959964, -1.959964, 2.575829])), [1, 0.05, 0.05, 0.01], atol=1e-6
    )


def test_classes_follow_sign_and_confidence():
    counts = np.zeros((30, 30), dtype=int)
    counts[10:13, 10:13] = 40
    result = gi_star(counts, np.ones_like(counts, dtype=bool), queen())
    assert result.classes[11, 11] == 3
    assert result.classes[25, 25] == 0
    judged = np.isfinite(result.q)
    for level, limit in ((3, 0.01), (2, 0.05), (1, 0.1)):
        assert ((np.abs(result.classes) >= level) == (judged & (result.q <= limit))).all()


@pytest.mark.parametrize(
    ("counts", "mask", "words"),
    [
        (np.ones((4, 4), int), np.zeros((4, 4), bool), "study area holds no cell"),
        (np.zeros((4, 4), int), np.ones((4, 4), bool), "No incident lies in the study area"),
        (np.full((4, 4), 3), np.ones((4, 4), bool), "same number of incidents (3)"),
    ],
)
def test_gi_star_says_what_is_wrong(counts, mask, words):
    with pytest.raises(GiStarError, match=words.replace("(", r"\(").replace(")", r"\)")):
        gi_star(counts, mask, queen())


def test_a_neighbourhood_smaller_than_the_cell_is_refused():
    with pytest.raises(GiStarError, match="120 m is smaller than the cell of 250 m"):
        distance_band(250.0, 120.0)


def density_by_hand(east, north, grid, bandwidth):
    eastings, northings = grid.centres()
    values = np.zeros(grid.shape)
    for row, y in enumerate(northings):
        for column, x in enumerate(eastings):
            squared = (east - x) ** 2 + (north - y) ** 2
            inside = squared < bandwidth**2
            values[row, column] = 3 / (math.pi * bandwidth**2) * ((1 - squared[inside] / bandwidth**2) ** 2).sum()
    return values * 1e6


@pytest.mark.parametrize(("cell", "bandwidth"), [(25.0, 400.0), (100.0, 350.0), (200.0, 200.0), (90.0, 1000.0)])
def test_density_is_the_quartic_formula_and_its_volume_the_number(cell, bandwidth):
    rng = np.random.default_rng(5)
    east = rng.normal(530_000, 500, 200)
    north = rng.normal(180_000, 500, 200)
    margin = bandwidth + cell
    grid = Grid.covering(east.min() - margin, north.min() - margin, east.max() + margin, north.max() + margin, cell)
    density = kernel_density(east, north, grid, bandwidth)
    expected = density_by_hand(east, north, grid, bandwidth)
    # Points are shared out among bins of at most a tenth of the bandwidth.
    assert np.abs(density.values - expected).max() <= 0.02 * expected.max()
    if cell <= bandwidth / 2:
        assert density.values.sum() * grid.cell_area_km2 == pytest.approx(200, rel=0.005)


def test_density_keeps_north_up():
    grid = Grid.covering(0, 0, 999, 1999, 100)
    density = kernel_density([500] * 3, [1850] * 3, grid, 300)
    row, column = np.unravel_index(np.argmax(density.values), grid.shape)
    assert (row, column) in {(18, 4), (18, 5)}


def test_edge_correction_lifts_the_border_to_the_middle():
    xs, ys = np.meshgrid(np.arange(5, 2000, 10), np.arange(5, 2000, 10))
    grid = Grid.covering(0, 0, 1999, 1999, 50)
    plain = kernel_density(xs.ravel(), ys.ravel(), grid, 400)
    mended = kernel_density(xs.ravel(), ys.ravel(), grid, 400, edge_correction=True)
    middle = plain.values[20, 20]
    assert middle == pytest.approx(10_000, rel=0.01)
    assert plain.values[0, 0] < 0.4 * middle
    assert mended.values[0, 0] == pytest.approx(middle, rel=0.05)
    assert mended.edge_corrected


def test_density_is_nothing_outside_the_study_area():
    grid = Grid.covering(0, 0, 999, 999, 100)
    area = np.zeros(grid.shape, bool)
    area[2:5, 2:5] = True
    density = kernel_density([350] * 5, [350] * 5, grid, 300, study_area=area)
    assert np.isnan(density.values[~area]).all()
    assert (density.values[area] > 0).any()


@pytest.mark.parametrize(
    ("points", "bandwidth", "words"),
    [
        (10, 50, "bandwidth of 50 m is smaller than the cell of 100 m"),
        (2, 500, "only 2 incidents"),
        (1, 500, "only one incident"),
        (0, 500, "no incident"),
        (10, -1, "more than 0 metres"),
    ],
)
def test_density_says_what_is_wrong(points, bandwidth, words):
    grid = Grid.covering(0, 0, 999, 999, 100)
    with pytest.raises(DensityError, match=words):
        kernel_density(np.full(points, 500), np.full(points, 500), grid, bandwidth)


def test_density_refuses_an_empty_study_area():
    grid = Grid.covering(0, 0, 999, 999, 100)
    with pytest.raises(DensityError, match="holds no cell"):
        kernel_density([500] * 5, [500] * 5, grid, 300, study_area=np.zeros(grid.shape, bool))


def test_the_default_cell_fits_the_area():
    assert default_cell(0, 0, 58_000, 45_000) == 300
    assert default_cell(0, 0, 1500, 9000) == 25


@given(
    st.floats(0, 5e5), st.floats(0, 5e5), st.floats(1, 3e4), st.floats(1, 3e4), st.sampled_from([25.0, 100.0, 333.0])
)
@settings(max_examples=60, deadline=None)
def test_every_point_of_the_extent_is_binned(left, bottom, width, height, cell):
    grid = Grid.covering(left, bottom, left + width, bottom + height, cell)
    rng = np.random.default_rng(3)
    east, north = left + rng.random(500) * width, bottom + rng.random(500) * height
    counts = grid.bin(np.append(east, [left, left + width]), np.append(north, [bottom, bottom + height]))
    assert counts.sum() == 502
    assert grid.left % cell == pytest.approx(0, abs=1e-6) or grid.left % cell == pytest.approx(cell, abs=1e-6)


def test_a_point_at_null_island_does_not_make_millions_of_cells():
    with pytest.raises(GridError, match="placed far outside"):
        Grid.covering(0, 0, 530_000, 180_000, 10)
