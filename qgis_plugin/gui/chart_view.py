"""Shows a chart as it is printed, on paper in every theme; where the pointer rests it tells what is there."""

from __future__ import annotations

from collections.abc import Callable

from qgis.PyQt.QtCore import QEvent, QPointF, QRectF, QSize, Qt
from qgis.PyQt.QtGui import QColor, QHelpEvent, QPainter, QPaintEvent, QResizeEvent
from qgis.PyQt.QtWidgets import QSizePolicy, QToolTip, QWidget

from ..layouts.drawing import Drawing
from ..layouts.items import PAPER

_MARGIN_MM = 2.5
Draw = Callable[[float, float, float], Drawing]  # width and height in mm, type in points
Least = Callable[[float], float]  # the least height in mm, of type in points


class ChartView(QWidget):
    """A chart that is drawn anew for whatever room it has."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._draw: Draw | None = None
        self._least: Least = lambda _size: 0.0
        self._drawing: Drawing | None = None
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)  # so that a screen reader comes by
        self.setAccessibleName(self.tr("Chart"))

    @property
    def drawing(self) -> Drawing | None:
        """What is shown now."""
        return self._drawing

    def show_chart(self, draw: Draw, least: Least, words: str) -> None:
        """Show what ``draw`` makes of the room; ``words`` say it to who cannot see it."""
        self._draw, self._least = draw, least
        self.setAccessibleDescription(words)
        self.setMinimumHeight(self._height())
        self.updateGeometry()
        self._renew()

    def clear(self) -> None:
        """Show nothing."""
        self._draw, self._drawing = None, None
        self.setAccessibleDescription("")
        self.setMinimumHeight(0)
        self.update()

    def minimumSizeHint(self) -> QSize:
        """As high as the chart needs."""
        return QSize(round(70 * self._scale), self._height())

    def sizeHint(self) -> QSize:
        """A little more than that."""
        return QSize(round(110 * self._scale), round(self._height() * 1.15))

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Draw for the new room."""
        super().resizeEvent(event)
        self._renew()

    def paintEvent(self, _event: QPaintEvent) -> None:
        """The paper and the chart."""
        if self._drawing is None:
            return
        painter = QPainter(self)
        painter.fillRect(QRectF(self.rect()), QColor(PAPER))
        painter.translate(_MARGIN_MM * self._scale, _MARGIN_MM * self._scale)
        painter.scale(self._scale, self._scale)
        self._drawing.paint(painter)
        painter.end()

    def event(self, event: QEvent) -> bool:
        """Tell what is under the pointer."""
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            told = self.told_at(QPointF(event.pos()))
            QToolTip.showText(event.globalPos(), told, self) if told else QToolTip.hideText()
            return True
        return super().event(event)

    def told_at(self, place: QPointF) -> str:
        """What is told of a place of the widget, in pixels; empty where nothing is."""
        if self._drawing is None:
            return ""
        return self._drawing.tip_at(place.x() / self._scale - _MARGIN_MM, place.y() / self._scale - _MARGIN_MM)

    @property
    def _scale(self) -> float:
        """Pixels a millimetre, as large as the window's type asks for."""
        return self.logicalDpiY() / 25.4

    @property
    def _type(self) -> float:
        size = self.font().pointSizeF()
        return size * 0.9 if size > 0 else 8.0

    def _height(self) -> int:
        return 0 if self._draw is None else round((self._least(self._type) + 2 * _MARGIN_MM) * self._scale)

    def _renew(self) -> None:
        if self._draw is None:
            return
        room = (self.width() / self._scale - 2 * _MARGIN_MM, self.height() / self._scale - 2 * _MARGIN_MM)
        self._drawing = self._draw(max(room[0], 20.0), max(room[1], 20.0), self._type) if min(room) > 0 else None
        self.update()
