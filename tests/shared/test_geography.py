"""The shipped boundaries and postcodes, read by a few lines of the test's own: whole, and near the official ones."""

from __future__ import annotations

import csv
import gzip
import shutil
import sqlite3
import struct
from pathlib import Path

import numpy as np
import pytest
from safestats.shared.areas import Boundaries

ROOT = Path(__file__).resolve().parents[2]
BOUNDARIES = ROOT / "resources" / "boundaries" / "london-lsoa-2011.gpkg"
POSTCODES = ROOT / "resources" / "postcodes" / "postcodes.csv.gz"
OFFICIAL = ROOT.parent / "shared" / "data" / "boundaries" / "London-Boroughs.gpkg"
RIVERSIDE = {"02", "04", "11", "13", "16", "18", "20", "22", "23", "25", "27", "28", "30", "32", "33", "01"}


def query(path, sql):
    connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro&immutable=1", uri=True)
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()


def rings_of(blob):
    """The rings of a GeoPackage polygon or multipolygon, little-endian and without Z: arrays of shape (n, 2)."""
    envelope = (0, 32, 48, 48, 64)[blob[3] >> 1 & 7]
    at = 8 + envelope
    rings = []

    def unpack(form):
        nonlocal at
        (value,) = struct.unpack_from(form, blob, at)
        at += struct.calcsize(form)
        return value

    def polygon():
        nonlocal at
        for _ in range(unpack("<I")):
            points = unpack("<I")
            rings.append(np.frombuffer(blob, "<f8", 2 * points, at).reshape(-1, 2))
            at += 16 * points

    assert unpack("<B") == 1
    kind = unpack("<I")
    if kind == 3:
        polygon()
    else:
        assert kind == 6
        for _ in range(unpack("<I")):
            assert unpack("<B") == 1
            assert unpack("<I") == 3
            polygon()
    return rings


def area(rings):
    """By the shoelace formula; outer rings and holes run opposite ways."""
    total = 0.0
    for ring in rings:
        x, y = ring[:, 0] - 500_000, ring[:, 1] - 150_000
        total += float((x[:-1] * y[1:] - x[1:] * y[:-1]).sum()) / 2
    return abs(total)


def holds(rings, x, y):
    """Whether a point lies inside, by the number of sides that a line to the east crosses."""
    crossings = 0
    for ring in rings:
        (x0, y0), (x1, y1) = ring[:-1].T, ring[1:].T
        across = (y0 > y) != (y1 > y)
        with np.errstate(divide="ignore", invalid="ignore"):
            crossings += int(np.count_nonzero(across & (x < x0 + (y - y0) / (y1 - y0) * (x1 - x0))))
    return crossings % 2 == 1


@pytest.fixture(scope="module")
def lsoas():
    return {
        code: (parent, rings_of(blob))
        for code, parent, blob in query(BOUNDARIES, "SELECT code, borough_code, geom FROM lsoa")
    }


def test_boundaries_are_a_geopackage_1_3_in_the_national_grid():
    assert query(BOUNDARIES, "PRAGMA user_version") == [(10300,)]
    layers = query(BOUNDARIES, "SELECT table_name, srs_id, z FROM gpkg_geometry_columns ORDER BY table_name")
    assert layers == [("borough", 27700, 0), ("lsoa", 27700, 0), ("river", 27700, 0)]
    assert query(BOUNDARIES, "PRAGMA integrity_check") == [("ok",)]


def test_boroughs_are_exactly_their_lsoas(lsoas):
    boroughs = query(BOUNDARIES, "SELECT code, hectares, geom FROM borough")
    assert [code for code, _, _ in boroughs] == [f"E09{number:06d}" for number in range(1, 34)]
    for code, hectares, blob in boroughs:
        parts = sum(area(rings) for parent, rings in lsoas.values() if parent == code)
        assert area(rings_of(blob)) == pytest.approx(parts, rel=1e-9)
        assert hectares == pytest.approx(parts / 1e4, abs=0.05)


def test_coordinates_are_whole_metres_in_london(lsoas):
    for _, rings in lsoas.values():
        for ring in rings:
            assert (ring == np.rint(ring)).all()
            assert ((ring > (503_000, 155_000)) & (ring < (562_500, 201_500))).all()


def test_the_river_runs_between_the_banks(lsoas):
    ((blob,),) = query(BOUNDARIES, "SELECT geom FROM river")
    river = rings_of(blob)
    # Westminster Bridge, the Pool by the Tower, Blackwall Reach, Erith Reach.
    for x, y in [(530_500, 179_700), (533_500, 180_300), (538_800, 179_200), (551_000, 179_900)]:
        assert holds(river, x, y)
    # Charing Cross station and the Tower of London stand on land.
    assert not holds(river, 530_100, 180_500)
    assert not holds(river, 533_600, 180_550)
    assert 15e6 < area(river) < 30e6


def test_postcodes_lie_in_the_lsoa_that_is_named(lsoas):
    with gzip.open(POSTCODES, "rt", encoding="ascii", newline="") as file:
        rows = list(csv.DictReader(file))
    names = [row["postcode"] for row in rows]
    assert names == sorted(set(names))
    assert {row["quality"] for row in rows if row["easting"] == "0"} == {"90"}
    placed = [row for row in rows if row["lsoa"]]
    sample = placed[:: len(placed) // 400]
    outside = sum(not holds(lsoas[row["lsoa"]][1], int(row["easting"]), int(row["northing"])) for row in sample)
    # Riverside ones (202 of 180,666) and those exactly on a border may lie just outside.
    assert outside <= 4
    beyond = [row for row in rows if not row["lsoa"] and row["easting"] != "0"]
    for row in beyond[:: len(beyond) // 10]:
        point = int(row["easting"]), int(row["northing"])
        assert not any(holds(rings, *point) for _, rings in lsoas.values())


def test_the_packed_postcodes_name_no_day():
    assert POSTCODES.read_bytes()[4:8] == b"\0\0\0\0"


def test_boundaries_are_read_from_any_folder(tmp_path):
    folder = tmp_path / "a folder #1, 100%25?"
    folder.mkdir()
    copy = shutil.copy(BOUNDARIES, folder / BOUNDARIES.name)
    assert len(Boundaries.read(Path(copy)).boroughs) == 33
    assert sorted(path.name for path in folder.iterdir()) == [BOUNDARIES.name]


def test_boroughs_are_near_the_official_ones():
    if not OFFICIAL.exists():
        pytest.skip("the official boundaries are not beside this checkout")
    ours = {
        code: (name, hectares) for code, name, hectares in query(BOUNDARIES, "SELECT code, name, hectares FROM borough")
    }
    official = query(OFFICIAL, "SELECT gss_code, name, geom FROM london_boroughs")
    assert {code: name for code, name, _ in official} == {code: name for code, (name, _) in ours.items()}
    for code, _, blob in official:
        ratio = ours[code][1] * 1e4 / area(rings_of(blob))
        # The official ones end in mid-stream, ours at the bank.
        assert (0.92 if code[-2:] in RIVERSIDE else 0.99) < ratio < 1.01
