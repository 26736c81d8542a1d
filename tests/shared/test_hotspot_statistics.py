"""Trends, emerging and classified hot spots, changes, compared densities, hexagons and bandwidths, each against its
formula written out anew, and the mistakes of other tools as values that ours must not give.
"""

from __future__ import annotations

import itertools
import math
from decimal import Decimal, localcontext
from fractions import Fraction

import numpy as np
import pytest
from safestats.shared import hexagons
from safestats.shared.bandwidths import Rule, bandwidth_by, precision_kept
from safestats.shared.change_surface import ChangeError, change_of
from safestats.shared.dual_density import Comparison, compare
from safestats.shared.emerging import Pattern, emerging_hot_spots, patterns_of
from safestats.shared.getis_ord import (
    Correction,
    GiStarError,
    corrected,
    distance_band,
    gi_star,
    queen,
    space_time_gi_star,
)
from safestats.shared.grids import Grid, GridError, neighbour_sums
from safestats.shared.hexagons import HexGrid
from safestats.shared.hotspot_classes import ClassificationError, HotspotClass, Rules, classify
from safestats.shared.kernel_density import DensityError, kernel_density
from safestats.shared.mann_kendall import mann_kendall


def normal_p(z):
    return 2 * (1 - 0.5 * (1 + math.erf(abs(z) / math.sqrt(2))))


# ---------------------------------------------------------------- Mann–Kendall


def mann_kendall_by_hand(values):
    n = len(values)
    s = sum(np.sign(later - earlier) for earlier, later in itertools.combinations(values, 2))
    ties = sum(t * (t - 1) * (2 * t + 5) for t in (values.count(v) for v in set(values)))
    variance = (n * (n - 1) * (2 * n + 5) - ties) / 18
    z = 0.0 if not variance or not s else (s - 1 if s > 0 else s + 1) / math.sqrt(variance)
    return s, variance, z


@pytest.mark.parametrize("most", [3, 50])
def test_mann_kendall_equals_all_pairs(most):
    series = np.random.default_rng(most).integers(0, most, (17, 60))
    series[:, 0] = 4
    found = mann_kendall(series)
    for number, column in enumerate(series.T.tolist()):
        s, variance, z = mann_kendall_by_hand(column)
        assert found.s[number] == s
        assert found.variance[number] == pytest.approx(variance, abs=1e-9)
        assert found.z[number] == pytest.approx(z, abs=1e-12)
        assert found.p[number] == pytest.approx(normal_p(z), abs=1e-12)


def test_mann_kendall_gives_the_values_of_known_series():
    # Ten rising values: S = 45, variance = 10 · 9 · 25 / 18 = 125, z = 44 / √125.
    found = mann_kendall(np.arange(10)[:, None] * [1.0, -1.0, 0.0])
    np.testing.assert_array_equal(found.s, [45, -45, 0])
    np.testing.assert_allclose(found.variance, [125, 125, 0])
    np.testing.assert_allclose(found.z, [3.935480, -3.935480, 0], atol=1e-6)
    np.testing.assert_allclose(found.p, [8.303e-5, 8.303e-5, 1], rtol=1e-3)


@pytest.mark.parametrize(
    ("values", "words"),
    [(np.zeros((3, 2)), "at least 4 steps"), (np.full((6, 1), np.nan), "some are missing")],
)
def test_mann_kendall_says_what_is_wrong(values, words):
    with pytest.raises(ValueError, match=words):
        mann_kendall(values)


# ---------------------------------------------------------------- Gi*: space and time, hexagons, weights


def gi_by_hand(values, neighbours):
    """z of each place; ``neighbours[i]`` holds the numbers of those that count, itself included.

    In fractions up to the one root, which has 50 digits: floats are fractions, too.
    """
    values = [Fraction(value) for value in values]
    n, mean = len(values), sum(values) / len(values)
    variance = sum((v - mean) ** 2 for v in values) / n
    found = []
    for near in neighbours:
        w = len(near)
        above = sum(values[j] for j in near) - mean * w
        square = above**2 / (variance * Fraction(n * w - w * w, n - 1))
        with localcontext() as digits:
            digits.prec = 50
            size = (Decimal(square.numerator) / Decimal(square.denominator)).sqrt()
        found.append(math.copysign(float(size), above))
    return found


