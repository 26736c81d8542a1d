"""Runs inside QGIS (``qgis --code``): fills in the demonstration's account or, without a display of the user's own,
does an analyst's whole job by the plugin's own windows and leaves what it made in the demonstration's folder.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from desk_steps import DeskSteps, Wait, choose_purpose, click
from qgis.PyQt.QtCore import Qt
from qgis.PyQt.QtWidgets import QDialog, QDockWidget
from qgis.utils import iface, plugins
from safestats.qgis_plugin.core.explore.selection import Within
from safestats.qgis_plugin.core.hotspots import Method
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


class Job(DeskSteps):
    """The steps of the demonstration, and the log that tells what was done."""

    def __init__(self) -> None:
        pictures = FOLDER / "screenshots"
        pictures.mkdir(parents=True, exist_ok=True)
        super().__init__(FOLDER / "job.log", pictures, STEP_SECONDS)
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
        yield from self.explore()
        yield from self.find_hotspots()

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
        dock.results.report_button.click()
        yield from self.publish("proximity-report")

    def explore(self) -> Iterator[Wait]:
        """Camden's year per 1,000 residents, beside London and its neighbours."""
        dock = self.plugin.explore_dock
        dock.show()
        dock.raise_()
        layer = next(one for one in self.plugin.desk.layers() if "Metropolitan" in one.name())
        dock.layer_box.setCurrentIndex(dock.layer_box.findData(layer.id()))
        choices = dock.choices
        yield lambda: choices.tree.topLevelItemCount() > 0
        choices.area_box.setCurrentIndex(choices.area_box.findData(Within.BOROUGHS.value))
        at = choices.borough_box.findText(BOROUGH)
        choices.borough_box.setItemCheckState(at, Qt.CheckState.Checked)
        dock.start()
        yield lambda: dock.counted is not None and not dock.progress.running
        for _ in range(60):  # London and neighbours come from the server, if it lets them be counted
            yield self.pause(0.5)
            lines = [
                dock.results.compared.topLevelItem(number)
                for number in range(dock.results.compared.topLevelItemCount())
            ]
            if all(line.text(1) != "–" for line in lines):
                break
        dock.results.base_box.setCurrentIndex(
            min(1, dock.results.base_box.count() - 1)
        )  # residents, where the server has any
        yield self.pause(0.8)
        rate = dock.results.base.title if dock.results.base is not None else "no denominator"
        for number in range(dock.results.compared.topLevelItemCount()):
            line = dock.results.compared.topLevelItem(number)
            self.say(f"explored {layer.name()}: {line.text(0).rstrip(' *')}: {line.text(1)}, {line.text(2)} {rate}")
        self.picture("explore")

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
        yield lambda: self.publish_dialog() is not None
        dialog = self.publish_dialog()
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
        yield lambda: self.publish_dialog() is None

    def cards(self) -> dict:
        return self.plugin.layers_dock.cards


def fill_in_account(dialog: QDialog) -> None:
    """Server and account of the demonstration, as a person would type them."""
    page = dialog.page
    page.server.setText(SERVER)
    page.username.setText(ACCOUNT)
    page.password.setText(PASSWORD)


if HEADLESS:
    job = Job()
    job.run()
else:
    iface.mainWindow().showMaximized()
    plugins["safestats"].flow.start()
    fill_in_account(plugins["safestats"].flow.dialog)
