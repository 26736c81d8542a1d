"""Whether a local copy is whole: told by SQLite, by GDAL and by plain comparison, with none of the plugin's code."""

from __future__ import annotations

import hashlib
import sqlite3
import struct
from contextlib import closing
from pathlib import Path

from osgeo import gdal, ogr

_ENVELOPE_BYTES = (0, 32, 48, 48, 64)


def rows_digest(path: Path) -> str:
    """SHA-256 of a copy's table: its columns' names and all its rows, by feature id."""
    with closing(_opened(path)) as database:
        rows = database.execute(f'SELECT * FROM "{_table(database)}" ORDER BY fid')
        digest = hashlib.sha256(repr([column[0] for column in rows.description]).encode())
        for row in rows:
            digest.update(repr(row).encode())
    return digest.hexdigest()


def row_digests(path: Path) -> dict[int, bytes]:
    """A digest of each row of a copy, by feature id."""
    with closing(_opened(path)) as database:
        rows = database.execute(f'SELECT * FROM "{_table(database)}"')
        return {row[0]: hashlib.blake2b(repr(row).encode(), digest_size=16).digest() for row in rows}


def faults_of(path: Path) -> list[str]:
    """What is wrong with the file; empty where nothing is.

    SQLite finds it whole, its R-tree holds each placed row where it is and nothing else, and GDAL opens it without
    a word and finds as many rows as there are, all of them by place too.
    """
    with closing(_opened(path)) as database:
        wrong = [verdict for (verdict,) in database.execute("PRAGMA integrity_check(3)") if verdict != "ok"]
        table = _table(database)
        (rows,) = database.execute(f'SELECT count(*) FROM "{table}"').fetchone()
        (placed_table,) = database.execute("SELECT count(*) FROM gpkg_geometry_columns").fetchone()
        (told,) = database.execute("SELECT feature_count FROM gpkg_ogr_contents").fetchone()
        if told != rows:
            wrong.append(f"gpkg_ogr_contents says {told} rows and there are {rows}")
        placed = 0
        if placed_table:
            index = f"rtree_{table}_geom"
            points = {
                fid: _point(geometry)
                for fid, geometry in database.execute(f'SELECT fid, geom FROM "{table}" WHERE geom IS NOT NULL')
            }
            boxes = {row[0]: row[1:] for row in database.execute(f'SELECT id, minx, maxx, miny, maxy FROM "{index}"')}
            placed = len(points)
            if points.keys() != boxes.keys():
                wrong.append(f"the R-tree and the table differ in {len(points.keys() ^ boxes.keys())} rows")
            for fid in points.keys() & boxes.keys():
                (x, y), (west, east, south, north) = points[fid], boxes[fid]
                if not (west <= x <= east and south <= y <= north and max(east - west, north - south) <= 1):
                    wrong.append(f"the R-tree has row {fid} in another place")
                    break
            (verdict,) = database.execute("SELECT rtreecheck('main', ?)", (index,)).fetchone()
            if verdict != "ok":
                wrong.append(f"R-tree: {verdict}")
    return wrong + _complaints_of_gdal(path, rows, placed)


def _complaints_of_gdal(path: Path, rows: int, placed: int) -> list[str]:
    said: list[str] = []
    gdal.PushErrorHandler(lambda _level, _number, words: said.append(f"GDAL: {words}"))
    try:
        source = ogr.Open(str(path))
        if source is None:
            return [*said, "GDAL does not open it"]
        layer = source.GetLayer(0)
        if not layer.GetFeatureCount() == sum(1 for _ in layer) == rows:
            said.append(f"GDAL counts {layer.GetFeatureCount()} rows and there are {rows}")
        if placed:
            west, east, south, north = layer.GetExtent()
            layer.SetSpatialFilterRect(west - 1, south - 1, east + 1, north + 1)
            found = sum(1 for _ in layer)
            if found != placed:
                said.append(f"GDAL finds {found} rows in the layer's extent and {placed} have a place")
        del layer, source
    finally:
        gdal.PopErrorHandler()
    return said


def _opened(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)


def _table(database: sqlite3.Connection) -> str:
    ((name,),) = database.execute("SELECT table_name FROM gpkg_contents").fetchall()
    return name


def _point(geometry: bytes) -> tuple[float, float]:
    start = 8 + _ENVELOPE_BYTES[(geometry[3] >> 1) & 7]
    return struct.unpack_from(("<" if geometry[start] == 1 else ">") + "dd", geometry, start + 5)
