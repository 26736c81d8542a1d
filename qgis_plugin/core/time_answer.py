"""What the charts of time tell of a layer: one reading, every chart, and why one of them cannot be drawn."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from enum import Enum

import numpy as np

from ...shared.disclosure import masking_of
from .analysis_error import AnalysisError
from .errors import Cancelled
from .explore.area_sets import AreaSets
from .periods import Period, latest_year
from .point_facts import PointFacts, mostly_guarded
from .points import CancelledCheck, never_cancelled
from .residents import Residents
from .time_patterns import (
    Calendar,
    Category,
    Month,
    Peers,
    Week,
    YearOnYear,
    calendar,
    pareto,
    peers,
    rolling,
    week,
    year_on_year,
)
from .time_published import (
    grouped,
    published_months,
    published_pareto,
    published_peers,
    published_week,
    published_years,
)
from .time_rows import HeldMonths, Reading, TimeRows, TimeSource

MOST_CATEGORIES = 14
_MOST_NAMED = 3  # boroughs in a heading


class ChartKind(Enum):
    """The charts; the value is the name in the audit."""

    WEEK = "hour-by-weekday"
    CALENDAR = "calendar"
    ROLLING = "rolling-year"
    YEARS = "year-on-year"
    PARETO = "pareto"
    PEERS = "peers"

    @property
    def words(self) -> str:
        """As a person names it."""
        return _WORDS[self]


_WORDS = {
    ChartKind.WEEK: "Hour by weekday",
    ChartKind.CALENDAR: "Calendar",
    ChartKind.ROLLING: "Rolling 12 months",
    ChartKind.YEARS: "Year on year",
    ChartKind.PARETO: "Categories (Pareto)",
    ChartKind.PEERS: "Boroughs compared",
}


@dataclass(frozen=True)
class TimeQuestion:
    """What is asked: ``period`` ``None`` for the newest twelve months; ``own`` is a borough's code or empty."""

    period: Period | None = None
    weighted: bool = False
    own: str = ""


@dataclass(frozen=True)
class TimeAnswer:
    """Every chart of one reading. A chart that is ``None`` cannot be drawn: ``troubles`` says why.

    ``rows`` incidents lie in the period, ``undated`` of those read have no month at all. ``missing`` are the months
    of the period that were not delivered. ``names_rows``: the layer's filter picks single rows; ``names_days``: it is
    by days or hours. ``masking`` is the largest count withheld in public. ``guarded``: few others lie beside what is
    published among others only.
    """

    facts: PointFacts
    period: Period
    selected: bool
    filtered: bool
    rows: int
    undated: int
    missing: tuple[str, ...]
    made_on: date
    week: Week | None = None
    calendar: Calendar | None = None
    months: tuple[Month, ...] = ()
    years: YearOnYear | None = None
    categories: tuple[Category, ...] = ()
    peers: Peers | None = None
    troubles: Mapping[ChartKind, str] = field(default_factory=dict)
    names_rows: bool = False
    names_days: bool = False
    public: bool = False
    guarded: bool = False
    where: str = ""  # which boroughs the copy holds, in words; empty of a layer that is no copy

    @property
    def masking(self) -> int:
        """The largest count that is withheld in public."""
        return masking_of(self.facts.threshold)

    @property
    def synthetic(self) -> bool:
        """Whether the incidents are invented."""
        return self.facts.synthetic

    def trouble(self, kind: ChartKind) -> str:
        """Why the chart cannot be drawn; empty where it can."""
        return self.troubles.get(kind, "")


