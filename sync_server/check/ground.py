"""The ground on which places lie: boroughs, land that is covered, the river, and where postcodes are."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pyogrio
import shapely
from numpy.typing import NDArray

from ...shared import rings
from ...shared.areas import BOUNDARIES_FILE, Boundaries
from ...shared.postcodes import PostcodeIndex
from ...shared.ranks import borough_postcodes
from ..datasets.areas import AreaIndex
from ..errors import SafeStatsError

_SIMPLIFIED_M = 60
_POSTCODES = "Postcodes: contains Royal Mail data © Royal Mail copyright and database right 2025."


@dataclass(frozen=True)
class Borough:
    """A borough's code and name; both empty for what lies in none."""

    code: str
    name: str
    small_area: str = ""  # the LSOA's name

    @property
    def words(self) -> str:
        """Its name as it stands in a sentence."""
        return f"the {self.name}" if self.name.startswith("City ") else self.name


class Ground:
    """What the loaded areas and the supplied postcodes tell of a place; each is made when first asked for."""

    def __init__(self, areas: AreaIndex, postcodes: PostcodeIndex, resources: Path) -> None:
        self._areas = areas
        self._postcodes = postcodes
        self._boundaries = resources / BOUNDARIES_FILE

    @property
    def attribution(self) -> str:
        """Of the boundaries and the postcodes."""
        return f"{self._areas.attribution} {_POSTCODES}"

    @property
    def edition(self) -> str:
        """The edition of the boundaries, by its code."""
        return self._areas.edition

    def borough_at(self, easting: int, northing: int) -> Borough:
        """The borough and the small area in which a place lies."""
        (code,) = self._areas.assign([easting], [northing]).codes
        if not code:
            return Borough("", "")
        lsoa = self._areas.lsoas[code]
        return Borough(lsoa.borough_code, self._areas.boroughs.get(lsoa.borough_code, ""), lsoa.name)

    def borough_name(self, code: str) -> str:
        """The borough's name."""
        return self._areas.boroughs.get(code, "")

    def covered_km2(self, codes: Collection[str], centre: tuple[int, int], radii: Sequence[int]) -> tuple[float, ...]:
        """How much of each ring lies on the land of these boroughs and LSOAs, in km²."""
        widest = shapely.Polygon(rings.circle(centre, max(radii)))
        land = self._areas.land(codes, widest)
        if land.is_empty:
            return (0.0,) * len(radii)
        if shapely.contains(land, widest):
            return tuple(rings.ring_area_km2(radius) for radius in radii)
        near = shapely.intersection(land, widest)
        return tuple(
            rings.covered_km2(radius, shapely.intersection(near, shapely.Polygon(rings.circle(centre, radius))).area)
            for radius in radii
        )

    def is_within(self, borough: str, centre: tuple[int, int], radius: int) -> bool:
        """Whether the whole ring lies on the borough's land."""
        widest = shapely.Polygon(rings.circle(centre, radius))
        return bool(shapely.contains(self._areas.land([borough], widest), widest))

    def boroughs_of(self, codes: Collection[str]) -> list[str]:
        """The boroughs of which these areas are the whole or a part, in order."""
        wanted = set(codes)
        return sorted(
            {
                lsoa.borough_code
                for code, lsoa in self._areas.lsoas.items()
                if code in wanted or lsoa.borough_code in wanted
            }
        )

    def postcodes_of(self, borough: str) -> NDArray[np.int64]:
        """Where the postcodes of a borough are that can be searched around: shape ``(n, 2)``."""
        return self._by_borough.get(borough, np.zeros((0, 2), np.int64))

    @cached_property
    def _by_borough(self) -> dict[str, NDArray[np.int64]]:
        try:
            return borough_postcodes(self._postcodes, Boundaries.read(self._boundaries))
        except OSError as error:
            raise SafeStatsError(str(error)) from error

    # ------------------------------------------------------------------ for drawing

    @cached_property
    def outlines(self) -> dict[str, shapely.Geometry]:
        """Each borough's outline by its code, simplified for drawing."""
        return self._areas.borough_shapes(_SIMPLIFIED_M)

    def lsoas_in(self, box: shapely.Geometry) -> list[shapely.Geometry]:
        """The shapes of the LSOAs that meet a box."""
        return self._areas.shapes_in(box)

    @cached_property
    def river(self) -> shapely.Geometry:
        """The tidal Thames; empty where the file lacks it."""
        try:
            _meta, table = pyogrio.read_arrow(self._boundaries, layer="river")
        except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError):
            return shapely.Polygon()
        name = "geom" if "geom" in table.column_names else table.column_names[-1]
        return shapely.union_all(shapely.from_wkb(table.column(name).to_pylist()))

    def postcodes_in(self, box: shapely.Geometry) -> list[tuple[int, int, str]]:
        """Easting, northing and name of the postcodes in a box."""
        west, south, east, north = box.bounds
        eastings, northings, names = self._labels
        inside = (eastings >= west) & (eastings <= east) & (northings >= south) & (northings <= north)
        return [(int(eastings[at]), int(northings[at]), names[at]) for at in np.flatnonzero(inside)]

    def postcode_near(self, easting: int, northing: int, reach: int) -> str:
        """The postcode whose point is nearest, and not farther than ``reach``; empty where there is none."""
        box = shapely.box(easting - reach, northing - reach, easting + reach, northing + reach)
        found = [((x - easting) ** 2 + (y - northing) ** 2, name) for x, y, name in self.postcodes_in(box)]
        squared, name = min(found, default=(reach**2 + 1, ""))
        return name if squared <= reach**2 else ""

    @cached_property
    def _labels(self) -> tuple[NDArray[np.int64], NDArray[np.int64], list[str]]:
        found = list(self._postcodes.labels())
        places = np.array([one[:2] for one in found], np.int64).reshape(-1, 2)
        return places[:, 0], places[:, 1], [one[2] for one in found]
