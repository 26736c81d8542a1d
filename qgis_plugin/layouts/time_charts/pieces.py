"""What the charts of time are made of: a page that fills up from both ends, an axis, a key, signs and figures."""

from __future__ import annotations

from collections.abc import Sequence

from qgis.PyQt.QtCore import QRectF

from ...core.time_answer import TimeAnswer
from ..drawing import MM_PER_POINT, Anchor, Drawing
from ..items import PAPER, RULE
from ..sheet import number
from ..trend_chart import NOW
from ..typography import QUIET

LINE = "#b35806"  # beside the blues for every kind of colour vision
LEADING = 1.35
GAP = 1.2


class Page:
    """What is left of a drawing between what stands above and below."""

    def __init__(self, drawing: Drawing, size: float) -> None:
        self.drawing, self.size = drawing, size
        self.row = size * MM_PER_POINT * LEADING
        self.top, self.bottom = 0.0, drawing.height

    def heading(self, words: str) -> None:
        for line in self._wrapped(words, self.size * 1.1, True)[:2]:
            self.drawing.words(0, self.top + self.row * 0.55, line, self.size * 1.1, bold=True)
            self.top += self.row * 1.1
        self.top += self.row * 0.3

    def paragraph(self, words: str, colour: str) -> None:
        for line in self._wrapped(words, self.size):
            self.drawing.words(0, self.top + self.row / 2, line, self.size, colour)
            self.top += self.row

    def foot(self, sentences: Sequence[str]) -> None:
        lines = self._wrapped(" ".join(sentences), self.size * 0.85) if sentences else []
        row = self.row * 0.87
        self.bottom -= row * len(lines)
        for place, line in enumerate(lines):
            self.drawing.words(0, self.bottom + row * (place + 0.5), line, self.size * 0.85, QUIET)
        self.bottom -= self.row * 0.25

    def bottom_row(self) -> float:
        """Take a row at the bottom for a key; its middle."""
        self.bottom -= self.row * 1.2
        return self.bottom + self.row * 0.7

    def _wrapped(self, words: str, size: float, bold: bool = False) -> list[str]:
        lines, line = [], ""
        for word in words.split():
            joined = f"{line} {word}" if line else word
            if line and self.drawing.width_of(joined, size, bold) > self.drawing.width:
                lines.append(line)
                line = word
            else:
                line = joined
        return [*lines, line] if line else lines


def draw_axis(page: Page, plot: QRectF, top: int) -> None:
    for value in (0, top // 2, top) if top % 2 == 0 else (0, top):
        y = plot.bottom() - plot.height() * value / top
        page.drawing.line([(plot.left(), y), (plot.right(), y)], RULE, 0.15)
        page.drawing.words(plot.left() - GAP / 2, y, number(value), page.size * 0.9, QUIET, anchor=Anchor.END)


def open_bar(page: Page, bar: QRectF, share: float, tip: str) -> None:
    """An open column of the height that a withheld count may have at most."""
    high = bar.height() * min(share, 1.0)
    page.drawing.box(QRectF(bar.x(), bar.bottom() - high, bar.width(), high), PAPER, NOW, tip=tip)


def draw_key(page: Page, y: float, entries: Sequence[tuple[str, str, bool]], left: float = 0.0, line: str = "") -> None:
    """Fields of colour (hatched where so told) with their words in a row, smaller where there is little room."""
    drawing, room = page.drawing, page.drawing.width - left
    size, side, gap = page.size * 0.85, page.row * 0.98, 2.5
    needed = sum(side + 0.6 + drawing.width_of(words, size) + gap for _, words, _ in entries) - gap
    shrunk = min(1.0, room / needed) if needed > 0 else 1.0
    x = left
    for fill, words, hatched in entries:
        high = page.row * 0.7 * shrunk
        outline = line or (RULE if hatched else "")
        drawing.box(QRectF(x, y - high / 2, side * shrunk, high), fill, outline, hatched=hatched)
        x += (side + 0.6) * shrunk
        drawing.words(x, y, words, size * shrunk, QUIET)
        x += drawing.width_of(words, size * shrunk) + gap * shrunk


def least_of(made: TimeAnswer) -> list[int]:
    """In public an axis reaches at least as far as a withheld count may."""
    return [made.masking] if made.public else []


def ceiling(value: float) -> int:
    """The smallest even number of one or two digits and noughts from a list that is not below the value."""
    power = 1
    while True:
        for step in (2, 4, 6, 8) if power == 1 else (1, 1.2, 1.6, 2, 3, 4, 6, 8):
            if step * power >= value:
                return round(step * power)
        power *= 10
