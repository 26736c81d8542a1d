"""Runs inside QGIS (``qgis --code``): fills in the demonstration's account or, without a display of the user's own,
does an analyst's whole job by the plugin's own windows and leaves what it made in the demonstration's folder.

The steps are a generator: each ``yield`` waits until a condition holds, while QGIS goes on living.
"""

from __future__ import annotations

import os
import shutil
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

from qgis.core import QgsProject
from qgis.PyQt.QtCore import QEventLoop, Qt, QTimer
from qgis.PyQt.QtWidgets import QApplication, QDialog, QDockWidget, QRadioButton, QWidget
from qgis.utils import iface, plugins
from safestats.qgis_plugin.core.hotspots import Method
from safestats.qgis_plugin.gui.publish_dialog import PublishDialog
from safestats.qgis_plugin.layouts.export import Format
from safestats.qgis_plugin.layouts.sheet import Page
from safestats.qgis_plugin.layouts.templates import PageKind, Template

FOLDER = Path(os.environ["SAFESTATS_DEMO_FOLDER"])
SERVER = os.environ["SAFESTATS_DEMO_SERVER"]
PASSWORD = Path(os.environ["SAFESTATS_DEMO_PASSWORD_FILE"]).read_text(encoding="ascii").strip()
HEADLESS = bool(os.environ.get("SAFESTATS_DEMO_HEADLESS"))
REAL = bool(os.environ.get("SAFESTATS_DEMO_REAL"))
ACCOUNT = "camden.analyst"
PURPOSE = "violence-reduction"
POSTCODE = "nw1 8qp"  # Camden High Street, by the lock
BOROUGH = "Camden"
STEP_SECONDS = 180

Wait = Callable[[], bool]


