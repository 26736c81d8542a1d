"""A map tool that draws one polygon: click its corners, click right to end, Escape to begin anew."""

from __future__ import annotations

from qgis.core import Qgis, QgsGeometry, QgsPointXY
from qgis.gui import QgsMapCanvas, QgsMapMouseEvent, QgsMapTool, QgsRubberBand
from qgis.PyQt.QtCore import Qt, pyqtSignal
from qgis.PyQt.QtGui import QColor, QKeyEvent

_COLOUR = QColor(47, 127, 193, 70)
_EDGE = QColor(47, 127, 193)


class DrawAreaTool(QgsMapTool):
    """``drawn(QgsGeometry)``: a valid polygon in the canvas's coordinate system; ``failed(str)``: why there is none."""

    drawn = pyqtSignal(QgsGeometry)
    failed = pyqtSignal(str)

    def __init__(self, canvas: QgsMapCanvas) -> None:
        super().__init__(canvas)
        self._corners: list[QgsPointXY] = []
        self._band = QgsRubberBand(canvas, Qgis.GeometryType.Polygon)
        self._band.setFillColor(_COLOUR)
        self._band.setStrokeColor(_EDGE)
        self._band.setWidth(2)
        self.setCursor(Qt.CursorShape.CrossCursor)

    def canvasReleaseEvent(self, event: QgsMapMouseEvent) -> None:
        """A corner with the left button; the end with the right one."""
        if event.button() == Qt.MouseButton.LeftButton:
            self._corners.append(event.mapPoint())
            self._show(self._corners)
        elif event.button() == Qt.MouseButton.RightButton:
            self.end()

    def canvasMoveEvent(self, event: QgsMapMouseEvent) -> None:
        """The polygon as it would be with a corner here."""
        if self._corners:
            self._show([*self._corners, event.mapPoint()])

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Escape forgets the corners, Enter ends."""
        if event.key() == Qt.Key.Key_Escape:
            self._forget()
            event.ignore()
        elif event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.end()

    def end(self) -> None:
        """The corners so far are the area."""
        shape = QgsGeometry.fromPolygonXY([self._corners]) if len(self._corners) > 2 else QgsGeometry()
        if shape.isEmpty() or not shape.area() > 0:
            self.failed.emit(self.tr("An area has at least three corners: click them on the map, then click right."))
        elif not shape.isGeosValid():
            self.failed.emit(self.tr("The sides of the area cross each other: draw it again."))
        else:
            self.drawn.emit(shape)
        self._corners = []

    def deactivate(self) -> None:
        """The area stays to be seen until it is forgotten."""
        self._corners = []
        super().deactivate()

    def show_area(self, shape: QgsGeometry | None) -> None:
        """Show an area (in the canvas's coordinate system), or none."""
        self._band.reset(Qgis.GeometryType.Polygon)
        if shape is not None:
            self._band.setToGeometry(shape, None)

    def _forget(self) -> None:
        self._corners = []
        self._band.reset(Qgis.GeometryType.Polygon)

    def _show(self, corners: list[QgsPointXY]) -> None:
        self._band.setToGeometry(QgsGeometry.fromPolygonXY([corners]), None)
