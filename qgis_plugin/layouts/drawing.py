"""A chart as shapes and words in millimetres: painted in a window as it is printed, and written as SVG.

What is drawn is all there is: no data, no identifiers and nothing hidden is in the SVG.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import lru_cache
from html import escape

from qgis.PyQt.QtCore import QLineF, QPointF, QRectF, Qt
from qgis.PyQt.QtGui import QColor, QFont, QFontMetricsF, QPainter, QPen, QPolygonF

from .typography import FAMILIES, INK

MM_PER_POINT = 25.4 / 72
_HATCH_MM = 1.1
_LINE = "#9aa5b1"
_FINE = 100  # SVG units a millimetre: renderers round sizes of type to whole units
_MEASURED = 200  # pixels of type by which widths are measured, so that hinting does not count
ELLIPSIS = "…"


class Anchor(Enum):
    """Where words stand from their point; the value is SVG's."""

    START = "start"
    MIDDLE = "middle"
    END = "end"


@dataclass(frozen=True)
class Box:
    """A rectangle; ``hatched`` for what was not delivered. ``tip`` is told where the pointer rests on it."""

    rect: QRectF
    fill: str = ""
    line: str = ""
    hatched: bool = False
    tip: str = ""


@dataclass(frozen=True)
class Path:
    """A line through points."""

    points: tuple[tuple[float, float], ...]
    colour: str
    width: float = 0.25
    dashed: bool = False


@dataclass(frozen=True)
class Dot:
    """A filled circle."""

    x: float
    y: float
    radius: float
    fill: str
    tip: str = ""


@dataclass(frozen=True)
class Words:
    """A line of text whose middle is at the height ``y``; ``size`` in points."""

    x: float
    y: float
    words: str
    size: float
    colour: str = INK
    bold: bool = False
    anchor: Anchor = Anchor.START


@dataclass
class Drawing:
    """Shapes in the order in which they are drawn; ``width`` and ``height`` in millimetres."""

    width: float
    height: float
    family: str = ""
    shapes: list[Box | Path | Dot | Words] = field(default_factory=list)

    def box(self, rect: QRectF, fill: str = "", line: str = "", *, hatched: bool = False, tip: str = "") -> None:
        """Add a rectangle, unless it is empty."""
        if rect.width() > 0 and rect.height() > 0:
            self.shapes.append(Box(rect, fill, line, hatched, tip))

    def line(
        self, points: Sequence[tuple[float, float]], colour: str, width: float = 0.25, *, dashed: bool = False
    ) -> None:
        """Add a line, where there are two points at least."""
        if len(points) > 1:
            self.shapes.append(Path(tuple(points), colour, width, dashed))

    def dot(self, x: float, y: float, radius: float, fill: str, tip: str = "") -> None:
        """Add a filled circle."""
        self.shapes.append(Dot(x, y, radius, fill, tip))

    def words(
        self,
        x: float,
        y: float,
        words: str,
        size: float,
        colour: str = INK,
        *,
        bold: bool = False,
        anchor: Anchor = Anchor.START,
        room: float = 0.0,
    ) -> None:
        """Add a line of text; cut with an ellipsis where ``room`` (mm) is given and too narrow."""
        told = self.shortened(words, size, room, bold) if room else words
        if told:
            self.shapes.append(Words(x, y, told, size, colour, bold, anchor))

    def width_of(self, words: str, size: float, bold: bool = False) -> float:
        """How long the words are in millimetres."""
        return _width(words, self.family, bold) * size * MM_PER_POINT

    def shortened(self, words: str, size: float, room: float, bold: bool = False) -> str:
        """The words, or as many letters as there is ``room`` for and an ellipsis."""
        if self.width_of(words, size, bold) <= room:
            return words
        while words and self.width_of(words.rstrip() + ELLIPSIS, size, bold) > room:
            words = words[:-1]
        return words.rstrip(" ,;–") + ELLIPSIS if words else ""

    def tip_at(self, x: float, y: float) -> str:
        """What is told of the place, in millimetres; empty where nothing is."""
        for shape in reversed(self.shapes):
            if isinstance(shape, Box) and shape.tip and shape.rect.contains(QPointF(x, y)):
                return shape.tip
            if isinstance(shape, Dot) and shape.tip and (shape.x - x) ** 2 + (shape.y - y) ** 2 <= 1.5**2:
                return shape.tip
        return ""

    # ------------------------------------------------------------------ painted

    def paint(self, painter: QPainter) -> None:
        """Paint it where a unit of the painter is a millimetre."""
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        for shape in self.shapes:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(Qt.BrushStyle.NoBrush)
            if isinstance(shape, Box):
                _paint_box(painter, shape)
            elif isinstance(shape, Path):
                style = Qt.PenStyle.DashLine if shape.dashed else Qt.PenStyle.SolidLine
                painter.setPen(QPen(QColor(shape.colour), shape.width, style, Qt.PenCapStyle.FlatCap))
                painter.drawPolyline(QPolygonF([QPointF(x, y) for x, y in shape.points]))
            elif isinstance(shape, Dot):
                painter.setBrush(QColor(shape.fill))
                painter.drawEllipse(QPointF(shape.x, shape.y), shape.radius, shape.radius)
            else:
                self._paint_words(painter, shape)

    def _paint_words(self, painter: QPainter, shape: Words) -> None:
        """Drawn large and shrunk: type of a few units would be rounded to whole ones."""
        font = _font(self.family, shape.bold)
        metrics = QFontMetricsF(font)
        scale = shape.size * MM_PER_POINT / _MEASURED
        shift = {Anchor.START: 0.0, Anchor.MIDDLE: 0.5, Anchor.END: 1.0}[shape.anchor]
        painter.save()
        painter.translate(shape.x, shape.y)
        painter.scale(scale, scale)
        painter.setFont(font)
        painter.setPen(QColor(shape.colour))
        painter.drawText(QPointF(-shift * metrics.horizontalAdvance(shape.words), metrics.capHeight() / 2), shape.words)
        painter.restore()

    # ------------------------------------------------------------------ written

    def svg(self) -> bytes:
        """The drawing as an SVG of its size."""
        inside = "".join(map(self._element, self.shapes))
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{self.width:.2f}mm" height="{self.height:.2f}mm" '
            f'viewBox="0 0 {_fine(self.width)} {_fine(self.height)}">{inside}</svg>'
        ).encode()

    def _element(self, shape: Box | Path | Dot | Words) -> str:
        if isinstance(shape, Box):
            rect = shape.rect
            outline = f' stroke="{shape.line}" stroke-width="{_fine(0.15)}"' if shape.line else ' stroke="none"'
            box = (
                f'<rect x="{_fine(rect.x())}" y="{_fine(rect.y())}" width="{_fine(rect.width())}" '
                f'height="{_fine(rect.height())}" fill="{shape.fill or "none"}"{outline}/>'
            )
            return box + "".join(_svg_line([(a.x1(), a.y1()), (a.x2(), a.y2())], _LINE, 0.15) for a in _hatch(shape))
        if isinstance(shape, Path):
            return _svg_line(shape.points, shape.colour, shape.width, shape.dashed)
        if isinstance(shape, Dot):
            return (
                f'<circle cx="{_fine(shape.x)}" cy="{_fine(shape.y)}" r="{_fine(shape.radius)}" fill="{shape.fill}"/>'
            )
        size = shape.size * MM_PER_POINT
        capitals = QFontMetricsF(_font(self.family, shape.bold)).capHeight() / _MEASURED
        weight = ' font-weight="bold"' if shape.bold else ""
        families = ", ".join(dict.fromkeys(filter(None, (self.family, *FAMILIES, "sans-serif"))))
        return (
            f'<text x="{_fine(shape.x)}" y="{_fine(shape.y + capitals * size / 2)}" font-family="{escape(families)}" '
            f'font-size="{_fine(size)}"{weight} fill="{shape.colour}" text-anchor="{shape.anchor.value}">'
            f"{escape(shape.words, quote=False)}</text>"
        )


