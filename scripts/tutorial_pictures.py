"""Runs inside QGIS (``qgis --code``): takes the steps of docs/tutorial.md, in its order, and a picture of each."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from desk_steps import DeskSteps, Wait, choose_purpose, click
from qgis.core import QgsProject, QgsVectorLayer
from qgis.PyQt.QtCore import Qt
from qgis.PyQt.QtWidgets import QDialog, QDockWidget
from qgis.utils import iface
from safestats.qgis_plugin.core.explore.selection import By, Within
from safestats.qgis_plugin.core.hotspots import Method
from safestats.qgis_plugin.core.time_answer import ChartKind
from safestats.qgis_plugin.layouts.export import Format
from safestats.qgis_plugin.layouts.sheet import Mode, Page
from safestats.qgis_plugin.layouts.templates import PageKind, Template

FOLDER = Path(os.environ["SAFESTATS_TUTORIAL_FOLDER"])
SERVER = os.environ["SAFESTATS_TUTORIAL_SERVER"]
PASSWORD = Path(os.environ["SAFESTATS_TUTORIAL_PASSWORD_FILE"]).read_text(encoding="ascii").strip()
ACCOUNT = "camden.analyst"
PURPOSE = "violence-reduction"
POLICE = "mps"  # months and map points
AMBULANCE = "las"  # days and hours as well
BOROUGH = "Camden"
POSTCODE = "NW1 8QP"
# What a reader sees, in the place of this run's port and folder.
SHOWN_SERVER = "http://127.0.0.1:8520"
SHOWN_FOLDER = "/home/analyst/maps"
STEP_SECONDS = 90
DOCK_WIDTH, LAYERS_WIDTH = 480, 290


class Tutorial(DeskSteps):
    """The steps, and the log that tells what a new analyst finds in each."""

    def __init__(self) -> None:
        super().__init__(FOLDER / "tutorial.log", FOLDER, STEP_SECONDS)
        self.before: set[str] = set()  # the layers that no step has made

    def steps(self) -> Iterator[Wait]:
        """All of them."""
        self.window.showMaximized()
        self.window.findChild(QDockWidget, "Browser").close()
        yield self.pause(1.0)
        yield from self.sign_in()
        yield from self.pull()
        yield from self.explore(self.police)
        yield from self.hotspots(self.police)
        yield from self.emerging()
        yield from self.time_charts(self.ambulance)
        yield from self.around()
        yield from self.publish()

    # ------------------------------------------------------------------ the steps

    def sign_in(self) -> Iterator[Wait]:
        flow = self.plugin.flow
        flow.start()
        page = flow.dialog.page
        page.server.setText(SHOWN_SERVER)
        page.username.setText(ACCOUNT)
        page.password.setText(PASSWORD)
        yield self.pause(3.0)
        self.picture("1-sign-in", flow.dialog)
        page.server.setText(SERVER)
        dialog = flow.dialog
        dialog.action_button.click()
        yield lambda: dialog.page is not page
        yield self.pause(0.5)
        choose_purpose(dialog.page, PURPOSE)
        dialog.page.agreed.setChecked(True)
        yield self.pause(0.3)
        self.picture("2-conditions", dialog)
        dialog.action_button.click()
        yield lambda: self.plugin.desk.signed_in

    def pull(self) -> Iterator[Wait]:
        """Both layers that the steps use, one after the other."""
        dock = self.plugin.layers_dock
        self.front(dock)
        yield lambda: POLICE in dock.cards
        opened = []
        for dataset in (AMBULANCE, POLICE):
            card = dock.cards[dataset]
            card.pull_button.click()
            yield lambda card=card: not card.pulling and card.open_button.isEnabled()
            card.open_button.click()
            yield lambda: len(self.plugin.desk.layers()) > len(opened)
            opened.append(next(layer for layer in self.plugin.desk.layers() if layer not in opened))
            self.log.write(f"pulled {opened[-1].name()}: {opened[-1].featureCount()} rows\n")
        yield lambda: self.drawn()
        self.front(dock)
        yield self.pause(1.5)
        self.picture("3-pull")
        self.ambulance, self.police = opened
        self.show(self.ambulance, False)
        self.before = set(QgsProject.instance().mapLayers())

    def explore(self, layer: QgsVectorLayer) -> Iterator[Wait]:
        dock = self.plugin.explore_dock
        self.front(dock)
        dock.layer_box.setCurrentIndex(dock.layer_box.findData(layer.id()))
        yield lambda: dock.choices.tree.topLevelItemCount() > 0
        choices = dock.choices
        choices.area_box.setCurrentIndex(choices.area_box.findData(Within.BOROUGHS.value))
        for row in range(choices.borough_box.count()):
            on = choices.borough_box.itemText(row) == BOROUGH
            choices.borough_box.setItemCheckState(row, Qt.CheckState.Checked if on else Qt.CheckState.Unchecked)
        choices.by_box.setCurrentIndex(choices.by_box.findData(By.LSOA))
        dock.count_button.click()
        yield lambda: dock.counted is not None and not dock.progress.running
        self.show(layer, False)
        dock.results.map_button.click()
        yield lambda: not dock.progress.running
        yield lambda: self.drawn()
        yield self.pause(1.5)
        self.log.write(f"explored: {dock.results.headline.text()}\n")
        self.picture("4-explore")

    def hotspots(self, layer: QgsVectorLayer) -> Iterator[Wait]:
        dock = self.plugin.hotspot_dock
        self.front(dock)
        self.hide_results()
        dock.incidents.layer_box.setLayer(layer)
        yield self.pause(0.5)
        self.choose_method(Method.KDE_RASTER)
        dock.start()
        yield lambda: dock.result is not None and not dock.progress.running
        yield from self.looked_at(layer)
        self.log.write(f"hotspots: {dock.result.title}, {dock.result.used} incidents\n")
        self.picture("5-hotspots")

    def emerging(self) -> Iterator[Wait]:
        dock = self.plugin.hotspot_dock
        self.hide_results()
        self.choose_method("emerging-hot-spots")
        yield self.pause(0.3)
        dock.start()
        yield lambda: not dock.progress.running
        yield lambda: self.drawn()
        yield self.pause(1.5)
        if dock.findings is None:
            raise RuntimeError(f"no emerging hot spots: {dock.message.text}")
        self.log.write(f"emerging: {dock.findings.findings.answer}\n")
        self.picture("6-emerging")

    def time_charts(self, layer: QgsVectorLayer) -> Iterator[Wait]:
        dock = self.plugin.time_dock
        self.hide_results()
        self.show(layer, True)
        self.front(dock)
        dock.layer_box.setLayer(layer)
        dock.chart_box.setCurrentIndex(dock.chart_box.findData(ChartKind.WEEK))
        yield lambda: dock.answer is not None and not dock.progress.running
        yield self.pause(1.5)
        self.picture("7-time")

    def around(self) -> Iterator[Wait]:
        self.show(self.police, True)
        dock = self.plugin.proximity_dock
        self.front(dock)
        dock.place_edit.setText(POSTCODE)
        yield self.pause(0.3)
        dock.start()
        yield lambda: dock.result is not None
        yield lambda: not dock.progress.running  # the ranks among the borough's postcodes come afterwards
        yield lambda: self.drawn()
        yield self.pause(1.5)
        for part in dock.result.answer.datasets:
            counts = ", ".join(f"{figure.count} within {figure.radius_m} m" for figure in part.rows[0].figures)
            self.log.write(f"around {dock.result.place.label}: {counts}\n")
        self.picture("8-around")

    def publish(self) -> Iterator[Wait]:
        """The map of hotspots, as a page."""
        dock = self.plugin.hotspot_dock
        self.front(dock)
        for layer in (self.police, self.ambulance):
            self.show(layer, False)
        self.hide_results()
        self.choose_method(Method.KDE_RASTER)
        before = dock.result
        dock.start()
        yield lambda: dock.result is not None and dock.result is not before and not dock.progress.running
        yield lambda: self.drawn()
        dock.map_button.click()
        yield lambda: self.publish_dialog() is not None
        dialog = self.publish_dialog()
        dialog.folder.setFilePath(SHOWN_FOLDER)
        dialog.mode_combo.setCurrentIndex(dialog.mode_combo.findData(Mode.PUBLICATION))
        dialog.formats[Format.PNG].setChecked(True)
        if dialog.page_combo.window() is dialog:
            dialog.page_combo.setCurrentIndex(dialog.page_combo.findData(Page.A4))
        else:
            dialog.choose(Template(PageKind.ONE_MAP, Page.A4, upright=False))
        yield self.pause(3.0)
        self.picture("9-publish", dialog)
        dialog.folder.setFilePath(str(FOLDER))
        click(dialog, "Make it anew")  # the finding's own remedy: a wider bandwidth
        yield dialog.export_button.isEnabled
        yield self.pause(1.0)
        written = dialog.export()
        if not written:
            raise RuntimeError("nothing was exported: the dialog says why in its picture")
        for path in written:
            path.rename(FOLDER / f"tutorial-10-page{path.suffix}")
        dialog.reject()
        yield lambda: self.publish_dialog() is None

    # ------------------------------------------------------------------ tools

    def front(self, dock: QDockWidget) -> None:
        """Show one dock of the plugin, at the width that its form needs."""
        dock.setUserVisible(True)
        layers = self.window.findChild(QDockWidget, "Layers")
        self.window.resizeDocks([layers, dock], [LAYERS_WIDTH, DOCK_WIDTH], Qt.Orientation.Horizontal)

    def choose_method(self, wanted: Method | str) -> None:
        box = self.plugin.hotspot_dock.method_box
        for index in range(box.count()):
            data = box.itemData(index)
            if data is not None and wanted in (data, getattr(data, "name", None)):
                box.setCurrentIndex(index)
                return
        raise LookupError(f"there is no method {wanted}")

    def looked_at(self, layer: QgsVectorLayer) -> Iterator[Wait]:
        """The result without the points upon it."""
        self.show(layer, False)
        yield lambda: self.drawn()
        yield self.pause(1.5)

    def show(self, layer: QgsVectorLayer, on: bool) -> None:
        """Tick the layer in the tree, or untick it."""
        QgsProject.instance().layerTreeRoot().findLayer(layer.id()).setItemVisibilityChecked(on)

    def hide_results(self) -> None:
        """Untick what was made before, so that the next result is seen by itself."""
        for node in QgsProject.instance().layerTreeRoot().findLayers():
            if node.layerId() not in self.before:
                node.setItemVisibilityChecked(False)

    def picture(self, name: str, dialog: QDialog | None = None) -> None:
        iface.messageBar().clearWidgets()
        super().picture(f"tutorial-{name}", dialog)


tutorial = Tutorial()
tutorial.run()
