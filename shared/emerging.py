"""Emerging hot spots: how each cell has been hot or cold over many steps in time, in ESRI's seventeen patterns.

Each bin (a cell in a step) is judged by Gi* in space and time; the cell's bins then make a pattern, named and worded as
published with ArcGIS ("How Emerging Hot Spot Analysis works"). For hot spots (cold ones are their mirror):

1. new: the final step is hot, and no step before was.
2. consecutive: an uninterrupted run of at least two hot steps at the end, none before it; under 90 % of the steps.
3. intensifying: hot in at least 90 % of the steps, the final one included, and the trend rises.
4. persistent: hot in at least 90 % of the steps, without a trend.
5. diminishing: hot in at least 90 % of the steps, the final one included, and the trend falls.
6. sporadic: the final step is hot, others are hot now and then; under 90 % of the steps, and none was cold.
7. oscillating: the final step is hot, and one before was cold; under 90 % of the steps are hot.
8. historical: the final step is not hot, but at least 90 % of the steps were.

Where two of the wordings fit a cell: a final step that is hot (or cold) makes it a hot (or cold) pattern, one that is
not makes "historical" of what "persistent" would fit, too; otherwise the first in the list counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from .getis_ord import CONFIDENCE, Correction, GiStarError, space_time_gi_star
from .mann_kendall import mann_kendall

LEAST_STEPS = 10  # with fewer, ninety per cent of the steps would be all of them


class Pattern(IntEnum):
    """The eight patterns of hot spots; the negative number is the same of cold spots, and 0 is none."""

    NEW = 1
    CONSECUTIVE = 2
    INTENSIFYING = 3
    PERSISTENT = 4
    DIMINISHING = 5
    SPORADIC = 6
    OSCILLATING = 7
    HISTORICAL = 8


@dataclass(frozen=True)
class Emerging:
    """By cell, shape of the grid: ``patterns`` (``Pattern``, negative for cold, 0 for none), the trend of z
    (``trend_z``, two-sided ``trend_p``; NaN outside the study area), and in how many steps it was ``hot`` or ``cold``.

    ``z`` and ``classes`` are the bins', shape ``(steps, rows, columns)``.
    """

    patterns: NDArray[np.int8]
    trend_z: NDArray[np.float64]
    trend_p: NDArray[np.float64]
    hot: NDArray[np.int64]
    cold: NDArray[np.int64]
    z: NDArray[np.float64]
    classes: NDArray[np.int8]
    incidents: int


def emerging_hot_spots(
    counts: NDArray[np.int64],
    study_area: NDArray[np.bool_],
    weights: NDArray[np.float64],
    correction: Correction = Correction.BENJAMINI_HOCHBERG,
    confidence: int = 2,
) -> Emerging:
    """The patterns of a cube of ``counts``, shape ``(steps, rows, columns)``, earliest first.

    Patterns and numbers of steps are exact, z to 1e-12, the trend's z and p to 1e-12 of what the bins' z give.
    ``confidence`` is the least class of Gi* (``CONFIDENCE``: 1 for 90 %, 2 for 95 %, 3 for 99 %) that makes a bin hot
    or cold, and of the trend. Raises ``GiStarError`` for fewer than ten steps, and as ``gi_star`` does.
    """
    if len(counts) < LEAST_STEPS:
        raise GiStarError(
            f"There are only {len(counts)} steps in time, and emerging hot spots need at least {LEAST_STEPS}: choose a "
            "longer period or shorter steps."
        )
    found = space_time_gi_star(counts, study_area, weights, correction)
    trend = mann_kendall(found.z[:, study_area])
    rising = np.where(trend.p <= 1 - CONFIDENCE[confidence] / 100 + 1e-12, np.sign(trend.z), 0).astype(np.int8)
    bins = found.classes[:, study_area]
    hot, cold = bins >= confidence, bins <= -confidence

    def spread_out(values: NDArray[np.generic], elsewhere: float) -> NDArray[np.generic]:
        whole = np.full(study_area.shape, elsewhere, dtype=values.dtype)
        whole[study_area] = values
        return whole

    return Emerging(
        patterns=spread_out(patterns_of(hot, cold, rising), 0),  # type: ignore[arg-type]
        trend_z=spread_out(trend.z, np.nan),  # type: ignore[arg-type]
        trend_p=spread_out(trend.p, np.nan),  # type: ignore[arg-type]
        hot=spread_out(hot.sum(axis=0), 0),  # type: ignore[arg-type]
        cold=spread_out(cold.sum(axis=0), 0),  # type: ignore[arg-type]
        z=found.z,
        classes=found.classes,
        incidents=found.incidents,
    )


def patterns_of(hot: NDArray[np.bool_], cold: NDArray[np.bool_], rising: NDArray[np.int8]) -> NDArray[np.int8]:
    """The pattern of each cell, shape ``(cells,)``, from its hot and cold steps, shape ``(steps, cells)``.

    ``rising`` is 1 where the trend of z rises for certain, −1 where it falls, else 0.
    """
    found = np.zeros(hot.shape[1], dtype=np.int8)
    # The final step's sign is looked at first; what it decides is not decided again.
    for sign, these, others in ((1, hot, cold), (-1, cold, hot)):
        pattern = _ending_so(these, others, sign * rising.astype(np.int8))
        found = np.where(pattern > 0, np.int8(sign) * pattern, found)
    for sign, these in ((1, hot), (-1, cold)):
        historical = (found == 0) & ~these[-1] & _mostly(these)
        found[historical] = sign * Pattern.HISTORICAL
    return found


def _ending_so(these: NDArray[np.bool_], others: NDArray[np.bool_], trend: NDArray[np.int8]) -> NDArray[np.int8]:
    """The patterns of cells whose final step is one of ``these``; 0 elsewhere."""
    number = these.sum(axis=0)
    # The final run's length: how many steps from the end until one is not.
    run = np.cumprod(these[::-1].astype(np.int64), axis=0).sum(axis=0)
    mostly = _mostly(these)
    conditions = (
        (number == 1, Pattern.NEW),
        # A run of one would be new.
        ((run == number) & ~mostly, Pattern.CONSECUTIVE),
        (mostly & (trend > 0), Pattern.INTENSIFYING),
        (mostly & (trend == 0), Pattern.PERSISTENT),
        (mostly & (trend < 0), Pattern.DIMINISHING),
        (~others.any(axis=0), Pattern.SPORADIC),
    )
    found = np.select([condition for condition, _ in conditions], [int(p) for _, p in conditions], Pattern.OSCILLATING)
    return np.where(these[-1], found, 0).astype(np.int8)


def _mostly(these: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which cells have at least nine in ten of the steps; in whole numbers, so that 90 % is 90 %."""
    return np.asarray(10 * these.sum(axis=0) >= 9 * len(these))