def _paint_box(painter: QPainter, shape: Box) -> None:
    if shape.fill:
        painter.setBrush(QColor(shape.fill))
    if shape.line:
        painter.setPen(QPen(QColor(shape.line), 0.15))
    painter.drawRect(shape.rect)
    if shape.hatched:
        painter.setPen(QPen(QColor(_LINE), 0.15))
        painter.drawLines(_hatch(shape))


def _hatch(shape: Box) -> list[QLineF]:
    """Slanting lines within a box that is hatched."""
    if not shape.hatched:
        return []
    rect, lines = shape.rect, []
    at = _HATCH_MM / 2
    while at < rect.width() + rect.height():
        # From the lower left: in by the left edge or the bottom, out by the top or the right edge.
        from_left, to_top = max(0.0, at - rect.height()), min(at, rect.width())
        lines.append(
            QLineF(
                rect.left() + from_left,
                rect.top() + (at - from_left),
                rect.left() + to_top,
                rect.top() + (at - to_top),
            )
        )
        at += _HATCH_MM
    return lines


def _svg_line(points: Sequence[tuple[float, float]], colour: str, width: float, dashed: bool = False) -> str:
    told = " ".join(f"{_fine(x)},{_fine(y)}" for x, y in points)
    dashes = f' stroke-dasharray="{_fine(4 * width)} {_fine(2 * width)}"' if dashed else ""
    return f'<polyline points="{told}" fill="none" stroke="{colour}" stroke-width="{_fine(width)}"{dashes}/>'


def _fine(millimetres: float) -> int:
    return round(millimetres * _FINE)


@lru_cache(maxsize=8)
def _font(family: str, bold: bool) -> QFont:
    font = QFont()
    font.setFamilies([family, *FAMILIES] if family else list(FAMILIES))
    font.setPixelSize(_MEASURED)
    font.setBold(bold)
    font.setHintingPreference(QFont.HintingPreference.PreferNoHinting)
    return font


@lru_cache(maxsize=4096)
def _width(words: str, family: str, bold: bool) -> float:
    """Of type of size 1."""
    return QFontMetricsF(_font(family, bold)).horizontalAdvance(words) / _MEASURED
