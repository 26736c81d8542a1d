"""Hour by weekday as a shaded table of counts; in public in the blocks in which they are told."""

from __future__ import annotations

from collections.abc import Sequence

from qgis.PyQt.QtCore import QRectF

from ...shared.disclosure import ROUNDING
from ...shared.ring_answer import DatasetAnswer
from ..core.needed import needed
from .items import PAPER, Cell, table, text
from .sheet import Sheet, number, tr
from .typography import INK, QUIET, text_format, text_width

SHADES = ("#f7f7f5", "#dbe6ee", "#b3cbdc", "#7fa6c2", "#4a7da3", "#1f4e79")
LIGHT_FROM = 4  # the first shade on which figures are white
WITHHELD = "*"
DAY_WIDTH, ROW_HEIGHT, HEADING_HEIGHT = 14.0, 2.9, 4.4
SIZES = (6, 5.75, 5.5, 5.25, 5, 4.75, 4.5, 4.25, 4, 3.75, 3.5, 3)
HEIGHT = HEADING_HEIGHT + 9 * ROW_HEIGHT + 1.6


def week_chart(sheet: Sheet, rect: QRectF, dataset: DatasetAnswer, radius: int, public: bool) -> float:
    """The chart of a dataset that tells hours, with its heading and key; where it ends, in mm."""
    by_day = needed(dataset.hours, "hours")
    heading = tr("{dataset} within {radius} m, by hour and weekday").format(
        dataset=dataset.title, radius=number(radius)
    )
    place = QRectF(rect.left(), rect.top(), rect.width(), sheet.mm(HEADING_HEIGHT))
    text(sheet, "week_heading", place, heading, (7.5, 7, 6.5, 6, 5.5), bold=True)
    step, groups = dataset.hour_step, dataset.weekdays
    unit = ROUNDING if public else 1
    highest = classes([count or 0 for day in by_day for count in day], unit)
    hours = [tr("hour") if step == 1 else tr("hours"), *(_hours(first, step) for first in range(0, 24, step))]
    rows = [[Cell(words, colour=QUIET, centre=bool(place)) for place, words in enumerate(hours)]]
    for days in groups:
        counts = by_day[days[0]][::step]
        rows.append([Cell(_days(days)), *(_cell(count, highest) for count in counts)])
    widths = [sheet.mm(DAY_WIDTH), *[(rect.width() - sheet.mm(DAY_WIDTH)) * step / 24] * (24 // step)]
    size = _size(sheet, rows, widths[1])
    y = rect.top() + sheet.mm(HEADING_HEIGHT)
    row_height = sheet.mm(ROW_HEIGHT)
    table(sheet, "week_chart", (rect.left(), y), widths, row_height, rows, size, lines=PAPER, margin=0.1)
    y += row_height * len(rows) + sheet.mm(0.8)
    words = [_range(low, high) for low, high in ranges(highest, unit)]
    return _key(sheet, rect, y, words, any(None in day for day in dataset.hours))


def classes(counts: Sequence[int], unit: int) -> tuple[int, ...]:
    """The highest count of each class, none at all first: at most five even steps of whole ``unit`` above that."""
    most = max(counts, default=0)
    steps = len(SHADES) - 1
    step = max(-(-most // (steps * unit)), 1) * unit
    return tuple(range(0, most + step, step)) if most else (0,)


def ranges(highest: Sequence[int], unit: int) -> list[tuple[int, int]]:
    """The lowest and the highest count of each class, where counts come in whole ``unit``."""
    return [(0, 0), *((low + unit, high) for low, high in zip(highest, highest[1:]))]


def class_of(count: int, highest: Sequence[int]) -> int:
    """The number of the class that ``count`` belongs to."""
    return next(index for index, high in enumerate(highest) if count <= high)


def _cell(count: int | None, highest: Sequence[int]) -> Cell:
    if count is None:
        return Cell(WITHHELD, fill=PAPER, centre=True)
    shade = class_of(count, highest)
    return Cell(number(count), colour=PAPER if shade >= LIGHT_FROM else INK, fill=SHADES[shade], centre=True)


def _hours(first: int, step: int) -> str:
    return f"{first}" if step == 1 else f"{first:02d}–{first + step - 1:02d}"


def _days(days: Sequence[int]) -> str:
    names = (tr("Mon"), tr("Tue"), tr("Wed"), tr("Thu"), tr("Fri"), tr("Sat"), tr("Sun"))
    return names[days[0]] if len(days) == 1 else f"{names[days[0]]}–{names[days[-1]]}"


def _size(sheet: Sheet, rows: Sequence[Sequence[Cell]], width: float) -> float:
    """The largest type in which every figure stands in its cell."""
    words = {cell.words for row in rows for cell in row[1:]}
    for size in SIZES:
        style = text_format(sheet.pt(size)[0], font_family=sheet.font)
        if max(text_width(one, style) for one in words) <= (width - 2 * sheet.mm(0.1)) * 0.96:
            return size
    return SIZES[-1]


def _key(sheet: Sheet, rect: QRectF, top: float, told: Sequence[str], withheld: bool) -> float:
    row_height = sheet.mm(ROW_HEIGHT)
    cells, widths = [], []
    entries = [(shade, "", words) for shade, words in zip(SHADES, told)]
    if withheld:
        entries.append((PAPER, WITHHELD, tr("withheld")))
    style = text_format(sheet.pt(5)[0], font_family=sheet.font)
    for fill, sign, words in entries:
        cells += [Cell(sign, fill=fill), Cell(words, colour=QUIET)]
        widths += [sheet.mm(4), text_width(words, style) / 0.97 + sheet.mm(2.2)]
    corner = (rect.left() + sheet.mm(DAY_WIDTH), top)
    table(sheet, "week_key", corner, widths, row_height, [cells], 5, margin=0.4)
    return top + row_height


def _range(low: int, high: int) -> str:
    return number(low) if low == high else f"{number(low)}–{number(high)}"