def test_gi_star_in_space_and_time_equals_the_formula_bin_by_bin():
    rng = np.random.default_rng(3)
    counts, mask = rng.poisson(2.0, (5, 6, 7)), rng.random((6, 7)) > 0.2
    found = space_time_gi_star(counts, mask, queen())
    bins = [(t, r, c) for t in range(5) for r in range(6) for c in range(7) if mask[r, c]]
    near = [
        [j for j, (s, y, x) in enumerate(bins) if s in (t, t - 1) and max(abs(y - r), abs(x - c)) <= 1]
        for t, r, c in bins
    ]
    z = gi_by_hand([float(counts[b]) for b in bins], near)
    np.testing.assert_allclose([found.z[b] for b in bins], z, rtol=0, atol=1e-12)
    np.testing.assert_allclose([found.p[b] for b in bins], [normal_p(v) for v in z], rtol=0, atol=1e-12)
    p = np.array([found.p[b] for b in bins])
    np.testing.assert_array_equal([found.q[b] for b in bins], corrected(p, Correction.BENJAMINI_HOCHBERG))
    assert np.isnan(found.z[:, ~mask]).all()


def hexagons_by_hand(grid):
    """Row, column and centre of each hexagon."""
    eastings, northings = grid.centres()
    return [
        (r, c, eastings[c], northings[r]) for r in range(grid.rows) for c in range(grid.columns) if (r + c) % 2 == 0
    ]


def test_each_point_falls_into_the_hexagon_whose_centre_is_nearest():
    grid = HexGrid.covering(530_000, 180_000, 530_900, 180_700, 130.0)
    rng = np.random.default_rng(2)
    east, north = 530_000 + rng.random(400) * 900, 180_000 + rng.random(400) * 700
    cells = hexagons_by_hand(grid)
    expected = np.zeros(grid.shape)
    for x, y in zip(east, north):
        r, c, _, _ = min(cells, key=lambda cell: math.hypot(cell[2] - x, cell[3] - y))
        expected[r, c] += 1
    np.testing.assert_array_equal(grid.bin(east, north), expected)
    assert grid.bin(east, north).sum() == 400
    np.testing.assert_allclose(grid.bin(east, north, np.full(400, 2.5)), expected * 2.5)


def test_hexagons_are_regular_and_of_one_lattice():
    grid, other = (HexGrid.covering(left, 180_000, 531_000, 181_000, 100.0) for left in (530_000, 530_470))
    ours, theirs = ({(round(x, 6), round(y, 6)) for _, _, x, y in hexagons_by_hand(g)} for g in (grid, other))
    assert len(ours & theirs) > 40
    ring = grid.outlines(np.array([4]), np.array([6]))[0]
    np.testing.assert_allclose(np.hypot(*np.diff(ring, axis=0).T), 100 / math.sqrt(3))
    x, y = ring.T
    area = 0.5 * (x[:-1] * y[1:] - x[1:] * y[:-1]).sum()
    assert area / 1e6 == pytest.approx(grid.cell_area_km2)


@pytest.mark.parametrize("how", ["steps", "distance"])
def test_gi_star_of_hexagons_equals_the_formula(how):
    grid = HexGrid.covering(0, 0, 900, 800, 100.0)
    rng = np.random.default_rng(8)
    study_area = grid.there & (rng.random(grid.shape) > 0.2)
    counts = np.where(grid.there, rng.poisson(3.0, grid.shape), 0)
    weights = hexagons.steps_around(2) if how == "steps" else hexagons.within_distance(100.0, 175.0)
    found = gi_star(counts, study_area, weights)
    cells = [cell for cell in hexagons_by_hand(grid) if study_area[cell[0], cell[1]]]
    # Two steps reach 200 m (and 173 m at the corners); a hexagon further off is at least 264 m away.
    reach = 201.0 if how == "steps" else 175.0
    near = [[j for j, b in enumerate(cells) if math.hypot(a[2] - b[2], a[3] - b[3]) <= reach] for a in cells]
    z = gi_by_hand([float(counts[r, c]) for r, c, _, _ in cells], near)
    np.testing.assert_allclose([found.z[r, c] for r, c, _, _ in cells], z, rtol=0, atol=1e-12)
    assert found.cells == len(cells)


