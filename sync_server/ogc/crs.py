"""Longitude and latitude (CRS84) beside the National Grid (EPSG:27700), in which the rows are held."""

from __future__ import annotations

import math
from collections.abc import Sequence
from enum import StrEnum
from functools import cache

import numpy as np
from convertbng.cutil import convert_bng, convert_lonlat
from numpy.typing import ArrayLike, NDArray
from pyproj import Transformer

from ..analysis.places import Box, Edge, Region
from ..analysis.visible import BadValue

# Beyond these degrees lies no place of Great Britain: an edge there bounds nothing.
_WEST, _SOUTH, _EAST, _NORTH = -9.5, 49.0, 3.0, 61.5
_SAMPLES, _DEGREE = 33, 5
_MARGIN_M = 10.0
_DECIMALS = 7  # about a centimetre


class Crs(StrEnum):
    """What coordinates may be asked for."""

    CRS84 = "http://www.opengis.net/def/crs/OGC/1.3/CRS84"
    NATIONAL_GRID = "http://www.opengis.net/def/crs/EPSG/0/27700"


def parse_crs(text: str | None, parameter: str) -> Crs:
    """The reference system of that address, CRS84 where none is given; raises ``BadValue``."""
    try:
        return Crs(text or Crs.CRS84)
    except ValueError:
        raise BadValue(parameter, f"{Crs.CRS84} or {Crs.NATIONAL_GRID}") from None


def to_lonlat(eastings: ArrayLike, northings: ArrayLike) -> NDArray[np.float64]:
    """Longitudes and latitudes, shape (n, 2), by OSTN15; outside its coverage to a few metres."""
    east, north = np.array(eastings, float), np.array(northings, float)
    if not len(east):
        return np.empty((0, 2))
    lonlat = np.column_stack([np.asarray(part, float) for part in convert_lonlat(east.copy(), north.copy())])
    lost = np.isnan(lonlat).any(axis=1)
    if lost.any():
        lonlat[lost] = np.column_stack(_transformer().transform(east[lost], north[lost], direction="INVERSE"))
    return lonlat.round(_DECIMALS)


def parse_bbox(text: str, crs: Crs) -> list[Region]:
    """The box as regions of the National Grid; raises ``BadValue``.

    A box of degrees has edges that are bent on the grid: they are met to within half a metre.
    """
    numbers = _numbers(text)
    west, south, *_, east, north = numbers if len(numbers) == 4 else (*numbers[:2], *numbers[3:5])
    if south > north:
        raise BadValue("bbox", "its south lies above its north")
    if crs == Crs.NATIONAL_GRID:
        if west > east:
            raise BadValue("bbox", "its west lies beyond its east")
        return [Region(Box(west, south, east, north))]
    if west > east:  # across the 180th meridian
        return [*_degrees(west, south, 180, north), *_degrees(-180, south, east, north)]
    return _degrees(west, south, east, north)


def extent_of(west: int, south: int, east: int, north: int) -> list[float]:
    """A box of degrees around one of metres."""
    along = np.linspace(0, 1, _SAMPLES)
    eastings, northings = west + along * (east - west), south + along * (north - south)
    edges = [(eastings, south), (eastings, north), (west, northings), (east, northings)]
    pairs = [np.broadcast_arrays(np.asarray(e, float), np.asarray(n, float)) for e, n in edges]
    lonlat = to_lonlat(np.concatenate([e for e, _ in pairs]), np.concatenate([n for _, n in pairs]))
    return [*lonlat.min(axis=0).tolist(), *lonlat.max(axis=0).tolist()]


def _numbers(text: str) -> list[float]:
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) not in (4, 6) or not all(math.isfinite(n) and abs(n) < 1e9 for n in numbers):
        raise BadValue("bbox", "four numbers (west, south, east, north) with commas between")
    return numbers


def _degrees(west: float, south: float, east: float, north: float) -> list[Region]:
    left, right = max(west, _WEST), min(east, _EAST)
    bottom, top = max(south, _SOUTH), min(north, _NORTH)
    if left > right or bottom > top:
        return []
    # Meridians lean: an edge is followed as far beyond its corners as any row of the box may lie.
    beside, beyond = 0.3 * (top - bottom) + 0.01, 0.15 * (right - left) + 0.01
    across = np.linspace(left - beside, right + beside, _SAMPLES)
    up = np.linspace(bottom - beyond, top + beyond, _SAMPLES)
    shift = _shift((left + right) / 2, (bottom + top) / 2)
    edges, eastings, northings = [], [], []
    for longitudes, latitudes, of_eastings, lower, bounds in (
        (left, up, True, True, left == west),
        (right, up, True, False, right == east),
        (across, bottom, False, True, bottom == south),
        (across, top, False, False, top == north),
    ):
        degrees = np.broadcast_arrays(np.asarray(longitudes, float), np.asarray(latitudes, float))
        e, n = np.asarray(_transformer().transform(degrees[0], degrees[1])) + np.asarray(shift)[:, None]
        eastings.append(e)
        northings.append(n)
        if bounds:
            edges.append(_edge(e, n, of_eastings, lower) if of_eastings else _edge(n, e, of_eastings, lower))
    e, n = np.concatenate(eastings), np.concatenate(northings)
    around = Box(
        float(e.min()) - _MARGIN_M, float(n.min()) - _MARGIN_M, float(e.max()) + _MARGIN_M, float(n.max()) + _MARGIN_M
    )
    return [Region(around, tuple(edges))]


def _edge(bounded: NDArray, along: NDArray, of_eastings: bool, lower: bool) -> Edge:
    origin, scale = float(along.mean()), float(np.ptp(along)) / 2
    fitted: Sequence[float] = np.polyfit((along - origin) / scale, bounded, _DEGREE).tolist()
    return Edge(of_eastings, lower, tuple(fitted), origin, scale)


def _shift(longitude: float, latitude: float) -> tuple[float, float]:
    """What OSTN15 adds to the plain transformation here; it changes little within a county."""
    exact = [float(part[0]) for part in convert_bng(np.array([longitude]), np.array([latitude]))]
    if not all(map(math.isfinite, exact)):
        return 0.0, 0.0
    plain = _transformer().transform(longitude, latitude)
    return exact[0] - plain[0], exact[1] - plain[1]


@cache
def _transformer() -> Transformer:
    return Transformer.from_crs("OGC:CRS84", "EPSG:27700", always_xy=True)
