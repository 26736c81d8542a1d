"""Two densities on one grid compared: their ratio, its logarithm, their difference or their sum."""

from __future__ import annotations

from enum import Enum

import numpy as np
from numpy.typing import NDArray

from .kernel_density import Density, DensityError


class Comparison(str, Enum):
    """What is computed of the first and the second density."""

    RATIO = "ratio"  # first / second
    LOG_RATIO = "log-ratio"  # the natural logarithm of that
    DIFFERENCE = "difference"  # first − second
    SUM = "sum"


def compare(first: Density, second: Density, comparison: Comparison, by_share: bool = False) -> NDArray[np.float64]:
    """The comparison by cell, NaN outside the study area: a ratio is exact to 1e-12 of it, its logarithm to 1e-12, sum
    and difference to 1e-12 of the larger of the two that are compared.

    Ratio and its logarithm are NaN where the second density is nought (the logarithm where the first is, too).
    ``by_share`` compares shares instead of numbers: each density is divided by its number of incidents and multiplied
    by the mean of both numbers, so that the ratio is 1 where both have the same part of their incidents.
    Raises ``DensityError`` for different grids or bandwidths.
    """
    if first.grid != second.grid or first.bandwidth != second.bandwidth:
        raise DensityError("The two densities are not on the same grid with the same bandwidth: compute both alike.")
    a, b = first.values, second.values
    if by_share:
        mean = (first.total + second.total) / 2
        a, b = a * (mean / first.total), b * (mean / second.total)
    if comparison is Comparison.DIFFERENCE:
        return a - b
    if comparison is Comparison.SUM:
        return a + b
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = np.where(b > 0, a / b, np.nan)
        return np.where(ratio > 0, np.log(ratio), np.nan) if comparison is Comparison.LOG_RATIO else ratio
