"""Getis-Ord Gi* on a grid: where counts cluster, high or low, more than chance would have it.

With x the counts of the n cells of the study area, w binary weights (1 for the cell itself and its neighbours in the
study area, else 0), W = Σ w, S² the variance of x over n:

    Gi* = (Σ w·x − x̄·W) / ( S · √( (n·Σ w² − W²) / (n − 1) ) )        (Ord and Getis 1995, eq. 14)

Binary weights make Σ w² = W, the number of neighbours in the study area. p is two-sided, from the normal distribution;
significance is judged after Benjamini–Hochberg over all cells of the study area (or Benjamini–Yekutieli, the stricter).

The same formula serves a cube of space and time, whose bins' neighbours are those of the same step and the one before.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .grids import neighbour_sums

MIN_INCIDENTS = 30
# Confidence in per cent by class number; the sign tells hot from cold.
CONFIDENCE = {3: 99, 2: 95, 1: 90}


class GiStarError(ValueError):
    """Gi* cannot be computed; the message says why and what to do."""


class Correction(str, Enum):
    """How p is corrected for looking at many cells at once."""

    BENJAMINI_HOCHBERG = "Benjamini–Hochberg"
    BENJAMINI_YEKUTIELI = "Benjamini–Yekutieli"
    NONE = "none"


@dataclass(frozen=True)
class GiStar:
    """``z``, two-sided ``p``, corrected ``q`` and ``neighbours`` (itself included) by cell; NaN (0) outside.

    ``classes`` are −3 … 3: cold and hot at 99, 95 and 90 % by ``q``; 0 is neither, and what lies outside.
    """

    z: NDArray[np.float64]
    p: NDArray[np.float64]
    q: NDArray[np.float64]
    classes: NDArray[np.int8]
    neighbours: NDArray[np.int64]
    cells: int
    incidents: int  # the sum of the weights, rounded, where cells hold weights
    correction: Correction

    @property
    def few(self) -> bool:
        """Whether there are so few incidents that the normal distribution is a poor guide."""
        return self.incidents < MIN_INCIDENTS


def queen(steps: int = 1) -> NDArray[np.float64]:
    """The weights of a cell and all cells within so many steps, diagonals included."""
    if steps < 1:
        raise GiStarError(f"The neighbourhood must reach at least 1 cell; it is {steps}.")
    side = 2 * steps + 1
    return np.ones((side, side))


def distance_band(cell: float, distance: float) -> NDArray[np.float64]:
    """The weights of a cell and all cells whose centres lie at a distance ≤ ``distance`` metres."""
    if distance < cell:
        raise GiStarError(
            f"The neighbourhood distance of {distance:g} m is smaller than the cell of {cell:g} m, so no cell would "
            "have a neighbour: choose a larger distance or smaller cells."
        )
    reach = int(distance // cell)
    offsets = np.arange(-reach, reach + 1, dtype=float) * cell
    return ((offsets[:, None] ** 2 + offsets[None, :] ** 2) <= distance**2).astype(float)


def gi_star(
    values: NDArray[Any],
    study_area: NDArray[np.bool_],
    weights: NDArray[np.float64],
    correction: Correction = Correction.BENJAMINI_HOCHBERG,
) -> GiStar:
    """Gi* of ``values`` (counts, or sums of weights; none negative; shape of the grid) over ``study_area``'s cells.

    ``weights`` are the neighbourhood: 0 or 1, with odd sides, the cell itself included. Values outside the study area
    are ignored. Of whole numbers z is exact to 1e-12, of others to 1e-12 of the largest z. Raises
    ``GiStarError`` for an empty study area, one or two cells, no incident, the same value everywhere, and values below
    0 or missing.
    """
    spread = _spread_of(values[study_area])
    inside = np.where(study_area, values, values.dtype.type(0))
    local, neighbours = neighbour_sums(inside, weights)[study_area], neighbour_sums(study_area, weights)[study_area]
    judged = _judged(local, neighbours, spread, correction)
    shape = values.shape

    def spread_out(found: NDArray[Any], elsewhere: float) -> NDArray[Any]:
        whole = np.full(shape, elsewhere, dtype=found.dtype)
        whole[study_area] = found
        return whole

    return GiStar(
        spread_out(judged.z, np.nan),
        spread_out(judged.p, np.nan),
        spread_out(judged.q, np.nan),
        spread_out(judged.classes, 0),
        spread_out(neighbours, 0),
        spread.cells,
        round(spread.total),
        correction,
    )


def space_time_gi_star(
    counts: NDArray[np.int64],
    study_area: NDArray[np.bool_],
    weights: NDArray[np.float64],
    correction: Correction = Correction.BENJAMINI_HOCHBERG,
) -> GiStar:
    """Gi* of a cube of ``counts``, shape ``(steps, rows, columns)``, earliest first; so are the results.

    A bin's neighbours are those of its cell's neighbourhood in the same step and the one before (which the first
    lacks); mean, variance and correction are over all bins. Exact to 1e-12; raises ``GiStarError`` as ``gi_star`` does.
    """
    steps = len(counts)
    inside = counts[:, study_area]
    spread = _spread_of(inside.ravel())
    local = np.empty(inside.shape, dtype=np.int64)
    for step in range(steps):
        local[step] = neighbour_sums(np.where(study_area, counts[step], 0), weights)[study_area]
    around = neighbour_sums(study_area, weights)[study_area]
    neighbours = np.repeat(around[None, :], steps, axis=0)
    if steps > 1:
        neighbours[1:] *= 2
        local[1:] += local[:-1].copy()
    judged = _judged(local.ravel(), neighbours.ravel(), spread, correction)

    def spread_out(found: NDArray[Any], elsewhere: float) -> NDArray[Any]:
        whole = np.full(counts.shape, elsewhere, dtype=found.dtype)
        whole[:, study_area] = found.reshape(inside.shape)
        return whole

    return GiStar(
        spread_out(judged.z, np.nan),
        spread_out(judged.p, np.nan),
        spread_out(judged.q, np.nan),
        spread_out(judged.classes, 0),
        spread_out(neighbours.ravel(), 0),
        spread.cells,
        round(spread.total),
        correction,
    )


@dataclass(frozen=True)
class _Spread:
    """How the values of all cells are spread: number, sum, mean and standard deviation."""

    cells: int
    total: float
    mean: float
    deviation: float


def _spread_of(values: NDArray[Any]) -> _Spread:
    n = len(values)
    if n == 0:
        raise GiStarError("The study area holds no cell: choose a larger area or smaller cells.")
    if n < 3:
        raise GiStarError(f"The study area holds only {n} cells: choose a larger area or smaller cells.")
    as_floats = values.astype(float)
    if not np.isfinite(as_floats).all() or values.min() < 0:
        raise GiStarError("A cell's value is missing or below 0: give every incident a weight of 0 or more.")
    total = float(values.sum())
    if total == 0:
        raise GiStarError(
            "No incident lies in the study area: choose a longer period, more categories or another area."
        )
    if (values == values[0]).all():
        raise GiStarError(
            f"Every cell holds the same number of incidents ({values[0]:g}), so none can stand out: choose a longer "
            "period or larger cells."
        )
    mean = total / n
    return _Spread(n, total, mean, math.sqrt(float(((as_floats - mean) ** 2).sum()) / n))


@dataclass(frozen=True)
class _Judged:
    z: NDArray[np.float64]
    p: NDArray[np.float64]
    q: NDArray[np.float64]
    classes: NDArray[np.int8]


def _judged(local: NDArray[Any], neighbours: NDArray[np.int64], spread: _Spread, correction: Correction) -> _Judged:
    """z, p, q and classes of cells, shape ``(cells,)``, from the sums over their neighbourhoods."""
    n = spread.cells
    # Counts repeat themselves: what follows is worked out once for each pair of sum and number of neighbours.
    which, distinct, sharing = _distinct(local, neighbours)
    sums, numbers = local[distinct], neighbours[distinct]
    scale = np.sqrt(np.maximum(n * numbers - numbers.astype(float) ** 2, 0) / (n - 1))
    with np.errstate(invalid="ignore", divide="ignore"):
        # A cell whose neighbourhood is the whole study area has nothing to stand out from.
        z = np.where(scale > 0, (sums - spread.mean * numbers) / (spread.deviation * scale), np.nan)
    known = np.isfinite(z)
    if not known.any():
        raise GiStarError("Every neighbourhood is the whole study area: choose a larger area or smaller cells.")
    p, q = np.full(z.shape, np.nan), np.full(z.shape, np.nan)
    p[known] = two_sided_p(z[known])
    q[known] = _corrected_of(p[known], sharing[known], correction)
    classes = _classes(z, q)
    return _Judged(z[which], p[which], q[which], classes[which])


def _distinct(
    local: NDArray[Any], neighbours: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """For each cell the number of its pair of values; for each pair a cell that has it, and how many do."""
    if np.issubdtype(local.dtype, np.floating):
        every = np.arange(len(local))
        return every, every, np.ones(len(local), dtype=np.int64)
    key = neighbours * (int(local.max()) + 1) + local
    last = int(key.max())
    if last > max(1_000_000, 4 * len(key)):
        _, distinct, which, sharing = np.unique(key, return_index=True, return_inverse=True, return_counts=True)
        return which.reshape(-1), distinct, sharing
    sharing = np.bincount(key, minlength=last + 1)
    found = np.flatnonzero(sharing)
    number = np.empty(last + 1, dtype=np.int64)
    number[found] = np.arange(len(found))
    which = number[key]
    distinct = np.empty(len(found), dtype=np.int64)
    distinct[which] = np.arange(len(key))
    return which, distinct, sharing[found]


def two_sided_p(z: NDArray[np.float64]) -> NDArray[np.float64]:
    """P(|Z| ≥ |z|) for a standard normal Z: erfc(|z| / √2), shape of ``z``."""
    flat = np.abs(z).ravel() / math.sqrt(2)
    return np.fromiter(map(math.erfc, flat.tolist()), dtype=float, count=flat.size).reshape(z.shape)


def corrected(p: NDArray[np.float64], correction: Correction) -> NDArray[np.float64]:
    """p values of shape ``(m,)`` corrected for m tests: the false discovery rate at which each would pass."""
    return _corrected_of(p, np.ones(len(p), dtype=np.int64), correction)


def _corrected_of(p: NDArray[np.float64], sharing: NDArray[np.int64], correction: Correction) -> NDArray[np.float64]:
    """As ``corrected``, where each p stands for so many tests: they all have the last one's rank."""
    if correction is Correction.NONE or not len(p):
        return p.copy()
    m = int(sharing.sum())
    factor = float((1 / np.arange(1, m + 1)).sum()) if correction is Correction.BENJAMINI_YEKUTIELI else 1.0
    order = np.argsort(p, kind="stable")
    stepped = p[order] * m * factor / np.cumsum(sharing[order])
    q = np.empty(len(p))
    q[order] = np.minimum(np.minimum.accumulate(stepped[::-1])[::-1], 1.0)
    return q


def _classes(z: NDArray[np.float64], q: NDArray[np.float64]) -> NDArray[np.int8]:
    classes = np.zeros(z.shape, dtype=np.int8)
    with np.errstate(invalid="ignore"):
        for level in sorted(CONFIDENCE):
            classes[q <= 1 - CONFIDENCE[level] / 100 + 1e-12] = level
        classes[z < 0] *= -1
    return classes