def test_gi_star_of_weights_equals_the_formula():
    rng = np.random.default_rng(4)
    values, mask = rng.gamma(0.4, 30, (8, 9)), rng.random((8, 9)) > 0.2
    found = gi_star(values, mask, distance_band(100, 250))
    cells = [(r, c) for r in range(8) for c in range(9) if mask[r, c]]
    near = [[j for j, b in enumerate(cells) if math.hypot(a[0] - b[0], a[1] - b[1]) <= 2.5] for a in cells]
    expected = gi_by_hand([values[c] for c in cells], near)
    np.testing.assert_allclose([found.z[c] for c in cells], expected, rtol=0, atol=1e-12 * np.abs(expected).max())
    values[0, 0] = np.nan
    mask[0, 0] = True
    with pytest.raises(GiStarError, match="missing or below 0"):
        gi_star(values, mask, queen())


def test_gi_star_is_not_divided_by_the_root_of_the_neighbours():
    """esda's default gives a third of the right z where there are nine neighbours: 7.9 for a peak of 23.6."""
    counts = np.zeros((40, 40), dtype=int)
    counts[20, 20] = 100
    every = np.ones_like(counts, dtype=bool)
    near = [[20 * 40 + 20 + dy * 40 + dx for dy in (-1, 0, 1) for dx in (-1, 0, 1)]]
    right = gi_by_hand([float(v) for v in counts.ravel()], near)[0]
    peak = gi_star(counts, every, queen()).z[20, 20]
    assert peak == pytest.approx(right, abs=1e-9)
    assert peak > 2.9 * (right / 3)


def test_the_correction_is_over_all_cells_not_over_neighbours():
    """sfhotspot corrects each p over the cell's neighbours and itself."""
    rng = np.random.default_rng(1)
    counts = rng.poisson(1.0, (30, 30))
    found = gi_star(counts, np.ones_like(counts, dtype=bool), queen())
    p = np.sort(found.p.ravel())
    expected = [min(1.0, min(p[j] * 900 / (j + 1) for j in range(i, 900))) for i in range(900)]
    np.testing.assert_allclose(np.sort(found.q.ravel()), expected, rtol=1e-12)


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("shape", [(1, 1), (3, 3), (5, 3), (13, 13)])
def test_neighbour_sums_are_sums(shape, whole):
    rng = np.random.default_rng(6)
    values = rng.integers(0, 50, (7, 9)) if whole else rng.random((7, 9))
    up, right = shape[0] // 2, shape[1] // 2
    expected = [
        [values[max(0, r - up) : r + up + 1, max(0, c - right) : c + right + 1].sum() for c in range(9)]
        for r in range(7)
    ]
    np.testing.assert_allclose(neighbour_sums(values, np.ones(shape)), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (lambda: HexGrid.covering(0, 0, 10, 10, 0), "more than 0 metres"),
        (lambda: HexGrid.covering(0, 0, 530_000, 180_000, 10), "placed far outside"),
        (lambda: HexGrid.covering(9, 0, 0, 10, 10), "extent is empty"),
        (lambda: hexagons.within_distance(100, 50), "smaller than the cell"),
        (lambda: hexagons.steps_around(0), "at least 1 cell"),
    ],
)
def test_hexagons_say_what_is_wrong(act, words):
    with pytest.raises(GridError, match=words):
        act()


# ---------------------------------------------------------------- emerging hot spots

