"""Getis-Ord Gi* on a grid: where counts cluster, high or low, more than chance would have it.

With x the counts of the n cells of the study area, w binary weights (1 for the cell itself and its neighbours in the
study area, else 0), W = Σ w, S² the variance of x over n:

    Gi* = (Σ w·x − x̄·W) / ( S · √( (n·Σ w² − W²) / (n − 1) ) )        (Ord and Getis 1995, eq. 14)

Binary weights make Σ w² = W, the number of neighbours in the study area. p is two-sided, from the normal distribution;
significance is judged after Benjamini–Hochberg over all cells of the study area (or Benjamini–Yekutieli, the stricter).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from .grids import convolve

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
    incidents: int
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
    counts: NDArray[np.int64],
    study_area: NDArray[np.bool_],
    weights: NDArray[np.float64],
    correction: Correction = Correction.BENJAMINI_HOCHBERG,
) -> GiStar:
    """Gi* of ``counts`` (non-negative integers, shape of the grid) over the cells of ``study_area``.

    ``weights`` are binary with odd sides and hold the cell itself. Counts outside the study area are ignored. Raises
    ``GiStarError`` for an empty study area, one or two cells, no incident, and the same count everywhere.
    """
    n = int(np.count_nonzero(study_area))
    if n == 0:
        raise GiStarError("The study area holds no cell: choose a larger area or smaller cells.")
    if n < 3:
        raise GiStarError(f"The study area holds only {n} cells: choose a larger area or smaller cells.")
    inside = counts[study_area]
    incidents = int(inside.sum())
    if incidents == 0:
        raise GiStarError(
            "No incident lies in the study area: choose a longer period, more categories or another area."
        )
    if (inside == inside[0]).all():
        raise GiStarError(
            f"Every cell holds the same number of incidents ({int(inside[0])}), so none can stand out: choose a longer "
            "period or larger cells."
        )
    mean = incidents / n
    deviation = math.sqrt(float((inside.astype(float) ** 2).sum()) / n - mean**2)
    # Sums of integers by FFT are off by far less than a half: rounding makes them exact.
    local = np.rint(convolve(np.where(study_area, counts, 0), weights))
    neighbours = np.rint(convolve(study_area.astype(float), weights))
    spread = np.sqrt(np.maximum(n * neighbours - neighbours**2, 0) / (n - 1))
    with np.errstate(invalid="ignore", divide="ignore"):
        z = (local - mean * neighbours) / (deviation * spread)
    # A cell whose neighbourhood is the whole study area has nothing to stand out from.
    z = np.where(study_area & (spread > 0), z, np.nan)
    if not np.isfinite(z).any():
        raise GiStarError("Every neighbourhood is the whole study area: choose a larger area or smaller cells.")
    p = np.full(z.shape, np.nan)
    judged = np.isfinite(z)
    p[judged] = two_sided_p(z[judged])
    q = np.full(z.shape, np.nan)
    q[judged] = corrected(p[judged], correction)
    return GiStar(
        z, p, q, _classes(z, q), np.where(study_area, neighbours, 0).astype(np.int64), n, incidents, correction
    )


def two_sided_p(z: NDArray[np.float64]) -> NDArray[np.float64]:
    """P(|Z| ≥ |z|) for a standard normal Z: erfc(|z| / √2), shape of ``z``."""
    flat = np.abs(z).ravel() / math.sqrt(2)
    return np.fromiter(map(math.erfc, flat.tolist()), dtype=float, count=flat.size).reshape(z.shape)


def corrected(p: NDArray[np.float64], correction: Correction) -> NDArray[np.float64]:
    """p values of shape ``(m,)`` corrected for m tests: the false discovery rate at which each would pass."""
    if correction is Correction.NONE:
        return p.copy()
    m = len(p)
    factor = float((1 / np.arange(1, m + 1)).sum()) if correction is Correction.BENJAMINI_YEKUTIELI else 1.0
    order = np.argsort(p, kind="stable")
    stepped = p[order] * m * factor / np.arange(1, m + 1)
    q = np.empty(m)
    q[order] = np.minimum(np.minimum.accumulate(stepped[::-1])[::-1], 1.0)
    return q


def _classes(z: NDArray[np.float64], q: NDArray[np.float64]) -> NDArray[np.int8]:
    classes = np.zeros(z.shape, dtype=np.int8)
    with np.errstate(invalid="ignore"):
        for level in sorted(CONFIDENCE):
            classes[q <= 1 - CONFIDENCE[level] / 100 + 1e-12] = level
        classes[z < 0] *= -1
    return classes
