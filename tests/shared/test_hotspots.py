"""Kernel density and Gi* against formulas written out cell by cell."""

from __future__ import annotations

import itertools
import math
from decimal import Decimal, localcontext
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safestats.shared.getis_ord import Correction, GiStarError, corrected, distance_band, gi_star, queen, two_sided_p
from safestats.shared.grids import Grid, GridError
from safestats.shared.kernel_density import MANY_POINTS, DensityError, default_cell, kernel_density


def gi_star_by_hand(counts, mask, near):
    """Ord and Getis 1995, one cell after the other; ``near(dr, dc)`` tells who is a neighbour."""
    cells = [(r, c) for r in range(counts.shape[0]) for c in range(counts.shape[1]) if mask[r, c]]
    n = len(cells)
    values = [int(counts[cell]) for cell in cells]
    # In fractions up to the one root, which has 50 digits.
    mean = Fraction(sum(values), n)
    variance = Fraction(sum(v * v for v in values), n) - mean**2
    z = np.full(counts.shape, np.nan)
    for row, column in cells:
        weights = [int(near(r - row, c - column)) for r, c in cells]
        total = sum(weights)
        inner = Fraction(n * sum(w * w for w in weights) - total * total, n - 1)
        if inner > 0:
            above = sum(w * v for w, v in zip(weights, values)) - mean * total
            z[row, column] = float(math.copysign(1, above)) * root(above**2 / (variance * inner))
    return z


def root(square: Fraction) -> float:
    """The square root of a fraction, to the last digit of a float."""
    with localcontext() as digits:
        digits.prec = 50
        return float((Decimal(square.numerator) / Decimal(square.denominator)).sqrt())


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
    np.testing.assert_allclose(result.z, expected, rtol=0, atol=1e-12)
    assert np.isnan(result.z[~mask]).all()
    assert result.cells == mask.sum()
    assert result.incidents == counts[mask].sum()


def test_gi_star_equals_the_formula_for_a_distance():
    counts, mask = ragged(np.random.default_rng(7), (10, 8))
    result = gi_star(counts, mask, distance_band(50.0, 120.0))
    expected = gi_star_by_hand(counts, mask, lambda dr, dc: 50 * math.hypot(dr, dc) <= 120)
    np.testing.assert_allclose(result.z, expected, rtol=0, atol=1e-12)


def test_gi_star_keeps_its_digits_where_counts_are_large():
    rng = np.random.default_rng(8)
    counts, mask = rng.poisson(3000.0, (12, 12)), rng.random((12, 12)) > 0.2
    counts[5:8, 5:8] += 50_000
    expected = gi_star_by_hand(counts, mask, lambda dr, dc: max(abs(dr), abs(dc)) <= 1)
    assert np.nanmax(expected) > 5
    np.testing.assert_allclose(gi_star(counts, mask, queen()).z, expected, rtol=0, atol=1e-12)


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
    assert np.abs(density.values - expected).max() <= 0.005 * expected.max()
    if cell <= bandwidth / 2:
        assert density.values.sum() * grid.cell_area_km2 == pytest.approx(200, rel=0.005)


@pytest.mark.parametrize(("cell", "bandwidth"), [(200.0, 200.0), (100.0, 350.0), (100.0, 500.0), (90.0, 1000.0)])
def test_density_of_few_points_is_the_formula_within_a_hundredth(cell, bandwidth):
    rng = np.random.default_rng(11)
    grid = Grid.covering(528_000, 178_000, 532_000, 182_000, cell)
    for _ in range(12):
        east, north = rng.normal(530_000, 600, (2, 30)) - [[0], [350_000]]
        expected = density_by_hand(east, north, grid, bandwidth)
        found = kernel_density(east, north, grid, bandwidth).values
        assert np.abs(found - expected).max() <= 0.01 * expected.max()