# Steps from the first to the final: h hot, c cold, . neither; the trend: + rises, - falls, 0 neither.
CASES = [
    ("...........", "0", 0, "nothing"),
    ("..........h", "0", Pattern.NEW, "the final step alone"),
    ("..........h", "+", Pattern.NEW, "a trend makes no difference to it"),
    ("...c......h", "0", Pattern.NEW, "never hot before, though cold: new is listed before oscillating"),
    (".........hh", "0", Pattern.CONSECUTIVE, "a run of two at the end"),
    ("..hhhhhhhhh", "0", Pattern.CONSECUTIVE, "9 of 11 are 82 %"),
    (".hhhhhhhhhh", "0", Pattern.PERSISTENT, "10 of 11 are 91 %: no longer under ninety"),
    ("c........hh", "0", Pattern.CONSECUTIVE, "none hot before the run; listed before oscillating"),
    (".h.......hh", "0", Pattern.SPORADIC, "hot before the run"),
    ("h.........h", "0", Pattern.SPORADIC, "on and off"),
    ("h.h.h.h.h.h", "+", Pattern.SPORADIC, "a trend makes no difference under ninety per cent"),
    ("hc........h", "0", Pattern.OSCILLATING, "cold once"),
    ("hchhhhhhchh", "-", Pattern.OSCILLATING, "9 of 11 hot, cold twice"),
    ("hhhhhhhhhhh", "0", Pattern.PERSISTENT, "always"),
    ("hhhhhhhhhhh", "+", Pattern.INTENSIFYING, "always, rising"),
    ("hhhhhhhhhhh", "-", Pattern.DIMINISHING, "always, falling"),
    ("hhhhh.hhhhh", "+", Pattern.INTENSIFYING, "10 of 11"),
    ("hhhhhchhhhh", "0", Pattern.PERSISTENT, "cold once does not matter from ninety per cent on"),
    ("hhhhhhhhhh.", "0", Pattern.HISTORICAL, "not hot in the end, 10 of 11 before"),
    ("hhhhhhhhhh.", "-", Pattern.HISTORICAL, "whatever the trend"),
    ("hhhhhhhhhh.", "+", Pattern.HISTORICAL, "sfdep asks for a falling end; the wording does not"),
    ("hhhhhhhhhhc", "0", -Pattern.NEW, "the final step's sign decides"),
    ("hhhhhhhhh..", "0", 0, "9 of 11 are too few"),
    ("h.h.h.h.h..", "0", 0, "not hot in the end"),
]  # fmt: skip


@pytest.mark.parametrize(("steps", "trend", "expected", "why"), CASES)
def test_esris_patterns_follow_their_wording(steps, trend, expected, why):
    as_arrays = [np.array([[letter == which] for letter in steps]) for which in "hc"]
    rising = np.array([{"+": 1, "-": -1, "0": 0}[trend]], dtype=np.int8)
    assert patterns_of(*as_arrays, rising)[0] == expected, why
    # Cold spots are the mirror: hot becomes cold, rising falling.
    assert patterns_of(*as_arrays[::-1], -rising)[0] == -expected, why


def test_all_seventeen_patterns_are_in_the_table():
    found = {int(expected) for _, _, expected, _ in CASES}
    assert {abs(code) for code in found} == {0, *map(int, Pattern)}


def test_ninety_per_cent_is_ninety_per_cent():
    nine_of_ten = np.array([[letter == "h"] for letter in "h.hhhhhhhh"])
    assert patterns_of(nine_of_ten, np.zeros((10, 1), bool), np.array([0], np.int8))[0] == Pattern.PERSISTENT
    # 27 of 30: 0.9 · 30 is 27.000000000000004 in a computer's arithmetic.
    many = np.array([[letter == "h"] for letter in "..." + "h" * 27])
    assert patterns_of(many, np.zeros((30, 1), bool), np.array([0], np.int8))[0] == Pattern.PERSISTENT


