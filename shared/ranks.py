"""How a place compares: the same count for every postcode of its borough, and where one of them stands among them.

Counts are skewed, so a rank says more than a ratio to the mean. All postcodes are counted, never a sample.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .areas import Boundaries
from .postcodes import PostcodeIndex

_AT_ONCE = 1_000_000  # pairs of a centre and a point, or a row of cells, in memory
_CELLS_A_RADIUS = 20  # of the widest ring
_MOST_CELLS_A_SIDE = 2_000
_SLACK = 1e-6  # metres: a cell counts as wholly inside or outside only where rounding cannot matter
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
    where = f"the {borough}" if borough.startswith("City ") else borough
    if below >= _CLEAR:
        return f"more than around {_in_words(below)} postcodes in {where}"
    if above >= _CLEAR:
        return f"fewer than around {_in_words(above)} postcodes in {where}"
    return f"about as many as most postcodes in {where}"


def _in_words(share: float) -> str:
    if share >= _NEARLY_ALL:
        return "99 in 100"
    return f"{min(int(share / 10 + 0.5), 9)} in 10"


def borough_postcodes(index: PostcodeIndex, boundaries: Boundaries) -> dict[str, NDArray[np.int64]]:
    """By a borough's code, where its postcodes are that can be searched around: shape ``(n, 2)``."""
    places: dict[str, list[tuple[int, int]]] = {code: [] for code in boundaries.boroughs}
    for easting, northing, lsoa in index.places():
        borough = boundaries.lsoas.get(lsoa)
        if borough is not None and borough.parent in places:
            places[borough.parent].append((easting, northing))
    return {code: np.array(found, dtype=np.int64).reshape(-1, 2) for code, found in places.items()}


def count_all(points: ArrayLike, weights: ArrayLike, centres: ArrayLike, radii: Sequence[float]) -> NDArray[np.int64]:
    """How much lies within each radius of every centre, exactly: shape ``(centres, radii)``.

    ``points`` and ``centres`` are eastings and northings, shape ``(n, 2)``; ``weights`` is how many incidents each
    point stands for, or, of shape ``(n, k)``, how many of each of ``k`` kinds: then the result is ``(centres, radii,
    k)``. With whole metres distances are compared as whole numbers: on the ring is inside.

    Points are laid out by small square cells. What lies in cells wholly inside a ring comes from running sums; only
    points of the cells on its edge are measured one by one.
    """
    weight = np.asarray(weights, dtype=np.int64)
    kinds = weight if weight.ndim > 1 else weight[:, np.newaxis]
    place, kinds = _merged(np.asarray(points).reshape(-1, 2), kinds)
    middle = np.asarray(centres).reshape(-1, 2)
    result = np.zeros((len(middle), len(radii), kinds.shape[1]), dtype=np.int64)
    if len(place) and len(middle):
        if not (np.issubdtype(place.dtype, np.integer) and np.issubdtype(middle.dtype, np.integer)):
            place, middle = place.astype(np.float64), middle.astype(np.float64)
        cells = _Cells(place, kinds, max(radii))
        for number, radius in enumerate(radii):
            result[:, number] = cells.count(middle, radius)
    return result if weight.ndim > 1 else result[:, :, 0]


