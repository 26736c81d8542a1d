"""A small made-up file in the layers and columns of Ordnance Survey's GeoPackage of OS Open Zoomstack."""

from __future__ import annotations

import sqlite3
import struct
from contextlib import closing
from pathlib import Path

Point = tuple[float, float]
# Layer → geometry kind, columns beside id and geom, rows (geometry's points, values).
_LONDON = (528_000.0, 183_000.0)


def _around(east: float, north: float) -> Point:
    return _LONDON[0] + east, _LONDON[1] + north


_SQUARE = [(0, 0), (900, 0), (900, 700), (0, 700), (0, 0)]
LAYERS: dict[str, tuple[str, tuple[str, ...], list[tuple[list[Point], tuple[str, ...]]]]] = {
    "names": (
        "POINT",
        ("name1", "name1language", "name2", "name2language", "type"),
        [
            ([_around(200, 900)], ("Inventby", "", "", "", "Suburban Area")),
            ([(300_000.0, 700_000.0)], ("Farawayton", "", "", "", "Town")),
        ],
    ),
    "roads_national": (
        "LINESTRING",
        ("type", "name", "number", "level"),
        [([_around(-2000, -1500), _around(2500, 2000)], ("A Road", "Made-up Road", "A999", "0"))],
    ),
    "roads_regional": (
        "LINESTRING",
        ("type", "name", "number", "level"),
        [([_around(-2000, 1500), _around(2500, -1000)], ("B Road", "", "B999", "0"))],
    ),
    "roads_local": (
        "LINESTRING",
        ("type", "name", "number", "level"),
        [([_around(0, y), _around(1500, y)], ("Local", f"Street {y}", "", "0")) for y in range(0, 1500, 250)],
    ),
    "rail": ("LINESTRING", ("type",), [([_around(-1500, 2000), _around(1800, -1800)], ("Multi Track",))]),
    "railway_stations": ("POINT", ("type", "name"), [([_around(150, 100)], ("Railway Station", "Inventby Road"))]),
    "surfacewater": (
        "POLYGON",
        ("type",),
        [([_around(x - 1800, y - 1900) for x, y in _SQUARE], ("Regional",))],
    ),
    "greenspace": ("POLYGON", ("type",), [([_around(x - 900, y + 900) for x, y in _SQUARE], ("Public Park",))]),
    "woodland": ("POLYGON", ("type",), [([_around(x + 1400, y + 900) for x, y in _SQUARE], ("Local",))]),
    "local_buildings": ("POLYGON", ("uuid",), [([_around(x / 10, y / 10) for x, y in _SQUARE], ("b1",))]),
    "contours": ("LINESTRING", ("type", "height"), [([_around(0, 0), _around(100, 0)], ("Index", "50"))]),
}
_KINDS = {"POINT": 1, "LINESTRING": 2, "POLYGON": 3}


def write_zoomstack(path: Path, without: str = "") -> Path:
    """The file, in British National Grid; ``without`` a layer of that name."""
    with closing(sqlite3.connect(path)) as file, file:
        file.execute("PRAGMA application_id = 1196444487")
        file.execute("PRAGMA user_version = 10200")
        file.executescript(_SYSTEM)
        for name, (kind, columns, rows) in LAYERS.items():
            if name == without:
                continue
            texts = "".join(f", {column} TEXT" for column in columns)
            file.execute(f"CREATE TABLE {name} (id INTEGER PRIMARY KEY, geom {kind}{texts})")
            marks = ", ".join("?" for _ in range(len(columns) + 1))
            names = "".join(f", {column}" for column in columns)
            file.executemany(
                f"INSERT INTO {name} (geom{names}) VALUES ({marks})",
                [(_blob(kind, points), *values) for points, values in rows],
            )
            file.execute(
                "INSERT INTO gpkg_contents (table_name, data_type, identifier, srs_id) "
                "VALUES (?, 'features', ?, 27700)",
                (name, name),
            )
            file.execute("INSERT INTO gpkg_geometry_columns VALUES (?, 'geom', ?, 27700, 0, 0)", (name, kind))
    return path


def _blob(kind: str, points: list[Point]) -> bytes:
    body = struct.pack("<BI", 1, _KINDS[kind])
    if kind == "LINESTRING":
        body += struct.pack("<I", len(points))
    elif kind == "POLYGON":
        body += struct.pack("<II", 1, len(points))
    return struct.pack("<2sBBi", b"GP", 0, 1, 27700) + body + b"".join(struct.pack("<2d", *xy) for xy in points)


_SYSTEM = """
CREATE TABLE gpkg_spatial_ref_sys (srs_name TEXT NOT NULL, srs_id INTEGER PRIMARY KEY, organization TEXT NOT NULL,
  organization_coordsys_id INTEGER NOT NULL, definition TEXT NOT NULL, description TEXT);
INSERT INTO gpkg_spatial_ref_sys VALUES ('OSGB36 / British National Grid', 27700, 'EPSG', 27700,
  'PROJCS["OSGB36 / British National Grid",GEOGCS["OSGB36",DATUM["Ordnance_Survey_of_Great_Britain_1936",'
  || 'SPHEROID["Airy 1830",6377563.396,299.3249646]],PRIMEM["Greenwich",0],UNIT["degree",0.0174532925199433],'
  || 'AUTHORITY["EPSG","4277"]],PROJECTION["Transverse_Mercator"],PARAMETER["latitude_of_origin",49],'
  || 'PARAMETER["central_meridian",-2],PARAMETER["scale_factor",0.9996012717],PARAMETER["false_easting",400000],'
  || 'PARAMETER["false_northing",-100000],UNIT["metre",1],AUTHORITY["EPSG","27700"]]', NULL);
CREATE TABLE gpkg_contents (table_name TEXT PRIMARY KEY, data_type TEXT NOT NULL, identifier TEXT, description TEXT
  DEFAULT '', last_change DATETIME DEFAULT '2026-01-01T00:00:00Z', min_x DOUBLE, min_y DOUBLE, max_x DOUBLE,
  max_y DOUBLE, srs_id INTEGER);
CREATE TABLE gpkg_geometry_columns (table_name TEXT NOT NULL, column_name TEXT NOT NULL, geometry_type_name TEXT
  NOT NULL, srs_id INTEGER NOT NULL, z TINYINT NOT NULL, m TINYINT NOT NULL, PRIMARY KEY (table_name, column_name));
"""