def answer(
    source: TimeSource,
    question: TimeQuestion,
    residents: Residents | None,
    today: date,
    cancelled: CancelledCheck = never_cancelled,
    reading: Reading | None = None,
) -> TimeAnswer:
    """Count what is selected, or else the layer's filter; for a task. ``reading`` is the layer's, where it was kept.

    Raises ``AnalysisError`` where nothing is dated, and ``Cancelled``.
    """
    facts = source.facts
    reading = reading or source.read(cancelled)
    held, rows = reading.held, reading.chosen(source.selected)
    if cancelled():
        raise Cancelled
    period = question.period or latest_year(held.span)
    if period is None:
        raise AnalysisError(f"No row of “{facts.title}” has a date, so nothing can be told of its time.", "period")
    inside = rows.where(rows.within(period.first, period.last))
    troubles: dict[ChartKind, str] = {}
    if not len(inside):
        nothing = f"Nothing of what is chosen happened in {period.label}: choose another period or other rows."
        troubles = dict.fromkeys((ChartKind.WEEK, ChartKind.CALENDAR, ChartKind.PARETO), nothing)
    made = TimeAnswer(
        facts=facts,
        period=period,
        selected=bool(source.selected),
        filtered=bool(source.subset),
        names_rows=source.names_rows,
        names_days=source.names_days,
        rows=len(inside),
        undated=int(np.isnat(rows.months).sum()),
        missing=tuple(m for m in held.span if period.covers(m) and m not in held.months),
        made_on=today,
        week=_week(source, inside, question.weighted, troubles),
        calendar=_calendar(facts, inside, period, held, troubles),
        months=rolling(rows, period.last, held),
        years=year_on_year(rows, period.last, held),
        categories=_categories(facts, inside, troubles),
        peers=_peers(source, period, question.own, residents, reading.rows, troubles),
        troubles=troubles,
        where=held_words(facts.areas) if source.ours else "",
        guarded=_guarded(facts, reading.rows, period),
    )
    if made.years is not None and not made.years.pairs:
        troubles[ChartKind.YEARS] = (
            f"“{facts.title}” does not hold a month of the period together with the same month a year before."
        )
    return made


def _guarded(facts: PointFacts, every: TimeRows, period: Period) -> bool:
    """Judged by the rows of the layer's filter, as what is selected is never published: the period's, and all."""
    inside = every.guarded[every.within(period.first, period.last)]
    return any(mostly_guarded(facts, len(marks), int(marks.sum())) for marks in (inside, every.guarded))


def held_words(areas: Sequence[str]) -> str:
    """“Camden and part of Hackney”: where incidents are held by an agreement that names areas (codes)."""
    if not areas:
        return "whole copy"
    sets = AreaSets()
    boroughs, lsoas = sets.boundaries.boroughs, sets.boundaries.lsoas
    every, there = (
        Counter(lsoa.parent for lsoa in lsoas.values()),
        Counter(lsoas[a].parent for a in areas if a in lsoas),
    )
    whole = {code for code in areas if code in boroughs} | {code for code, held in there.items() if held == every[code]}
    named = sorted(boroughs[code].name for code in whole)
    named += sorted(f"part of {boroughs[code].name}" for code in set(there) - whole if code in boroughs)
    if len(named) > _MOST_NAMED:
        return f"{len(named)} boroughs"
    return " and ".join(filter(None, (", ".join(named[:-1]), *named[-1:]))) or "whole copy"


def _week(source: TimeSource, rows: TimeRows, weighted: bool, troubles: dict[ChartKind, str]) -> Week | None:
    if ChartKind.WEEK in troubles:
        return None
    if not (source.facts.timed or source.tells_spans or (weighted and source.facts.date_field)):
        troubles[ChartKind.WEEK] = f"“{source.facts.title}” does not tell hours, so there is no week to be shown."
        return None
    made = week(rows, weighted)
    if not made.counted:
        troubles[ChartKind.WEEK] = "None of these incidents has a known hour: let hours be weighted, or choose others."
    return made if made.counted else None


def _calendar(
    facts: PointFacts, rows: TimeRows, period: Period, held: HeldMonths, troubles: dict[ChartKind, str]
) -> Calendar | None:
    if ChartKind.CALENDAR in troubles:
        return None
    if not facts.date_field:
        troubles[ChartKind.CALENDAR] = f"“{facts.title}” is dated to the month only, so there are no days to be shown."
        return None
    return calendar(rows, period, held)