def _merged(place: NDArray[Any], weight: NDArray[np.int64]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Each place once, with the weights of all that lie there: most suppliers stack incidents on few places."""
    order = np.lexsort((place[:, 0], place[:, 1]))
    place, weight = place[order], weight[order]
    first = np.ones(len(place), dtype=bool)
    first[1:] = (place[1:] != place[:-1]).any(axis=1)
    starts = np.flatnonzero(first)
    return place[starts], np.add.reduceat(weight, starts, axis=0) if len(starts) else weight


class _Cells:
    """Points by square cells, row by row, and running sums of their weights."""

    def __init__(self, place: NDArray[Any], weight: NDArray[np.int64], widest: float) -> None:
        self._west, self._south = (float(least) for least in place.min(axis=0))
        extent = max(float(most) for most in np.ptp(place, axis=0))
        self._side = max(widest / _CELLS_A_RADIUS, extent / _MOST_CELLS_A_SIDE)
        column = np.floor((place[:, 0] - self._west) / self._side).astype(np.int64)
        row = np.floor((place[:, 1] - self._south) / self._side).astype(np.int64)
        self._width, self._height = int(column.max()) + 1, int(row.max()) + 1
        cell = row * self._width + column
        order = np.argsort(cell, kind="stable")
        self._x, self._y = place[order, 0].copy(), place[order, 1].copy()
        self._weight = weight[order]
        self._start = np.searchsorted(cell[order], np.arange(self._width * self._height + 1))
        self._sum = np.concatenate([np.zeros((1, weight.shape[1]), dtype=np.int64), np.cumsum(self._weight, axis=0)])

    def count(self, middle: NDArray[Any], radius: float) -> NDArray[np.int64]:
        """The weights within ``radius`` of each centre, shape ``(centres, k)``."""
        rows = 2 * int(math.ceil(radius / self._side)) + 2
        found = np.zeros((len(middle), self._weight.shape[1]), dtype=np.int64)
        step = max(1, _AT_ONCE // rows)
        for first in range(0, len(middle), step):
            some = slice(first, first + step)
            found[some] = self._count_some(middle[some], radius, rows)
        return found

    def _count_some(self, middle: NDArray[Any], radius: float, rows: int) -> NDArray[np.int64]:
        centre = np.repeat(np.arange(len(middle)), rows)
        x, y = middle[:, 0].astype(np.float64), middle[:, 1].astype(np.float64)
        lowest = np.floor((y - radius - self._south) / self._side).astype(np.int64)
        row = (lowest[:, None] + np.arange(rows)).reshape(-1)
        there = (row >= 0) & (row < self._height)
        centre, row = centre[there], row[there]
        # How far the row's nearer and farther edge are from the centre, northwards or southwards.
        below = self._south + row * self._side - y[centre]
        nearer = np.maximum(np.maximum(below, -(below + self._side)), 0.0)
        farther = np.maximum(np.abs(below), np.abs(below + self._side))
        reached = nearer <= radius + _SLACK
        centre, row, nearer, farther = centre[reached], row[reached], nearer[reached], farther[reached]
        reach = np.sqrt(np.maximum(radius**2 - nearer**2, 0.0)) + _SLACK
        sure = np.sqrt(np.maximum(radius**2 - farther**2, 0.0)) - _SLACK
        east = x[centre] - self._west
        outer = self._columns(np.floor((east - reach) / self._side), np.floor((east + reach) / self._side) + 1)
        inner = self._columns(np.ceil((east - sure) / self._side), np.floor((east + sure) / self._side))
        # A row without a cell that is wholly inside has its empty run at the end of what is measured.
        nothing = (inner[1] <= inner[0]) | (farther >= radius)
        inner_from = np.where(nothing, outer[1], inner[0])
        inner_to = np.where(nothing, outer[1], inner[1])
        base = row * self._width
        runs = [self._start[base + edge] for edge in (outer[0], inner_from, inner_to, outer[1])]
        found = np.zeros((len(middle), self._weight.shape[1]), dtype=np.int64)
        _add_by(found, centre, self._sum[runs[2]] - self._sum[runs[1]])
        for start, end in ((runs[0], runs[1]), (runs[2], runs[3])):
            self._measure(found, centre, start, end, middle, radius)
        return found

    def _columns(self, first: NDArray[Any], beyond: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        least = np.clip(first, 0, self._width).astype(np.int64)
        return least, np.maximum(np.clip(beyond, 0, self._width).astype(np.int64), least)

    def _measure(
        self,
        found: NDArray[np.int64],
        centre: NDArray[np.int64],
        start: NDArray[np.int64],
        end: NDArray[np.int64],
        middle: NDArray[Any],
        radius: float,
    ) -> None:
        """Add the points numbered from ``start`` to before ``end``, for each centre, as far as they are in reach."""
        lengths = end - start
        part = np.cumsum(lengths) // _AT_ONCE
        for run in np.split(np.arange(len(lengths)), np.flatnonzero(np.diff(part)) + 1):
            length = lengths[run]
            owner = np.repeat(centre[run], length)
            point = np.repeat(start[run] - (np.cumsum(length) - length), length) + np.arange(len(owner))
            away_x, away_y = self._x[point] - middle[owner, 0], self._y[point] - middle[owner, 1]
            inside = away_x**2 + away_y**2 <= radius**2
            _add_by(found, owner[inside], self._weight[point[inside]])


def _add_by(found: NDArray[np.int64], owner: NDArray[np.int64], weight: NDArray[np.int64]) -> None:
    """Add each row of ``weight`` to the row of ``found`` that ``owner``, in rising order, names."""
    if len(owner):
        starts = np.concatenate([[0], np.flatnonzero(np.diff(owner)) + 1])
        found[owner[starts]] += np.add.reduceat(weight, starts, axis=0)
