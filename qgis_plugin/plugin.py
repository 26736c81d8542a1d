"""The plugin as QGIS loads it: desk, docks, menu, toolbar and Processing provider, built and undone."""

from __future__ import annotations

from datetime import datetime, timezone

from qgis.core import Qgis, QgsApplication, QgsProject, QgsSettings
from qgis.gui import QgisInterface
from qgis.PyQt.QtCore import QLocale, QObject, Qt
from qgis.PyQt.QtGui import QAction
from qgis.PyQt.QtWidgets import QDialog, QDockWidget, QMenu, QTabBar, QToolBar

from .core.analyses.running import AnalysisRun
from .core.desk import Desk
from .core.hotspots import HotspotResult
from .core.local_store import LocalStore
from .core.network import QgisNetwork
from .core.proximity import PlaceSearch
from .core.resource_files import TRANSLATIONS
from .core.settings import DeskSettings
from .core.translation import Translation
from .core.version import plugin_version
from .gui.at_home import AtHome
from .gui.explore_dock import ExploreDock
from .gui.hotspot_dock import HotspotDock
from .gui.icons import icon
from .gui.layers_dock import LayersDock
from .gui.proximity_dock import ProximityDock
from .gui.publish_dialog import PublishDialog
from .gui.publish_layer.dialog import PublishLayerDialog
from .gui.purpose_dialog import PurposeDialog
from .gui.sessions_dialog import SessionsDialog
from .gui.sign_in_flow import SignInFlow
from .gui.storage_dialog import StorageDialog
from .gui.time_dock import TimeDock
from .layouts.time_page import TimeChart
from .processing.provider import SafeStatsProvider

_DOCK_WIDTH = 430