@pytest.mark.parametrize(("cell", "bandwidth"), [(25.0, 400.0), (100.0, 500.0), (125.0, 500.0), (350.0, 350.0)])
def test_density_of_many_points_is_the_formula(cell, bandwidth):
    rng = np.random.default_rng(8)
    east, north = rng.normal(530_000, 400, MANY_POINTS), rng.normal(180_000, 300, MANY_POINTS)
    grid = Grid.covering(529_000, 179_000, 531_000, 181_000, cell)
    density = kernel_density(east, north, grid, bandwidth)
    some = grid.rows // 2, grid.columns // 3
    row = Grid(grid.left, grid.bottom + some[0] * cell, cell, 1, grid.columns)
    column = Grid(grid.left + some[1] * cell, grid.bottom, cell, grid.rows, 1)
    for found, of in ((density.values[some[0]], row), (density.values[:, some[1]], column)):
        expected = density_by_hand(east, north, of, bandwidth).ravel()
        assert np.abs(found - expected).max() <= 0.005 * density.values.max()


@pytest.mark.parametrize(("points", "share"), [(3, 0.01), (MANY_POINTS, 0.03)])
@pytest.mark.parametrize("cell", [20.0, 60.0, 100.0, 300.0])
def test_wherever_a_point_lies_in_its_cell_its_part_is_the_kernel(points, share, cell):
    bandwidth = 300.0
    grid = Grid(0, 0, cell, 20, 20)
    for x, y in itertools.product(10 * cell + np.linspace(0, cell, 4), repeat=2):
        density = kernel_density(np.full(points, x), np.full(points, y), grid, bandwidth).values / points
        expected = density_by_hand(np.array([x]), np.array([y]), grid, bandwidth)
        assert np.abs(density - expected).max() <= share * 3e6 / (math.pi * bandwidth**2)


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
    assert mended.values[0, 0] == pytest.approx(middle, rel=0.01)
    assert mended.edge_corrected


@pytest.mark.parametrize("cells", [1, 1.4, 2, 3.3, 7, 20])
def test_edge_correction_is_the_share_of_the_kernel_over_an_irregular_area(cells):
    """By quadrature: points on a fine square lattice over the study area's squares, for any bandwidth in cells."""
    chance, cell = np.random.default_rng(11), 300.0
    area = chance.random((12, 14)) < 0.6
    area[:, :2] = area[5, 5] = True
    grid, bandwidth = Grid(0.0, 0.0, cell, *area.shape), cells * cell
    east, north = chance.uniform(0, cell * 14, 40), chance.uniform(0, cell * 12, 40)
    plain = kernel_density(east, north, grid, bandwidth, area)
    mended = kernel_density(east, north, grid, bandwidth, area, edge_correction=True)
    # 60 lattice points to the side of a cell: 0.01 % of the whole kernel's volume, where it is one cell wide.
    step = cell / 60
    lattice_x, lattice_y = np.meshgrid((np.arange(14 * 60) + 0.5) * step, (np.arange(12 * 60) + 0.5) * step)
    inside = np.repeat(np.repeat(area, 60, axis=0), 60, axis=1)
    for row, column in zip(*np.nonzero(area & (plain.values > 0))):
        x, y = (column + 0.5) * cell, (row + 0.5) * cell
        apart = ((lattice_x - x) ** 2 + (lattice_y - y) ** 2) / bandwidth**2
        share = (np.maximum(1 - apart[inside], 0) ** 2).sum() * step**2 / (math.pi * bandwidth**2 / 3)
        assert plain.values[row, column] / mended.values[row, column] == pytest.approx(share, rel=0.005)


@pytest.mark.parametrize("cells", [1, 2, 4])
def test_an_even_spread_is_even_up_to_the_edge(cells):
    xs, ys = np.meshgrid(np.arange(5, 3000, 10), np.arange(5, 3000, 10))
    grid = Grid(0.0, 0.0, 300.0, 10, 10)
    mended = kernel_density(xs.ravel(), ys.ravel(), grid, cells * 300.0, edge_correction=True)
    assert mended.values == pytest.approx(np.full(grid.shape, 10_000), rel=0.01)


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
