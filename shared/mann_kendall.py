"""The Mann–Kendall test for a trend in a series (Mann 1945; Kendall 1975), for many series at once.

S is the number of pairs of a later and an earlier value that rise, less those that fall. Without a trend S has the
variance (n(n − 1)(2n + 5) − Σ t(t − 1)(2t + 5)) / 18, t being the size of each group of equal values; z is S moved by 1
towards 0, over its root, and p is two-sided, from the normal distribution.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .getis_ord import two_sided_p

_AT_ONCE = 4096
LEAST_STEPS = 4  # with three, no order of the values is rare enough to be told from chance


@dataclass(frozen=True)
class Trend:
    """``s``, its ``variance``, ``z`` (above 0: rising) and two-sided ``p`` by series, shape ``(series,)``."""

    s: NDArray[np.int64]
    variance: NDArray[np.float64]
    z: NDArray[np.float64]
    p: NDArray[np.float64]


def mann_kendall(values: ArrayLike) -> Trend:
    """The trend of each column of ``values``, shape ``(steps, series)``, earliest first; no value may be missing.

    S and its variance are exact; z and p to 1e-12. Where all values are equal z is 0 and p is 1. Raises ``ValueError``
    for fewer than four steps and for values that are no numbers.
    """
    series = np.asarray(values)
    steps = len(series)
    if series.ndim != 2 or steps < LEAST_STEPS:
        raise ValueError(f"A trend needs at least {LEAST_STEPS} steps in time; there are {steps}.")
    if np.issubdtype(series.dtype, np.floating) and not np.isfinite(series).all():
        raise ValueError("A trend needs a number at each step in time; some are missing.")
    s = np.zeros(series.shape[1], dtype=np.int64)
    # So many series at a time stay in the processor's own memory, which is several times faster.
    for start in range(0, series.shape[1], _AT_ONCE):
        some = np.ascontiguousarray(series[:, start : start + _AT_ONCE])
        rising = s[start : start + _AT_ONCE]
        for later in range(1, steps):
            for earlier in range(later):
                rising += some[later] > some[earlier]
                rising -= some[later] < some[earlier]
    variance = (steps * (steps - 1) * (2 * steps + 5) - _of_ties(series)) / 18
    with np.errstate(invalid="ignore", divide="ignore"):
        z = np.where(variance > 0, (s - np.sign(s)) / np.sqrt(variance), 0.0)
    return Trend(s, variance, z, two_sided_p(z))


def _of_ties(series: NDArray[np.generic]) -> NDArray[np.int64]:
    """Σ t(t − 1)(2t + 5) over each column's groups of equal values."""
    in_order = np.sort(series, axis=0)
    total = np.zeros(series.shape[1], dtype=np.int64)
    run = np.ones(series.shape[1], dtype=np.int64)
    for step in range(1, len(in_order)):
        same = in_order[step] == in_order[step - 1]
        ended = np.where(same, 0, run)
        total += ended * (ended - 1) * (2 * ended + 5)
        run = np.where(same, run + 1, 1)
    return total + run * (run - 1) * (2 * run + 5)
