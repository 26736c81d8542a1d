"""How much a count has changed, and how surely: the ratio of two Poisson counts with an exact interval.

Given their sum, the newer of two Poisson counts of equal time is binomial, and its share of the sum tells the ratio
of the rates: ratio = share / (1 − share). The interval is Clopper and Pearson's (1934) for that share, carried over
(Przyborowski and Wilenski 1940). It is exact: it holds the true ratio at least as often as it says.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

SMALL_NUMBER = 10  # below this a change says little and is greyed
CONFIDENCE = 0.95
_PRECISE = 1e-12


@dataclass(frozen=True)
class RateChange:
    """``ratio`` is now / before, 1.1 for 10 % more: ``None`` where nothing was before. ``low`` and ``high`` bound it.

    The bounds are right to 1e-9 of their value, for counts up to 100,000.
    ``high`` is infinite where nothing was before. ``weak`` where either count is below ``SMALL_NUMBER``.
    """

    ratio: float | None
    low: float
    high: float
    weak: bool

    @property
    def certain(self) -> bool:
        """Whether the interval leaves out that nothing has changed."""
        return not self.low <= 1 <= self.high


@lru_cache(maxsize=2**16)  # a list of premises asks for the same small counts over and over
def change(now: int, before: int, confidence: float = CONFIDENCE) -> RateChange:
    """The change from ``before`` to ``now``, both counted over the same length of time."""
    if now < 0 or before < 0:
        raise ValueError(f"A count cannot be negative: {min(now, before)}.")
    tail = (1 - confidence) / 2
    high_inverse = _lowest(before, now, tail)
    return RateChange(
        ratio=now / before if before else None,
        low=_lowest(now, before, tail),
        high=1 / high_inverse if high_inverse else math.inf,
        weak=min(now, before) < SMALL_NUMBER,
    )


def _lowest(now: int, before: int, tail: float) -> float:
    """The smallest ratio under which a count as high as ``now`` is no rarer than ``tail``."""
    if not now:
        return 0.0
    # The smaller part of the sum is looked for: of a share next to 1 the rest would be lost in rounding.
    if now <= before:
        share = _beta_quantile(tail, now, before + 1)
        return share / (1 - share)
    rest = _beta_quantile(1 - tail, before + 1, now)
    return (1 - rest) / rest


def _beta_quantile(probability: float, a: float, b: float) -> float:
    """The quantile of the Beta distribution: by Newton's steps, or by halving where one would lead out of bounds.

    ``_beta_share`` grows, so that what is looked for always lies between the bounds.
    """
    low, high, here = 0.0, 1.0, a / (a + b)
    while high - low > _PRECISE * high:
        share = _beta_share(here, a, b)
        if share < probability:
            low = here
        else:
            high = here
        slope = math.exp(_log_front(here, a, b)) / (here * (1 - here))
        step = (share - probability) / slope if slope else math.inf
        if abs(step) <= _PRECISE * here:
            return here - step
        here = here - step if low < here - step < high else (low + high) / 2
    return (low + high) / 2


def _log_front(x: float, a: float, b: float) -> float:
    """The logarithm of x^a (1 − x)^b / B(a, b)."""
    return math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)


def _beta_share(x: float, a: float, b: float) -> float:
    """The regularised incomplete beta function I_x(a, b)."""
    if x <= 0:
        return 0.0
    if x >= 1:
        return 1.0
    front = math.exp(_log_front(x, a, b))
    # The fraction converges quickly on this side of the mean only; the other is its mirror.
    if x < (a + 1) / (a + b + 2):
        return front * _beta_fraction(x, a, b) / a
    return 1 - front * _beta_fraction(1 - x, b, a) / b


def _beta_fraction(x: float, a: float, b: float) -> float:
    """The continued fraction of I_x(a, b) (Abramowitz and Stegun 26.5.8), from the front (Lentz's way)."""
    tiny = 1e-300
    c, d = 1.0, 1 - (a + b) * x / (a + 1)
    d = 1 / (d if abs(d) > tiny else tiny)
    value = d
    # The number of terms grows with the root of the larger parameter.
    for m in range(1, 200 + int(10 * math.sqrt(max(a, b)))):
        for term in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1 + term * d
            c = 1 + term / c
            d = 1 / (d if abs(d) > tiny else tiny)
            c = c if abs(c) > tiny else tiny
            step = c * d
            value *= step
        if abs(step - 1) < 1e-15:
            break
    return value