def test_emerging_hot_spots_are_found_where_they_were_put():
    rng = np.random.default_rng(12)
    counts = rng.poisson(1.0, (12, 20, 20))
    counts[:, 2:5, 2:5] += 12  # always
    counts[-1, 10:13, 10:13] += 25  # in the end
    counts[:, 15:18, 15:18] += np.arange(8, 56, 4)[:, None, None]  # more and more
    found = emerging_hot_spots(counts, np.ones((20, 20), bool), queen())
    assert found.patterns[3, 3] in (Pattern.PERSISTENT, Pattern.INTENSIFYING, Pattern.DIMINISHING)
    assert found.patterns[11, 11] == Pattern.NEW
    assert found.patterns[16, 16] == Pattern.INTENSIFYING
    assert found.hot[16, 16] == (found.classes[:, 16, 16] >= 2).sum()
    by_hand = mann_kendall_by_hand(found.z[:, 16, 16].tolist())[2]
    assert found.trend_z[16, 16] == pytest.approx(by_hand, rel=0, abs=1e-12)
    assert found.trend_p[16, 16] == pytest.approx(normal_p(by_hand), rel=0, abs=1e-12)
    np.testing.assert_array_equal(found.z, space_time_gi_star(counts, np.ones((20, 20), bool), queen()).z)
    assert found.incidents == counts.sum()


def test_emerging_hot_spots_need_ten_steps():
    with pytest.raises(GiStarError, match="only 9 steps in time"):
        emerging_hot_spots(np.ones((9, 4, 4), int), np.ones((4, 4), bool), queen())


# ---------------------------------------------------------------- persistent, recent, emerging, former

TWENTY = [
    ("hhhhhhhhhhhhhhhhhhhh", HotspotClass.PERSISTENT),
    ("....hhhhhhhhhhhhhhhh", HotspotClass.PERSISTENT),  # 16 of 20 are 80 %
    (".....hhhhhhhhhhhhhhh", HotspotClass.RECENT),
    ("hhhhhhhhhhhhhhhh....", HotspotClass.PERSISTENT),
    ("hhhhhhhhhhhhhhh.....", HotspotClass.FORMER),
    ("................h...", HotspotClass.EMERGING),
    ("...................h", HotspotClass.EMERGING),
    ("h..................h", HotspotClass.RECENT),
    ("hh..................", HotspotClass.FORMER),  # 2 of the 16 earlier ones: at least a tenth
    ("h...................", HotspotClass.NONE),
    ("....................", HotspotClass.NONE),
]


@pytest.mark.parametrize(("periods", "expected"), TWENTY)
def test_classes_of_hot_spots_follow_their_wording(periods, expected):
    assert classify(np.array([[letter == "h"] for letter in periods]))[0] == expected


def test_shares_of_periods_are_counted_exactly():
    # A tenth of 30 earlier ones of 37 is 3, though 0.1 · 30 is a little more.
    hot = np.zeros((37, 2), bool)
    hot[:3, 0], hot[:2, 1] = True, True
    rules = Rules(recent_share=7 / 37)
    assert classify(hot, rules).tolist() == [HotspotClass.FORMER, HotspotClass.NONE]
    assert Rules(recent_share=0.001).recent(5) == 1
    assert Rules(recent_share=1.0).recent(5) == 4
    with pytest.raises(ClassificationError, match="only 2 periods"):
        classify(np.zeros((2, 4), bool))


# ---------------------------------------------------------------- change


def binomial_p_by_hand(k, n, share):
    chances = [math.comb(n, i) * share**i * (1 - share) ** (n - i) for i in range(n + 1)]
    return min(1.0, math.fsum(c for c in chances if c <= chances[k] * (1 + 1e-7)))


