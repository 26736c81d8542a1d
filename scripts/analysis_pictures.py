"""Runs inside QGIS (``qgis --code``): makes every analysis of the hotspot dock once, and takes its picture.

The incidents are invented: two years in Camden, on some two thousand places, more by night, some in series.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from desk_steps import DeskSteps, Wait
from qgis.core import QgsFeature, QgsGeometry, QgsPointXY, QgsProject, QgsVectorLayer
from qgis.PyQt.QtCore import QDate, QDateTime, Qt, QTime, QTimer
from qgis.PyQt.QtWidgets import QComboBox, QDockWidget
from safestats.qgis_plugin.core.analyses.analysis import Analysis, Kind
from safestats.qgis_plugin.core.hotspots import Method
from safestats.qgis_plugin.core.layers import prepare_project
from safestats.qgis_plugin.core.resource_files import BOUNDARIES
from safestats.qgis_plugin.core.study_areas import BoroughMap, points_inside

FOLDER = Path(os.environ["SAFESTATS_PICTURES"])
WANTED = os.environ.get("SAFESTATS_ANALYSES", "").split()
BOROUGH = "Camden"
STEP_SECONDS = 120


def invented_incidents(number: int = 6000) -> QgsVectorLayer:
    """Incidents with month, day, hour, harm and a span of time; a third of them follow another close by."""
    chance = np.random.default_rng(2026)
    area = BoroughMap(BOUNDARIES).named([BOROUGH]).geometry
    box = area.boundingBox()
    places = chance.uniform((box.xMinimum(), box.yMinimum()), (box.xMaximum(), box.yMaximum()), (9000, 2))
    places = np.rint(places[points_inside(places[:, 0], places[:, 1], area)])[:2500]
    middles = places[[5, 40, 90]]
    near = np.min(np.hypot(*(places[:, None, :] - middles[None, :, :]).transpose(2, 0, 1)), axis=1)
    weight = chance.pareto(2.5, len(places)) * np.exp(-near / 500) + 0.02
    at = chance.choice(len(places), number, p=weight / weight.sum())
    day = chance.integers(0, 731, number)
    follows = chance.random(number) < 0.3
    first = chance.integers(0, number, number)
    at, day = np.where(follows, at[first], at), np.where(follows, day[first] + chance.integers(0, 6, number), day)
    hour = np.rint(chance.normal(22, 4, number)).astype(int) % 24
    columns = (
        "field=month:string&field=category:string&field=occurred_on:date&field=hour:integer&field=harm:double"
        "&field=from_time:datetime&field=to_time:datetime"
    )
    layer = QgsVectorLayer(f"Point?crs=EPSG:27700&{columns}", "Invented incidents (synthetic)", "memory")
    features = []
    for i in range(number):
        e, n = places[at[i]]
        when = QDate(2024, 1, 1).addDays(int(min(day[i], 730)))
        kind, harm = [("Theft", 5.0), ("Violence", 60.0), ("Burglary", 20.0)][int(chance.integers(0, 3))]
        since = QDateTime(when, QTime(int(hour[i]), 0))
        feature = QgsFeature(layer.fields())
        feature.setGeometry(QgsGeometry.fromPointXY(QgsPointXY(float(e), float(n))))
        feature.setAttributes(
            [when.toString("yyyy-MM"), kind, when, int(hour[i]), harm, since, since.addSecs(3600 * int(i % 9))]
        )
        features.append(feature)
    layer.dataProvider().addFeatures(features)
    layer.updateExtents()
    return layer


def invented_streets() -> QgsVectorLayer:
    """A mesh of streets over the borough, each between two junctions."""
    box = BoroughMap(BOUNDARIES).named([BOROUGH]).geometry.boundingBox()
    layer = QgsVectorLayer("LineString?crs=EPSG:27700&field=name:string", "Invented streets", "memory")
    step, features = 150, []
    easts = np.arange(box.xMinimum(), box.xMaximum(), step)
    norths = np.arange(box.yMinimum(), box.yMaximum(), step)
    for row, north in enumerate(norths):
        for column, east in enumerate(easts):
            for name, de, dn in ((f"Row {row}", step, 0), (f"Column {column}", 0, step)):
                feature = QgsFeature(layer.fields())
                feature.setGeometry(
                    QgsGeometry.fromPolylineXY([QgsPointXY(east, north), QgsPointXY(east + de, north + dn)])
                )
                feature.setAttributes([name])
                features.append(feature)
    layer.dataProvider().addFeatures(features)
    layer.updateExtents()
    return layer


class Job(DeskSteps):
    """The steps, and the log of what was found or went wrong."""

    def __init__(self) -> None:
        super().__init__(FOLDER / "analyses.log", FOLDER, STEP_SECONDS)
        self.dock = self.plugin.hotspot_dock

    def steps(self) -> Iterator[Wait]:
        """All analyses, one after the other."""
        self.window.showMaximized()
        self.window.findChild(QDockWidget, "Browser").close()
        prepare_project(QgsProject.instance())
        incidents, streets = invented_incidents(), invented_streets()
        QgsProject.instance().addMapLayers([incidents, streets])
        for layer in (incidents, streets):
            QgsProject.instance().layerTreeRoot().findLayer(layer).setItemVisibilityChecked(False)
        dock = self.dock
        dock.show()
        dock.raise_()
        yield self.pause(1.0)
        layers = self.window.findChild(QDockWidget, "Layers")
        self.window.resizeDocks([layers, dock], [380, 520], Qt.Orientation.Horizontal)
        dock.incidents.layer_box.setLayer(incidents)
        dock.incidents.borough_box.setCheckedItems([BOROUGH])
        yield self.pause(1.0)
        for index in range(dock.method_box.count()):
            method = dock.method_box.itemData(index)
            if method is None:
                continue
            name = method.value if isinstance(method, Method) else method.name
            if not WANTED or name in WANTED:
                dock.method_box.setCurrentIndex(index)
                yield from self.make(name, method, streets)

    def make(self, name: str, method: Method | Analysis, streets: QgsVectorLayer) -> Iterator[Wait]:
        """Run one with what its form offers, filled in where it has to be."""
        dock = self.dock
        # Two kinds are compared; all other analyses have all of them.
        dock.incidents.category_box.deselectAllOptions()
        if name == "dual-density":
            dock.incidents.category_box.setCheckedItems(["Theft", "Violence"])
        for choice in method.choices if isinstance(method, Analysis) else ():
            found = dock.form.input(choice.name)
            if choice.kind is Kind.LINE_LAYER:
                found.setLayer(streets)
            elif choice.kind is Kind.POINT_LAYER and choice.required:
                found.setLayer(dock.incidents.layer_box.currentLayer())
            elif choice.required and isinstance(found, QComboBox):
                found.setCurrentIndex(1)
        yield self.pause(0.3)
        self.picture(f"{name}-form")
        began = self.last_beat = time.monotonic()
        self.longest = 0.0
        dock.start()
        yield lambda: not dock.progress.running
        took, waited = time.monotonic() - began, self.longest
        yield lambda: self.drawn()
        yield self.pause(1.0)
        self.picture(name)
        answer = dock.findings.findings.answer if dock.findings is not None else ""
        self.log.write(f"{name}: {took:.1f} s, the window busy for {1000 * waited:.0f} ms at most. {answer}\n")
        self.log.write(f"    {dock.message.text}\n")
        self.log.write("".join(f"        {line}\n" for line in dock.values.toPlainText().splitlines() if line))

    # ------------------------------------------------------------------ how long the window was busy

    def run(self) -> None:
        self.last_beat, self.longest = time.monotonic(), 0.0
        self.heart = QTimer(self.window)
        self.heart.timeout.connect(self.beat)
        self.heart.start(5)
        super().run()

    def beat(self) -> None:
        """How long the event loop has been away."""
        now = time.monotonic()
        self.longest, self.last_beat = max(self.longest, now - self.last_beat), now

    def end(self) -> None:
        self.heart.stop()
        super().end()


job = Job()
job.run()
