"""Months put into a GeoPackage with its R-tree: only what differs is touched, and everything agrees afterwards."""

from __future__ import annotations

import random
import shutil
import sqlite3
import struct
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from osgeo import ogr, osr
from safestats.qgis_plugin.core import geopackage
from safestats.qgis_plugin.core.errors import Cancelled
from safestats.qgis_plugin.core.geopackage import RowCounts, UnprovedError
from safestats.shared.manifest import Slice

TABLE = "colp"
COLUMNS = ("category", "number", "geom")
JANUARY, FEBRUARY, MARCH = (1 << 20, 2 << 20, 3 << 20)
Row = tuple[int, Any, Any, Any]  # feature id, category, number, (x, y) or None


def never() -> bool:
    return False


def written(path: Path, rows: list[Row], index: bool) -> Path:
    """A GeoPackage by GDAL, with or without R-tree."""
    reference = osr.SpatialReference()
    reference.ImportFromEPSG(27700)
    source = ogr.GetDriverByName("GPKG").CreateDataSource(str(path))
    options = ["FID=fid", "GEOMETRY_NAME=geom", f"SPATIAL_INDEX={'YES' if index else 'NO'}"]
    layer = source.CreateLayer(TABLE, reference, ogr.wkbPoint, options)
    layer.CreateField(ogr.FieldDefn("category", ogr.OFTString))
    layer.CreateField(ogr.FieldDefn("number", ogr.OFTReal))
    for fid, category, number, place in rows:
        feature = ogr.Feature(layer.GetLayerDefn())
        feature.SetFID(fid)
        for name, value in (("category", category), ("number", number)):
            if value is not None:
                feature.SetField(name, value)
        if place is not None:
            feature.SetGeometry(ogr.CreateGeometryFromWkb(struct.pack("<BIdd", 1, 1, *place)))
        assert layer.CreateFeature(feature) == 0
    return path


def month(first: int, rows: list[Row]) -> Slice:
    mine = [row for row in rows if first <= row[0] < first + (1 << 20)]
    return Slice("", 0, "", (), f"from {first}", "", len(mine), first, first + (1 << 20) - 1)


def read(path: Path) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(f"SELECT fid, category, number, geom FROM {TABLE} ORDER BY fid").fetchall()


def assert_like(path: Path, other: Path) -> None:
    """The same rows, found by number, by place and by GDAL's own count, as in a file made of them at once."""
    assert read(path) == read(other)
    boxes = f"SELECT id, minx, maxx, miny, maxy FROM rtree_{TABLE}_geom ORDER BY id"
    with closing(sqlite3.connect(path)) as mine, closing(sqlite3.connect(other)) as fresh:
        assert mine.execute(boxes).fetchall() == fresh.execute(boxes).fetchall()
        assert mine.execute(f"SELECT rtreecheck('rtree_{TABLE}_geom')").fetchone() == ("ok",)
        assert mine.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        (counted,) = mine.execute("SELECT feature_count FROM gpkg_ogr_contents").fetchone()
    assert counted == len(read(other))


def invented(chance: random.Random, fids: list[int]) -> list[Row]:
    return [
        (
            fid,
            chance.choice(["Drugs", "Robbery", "", None, "Ærø ’quoted’"]),
            chance.choice([None, 0.0, -1.5, 3.25]),
            chance.choice([None, (530_000 + chance.randrange(99), 180_000 + chance.randrange(99))]),
        )
        for fid in fids
    ]


