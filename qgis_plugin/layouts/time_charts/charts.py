"""The charts of time as drawings: the same in the dock, in a file and on a page. One blue ink, legible in grey.

What was not delivered is hatched, never drawn as nothing; what is withheld in public is told by its sign.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ....shared.windows import month_words
from ...core.filter_text import days_of
from ...core.time_answer import ChartKind, TimeAnswer
from ..drawing import MM_PER_POINT, Drawing
from ..sheet import tr
from ..typography import QUIET
from ..week_chart import WITHHELD
from .months import draw_rolling, draw_years, rolling_notes, years_notes
from .pieces import LEADING, Page
from .ranked import draw_pareto, draw_peers, pareto_notes, peers_notes
from .shaded import calendar_notes, draw_calendar, draw_week, week_notes, years_of


@dataclass(frozen=True)
class Look:
    """The size of a drawing in millimetres, its type in points and its family (empty: the plugin's own)."""

    width: float
    height: float
    size: float = 8.0
    family: str = ""
    headed: bool = True  # with its own heading
    credit: str = ""  # told below the notes


def least_height(kind: ChartKind, made: TimeAnswer, size: float) -> float:
    """The height in millimetres below which a chart cannot be read."""
    row = size * MM_PER_POINT * LEADING
    rows = {
        ChartKind.WEEK: 14,
        ChartKind.CALENDAR: 5 + 7 * years_of(made),
        ChartKind.ROLLING: 20,
        ChartKind.YEARS: 16,
        ChartKind.PARETO: 7 + len(made.categories),
        ChartKind.PEERS: 9 + (len(made.peers.lines) if made.peers is not None else 0),
    }
    return rows[kind] * row


def draw(kind: ChartKind, made: TimeAnswer, look: Look) -> Drawing:
    """The chart with its heading, key and notes; one that cannot be drawn says why instead."""
    page = Page(Drawing(look.width, look.height, look.family), look.size)
    if look.headed:
        page.heading(heading(kind, made))
    trouble = made.trouble(kind)
    if trouble:
        page.paragraph(trouble, QUIET)
        return page.drawing
    page.foot([*notes(kind, made), *filter(None, [look.credit])])
    _DRAWERS[kind](page, made)
    return page.drawing


def heading(kind: ChartKind, made: TimeAnswer) -> str:
    """Dataset, boroughs, chart and months in a line."""
    words = {
        ChartKind.WEEK: tr("{title}: hour by weekday, {period}"),
        ChartKind.CALENDAR: tr("{title}: day by day, {period}"),
        ChartKind.ROLLING: tr("{title}: sum of 12 months, and each month, to {last}"),
        ChartKind.YEARS: tr("{title}: 12 months to {last} and the 12 before"),
        ChartKind.PARETO: tr("{title}: categories, {period}"),
        ChartKind.PEERS: tr("{title}: boroughs compared, {period}"),
    }[kind]
    title = made.facts.title
    # Which copy somebody has is nothing for the public, unless it says of where the counts are.
    if made.where and not (made.public and not made.facts.areas):
        title = f"{title}, {made.where}"
    return words.format(title=title, period=made.period.label, last=month_words(made.period.last))


def notes(kind: ChartKind, made: TimeAnswer) -> list[str]:
    """What a reader must know of the chart, a sentence each."""
    told = []
    if made.synthetic:
        told.append(tr("SYNTHETIC DATA – not real incidents."))
    if made.selected and kind is not ChartKind.PEERS:
        told.append(tr("Of the selected rows only."))
    elif (days := days_of(made.facts.subset)) is not None:
        told.append(tr("Of {days} only, by the layer's filter.").format(days=days.label))
    elif made.filtered:
        told.append(tr("Of the rows of the layer's filter."))
    if made.missing:
        listed = ", ".join(map(month_words, made.missing[:3]))
        more = tr(" and {n} more").format(n=len(made.missing) - 3) if len(made.missing) > 3 else ""
        told.append(tr("Not delivered: {months}{more}.").format(months=listed, more=more))
    told += _NOTES[kind](made)
    if made.public:
        told.append(tr("Counts are rounded to 5."))
        marks = _marks(made)
        if any(mark.startswith("<") for mark in marks):
            told.append(tr("“<{n}”: 1 to {most}, withheld.").format(n=made.masking + 1, most=made.masking))
        if WITHHELD in marks:
            told.append(tr("“*”: withheld, small or beside a small count."))
    return told


def _marks(made: TimeAnswer) -> set[str]:
    """The signs that stand for withheld counts of the chart."""
    marks = {month.mark for month in made.months} | {line.mark for line in made.categories}
    marks |= {mark for pair in (made.years.marks if made.years else ()) for mark in pair}
    marks |= {line.mark for line in (made.peers.lines if made.peers else ())}
    if made.week is not None and any(count is None for day in made.week.cells for count in day):
        marks.add(WITHHELD)
    return marks - {""}


_DRAWERS: dict[ChartKind, Callable[[Page, TimeAnswer], None]] = {
    ChartKind.WEEK: draw_week,
    ChartKind.CALENDAR: draw_calendar,
    ChartKind.ROLLING: draw_rolling,
    ChartKind.YEARS: draw_years,
    ChartKind.PARETO: draw_pareto,
    ChartKind.PEERS: draw_peers,
}
_NOTES: dict[ChartKind, Callable[[TimeAnswer], list[str]]] = {
    ChartKind.WEEK: week_notes,
    ChartKind.CALENDAR: calendar_notes,
    ChartKind.ROLLING: rolling_notes,
    ChartKind.YEARS: years_notes,
    ChartKind.PARETO: pareto_notes,
    ChartKind.PEERS: peers_notes,
}
