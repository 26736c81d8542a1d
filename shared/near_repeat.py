"""Near repeats: are incidents close in space also close in time more often than chance would have it? (Knox 1964)

Every pair of incidents has a distance and a number of days between. With N = n(n − 1)/2 pairs, S of them in a band of
distance and T in a band of days, dates dealt out at random would put S·T/N pairs into both, exactly. How unusual the
observed number is, is told by dealing out the dates at random many times: p = (1 + deals with as many or more) /
(1 + deals), one-sided. Only pairs within the largest band of distance can move, so only they are dealt.

A band holds its lower bound and not its upper: [a, b). Incidents on one and the same point are a band of their own,
before the first; incidents of the same day have 0 days between.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum, IntEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray

MIN_INCIDENTS = 3
MAX_PAIRS = 10_000_000
_AT_ONCE = 65_536  # pairs looked at in one go: they stay in the processor's cache
_SAME_PLACE_M = 0.005

Progress = Callable[[int, int], None]


class NearRepeatError(ValueError):
    """No near-repeat table can be computed; the message says why and what to do."""


class Metric(str, Enum):
    """How a distance is measured."""

    EUCLIDEAN = "euclidean"
    MANHATTAN = "manhattan"


class Role(IntEnum):
    """What an incident is among those close to it in space and time."""

    ALONE = 0  # none before it, none after it
    ORIGINATOR = 1  # the first of a series
    NEAR_REPEAT = 2  # another happened before it, close by
    REPEAT = 3  # another happened before it, on the same point


@dataclass(frozen=True)
class Series:
    """By incident: its ``role``, how many ``followers`` it has, and the days ``since`` the last before (−1: none)."""

    role: NDArray[np.int64]
    followers: NDArray[np.int64]
    since: NDArray[np.int64]


@dataclass(frozen=True)
class NearRepeat:
    """Tables of shape (bands of distance, bands of days), the same place first.

    ``observed`` pairs are exact, ``expected`` exact to 1e-12 of its value, ``ratio`` the one over the other (NaN where
    nothing is expected), ``p`` by permutation. ``space_pairs`` and ``time_pairs`` are the pairs in a band whatever the
    other says; ``pairs`` are all.
    """

    observed: NDArray[np.int64]
    expected: NDArray[np.float64]
    ratio: NDArray[np.float64]
    p: NDArray[np.float64]
    space_pairs: NDArray[np.int64]
    time_pairs: NDArray[np.int64]
    pairs: int
    incidents: int
    permutations: int


def expected_pairs(space_pairs: ArrayLike, time_pairs: ArrayLike, pairs: int) -> NDArray[np.float64]:
    """The pairs that chance puts into each band of distance and of days: row × column / all, a table."""
    rows, columns = np.asarray(space_pairs, dtype=float), np.asarray(time_pairs, dtype=float)
    return rows[:, None] * columns[None, :] / pairs


def near_repeat(
    eastings: ArrayLike,
    northings: ArrayLike,
    days: ArrayLike,
    distances: Sequence[float],
    spans: Sequence[int],
    permutations: int = 999,
    metric: Metric = Metric.EUCLIDEAN,
    seed: int = 1,
    progress: Progress = lambda done, total: None,
) -> NearRepeat:
    """The table for incidents at points (metres) on ``days`` (whole numbers, such as days since 1970).

    ``distances`` and ``spans`` are the bands' upper bounds in metres and days, rising: 100, 200 means the same place,
    above 0 and under 100 m, and from 100 to under 200 m; 7, 14 means 0 to 6 and 7 to 13 days. ``progress`` hears of
    deals done and of all, several times a second, and ends the run by raising. Equal ``seed``, equal p. Raises
    ``NearRepeatError``.
    """
    east, north = np.asarray(eastings, dtype=float), np.asarray(northings, dtype=float)
    day = np.asarray(days, dtype=np.int64)
    _check(len(east), distances, spans, permutations)
    day = day - day.min()
    first, second, space = _close_pairs(east, north, distances, metric, lambda: progress(0, permutations))
    pairs = len(east) * (len(east) - 1) // 2
    span_of = _band_by_days(int(day.max()), spans)
    shape = (len(distances) + 1, len(spans))
    observed = _table(day, first, second, space, span_of, shape)
    space_pairs = np.bincount(space, minlength=shape[0])[: shape[0]].astype(np.int64)
    time_pairs = _pairs_by_span(day, span_of, len(spans))
    expected = expected_pairs(space_pairs, time_pairs, pairs)
    rng = np.random.default_rng(seed)
    as_many = np.zeros(shape, dtype=np.int64)
    dealt = day.copy()
    for done in range(1, permutations + 1):
        rng.shuffle(dealt)
        as_many += _table(dealt, first, second, space, span_of, shape) >= observed
        progress(done, permutations)
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = np.where(expected > 0, observed / expected, np.nan)
    p = (1 + as_many) / (1 + permutations) if permutations else np.full(shape, np.nan)
    return NearRepeat(observed, expected, ratio, p, space_pairs, time_pairs, pairs, len(east), permutations)


def series(
    eastings: ArrayLike,
    northings: ArrayLike,
    days: ArrayLike,
    hours: ArrayLike,
    within: float,
    span: int,
    metric: Metric = Metric.EUCLIDEAN,
    progress: Progress = lambda done, total: None,
) -> Series:
    """Which incidents came after another less than ``within`` metres away and less than ``span`` days before.

    Of one day the one of the earlier hour comes first (NaN: as at its end), of one hour the one that stands first in
    the data: nothing tells more. ``progress`` and ``NearRepeatError`` as of ``near_repeat``.
    """
    east, north = np.asarray(eastings, dtype=float), np.asarray(northings, dtype=float)
    day, hour = np.asarray(days, dtype=np.int64), np.asarray(hours, dtype=float)
    _check(len(east), [within], [span], 0)
    order = np.lexsort((np.arange(len(day)), np.where(np.isnan(hour), 24.0, hour), day))
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    first, second, band = _close_pairs(east, north, [within], metric, lambda: progress(0, 1))
    swapped = rank[first] > rank[second]
    earlier, later = np.where(swapped, second, first), np.where(swapped, first, second)
    between = day[later] - day[earlier]
    soon = between < span
    earlier, later, between, band = earlier[soon], later[soon], between[soon], band[soon]
    followers = np.bincount(earlier, minlength=len(east)).astype(np.int64)
    role = np.where(followers > 0, int(Role.ORIGINATOR), int(Role.ALONE))
    role[later] = Role.NEAR_REPEAT
    role[later[band == 0]] = Role.REPEAT
    since = np.full(len(east), span, dtype=np.int64)
    np.minimum.at(since, later, between)
    return Series(role, followers, np.where(since == span, -1, since))


def _check(incidents: int, distances: Sequence[float], spans: Sequence[int], permutations: int) -> None:
    if incidents < MIN_INCIDENTS:
        raise NearRepeatError(
            f"Pairs of incidents are counted, and {incidents} "
            f"{'incident makes' if incidents == 1 else 'incidents make'} too few: choose a longer period, more "
            "categories or a larger area."
        )
    for bounds, what, unit in ((distances, "distance", "m"), (spans, "days", "days")):
        if not bounds:
            raise NearRepeatError(f"There is no band of {what}: give at least one upper bound.")
        if not all(math.isfinite(bound) and bound > 0 for bound in bounds) or any(
            low >= high for low, high in zip(bounds, bounds[1:])
        ):
            words = ", ".join(f"{bound:g}" for bound in bounds)
            raise NearRepeatError(f"The bands of {what} have to rise from above 0 {unit}; they are {words}.")
    if permutations < 0:
        raise NearRepeatError(f"The number of permutations cannot be below 0; it is {permutations}.")


def _band_by_days(longest: int, spans: Sequence[int]) -> NDArray[np.uint8]:
    """The band of each number of days between, from 0; one past the last band where it lies beyond."""
    return np.searchsorted(np.asarray(spans), np.arange(longest + 1), side="right").astype(np.uint8)


def _pairs_by_span(day: NDArray[np.int64], span_of: NDArray[np.uint8], bands: int) -> NDArray[np.int64]:
    """All pairs in each band of days, wherever they lie: from how many incidents each day has."""
    by_day = np.bincount(day)
    totals = np.zeros(bands + 1, dtype=np.int64)
    totals[span_of[0]] += int((by_day * (by_day - 1) // 2).sum())
    for lag in range(1, len(by_day)):
        if span_of[lag] == bands:
            break
        totals[span_of[lag]] += int(by_day[:-lag] @ by_day[lag:])
    return totals[:bands]


def _table(
    day: NDArray[np.int64],
    first: NDArray[np.intp],
    second: NDArray[np.intp],
    space: NDArray[np.intp],
    span_of: NDArray[np.uint8],
    shape: tuple[int, int],
) -> NDArray[np.int64]:
    """How many of the close pairs fall into each band of distance and of days."""
    width = shape[1] + 1
    total = np.zeros(shape[0] * width, dtype=np.int64)
    short = day.astype(np.int32)
    for start in range(0, len(first), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        # This is run for every deal: ``take`` by indices of the processor's own width is three times as fast as [].
        between = short.take(first[part])
        between -= short.take(second[part])
        np.abs(between, out=between)
        total += np.bincount(space[part] * width + span_of.take(between), minlength=len(total))
    return total.reshape(shape[0], width)[:, :-1]


def _close_pairs(
    east: NDArray[np.float64],
    north: NDArray[np.float64],
    distances: Sequence[float],
    metric: Metric,
    heard: Callable[[], None],
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """The pairs under the largest distance, each once: two indices, and the band (0: the same place)."""
    found: list[tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]] = []
    number = 0
    edges = np.asarray([_SAME_PLACE_M, *distances])
    for one, other in _neighbours(east, north, float(distances[-1])):
        across, along = np.abs(east[one] - east[other]), np.abs(north[one] - north[other])
        between = across + along if metric is Metric.MANHATTAN else np.hypot(across, along)
        near = between < distances[-1]
        band = np.searchsorted(edges, between[near], side="right")
        found.append((one[near].astype(np.intp), other[near].astype(np.intp), band))
        number += len(band)
        if number > MAX_PAIRS:
            raise NearRepeatError(
                f"More than {MAX_PAIRS:,} pairs of incidents lie within {distances[-1]:g} m of each other, too many to "
                "deal out again and again: choose a shorter period, fewer categories, a smaller area or smaller bands."
            )
        heard()
    if not found:
        empty = np.empty(0, dtype=np.intp)
        return empty, empty, empty
    firsts, seconds, bands = zip(*found)
    return np.concatenate(firsts), np.concatenate(seconds), np.concatenate(bands)


def _neighbours(
    east: NDArray[np.float64], north: NDArray[np.float64], reach: float
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Every pair within ``reach`` and some beyond, each once, a part at a time: those of a cell and half around it."""
    column = np.floor((east - east.min()) / reach).astype(np.int64)
    row = np.floor((north - north.min()) / reach).astype(np.int64)
    # One empty column between rows' ends keeps the last of a row apart from the first of the next.
    width = int(column.max()) + 2
    cell = row * width + column
    order = np.argsort(cell, kind="stable")
    cells = cell[order]
    here = np.arange(len(cells))
    ends = np.searchsorted(cells, cells, side="right")
    yield from _ranges(order, here, here + 1, ends)
    for step in (1, width - 1, width, width + 1):
        starts = np.searchsorted(cells, cells + step, side="left")
        ends = np.searchsorted(cells, cells + step, side="right")
        yield from _ranges(order, here, starts, ends)


def _ranges(
    order: NDArray[np.int64], here: NDArray[np.int64], starts: NDArray[np.int64], ends: NDArray[np.int64]
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Each of ``here`` with each of its range of others, as indices of incidents; about ``_AT_ONCE`` at a time."""
    lengths = ends - starts
    busy = np.flatnonzero(lengths)
    if not busy.size:
        return
    so_far = np.cumsum(lengths[busy])
    begin = 0
    while begin < len(busy):
        done = int(so_far[begin - 1]) if begin else 0
        stop = max(begin + 1, int(np.searchsorted(so_far, done + _AT_ONCE, side="right")))
        part = busy[begin:stop]
        length = lengths[part]
        within = np.arange(int(length.sum())) - np.repeat(np.cumsum(length) - length, length)
        yield order[np.repeat(here[part], length)], order[np.repeat(starts[part], length) + within]
        begin = stop
