"""Three years month by month, a small chart a dataset, never added up; in public in the blocks that are told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from qgis.core import QgsTextFormat
from qgis.PyQt.QtCore import QRectF, Qt

from ...shared.ring_answer import DatasetAnswer, RingAnswer
from ...shared.windows import month_words
from .html_twin import TwinTable, attach_table
from .items import RULE, SHADE, panel, text
from .sheet import Sheet, number, tr
from .typography import QUIET, text_format, text_height, text_width

NOW, BEFORE, EARLIER = "#1f4e79", "#7fa6c2", "#c3ccd4"
MOST_CHARTS = 6
MOST_IN_A_COLUMN = 3
MOST_NAMED = 2
TALLEST = 46.0
HEADING_HEIGHT, YEARS_HEIGHT, NOTE_HEIGHT = 3.9, 2.8, 5.2
SIZES = (6.5, 6.25, 6, 5.75, 5.5, 5.25, 5)


@dataclass(frozen=True)
class Bar:
    """Months ``first`` to ``last`` (numbers within the trend) told as one count; ``None`` where nothing is told."""

    first: int
    last: int
    count: int | None


def bars(dataset: DatasetAnswer) -> list[Bar]:
    """The trend in its blocks, the oldest first; the newest block ends with the newest month."""
    months, step = len(dataset.trend), dataset.trend_step
    firsts = [max(last - step + 1, 0) for last in range(months - 1, -1, -step)]
    return [Bar(first, min(first + step, months) - 1, dataset.trend[first]) for first in reversed(firsts)]


def drawn_of(answer: RingAnswer) -> list[DatasetAnswer]:
    """The datasets whose months are drawn: those with most incidents, in the order of the answer; none of nothing."""
    told = [part for part in answer.datasets if any(part.trend)]
    most = sorted(told, key=lambda part: -(part.rows[0].figures[-1].count or 0))[:MOST_CHARTS]
    return [part for part in told if part in most]


def trend_charts(sheet: Sheet, rect: QRectF, answer: RingAnswer) -> None:
    """A chart for each of ``drawn_of`` in ``rect``, and below them what their shades mean."""
    parts = drawn_of(answer)
    room = sheet.rect(rect.left(), rect.top(), rect.right(), rect.bottom() - sheet.mm(NOTE_HEIGHT))
    columns = 1 if len(parts) <= MOST_IN_A_COLUMN else 2
    rows = -(-len(parts) // columns)
    gap = sheet.mm(3)
    width = (room.width() - gap * (columns - 1)) / columns
    tall = min(room.height() / max(rows, 1), sheet.mm(TALLEST))
    size, heading = _heading_size(sheet, parts, width)
    for place, part in enumerate(parts):
        left = room.left() + place % columns * (width + gap)
        top = room.top() + place // columns * tall
        _chart(sheet, QRectF(left, top, width, tall - sheet.mm(0.8)), part, answer, size, heading)
        attach_table(sheet.layout, _twin(part, answer))
    note_top = room.top() + rows * tall
    note = QRectF(rect.left(), note_top, rect.width(), rect.bottom() - note_top)
    text(sheet, "trend_note", note, _note(answer, parts), SIZES, colour=QUIET)


def _chart(sheet: Sheet, rect: QRectF, part: DatasetAnswer, answer: RingAnswer, size: float, high: float) -> None:
    name = f"trend_{part.code}"
    told = bars(part)
    most = _most(part)
    beside_width = _width(sheet, _most_words(part), size)
    heading = QRectF(rect.left(), rect.top(), rect.width() - beside_width, high)
    text(sheet, f"{name}_heading", heading, part.title, [size], True)
    beside = sheet.rect(heading.right(), rect.top(), rect.right(), heading.bottom())
    right = Qt.AlignmentFlag.AlignRight
    text(sheet, f"{name}_most", beside, _most_words(part), [size], colour=QUIET, align=right)
    plot = sheet.rect(rect.left(), heading.bottom(), rect.right(), rect.bottom() - sheet.mm(YEARS_HEIGHT))
    step = plot.width() / max(len(part.trend), 1)
    months = answer.trend.months
    for bar in told:
        left, right_edge = plot.left() + bar.first * step, plot.left() + (bar.last + 1) * step
        inset = step * 0.12
        if bar.count is None:
            untold = sheet.rect(left, plot.top(), right_edge, plot.bottom())
            panel(sheet, f"{name}_untold_{bar.first}", untold, SHADE)
        elif bar.count:
            tall = plot.height() * bar.count / most
            shape = sheet.rect(left + inset, plot.bottom() - tall, right_edge - inset, plot.bottom())
            panel(sheet, f"{name}_bar_{bar.first}", shape, _shade(months[bar.last], answer))
    panel(sheet, f"{name}_line", sheet.rect(plot.left(), plot.bottom(), plot.right(), plot.bottom() + 0.15), RULE)
    for index, month in enumerate(months):
        if month.endswith("-01"):
            year = sheet.rect(plot.left() + index * step, plot.bottom() + 0.3, plot.right(), rect.bottom())
            year.setWidth(min(year.width(), step * 11.5))
            if year.width() >= sheet.mm(6):
                text(sheet, f"{name}_{month}", year, month[:4], SIZES, colour=QUIET)


def _most(part: DatasetAnswer) -> int:
    return max((count for count in part.trend if count is not None), default=0)


def _most_words(part: DatasetAnswer) -> str:
    if part.trend_step == 1:
        return tr("up to {n} a month").format(n=number(_most(part)))
    return tr("up to {n} in {months} months").format(n=number(_most(part)), months=part.trend_step)


def _style(sheet: Sheet, size: float, bold: bool) -> QgsTextFormat:
    return text_format(sheet.pt(size)[0], bold, font_family=sheet.font)


def _width(sheet: Sheet, words: str, size: float, bold: bool = False) -> float:
    return text_width(words, _style(sheet, size, bold)) / 0.97 + sheet.mm(0.8)


def _heading_size(sheet: Sheet, parts: Sequence[DatasetAnswer], width: float) -> tuple[float, float]:
    """One size for the headings of all charts, and how high they are: in two lines where one has no room for a name."""
    for size in (7, *SIZES):
        if all(_width(sheet, p.title, size, True) + _width(sheet, _most_words(p), size) <= width for p in parts):
            return size, sheet.mm(HEADING_HEIGHT)
    two_lines = text_height(["x", "x"], _style(sheet, size, True))
    return size, max(two_lines + sheet.mm(0.4), sheet.mm(HEADING_HEIGHT))


def _shade(month: str, answer: RingAnswer) -> str:
    if answer.now.covers(month):
        return NOW
    return BEFORE if answer.before is not None and answer.before.covers(month) else EARLIER


def _note(answer: RingAnswer, parts: Sequence[DatasetAnswer]) -> str:
    months = tr("{first} to {last}, all incidents within {radius} m, each dataset on its own scale.").format(
        first=month_words(answer.trend.first), last=month_words(answer.trend.last), radius=number(answer.radii[-1])
    )
    words = [months, tr("Dark: the months of the table; lighter: those before.")]
    if any(count is None for part in parts for count in part.trend):
        words.append(tr("Shaded: withheld or not held.") if answer.public else tr("Shaded: not held."))
    left = [part.title for part in answer.datasets if part not in parts]
    if left:
        names = ", ".join(left) if len(left) <= MOST_NAMED else tr("{n} further datasets").format(n=len(left))
        words.append(tr("Not drawn: {names}.").format(names=names))
    return " ".join(words)


def _twin(part: DatasetAnswer, answer: RingAnswer) -> TwinTable:
    months = answer.trend.months
    rows = []
    for bar in bars(part):
        first, last = month_words(months[bar.first]), month_words(months[bar.last])
        label = first if bar.first == bar.last else tr("{first} to {last}").format(first=first, last=last)
        rows.append((label, tr("not told") if bar.count is None else number(bar.count)))
    caption = tr("{dataset}, incidents within {radius} m").format(dataset=part.title, radius=number(answer.radii[-1]))
    return TwinTable(caption, (tr("Month"), tr("Incidents")), tuple(rows))
