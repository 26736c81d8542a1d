"""The SafeStats node of QGIS's Browser: the person's local copies, opened and renewed from there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone

from qgis.core import Qgis, QgsApplication, QgsDataItem, QgsDataItemProvider, QgsDataProvider
from qgis.PyQt import sip
from qgis.PyQt.QtCore import QObject
from qgis.PyQt.QtGui import QAction
from qgis.PyQt.QtWidgets import QWidget

from ..core.days import day_in_words
from ..core.desk import Desk
from ..core.layer_metadata import layer_title
from ..core.local_store import LocalCopy
from .icons import icon

_ROOT = "safestats:"
_NAME = "SafeStats"


@dataclass(frozen=True)
class BrowserDeeds:
    """What a click in the Browser does; each works through the desk, so that every use is recorded."""

    open_copy: Callable[[str], None]  # a dataset
    pull: Callable[[str], None]
    sign_in: Callable[[], None]
    sign_out: Callable[[], None]
    show_layers: Callable[[], None]


class CopyItem(QgsDataItem):
    """A local copy. It cannot be dragged: a layer opened behind the desk's back would be a use that nobody noted."""

    def __init__(self, parent: QgsDataItem, copy: LocalCopy, deeds: BrowserDeeds) -> None:
        self._dataset, self._deeds = copy.manifest.dataset, deeds
        path = f"{_ROOT}/{copy.manifest.dataset}"
        super().__init__(Qgis.BrowserItemType.Custom, parent, layer_title(copy.manifest), path, _NAME)
        self._lapsed = copy.lapsed(datetime.now(timezone.utc))
        theme = "mIconPointLayer.svg" if copy.manifest.geometry != "none" else "mIconTableLayer.svg"
        self.setIcon(QgsApplication.getThemeIcon(theme))
        words = (
            self.tr("{rows} rows to {newest}. The copy lapsed on {day}: pull it again.")
            if self._lapsed
            else self.tr("{rows} rows to {newest}. The copy is valid until {day}.")
        )
        self.setToolTip(
            words.format(
                rows=f"{copy.manifest.rows:,}", newest=copy.manifest.newest_period, day=day_in_words(copy.last_day)
            )
        )
        self.setState(Qgis.BrowserItemState.Populated)  # nothing is below it

    def handleDoubleClick(self) -> bool:
        """Open it in the project."""
        self._deeds.open_copy(self._dataset)
        return True

    def actions(self, parent: QWidget) -> list[QAction]:
        """What its menu offers."""
        opens = QAction(icon("open_map"), self.tr("Open in map"), parent)
        opens.triggered.connect(lambda: self._deeds.open_copy(self._dataset))
        opens.setEnabled(not self._lapsed)
        pulls = QAction(icon("pull"), self.tr("Update"), parent)
        pulls.triggered.connect(lambda: self._deeds.pull(self._dataset))
        return [opens, pulls]


class RootItem(QgsDataItem):
    """“SafeStats”: below it the copies of whoever is signed in."""

    def __init__(self, desk: Desk, deeds: BrowserDeeds) -> None:
        super().__init__(Qgis.BrowserItemType.Custom, None, _NAME, _ROOT, _NAME)
        self._desk, self._deeds = desk, deeds
        self.setIcon(icon("safestats"))
        # What is below is known in memory: no file is read and no thread needed.
        self.setCapabilitiesV2(Qgis.BrowserItemCapability.Fast | Qgis.BrowserItemCapability.Fertile)

    def createChildren(self) -> list[QgsDataItem]:
        """A new item for each copy."""
        return [CopyItem(self, copy, self._deeds) for copy in self._desk.known_copies()]

    def actions(self, parent: QWidget) -> list[QAction]:
        """What its menu offers."""
        if self._desk.signed_in or self._desk.offline:
            shown = QAction(icon("layers"), self.tr("Show what may be pulled"), parent)
            shown.triggered.connect(lambda: self._deeds.show_layers())
            out = QAction(icon("sign_out"), self.tr("Sign out"), parent)
            out.triggered.connect(lambda: self._deeds.sign_out())
            return [shown, out]
        signs_in = QAction(icon("sign_in"), self.tr("Sign in…"), parent)
        signs_in.triggered.connect(lambda: self._deeds.sign_in())
        return [signs_in]


class _Provider(QgsDataItemProvider):
    """Makes the root of each Browser; ``roots`` are those that QGIS has asked for."""

    def __init__(self, desk: Desk, deeds: BrowserDeeds) -> None:
        super().__init__()
        self._desk, self._deeds = desk, deeds
        self.roots: list[RootItem] = []

    def name(self) -> str:
        return _NAME

    def capabilities(self) -> int:
        return QgsDataProvider.DataCapability.Net

    def createDataItem(self, path: str, parent: QgsDataItem | None) -> QgsDataItem | None:
        if path or parent is not None:
            return None
        root = RootItem(self._desk, self._deeds)
        self.roots.append(root)  # QGIS owns the item, but not its Python half
        return root


class BrowserNode(QObject):
    """Adds the node to the Browser, renews it when copies or the session change, and takes it away again."""

    def __init__(self, desk: Desk, deeds: BrowserDeeds, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._provider = _Provider(desk, deeds)
        QgsApplication.dataItemProviderRegistry().addProvider(self._provider)
        desk.session_changed.connect(self.renew)
        desk.layers_listed.connect(self.renew)
        desk.copies_changed.connect(self.renew)

    def renew(self, *_arguments: object) -> None:
        """Show what is here now."""
        self._provider.roots = [root for root in self._provider.roots if not sip.isdeleted(root)]
        for root in self._provider.roots:
            root.refresh()

    def remove(self) -> None:
        """QGIS takes the node out of its Browsers."""
        QgsApplication.dataItemProviderRegistry().removeProvider(self._provider)