@pytest.mark.parametrize("times", [(12.0, 12.0), (365.0, 90.0)])
@pytest.mark.parametrize("against_all", [False, True])
def test_change_equals_the_exact_binomial_test(times, against_all):
    rng = np.random.default_rng(2)
    before, after = rng.poisson(6, (5, 6)), rng.poisson(4, (5, 6))
    before[0, 0] = after[0, 0] = 0
    before[0, 1], after[0, 1] = 0, 7
    after[1, 1] = 60
    found = change_of(before, after, times, against_all)
    share = after.sum() / (before.sum() + after.sum()) if against_all else times[1] / sum(times)
    expected = [binomial_p_by_hand(int(a), int(a + b), float(share)) for b, a in zip(before.flat, after.flat) if a + b]
    tested = (before + after) > 0
    np.testing.assert_allclose(found.p[tested], expected, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found.q[tested], corrected(np.array(expected), Correction.BENJAMINI_HOCHBERG), rtol=1e-9)
    assert np.isnan(found.p[0, 0])
    assert np.isnan(found.ratio[0, 1])
    assert found.ratio[1, 1] == pytest.approx(60 / times[1] / (before[1, 1] / times[0]))
    assert found.difference[1, 1] == pytest.approx(60 - before[1, 1] * times[1] / times[0])
    assert found.classes[1, 1] == 3
    assert found.classes[0, 0] == 0


def test_change_knows_fewer_from_more():
    before, after = np.full((1, 3), 40), np.array([[2, 40, 120]])
    assert np.sign(change_of(before, after, (1, 1)).classes).tolist() == [[-1, 0, 1]]


@pytest.mark.parametrize(
    ("before", "after", "times", "against_all", "words"),
    [
        ([[1]], [[1]], (0, 12), False, "at least a day long"),
        ([[0]], [[0]], (1, 1), False, "in either period"),
        ([[0]], [[3]], (1, 1), True, "One of the two periods has no incident"),
    ],
)
def test_change_says_what_is_wrong(before, after, times, against_all, words):
    with pytest.raises(ChangeError, match=words):
        change_of(np.array(before), np.array(after), times, against_all)


# ---------------------------------------------------------------- densities


def density_by_hand(east, north, grid, bandwidth, weights):
    eastings, northings = grid.centres()
    squared = (east - eastings[None, :, None]) ** 2 + (north - northings[:, None, None]) ** 2
    parts = np.where(squared < bandwidth**2, (1 - squared / bandwidth**2) ** 2, 0.0) * weights
    return 3 / (math.pi * bandwidth**2) * parts.sum(axis=2) * 1e6


@pytest.mark.parametrize(("cell", "bandwidth"), [(100.0, 500.0), (250.0, 1000.0), (300.0, 300.0), (20.0, 400.0)])
def test_every_single_point_is_where_it_is(cell, bandwidth):
    """Also QGIS's heatmap must fail this: it mirrors each point's kernel from north to south inside its pixel."""
    grid = Grid.covering(-2000, -2000, 2000, 2000, cell)
    rng = np.random.default_rng(1)
    for x, y in rng.uniform(-cell, cell, (12, 2)):
        found = kernel_density([x] * 3, [y] * 3, grid, bandwidth).values
        expected = density_by_hand(np.array([x]), np.array([y]), grid, bandwidth, np.array([3.0]))
        mirrored = density_by_hand(np.array([x]), np.array([-y]), grid, bandwidth, np.array([3.0]))
        peak = 3 / (math.pi * bandwidth**2) * 3e6
        assert np.abs(found - expected).max() <= 0.015 * peak
        if abs(y) > 0.25 * cell and cell >= bandwidth / 5:
            assert np.abs(found - mirrored).max() > 3 * np.abs(found - expected).max()


def test_many_points_keep_the_formula_to_half_a_per_cent():
    rng = np.random.default_rng(9)
    east, north = rng.normal(0, 600, 4000), rng.normal(0, 600, 4000)
    grid = Grid.covering(-1500, -1500, 1500, 1500, 100)
    found = kernel_density(east, north, grid, 500).values
    expected = density_by_hand(east, north, grid, 500, np.ones(4000))
    assert np.abs(found - expected).max() <= 0.005 * expected.max()


