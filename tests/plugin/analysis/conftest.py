"""For the tests of the analyses: point layers in memory, planted or real, and the docks' desk."""

from __future__ import annotations

import csv
import json
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from qgis.core import QgsCoordinateReferenceSystem, QgsFeature, QgsGeometry, QgsPointXY, QgsVectorLayer
from qgis.gui import QgsMapCanvas
from qgis.PyQt.QtCore import QDate
from safestats.qgis_plugin.core import layers
from safestats.shared.manifest import Manifest

ROOT = Path(__file__).resolve().parents[3]
DATA = ROOT.parent / "shared" / "data"
CENTRE = (530_000, 180_000)


def point_layer(
    rows: Sequence[tuple[int | None, int | None, str, str]], name: str = "incidents", crs: str = "EPSG:27700"
) -> QgsVectorLayer:
    """A memory layer of (easting, northing, month, category) rows; without a place where the easting is None."""
    columns = "field=month:string&field=category:string&field=easting:integer"
    layer = QgsVectorLayer(f"Point?crs={crs}&{columns}", name, "memory")
    features = []
    for easting, northing, month, category in rows:
        feature = QgsFeature(layer.fields())
        feature.setAttributes([month, category, easting])
        if easting is not None:
            feature.setGeometry(QgsGeometry.fromPointXY(QgsPointXY(easting, northing)))
        features.append(feature)
    layer.dataProvider().addFeatures(features)
    layer.updateExtents()
    return layer


@pytest.fixture(scope="session")
def fire_rows() -> list[tuple[int, int, str, str]]:
    """Real incidents of the London Fire Brigade, January to March 2017, at the rounded places that all have."""
    folder = DATA / "lfb"
    if not folder.is_dir():
        pytest.skip("The real files are not beside the project (../shared/data/lfb).")
    rows = []
    for path in sorted(folder.glob("2017-0*-lfb-incidents.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                rows.append(
                    (
                        int(float(row["easting_rounded"])),
                        int(float(row["northing_rounded"])),
                        row["date_of_call"][:7],
                        row["incident_group"],
                    )
                )
    return rows


def dated_layer(
    rows: Sequence[tuple[int, int, date, int | None, str, float | None]], name: str = "incidents"
) -> QgsVectorLayer:
    """A memory layer of (easting, northing, day, hour, category, precision in metres) rows."""
    columns = "field=occurred_on:date&field=hour:integer&field=category:string&field=precision_m:double"
    layer = QgsVectorLayer(f"Point?crs=EPSG:27700&{columns}", name, "memory")
    features = []
    for easting, northing, day, hour, category, precision in rows:
        feature = QgsFeature(layer.fields())
        feature.setAttributes([QDate(day.year, day.month, day.day), hour, category, precision])
        feature.setGeometry(QgsGeometry.fromPointXY(QgsPointXY(easting, northing)))
        features.append(feature)
    layer.dataProvider().addFeatures(features)
    layer.updateExtents()
    return layer


@pytest.fixture(scope="session")
def timed_fire_rows() -> list[tuple[int, int, date, int, str]]:
    """The real incidents with day and hour."""
    folder = DATA / "lfb"
    if not folder.is_dir():
        pytest.skip("The real files are not beside the project (../shared/data/lfb).")
    rows = []
    for path in sorted(folder.glob("2017-0*-lfb-incidents.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                day = date.fromisoformat(row["date_of_call"][:10])
                place = int(float(row["easting_rounded"])), int(float(row["northing_rounded"]))
                rows.append((*place, day, int(row["hour_of_call"]), row["incident_group"]))
    return rows


@pytest.fixture
def timed_fire_layer(qgis_app, timed_fire_rows) -> QgsVectorLayer:
    """They as a layer."""
    return dated_layer([(e, n, day, hour, kind, 100.0) for e, n, day, hour, kind in timed_fire_rows], "Fires")


@pytest.fixture
def fire_layer(qgis_app, fire_rows) -> QgsVectorLayer:
    """The real incidents as a layer."""
    return point_layer(fire_rows, "London Fire Brigade")


@pytest.fixture(scope="session")
def police_points() -> np.ndarray:
    """Longitudes and latitudes of one real month of the Met, shape (n, 2), each id once."""
    path = DATA / "police_met_wards_api" / "2017-02.zip"
    if not path.is_file():
        pytest.skip("The real files are not beside the project (../shared/data/police_met_wards_api).")
    found = {}
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            text = archive.read(name)
            for row in json.loads(text) if name.endswith(".json") and text.strip() else ():
                found[row["id"]] = (float(row["location"]["longitude"]), float(row["location"]["latitude"]))
    return np.array(list(found.values()))


class Window:
    """What the docks need of QGIS's window: its map, and its tables of attributes, of which it keeps what was asked."""

    def __init__(self, canvas: QgsMapCanvas) -> None:
        self._canvas = canvas
        self.tables: list[tuple[QgsVectorLayer, str]] = []

    def showAttributeTable(self, layer: QgsVectorLayer, expression: str) -> None:
        self.tables.append((layer, expression))

    def mapCanvas(self) -> QgsMapCanvas:
        return self._canvas


@pytest.fixture
def window(qgis_app, qtbot) -> Window:
    """A map canvas in the National Grid."""
    canvas = QgsMapCanvas()
    canvas.setDestinationCrs(QgsCoordinateReferenceSystem("EPSG:27700"))
    canvas.resize(600, 600)
    qtbot.addWidget(canvas)
    return Window(canvas)


def safestats_layer(rows: Sequence[tuple[int | None, int | None, str, str]], newest: str) -> QgsVectorLayer:
    """A layer as the desk opens it, with the facts of a manifest."""
    layer = point_layer(rows, "Metropolitan Police")
    layers.describe(layer, safestats_manifest("mps", len(rows), min(row[2] for row in rows), newest))
    return layer


def safestats_manifest(dataset: str, rows: int, first: str, newest: str, **changes) -> Manifest:
    """What the server says of a layer."""
    manifest = Manifest(
        dataset=dataset, title="Metropolitan Police", layer_name=dataset, definition_version=1, release=1,
        published_at="2026-01-01T00:00:00Z", fingerprint="0", geometry="point", columns=(), rows=rows,
        first_period=first, newest_period=newest, slices=(), snapshot=None, attribution="OGL",
        caveats=("The supplier moves incidents to shared map points.",), synthetic=False, agreement="A-1",
        agreement_until="2099-12-31", valid_until="2099-12-31T00:00:00Z", area_edition="LSOA 2011", colour="#1f5a8a",
        category_field="category",
    )  # fmt: skip
    return replace(manifest, **changes)
