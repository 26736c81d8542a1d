"""Incidents counted in rings around a place, and what is to be said beside the counts; rows in, numbers and words out.

Whose rows they are, and whether they may be counted exactly, is the caller's business.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .ring_answer import WeekHours
from .rings import ring_area_km2, squared_distances

_WHOLE = 0.999_999  # of a ring's area


class RingCounter:
    """Counts rows (all within the outermost ring) by category and ring; ``precision`` in metres, NaN where unknown."""

    def __init__(
        self,
        eastings: NDArray,
        northings: NDArray,
        categories: NDArray,
        precision: NDArray,
        centre: tuple[int, int],
        radii: tuple[int, ...],
    ) -> None:
        squared = squared_distances(eastings, northings, centre)
        self.categories, self._category = np.unique(categories.astype(str), return_inverse=True)
        self._ring = np.searchsorted(np.array(radii) ** 2, squared)  # on the ring is inside
        self._precision, self._radii = precision, radii

    def table(self, chosen: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Cumulative counts of the chosen rows, shape ``(categories, rings)``."""
        shape = (len(self.categories), len(self._radii))
        cells = self._category[chosen] * shape[1] + self._ring[chosen]
        return np.bincount(cells, minlength=shape[0] * shape[1]).reshape(shape).cumsum(axis=1)

    def coarse(self, chosen: NDArray[np.bool_]) -> tuple[int, ...]:
        """How many of the chosen rows in each ring are placed less exactly than its radius."""
        with np.errstate(invalid="ignore"):
            return tuple(
                int(np.count_nonzero(chosen & (self._ring <= number) & (self._precision > radius)))
                for number, radius in enumerate(self._radii)
            )


def hours_of_week(hours: NDArray, weekdays: NDArray) -> WeekHours:
    """Counts by weekday (0 for Monday) and hour; rows of which either is unknown (NaN) are in none."""
    known = ~np.isnan(hours) & ~np.isnan(weekdays)
    table = np.zeros((7, 24), dtype=int)
    np.add.at(table, (weekdays[known].astype(int), hours[known].astype(int)), 1)
    return tuple(tuple(int(number) for number in row) for row in table)


def coverage_notes(radii: Sequence[int], covered: Sequence[float]) -> list[str]:
    """Of rings that reach beyond the ground on which rows are held; ``covered`` in km²."""
    shares = [(radius, part / ring_area_km2(radius)) for radius, part in zip(radii, covered)]
    words = ", ".join(f"{radius} m {share:.0%}" for radius, share in shares if share < _WHOLE)
    if not words:
        return []
    return [f"Land on which these data are held covers only part of the ring: {words}. Rates are per km² of that part."]


def count_notes(
    current: int,
    radii: Sequence[int],
    coarse: Sequence[int],
    unplaced: int | None,
    stack: int,
    unknown_hour: int,
    compared: bool,
) -> list[str]:
    """Of what the counts do not hold, and how exactly they lie."""
    notes = []
    if not compared:
        notes.append("Nothing is compared: the months before are not all held.")
    if unplaced:
        one = unplaced == 1
        notes.append(
            f"{unplaced:,} {'incident' if one else 'incidents'} of the period, anywhere in the layer, "
            f"{'has' if one else 'have'} no place: no ring counts them."
        )
    if stack > 1:
        notes.append(f"Up to {stack:,} incidents lie on one and the same point.")
    rough = [f"{number:,} within {radius} m" for radius, number in zip(radii, coarse) if number]
    if rough:
        notes.append(f"Placed less exactly than the ring is wide: {', '.join(rough)}, of {current:,} in all.")
    if unknown_hour:
        one = unknown_hour == 1
        notes.append(
            f"{unknown_hour:,} {'incident' if one else 'incidents'} of unknown hour {'is' if one else 'are'} left out "
            "of the time of day."
        )
    return notes