def test_the_volume_is_the_number_not_seven_times_it():
    """QGIS's heatmap (3.40.3) and SpatialKDE write 116 where the quartic kernel has 16: 7.25 times too much."""
    rng = np.random.default_rng(5)
    east, north = rng.normal(0, 300, 500), rng.normal(0, 300, 500)
    grid = Grid.covering(-3000, -3000, 3000, 3000, 50)
    density = kernel_density(east, north, grid, 400)
    assert density.values.sum() * grid.cell_area_km2 == pytest.approx(500, rel=1e-3)
    assert density.total == 500


def test_weights_count_as_so_many_incidents():
    rng = np.random.default_rng(5)
    east, north, times = rng.normal(0, 300, 40), rng.normal(0, 300, 40), rng.integers(0, 6, 40)
    grid = Grid.covering(-1000, -1000, 1000, 1000, 50)
    weighted = kernel_density(east, north, grid, 300, weights=times)
    repeated = kernel_density(np.repeat(east, times), np.repeat(north, times), grid, 300)
    np.testing.assert_allclose(weighted.values, repeated.values, atol=1e-9)
    assert weighted.total == times.sum()
    assert weighted.incidents == 40


@pytest.mark.parametrize(
    ("weights", "words"),
    [([1, np.nan, 2], "some have none"), ([1, -1, 2], "some have none"), ([0, 0, 0], "All weights are 0")],
)
def test_weights_are_not_guessed(weights, words):
    with pytest.raises(DensityError, match=words):
        kernel_density([1, 2, 3], [1, 2, 3], Grid.covering(0, 0, 900, 900, 100), 300, weights=weights)


@pytest.fixture(scope="module")
def two_densities():
    rng = np.random.default_rng(3)
    grid = Grid.covering(0, 0, 4000, 2000, 100)
    first = kernel_density(rng.uniform(0, 2000, 80), rng.uniform(0, 2000, 80), grid, 400)
    second = kernel_density(rng.uniform(500, 2500, 40), rng.uniform(0, 2000, 40), grid, 400)
    return first, second


def test_comparisons_are_what_their_names_say(two_densities):
    first, second = two_densities
    a, b = first.values, second.values
    both = (a > 1) & (b > 1)
    found = {comparison: compare(first, second, comparison) for comparison in Comparison}
    # In fractions, cell by cell, at the tolerance of the docstring.
    pairs = [(Fraction(x), Fraction(y)) for x, y in zip(a[both], b[both])]
    ratio = np.array([float(x / y) for x, y in pairs])
    size = np.maximum(a[both], b[both])
    np.testing.assert_allclose(found[Comparison.RATIO][both], ratio, rtol=1e-12)
    logarithms = [math.log(x) - math.log(y) for x, y in zip(a[both], b[both])]
    np.testing.assert_allclose(found[Comparison.LOG_RATIO][both], logarithms, rtol=0, atol=1e-12)
    for comparison, parts in (
        (Comparison.DIFFERENCE, [float(x - y) for x, y in pairs]),
        (Comparison.SUM, [float(x + y) for x, y in pairs]),
    ):
        assert (np.abs(found[comparison][both] - parts) <= 1e-12 * size).all()
    # Eighty beside forty: of the shares the ratio is half.
    halved = compare(first, second, Comparison.RATIO, by_share=True)[both]
    np.testing.assert_allclose(halved, ratio / 2, rtol=1e-12)
    shares = compare(first, second, Comparison.DIFFERENCE, by_share=True)[both]
    expected = [float(x * 60 / 80 - y * 60 / 40) for x, y in pairs]
    assert (np.abs(shares - expected) <= 1e-12 * 1.5 * size).all()


def test_a_ratio_is_not_taken_of_rounding_errors(two_densities):
    """What a Fourier transform leaves of nought is around 1e-14; beyond both kernels its ratio would be anything."""
    first, second = two_densities
    far = np.s_[:, 30:]
    assert np.isnan(compare(first, second, Comparison.RATIO)[far]).all()
    assert np.isnan(compare(first, second, Comparison.LOG_RATIO)[far]).all()
    assert (compare(first, second, Comparison.DIFFERENCE)[far] == 0).all()


