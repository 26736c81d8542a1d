"""What a chart of time counts, as a table of values: for Processing, models and other programs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Union

from .time_answer import ChartKind, TimeAnswer

Value = Union[str, int, float, bool, date, None]

# Each table's columns, with the type of their values. A value that is not known is None.
COLUMNS: dict[ChartKind, tuple[tuple[str, type], ...]] = {
    ChartKind.WEEK: (("weekday", int), ("hour", int), ("incidents", float)),
    ChartKind.CALENDAR: (("day", date), ("incidents", int)),
    ChartKind.ROLLING: (("month", str), ("incidents", int), ("year_to_it", int), ("partial", bool)),
    ChartKind.YEARS: (("month", str), ("incidents", int), ("year_before", int)),
    ChartKind.PARETO: (("category", str), ("incidents", int), ("share", float), ("cumulative", float)),
    ChartKind.PEERS: (("code", str), ("borough", str), ("incidents", int)),
}


@dataclass(frozen=True)
class TimeTable:
    """``rows`` of values, each in the order of ``COLUMNS`` of its kind."""

    kind: ChartKind
    rows: tuple[tuple[Value, ...], ...]


def time_table(kind: ChartKind, made: TimeAnswer) -> TimeTable:
    """The table of one chart of an answer in exact counts; without rows where the chart cannot be drawn.

    Weekdays are 1 (Monday) to 7, hours 0 to 23; incidents by hour are sums of shares where they were weighted. Months
    are written 2025-03, shares are parts of 1. What was not delivered has no value.
    """
    rows: list[tuple[Value, ...]] = []
    if kind is ChartKind.WEEK and made.week is not None:
        for day, hours in enumerate(made.week.cells, start=1):
            rows += [(day, hour, None if count is None else float(count)) for hour, count in enumerate(hours)]
    elif kind is ChartKind.CALENDAR and made.calendar is not None:
        first = made.calendar.first
        rows = [(first + timedelta(days=place), count) for place, count in enumerate(made.calendar.counts)]
    elif kind is ChartKind.ROLLING:
        rows = [(month.month, month.count, month.year_sum, month.partial) for month in made.months]
    elif kind is ChartKind.YEARS and made.years is not None:
        rows = list(made.years.months)
    elif kind is ChartKind.PARETO:
        rows = [(line.label, line.count, line.share, line.cumulative) for line in made.categories]
    elif kind is ChartKind.PEERS and made.peers is not None:
        rows = [(line.code, line.name, line.count) for line in made.peers.lines]
    return TimeTable(kind, tuple(rows))