class Job:
    """The steps of the demonstration, and the log that tells what was done."""

    def __init__(self) -> None:
        self.plugin = plugins["safestats"]
        self.window = iface.mainWindow()
        self.pictures = FOLDER / "screenshots"
        self.pictures.mkdir(parents=True, exist_ok=True)
        self.log = (FOLDER / "job.log").open("w", encoding="utf-8", buffering=1)
        self.began = time.monotonic()

    def say(self, words: str) -> None:
        """One line for the person who reads ``make run``."""
        self.log.write(f"{time.monotonic() - self.began:6.1f} s  {words}\n")

    def steps(self) -> Iterator[Wait]:
        """The whole job."""
        self.window.showMaximized()
        layers = self.window.findChild(QDockWidget, "Layers")
        self.window.findChild(QDockWidget, "Browser").close()
        yield self.pause(0.5)
        self.window.resizeDocks([layers], [330], Qt.Orientation.Horizontal)
        yield self.pause(0.5)
        yield from self.sign_in()
        yield from self.pull()
        yield from self.search_around()
        yield from self.find_hotspots()
        self.log.write("done\n")

    # ------------------------------------------------------------------ the steps

    def sign_in(self) -> Iterator[Wait]:
        flow = self.plugin.flow
        flow.start()
        fill_in_account(flow.dialog)
        yield self.pause(0.5)
        self.picture("sign-in", flow.dialog)
        dialog, first = flow.dialog, flow.dialog.page
        click(dialog, "Sign in")
        yield lambda: dialog.page is not first
        yield self.pause(0.5)
        choose_purpose(dialog.page, PURPOSE)
        dialog.page.agreed.setChecked(True)
        yield self.pause(0.3)
        self.picture("conditions", dialog)
        dialog.action_button.click()
        yield lambda: self.plugin.desk.signed_in
        self.say(f"signed in as {ACCOUNT}, accepted the conditions of use for “{PURPOSE}”")

    def pull(self) -> Iterator[Wait]:
        dock = self.plugin.layers_dock
        dock.show()
        dock.raise_()
        yield lambda: bool(self.cards())
        yield self.pause(0.5)
        self.picture("layers-before")
        for dataset, card in self.cards().items():
            if card.pull_button.isEnabled():
                card.pull_button.click()
                yield lambda card=card: not card.pulling
                self.say(f"pulled {dataset}: {card.facts.text().splitlines()[0] if card.facts.text() else ''}")
                card.open_button.click()
                yield lambda: self.drawn()
            else:
                self.say(f"{dataset} is refused: {card.facts.text() or card.strip.text()}")
        copies = FOLDER / "local-copies"
        copies.mkdir(mode=0o700, exist_ok=True)
        for layer in self.plugin.desk.layers():
            path = Path(layer.source().split("|")[0])
            shutil.copy(path, copies / f"{path.stem}.gpkg")  # with its mode: its owner's alone
        yield self.pause(1.0)
        self.picture("layers")

    def search_around(self) -> Iterator[Wait]:
        dock = self.plugin.proximity_dock
        dock.show()
        dock.raise_()
        dock.place_edit.setText(POSTCODE)
        yield self.pause(0.3)
        dock.start()
        yield lambda: dock.result is not None
        yield lambda: not dock.progress.running  # the ranks among the borough's postcodes come afterwards
        yield lambda: self.drawn()
        yield self.pause(0.8)
        result = dock.result
        for part in result.answer.datasets:
            counts = ", ".join(f"{figure.count} within {figure.radius_m} m" for figure in part.rows[0].figures)
            self.say(f"around {result.place.label}: {part.title}: {counts}")
        self.picture("proximity")
        dock.report_button.click()
        yield from self.publish("proximity-report")

    def find_hotspots(self) -> Iterator[Wait]:
        dock = self.plugin.hotspot_dock
        dock.show()
        dock.raise_()
        for layer in self.plugin.desk.layers():
            if "Metropolitan" in layer.name():
                dock.incidents.layer_box.setLayer(layer)
        yield self.pause(0.3)
        for method in Method:
            dock.method_box.setCurrentIndex(dock.method_box.findData(method))
            before = dock.result
            dock.start()
            yield lambda before=before: dock.result is not None and dock.result is not before
            yield lambda: self.drawn()
            yield self.pause(0.8)
            self.say(f"{dock.result.title}: {dock.result.used} incidents")
            self.picture(f"hotspots-{dock.result.method.value}")
            if dock.result.method.value in ("kde-raster", "gi-grid"):
                dock.map_button.click()
                yield from self.publish(f"hotspot-map-{dock.result.method.value}")

    def publish(self, name: str) -> Iterator[Wait]:
        """Export what the publish dialog shows as PDF and PNG, on A4 and A3."""
        yield lambda: self.dialog() is not None
        dialog = self.dialog()
        dialog.folder.setFilePath(str(FOLDER))
        dialog.formats[Format.PNG].setChecked(True)
        for index, page in enumerate(Page):
            if dialog.page_combo.window() is dialog:
                dialog.page_combo.setCurrentIndex(dialog.page_combo.findData(page))
            else:
                dialog.choose(Template(PageKind.ONE_MAP, page, upright=False))
            yield self.pause(0.6)
            yield dialog.export_button.isEnabled
            if index == 0:
                self.picture(name, dialog)
            written = dialog.export()
            if not written:
                raise RuntimeError("nothing was exported: the dialog says why in its picture")
            size = page.value
            for path in written:
                path.rename(FOLDER / f"{name}-{size.lower()}{path.suffix}")
            self.say(f"exported {name} on {size}: {', '.join(path.suffix[1:].upper() for path in written)}")
        dialog.reject()
        yield lambda: self.dialog() is None

    def dialog(self) -> QDialog | None:
        """The publish dialog that is open, if any."""
        open_ones = [child for child in self.window.findChildren(PublishDialog) if child.isVisible()]
        return open_ones[0] if open_ones else None

    # ------------------------------------------------------------------ tools

    def cards(self) -> dict:
        return self.plugin.layers_dock.cards

    def drawn(self) -> bool:
        return not iface.mapCanvas().isDrawing()

    def pause(self, seconds: float) -> Wait:
        until = time.monotonic() + seconds
        return lambda: time.monotonic() >= until

    def picture(self, name: str, dialog: QDialog | None = None) -> None:
        """What the screen shows of the window, or of one dialog, as PNG."""
        QApplication.processEvents(QEventLoop.ProcessEventsFlag.ExcludeUserInputEvents)
        frame = self.window.screen().geometry() if dialog is None else dialog.frameGeometry()
        image = self.window.screen().grabWindow(0, frame.x(), frame.y(), frame.width(), frame.height())
        image.save(str(self.pictures / f"{name}.png"))

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
        # Emptied first: QGIS would ask whether the rings, a layer in memory, may be lost.
        QgsProject.instance().clear()
        QTimer.singleShot(500, iface.actionExit().trigger)


def fill_in_account(dialog: QDialog) -> None:
    """Server and account of the demonstration, as a person would type them."""
    page = dialog.page
    page.server.setText(SERVER)
    page.username.setText(ACCOUNT)
    page.password.setText(PASSWORD)


def click(parent: QWidget, words: str) -> None:
    """Press the button of that name."""
    from qgis.PyQt.QtWidgets import QPushButton

    for button in parent.findChildren(QPushButton):
        if button.text().replace("&", "").rstrip("…").strip() == words:
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


if HEADLESS:
    job = Job()
    job.run()
else:
    iface.mainWindow().showMaximized()
    plugins["safestats"].flow.start()
    fill_in_account(plugins["safestats"].flow.dialog)
