"""The interval of a change is exact: against binomial sums in fractions, and values in print."""

from __future__ import annotations

import math
from decimal import Decimal, localcontext
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safestats.shared.change import change


def upper_tail(ratio: Fraction, now: int, total: int) -> Fraction:
    """P(X ≥ now) of a binomial whose share is that of a ratio of rates, exactly."""
    up, down = ratio.numerator, ratio.denominator  # share = up / (up + down)
    return Fraction(
        sum(math.comb(total, k) * up**k * down ** (total - k) for k in range(now, total + 1)), (up + down) ** total
    )


CLOSE = Fraction(1, 10**9)  # as the docstring says


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 45), st.integers(0, 45))
def test_each_bound_leaves_a_fortieth_in_its_tail(now, before):
    found = change(now, before)
    tail, total = Fraction((1 - 0.95) / 2), now + before
    if now:
        low = Fraction(found.low)
        assert upper_tail(low * (1 - CLOSE), now, total) < tail < upper_tail(low * (1 + CLOSE), now, total)
    else:
        assert found.low == 0
    if before:
        high = Fraction(found.high)
        below = [1 - upper_tail(high * (1 + off), now + 1, total) for off in (CLOSE, -CLOSE)]
        assert below[0] < tail < below[1]
    else:
        assert found.high == math.inf and found.ratio is None


@pytest.mark.parametrize(
    ("now", "total", "low", "high"),
    [
        # 95 % limits of a binomial share as tables of Clopper and Pearson print them.
        (10, 20, 0.2720, 0.7280),
        (5, 10, 0.1871, 0.8129),
        (1, 10, 0.0025, 0.4450),
        (50, 100, 0.3983, 0.6017),
        (0, 10, 0.0, 0.3085),
        (10, 10, 0.6915, 1.0),
    ],
)
def test_values_in_print(now, total, low, high):
    found = change(now, total - now)
    assert found.low / (1 + found.low) == pytest.approx(low, abs=5e-5)
    assert (1.0 if math.isinf(found.high) else found.high / (1 + found.high)) == pytest.approx(high, abs=5e-5)


def upper_tail_of_many(ratio: Decimal, now: int, total: int) -> Decimal:
    """P(X ≥ now) in 60 digits, from the term of ``now`` upwards."""
    share = ratio / (1 + ratio)
    term = Decimal(math.comb(total, now)) * share**now * (1 - share) ** (total - now)
    found = Decimal(0)
    for k in range(now, total + 1):
        found += term
        term *= ratio * (total - k) / (k + 1)
        if term < found * Decimal("1e-30"):
            break
    return found


@pytest.mark.parametrize(("now", "before"), [(5000, 4800), (3, 2000), (4000, 7), (110_000, 100_000)])
def test_the_lower_bound_is_as_close_where_counts_are_large(now, before):
    with localcontext() as digits:
        digits.prec, digits.Emin, digits.Emax = 60, -(10**9), 10**9
        low, close = Decimal(change(now, before).low), Decimal("1e-9")
        below, above = (upper_tail_of_many(low * (1 + off), now, now + before) for off in (-close, close))
        assert below < Decimal((1 - 0.95) / 2) < above


def test_large_counts_come_near_the_normal_interval():
    found = change(110_000, 100_000)
    spread = 1.959964 * math.sqrt(1 / 110_000 + 1 / 100_000)
    assert found.low == pytest.approx(1.1 * math.exp(-spread), rel=1e-4)
    assert found.high == pytest.approx(1.1 * math.exp(spread), rel=1e-4)
    assert found.certain


@given(st.integers(1, 5000), st.integers(1, 5000))
def test_turned_round_it_is_the_inverse(now, before):
    one, other = change(now, before), change(before, now)
    assert one.low * other.high == pytest.approx(1, rel=1e-9) and one.high * other.low == pytest.approx(1, rel=1e-9)
    assert one.low < one.ratio < one.high


def test_few_are_weak_and_nothing_tells_nothing():
    assert change(9, 400).weak and change(400, 9).weak and not change(10, 10).weak
    nothing = change(0, 0)
    assert (nothing.ratio, nothing.low, nothing.high, nothing.certain) == (None, 0, math.inf, False)
    with pytest.raises(ValueError, match="cannot be negative: -1"):
        change(-1, 3)


def test_a_wider_confidence_is_a_wider_interval():
    assert change(30, 20, 0.99).low < change(30, 20, 0.95).low < change(30, 20, 0.9).low
