"""What lists of incident layers offer, and which layer they show of themselves."""

from __future__ import annotations

from collections.abc import Callable

from qgis.core import QgsProject, QgsVectorLayer
from qgis.gui import QgsMapLayerComboBox
from qgis.PyQt.QtCore import QObject

from ..core.desk import Desk
from ..core.layers import facts
from ..core.run_record import has_record
from ..core.saved_projects import is_stand_in


class WithoutResults(QObject):
    """While it lives, as long as its box, the box offers no layer of the project that an analysis made."""

    def __init__(self, box: QgsMapLayerComboBox, project: QgsProject) -> None:
        super().__init__(box)
        self._box = box
        self._project = project
        project.layersAdded.connect(self._leave_out)
        project.layersRemoved.connect(self._leave_out)
        self._leave_out()

    def _leave_out(self, *_layers: object) -> None:
        self._box.setExceptedLayerList([layer for layer in self._project.mapLayers().values() if has_record(layer)])


class OnlyCopy(QObject):
    """While it lives, as long as its box, an empty box takes the one copy of SafeStats that is open and ``suits``."""

    def __init__(
        self, box: QgsMapLayerComboBox, desk: Desk, suits: Callable[[QgsVectorLayer], bool] = lambda _layer: True
    ) -> None:
        super().__init__(box)
        self._box = box
        self._suits = suits
        desk.layer_opened.connect(self._take)
        desk.project.layersAdded.connect(self._take)
        self._take()

    def _take(self, *_layers: object) -> None:
        if self._box.currentLayer() is not None:
            return
        offered = filter(None, map(self._box.layer, range(self._box.count())))
        copies = [layer for layer in offered if facts(layer) is not None and not is_stand_in(layer)]
        found = list(filter(self._suits, copies))
        if len(found) == 1:
            self._box.setLayer(found[0])
