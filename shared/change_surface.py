"""How counts changed from one period to another, cell by cell: by how many, in which ratio, and how surely.

Given a cell's incidents of both periods together, and no change, the later ones are binomial with the later period's
share of the time (or of all incidents of the study area, to find the cells that changed more than the whole). p is
exact and two-sided: how probable are outcomes no more probable than this one (Przyborowski and Wilenski 1940). A cell
without incidents in either period cannot have changed for certain; it counts for nothing in the correction of p.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .getis_ord import CONFIDENCE, Correction, corrected

# Outcomes as probable as the one seen count as such despite rounding.
_AS_PROBABLE = 1 + 1e-7


class ChangeError(ValueError):
    """No change can be computed; the message says why and what to do."""


@dataclass(frozen=True)
class ChangeSurface:
    """By cell, of the shape of the counts. ``difference``: incidents of the later period more than the earlier one
    would have brought at an unchanged rate; ``ratio``: of the rates, later / earlier, NaN where nothing was before.

    ``p`` (two-sided) and ``q`` are NaN where neither period has an incident. ``classes`` are −3 … 3: fewer and more at
    99, 95 and 90 % by ``q``, against ``share``, the later period's expected part of both.
    """

    difference: NDArray[np.float64]
    ratio: NDArray[np.float64]
    p: NDArray[np.float64]
    q: NDArray[np.float64]
    classes: NDArray[np.int8]
    share: float


def change_of(
    before: NDArray[np.int64],
    after: NDArray[np.int64],
    times: tuple[float, float],
    against_all: bool = False,
    correction: Correction = Correction.BENJAMINI_HOCHBERG,
) -> ChangeSurface:
    """The change from ``before`` to ``after``, counts of cells; ``times`` are the periods' lengths in the same unit.

    ``against_all`` tests each cell's change against that of all cells together, else against none. p is right to 1e-9.
    Raises ``ChangeError`` for a period without a length and where there is no incident at all.
    """
    if min(times) <= 0:
        raise ChangeError("Each of the two periods must be at least a day long: choose them again.")
    total = before + after
    if not total.any():
        raise ChangeError("No incident lies in the study area in either period: choose longer ones or another area.")
    if against_all and not (before.any() and after.any()):
        raise ChangeError(
            "One of the two periods has no incident at all, so there is no change of the whole to compare with: choose "
            "other periods, or compare with no change."
        )
    of_time = times[1] / sum(times)
    share = float(after.sum() / total.sum()) if against_all else of_time
    tested = total > 0
    p, q = np.full(total.shape, np.nan), np.full(total.shape, np.nan)
    p[tested] = _binomial_p(after[tested], total[tested], share)
    q[tested] = corrected(p[tested], correction)
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = np.where(before > 0, (after / times[1]) / (before / times[0]), np.nan)
    classes = np.zeros(total.shape, dtype=np.int8)
    with np.errstate(invalid="ignore"):
        for level in sorted(CONFIDENCE):
            classes[q <= 1 - CONFIDENCE[level] / 100 + 1e-12] = level
    classes[after < total * share] *= -1
    return ChangeSurface(after - before * (times[1] / times[0]), ratio, p, q, classes, share)


def _binomial_p(successes: NDArray[np.int64], trials: NDArray[np.int64], share: float) -> NDArray[np.float64]:
    """The exact two-sided p of each number of successes in so many trials, each succeeding with ``share``."""
    most = int(trials.max())
    key = trials.astype(np.int64) * (most + 1) + successes
    pairs, which = np.unique(key, return_inverse=True)
    logarithms = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, most + 1)))])
    found = np.empty(len(pairs))
    numbers, seen = pairs // (most + 1), pairs % (most + 1)
    for number in np.unique(numbers).tolist():
        k = np.arange(number + 1)
        chance = np.exp(
            logarithms[number] - logarithms[k] - logarithms[number - k]
            + k * np.log(share) + (number - k) * np.log1p(-share)
        )  # fmt: skip
        here = numbers == number
        in_order = np.sort(chance)
        up_to = np.concatenate([[0.0], np.cumsum(in_order)])
        found[here] = up_to[np.searchsorted(in_order, chance[seen[here]] * _AS_PROBABLE, side="right")]
    return np.minimum(found, 1.0)[which.reshape(-1)]
