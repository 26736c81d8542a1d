"""Was a hotspot map right? A map of one period judged by the incidents of the next.

The cells with the highest values, as many as make up a share of the area, are the map's hotspots. With n of the next
period's N incidents in them, a of A cells, n₁ of the N₁ incidents that the map was made of, and n* the most that *any*
choice of as many cells would have caught:

    hit rate = n / N                              PAI  = (n/N) / (a/A)          (Chainey, Tompson and Uhlig 2008)
    RRI      = (n/n₁) / (N/N₁)  (Levine 2008)     PEI* = n / n*                 (White, Hunt and Green 2023)

PAI rises as the share falls, so only equal shares compare. PEI* is 1 for a map that could not have been better.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


class BackTestError(ValueError):
    """No map can be judged; the message says why and what to do."""


@dataclass(frozen=True)
class Score:
    """How a map did with its hottest ``cells``, which are ``area_share`` of all (0 to 1).

    Where several cells of equal value compete for the last places, ``hits`` and ``made_of`` (the incidents of the map's
    own period) are what picking among them at random brings on average, so they need not be whole. ``rri`` is NaN
    where the cells held no incident of the map's own period.
    """

    cells: int
    area_share: float
    hits: float
    made_of: float
    best_hits: int
    hit_rate: float
    pai: float
    pei_star: float
    rri: float


def scores(
    values: NDArray[np.float64],
    before: NDArray[np.int64],
    after: NDArray[np.int64],
    study_area: NDArray[np.bool_],
    shares: Sequence[float],
) -> tuple[Score, ...]:
    """A score for each share of the area (in per cent), exact to 1e-9.

    ``values`` are the map's, the higher the hotter (not a number: coldest); ``before`` and ``after`` are counts by cell
    of the map's own period and of the next; all of the study area's shape. A share stands for the nearest number of
    cells, one at least. Raises ``BackTestError``.
    """
    cells = int(np.count_nonzero(study_area))
    if not cells:
        raise BackTestError("The study area holds no cell: choose a larger area or smaller cells.")
    for share in shares:
        if not 0 < share <= 100:
            raise BackTestError(f"A share of the area lies above 0 and up to 100 per cent; it is {share:g}.")
    held = np.where(np.isnan(values[study_area]), -np.inf, values[study_area])
    made, caught = before[study_area], after[study_area]
    if not made.sum():
        raise BackTestError("No incident of the first period lies in the study area: there is no map to judge.")
    if not caught.sum():
        raise BackTestError(
            "No incident of the second period lies in the study area, so nothing tells whether the map was right: "
            "choose a longer or a later period."
        )
    best = np.cumsum(np.sort(caught)[::-1])
    found = []
    for share in shares:
        number = max(1, math.floor(share * cells / 100 + 0.5))
        weights = _chosen(held, number)
        hits, made_of = float(weights @ caught), float(weights @ made)
        hit_rate = hits / int(caught.sum())
        rri = hit_rate / (made_of / int(made.sum())) if made_of else math.nan
        best_hits = int(best[number - 1])
        area_share = number / cells
        found.append(
            Score(number, area_share, hits, made_of, best_hits, hit_rate, hit_rate / area_share, hits / best_hits, rri)
        )
    return tuple(found)


def _chosen(values: NDArray[np.float64], number: int) -> NDArray[np.float64]:
    """The chance of each cell to be among the ``number`` hottest: 1, 0, or between where equals compete."""
    last = np.sort(values)[len(values) - number]
    above, equal = values > last, values == last
    left = number - int(np.count_nonzero(above))
    return above + equal * (left / int(np.count_nonzero(equal)))