def _categories(facts: PointFacts, rows: TimeRows, troubles: dict[ChartKind, str]) -> tuple[Category, ...]:
    if ChartKind.PARETO in troubles:
        return ()
    if not facts.category_field:
        troubles[ChartKind.PARETO] = f"“{facts.title}” has no column of categories."
        return ()
    return grouped(pareto(rows, {code: facts.label(code) for code in rows.categories.names}), MOST_CATEGORIES)


def _peers(
    source: TimeSource,
    period: Period,
    own: str,
    residents: Residents | None,
    every: TimeRows,
    troubles: dict[ChartKind, str],
) -> Peers | None:
    """Of the layer's filter whatever is selected: a selection in one borough would leave the others empty."""
    if not source.tells_boroughs:
        troubles[ChartKind.PEERS] = f"“{source.facts.title}” does not tell the borough of its rows."
        return None
    areas = AreaSets()
    boundaries = areas.boundaries
    lsoas: dict[str, list[str]] = {}
    for area in boundaries.lsoas.values():
        lsoas.setdefault(area.parent, []).append(area.code)
    made = peers(
        every.where(every.within(period.first, period.last)),
        {code: area.name for code, area in boundaries.boroughs.items()},
        lsoas,
        source.facts.areas,
        residents,
        own,
        areas.neighbours([own]) if own else (),
        in_layer=every.boroughs.counts(),
    )
    if len(made.lines) < 2:
        troubles[ChartKind.PEERS] = (
            f"“{source.facts.title}” holds fewer than two whole boroughs, so there is nothing to compare."
        )
        return None
    return made


def published(made: TimeAnswer, kind: ChartKind) -> TimeAnswer:
    """The answer with one chart as everybody may see it, and no other; raises ``AnalysisError`` where that cannot be.

    A selection is never published: of two selections that differ by one row, the difference would be that row.
    """
    if made.selected and kind is not ChartKind.PEERS:
        raise AnalysisError(
            "What is published is of a whole layer as it is filtered, so that two charts cannot be subtracted: clear "
            "the selection, or make the chart for operational use."
        )
    if kind is ChartKind.CALENDAR:
        raise AnalysisError(
            "Single days are not published: most would be withheld, and the others would tell of single incidents. "
            "Take the months, or make the chart for operational use."
        )
    if made.names_rows:
        raise AnalysisError(
            "The layer's filter names single rows, so that it is a selection: of two such charts the difference would "
            "be a few incidents. Filter by months, categories or boroughs, or make the chart for operational use."
        )
    if made.guarded:
        raise AnalysisError(
            "What is counted is mostly of kinds that are published among others only: let at least as many others "
            "count, or make the chart for operational use."
        )
    if made.names_days:
        raise AnalysisError(
            "The layer is filtered by day, hour or incident number, and of two such charts the difference would be a "
            "few incidents: filter by whole months, categories or boroughs, or make the chart for operational use."
        )
    masking, labels = made.masking, {made.facts.label(code) for code in made.facts.sensitive}
    bare = replace(made, week=None, calendar=None, months=(), years=None, categories=(), peers=None, public=True)
    if kind is ChartKind.WEEK and made.week is not None:
        return replace(bare, week=published_week(made.week, masking))
    if kind is ChartKind.ROLLING:
        return replace(bare, months=published_months(made.months, masking))
    if kind is ChartKind.YEARS and made.years is not None:
        return replace(bare, years=published_years(made.years, masking))
    if kind is ChartKind.PARETO:
        return replace(bare, categories=published_pareto(made.categories, masking, labels, MOST_CATEGORIES))
    if kind is ChartKind.PEERS and made.peers is not None:
        return replace(bare, peers=published_peers(made.peers, masking))
    return bare
