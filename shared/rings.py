"""Rings around a place, and bands of the day: what counts as inside, and on how much land.

A ring holds every incident at a distance ≤ its radius, so counts are cumulative. With integer coordinates (metres of
EPSG:27700) distances are compared as squared integers: an incident exactly on the ring is inside, always.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Union

import numpy as np
from numpy.typing import ArrayLike, NDArray

Centre = Sequence[Union[int, float]]

FIXED_RADII = (100, 250, 500)  # metres; what everyone may ask and what is published
CIRCLE_SEGMENTS = 240


def squared_distances(eastings: ArrayLike, northings: ArrayLike, centre: Centre) -> NDArray[Any]:
    """Squared distances in m² from ``centre`` (easting, northing): int64 where all are integers, else float64."""
    east, north = np.asarray(eastings), np.asarray(northings)
    exact = all(np.issubdtype(a.dtype, np.integer) for a in (east, north)) and all(
        isinstance(c, (int, np.integer)) for c in centre
    )
    kind = np.int64 if exact else np.float64
    return (east.astype(kind) - kind(centre[0])) ** 2 + (north.astype(kind) - kind(centre[1])) ** 2


def within(eastings: ArrayLike, northings: ArrayLike, centre: Centre, radius: float) -> NDArray[np.bool_]:
    """Which points lie at a distance ≤ ``radius`` metres from ``centre``: one boolean a point."""
    return squared_distances(eastings, northings, centre) <= _checked(radius) ** 2


def ring_area_km2(radius: float) -> float:
    """The area of the whole circle in km²."""
    return math.pi * _checked(radius) ** 2 / 1e6


def circle(centre: Centre, radius: float, segments: int = CIRCLE_SEGMENTS) -> NDArray[np.float64]:
    """The ring as a closed polygon, shape ``(segments + 1, 2)``, anticlockwise from due east.

    It is what areas are cut with, so that every side cuts the very same shape; incidents are tested by distance.
    """
    angles = np.arange(segments) * (2 * math.pi / segments)
    edge = np.column_stack([np.cos(angles), np.sin(angles)]) * _checked(radius) + np.array([centre[0], centre[1]])
    return np.vstack([edge, edge[:1]])


def covered_km2(radius: float, cut_m2: float, segments: int = CIRCLE_SEGMENTS) -> float:
    """The part of the true circle in km² that is covered, where ``cut_m2`` of the polygon of ``circle`` is.

    A polygon is a little smaller than its circle: the share is taken from the one, the area from the other.
    """
    whole = segments / 2 * radius**2 * math.sin(2 * math.pi / segments)
    return ring_area_km2(radius) * min(max(cut_m2 / whole, 0.0), 1.0)


def _checked(radius: float) -> float:
    if not radius > 0 or not math.isfinite(radius):
        raise ValueError(f"A ring's radius must be more than 0 metres; this one is {radius}.")
    return radius


class Band(str, Enum):
    """Parts of the day and week that licensing asks about."""

    ALL = "all"
    EVENING_AND_NIGHT = "18:00–05:59"
    LATE_NIGHT = "22:00–02:59"
    WEEKEND_NIGHTS = "Friday and Saturday nights"

    @property
    def words(self) -> str:
        """As readers see it."""
        return "all hours" if self is Band.ALL else str(self.value)


_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
EVERY_DAY = frozenset(range(7))


@dataclass(frozen=True)
class OwnBand:
    """Hours of somebody's own choice: from ``first`` o'clock to the end of hour ``last``, through midnight or not.

    ``days`` are the weekdays (0 for Monday) on which it begins; what lies after midnight belongs to the day before.
    """

    first: int
    last: int
    days: frozenset[int] = EVERY_DAY

    def __post_init__(self) -> None:
        if not (0 <= self.first <= 23 and 0 <= self.last <= 23):
            raise ValueError("Hours go from 0 to 23: write the band as in 20:00–05:59.")
        if not self.days or not self.days <= EVERY_DAY:
            raise ValueError("A band needs at least one day of the week.")

    @property
    def through_midnight(self) -> bool:
        """Whether it ends on the day after."""
        return self.first > self.last

    @property
    def words(self) -> str:
        """“20:00–05:59”, and the days where they are not all."""
        hours = f"{self.first:02d}:00–{self.last:02d}:59"
        if self.days == EVERY_DAY:
            return hours
        return f"{hours}, begun on {', '.join(_WEEKDAYS[day] for day in sorted(self.days))}"


AnyBand = Union[Band, OwnBand]

_HOURS: dict[Band, OwnBand | None] = {
    Band.ALL: None,
    Band.EVENING_AND_NIGHT: OwnBand(18, 5),
    Band.LATE_NIGHT: OwnBand(22, 2),
    Band.WEEKEND_NIGHTS: OwnBand(18, 5, frozenset({4, 5})),
}


@dataclass(frozen=True)
class BandSelection:
    """``inside``: a boolean an incident; ``unknown``: how many could not be judged for want of hour or weekday."""

    inside: NDArray[np.bool_]
    unknown: int


def in_band(band: AnyBand, hours: ArrayLike, weekdays: ArrayLike) -> BandSelection:
    """Which incidents lie in a band. ``hours`` 0–23, ``weekdays`` 0 (Monday) – 6; NaN where not known.

    A night belongs to the day on which it begins: what happens on Saturday at 02:00 is part of Friday's night.
    """
    hour = np.asarray(hours, dtype=np.float64)
    weekday = np.asarray(weekdays, dtype=np.float64)
    wanted = _HOURS[band] if isinstance(band, Band) else band
    if wanted is None:
        return BandSelection(np.ones(hour.shape, dtype=bool), 0)
    known = np.isfinite(hour)
    if wanted.days != EVERY_DAY:
        known &= np.isfinite(weekday)
    with np.errstate(invalid="ignore"):
        late, early = hour >= wanted.first, hour <= wanted.last
        inside = (late | early) if wanted.through_midnight else (late & early)
        if wanted.days != EVERY_DAY:
            day_of = np.where(early, (weekday - 1) % 7, weekday) if wanted.through_midnight else weekday
            inside &= np.isin(day_of, sorted(wanted.days))
    return BandSelection(inside & known, int(np.count_nonzero(~known)))
