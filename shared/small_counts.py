"""One count in public: small ones withheld, others rounded; and what a reader can know of the count behind it.

Default rules (domain practice, not law): counts of 1 to 4 are withheld (health: 1 to 7), zero stays, others are
rounded to 5; percentages and changes come from the rounded counts; no change is given on a base under 20.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Optional, Union

ROUNDING = 5
SMALLEST_BASE = 20
UNBOUNDED = 1 << 60
WITHHELD = "*"  # withheld though it need not be small

# A published count: a multiple of ROUNDING, or None where it is withheld.
PublishedCount = Optional[int]


class Sensitivity(Enum):
    """The largest count that is withheld."""

    STANDARD = 4
    HEALTH = 7


# Or the largest withheld count itself, where a supplier's terms name another.
Masking = Union[Sensitivity, int]


@dataclass(frozen=True)
class Possible:
    """The counts, both included, that may stand behind what is shown."""

    low: int
    high: int

    def also(self, other: Possible) -> Possible:
        """What remains possible to a reader who knows both."""
        return Possible(max(self.low, other.low), min(self.high, other.high))


ANYTHING = Possible(0, UNBOUNDED)


def largest_masked(sensitivity: Masking) -> int:
    """The largest count that is withheld for being small."""
    return sensitivity.value if isinstance(sensitivity, Sensitivity) else sensitivity


def masking_of(threshold: int) -> int:
    """The largest withheld count where smaller ones than ``threshold`` are not published; 0: than the usual 5."""
    return (threshold or Sensitivity.STANDARD.value + 1) - 1


def is_small(count: int, sensitivity: Masking) -> bool:
    """Whether the count is withheld for being small: zero is not."""
    return 0 < count <= largest_masked(sensitivity)


def published_count(count: int, sensitivity: Masking = Sensitivity.STANDARD) -> PublishedCount:
    """0 stays, 1 to the threshold is withheld (``None``), the rest is rounded to the nearest 5."""
    if count < 0:
        raise ValueError(f"A count cannot be negative; this one is {count}.")
    if count == 0:
        return 0
    if is_small(count, sensitivity):
        return None
    return max(ROUNDING, (count + ROUNDING // 2) // ROUNDING * ROUNDING)


def published_words(count: PublishedCount, sensitivity: Masking = Sensitivity.STANDARD) -> str:
    """The count as it is printed: “<5” (health “<8”) where withheld."""
    return small_mark(sensitivity) if count is None else f"{count:,}"


def small_mark(sensitivity: Masking) -> str:
    """What is printed for a small count: “<5”."""
    return f"<{largest_masked(sensitivity) + 1}"


def published_share(part: PublishedCount, whole: PublishedCount) -> float | None:
    """The share from published counts; ``None`` where either is withheld or the whole is zero."""
    if part is None or not whole:
        return None
    return part / whole


def published_change(now: PublishedCount, before: PublishedCount) -> float | None:
    """The change as a ratio from published counts; ``None`` where withheld or the base is under 20."""
    if now is None or before is None or before < SMALLEST_BASE:
        return None
    return now / before - 1


def possible(count: int, sensitivity: Masking) -> Possible:
    """What a reader of the published count knows of ``count``."""
    shown, smallest = published_count(count, sensitivity), largest_masked(sensitivity) + 1
    if shown is None:
        return Possible(1, smallest - 1)
    if shown == 0:
        return Possible(0, 0)
    half = ROUNDING // 2
    return Possible(smallest if shown == ROUNDING else max(shown - half, smallest), shown + half)
