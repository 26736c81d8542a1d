"""Invented incidents over London, the same in every run: as bare points, and as rows of the Met's layer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ..shared.grids import Grid
from ..sync_server.datasets.definitions import layer_fields, read_definitions
from ..sync_server.keys import feature_id_range
from ..sync_server.publishing.geopackage import POINT, rows_schema

LAYER = "mps"
SEED = 20_251
# The National Grid's extent of Greater London, in metres.
LONDON = (503_000, 155_000, 562_000, 201_000)
_CENTRE = (530_500, 180_500)
_REACH = (26_000, 20_000)
_CLUSTERS = 600
_CLUSTERED_SHARE = 0.85
_UNPLACED_SHARE = 0.005
_YEAR = 2025


@dataclass(frozen=True)
class PointSet:
    """Whole metres of the National Grid, as float64."""

    eastings: NDArray[np.float64]
    northings: NDArray[np.float64]


def clustered_points(number: int, seed: int = SEED) -> PointSet:
    """So many points inside ``LONDON``: most around six hundred places of unequal weight, the others anywhere."""
    random = np.random.default_rng(seed)
    places = np.array(_CENTRE) + np.clip(random.normal(0, 0.4, (_CLUSTERS, 2)), -1, 1) * _REACH
    weights = random.lognormal(0, 1, _CLUSTERS)
    spread = random.uniform(80, 900, _CLUSTERS)
    which = random.choice(_CLUSTERS, number, p=weights / weights.sum())
    points = places[which] + random.normal(0, 1, (number, 2)) * spread[which, None]
    anywhere = np.array(_CENTRE) + random.uniform(-1, 1, (number, 2)) * _REACH
    points = np.where((random.random(number) < _CLUSTERED_SHARE)[:, None], points, anywhere)
    left, bottom, right, top = LONDON
    points = np.rint(np.clip(points, (left + 1, bottom + 1), (right - 1, top - 1)))
    return PointSet(np.ascontiguousarray(points[:, 0]), np.ascontiguousarray(points[:, 1]))


def london_grid(cell: float) -> Grid:
    """The grid over ``LONDON``."""
    return Grid.covering(*LONDON, cell)


def met_rows(number: int, resources: Path, year: int = _YEAR) -> pa.Table:
    """About so many rows of the Met's layer over a year, in the order of their feature ids; other rows each year."""
    definition = read_definitions(resources / "datasets")[LAYER]
    schema = rows_schema(layer_fields(definition), POINT)
    others = _YEAR - year
    random = np.random.default_rng(SEED + 1 + others)
    points = clustered_points(number, SEED + others)
    unplaced = random.random(number) < _UNPLACED_SHARE
    months, fids = _months_and_fids(random, number, year)
    east, north = (_whole(values, unplaced) for values in (points.eastings, points.northings))
    places = ((points.eastings // 1000) * 61 + points.northings // 1000).astype(np.int64)
    codes = list(definition.field("category").codes.values())
    columns = {
        "fid": pa.array(fids),
        "x": east,
        "y": north,
        "month": pa.array(months),
        "borough_code": _texts("E09", places % 33 + 1, unplaced, digits=6),
        "borough": _texts("Invented Borough ", places % 33 + 1, unplaced),
        "lsoa_code": _texts("E010", places % 4835 + 10_000, unplaced),
        "easting": east,
        "northing": north,
        "location_method": pa.array(np.where(unplaced, "none", "snapped")),
        "precision_m": _whole(np.full(number, 150.0), unplaced),
        "category": pa.array(np.array(codes)[random.integers(0, len(codes), number)]),
        "street": _texts("On or near Invented Street ", places % 5000, unplaced),
    }
    return pa.table([columns[field.name].cast(field.type) for field in schema], schema=schema)


def _months_and_fids(random: np.random.Generator, number: int, year: int) -> tuple[NDArray[np.str_], NDArray[np.int64]]:
    """Text months and, rising, a feature id that a row of the month may have."""
    month_of_row = np.sort(random.integers(1, 13, number))
    fids = []
    for month in range(1, 13):
        first, _last = feature_id_range(date(year, month, 1), date(year, month, 1))
        # Steps instead of draws: no two rows may have the same id.
        fids.append(first + np.cumsum(random.integers(1, 1 << 24, int((month_of_row == month).sum()))))
    names = np.array([f"{year}-{month:02d}" for month in range(1, 13)])
    return names[month_of_row - 1], np.concatenate(fids)


def _whole(values: NDArray[np.float64], absent: NDArray[np.bool_]) -> pa.Array:
    return pa.array(values.astype(np.int64), mask=absent)


def _texts(prefix: str, numbers: NDArray[np.int64], absent: NDArray[np.bool_], digits: int = 0) -> pa.Array:
    distinct, inverse = np.unique(numbers, return_inverse=True)
    texts = np.array([f"{prefix}{number:0{digits}d}" for number in distinct])
    return pa.array(texts[inverse], mask=absent)
