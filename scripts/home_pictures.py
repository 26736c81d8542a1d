"""Runs inside QGIS (``scripts/home_pictures.sh``): shows locator bar, options and help, and takes pictures of them."""

from __future__ import annotations

import os
import traceback
from pathlib import Path

from qgis.PyQt.QtCore import QEventLoop, QRect, QTimer
from qgis.PyQt.QtWidgets import QApplication, QLineEdit
from qgis.utils import iface, plugins
from safestats.qgis_plugin.gui.help_window import HelpWindow
from safestats.qgis_plugin.gui.options_page import OptionsPage

FOLDER = Path(os.environ["SAFESTATS_PICTURES"])
WIDTH, HEIGHT = 1200, 800


def wait(ms: int) -> None:
    loop = QEventLoop()
    QTimer.singleShot(ms, loop.quit)
    loop.exec()


def keep(name: str, around: QRect) -> None:
    """A part of the screen as it is, with whatever lies on top."""
    screen = QApplication.primaryScreen()
    screen.grabWindow(0, around.x(), around.y(), around.width(), around.height()).save(str(FOLDER / f"{name}.png"))


def locator() -> None:
    window = iface.mainWindow()
    for text, name in (("nw1 8q", "locator"), ("invented", "locator-premises")):
        iface.locatorSearch(text)
        wait(3000)
        bar = next(w for w in window.findChildren(QLineEdit) if w.text() == text)
        corner = bar.mapToGlobal(bar.rect().bottomLeft())
        keep(name, QRect(max(0, corner.x() - 40), corner.y() - 420, 620, 430))


def options() -> None:
    def look() -> None:
        dialog = QApplication.activeModalWidget()
        try:
            dialog.resize(900, 560)
            page = dialog.findChild(OptionsPage)
            page.folder.setEnabled(True)
            page.folder.setFilePath("")
            page.folder.lineEdit().setPlaceholderText("C:/Users/ada/AppData/Local/SafeStats")
            page.folder_note.hide()
            page.premises.setFilePath("C:/Users/ada/Documents/premises.csv")
            page.server.setText("https://safestats.example.org")
            wait(800)
            keep("options", dialog.frameGeometry())
            page.server.setText("http://safestats.example.org")
            page.isValid()
            wait(400)
            keep("options-trouble", dialog.frameGeometry())
        finally:
            dialog.reject()

    QTimer.singleShot(2500, look)
    plugins["safestats"].at_home.show_options()


def help_pages() -> None:
    home = plugins["safestats"].at_home
    home.show_help("7-in-qgis.md")
    wait(800)
    window = iface.mainWindow().findChild(HelpWindow)
    keep("help", window.frameGeometry())
    window.close()


def main() -> None:
    try:
        iface.mainWindow().resize(WIDTH, HEIGHT)
        iface.mainWindow().move(0, 0)
        wait(1500)
        locator()
        options()
        help_pages()
    except Exception:
        print(traceback.format_exc(), flush=True)
        raise
    finally:
        iface.actionExit().trigger()


QTimer.singleShot(3000, main)
