"""How a place compares: the same count for every postcode of its borough, and where one of them stands among them.

Counts are skewed, so a rank says more than a ratio to the mean. All postcodes are counted, never a sample.
"""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .areas import Boundaries
from .postcodes import PostcodeIndex

_MOST_PAIRS = 2_000_000  # of a centre and a point in memory at a time
_CLEAR = 60.0  # per cent: fewer is no clear majority
_NEARLY_ALL = 99.0


@dataclass(frozen=True)
class Distribution:
    """The distinct counts, smallest first, and how many postcodes have each.

    Of one borough, dataset, category (or all), band and ring.
    """

    counts: tuple[int, ...]
    postcodes: tuple[int, ...]

    @classmethod
    def of(cls, counts: ArrayLike) -> Distribution:
        """The distribution of one count a postcode."""
        values, numbers = np.unique(np.asarray(counts, dtype=np.int64), return_counts=True)
        return cls(tuple(int(v) for v in values), tuple(int(n) for n in numbers))

    @property
    def total(self) -> int:
        """How many postcodes there are."""
        return sum(self.postcodes)

    def share_below(self, count: float) -> float:
        """The share in per cent of the postcodes with fewer; 0 where there are no postcodes."""
        return self._share(bisect.bisect_left(self.counts, count), below=True)

    def share_above(self, count: float) -> float:
        """The share in per cent of the postcodes with more; 0 where there are no postcodes."""
        return self._share(bisect.bisect_right(self.counts, count), below=False)

    def _share(self, index: int, below: bool) -> float:
        chosen = self.postcodes[:index] if below else self.postcodes[index:]
        return 100 * sum(chosen) / self.total if self.total else 0.0


def sentence(distribution: Distribution, count: float, borough: str) -> str:
    """“more than around 9 in 10 postcodes in Camden”; empty where there is nothing to compare with."""
    if not distribution.total:
        return ""
    below, above = distribution.share_below(count), distribution.share_above(count)
    if below >= _CLEAR:
        return f"more than around {_in_words(below)} postcodes in {borough}"
    if above >= _CLEAR:
        return f"fewer than around {_in_words(above)} postcodes in {borough}"
    return f"about as many as most postcodes in {borough}"


def _in_words(share: float) -> str:
    if share >= _NEARLY_ALL:
        return "99 in 100"
    return f"{min(int(share / 10 + 0.5), 9)} in 10"


def borough_postcodes(index: PostcodeIndex, boundaries: Boundaries, borough: str) -> NDArray[np.int64]:
    """Where the postcodes of the borough with this code are that can be searched around: shape ``(n, 2)``."""
    lsoas = {code for code, lsoa in boundaries.lsoas.items() if lsoa.parent == borough}
    places = [(place.easting, place.northing) for place in index.within(lsoas)]
    return np.array(places, dtype=np.int64).reshape(-1, 2)


def count_all(points: ArrayLike, weights: ArrayLike, centres: ArrayLike, radii: Sequence[float]) -> NDArray[np.int64]:
    """How much lies within each radius of every centre, exactly: shape ``(centres, radii)``.

    ``points`` and ``centres`` are eastings and northings, shape ``(n, 2)``; ``weights`` is how many incidents each
    point stands for. With whole metres distances are compared as whole numbers: on the ring is inside. Points are
    laid out by square cells, so each centre looks at its surroundings only.
    """
    place, weight = _merged(np.asarray(points).reshape(-1, 2), np.asarray(weights, dtype=np.int64))
    middle = np.asarray(centres).reshape(-1, 2)
    result = np.zeros((len(middle), len(radii)), dtype=np.int64)
    if not len(place) or not len(middle):
        return result
    if not (np.issubdtype(place.dtype, np.integer) and np.issubdtype(middle.dtype, np.integer)):
        place, middle = place.astype(np.float64), middle.astype(np.float64)
    widest = max(radii)
    west, south = place.min(axis=0)
    column = np.floor((place[:, 0] - west) / widest).astype(np.int64)
    row = np.floor((place[:, 1] - south) / widest).astype(np.int64)
    width = int(column.max()) + 1
    order = np.argsort(row * width + column, kind="stable")
    place, weight, cell = place[order], weight[order], (row * width + column)[order]
    # The cells that a centre's widest ring can touch are three runs, one a row of cells.
    home_column = np.floor((middle[:, 0] - west) / widest).astype(np.int64)
    home_row = np.floor((middle[:, 1] - south) / widest).astype(np.int64)
    left, right = np.maximum(home_column - 1, 0), np.minimum(home_column + 1, width - 1)
    for step in (-1, 0, 1):
        start = np.searchsorted(cell, (home_row + step) * width + left, side="left")
        end = np.searchsorted(cell, (home_row + step) * width + right, side="right")
        end = np.where(left <= right, np.maximum(end, start), start)
        for chunk in _chunks(end - start):
            _add(result, chunk, start, end, place, weight, middle, radii)
    return result


def _merged(place: NDArray, weight: NDArray[np.int64]) -> tuple[NDArray, NDArray[np.int64]]:
    """Each place once, with the weights of all that lie there: most suppliers stack incidents on few places."""
    here = weight > 0
    distinct, back = np.unique(place[here], axis=0, return_inverse=True)
    return distinct, np.bincount(back.reshape(-1), weights=weight[here], minlength=len(distinct)).astype(np.int64)


def _chunks(lengths: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Centres in runs whose pairs fit into memory."""
    part = np.cumsum(lengths) // _MOST_PAIRS
    return [run for run in np.split(np.arange(len(lengths)), np.flatnonzero(np.diff(part)) + 1) if len(run)]


def _add(
    result: NDArray[np.int64],
    chunk: NDArray[np.int64],
    start: NDArray[np.int64],
    end: NDArray[np.int64],
    place: NDArray,
    weight: NDArray[np.int64],
    middle: NDArray,
    radii: Sequence[float],
) -> None:
    lengths = end[chunk] - start[chunk]
    owner = np.repeat(np.arange(len(chunk)), lengths)
    first = np.repeat(start[chunk] - (np.cumsum(lengths) - lengths), lengths)
    point = first + np.arange(len(owner))
    away = place[point] - middle[chunk][owner]
    squared = away[:, 0] ** 2 + away[:, 1] ** 2
    for number, radius in enumerate(radii):
        inside = squared <= radius**2
        counted = np.bincount(owner[inside], weights=weight[point[inside]], minlength=len(chunk))
        result[chunk, number] += counted.astype(np.int64)
