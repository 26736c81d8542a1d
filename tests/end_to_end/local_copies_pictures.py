"""Renews the pictures of months, local copies and work offline, from the made-up sample:

QT_QPA_PLATFORM=offscreen .venvs/desk/bin/python -m safestats.tests.end_to_end.local_copies_pictures [FOLDER]
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from qgis.gui import QgsMapCanvas
from qgis.PyQt.QtCore import QCoreApplication, QEvent
from qgis.PyQt.QtWidgets import QWidget
from qgis.testing import start_app
from safestats.qgis_plugin.core.pull_period import PullPeriod
from safestats.qgis_plugin.gui.layers_dock import LayersDock
from safestats.qgis_plugin.gui.period_dialog import PeriodDialog
from safestats.qgis_plugin.gui.sign_in_dialog import SignInDialog
from safestats.qgis_plugin.gui.storage_dialog import StorageDialog
from safestats.tests.commands import SUPPLIERS_TERMS, agreement, organisation
from safestats.tests.end_to_end.rig import PASSWORD, PURPOSE, Analyst, LiveServer, ServerFolder, loading, wait_until

IMAGES = Path(__file__).resolve().parents[2] / "docs" / "images"
SAMPLE = ("colp", "btp")
GRANT = "--areas london,unplaced,outside --fields core,area,location,place --precision point"
FIRST_MONTHS = 9


class Window:
    """What the dock needs of QGIS's window."""

    def __init__(self) -> None:
        self._canvas = QgsMapCanvas()

    def mapCanvas(self) -> QgsMapCanvas:
        return self._canvas


def main(images: Path) -> None:
    """A picture of each window, in ``images``."""
    application = start_app()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        server = ServerFolder(folder / "server").initialise()
        server.command("sample-data", str(folder / "sample"), "--scale", "0.3")
        files = {dataset: sorted((folder / "sample" / dataset).iterdir()) for dataset in SAMPLE}
        commands = [SUPPLIERS_TERMS, organisation("camden", "London Borough of Camden")]
        commands.append("user add ada --org camden --name 'Ada Okafor' --password-stdin")
        for dataset in SAMPLE:
            commands += [f"{loading(dataset, files[dataset][:FIRST_MONTHS])} --synthetic", f"publish {dataset}"]
            commands += agreement(f"DSA-{dataset.upper()}", "camden", dataset, GRANT)
        server.run(*commands)
        live = LiveServer(server)
        live.start()
        try:
            _take_all(live, files, folder, images)
        finally:
            live.stop()
    application.exitQgis()


def _take_all(live: LiveServer, files: dict[str, list[Path]], folder: Path, images: Path) -> None:
    ada = Analyst(folder, live.url, "ada").begin()
    desk = ada.desk
    first = PullPeriod(first=ada._wait(lambda *ends: desk.ask_months("colp", *ends))[-4].month)
    ada._wait(lambda *ends: desk.pull("colp", "colp", *ends, first))
    ada.pull("btp")
    more = [f"{loading(dataset, files[dataset])} --synthetic" for dataset in SAMPLE]
    live.folder.run(*more, *(f"publish {dataset}" for dataset in SAMPLE))

    dock = LayersDock(desk, Window())
    dock.resize(430, 760)
    dock.show()
    dock.refresh()
    wait_until(lambda: all(dataset in dock.cards and dock.cards[dataset].updatable for dataset in SAMPLE))
    dock.update_all_button.click()
    wait_until(lambda: "layers updated" in dock.strip.text)
    _take(dock, images / "layers-updated.png")

    months = PeriodDialog(desk, "colp", dock.cards["colp"].title, first, parent=dock)
    months.show()
    wait_until(months.pull_button.isEnabled)
    _take(months, images / "months.png")
    months.reject()

    storage = StorageDialog(desk, dock)
    storage.show()
    wait_until(lambda: storage.table.rowCount() == len(SAMPLE))
    storage.table.selectRow(0)
    _take(storage, images / "local-copies.png")
    storage.reject()

    ada.sign_out()
    live.stop()
    sign_in = SignInDialog(desk)
    sign_in.show()
    page = sign_in.page
    page.password.setText(PASSWORD)
    sign_in.action_button.click()
    wait_until(lambda: not page.offline_button.isHidden())
    _take(sign_in, images / "sign-in-offline.png")
    sign_in.reject()

    ada._wait(lambda *ends: desk.steps.unlock(live.url, "ada", PASSWORD, *ends))
    ada.accept(PURPOSE)
    wait_until(lambda: len(dock.cards) == len(SAMPLE))
    _take(dock, images / "layers-offline.png")
    dock.close()
    ada.leave()


def _take(widget: QWidget, path: Path) -> None:
    for _ in range(3):
        QCoreApplication.processEvents()
        QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    widget.grab().save(str(path))
    few_colours = ["-strip", "+dither", "-colors", "64", "-define", "png:format=png8"]
    subprocess.run(["mogrify", *few_colours, str(path)], check=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else IMAGES)
