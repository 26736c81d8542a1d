"""Charts for print: months as columns, categories as bars. Drawn of layout items, in one ink that is legible in grey.

In public every figure follows the disclosure rules: what is masked is drawn as an open column of the height it may
have at most.
"""

from __future__ import annotations

from collections.abc import Sequence

from qgis.PyQt.QtCore import QRectF, Qt

from ...shared.disclosure import PublishedCount, published_count, published_table, published_words
from ..core.breakdown import Breakdown
from ..core.periods import month_words
from .html_twin import TwinTable
from .items import RULE, panel, text
from .sheet import Mode, Sheet, number, tr
from .typography import INK, QUIET

BAR = "#2f6690"
MASKED_LINE = "#2f6690"
MASKED_AT_MOST = 4
HEADING_SIZES = (8, 7.5, 7, 6.5, 6)
_AXIS_WIDTH = 9.0
_FOOT_HEIGHT = 6.5
_MOST_CATEGORIES = 8

Shown = Sequence[tuple[str, PublishedCount]]


def shown_months(breakdown: Breakdown, mode: Mode) -> list[tuple[str, PublishedCount]]:
    """Months and their counts as they may be shown; ``None`` where masked."""
    return _shown(breakdown.months, mode, breakdown.masking)


def shown_categories(breakdown: Breakdown, mode: Mode) -> list[tuple[str, PublishedCount]]:
    """The most frequent categories, the rest put together, as they may be shown."""
    rows = list(breakdown.categories)
    if len(rows) > _MOST_CATEGORIES:
        rest = rows[_MOST_CATEGORIES - 1 :]
        other = tr("Other ({n} categories)").format(n=len(rest))
        rows = [*rows[: _MOST_CATEGORIES - 1], (other, sum(count for _, count in rest))]
    return _shown(rows, mode, breakdown.masking)


def _shown(rows: Sequence[tuple[str, int]], mode: Mode, masking: int) -> list[tuple[str, PublishedCount]]:
    if mode is Mode.OPERATIONAL:
        return list(rows)
    safe = published_table([(count,) for _, count in rows], masking)
    return [(name, cells[0]) for (name, _), cells in zip(rows, safe.rows)]


def words_of(count: PublishedCount, exact: int, mode: Mode, masking: int) -> str:
    """The count in words: “*” where only what surrounds it masks it."""
    if mode is Mode.PUBLICATION and count is None:
        return "*" if published_count(exact, masking) is not None else published_words(None, masking)
    return number(exact if count is None else count)


def month_chart(sheet: Sheet, name: str, rect: QRectF, heading: str, months: Shown) -> None:
    """Columns of the months, each year named below its first month."""
    below = _heading(sheet, name, rect, heading)
    plot = sheet.rect(
        rect.left() + sheet.mm(_AXIS_WIDTH), below + sheet.mm(1.5), rect.right(), rect.bottom() - sheet.mm(_FOOT_HEIGHT)
    )
    top = max([count for _, count in months if count is not None] + [MASKED_AT_MOST])
    top = _round_up(top)
    _axis(sheet, name, plot, top)
    step = plot.width() / max(1, len(months))
    for index, (month, count) in enumerate(months):
        left = plot.left() + index * step
        high = plot.height() * (MASKED_AT_MOST if count is None else count) / top
        bar = sheet.rect(left + step * 0.12, plot.bottom() - high, left + step * 0.88, plot.bottom())
        if count is None:
            panel(sheet, f"{name}_bar_{month}", bar, "#ffffff", MASKED_LINE)
        elif count:
            panel(sheet, f"{name}_bar_{month}", bar, BAR)
        if month.endswith("-01") or index == 0:
            room = min(step * (12 - int(month[5:]) + 1), plot.right() - left)
            if room >= sheet.mm(7):
                label = sheet.rect(left, plot.bottom() + sheet.mm(0.4), left + room, plot.bottom() + sheet.mm(3.2))
                text(sheet, f"{name}_year_{month}", label, month[:4], (6.5, 6, 5.5), colour=QUIET)
    note = _months_note(months)
    foot = sheet.rect(plot.left(), plot.bottom() + sheet.mm(3.4), rect.right(), rect.bottom())
    text(sheet, f"{name}_note", foot, note, (6.5, 6, 5.5, 5), colour=QUIET)


