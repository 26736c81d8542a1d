"""What SafeStats adds to QGIS's own places: locator bar, Browser, options, expressions, help; added and taken back."""

from __future__ import annotations

from collections.abc import Callable

from qgis.core import Qgis
from qgis.gui import QgisInterface
from qgis.PyQt.QtCore import QObject, Qt
from qgis.PyQt.QtGui import QAction

from ...shared.ring_answer import Place
from ..core.desk import Desk
from ..core.errors import Cancelled, DeskError
from ..core.expression_functions import ExpressionFunctions
from ..core.known_places import KnownPlaces
from ..core.places import PlaceFinder
from ..core.pull import PullResult
from .browser import BrowserDeeds, BrowserNode
from .go_to_place import go_to
from .help_window import HelpWindow
from .icons import icon
from .locator import PlaceLocator
from .options_page import KEY, OptionsFactory

_TOLD_S = 6


class AtHome(QObject):
    """Everything is there once it is made; ``remove`` leaves nothing behind."""

    def __init__(
        self,
        desk: Desk,
        iface: QgisInterface,
        search_around: Callable[[Place], None],
        sign_in: Callable[[], None],
        sign_out: Callable[[], None],
        show_layers: Callable[[], None],
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._desk, self._iface = desk, iface
        self._help: HelpWindow | None = None
        finder = PlaceFinder()
        places = KnownPlaces(finder, lambda: desk.settings.premises_list)
        self.locator = PlaceLocator(places, self.go, search_around, self.show_options)
        iface.registerLocatorFilter(self.locator)
        self.options = OptionsFactory(desk.settings, desk.plugin_version, self.show_help)
        iface.registerOptionsWidgetFactory(self.options)
        self.browser = BrowserNode(desk, BrowserDeeds(self.open_copy, self.pull, sign_in, sign_out, show_layers), self)
        self.functions = ExpressionFunctions(finder)
        self.functions.register()
        self.options_action = QAction(icon("purpose"), self.tr("Options…"), self)
        self.options_action.triggered.connect(lambda: self.show_options())
        self.help_action = QAction(icon("information"), self.tr("Help"), self)
        self.help_action.triggered.connect(lambda: self.show_help())

    def remove(self) -> None:
        """Take everything back."""
        if self._help is not None:
            self._help.close()
        self.functions.remove()
        self.browser.remove()
        self._iface.unregisterOptionsWidgetFactory(self.options)
        self._iface.deregisterLocatorFilter(self.locator)

    def go(self, place: Place) -> None:
        """The map moves to ``place``."""
        if not go_to(self._iface.mapCanvas(), self._desk.project, place):
            self._tell(
                self.tr("{place} cannot be shown in the projection of this map.").format(place=place.label),
                Qgis.MessageLevel.Warning,
            )

    def open_copy(self, dataset: str) -> None:
        """Open the local copy in the project, which is recorded; trouble is told in the message bar."""
        try:
            layer = self._desk.open_layer(dataset)
        except DeskError as error:
            self._tell(error.sentence, Qgis.MessageLevel.Warning)
            return
        self._iface.setActiveLayer(layer)
        if layer.isSpatial() and not layer.extent().isEmpty():
            self._iface.zoomToActiveLayer()

    def pull(self, dataset: str) -> None:
        """Renew the local copy in the background; how it ends is told in the message bar."""
        copy = self._desk.copy(dataset)
        title = copy.manifest.title if copy is not None else dataset

        def done(_result: PullResult) -> None:
            self._tell(self.tr("{layer}: the local copy is up to date.").format(layer=title), Qgis.MessageLevel.Success)

        def failed(error: DeskError) -> None:
            if not isinstance(error, Cancelled):
                self._tell(error.sentence, Qgis.MessageLevel.Warning)

        try:
            _ = self._desk.transport
            self._desk.pull(dataset, title, done, failed)
        except DeskError as error:
            failed(error)

    def show_options(self) -> None:
        """QGIS's options at the page of SafeStats."""
        self._iface.showOptionsDialog(self._iface.mainWindow(), KEY)

    def show_help(self, topic: str = "") -> None:
        """The help, at the page of that file name or where it was left."""
        if self._help is None:
            self._help = HelpWindow(self._iface.mainWindow())
            self._help.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
            self._help.finished.connect(self._help_closed)
        if topic:
            self._help.show_topic(topic)
        self._help.show()
        self._help.raise_()
        self._help.activateWindow()

    def _help_closed(self) -> None:
        self._help = None

    def _tell(self, sentence: str, level: Qgis.MessageLevel) -> None:
        seconds = 0 if level == Qgis.MessageLevel.Warning else _TOLD_S
        self._iface.messageBar().pushMessage("SafeStats", sentence, level, seconds)
