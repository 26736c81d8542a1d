"""Rows to GeoPackages as sent: right in SQLite's own eyes, and the same bytes for the same rows."""

from __future__ import annotations

import gzip
import hashlib
import sqlite3
import struct
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyogrio
import pytest
from safestats.shared.manifest import CHUNK_BYTES
from safestats.sync_server.datasets.definitions import Field, FieldGroup, FieldType
from safestats.sync_server.publishing.geopackage import NO_GEOMETRY, POINT, pack, rows_schema, write_geopackage

pytestmark = pytest.mark.engineless

COLUMNS = (
    Field("month", "Month", FieldType.TEXT, FieldGroup.CORE),
    Field("count", "Count", FieldType.INTEGER, FieldGroup.CORE),
    Field("cost", "Cost", FieldType.REAL, FieldGroup.CORE),
    Field("day", "Day", FieldType.DATE, FieldGroup.CORE),
    Field("alcohol", "Alcohol", FieldType.BOOLEAN, FieldGroup.CORE),
)
VALUES = [
    (7, 530000, 180000, "2025-01", 1, 0.5, date(2025, 1, 31), True),
    (9, None, None, "2025-01", None, None, None, None),
    (11, 530001, 180002, "“Ü”", -3, 1e-9, date(1999, 12, 31), False),
]


def table(geometry: str, values: list[tuple]) -> pa.Table:
    schema = rows_schema(COLUMNS, geometry)
    if geometry == NO_GEOMETRY:
        values = [(row[0], *row[3:]) for row in values]
    return pa.table([pa.array([row[i] for row in values], f.type) for i, f in enumerate(schema)], schema=schema)


def sent(folder: Path, geometry: str, values: list[tuple], spatial_index: bool) -> bytes:
    folder.mkdir()
    write_geopackage(folder / "a.gpkg", "mps", table(geometry, values), geometry, spatial_index=spatial_index)
    pack(folder / "a.gpkg", folder / "a.gz")
    return (folder / "a.gz").read_bytes()


@pytest.mark.parametrize("values", [VALUES, []], ids=["rows", "empty"])
@pytest.mark.parametrize("geometry", [POINT, NO_GEOMETRY])
@pytest.mark.parametrize("spatial_index", [True, False])
def test_same_rows_give_same_bytes(tmp_path: Path, values: list, geometry: str, spatial_index: bool) -> None:
    first = sent(tmp_path / "1", geometry, values, spatial_index)
    assert first == sent(tmp_path / "2", geometry, values, spatial_index)
    assert first[4:8] == bytes(4), "the gzip header holds a time"
    assert first[3] == 0, "the gzip header holds a name"
    if values:
        assert first != sent(tmp_path / "3", geometry, values[:-1], spatial_index)


@pytest.mark.parametrize("spatial_index", [True, False])
def test_points_as_sqlite_reads_them(tmp_path: Path, spatial_index: bool) -> None:
    path = tmp_path / "a.gpkg"
    write_geopackage(path, "mps", table(POINT, VALUES), POINT, spatial_index=spatial_index)
    database = sqlite3.connect(path)
    assert database.execute("PRAGMA user_version").fetchone() == (10300,)
    columns = [(name, kind) for _, name, kind, *_ in database.execute("PRAGMA table_info(mps)")]
    assert columns == [
        ("fid", "INTEGER"),
        ("geom", "POINT"),
        ("month", "TEXT"),
        ("count", "INTEGER"),
        ("cost", "REAL"),
        ("day", "DATE"),
        ("alcohol", "BOOLEAN"),
    ]
    rows = database.execute("SELECT fid, month, count, cost, day, alcohol FROM mps").fetchall()
    assert rows == [
        (7, "2025-01", 1, 0.5, "2025-01-31", 1),
        (9, "2025-01", None, None, None, None),
        (11, "“Ü”", -3, 1e-9, "1999-12-31", 0),
    ]
    points = [geom and struct.unpack("<dd", geom[-16:]) for (geom,) in database.execute("SELECT geom FROM mps")]
    assert points == [(530000.0, 180000.0), None, (530001.0, 180002.0)]
    trees = database.execute("SELECT count(*) FROM sqlite_master WHERE name = 'rtree_mps_geom'").fetchone()[0]
    assert trees == int(spatial_index)
    if spatial_index:
        assert database.execute("SELECT id FROM rtree_mps_geom ORDER BY id").fetchall() == [(7,), (11,)]


def test_without_geometry_it_is_an_attributes_table(tmp_path: Path) -> None:
    path = tmp_path / "a.gpkg"
    write_geopackage(path, "mps", table(NO_GEOMETRY, VALUES), NO_GEOMETRY, spatial_index=True)
    database = sqlite3.connect(path)
    assert database.execute("SELECT data_type FROM gpkg_contents").fetchall() == [("attributes",)]
    names = [row[1] for row in database.execute("PRAGMA table_info(mps)")]
    assert names == ["fid", "month", "count", "cost", "day", "alcohol"]


def test_gdal_reads_an_empty_layer_with_its_types(tmp_path: Path) -> None:
    path = tmp_path / "a.gpkg"
    write_geopackage(path, "mps", table(POINT, []), POINT, spatial_index=True)
    info = pyogrio.read_info(path)
    assert (info["crs"], info["geometry_type"], info["features"]) == ("EPSG:27700", "Point", 0)
    assert list(info["fields"]) == ["month", "count", "cost", "day", "alcohol"]


def test_a_file_is_never_written_over(tmp_path: Path) -> None:
    path = tmp_path / "a.gpkg"
    path.write_bytes(b"something")
    with pytest.raises(FileExistsError, match=r"a\.gpkg"):
        write_geopackage(path, "mps", table(POINT, VALUES), POINT, spatial_index=False)
    assert path.read_bytes() == b"something"


@pytest.mark.parametrize("size", [0, 100, CHUNK_BYTES, 2 * CHUNK_BYTES + 5])
def test_packing_proves_whole_and_chunks(tmp_path: Path, size: int) -> None:
    # Noise does not compress: the file as sent is a little longer than its content.
    noise = hashlib.shake_256(b"noise").digest(size)
    source, target = tmp_path / "noise", tmp_path / "noise.gz"
    source.write_bytes(noise)
    packed = pack(source, target)
    data = target.read_bytes()
    assert gzip.decompress(data) == noise
    assert (packed.size, packed.sha256) == (len(data), hashlib.sha256(data).hexdigest())
    assert (packed.file_size, packed.file_sha256) == (size, hashlib.sha256(noise).hexdigest())
    parts = [data[start : start + CHUNK_BYTES] for start in range(0, len(data), CHUNK_BYTES)]
    assert packed.chunks == tuple(hashlib.sha256(part).hexdigest() for part in parts)


def test_gdal_is_left_as_it_was(tmp_path: Path) -> None:
    pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": "2001-01-01T00:00:00.000Z"})
    try:
        write_geopackage(tmp_path / "a.gpkg", "mps", table(POINT, VALUES), POINT, spatial_index=False)
        assert pyogrio.get_gdal_config_option("OGR_CURRENT_DATE") == "2001-01-01T00:00:00.000Z"
    finally:
        pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": None})
