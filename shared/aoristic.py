"""Aoristic weights: when in the week incidents happened whose moment is known only as from … to.

Each incident has the weight 1, spread over the 168 hours of the week by the share of its span that lies in each
(Ratcliffe 2002). The span is ``[start, end)``: one from 22:30 to 01:00 gives 0.2 to the hour from 22, and 0.4 each to
those from 23 and from 0. Where the end is missing, or not after the start, the incident counts in the hour of its
start; where the span is a week or longer, each hour gets 1/168, for nothing is known.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

HOURS = 168
_HOUR_S = 3600
_WEEK_S = HOURS * _HOUR_S
# 1 January 1970 was a Thursday: the Monday before it is 3 days earlier.
_FROM_MONDAY_S = 3 * 24 * _HOUR_S


class AoristicError(ValueError):
    """No weights can be computed; the message says why and what to do."""


@dataclass(frozen=True)
class AoristicWeek:
    """``weights`` by hour of the week, shape ``(168,)``, Monday 00–01 first; they add up to ``incidents`` (1e-9 of it).

    How the incidents were counted: ``spread`` over their span, ``at_start`` (with an ``end`` in the same hour, none at
    all, or one not after the start), ``reversed_end`` of those with an end before their start, ``without_end`` with
    none, ``whole_week`` with a span of a week or longer. ``without_start`` are left out of it all.
    """

    weights: NDArray[np.float64]
    incidents: int
    spread: int
    at_start: int
    without_end: int
    reversed_end: int
    whole_week: int
    without_start: int

    @property
    def table(self) -> NDArray[np.float64]:
        """The weights by weekday and hour, shape ``(7, 24)``, Monday first."""
        return self.weights.reshape(7, 24)


def aoristic_week(starts: ArrayLike, ends: ArrayLike) -> AoristicWeek:
    """The week of incidents with these ``datetime64`` starts and ends (local clock; NaT: unknown), of equal length.

    The clock is taken as it stands: the hour that is left out in March or comes twice in October is not made up for.
    Raises ``AoristicError`` where the two differ in length or no start is known.
    """
    start = np.asarray(starts, dtype="datetime64[s]").ravel()
    end = np.asarray(ends, dtype="datetime64[s]").ravel()
    if start.shape != end.shape:
        raise AoristicError(
            f"There are {len(start):,} starts and {len(end):,} ends: each incident needs one of each, or an empty one."
        )
    known = ~np.isnat(start)
    if not known.any():
        raise AoristicError("No incident tells when it started: choose data with times, or leave the hours out.")
    open_ended = np.isnat(end[known])
    first = start[known].astype(np.int64) + _FROM_MONDAY_S
    last = np.where(open_ended, first, end[known].astype(np.int64) + _FROM_MONDAY_S)
    length = last - first
    backwards = length < 0
    endless = length >= _WEEK_S
    weights = np.full(HOURS, np.count_nonzero(endless) / HOURS)
    weights += _spread(first[~endless], np.maximum(length[~endless], 0))
    within_hour = ~endless & ((length <= 0) | (first // _HOUR_S == (last - 1) // _HOUR_S))
    return AoristicWeek(
        weights=weights,
        incidents=len(first),
        spread=int(np.count_nonzero(~endless & ~within_hour)),
        at_start=int(np.count_nonzero(within_hour)),
        without_end=int(np.count_nonzero(open_ended)),
        reversed_end=int(np.count_nonzero(backwards)),
        whole_week=int(np.count_nonzero(endless)),
        without_start=int(len(start) - len(first)),
    )


def _spread(first: NDArray[np.int64], length: NDArray[np.int64]) -> NDArray[np.float64]:
    """The weights of spans under a week, from seconds since a Monday, by hour of the week."""
    last = first + length
    start_hour = first // _HOUR_S
    end_hour = np.maximum((last - 1) // _HOUR_S, start_hour)
    hours = end_hour - start_hour
    begin = start_hour % HOURS
    divisor = np.maximum(length, 1).astype(float)
    alone = hours == 0
    head = np.where(alone, 1.0, ((start_hour + 1) * _HOUR_S - first) / divisor)
    tail = np.where(alone, 0.0, (last - end_hour * _HOUR_S) / divisor)
    full = np.where(alone, 0.0, _HOUR_S / divisor)
    # Two weeks, for spans over a Sunday's end; whole hours are told by where they begin and end, and summed up.
    size = 2 * HOURS + 1
    total = np.bincount(begin, head, minlength=size) + np.bincount(begin + hours, tail, minlength=size)
    steps = np.bincount(begin + 1, full, minlength=size + 1) - np.bincount(begin + hours, full, minlength=size + 1)
    # A span in one hour has hours = 0 and full = 0, so it takes no part in the steps.
    total += np.cumsum(steps)[:size]
    return total[:HOURS] + total[HOURS : 2 * HOURS]
