"""Runs inside QGIS (``qgis --code``): takes the steps of docs/tutorial.md, in its order, and a picture of each.

The steps are a generator: each ``yield`` waits until a condition holds, while QGIS goes on living.
"""

from __future__ import annotations

import os
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

from qgis.core import QgsProject, QgsVectorLayer
from qgis.PyQt.QtCore import QEventLoop, Qt, QTimer
from qgis.PyQt.QtWidgets import QApplication, QDialog, QDockWidget, QPushButton, QRadioButton, QWidget
from qgis.utils import iface, plugins
from safestats.qgis_plugin.core.explore.selection import By, Within
from safestats.qgis_plugin.core.hotspots import Method
from safestats.qgis_plugin.core.time_answer import ChartKind
from safestats.qgis_plugin.gui.publish_dialog import PublishDialog
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

Wait = Callable[[], bool]


class Tutorial:
    """The steps, and the log that tells what a new analyst finds in each."""

    def __init__(self) -> None:
        self.plugin = plugins["safestats"]
        self.window = iface.mainWindow()
        self.before: set[str] = set()  # the layers that no step has made
        self.log = (FOLDER / "tutorial.log").open("w", encoding="utf-8", buffering=1)

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
        self.log.write("done\n")

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
        dock.map_button.click()
        yield lambda: not dock.progress.running
        yield lambda: self.drawn()
        yield self.pause(1.5)
        self.log.write(f"explored: {dock.headline.text()}\n")
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
        yield lambda: self.dialog() is not None
        dialog = self.dialog()
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
        yield lambda: self.dialog() is None

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

    def dialog(self) -> QDialog | None:
        """The publish dialog that is open, if any."""
        open_ones = [child for child in self.window.findChildren(PublishDialog) if child.isVisible()]
        return open_ones[0] if open_ones else None

    def drawn(self) -> bool:
        return not iface.mapCanvas().isDrawing()

    def pause(self, seconds: float) -> Wait:
        until = time.monotonic() + seconds
        return lambda: time.monotonic() >= until

    def picture(self, name: str, dialog: QDialog | None = None) -> None:
        """What the screen shows of the window, or of one dialog, as PNG."""
        iface.messageBar().clearWidgets()
        QApplication.processEvents(QEventLoop.ProcessEventsFlag.ExcludeUserInputEvents)
        frame = self.window.screen().geometry() if dialog is None else dialog.frameGeometry()
        image = self.window.screen().grabWindow(0, frame.x(), frame.y(), frame.width(), frame.height())
        image.save(str(FOLDER / f"tutorial-{name}.png"))

    def run(self) -> None:
        """Drive the steps; ends QGIS, whatever happens."""
        steps = self.steps()
        waiting: list[Wait] = [lambda: True]
        since = [time.monotonic()]

        def tick() -> None:
            try:
                if waiting[0]():
                    waiting[0] = next(steps)
                    since[0] = time.monotonic()
                elif time.monotonic() - since[0] > STEP_SECONDS:
                    raise TimeoutError(f"nothing happened for {STEP_SECONDS} s")
            except StopIteration:
                self.end()
            except Exception:
                self.log.write(traceback.format_exc())
                self.picture("trouble")
                self.end()

        self.timer = QTimer(self.window)
        self.timer.timeout.connect(tick)
        self.timer.start(50)

    def end(self) -> None:
        self.timer.stop()
        self.log.close()
        QgsProject.instance().clear()  # QGIS would ask whether layers in memory may be lost
        QTimer.singleShot(500, iface.actionExit().trigger)


def click(parent: QWidget, words: str) -> None:
    """Press the button of that name."""
    for button in parent.findChildren(QPushButton):
        if button.text().replace("&", "") == words:
            button.click()
            return
    raise LookupError(f"there is no button “{words}”")


def choose_purpose(page: QWidget, code: str) -> None:
    """Tick the purpose with that code."""
    for button in page.findChildren(QRadioButton):
        button.setChecked(True)
        if page.purpose is not None and page.purpose.code == code:
            return
    raise LookupError(f"there is no purpose “{code}”")


tutorial = Tutorial()
tutorial.run()
