"""Card and strip: quiet surfaces drawn from the palette in force, at home in light and dark themes."""

from __future__ import annotations

from enum import Enum

from qgis.PyQt.QtCore import QRectF, QSize, Qt
from qgis.PyQt.QtGui import QColor, QPainter, QPaintEvent, QPalette, QPen
from qgis.PyQt.QtWidgets import QFrame, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from .icons import icon

GAP = 6  # between what belongs together
MARGIN = 12  # around a group
_RADIUS = 6.0


class Tone(Enum):
    """What a strip has to say; the value is its icon and its colour."""

    NOTE = ("information", "#2f7fc1")
    WARNING = ("warning", "#e29a2d")
    TROUBLE = ("trouble", "#d1495b")
    GOOD = ("permitted", "#3a9d6e")


def blended(under: QColor, over: QColor, share: float) -> QColor:
    """``over`` laid on ``under`` with an opacity of ``share``."""
    return QColor.fromRgbF(
        *(u * (1 - share) + o * share for u, o in zip(under.getRgbF()[:3], over.getRgbF()[:3])),
    )


class Card(QFrame):
    """A rounded surface with a thin edge; put a layout into ``body``."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.body = QVBoxLayout(self)
        self.body.setContentsMargins(MARGIN, MARGIN, MARGIN, MARGIN)
        self.body.setSpacing(GAP)

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Base colour, with an edge between text and window."""
        palette = self.palette()
        edge = blended(palette.color(QPalette.ColorRole.Window), palette.color(QPalette.ColorRole.WindowText), 0.22)
        _draw(self, palette.color(QPalette.ColorRole.Base), edge)


class Strip(QFrame):
    """A sentence with an icon on a tinted surface; hidden while it has nothing to say."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._tone = Tone.NOTE
        self._icon = QLabel(self)
        self._icon.setAlignment(Qt.AlignmentFlag.AlignTop)
        self._text = QLabel(self)
        self._text.setWordWrap(True)
        self._text.setTextFormat(Qt.TextFormat.PlainText)
        self._text.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
        )
        row = QHBoxLayout(self)
        row.setContentsMargins(8, 8, 8, 8)
        row.setSpacing(8)
        row.addWidget(self._icon)
        row.addWidget(self._text, 1)
        self.hide()

    @property
    def text(self) -> str:
        """What it says now; empty where it is hidden."""
        return "" if self.isHidden() else self._text.text()

    def say(self, sentence: str, tone: Tone) -> None:
        """Show ``sentence``."""
        self._tone = tone
        self._icon.setPixmap(icon(tone.value[0]).pixmap(QSize(16, 16)))
        self._text.setText(sentence)
        self.setAccessibleName(sentence)
        self.show()
        self.update()

    def clear(self) -> None:
        """Say nothing."""
        self._text.clear()
        self.hide()

    def paintEvent(self, _event: QPaintEvent) -> None:
        """The window's colour, tinted by the tone."""
        window, tone = self.palette().color(QPalette.ColorRole.Window), QColor(self._tone.value[1])
        _draw(self, blended(window, tone, 0.14), blended(window, tone, 0.5))


def small(label: QLabel) -> QLabel:
    """Make ``label`` a secondary one: smaller and fainter, still readable in every theme."""
    font = label.font()
    font.setPointSizeF(font.pointSizeF() * 0.92)
    label.setFont(font)
    palette = label.palette()
    text = blended(palette.color(QPalette.ColorRole.Base), palette.color(QPalette.ColorRole.WindowText), 0.72)
    palette.setColor(QPalette.ColorRole.WindowText, text)
    label.setPalette(palette)
    return label


def plain(label: QLabel) -> QLabel:
    """Let ``label`` show words from the server as they are, never as HTML."""
    label.setTextFormat(Qt.TextFormat.PlainText)
    return label


def heading(label: QLabel, scale: float) -> QLabel:
    """Make ``label`` a heading, ``scale`` times as large as text."""
    font = label.font()
    font.setPointSizeF(font.pointSizeF() * scale)
    font.setBold(True)
    label.setFont(font)
    return label


def _draw(frame: QFrame, fill: QColor, edge: QColor) -> None:
    painter = QPainter(frame)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(QPen(edge, 1.0))
    painter.setBrush(fill)
    painter.drawRoundedRect(QRectF(frame.rect()).adjusted(0.5, 0.5, -0.5, -0.5), _RADIUS, _RADIUS)
    painter.end()
