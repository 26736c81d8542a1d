"""In which borough a point lies, and in which most of many do."""

from __future__ import annotations

from collections import Counter

import numpy as np
from numpy.typing import NDArray

from ..datasets.areas import AreaIndex


class Boroughs:
    """Codes of boroughs by point; what was asked once is remembered."""

    def __init__(self, areas: AreaIndex) -> None:
        self._areas = areas
        self._known: dict[tuple[int, int], str] = {}

    @property
    def edition(self) -> str:
        """The edition of the boundaries."""
        return self._areas.edition

    @property
    def names(self) -> dict[str, str]:
        """The boroughs' names by code."""
        return self._areas.boroughs

    def of_lsoa(self) -> dict[str, str]:
        """The borough of each LSOA."""
        return {code: lsoa.borough_code for code, lsoa in self._areas.lsoas.items()}

    def at(self, easting: int, northing: int) -> str:
        """The borough of a point; "" outside London."""
        place = (easting, northing)
        if place not in self._known:
            self._known[place] = self.of_points(np.array([[easting, northing]]))[0]
        return self._known[place]

    def of_points(self, points: NDArray[np.int64]) -> list[str]:
        """The borough of each of n × 2 points; "" outside London."""
        if not len(points):
            return []
        codes = self._areas.assign(points[:, 0], points[:, 1]).codes
        return [self._areas.lsoas[code].borough_code if code else "" for code in codes]

    def most(self, points: NDArray[np.int64], sample: int = 50) -> tuple[str, float]:
        """The borough in which most of the points lie, and their share, from every so-manieth of them."""
        chosen = points[:: max(1, len(points) // sample)]
        ((borough, number),) = Counter(self.of_points(chosen)).most_common(1)
        return borough, number / len(chosen)
