"""Renews the pictures of the window that publishes a layer, from made-up incidents:

QT_QPA_PLATFORM=offscreen .venvs/desk/bin/python -m safestats.tests.end_to_end.publish_layer_pictures
"""

from __future__ import annotations

import random
import subprocess
import tempfile
from pathlib import Path

from qgis.core import QgsProject
from qgis.PyQt.QtCore import QCoreApplication
from qgis.PyQt.QtWidgets import QDialog
from qgis.testing import start_app
from safestats.qgis_plugin.gui.publish_layer.dialog import PublishLayerDialog
from safestats.tests.end_to_end.publisher_rig import NOWHERE, Publishing, incidents_layer, may
from safestats.tests.end_to_end.rig import wait_until

IMAGES = Path(__file__).resolve().parents[2] / "docs" / "images"
KINDS = ("Burglary", "Drugs", "Robbery", "Shoplifting", "Violence & sexual offence", "Break-in")
CITY = (-0.092, 51.5145)


def main() -> None:
    """A picture of each page."""
    application = start_app()
    with tempfile.TemporaryDirectory() as folder:
        office = Publishing(Path(folder))
        try:
            _take_all(office, Path(folder))
        finally:
            office.server.stop()
    application.exitQgis()


def _take_all(office: Publishing, folder: Path) -> None:
    chance, project = random.Random(1), QgsProject.instance()
    places = [(CITY[0] + chance.uniform(-0.008, 0.008), CITY[1] + chance.uniform(-0.003, 0.003)) for _ in range(240)]
    rows = [(may(1 + n % 28), KINDS[n % 6], f"Invented Street {n % 20}", place) for n, place in enumerate(places)]
    rows += [(may(3), "Sorcery", "Invented Street 1", CITY), (None, "Drugs", "Invented Street 2", CITY)]
    rows.append((may(9), "Robbery", "Invented Street 3", NOWHERE))
    layer = incidents_layer(rows)
    project.addMapLayer(layer)
    publisher = office.publisher(folder / "desk", project)
    dialog = PublishLayerDialog(publisher.desk, None)
    dialog.show()
    page = dialog.layer_page
    wait_until(lambda: page.publishable is not None)
    page.layer_combo.setLayer(layer)
    page.dataset_combo.setCurrentIndex(page.dataset_combo.findData("colp"))
    page.precision.setValue(10)
    page.synthetic_box.setChecked(True)
    _take(dialog, "choose")
    dialog.go_on()
    wait_until(lambda: dialog.next_button.isEnabled())
    for _, value, combo in dialog.columns_page._codes:
        if value == "Break-in":
            combo.setCurrentIndex(combo.findData("burglary"))
    _take(dialog, "columns")
    dialog.go_on()
    wait_until(lambda: dialog.drop_button.isEnabled() and not dialog.drop_button.isHidden())
    dialog.report_page.errors.topLevelItem(0).setSelected(True)
    _take(dialog, "report")
    dialog.close()
    publisher.leave()


def _take(dialog: QDialog, name: str) -> None:
    QCoreApplication.processEvents()
    path = IMAGES / f"publish-layer-{name}.png"
    dialog.grab().save(str(path))
    few_colours = ["-strip", "+dither", "-colors", "64", "-define", "png:format=png8"]
    subprocess.run(["mogrify", *few_colours, str(path)], check=True)


if __name__ == "__main__":
    main()
