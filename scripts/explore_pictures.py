"""Runs inside QGIS (``qgis --code``): counts invented incidents in the explore dock, maps them, and takes pictures.

The local copy is made here as the server would make it; the denominators are rounded and stand for no edition.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path

from desk_steps import DeskSteps, Wait
from osgeo import ogr, osr
from qgis.core import QgsProject, QgsRectangle, QgsVectorLayer
from qgis.PyQt.QtCore import QDate, Qt
from qgis.PyQt.QtWidgets import QDockWidget, QWidget
from qgis.utils import iface
from safestats.qgis_plugin.core import layers
from safestats.qgis_plugin.core.explore.rates import Base, Bases
from safestats.qgis_plugin.core.explore.selection import By, Within
from safestats.qgis_plugin.core.resource_files import BOUNDARIES
from safestats.shared.manifest import Manifest

FOLDER = Path(os.environ["SAFESTATS_PICTURES"])
STEP_SECONDS = 120
GROUPS = {
    "False alarm": ("AFA", "Good intent false alarm"),
    "Fire": ("Primary fire", "Secondary fire"),
    "Special service": ("Flooding", "Lift release", "Effecting entry"),
}
MONTHS = [f"2025-{month:02d}" for month in range(1, 13)]
CITY = "E09000001"
CHOSEN = ("Camden", "Islington", "City of London")


def invented_copy(path: Path) -> QgsVectorLayer:
    """Incidents over all of London, more in the middle; some without a place, some without an hour."""
    chance = random.Random(2026)
    source = ogr.Open(str(BOUNDARIES))
    places = []
    for feature in source.GetLayer("lsoa"):
        inner = feature.GetGeometryRef().PointOnSurface()
        x, y = round(inner.GetX()), round(inner.GetY())
        away = ((x - 531000) ** 2 + (y - 181000) ** 2) ** 0.5
        places.append((x, y, feature["code"], feature["borough_code"], 1 / (1 + away / 4000)))
    reference = osr.SpatialReference()
    reference.ImportFromEPSG(27700)
    made = ogr.GetDriverByName("GPKG").CreateDataSource(str(path))
    layer = made.CreateLayer("lfb", reference, ogr.wkbPoint, ["FID=fid", "GEOMETRY_NAME=geom"])
    texts = ("month", "incident_group", "stop_code", "borough_code", "lsoa_code", "location_method")
    for name in texts:
        layer.CreateField(ogr.FieldDefn(name, ogr.OFTString))
    layer.CreateField(ogr.FieldDefn("hour", ogr.OFTInteger))
    layer.CreateField(ogr.FieldDefn("occurred_on", ogr.OFTDate))
    layer.StartTransaction()
    for x, y, lsoa, borough, _share in chance.choices(places, [place[4] for place in places], k=60_000):
        feature = ogr.Feature(layer.GetLayerDefn())
        group = chance.choices(list(GROUPS), (5, 2, 3))[0]
        month = chance.choice(MONTHS)
        feature["month"], feature["incident_group"] = month, group
        feature["stop_code"] = chance.choice(GROUPS[group])
        feature["occurred_on"] = f"{month.replace('-', '/')}/{chance.randint(1, 28):02d}"
        if chance.random() < 0.99:
            feature["hour"] = min(23, max(0, round(chance.gauss(15, 6))))
        if chance.random() < 0.98:
            feature["borough_code"], feature["lsoa_code"], feature["location_method"] = borough, lsoa, "point"
            point = ogr.Geometry(ogr.wkbPoint)
            point.AddPoint_2D(x, y)
            feature.SetGeometry(point)
        layer.CreateFeature(feature)
    layer.CommitTransaction()
    layer = made = None
    opened = QgsVectorLayer(f"{path}|layername=lfb", "London Fire Brigade incidents (synthetic)", "ogr")
    manifest = Manifest(
        dataset="lfb", title="London Fire Brigade incidents", layer_name="lfb", definition_version=1, release=3,
        published_at="2026-01-10T00:00:00Z", fingerprint="0", geometry="point", columns=(), rows=60_000,
        first_period=MONTHS[0], newest_period=MONTHS[-1], slices=(), snapshot=None, attribution="Invented.",
        caveats=("Places are rounded to 50 m.",), synthetic=True, agreement="DSA-DEMO", agreement_until="2099-12-31",
        valid_until="2099-12-31T00:00:00Z", area_edition="LSOA 2011", colour="#a62b38",
        category_field="incident_group",
    )  # fmt: skip
    layers.describe(opened, manifest)
    return opened


def invented_bases(dock: object) -> Bases:
    """Residents of every borough but one, so that what lacks a denominator is seen as well."""
    codes = sorted(dock._sets.boundaries.boroughs)
    values = {code: 150_000 + 7_000 * at for at, code in enumerate(codes)}
    values[CITY] = 8_600
    source = "invented for the picture"
    return Bases(50_000, (Base("residents", "residents", 1000, By.BOROUGH, "made up, 2025", source, values),))


class Job(DeskSteps):
    """Rates by borough, counts by small area, and the dock by itself."""

    def __init__(self) -> None:
        super().__init__(FOLDER / "explore.log", FOLDER, STEP_SECONDS)

    def steps(self) -> Iterator[Wait]:
        """The whole job."""
        yield self.pause(1.5)
        self.window.resize(1500, 1050)
        self.window.move(0, 0)
        self.window.findChild(QDockWidget, "Browser").close()
        dock = self.plugin.explore_dock
        dock.setUserVisible(True)
        project = QgsProject.instance()
        layers.prepare_project(project)
        layer = invented_copy(FOLDER / f"lfb-{os.getpid()}.gpkg")
        project.addMapLayer(layer)
        yield lambda: dock.choices.tree.topLevelItemCount() > 0
        dock.results.take_bases(invented_bases(dock))
        dock.choices.tree.topLevelItem(0).setExpanded(True)
        dock.count_button.click()
        yield lambda: dock.counted is not None and not dock.progress.running
        dock.results.base_box.setCurrentIndex(1)
        dock.results.map_button.click()
        yield lambda: not dock.progress.running
        project.layerTreeRoot().findLayer(layer.id()).setItemVisibilityChecked(False)
        self.window.resizeDocks([dock], [470], Qt.Orientation.Horizontal)
        self.window.resizeDocks([self.window.findChild(QDockWidget, "Layers")], [250], Qt.Orientation.Horizontal)
        iface.messageBar().clearWidgets()
        canvas = iface.mapCanvas()
        canvas.setExtent(QgsRectangle(503000, 155000, 562000, 201500))
        canvas.refresh()
        yield self.pause(2.0)
        self.picture("explore-rates")
        choices = dock.choices
        choices.area_box.setCurrentIndex(choices.area_box.findData(Within.BOROUGHS.value))
        for row in range(choices.borough_box.count()):
            on = choices.borough_box.itemText(row) in CHOSEN
            choices.borough_box.setItemCheckState(row, Qt.CheckState.Checked if on else Qt.CheckState.Unchecked)
        choices.days_check.setChecked(True)
        choices.first_day.setDate(QDate(2025, 3, 9))
        choices.last_day.setDate(QDate(2025, 9, 21))
        choices.hours_check.setChecked(True)
        dock.count_button.click()
        yield lambda: not dock.progress.running
        dock.results.base_box.setCurrentIndex(1)
        dock.setFloating(True)
        yield self.pause(0.5)
        dock.resize(480, 1150)
        yield self.pause(1.0)
        self.picture("explore-dock", dock)
        choices.by_box.setCurrentIndex(choices.by_box.findData(By.LSOA))
        dock.count_button.click()
        yield lambda: not dock.progress.running
        dock.results.map_button.click()
        yield lambda: not dock.progress.running
        dock.setFloating(False)
        dock.setUserVisible(True)
        canvas.setExtent(QgsRectangle(523000, 179500, 535000, 188000))
        canvas.refresh()
        yield self.pause(2.0)
        self.picture("explore-lsoas")

    def picture(self, name: str, dialog: QWidget | None = None) -> None:
        """The window, or one part of it, as it looks at the display's scale; nothing that lies on top."""
        scale = os.environ.get("QT_SCALE_FACTOR", "1")
        shown = self.window if dialog is None else dialog
        shown.grab().save(str(self.pictures / (f"{name}.png" if scale == "1" else f"{name}-{scale}.png")))

    def end(self) -> None:
        super().end()
        for made in FOLDER.glob("lfb-*.gpkg*"):
            made.unlink()


Job().run()
