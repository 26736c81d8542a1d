"""Disclosure control for what is published: small counts masked, others rounded, totals that give nothing away.

Default rules (domain practice, not law): counts of 1 to 4 are masked (health: 1 to 7), zero stays, others are
rounded to 5; percentages come from the rounded counts; no change is given on a base under 20.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Optional, Union

ROUNDING = 5
SMALLEST_BASE = 20

# A published count: a multiple of ROUNDING, or None where it is masked.
PublishedCount = Optional[int]


class Sensitivity(Enum):
    """The largest count that is masked."""

    STANDARD = 4
    HEALTH = 7


# Or the largest masked count itself, where a supplier's terms name another.
Masking = Union[Sensitivity, int]


@dataclass(frozen=True)
class PublishedTable:
    """Rows of published counts (row order and columns as given) and the totals of the columns."""

    rows: tuple[tuple[PublishedCount, ...], ...]
    totals: tuple[PublishedCount, ...]


def published_count(count: int, sensitivity: Masking = Sensitivity.STANDARD) -> PublishedCount:
    """0 stays, 1 to the threshold is masked (``None``), the rest is rounded to the nearest 5."""
    if count < 0:
        raise ValueError(f"A count cannot be negative; this one is {count}.")
    if count == 0:
        return 0
    if count <= _largest_masked(sensitivity):
        return None
    return max(ROUNDING, (count + ROUNDING // 2) // ROUNDING * ROUNDING)


def published_words(count: PublishedCount, sensitivity: Masking = Sensitivity.STANDARD) -> str:
    """The count as it is printed: “<5” (health “<8”) where masked."""
    return f"<{_largest_masked(sensitivity) + 1}" if count is None else f"{count:,}"


def published_rings(counts: Sequence[int], sensitivity: Masking = Sensitivity.STANDARD) -> tuple[PublishedCount, ...]:
    """Cumulative counts of rings, inner first, so that no difference of two rings tells a small number.

    Where what lies between two rings is small but not zero, the outer ring's count is given as the inner one's:
    the pair then shows no difference, which rounding already says means little.
    """
    shown: list[PublishedCount] = []
    before_exact, before_shown = 0, 0  # the last ring whose own count stands
    for count in counts:
        between = count - before_exact
        if between < 0:
            raise ValueError("Counts of rings must not fall from the inner to the outer ring.")
        if count == 0:
            shown.append(0)
        elif count <= _largest_masked(sensitivity):
            shown.append(None)
        elif 0 < between <= _largest_masked(sensitivity) and before_exact > 0:
            shown.append(before_shown)
        else:
            value = published_count(count, sensitivity)
            assert value is not None
            before_exact, before_shown = count, value
            shown.append(value)
    return tuple(shown)


def published_table(rows: Sequence[Sequence[int]], sensitivity: Masking = Sensitivity.STANDARD) -> PublishedTable:
    """A table whose columns have totals, safe against subtraction.

    Where a column has exactly one masked count, the next smallest count above zero of that column is masked too, or, if
    there is none, its total.
    """
    shown = [[published_count(count, sensitivity) for count in row] for row in rows]
    columns = len(rows[0]) if rows else 0
    totals: list[PublishedCount] = []
    for column in range(columns):
        exact = [row[column] for row in rows]
        total = published_count(sum(exact), sensitivity)
        masked = [index for index, row in enumerate(shown) if row[column] is None]
        if len(masked) == 1:
            others = [index for index, count in enumerate(exact) if count > 0 and index not in masked]
            if others:
                shown[min(others, key=lambda index: exact[index])][column] = None
            else:
                total = None
        totals.append(total)
    return PublishedTable(tuple(tuple(row) for row in shown), tuple(totals))


def published_share(part: PublishedCount, whole: PublishedCount) -> float | None:
    """The share from published counts; ``None`` where either is masked or the whole is zero."""
    if part is None or not whole:
        return None
    return part / whole


def published_change(now: PublishedCount, before: PublishedCount) -> float | None:
    """The change as a ratio from published counts; ``None`` where masked or the base is under 20."""
    if now is None or before is None or before < SMALLEST_BASE:
        return None
    return now / before - 1


def _largest_masked(sensitivity: Masking) -> int:
    return sensitivity.value if isinstance(sensitivity, Sensitivity) else sensitivity
