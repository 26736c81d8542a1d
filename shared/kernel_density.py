"""Kernel density on a grid: the quartic kernel, in incidents per km².

density(s) = 3 / (π h²) · Σ (1 − d²/h²)²  over the incidents at a distance d < h of s, h being the bandwidth. The
volume under the surface is the number of incidents. (Silverman 1986, p. 76, eq. 4.5: the quartic, or biweight, kernel.)
"""

from __future__ import annotations

import itertools
import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .grids import MAX_CELLS, Grid, convolve, fast_length

MIN_POINTS = 3
# Incidents are shared out among nodes no further apart than this share of the bandwidth, however coarse the grid. Of
# many incidents the errors of single ones cancel, and wider nodes serve.
NODES_APART = 1 / 10
NODES_APART_OF_MANY = 1 / 5
MANY_POINTS = 100_000
# A cell of the study area is that many squares to a side at least, where its part of a kernel is summed.
_LEAST_SQUARES = 2
# NumPy transforms without holding up other threads.
_THREADS = 4
# So many points fit into a processor's nearest memory while they are worked on.
_AT_ONCE = 250_000
# Sharing a point out blurs it, by a variance of a step² / 6 in the mean. These weights of a node and of the two beside
# it take that away, in either direction.
_AGAINST_BLUR = ((-1, -1 / 12), (0, 14 / 12), (1, -1 / 12))
# A density this small beside the peak is what the Fourier transform leaves of nought.
_NOUGHT = 1e-12


class DensityError(ValueError):
    """No density can be computed; the message says why and what to do."""


@dataclass(frozen=True)
class Density:
    """``values`` in incidents per km², shape of the grid, NaN outside the study area; and what was used.

    ``total`` is the number of incidents, or the sum of their weights where these were given.
    """

    values: NDArray[np.float64]
    grid: Grid
    bandwidth: float
    incidents: int
    edge_corrected: bool
    total: float


def kernel_density(
    eastings: ArrayLike,
    northings: ArrayLike,
    grid: Grid,
    bandwidth: float,
    study_area: NDArray[np.bool_] | None = None,
    edge_correction: bool = False,
    weights: ArrayLike | None = None,
) -> Density:
    """The quartic density of points (metres) at the centres of a grid's cells.

    Cells outside ``study_area`` (a boolean a cell) are NaN. With ``edge_correction`` each value is divided by the
    share of its kernel's volume that lies over the study area's cells (Diggle 1985), within 0.5 % of the integral over
    these squares for any bandwidth, so that the border is not too low for want of incidents beyond it. Points
    outside the grid count towards it as far as the kernel reaches. ``weights`` make each point count so much (0 or
    more): the unit is then the weights' per km². Each point's part is within 1 % of the kernel's peak of the formula's
    (3 % from ``MANY_POINTS`` on, whose errors cancel), the whole within 1 % of the highest value. Raises
    ``DensityError``.
    """
    east, north = np.asarray(eastings, dtype=float), np.asarray(northings, dtype=float)
    check(len(east), grid.cell, bandwidth)
    if study_area is not None and not study_area.any():
        raise DensityError("The study area holds no cell: choose a larger area or smaller cells.")
    heavy = None if weights is None else _checked_weights(weights, len(east))
    values = _smoothed(grid, east, north, bandwidth, heavy)
    values[values < _NOUGHT * values.max()] = 0.0
    if edge_correction:
        inside = np.ones(grid.shape, dtype=bool) if study_area is None else study_area
        kernel = _over_squares(bandwidth, grid.cell)
        share = convolve(inside.astype(float), kernel) / kernel.sum()
        with np.errstate(invalid="ignore", divide="ignore"):
            values = np.where(inside, values / share, values)
    if study_area is not None:
        values = np.where(study_area, values, np.nan)
    total = float(len(east)) if heavy is None else float(heavy.sum())
    return Density(values, grid, float(bandwidth), len(east), edge_correction, total)


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


def default_cell(left: float, bottom: float, right: float, top: float) -> float:
    """A cell size in metres: the shorter side of the extent / 150, rounded to 25 m, from 25 to 500 m."""
    side = min(right - left, top - bottom)
    return float(min(500, max(25, round(side / 150 / 25) * 25)))


def _checked_weights(weights: ArrayLike, points: int) -> NDArray[np.float64]:
    heavy = np.asarray(weights, dtype=float)
    if heavy.shape != (points,) or not np.isfinite(heavy).all() or (heavy < 0).any():
        raise DensityError(
            "Every incident needs a weight of 0 or more; some have none: complete the column of weights."
        )
    if not heavy.any():
        raise DensityError("All weights are 0, so there is nothing to draw a density of: choose another column.")
    return heavy


def _factor(bandwidth: float, grid: Grid, points: int) -> int:
    """How many nodes there are to a cell's side."""
    apart = NODES_APART if points < MANY_POINTS else NODES_APART_OF_MANY
    factor = math.ceil(grid.cell / (bandwidth * apart))
    while factor > 1 and grid.rows * grid.columns * factor**2 > MAX_CELLS:
        factor -= 1
    return factor


