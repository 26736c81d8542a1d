"""Kernel density on a grid: the quartic kernel, in incidents per km².

density(s) = 3 / (π h²) · Σ (1 − d²/h²)²  over the incidents at a distance d < h of s, h being the bandwidth. The
volume under the surface is the number of incidents. (Silverman 1986, p. 76, eq. 4.5: the quartic, or biweight, kernel.)
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .grids import MAX_CELLS, Grid, convolve

MIN_POINTS = 3
# Where the grid's cells are coarser than this share of the bandwidth, incidents are binned finer than the grid.
FINEST_BIN = 1 / 10
MIN_BANDWIDTH_M = 100.0


class DensityError(ValueError):
    """No density can be computed; the message says why and what to do."""


@dataclass(frozen=True)
class Density:
    """``values`` in incidents per km², shape of the grid, NaN outside the study area; and what was used."""

    values: NDArray[np.float64]
    grid: Grid
    bandwidth: float
    incidents: int
    edge_corrected: bool


def kernel_density(
    eastings: ArrayLike,
    northings: ArrayLike,
    grid: Grid,
    bandwidth: float,
    study_area: NDArray[np.bool_] | None = None,
    edge_correction: bool = False,
) -> Density:
    """The quartic density of points (metres) at the centres of a grid's cells.

    Cells outside ``study_area`` (a boolean a cell) are NaN. With ``edge_correction`` each value is divided by the
    share of its kernel that lies in the study area (Diggle 1985), so that the border is not too low for want of
    incidents beyond it. Points outside the grid count towards it as far as the kernel reaches. Raises ``DensityError``.
    """
    east, north = np.asarray(eastings, dtype=float), np.asarray(northings, dtype=float)
    check(len(east), grid.cell, bandwidth)
    if study_area is not None and not study_area.any():
        raise DensityError("The study area holds no cell: choose a larger area or smaller cells.")
    reach = math.ceil(bandwidth / grid.cell)
    around = grid.padded(reach)
    # An odd number of small bins a cell puts the middle one's centre on the cell's.
    factor = _odd_factor(grid.cell, bandwidth, around)
    fine = around.refined(factor)
    kernel = _kernel(bandwidth, fine.cell)
    smooth = convolve(_shared_out(fine, east, north), kernel)
    middle = slice(factor // 2, None, factor)
    values = np.maximum(smooth[middle, middle], 0.0)[reach:-reach, reach:-reach]
    if edge_correction:
        inside = np.ones(grid.shape, dtype=bool) if study_area is None else study_area
        weights = _kernel(bandwidth, grid.cell)
        share = convolve(inside.astype(float), weights) / weights.sum()
        with np.errstate(invalid="ignore", divide="ignore"):
            values = np.where(inside, values / share, values)
    if study_area is not None:
        values = np.where(study_area, values, np.nan)
    return Density(values, grid, float(bandwidth), len(east), edge_correction)


def check(points: int, cell: float, bandwidth: float) -> None:
    """Raises the ``DensityError`` that says what cannot be computed with these."""
    if not (bandwidth > 0 and math.isfinite(bandwidth)):
        raise DensityError(f"The bandwidth must be more than 0 metres; it is {bandwidth}.")
    if bandwidth < cell:
        raise DensityError(
            f"The bandwidth of {bandwidth:g} m is smaller than the cell of {cell:g} m, so most incidents would fall "
            "between the cells: choose a larger bandwidth or smaller cells."
        )
    if points < MIN_POINTS:
        held = {0: "no incident", 1: "only one incident"}.get(points, f"only {points} incidents")
        raise DensityError(
            f"There {'are' if points == 2 else 'is'} {held} to draw a density of, and it needs at least "
            f"{MIN_POINTS}: choose a longer period, more categories or a larger area."
        )


def default_bandwidth(eastings: ArrayLike, northings: ArrayLike, cell: float) -> float:
    """A bandwidth in metres by the rule of thumb, never under 100 m or two cells, rounded to 10 m.

    Quartic bandwidth = 2.62 · 0.9 · A · n^(−1/6), A the smaller of standard deviation and IQR/1.34, averaged over
    the two axes (Silverman 1986, eq. 3.31 and 4.14; 2.62 turns a Gaussian's into a quartic's, Scott 1992). Many
    incidents share a point, so a bandwidth by cross-validation would shrink to nothing: hence the floor.
    """
    spreads = []
    for values in (np.asarray(eastings, dtype=float), np.asarray(northings, dtype=float)):
        deviation = float(np.std(values))
        quartiles = np.percentile(values, [25, 75])
        middle = float(quartiles[1] - quartiles[0]) / 1.34
        spreads.append(min(deviation, middle) if middle > 0 else deviation)
    rule = 2.62 * 0.9 * sum(spreads) / 2 * len(np.asarray(eastings)) ** (-1 / 6)
    return float(max(MIN_BANDWIDTH_M, 2 * cell, round(rule / 10) * 10))


def default_cell(left: float, bottom: float, right: float, top: float) -> float:
    """A cell size in metres: the shorter side of the extent / 150, rounded to 25 m, from 25 to 500 m."""
    side = min(right - left, top - bottom)
    return float(min(500, max(25, round(side / 150 / 25) * 25)))


def _odd_factor(cell: float, bandwidth: float, grid: Grid) -> int:
    factor = math.ceil(cell / (bandwidth * FINEST_BIN))
    factor += 1 - factor % 2
    while factor > 1 and grid.rows * grid.columns * factor**2 > MAX_CELLS:
        factor -= 2
    return factor


def _shared_out(grid: Grid, east: NDArray[np.float64], north: NDArray[np.float64]) -> NDArray[np.float64]:
    """Each point shared out among the four cells whose centres surround it, by nearness.

    That keeps each point's mean position, which plain binning moves by up to half a cell.
    """
    column = (east - grid.left) / grid.cell - 0.5
    row = (north - grid.bottom) / grid.cell - 0.5
    near = (column > -1) & (column < grid.columns) & (row > -1) & (row < grid.rows)
    column, row = column[near], row[near]
    first_column, first_row = np.floor(column).astype(np.int64), np.floor(row).astype(np.int64)
    right, upper = column - first_column, row - first_row
    # One cell more on every side takes what lies on the border.
    width, height = grid.columns + 2, grid.rows + 2
    flat = (first_row + 1) * width + first_column + 1
    total = np.zeros(width * height)
    for step, weight in (
        (0, (1 - right) * (1 - upper)),
        (1, right * (1 - upper)),
        (width, (1 - right) * upper),
        (width + 1, right * upper),
    ):
        total += np.bincount(flat + step, weight, minlength=width * height)[: width * height]
    return total.reshape(height, width)[1:-1, 1:-1]


def _kernel(bandwidth: float, cell: float) -> NDArray[np.float64]:
    """The kernel at the cells' centres in 1/km², scaled so that one incident has the volume 1 exactly."""
    reach = math.ceil(bandwidth / cell)
    offsets = np.arange(-reach, reach + 1) * cell
    ratio = (offsets[:, None] ** 2 + offsets[None, :] ** 2) / bandwidth**2
    weights = np.where(ratio < 1, (1 - np.minimum(ratio, 1)) ** 2, 0.0)
    return weights / (weights.sum() * cell**2 / 1e6)