def test_unlike_densities_are_not_compared(two_densities):
    first, _ = two_densities
    other = kernel_density([1, 2, 3], [1, 2, 3], first.grid, 500)
    with pytest.raises(DensityError, match="same grid with the same bandwidth"):
        compare(first, other, Comparison.RATIO)


# ---------------------------------------------------------------- bandwidths


def uneven(n=500):
    """Points that spread twice as far to the east as to the north."""
    rng = np.random.default_rng(11)
    return rng.normal(530_000, 2000, n), rng.normal(180_000, 1000, n)


def spread_by_hand(values, ddof):
    ordered = sorted(values)

    def quantile(share):
        place = share * (len(ordered) - 1)
        low = int(place)
        return ordered[low] + (place - low) * (ordered[min(low + 1, len(ordered) - 1)] - ordered[low])

    mean = math.fsum(values) / len(values)
    deviation = math.sqrt(math.fsum((v - mean) ** 2 for v in values) / (len(values) - ddof))
    return min(deviation, (quantile(0.75) - quantile(0.25)) / 1.34)


def test_bandwidths_follow_their_formulae():
    east, north = uneven()
    n = len(east)
    silverman = 2.62 * 0.9 * (spread_by_hand(east, 0) + spread_by_hand(north, 0)) / 2 * n ** (-1 / 6)
    scott = 2.62 * (np.std(east, ddof=1) + np.std(north, ddof=1)) / 2 * n ** (-1 / 6)
    away = sorted(math.hypot(x - east.mean(), y - north.mean()) for x, y in zip(east, north))
    standard = math.sqrt(math.fsum(d * d for d in away) / n)
    median = (away[n // 2 - 1] + away[n // 2]) / 2
    arcgis = 0.9 * min(standard, math.sqrt(1 / math.log(2)) * median) * n**-0.2
    for rule, expected in ((Rule.SILVERMAN, silverman), (Rule.SCOTT, scott), (Rule.MEDIAN_DISTANCE, arcgis)):
        assert rule.of(east, north) == pytest.approx(expected, rel=1e-12)
    assert Rule.NORMAL_REFERENCE.of(east, north) == pytest.approx(
        4 * 1.06 * (spread_by_hand(east, 1) + spread_by_hand(north, 1)) / 2 * n**-0.2, rel=1e-12
    )


def test_a_bandwidth_is_of_both_axes():
    """R's mean(x, y) is the mean of x alone: sfhotspot's automatic bandwidth leaves out the north–south spread."""
    east, north = uneven()
    east_alone = 4 * 1.06 * spread_by_hand(east, 1) * 500**-0.2
    ours = Rule.NORMAL_REFERENCE.of(east, north)
    assert ours == pytest.approx(Rule.NORMAL_REFERENCE.of(north, east))
    assert abs(ours - east_alone) > 0.15 * east_alone


@pytest.mark.parametrize("rule", list(Rule))
def test_no_rule_falls_below_the_floor_where_incidents_stack(rule):
    """spatstat's bw.diggle finds 2.5 m in points that were moved to shared map points."""
    stacked = bandwidth_by(rule, [530_000] * 50, [180_000] * 50, cell=25)
    assert (stacked.metres, stacked.at_floor) == (100, True)
    assert bandwidth_by(rule, [530_000] * 50, [180_000] * 50, cell=250).metres == 500
    moved = bandwidth_by(rule, [530_000] * 50, [180_000] * 50, 25, precision=np.full(50, 150.0))
    assert moved.metres == 300
    assert "precision of 150 m" in moved.why_floor
    wide = bandwidth_by(rule, *uneven(), cell=25, precision=np.full(500, 10.0))
    assert not wide.at_floor
    assert wide.metres == wide.rule_metres
    assert wide.metres % 10 == 0


def test_precision_is_what_most_places_keep():
    assert precision_kept([]) == 0
    assert precision_kept([np.nan, np.nan]) == 0
    assert precision_kept([1.0] * 96 + [900.0] * 4) == 1
    assert precision_kept([1.0] * 90 + [900.0] * 10 + [np.nan]) == 900
