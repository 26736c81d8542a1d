"""For the explore dock's tests: local copies as the desk opens them, of planted incidents."""

from __future__ import annotations

import random
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from osgeo import ogr, osr
from qgis.core import QgsProject, QgsVectorLayer
from safestats.qgis_plugin.core import layers
from safestats.qgis_plugin.core.resource_files import BOUNDARIES
from safestats.shared.areas import Boundaries
from safestats.shared.manifest import Manifest

CAMDEN, CITY, HACKNEY = "E09000007", "E09000001", "E09000012"
ISLINGTON, WESTMINSTER = "E09000019", "E09000033"
GROUPS = {
    "Fire": ("Primary fire", "Secondary fire"),
    "False alarm": ("AFA", "Good intent"),
    "Special service": ("Flooding",),
}
MONTHS = [f"2025-{month:02d}" for month in range(1, 13)]


def lsoa_places() -> dict[str, tuple[int, int]]:
    """A whole-metre point inside each LSOA of five boroughs, by code."""
    source = ogr.Open(str(BOUNDARIES))
    layer = source.GetLayer("lsoa")
    wanted = "', '".join((CAMDEN, CITY, HACKNEY, ISLINGTON, WESTMINSTER))
    layer.SetAttributeFilter(f"borough_code IN ('{wanted}')")
    found = {}
    for feature in layer:
        inner = feature.GetGeometryRef().PointOnSurface()
        found[feature["code"]] = (round(inner.GetX()), round(inner.GetY()))
    return found


def write_copy(path: Path, table: str, rows: list[dict], placed: bool = True, texts: tuple[str, ...] = ()) -> None:
    """A GeoPackage as the server writes them, with its R-tree."""
    reference = osr.SpatialReference()
    reference.ImportFromEPSG(27700)
    source = ogr.GetDriverByName("GPKG").CreateDataSource(str(path))
    kind = ogr.wkbPoint if placed else ogr.wkbNone
    layer = source.CreateLayer(table, reference if placed else None, kind, ["FID=fid", "GEOMETRY_NAME=geom"])
    names = list(rows[0])
    kinds = {
        "hour": ogr.OFTInteger,
        "precision_m": ogr.OFTInteger,
        "count": ogr.OFTInteger64,
        "occurred_on": ogr.OFTDate,
    }
    for name in names:
        if name in ("x", "y"):
            continue
        definition = ogr.FieldDefn(name, kinds.get(name, ogr.OFTString))
        if name == "withheld":
            definition = ogr.FieldDefn(name, ogr.OFTInteger)
            definition.SetSubType(ogr.OFSTBoolean)
        layer.CreateField(definition)
    layer.StartTransaction()
    for row in rows:
        feature = ogr.Feature(layer.GetLayerDefn())
        for name in names:
            if name not in ("x", "y") and row[name] is not None:
                feature[name] = row[name]
        if placed and row["x"] is not None:
            point = ogr.Geometry(ogr.wkbPoint)
            point.AddPoint_2D(row["x"], row["y"])
            feature.SetGeometry(point)
        layer.CreateFeature(feature)
    layer.CommitTransaction()


def planted(number: int = 4000, seed: int = 7) -> list[dict]:
    """Incidents of five boroughs, few in the City; some without place, hour or category, some on a grid."""
    chance, boundaries = random.Random(seed), Boundaries.read(BOUNDARIES)
    places = lsoa_places()
    codes = sorted(places)
    weights = [0.2 if boundaries.lsoas[code].parent == CITY else 1.0 for code in codes]
    rows = []
    for at in range(number):
        (code,) = chance.choices(codes, weights)
        group = chance.choice(list(GROUPS))
        month, day = chance.choice(MONTHS), chance.randint(1, 28)
        x, y = places[code]
        row = {
            "category": group, "finer": chance.choice(GROUPS[group]), "month": month,
            "occurred_on": f"{month.replace('-', '/')}/{day:02d}", "hour": chance.randint(0, 23),
            "borough_code": boundaries.lsoas[code].parent, "lsoa_code": code, "location_method": "point",
            "precision_m": 10, "x": x, "y": y,
        }  # fmt: skip
        if at % 40 == 0:
            row.update(x=None, y=None, borough_code=None, lsoa_code=None, location_method="none", precision_m=None)
        elif at % 25 == 0:
            row.update(location_method="grid", precision_m=250)
        if at % 33 == 0:
            row["hour"] = None
        if at % 50 == 0:
            row["category"] = row["finer"] = None
        rows.append(row)
    return rows


def manifest(dataset: str, title: str, rows: int, **changes) -> Manifest:
    """What the server says of a layer."""
    made = Manifest(
        dataset=dataset, title=title, layer_name=dataset, definition_version=1, release=3,
        published_at="2026-01-10T00:00:00Z", fingerprint="0", geometry="point", columns=(), rows=rows,
        first_period=MONTHS[0], newest_period=MONTHS[-1], slices=(), snapshot=None, attribution="Open data, OGL v3.0.",
        caveats=("Times are those of the call.",), synthetic=True, agreement="DSA-CAMDEN-LFB",
        agreement_until="2099-12-31", valid_until="2099-12-31T00:00:00Z", area_edition="LSOA 2011", colour="#1f5a8a",
        category_field="category",
    )  # fmt: skip
    return replace(made, **changes)


def opened(path: Path, told: Manifest) -> QgsVectorLayer:
    """The copy as a layer of the project, as the desk opens it."""
    layer = QgsVectorLayer(f"{path}|layername={told.layer_name}", told.title, "ogr")
    assert layer.isValid()
    layers.describe(layer, told)
    QgsProject.instance().addMapLayer(layer)
    return layer


@pytest.fixture(scope="session")
def copy_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The planted incidents in a file."""
    path = tmp_path_factory.mktemp("copies") / "lfb.gpkg"
    write_copy(path, "lfb", planted())
    return path


@pytest.fixture
def layer(qgis_app, qgis_new_project, copy_path: Path) -> QgsVectorLayer:
    """They as a layer that is not bounded to areas."""
    return opened(copy_path, manifest("lfb", "London Fire Brigade", 4000))


@pytest.fixture
def sql(copy_path: Path):
    """Asks the file itself, in the words of the test."""

    def ask(query: str) -> list[tuple]:
        with closing(sqlite3.connect(copy_path)) as connection:
            return connection.execute(query).fetchall()

    return ask
