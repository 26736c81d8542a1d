"""Rings around a place, and bands of the day: what counts as inside, and how many.

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


def count_in_rings(
    eastings: ArrayLike, northings: ArrayLike, centre: Centre, radii: Sequence[float]
) -> NDArray[np.int64]:
    """How many points lie within each radius (metres): cumulative counts, shape ``(len(radii),)``."""
    squared = squared_distances(eastings, northings, centre)
    return np.array([int(np.count_nonzero(squared <= _checked(radius) ** 2)) for radius in radii], dtype=np.int64)


def ring_table(
    categories: Sequence[str], eastings: ArrayLike, northings: ArrayLike, centre: Centre, radii: Sequence[float]
) -> dict[str, NDArray[np.int64]]:
    """Cumulative counts by category, ``{category: shape (len(radii),)}``, for those within the outermost ring.

    The category with most incidents in the outermost ring comes first; equal ones in order of name.
    """
    names = np.asarray(categories, dtype=object)
    squared = squared_distances(eastings, northings, centre)
    inside = squared <= max(_checked(radius) for radius in radii) ** 2
    names, squared = names[inside], squared[inside]
    table = {
        str(name): np.array(
            [int(np.count_nonzero(squared[names == name] <= radius**2)) for radius in radii], dtype=np.int64
        )
        for name in set(names.tolist())
    }
    outermost = int(np.argmax(radii))
    return dict(sorted(table.items(), key=lambda item: (-int(item[1][outermost]), item[0])))


def ring_area_km2(radius: float) -> float:
    """The area of the whole circle in km²."""
    return math.pi * _checked(radius) ** 2 / 1e6


def rate_per_km2(count: int, radius: float) -> float:
    """Incidents per km² of the whole circle."""
    return count / ring_area_km2(radius)


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


@dataclass(frozen=True)
class BandSelection:
    """``inside``: a boolean an incident; ``unknown``: how many could not be judged for want of hour or weekday."""

    inside: NDArray[np.bool_]
    unknown: int


def in_band(band: Band, hours: ArrayLike, weekdays: ArrayLike) -> BandSelection:
    """Which incidents lie in a band. ``hours`` 0–23, ``weekdays`` 0 (Monday) – 6; NaN where not known.

    A weekend night runs from 18:00 to 05:59: what happens on Saturday at 02:00 belongs to Friday's night.
    """
    hour = np.asarray(hours, dtype=np.float64)
    weekday = np.asarray(weekdays, dtype=np.float64)
    if band is Band.ALL:
        return BandSelection(np.ones(hour.shape, dtype=bool), 0)
    known = np.isfinite(hour)
    if band is Band.WEEKEND_NIGHTS:
        known &= np.isfinite(weekday)
    with np.errstate(invalid="ignore"):
        if band is Band.LATE_NIGHT:
            inside = (hour >= 22) | (hour < 3)
        else:
            inside = (hour >= 18) | (hour < 6)
        if band is Band.WEEKEND_NIGHTS:
            night_of = np.where(hour < 6, (weekday - 1) % 7, weekday)
            inside &= (night_of == 4) | (night_of == 5)
    return BandSelection(inside & known, int(np.count_nonzero(~known)))
