"""Where rows lie, by the coordinates that they show: snapped rows are where their cell's middle is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Float, and_, cast, false, literal, or_

from .visible import VisibleRows

_FARTHEST = 10_000_000  # metres: nothing lies so far away


@dataclass(frozen=True)
class Box:
    """A rectangle in metres of EPSG:27700, edges included."""

    west: float
    south: float
    east: float
    north: float


@dataclass(frozen=True)
class Edge:
    """A bent edge: a polynomial (highest power first) of ``(along - origin) / scale`` that bounds the other axis."""

    of_eastings: bool  # it bounds eastings, along northings; else the other way round
    lower: bool  # what is inside is at or above it
    coefficients: tuple[float, ...]
    origin: float
    scale: float


@dataclass(frozen=True)
class Region:
    """A box, and perhaps edges nearer than its own."""

    box: Box
    edges: tuple[Edge, ...] = ()


def in_box(rows: VisibleRows, box: Box) -> ColumnElement[bool]:
    """Rows that show a place in the box, edges included."""
    if not rows.placed:
        return false()
    # Places are whole metres.
    west, south, east, north = (
        max(-_FARTHEST, min(_FARTHEST, metres))
        for metres in (math.ceil(box.west), math.ceil(box.south), math.floor(box.east), math.floor(box.north))
    )
    return rows.spatial.in_bbox(rows.x, rows.y, west, south, east, north)


def within_radius(rows: VisibleRows, easting: int, northing: int, radius_m: int) -> ColumnElement[bool]:
    """Rows that show a place at most so many metres away, the edge included."""
    if not rows.placed:
        return false()
    return rows.spatial.within(rows.x, rows.y, easting, northing, radius_m)


def in_regions(rows: VisibleRows, regions: Sequence[Region]) -> ColumnElement[bool]:
    """Rows that show a place in one of the regions."""
    return or_(false(), *(_in_region(rows, region) for region in regions))


def _in_region(rows: VisibleRows, region: Region) -> ColumnElement[bool]:
    inside = in_box(rows, region.box)
    if not rows.placed:
        return inside
    return and_(inside, *(_beyond(rows, edge) for edge in region.edges))


def _beyond(rows: VisibleRows, edge: Edge) -> ColumnElement[bool]:
    tested, along = (rows.x, rows.y) if edge.of_eastings else (rows.y, rows.x)
    t = (cast(along, Float) - edge.origin) / edge.scale
    limit: ColumnElement[float] = literal(edge.coefficients[0], Float)
    for coefficient in edge.coefficients[1:]:  # Horner's scheme
        limit = limit * t + literal(coefficient, Float)
    return tested >= limit if edge.lower else tested <= limit
