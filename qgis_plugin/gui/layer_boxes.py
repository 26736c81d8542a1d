"""Keeps the results of analyses out of lists of incident layers."""

from __future__ import annotations

from qgis.core import QgsProject
from qgis.gui import QgsMapLayerComboBox
from qgis.PyQt.QtCore import QObject

from ..core.analyses.record import has_record


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
