"""Runs inside a QGIS of its own (``qgis --code``): its plugin manager installs, upgrades, disables and uninstalls.

What happened goes as JSON into the file that ``SAFESTATS_TEST_RESULT`` names: a step each, and all that was logged.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import traceback
from pathlib import Path
from typing import Any

import pyplugin_installer
import qgis.utils
from pyplugin_installer.installer_data import plugins, repositories
from qgis.core import Qgis, QgsApplication, QgsExpression
from qgis.PyQt.QtCore import QCoreApplication, QEvent, QEventLoop, Qt, QTimer
from qgis.PyQt.QtWidgets import QApplication, QDockWidget, QToolBar, QWidget
from qgis.utils import iface

RESULT = Path(os.environ["SAFESTATS_TEST_RESULT"])
NEWER = Path(os.environ["SAFESTATS_TEST_NEWER"])
SERVED = Path(os.environ["SAFESTATS_TEST_SERVED"])
PLUGIN = "safestats"

steps: dict[str, Any] = {}
logged: list[tuple[str, int, str]] = []


def settle(ms: int = 400) -> None:
    loop = QEventLoop()
    QTimer.singleShot(ms, loop.quit)
    loop.exec()
    # What was given to deleteLater outside the loop waits for the loop outside.
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)


def seen() -> dict[str, Any]:
    """What of SafeStats is in the window and in QGIS's registries."""
    window = iface.mainWindow()
    ours = [
        widget.objectName()
        for kind in (QDockWidget, QToolBar)
        for widget in window.findChildren(kind)
        if widget.objectName().startswith("SafeStats")
    ]
    browser = iface.browserModel()
    return {
        "widgets": sorted(ours),
        "menu": [action.text() for action in iface.pluginMenu().actions() if "SafeStats" in action.text()],
        "provider": QgsApplication.processingRegistry().providerById(PLUGIN) is not None,
        "browser": [browser.index(row, 0).data() for row in range(browser.rowCount())].count("SafeStats"),
        "expressions": QgsExpression.isFunctionName("safestats_postcode"),
        # QGIS forgets what it saw imported; packages without code of their own it does not see.
        "modules": len([n for n, m in sys.modules.items() if n.split(".")[0] == PLUGIN and not hasattr(m, "__path__")]),
        "top_levels": [
            w.objectName() for w in QApplication.topLevelWidgets() if w.objectName().startswith("SafeStats")
        ],
        "options": _options_page(),
    }


def _options_page() -> bool:
    """Whether the options have our page: they are opened, looked at, and closed again."""
    found: list[bool] = []

    def look() -> None:
        dialog = QApplication.activeModalWidget()
        found.append(dialog is not None and dialog.findChild(QWidget, "SafeStatsOptions") is not None)
        if dialog is not None:
            dialog.reject()

    QTimer.singleShot(1500, look)
    iface.showOptionsDialog(iface.mainWindow(), PLUGIN)
    return found == [True]


def version() -> str:
    return qgis.utils.pluginMetadata(PLUGIN, "version")


def fetched() -> dict[str, Any]:
    plugins.removeRepository("SafeStats")
    pyplugin_installer.instance().fetchAvailablePlugins(reloadMode=True)
    told = plugins.all().get(PLUGIN, {})
    names = ("version_available", "status", "status_exp", "installed", "error")
    return {
        "repositories": {name: found["error"] for name, found in repositories.allEnabled().items()},
        **{name: told.get(name) for name in names},
    }


def keep() -> None:
    """Tell what is known so far: a QGIS that dies tells where."""
    RESULT.write_text(json.dumps({"steps": steps, "logged": logged}), encoding="utf-8")


def act() -> None:
    installer = pyplugin_installer.instance()
    steps["listed"] = fetched()
    installer.installPlugin(PLUGIN, quiet=True, stable=False)
    settle()
    keep()
    steps["installed"] = {"version": version(), **seen()}
    steps["server"] = qgis.utils.plugins[PLUGIN].desk.settings.server
    shutil.copyfile(NEWER, SERVED)
    steps["listed again"] = fetched()
    installer.installPlugin(PLUGIN, quiet=True, stable=False)
    settle()
    keep()
    steps["upgraded"] = {"version": version(), **seen()}
    steps["unloaded"] = qgis.utils.unloadPlugin(PLUGIN)
    settle()
    keep()
    steps["disabled"] = seen()
    qgis.utils.loadPlugin(PLUGIN)
    steps["started"] = qgis.utils.startPlugin(PLUGIN)
    settle()
    installer.uninstallPlugin(PLUGIN, quiet=True)
    settle()
    keep()
    steps["uninstalled"] = {**seen(), "files": (Path(qgis.utils.HOME_PLUGIN_PATH) / PLUGIN).exists()}


def main() -> None:
    try:
        act()
    except Exception:  # the test tells it
        steps["failed"] = traceback.format_exc()
    keep()
    QTimer.singleShot(0, lambda: iface.actionExit().trigger())


QgsApplication.messageLog().messageReceived[str, str, Qgis.MessageLevel].connect(
    lambda text, tag, level: logged.append((tag, int(level), text)),
    Qt.ConnectionType.DirectConnection,
)
QTimer.singleShot(1000, main)
