"""How places have been hot over a few periods: persistent, recent, emerging or former hot spots."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

LEAST_PERIODS = 3


class HotspotClass(IntEnum):
    """What a cell is; the first that fits counts.

    PERSISTENT: hot in at least ``persistent_share`` of all periods. EMERGING: hot in enough of the recent periods, and
    in none before. RECENT: hot in enough of the recent periods, and in some before. FORMER: hot in enough of the
    earlier periods, and in too few of the recent ones. NONE: anything else.
    """

    NONE = 0
    PERSISTENT = 1
    RECENT = 2
    EMERGING = 3
    FORMER = 4


class ClassificationError(ValueError):
    """Nothing can be classified; the message says why and what to do."""


@dataclass(frozen=True)
class Rules:
    """``persistent_share`` of all periods; ``recent_share`` of them, rounded up, are the recent ones; “enough” is at
    least ``hot_share`` of the periods in question, and at least one.
    """

    persistent_share: float = 0.8
    recent_share: float = 0.2
    hot_share: float = 0.1

    def recent(self, periods: int) -> int:
        """How many of so many periods are recent: at least one, and not all."""
        return min(periods - 1, max(1, _at_least(self.recent_share, periods)))


def classify(hot: NDArray[np.bool_], rules: Rules | None = None) -> NDArray[np.int8]:
    """The ``HotspotClass`` of each cell, shape ``(cells,)``; ``hot``: shape ``(periods, cells)``, earliest first.

    Raises ``ClassificationError`` for fewer than three periods.
    """
    periods = len(hot)
    if periods < LEAST_PERIODS:
        raise ClassificationError(
            f"There are only {periods} periods, and a classification needs at least {LEAST_PERIODS}: choose a longer "
            "time or shorter periods."
        )
    rules = rules or Rules()
    recent = rules.recent(periods)
    before = periods - recent
    lately, earlier = hot[before:].sum(axis=0), hot[:before].sum(axis=0)
    enough_lately = lately >= max(1, _at_least(rules.hot_share, recent))
    found = np.select(
        [
            lately + earlier >= max(1, _at_least(rules.persistent_share, periods)),
            enough_lately & (earlier == 0),
            enough_lately,
            earlier >= max(1, _at_least(rules.hot_share, before)),
        ],
        [HotspotClass.PERSISTENT, HotspotClass.EMERGING, HotspotClass.RECENT, HotspotClass.FORMER],
        HotspotClass.NONE,
    )
    return found.astype(np.int8)


def _at_least(share: float, number: int) -> int:
    # 0.1 · 30 is a little more than 3 in a computer's arithmetic.
    return math.ceil(share * number - 1e-9)
