"""Type on the page: one family, and text measured by the renderer that will draw it.

Lines are broken here, not by the label item, so that what was measured is what is printed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from qgis.core import Qgis, QgsRenderContext, QgsTextFormat, QgsTextRenderer
from qgis.PyQt.QtGui import QColor, QFont, QFontDatabase

FAMILIES = ("Open Sans", "Noto Sans", "Liberation Sans", "Arial", "DejaVu Sans")
INK = "#1f2933"
QUIET = "#52606d"
LINE_HEIGHT = 1.05
PIXELS_PER_MM = 20.0
# Kerning at print resolution differs a little from the measure.
SLACK = 0.985


def family() -> str:
    """The first of ``FAMILIES`` that this machine has; Qt's own sans serif where it has none."""
    return next((name for name in FAMILIES if is_installed(name)), QFont("sans-serif").defaultFamily())


def is_installed(name: str) -> bool:
    """Whether this computer has the family."""
    return name in QFontDatabase().families()


def text_format(
    size: float, bold: bool = False, colour: str = INK, italic: bool = False, font_family: str = ""
) -> QgsTextFormat:
    """A text format of ``size`` points in ``font_family``, or else in the plugin's."""
    font = QFont(font_family or family())
    font.setBold(bold)
    font.setItalic(italic)
    font.setPointSizeF(size)
    style = QgsTextFormat()
    style.setFont(font)
    style.setSize(size)
    style.setSizeUnit(Qgis.RenderUnit.Points)
    style.setColor(QColor(colour))
    style.setLineHeight(LINE_HEIGHT)
    return style


def render_context() -> QgsRenderContext:
    context = QgsRenderContext()
    context.setScaleFactor(PIXELS_PER_MM)
    return context


def text_width(text: str, style: QgsTextFormat) -> float:
    """The width of one line in millimetres."""
    return QgsTextRenderer.textWidth(render_context(), style, [text]) / PIXELS_PER_MM


def text_height(lines: Sequence[str], style: QgsTextFormat) -> float:
    """The height of the lines in millimetres, descenders included."""
    context = render_context()
    height = QgsTextRenderer.textHeight(context, style, list(lines), Qgis.TextLayoutMode.Rectangle)
    return height / PIXELS_PER_MM


def wrap(text: str, width: float, style: QgsTextFormat) -> list[str]:
    """``text`` in lines of at most ``width`` mm; a word longer than a line is broken."""
    room = width * SLACK
    lines: list[str] = []
    for paragraph in text.split("\n"):
        line = ""
        for word in paragraph.split():
            joined = f"{line} {word}" if line else word
            if text_width(joined, style) <= room:
                line = joined
                continue
            if line:
                lines.append(line)
            while text_width(word, style) > room and len(word) > 1:
                cut = len(word) - 1
                while cut > 1 and text_width(word[:cut], style) > room:
                    cut -= 1
                lines.append(word[:cut])
                word = word[cut:]
            line = word
        lines.append(line)
    return lines


def shorten(text: str, width: float, style: QgsTextFormat) -> str:
    """``text`` on one line of ``width`` mm, cut with an ellipsis where it is longer."""
    if text_width(text, style) <= width * SLACK:
        return text
    while text and text_width(text.rstrip() + "…", style) > width * SLACK:
        text = text[:-1]
    return text.rstrip(" ,;–") + "…"


@dataclass(frozen=True)
class Fitted:
    """Text broken into lines, in the format that makes it fit; ``height`` in mm."""

    lines: tuple[str, ...]
    style: QgsTextFormat
    height: float
    complete: bool


def fit(
    text: str,
    width: float,
    height: float,
    sizes: Sequence[float],
    bold: bool = False,
    colour: str = INK,
    font_family: str = "",
) -> Fitted:
    """``text`` at the first of ``sizes`` (points, largest first) at which it fits ``width`` × ``height`` mm.

    At the last size, lines beyond the height are cut with an ellipsis and ``complete`` is False.
    """
    for size in sizes:
        style = text_format(size, bold, colour, font_family=font_family)
        lines = wrap(text, width, style)
        needed = text_height(lines, style)
        if needed <= height:
            return Fitted(tuple(lines), style, needed, True)
    while len(lines) > 1 and text_height(lines, style) > height:
        lines = lines[:-1]
    lines[-1] = shorten(lines[-1] + " …", width, style)
    return Fitted(tuple(lines), style, text_height(lines, style), False)
