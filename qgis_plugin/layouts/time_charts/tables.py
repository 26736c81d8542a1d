"""What a chart of time shows, as a table: for readers who cannot see it."""

from __future__ import annotations

from datetime import timedelta

from ....shared.windows import month_words
from ...core.time_answer import ChartKind, TimeAnswer
from ..html_twin import TwinTable
from ..sheet import number, tr
from .charts import heading
from .ranked import count_words, rate_words, share_words
from .shaded import cell_words, days_words, span_words


def tables(kind: ChartKind, made: TimeAnswer) -> list[TwinTable]:
    """What the chart shows, as a table of words and figures that may go where the chart goes."""
    title = heading(kind, made)
    if kind is ChartKind.WEEK and made.week is not None:
        week = made.week
        hours = range(0, 24, week.step)
        head = (tr("Day"), *(span_words(hour, week.step) for hour in hours))
        rows = [
            (days_words(days), *(cell_words(week.cells[days[0]][hour], week) for hour in hours)) for days in week.days
        ]
        return [TwinTable(title, head, tuple(rows))]
    if kind is ChartKind.CALENDAR and made.calendar is not None:
        first = made.calendar.first
        named = [
            ((first + timedelta(days=place)).isoformat(), tr("not delivered") if count is None else number(count))
            for place, count in enumerate(made.calendar.counts)
        ]
        return [TwinTable(title, (tr("Day"), tr("Incidents")), tuple(named))]
    if kind is ChartKind.ROLLING:
        told = [
            (
                month_words(month.month),
                month.mark or (tr("not delivered") if month.count is None else number(month.count)),
                tr("none") if month.year_sum is None else number(month.year_sum),
            )
            for month in made.months
        ]
        return [TwinTable(title, (tr("Month"), tr("Incidents"), tr("12 months to it")), tuple(told))]
    if kind is ChartKind.YEARS and made.years is not None:
        rows = []
        for place, (month, now, before) in enumerate(made.years.months):
            marks = made.years.marks[place] if made.years.marks else ("", "")
            rows.append((month_words(month), *(_held(c, m) for c, m in zip((now, before), marks))))
        return [TwinTable(title, (tr("Month"), tr("Incidents"), tr("A year before")), tuple(rows))]
    if kind is ChartKind.PARETO:
        lines = [
            (line.label, count_words(line.count, line.mark), share_words(line.share), share_words(line.cumulative))
            for line in made.categories
        ]
        return [TwinTable(title, (tr("Category"), tr("Incidents"), tr("Share"), tr("With those above")), tuple(lines))]
    if kind is ChartKind.PEERS and made.peers is not None:
        every = [*made.peers.lines, *([made.peers.together] if made.peers.together else [])]
        lines = [
            (
                line.name,
                count_words(line.count, line.mark),
                "" if line.residents is None else number(line.residents),
                rate_words(line),
            )
            for line in every
        ]
        return [TwinTable(title, (tr("Borough"), tr("Incidents"), tr("Residents"), tr("Per 1,000")), tuple(lines))]
    return []


def _held(count: int | None, mark: str) -> str:
    return mark or (tr("not delivered") if count is None else number(count))
