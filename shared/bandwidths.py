"""Bandwidths of a quartic kernel by rule, for points in metres, and the floor under each.

Many incidents share a point (suppliers move them), so that a bandwidth that follows the nearest neighbours or a
cross-validation shrinks to nothing: hence the floor.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import ArrayLike, NDArray

MIN_BANDWIDTH_M = 100.0
# A kernel narrower than so many times the places' own uncertainty shows where points were put, not what happened.
_TIMES_PRECISION = 2
STEADY_TIMES_PRECISION = 5  # from here on the surface hardly changes with the uncertainty (Shi et al. 2009)
_PRECISE_SHARE = 95  # per cent of the places are at least as exact as the precision that counts
_QUARTIC = 2.62  # turns a Gaussian's standard deviation into a quartic's reach (Scott 1992, table 6.3)


class Rule(str, Enum):
    """How a bandwidth follows from n points.

    With A the smaller of standard deviation and interquartile range / 1.34, averaged over both axes:
    SILVERMAN: 2.62 · 0.9 · A · n^(−1/6) (Silverman 1986, eq. 4.14, narrowed as in eq. 3.31).
    SCOTT: 2.62 · σ · n^(−1/6), σ the standard deviation averaged over both axes (Scott 1992, eq. 6.42).
    NORMAL_REFERENCE: 4 · 1.06 · A · n^(−1/5), as R's bw.nrd is used for crime maps.
    MEDIAN_DISTANCE: 0.9 · min(SD, √(1 / ln 2) · Dm) · n^(−1/5), SD being the standard distance from the mean centre and
    Dm the median one, as published for ArcGIS.
    """

    SILVERMAN = "silverman"
    SCOTT = "scott"
    NORMAL_REFERENCE = "normal-reference"
    MEDIAN_DISTANCE = "median-distance"

    def of(self, eastings: ArrayLike, northings: ArrayLike) -> float:
        """The bandwidth in metres by the formula alone, exact to 1e-12 of it; 0 where all points lie in one place."""
        places = np.stack([np.asarray(eastings, dtype=float), np.asarray(northings, dtype=float)])
        n = places.shape[1]
        if self is Rule.SILVERMAN:
            return _QUARTIC * 0.9 * _spread(places) * n ** (-1 / 6)
        if self is Rule.SCOTT:
            return _QUARTIC * float(places.std(axis=1, ddof=1).mean()) * n ** (-1 / 6) if n > 1 else 0.0
        if self is Rule.NORMAL_REFERENCE:
            return 4 * 1.06 * _spread(places, ddof=1) * n ** (-1 / 5)
        away = np.hypot(*(places - places.mean(axis=1, keepdims=True)))
        standard = math.sqrt(float((away**2).mean()))
        return 0.9 * min(standard, math.sqrt(1 / math.log(2)) * float(np.median(away))) * n ** (-1 / 5)


@dataclass(frozen=True)
class Bandwidth:
    """The ``metres`` to be used, what the ``rule`` gave, and the ``floor`` under it with its reason in words."""

    metres: float
    rule_metres: float
    floor: float
    why_floor: str

    @property
    def at_floor(self) -> bool:
        """Whether the floor was used instead of the rule's."""
        return self.rule_metres < self.floor


def bandwidth_by(
    rule: Rule, eastings: ArrayLike, northings: ArrayLike, cell: float, precision: ArrayLike = ()
) -> Bandwidth:
    """A bandwidth by a rule, rounded to 10 m, but no smaller than 100 m, two cells, and twice the places' precision.

    ``precision`` are the points' in metres (NaN where unknown); the one that 95 % of the known ones keep counts.
    """
    by_rule = rule.of(eastings, northings)
    floors = [(MIN_BANDWIDTH_M, "the smallest that makes sense"), (2 * cell, "two cells")]
    kept = precision_kept(precision)
    if kept:
        floors.append((_TIMES_PRECISION * kept, f"twice the places' precision of {kept:,.0f} m"))
    floor, why = max(floors, key=lambda pair: pair[0])
    rounded = float(round(by_rule / 10) * 10)
    return Bandwidth(float(max(floor, rounded)), rounded, float(floor), why)


def precision_kept(precision: ArrayLike) -> float:
    """The precision in metres that 95 % of the points with a known one keep; 0 where none is known."""
    known = np.asarray(precision, dtype=float)
    known = known[np.isfinite(known)]
    return float(np.percentile(known, _PRECISE_SHARE, method="higher")) if len(known) else 0.0


def _spread(places: NDArray[np.float64], ddof: int = 0) -> float:
    """The smaller of standard deviation and interquartile range / 1.34 of each axis, averaged over both."""
    spreads = []
    for values in places:
        deviation = float(np.std(values, ddof=ddof)) if len(values) > ddof else 0.0
        lower, upper = np.percentile(values, [25, 75])
        middle = float(upper - lower) / 1.34
        spreads.append(min(deviation, middle) if middle > 0 else deviation)
    return sum(spreads) / len(spreads)