def _months_note(months: Shown) -> str:
    if not months:
        return tr("The data are not dated.")
    words = tr("{first} to {last}.").format(first=month_words(months[0][0]), last=month_words(months[-1][0]))
    if any(count is None for _, count in months):
        words += " " + tr("Open columns: withheld, small or next to a small figure.")
    return words


def category_chart(sheet: Sheet, name: str, rect: QRectF, heading: str, rows: Shown, words: Sequence[str]) -> None:
    """Bars of the categories with their figures in words."""
    below = _heading(sheet, name, rect, heading)
    if not rows:
        return
    top = max([count for _, count in rows if count is not None] + [1])
    height = min((rect.bottom() - below - sheet.mm(1)) / len(rows), sheet.mm(6))
    label_right = rect.left() + rect.width() * 0.42
    figure_width = sheet.mm(11)
    room = rect.right() - figure_width - label_right - sheet.mm(1.5)
    sizes = (7, 6.5, 6, 5.5, 5)
    for index, ((label, count), figure) in enumerate(zip(rows, words)):
        y = below + sheet.mm(1) + index * height
        place = sheet.rect(rect.left(), y, label_right, y + height)
        text(sheet, f"{name}_label_{index}", place, label, sizes, middle=True)
        left = label_right + sheet.mm(1.5)
        long = room * (0 if count is None else count) / top
        if long:
            panel(sheet, f"{name}_bar_{index}", sheet.rect(left, y + height * 0.2, left + long, y + height * 0.8), BAR)
        place = sheet.rect(left + long + sheet.mm(1), y, left + long + sheet.mm(1) + figure_width - 1, y + height)
        text(sheet, f"{name}_figure_{index}", place, figure, sizes, colour=INK, middle=True)


def chart_tables(breakdown: Breakdown, mode: Mode) -> list[TwinTable]:
    """What the two charts show, as tables."""
    months, categories = shown_months(breakdown, mode), shown_categories(breakdown, mode)
    exact = dict(breakdown.months)
    rows = [(month_words(month), words_of(count, exact[month], mode, breakdown.masking)) for month, count in months]
    made = [TwinTable(tr("Incidents by month"), (tr("Month"), tr("Incidents")), tuple(rows))]
    figures = category_words(breakdown, mode)
    rows = [(label, figure) for (label, _), figure in zip(categories, figures)]
    made.append(TwinTable(tr("Incidents by category"), (tr("Category"), tr("Incidents")), tuple(rows)))
    return made


def category_words(breakdown: Breakdown, mode: Mode) -> list[str]:
    """The figures beside the bars."""
    counts = [count for _, count in breakdown.categories]
    if len(counts) > _MOST_CATEGORIES:
        counts = [*counts[: _MOST_CATEGORIES - 1], sum(counts[_MOST_CATEGORIES - 1 :])]
    return [
        words_of(count, exact, mode, breakdown.masking)
        for (_, count), exact in zip(shown_categories(breakdown, mode), counts)
    ]


def _heading(sheet: Sheet, name: str, rect: QRectF, heading: str) -> float:
    bottom = rect.top() + sheet.mm(4.2)
    place = sheet.rect(rect.left(), rect.top(), rect.right(), bottom)
    text(sheet, f"{name}_heading", place, heading, HEADING_SIZES, bold=True)
    return bottom


def _axis(sheet: Sheet, name: str, plot: QRectF, top: int) -> None:
    """Lines at nothing, half and top, with their figures."""
    for index, value in enumerate((0, top // 2, top) if top % 2 == 0 else (0, top)):
        y = plot.bottom() - plot.height() * value / top
        panel(sheet, f"{name}_line_{index}", sheet.rect(plot.left(), y - 0.05, plot.right(), y + 0.05), RULE)
        place = sheet.rect(plot.left() - sheet.mm(_AXIS_WIDTH), y - sheet.mm(1.5), plot.left() - 0.8, y + sheet.mm(1.5))
        right = Qt.AlignmentFlag.AlignRight
        text(sheet, f"{name}_tick_{index}", place, number(value), (6, 5.5, 5), colour=QUIET, align=right, middle=True)


def _round_up(value: int) -> int:
    """The smallest of 2, 4, 6, 10 × 10ⁿ (or 10, for the smallest) that is not below the value."""
    power = 1
    while True:
        for step in (2, 4, 6, 10):
            if step * power >= value:
                return step * power
        power *= 10