def _smoothed(
    grid: Grid,
    east: NDArray[np.float64],
    north: NDArray[np.float64],
    bandwidth: float,
    weights: NDArray[np.float64] | None,
) -> NDArray[np.float64]:
    """The sums of the kernel at the grid's centres, points being shared out among nodes.

    Nodes of the same place within their cell make a grid as coarse as the one that is wanted, and a transform of each
    of these costs far less than one of all nodes.
    """
    reach = math.ceil(bandwidth / grid.cell)
    around = grid.padded(reach)
    factor = _factor(bandwidth, around, len(east))
    nodes = _shared_out(around, factor, east, north, weights)
    # What would wrap around falls into the padding.
    size = fast_length(around.rows), fast_length(around.columns)
    offsets = -np.arange(-reach, reach + 1) * grid.cell
    step = grid.cell / factor
    scale = _kernel(bandwidth, step).sum() * step**2 / 1e6

    def transformed(up: int) -> NDArray[np.complex128]:
        total = np.zeros((size[0], size[1] // 2 + 1), dtype=complex)
        for right in range(factor):
            kernel = _sharpened(offsets[:, None] + up * step, offsets[None, :] + right * step, bandwidth, step)
            total += np.fft.rfft2(nodes[up::factor, right::factor], size) * np.fft.rfft2(kernel, size)
        return total

    with ThreadPoolExecutor(_THREADS) as pool:
        product = sum(pool.map(transformed, range(factor)))
    full: NDArray[np.float64] = np.fft.irfft2(product, size)
    return full[2 * reach : around.rows, 2 * reach : around.columns] / scale


def _shared_out(
    grid: Grid,
    factor: int,
    east: NDArray[np.float64],
    north: NDArray[np.float64],
    weights: NDArray[np.float64] | None,
) -> NDArray[np.float64]:
    """Each point shared out among the four nodes that surround it, by nearness.

    Every cell's centre is a node, the first and the last of a row and a column, and ``factor`` − 1 lie between two.
    Sharing keeps each point's mean position, which binning moves by up to half a cell. Points beyond the outermost
    centres are left out: the padding's kernels do not reach the grid from there.
    """
    per_metre = factor / grid.cell
    left, bottom = (grid.left + grid.cell / 2) * per_metre, (grid.bottom + grid.cell / 2) * per_metre
    rows, columns = (grid.rows - 1) * factor, (grid.columns - 1) * factor
    width = columns + 1

    def sums_of(part: slice) -> list[NDArray[Any]]:
        # Four sums for each square between nodes tell what its corners get. In place: memory is what takes time.
        across, up = east[part] * per_metre, north[part] * per_metre
        across -= left
        up -= bottom
        heavy = None if weights is None else weights[part]
        near = (across >= 0) & (across < columns) & (up >= 0) & (up < rows)
        if not near.all():
            across, up, heavy = across[near], up[near], None if heavy is None else heavy[near]
        column, row = np.floor(across), np.floor(up)
        across -= column
        up -= row
        row *= width
        row += column
        square = row.astype(np.int64)
        upper_right = across * up
        if heavy is not None:
            across, up, upper_right = across * heavy, up * heavy, upper_right * heavy
        return [np.bincount(square, sums, minlength=(rows + 1) * width) for sums in (heavy, across, up, upper_right)]

    nodes = (rows + 1) * width
    at_once = max(_AT_ONCE, nodes)  # each part's sums take memory and time
    total, to_right, to_upper, to_both = sums_of(slice(at_once))
    for begin in range(at_once, len(east), at_once):
        for sums, more in zip((total, to_right, to_upper, to_both), sums_of(slice(begin, begin + at_once))):
            sums += more
    to_right -= to_both
    to_upper -= to_both
    shared: NDArray[np.float64] = total - to_right - to_upper - to_both
    # The last row and column hold no square, so that nothing is carried over from one row to the next.
    shared[1:] += to_right[:-1]
    shared[width:] += to_upper[:-width]
    shared[width + 1 :] += to_both[: -width - 1]
    return shared.reshape(rows + 1, width)


def _sharpened(up: NDArray[Any], across: NDArray[Any], bandwidth: float, step: float) -> NDArray[np.float64]:
    """The kernel at such distances for points that were shared out among nodes a ``step`` apart."""
    kernel = np.zeros(np.broadcast_shapes(up.shape, across.shape))
    for (rows, one), (columns, other) in itertools.product(_AGAINST_BLUR, repeat=2):
        kernel += one * other * _quartic(up + rows * step, across + columns * step, bandwidth)
    return kernel


def _quartic(up: NDArray[Any], across: NDArray[Any], bandwidth: float) -> NDArray[np.float64]:
    """(1 − d²/h²)² at such distances, 0 from the bandwidth on."""
    return np.maximum(1 - (up**2 + across**2) / bandwidth**2, 0.0) ** 2


def _kernel(bandwidth: float, cell: float) -> NDArray[np.float64]:
    """The kernel at the centres of cells around one, 1 at its own."""
    reach = math.ceil(bandwidth / cell)
    offsets = np.arange(-reach, reach + 1) * cell
    return _quartic(offsets[:, None], offsets[None, :], bandwidth)


def _over_squares(bandwidth: float, cell: float) -> NDArray[np.float64]:
    """The kernel around a cell's centre, summed over the area of each cell that it reaches; not scaled."""
    factor = max(_LEAST_SQUARES, math.ceil(cell / (bandwidth * NODES_APART)))
    reach = math.ceil(bandwidth / cell + 1 / 2)
    side = 2 * reach + 1
    # The centres of factor × factor squares to a cell.
    offsets = (np.arange(side * factor) - (side * factor - 1) / 2) * (cell / factor)
    fine = _quartic(offsets[:, None], offsets[None, :], bandwidth)
    return fine.reshape(side, factor, side, factor).sum(axis=(1, 3))
