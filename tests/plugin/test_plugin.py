"""The plugin in a window: what it adds, that it touches no network, and that unloading takes everything back."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from qgis.core import QgsApplication
from qgis.PyQt.QtCore import Qt
from qgis.PyQt.QtWidgets import QDockWidget, QMenu, QTabBar, QToolBar
from safestats import classFactory
from safestats.qgis_plugin.core.settings import LOCAL_ROOT_VARIABLE
from safestats.qgis_plugin.plugin import SafeStatsPlugin, plugin_version

ROOT = Path(__file__).resolve().parents[2]


class WindowInterface:
    """QGIS's interface to plugins over the test's main window, where docks and toolbars are really added."""

    def __init__(self, iface) -> None:
        self._iface = iface
        self._menu = QMenu()

    def __getattr__(self, name: str):
        return getattr(self._iface, name)

    def pluginMenu(self) -> QMenu:
        return self._menu

    def addDockWidget(self, area: Qt.DockWidgetArea, dock: QDockWidget) -> None:
        self._iface.mainWindow().addDockWidget(area, dock)

    def removeDockWidget(self, dock: QDockWidget) -> None:
        self._iface.mainWindow().removeDockWidget(dock)

    def addToolBar(self, toolbar: QToolBar) -> None:
        self._iface.mainWindow().addToolBar(toolbar)


@pytest.fixture
def iface(qgis_iface) -> WindowInterface:
    return WindowInterface(qgis_iface)


@pytest.fixture
def plugin(iface: WindowInterface, qgis_processing, tmp_path: Path, monkeypatch) -> Iterator[SafeStatsPlugin]:
    monkeypatch.setenv(LOCAL_ROOT_VARIABLE, str(tmp_path / "copies"))
    plugin = classFactory(iface)
    plugin.initGui()
    yield plugin
    if QgsApplication.processingRegistry().providerById("safestats") is not None:
        plugin.unload()


def test_it_adds_docks_menu_toolbar_and_provider(plugin: SafeStatsPlugin, iface: WindowInterface) -> None:
    window = iface.mainWindow()
    titles = {dock.windowTitle() for dock in window.findChildren(QDockWidget) if dock.parent() is window}
    assert "SafeStats layers" in titles and len(titles) >= 3
    assert plugin.menu.menuAction() in iface.pluginMenu().actions()
    assert plugin.toolbar in window.findChildren(QToolBar)
    provider = QgsApplication.processingRegistry().providerById("safestats")
    assert {a.name() for a in provider.algorithms()} >= {"proximitysearch", "kerneldensity", "getisord"}
    assert all(not action.icon().isNull() for action in plugin.toolbar.actions() if not action.isSeparator())


def test_at_first_look_no_title_is_cut_and_only_the_dock_in_front_answers_to_letters(
    plugin: SafeStatsPlugin, iface: WindowInterface, qtbot
) -> None:
    window = iface.mainWindow()
    window.resize(1000, 700)
    window.show()
    plugin.desk.settings.docks_arranged = False
    plugin._arrange_docks()
    docks = [plugin.layers_dock, plugin.explore_dock, plugin.proximity_dock, plugin.hotspot_dock, plugin.time_dock]
    titles = [dock.windowTitle() for dock in docks]

    def tabs() -> QTabBar | None:
        bars = window.findChildren(QTabBar)
        return next((bar for bar in bars if [bar.tabText(at) for at in range(bar.count())] == titles), None)

    qtbot.waitUntil(lambda: tabs() is not None)
    bar = tabs()
    qtbot.waitUntil(lambda: bar.isVisible())
    assert bar.width() >= bar.minimumSizeHint().width()
    words = bar.fontMetrics()
    assert all(bar.tabRect(at).width() > words.horizontalAdvance(title) for at, title in enumerate(titles))

    for front in (plugin.time_dock, plugin.layers_dock):
        front.raise_()
        qtbot.waitUntil(lambda front=front: front.widget().isVisible())
        qtbot.waitUntil(lambda front=front: not any(one.widget().isVisible() for one in docks if one is not front))


def test_a_dock_that_is_opened_takes_the_keyboard(plugin: SafeStatsPlugin, iface: WindowInterface, qtbot) -> None:
    window = iface.mainWindow()
    window.show()
    action = plugin.proximity_dock.toggleViewAction()
    if action.isChecked():
        action.trigger()
    action.trigger()
    qtbot.waitUntil(lambda: window.focusWidget() is plugin.proximity_dock.place_edit)


def test_loading_opens_no_connection(iface: WindowInterface, qgis_processing, tmp_path: Path, monkeypatch) -> None:
    def refuse(*_arguments: object) -> None:
        raise AssertionError("the plugin opened a connection while loading")

    monkeypatch.setenv(LOCAL_ROOT_VARIABLE, str(tmp_path / "copies"))
    monkeypatch.setattr(socket.socket, "connect", refuse)
    plugin = classFactory(iface)
    plugin.initGui()
    plugin.unload()


def test_sign_in_is_offered_until_somebody_is_signed_in(plugin: SafeStatsPlugin) -> None:
    assert plugin.sign_in_action.isVisible() and not plugin.sign_out_action.isVisible()
    plugin.sign_in_action.trigger()
    assert plugin.flow.dialog is not None
    plugin.flow.close()
    assert plugin.flow.dialog is None


def test_unloading_takes_everything_back(plugin: SafeStatsPlugin, iface: WindowInterface, qtbot) -> None:
    window = iface.mainWindow()
    plugin.unload()
    qtbot.wait(50)  # deleteLater
    assert [dock for dock in window.findChildren(QDockWidget) if dock.objectName().startswith("SafeStats")] == []
    assert [bar for bar in window.findChildren(QToolBar) if bar.objectName().startswith("SafeStats")] == []
    assert iface.pluginMenu().actions() == []
    assert QgsApplication.processingRegistry().providerById("safestats") is None


def test_the_version_is_the_one_of_the_metadata() -> None:
    assert f"version={plugin_version()}\n" in (ROOT / "metadata.txt").read_text(encoding="utf-8")
