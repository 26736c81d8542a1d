"""An invented year of the Met's as the street-level CSV that police forces publish: the same in every run.

As in the real files, places are snapped to some ten thousand fixed points, each with its street and LSOA; rows of
antisocial behaviour have no id, and a few rows have no place.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pyogrio
import shapely

from ..sync_server.datasets.definitions import read_definitions
from ..sync_server.ogc.crs import to_lonlat
from ..sync_server.sample.police import STREET_HEADER
from .incidents import LAYER, SEED, clustered_points

_SNAP_POINTS = 80_000
_UNPLACED_SHARE = 0.01
_WITHOUT_ID = "anti-social-behaviour"
_FORCE = "Metropolitan Police Service"
_OUTCOMES = ("Investigation complete; no suspect identified", "Under investigation", "Court result unavailable", "")


def write(path: Path, rows: int, resources: Path, months: int = 12) -> None:
    """So many incidents of the first months of 2025, one month after another."""
    random = np.random.default_rng(SEED + 2)
    snaps = _snap_points(resources)
    at = random.integers(0, len(snaps), rows)
    codes = read_definitions(resources / "datasets")[LAYER].field("category").codes
    kinds = random.integers(0, len(codes), rows)
    ids = random.integers(0, 1 << 63, (rows, 4), dtype=np.int64)
    placed = pl.Series(random.random(rows) >= _UNPLACED_SHARE)
    frame = pl.DataFrame(
        {
            "Crime ID": [row.tobytes().hex() for row in ids],
            "Month": np.array([f"2025-{month:02d}" for month in range(1, 13)])[
                np.sort(random.integers(0, months, rows))
            ],
            "Crime type": np.array(list(codes.values()))[kinds],
            "_code": np.array(list(codes))[kinds],
            "Last outcome category": np.array(_OUTCOMES)[random.integers(0, len(_OUTCOMES), rows)],
        }
    ).with_columns(snaps[at])
    nothing = pl.lit("")
    frame = frame.with_columns(
        pl.when(pl.col("_code") != _WITHOUT_ID).then("Crime ID").otherwise(nothing).alias("Crime ID"),
        pl.lit(_FORCE).alias("Reported by"),
        pl.lit(_FORCE).alias("Falls within"),
        pl.when(placed).then("Location").otherwise(pl.lit("No Location")).alias("Location"),
        *(
            pl.when(placed).then(name).otherwise(nothing).alias(name)
            for name in ("Longitude", "Latitude", "LSOA code", "LSOA name")
        ),
        nothing.alias("Context"),
    )
    frame.select(STREET_HEADER).write_csv(path, quote_style="never")


def _snap_points(resources: Path) -> pl.DataFrame:
    points = clustered_points(_SNAP_POINTS)
    _, lsoas = pyogrio.read_arrow(resources / "boundaries" / "london-lsoa-2011.gpkg", layer="lsoa")
    shapes = shapely.from_wkb(lsoas.column("geom").to_pylist())
    which, inside = shapely.STRtree(shapes).query(
        shapely.points(points.eastings, points.northings), predicate="intersects"
    )
    first = np.unique(which, return_index=True)[1]
    which, inside = which[first], inside[first]
    lonlat = to_lonlat(points.eastings[which], points.northings[which])
    return pl.DataFrame(
        {
            "Longitude": [f"{longitude:.6f}" for longitude in lonlat[:, 0]],
            "Latitude": [f"{latitude:.6f}" for latitude in lonlat[:, 1]],
            "Location": [f"On or near Invented Street {number}" for number in which],
            "LSOA code": np.array(lsoas.column("code").to_pylist())[inside],
            "LSOA name": np.array(lsoas.column("name").to_pylist())[inside],
        }
    )
