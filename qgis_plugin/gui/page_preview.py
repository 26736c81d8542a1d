"""The picture of a page, as large as there is room for it."""

from __future__ import annotations

from qgis.PyQt.QtCore import QPoint, QSize, Qt
from qgis.PyQt.QtGui import QImage, QPainter, QPaintEvent
from qgis.PyQt.QtWidgets import QSizePolicy, QWidget

_USUAL = QSize(560, 560)
_LEAST = QSize(300, 300)


class PagePreview(QWidget):
    """Shows ``words`` until there is a page."""

    def __init__(self, words: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._words = words
        self._page = QImage()
        self._scaled = QImage()
        self.setMinimumSize(_LEAST)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)

    def sizeHint(self) -> QSize:
        """What a page is read at without effort."""
        return _USUAL

    @property
    def page(self) -> QImage:
        """The page that is shown; a null image where there is none."""
        return self._page

    def show_page(self, page: QImage) -> None:
        """Show it whole."""
        self._page, self._scaled = page, QImage()
        self.update()

    def paintEvent(self, _event: QPaintEvent) -> None:
        """In the middle, with every pixel that the screen has."""
        painter = QPainter(self)
        if self._page.isNull():
            painter.drawText(self.rect(), Qt.AlignmentFlag.AlignCenter, self._words)
            return
        ratio = self.devicePixelRatioF()
        room = self.size() * ratio
        wanted = self._page.size().scaled(room, Qt.AspectRatioMode.KeepAspectRatio)
        if self._scaled.size() != wanted:
            self._scaled = self._page.scaled(
                wanted, Qt.AspectRatioMode.IgnoreAspectRatio, Qt.TransformationMode.SmoothTransformation
            )
            self._scaled.setDevicePixelRatio(ratio)
        shown = wanted / ratio
        at = QPoint((self.width() - shown.width()) // 2, (self.height() - shown.height()) // 2)
        painter.drawImage(at, self._scaled)
