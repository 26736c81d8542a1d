"""Windows and docks that a small screen has room for."""

from __future__ import annotations

from qgis.PyQt.QtCore import QEvent, QObject, QSize, Qt
from qgis.PyQt.QtWidgets import QAbstractSpinBox, QComboBox, QFrame, QScrollArea, QWidget

_EDGE = QSize(20, 50)  # that window managers draw around it
_CHANGED_BY_WHEEL = (QComboBox, QAbstractSpinBox)


def within(usual: QSize, window: QWidget) -> QSize:
    """``usual``, or what the screen of ``window`` (or of what it belongs to) has room for."""
    above = window.parentWidget() or window
    return usual.boundedTo(above.screen().availableSize() - _EDGE)


class _Scrolled(QScrollArea):
    """Gives its content the height that wrapped words need at this width: Qt asks for their least height at any width,
    and squeezes boxes and words into that."""

    def __init__(self, body: QWidget, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setWidget(body)
        self.setMinimumWidth(body.minimumSizeHint().width() + self.verticalScrollBar().sizeHint().width())

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """QScrollArea watches its content and its viewport already; the boxes are those of ``_calm``."""
        if isinstance(watched, _CHANGED_BY_WHEEL):
            if event.type() == QEvent.Type.Wheel and not watched.hasFocus():
                event.ignore()  # so that the area has it
                return True
            return False
        if event.type() in (QEvent.Type.LayoutRequest, QEvent.Type.Resize):
            self._make_room()
        return super().eventFilter(watched, event)

    def _calm(self) -> None:
        """Let the wheel scroll, not change what the pointer happens to be over."""
        for kind in _CHANGED_BY_WHEEL:
            for box in self.widget().findChildren(kind):
                if box.focusPolicy() == Qt.FocusPolicy.WheelFocus:
                    box.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
                    box.installEventFilter(self)

    def _make_room(self) -> None:
        if self.widget() is not None:
            self._calm()
        layout = self.widget().layout() if self.widget() is not None else None
        if layout is not None and layout.hasHeightForWidth():
            self.widget().setMinimumHeight(layout.minimumHeightForWidth(self.viewport().width()))


def scrolled(body: QWidget, dock: QWidget) -> QScrollArea:
    """``body`` as the content of ``dock``: never narrower than it needs to be, and scrolled where it is higher."""
    return _Scrolled(body, dock)