class SafeStatsPlugin(QObject):
    """QGIS calls ``initGui`` and ``unload``; nothing here touches the network."""

    def __init__(self, iface: QgisInterface) -> None:
        super().__init__()
        self._iface = iface

    def initProcessing(self) -> None:
        """Register the algorithms; QGIS calls this alone when it runs without windows (``qgis_process``)."""
        self.provider = SafeStatsProvider()
        QgsApplication.processingRegistry().addProvider(self.provider)

    def initGui(self) -> None:
        """Build everything that can be seen."""
        # QgsApplication.locale() is what the user chose for QGIS, whatever the system's language.
        self.translation = Translation(TRANSLATIONS, QLocale(QgsApplication.locale()))
        self.initProcessing()
        settings = DeskSettings(QgsSettings())
        store = LocalStore(settings.local_root)
        self.desk = Desk(settings, store, QgisNetwork(), plugin_version(), QgsProject.instance(), self)
        self.desk.remove_lapsed(datetime.now(timezone.utc))
        self.desk.told.connect(self._tell)

        window = self._iface.mainWindow()
        self.flow = SignInFlow(self.desk, window)
        self.layers_dock = LayersDock(self.desk, self._iface, window)
        self.proximity_dock = ProximityDock(self.desk, self._iface, window)
        self.explore_dock = ExploreDock(self.desk, self._iface, window)
        self.hotspot_dock = HotspotDock(self.desk, self._iface, window)
        self.time_dock = TimeDock(self.desk, self._iface, window)
        self._docks: list[QDockWidget] = [
            self.layers_dock,
            self.explore_dock,
            self.proximity_dock,
            self.hotspot_dock,
            self.time_dock,
        ]
        for dock in self._docks:
            self._iface.addDockWidget(Qt.DockWidgetArea.RightDockWidgetArea, dock)
            # A dock that is a tab under another is moved away, not hidden: its letters would still answer to Alt.
            dock.visibilityChanged.connect(dock.widget().setVisible)
        self.layers_dock.setMinimumWidth(self._width_of_tabs())
        # QGIS restores its window after it has loaded the plugins, which would undo an arrangement made now.
        self._iface.initializationCompleted.connect(self._arrange_docks)
        if window.isVisible():
            self._arrange_docks()

        self.at_home = AtHome(
            self.desk,
            self._iface,
            self.proximity_dock.search_around,
            lambda: self.flow.start(),
            self.sign_out,
            lambda: self.layers_dock.setUserVisible(True),
        )
        self.menu = QMenu(self.tr("&SafeStats"), window)
        self.menu.setObjectName("SafeStatsMenu")
        self._iface.pluginMenu().addMenu(self.menu)
        self.toolbar = QToolBar(self.tr("SafeStats"), window)
        self.toolbar.setObjectName("SafeStatsToolbar")
        self._iface.addToolBar(self.toolbar)
        self._add_actions()

        self.publish_dialog: PublishDialog | None = None
        self.session_dialog: QDialog | None = None  # of purpose or sessions
        self.proximity_dock.report_requested.connect(self.publish)
        self.hotspot_dock.map_requested.connect(self.publish)
        self.time_dock.export_requested.connect(self.publish)
        self.layers_dock.sign_in_requested.connect(self.flow.start)
        self.layers_dock.sign_out_requested.connect(self.sign_out)
        self.layers_dock.purpose_requested.connect(self.change_purpose)
        self.layers_dock.sessions_requested.connect(self.show_sessions)
        self.layers_dock.storage_requested.connect(self.show_storage)
        self.flow.declined.connect(self.layers_dock.tell)
        self.flow.failed.connect(self.layers_dock.complain)
        self.desk.session_changed.connect(self._show_session)
        self._show_session()

    def unload(self) -> None:
        """Take everything back that ``initGui`` added."""
        self._iface.initializationCompleted.disconnect(self._arrange_docks)
        self.flow.close()
        self.flow.deleteLater()
        for dialog in (self.publish_dialog, self.session_dialog):
            if dialog is not None:
                dialog.close()
        self.proximity_dock.close_down()
        self.explore_dock.close_down()
        self.hotspot_dock.close_down()
        self.time_dock.close_down()
        self.at_home.remove()
        self.desk.close()
        for dock in self._docks:
            self._iface.removeDockWidget(dock)
            dock.deleteLater()
        self._iface.pluginMenu().removeAction(self.menu.menuAction())
        self.menu.deleteLater()
        self._iface.mainWindow().removeToolBar(self.toolbar)
        self.toolbar.deleteLater()
        QgsApplication.processingRegistry().removeProvider(self.provider)
        self.translation.remove()

    def sign_out(self) -> None:
        """End the session; its layers leave the project."""
        self.desk.sign_out(lambda: None)
        self.layers_dock.tell(self.tr("You are signed out. Your local copies stay here until they lapse."))

    def change_purpose(self) -> None:
        """Show the window that changes the purpose of the session."""
        if self.desk.signed_in:
            self._show_dialog(PurposeDialog(self.desk, self._iface.mainWindow()))

    def show_sessions(self) -> None:
        """Show the window that lists where the person is signed in."""
        if self.desk.signed_in:
            self._show_dialog(SessionsDialog(self.desk, self._iface.mainWindow()))

    def show_storage(self) -> None:
        """Show the window that tells what the local copies take on this computer."""
        self._show_dialog(StorageDialog(self.desk, self._iface.mainWindow()))

    def publish_layer(self) -> None:
        """Show the window that publishes a layer to a dataset, to those who may."""
        session = self.desk.session
        if self.desk.signed_in and session is not None and session.user.publishes:
            self._show_dialog(PublishLayerDialog(self.desk, self._iface, self._iface.mainWindow()))

    def publish(self, result: HotspotResult | AnalysisRun | PlaceSearch | TimeChart) -> None:
        """Show the dialog that makes a map or a report of ``result``, in place of one that is open."""
        if self.publish_dialog is not None:
            self.publish_dialog.close()
        dialog = PublishDialog(self.desk, self._iface, result, self._iface.mainWindow())
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.finished.connect(self._published)
        self.publish_dialog = dialog
        dialog.open()

    def _arrange_docks(self) -> None:
        """The docks as tabs of one another, the first time; afterwards they stay where their user puts them."""
        if self.desk.settings.docks_arranged:
            return
        window = self._iface.mainWindow()
        for dock in self._docks[1:]:
            window.tabifyDockWidget(self.layers_dock, dock)
        window.resizeDocks([self.layers_dock], [_DOCK_WIDTH], Qt.Orientation.Horizontal)
        self.layers_dock.raise_()
        self.desk.settings.docks_arranged = True

    @staticmethod
    def _begin_in(dock: QDockWidget) -> None:
        """To the front, with the keyboard on its first input: from QGIS's map no Tab leads there."""
        dock.raise_()
        dock.widget().show()
        part = dock.nextInFocusChain()
        while dock.isAncestorOf(part):
            if part.focusPolicy() & Qt.FocusPolicy.TabFocus and part.isVisibleTo(dock) and part.isEnabled():
                part.setFocus(Qt.FocusReason.TabFocusReason)
                return
            part = part.nextInFocusChain()

    def _width_of_tabs(self) -> int:
        """What the titles of all docks need beside each other, so that none is cut."""
        bar = QTabBar()
        bar.setElideMode(Qt.TextElideMode.ElideNone)
        for dock in self._docks:
            bar.addTab(dock.windowTitle())
        return bar.sizeHint().width()

    def _tell(self, sentence: str) -> None:
        self._iface.messageBar().pushMessage(self.tr("SafeStats"), sentence, Qgis.MessageLevel.Warning, 0)

    def _show_dialog(self, dialog: QDialog) -> None:
        if self.session_dialog is not None:
            self.session_dialog.close()
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.finished.connect(self._dialog_closed)
        self.session_dialog = dialog
        dialog.open()

    def _dialog_closed(self) -> None:
        self.session_dialog = None

    def _published(self) -> None:
        self.publish_dialog = None

    def _add_actions(self) -> None:
        self.sign_in_action = QAction(icon("sign_in"), self.tr("Sign in…"), self.menu)
        self.sign_in_action.triggered.connect(lambda: self.flow.start())
        self.sign_out_action = QAction(icon("sign_out"), self.tr("Sign out"), self.menu)
        self.sign_out_action.triggered.connect(self.sign_out)
        self.purpose_action = QAction(icon("purpose"), self.tr("Change purpose…"), self.menu)
        self.purpose_action.triggered.connect(self.change_purpose)
        self.sessions_action = QAction(icon("sessions"), self.tr("Where you are signed in…"), self.menu)
        self.sessions_action.triggered.connect(self.show_sessions)
        self.storage_action = QAction(icon("storage"), self.tr("Local copies…"), self.menu)
        self.storage_action.triggered.connect(self.show_storage)
        self.publish_layer_action = QAction(icon("layers"), self.tr("Publish a layer…"), self.menu)
        self.publish_layer_action.triggered.connect(self.publish_layer)
        shown = []
        titles = {
            self.layers_dock: ("layers", self.tr("Layers")),
            self.proximity_dock: ("proximity", self.tr("Proximity search")),
            self.explore_dock: ("explore", self.tr("Explore")),
            self.hotspot_dock: ("hotspot", self.tr("Hotspots")),
            self.time_dock: ("time", self.tr("Time")),
        }
        for dock, (name, words) in titles.items():
            action = dock.toggleViewAction()
            action.setIcon(icon(name))
            action.setText(words)
            action.setToolTip(words)
            # A dock that lies under another as a tab is shown, but not seen.
            action.triggered.connect(lambda checked, dock=dock: self._begin_in(dock) if checked else None)
            shown.append(action)
        for action in (self.sign_in_action, self.sign_out_action):
            self.menu.addAction(action)
            self.toolbar.addAction(action)
        self.menu.addAction(self.purpose_action)
        self.menu.addAction(self.sessions_action)
        self.menu.addAction(self.publish_layer_action)
        self.menu.addAction(self.storage_action)
        self.menu.addSeparator()
        self.toolbar.addSeparator()
        for action in shown:
            self.menu.addAction(action)
            self.toolbar.addAction(action)
        self.menu.addSeparator()
        self.menu.addAction(self.at_home.options_action)
        self.menu.addAction(self.at_home.help_action)

    def _show_session(self) -> None:
        signed_in = self.desk.signed_in
        self.sign_in_action.setVisible(not signed_in)
        self.sign_out_action.setVisible(signed_in or self.desk.offline)
        for action in (self.purpose_action, self.sessions_action):
            action.setVisible(signed_in)
        session = self.desk.session
        self.publish_layer_action.setVisible(signed_in and session is not None and session.user.publishes)
