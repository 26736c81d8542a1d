"""Hour by weekday as a shaded table: dark where many incidents were, in classes that tell no small count in public."""

from __future__ import annotations

from qgis.PyQt.QtCore import QRectF

from ..core.proximity import DatasetRings
from .items import Cell, table, text
from .sheet import Mode, Sheet, number, tr
from .typography import QUIET

SHADES = ("#f7f7f5", "#dbe6ee", "#b3cbdc", "#7fa6c2", "#4a7da3", "#1f4e79")
LOWEST = (0, 1, 5, 10, 20, 50)
DAY_WIDTH, HOUR_WIDTH, ROW_HEIGHT = 9.0, 3.3, 2.6


def week_chart(sheet: Sheet, left: float, top: float, dataset: DatasetRings, radius: int) -> float:
    """The chart with its heading and key; returns its right edge in mm."""
    days = (tr("Mon"), tr("Tue"), tr("Wed"), tr("Thu"), tr("Fri"), tr("Sat"), tr("Sun"))
    width = sheet.mm(DAY_WIDTH + 24 * HOUR_WIDTH)
    heading = tr("{dataset} within {radius} m, by hour and weekday").format(
        dataset=dataset.title, radius=number(radius)
    )
    text(sheet, "week_heading", QRectF(left, top, width, sheet.mm(4)), heading, (7.5, 7, 6.5, 6, 5.5), bold=True)
    lowest = lowest_of_classes(sheet.imprint.mode)
    shades = SHADES if len(lowest) == len(SHADES) else (SHADES[0], *SHADES[2:])
    hours = [Cell()] + [Cell(f"{hour}" if hour % 3 == 0 else "", colour=QUIET) for hour in range(24)]
    rows = [hours]
    for name, counts in zip(days, dataset.hours or ()):
        rows.append([Cell(name), *(Cell(fill=shades[class_of(count, lowest)]) for count in counts)])
    row_height = sheet.mm(ROW_HEIGHT)
    y = top + sheet.mm(4.4)
    widths = [sheet.mm(DAY_WIDTH), *[sheet.mm(HOUR_WIDTH)] * 24]
    table(sheet, "week_chart", (left, y), widths, row_height, rows, 5, lines="#ffffff", margin=0.1)
    y += row_height * 8 + sheet.mm(1)
    key = []
    for index, shade in enumerate(shades):
        key += [Cell(fill=shade), Cell(_class_words(index, lowest), colour=QUIET)]
    corner = (left + sheet.mm(DAY_WIDTH), y)
    table(sheet, "week_key", corner, [sheet.mm(4), sheet.mm(8.5)] * len(shades), row_height, [key], 5, margin=0.4)
    return left + width


def lowest_of_classes(mode: Mode) -> tuple[int, ...]:
    """The lowest count of each class: in public none tells 1 to 4 from none at all."""
    return LOWEST if mode is Mode.OPERATIONAL else (0, *LOWEST[2:])


def class_of(count: int, lowest: tuple[int, ...]) -> int:
    """The number of the class that ``count`` belongs to."""
    return max(index for index, low in enumerate(lowest) if count >= low)


def _class_words(index: int, lowest: tuple[int, ...]) -> str:
    low = lowest[index]
    if index == len(lowest) - 1:
        return tr("{low} +").format(low=low)
    high = lowest[index + 1] - 1
    return str(low) if low == high else f"{low}–{high}"