@pytest.mark.parametrize("seed", range(12))
def test_a_month_put_in_is_as_if_it_had_always_been_there(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    january = invented(chance, sorted(chance.sample(range(JANUARY, JANUARY + 400), 60)))
    february = invented(chance, sorted(chance.sample(range(FEBRUARY, FEBRUARY + 400), chance.choice([0, 1, 80]))))
    fids = chance.sample(range(FEBRUARY, FEBRUARY + 400), chance.choice([0, 1, 80]))
    kept = [row for row in february if chance.random() < 0.6]
    replaced = {row[0]: row for row in [*invented(chance, fids), *kept]}
    later = [replaced[fid] for fid in sorted(replaced)]

    path = written(tmp_path / "copy.gpkg", [*january, *february], index=True)
    source = written(tmp_path / "slice.gpkg", later, index=False)
    counts = geopackage.put_month(path, TABLE, source, month(FEBRUARY, later), COLUMNS, never)
    fresh = written(tmp_path / "fresh.gpkg", [*january, *later], index=True)
    assert_like(path, fresh)

    before, after = ({row[0]: row for row in rows} for rows in (february, later))
    both = before.keys() & after.keys()
    assert counts == RowCounts(
        added=len(after.keys() - both),
        changed=sum(1 for fid in both if before[fid] != after[fid]),
        withdrawn=len(before.keys() - both),
    )
    former = written(tmp_path / "former.gpkg", [*january, *february], index=True)
    ranges = [(FEBRUARY, FEBRUARY + (1 << 20) - 1)]
    assert geopackage.compare(former, path, TABLE, COLUMNS, ranges, never) == (len(both), counts.changed)


def test_rows_that_are_the_same_are_not_touched(tmp_path: Path) -> None:
    rows = invented(random.Random(3), list(range(JANUARY, JANUARY + 500)))
    path = written(tmp_path / "copy.gpkg", rows, index=True)
    source = written(tmp_path / "slice.gpkg", rows, index=False)
    before = path.read_bytes()
    assert geopackage.put_month(path, TABLE, source, month(JANUARY, rows), COLUMNS, never) == RowCounts()
    assert path.read_bytes() == before


def test_a_month_taken_out_leaves_nothing_behind(tmp_path: Path) -> None:
    january = invented(random.Random(1), list(range(JANUARY, JANUARY + 50)))
    secret = [(FEBRUARY + number, f"hidden {number}", 1.0, (530_000, 180_000)) for number in range(300)]
    path = written(tmp_path / "copy.gpkg", [*january, *secret], index=True)
    assert b"hidden 299" in path.read_bytes()
    gone = geopackage.remove_month(path, TABLE, month(FEBRUARY, secret), never)
    assert gone == RowCounts(withdrawn=300)
    assert_like(path, written(tmp_path / "fresh.gpkg", january, index=True))
    assert b"hidden" not in path.read_bytes()


def test_a_slice_with_other_rows_than_announced_is_refused(tmp_path: Path) -> None:
    rows = invented(random.Random(5), list(range(FEBRUARY, FEBRUARY + 20)))
    path = written(tmp_path / "copy.gpkg", [], index=True)
    source = written(tmp_path / "slice.gpkg", rows, index=False)
    for wrong in (month(FEBRUARY, rows[1:]), month(MARCH, [(MARCH + row[0], *row[1:]) for row in rows])):
        with pytest.raises(UnprovedError, match="does not hold"):
            geopackage.put_month(path, TABLE, source, wrong, COLUMNS, never)
    source.write_bytes(b"no database at all" * 100)
    with pytest.raises(UnprovedError, match="cannot be read"):
        geopackage.put_month(path, TABLE, source, month(FEBRUARY, rows), COLUMNS, never)
    assert read(path) == []


def test_it_stops_in_the_middle_of_a_statement(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(geopackage, "_STEPS_BETWEEN_LOOKS", 1_000)
    rows = invented(random.Random(6), list(range(FEBRUARY, FEBRUARY + 3_000)))
    source = written(tmp_path / "slice.gpkg", rows, index=False)
    empty = written(tmp_path / "empty.gpkg", [], index=True)
    looks = 0

    def third_look() -> bool:
        nonlocal looks
        looks += 1
        return looks >= 3

    with pytest.raises(Cancelled):
        geopackage.put_month(
            Path(shutil.copyfile(empty, tmp_path / "copy.gpkg")),
            TABLE,
            source,
            month(FEBRUARY, rows),
            COLUMNS,
            third_look,
        )


@pytest.mark.parametrize("number", [0, 1, 40, 41, 52, 1_640, 1_641, 9_000])
def test_an_index_filled_at_once_finds_what_gdal_finds(tmp_path: Path, number: int) -> None:
    chance = random.Random(number)
    fids = sorted(chance.sample(range(FEBRUARY, FEBRUARY + 100_000), number))
    # Many at one place, as the police's map points are, and some nowhere.
    spots = [(500_000 + chance.randrange(60_000), 155_000 + chance.randrange(46_000)) for _ in range(number // 3 + 1)]
    rows = [(fid, "Drugs", None, None if fid % 17 == 0 else chance.choice(spots)) for fid in fids]
    first = [(JANUARY + 5, "Robbery", 1.0, (530_000, 180_000))]
    path = written(tmp_path / "copy.gpkg", first, index=False)
    source = written(tmp_path / "slice.gpkg", rows, index=False)
    january = written(tmp_path / "january.gpkg", first, index=False)

    fillers = geopackage.begin_index(path, TABLE)
    assert read(path) == []
    for file, number_one in ((january, JANUARY), (source, FEBRUARY)):
        holding = first if number_one == JANUARY else rows
        geopackage.put_month(path, TABLE, file, month(number_one, holding), COLUMNS, never)
    geopackage.end_index(path, TABLE, fillers, never)
    fresh = written(tmp_path / "fresh.gpkg", [*first, *rows], index=True)
    assert_like(path, fresh)
    for _ in range(20):
        west, south = 500_000 + chance.randrange(60_000), 155_000 + chance.randrange(46_000)
        assert found(path, west, south) == found(fresh, west, south)

    # The triggers are whole again, and nodes have room for what comes.
    later = [(row[0], "Theft", 2.0, chance.choice(spots)) for row in rows if row[0] % 3]
    second = written(tmp_path / "later.gpkg", later, index=False)
    geopackage.put_month(path, TABLE, second, month(FEBRUARY, later), COLUMNS, never)
    assert_like(path, written(tmp_path / "afresh.gpkg", [*first, *later], index=True))


def found(path: Path, west: int, south: int) -> list[int]:
    """By GDAL, through the R-tree."""
    source = ogr.Open(str(path))
    layer = source.GetLayer(0)
    layer.SetSpatialFilterRect(west, south, west + 8_000, south + 8_000)
    return sorted(feature.GetFID() for feature in layer)


STRANGE = [
    "CREATE TABLE layer_styles (id INTEGER, styleQML TEXT)",
    "CREATE VIEW colp_view AS SELECT * FROM colp",
    "CREATE TABLE other (number INTEGER)",
    "CREATE VIRTUAL TABLE gpkg_words USING fts4(word)",
    "CREATE TRIGGER rtree_colp_geom_insert2 AFTER INSERT ON colp BEGIN DELETE FROM colp; END",
    "CREATE TRIGGER rtree_colp_geom_update8 AFTER INSERT ON colp BEGIN "
    'DELETE FROM "rtree_colp_geom" WHERE id IN (SELECT fid FROM colp); END',
    "CREATE TRIGGER rtree_colp_geom_update9 AFTER INSERT ON colp WHEN (WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL "
    'SELECT i + 1 FROM n) SELECT count(*) FROM n) BEGIN DELETE FROM "rtree_colp_geom" WHERE id = 1; END',
]


def test_a_file_with_its_table_and_index_is_plain(tmp_path: Path) -> None:
    for index in (True, False):
        geopackage.require_plain(written(tmp_path / f"{index}.gpkg", [], index=index), TABLE)


def test_what_newer_gdal_writes_to_keep_an_index_is_plain(tmp_path: Path) -> None:
    path = written(tmp_path / "copy.gpkg", [], index=True)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TRIGGER IF EXISTS rtree_colp_geom_update7")
        connection.execute(
            'CREATE TRIGGER "rtree_colp_geom_update7" AFTER UPDATE OF "geom" ON "colp" WHEN OLD."fid" = NEW."fid" '
            'AND (NEW."geom" NOTNULL AND NOT ST_IsEmpty(NEW."geom")) AND (OLD."geom" ISNULL OR ST_IsEmpty(OLD."geom")) '
            'BEGIN INSERT INTO "rtree_colp_geom" VALUES (NEW."fid",ST_MinX(NEW."geom"), ST_MaxX(NEW."geom"),'
            'ST_MinY(NEW."geom"), ST_MaxY(NEW."geom")); END'
        )
    geopackage.require_plain(path, TABLE)


@pytest.mark.parametrize("statement", STRANGE)
def test_a_file_with_anything_that_could_act_is_refused(tmp_path: Path, statement: str) -> None:
    path = written(tmp_path / "copy.gpkg", [], index=True)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(statement)
    with pytest.raises(UnprovedError, match="which no published file has"):
        geopackage.require_plain(path, TABLE)


def test_a_table_that_is_a_view_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "copy.gpkg", [], index=False)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("ALTER TABLE colp RENAME TO gpkg_real")
        connection.execute("CREATE VIEW colp AS SELECT * FROM gpkg_real")
    with pytest.raises(UnprovedError, match="which no published file has"):
        geopackage.require_plain(path, TABLE)
