"""A period cut into steps of months or of days, for analyses that look at one step after the other."""

from __future__ import annotations

from calendar import monthrange
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from ..analysis_error import AnalysisError
from ..cautions import counted, unknown
from ..days import day_in_words
from ..needed import needed
from ..periods import Period, month_number, month_of
from ..points import Points
from ..sentences import say, say_number, translated
from .analysis import Choice, Kind, Request
from .grid_cells import Cells, automatic

_MOST_BINS = 50_000_000  # cells times steps: several numbers are kept of each
_MONTHS = "months"

STEP = Choice(
    "step",
    "Steps of",
    "Whole months, or days where the layer tells the day: weeks show more of what comes and goes, and hold fewer "
    "incidents each. Steps of 7, 14 or 28 days have the same weekdays in each.",
    Kind.ONE_OF,
    default=_MONTHS,
    options=((_MONTHS, "Months"), ("7", "7 days"), ("14", "14 days"), ("28", "28 days")),
)
MONTHS = Choice(
    "months",
    "Months in a step",
    "How many months are counted together. Leave it empty for as many as give enough steps.",
    Kind.WHOLE,
    least=1,
    most=120,
)


@dataclass(frozen=True)
class Step:
    """From ``first`` to ``last``, both included: months (``YYYY-MM``) or days (ISO)."""

    first: str
    last: str
    label: str


@dataclass(frozen=True)
class Steps:
    """The steps, earliest first, with what a reader is told of them; ``values_used`` by the choices' names."""

    steps: tuple[Step, ...]
    by_day: bool
    words: str
    notes: tuple[str, ...]
    values_used: dict[str, object]

    def counts(self, cells: Cells, points: Points) -> np.ndarray:
        """Incidents, shape ``(steps, rows, columns)``; raises ``AnalysisError`` where these are too many numbers."""
        bins = len(self.steps) * int(np.prod(cells.grid.shape))
        if bins > _MOST_BINS:
            raise AnalysisError(
                say(
                    "{steps} of so many cells are {bins:,} numbers, more than {most:,}: choose longer steps, larger "
                    "cells or a shorter period.",
                    steps=counted(len(self.steps), "step"),
                    bins=bins,
                    most=_MOST_BINS,
                ),
                "parameters",
            )
        cube = np.zeros((len(self.steps), *cells.grid.shape), dtype=np.int64)
        for number, step in enumerate(self.steps):
            if self.by_day:
                of_step = (points.days >= np.datetime64(step.first)) & (points.days <= np.datetime64(step.last))
            else:
                of_step = (points.months >= step.first) & (points.months <= step.last)
            cube[number] = cells.grid.bin(points.eastings[of_step], points.northings[of_step])
        return cube


def steps_of(request: Request, least_steps: int) -> Steps:
    """The steps that the choices ``STEP`` and ``MONTHS`` make of the period; raises ``AnalysisError``.

    Steps end with the period. Automatic ones are of as many months as give at least ``least_steps``.
    """
    values, period = request.values, needed(request.wanted.period, "period")
    if values["step"] == _MONTHS:
        given = values["months"]
        months = _months_in_a_step(period, least_steps) if given is None else int(given)  # type: ignore[call-overload]
        return _of_months(period, months, given is None)
    if values["months"] is not None:
        raise AnalysisError(
            translated(
                "Steps are of days or of months, not of both: leave “Months in a step” empty, or choose steps of "
                "months."
            ),
            "months",
        )
    if not request.facts.date_field:
        raise AnalysisError(
            say(
                "“{title}” does not tell on which day an incident happened: choose steps of months.",
                title=request.facts.title,
            ),
            "step",
        )
    return _of_days(period, int(str(values["step"])), request.facts.newest_day, request.incidents.points)


def _months_in_a_step(period: Period, least_steps: int) -> int:
    """How many months make a step so that there are enough: a year, a quarter or a month."""
    for months, enough in ((12, 10 * 12), (3, 24 * 3)):
        if period.months >= enough and period.months // months >= least_steps:
            return months
    return 1


def _of_months(period: Period, months: int, by_itself: bool) -> Steps:
    number = period.months // months
    first = month_number(period.last) - number * months + 1
    cut = [
        Period(month_of(start), month_of(start + months - 1)) for start in range(first, first + number * months, months)
    ]
    notes = ()
    if period.months % months:
        left_out = Period(period.first, month_of(first - 1)).label
        notes = (
            say("{label} would not fill a step of {months} months and is left out.", label=left_out, months=months),
        )
    return Steps(
        tuple(Step(one.first, one.last, one.label) for one in cut),
        False,
        say_number(months, "{steps} steps of {n} month", "{steps} steps of {n} months", steps=number)
        + automatic(by_itself),
        notes,
        {"step": _MONTHS, "months": months},
    )


def _of_days(period: Period, days: int, newest_day: str, points: Points) -> Steps:
    begin, end = date.fromisoformat(f"{period.first}-01"), _last_day(period.last)
    if newest_day:  # of data that come in as things happen: what follows has not been told yet
        end = min(end, date.fromisoformat(newest_day))
    number = max(0, ((end - begin).days + 1) // days)
    first = end - timedelta(days=number * days - 1)
    starts = [first + timedelta(days=days * step) for step in range(number)]
    spans = [(start, start + timedelta(days=days - 1)) for start in starts]
    notes = [unknown(points.days, translated("day"))]
    if first > begin:
        left_out = _span(begin, first - timedelta(days=1))
        notes.append(say("{label} would not fill a step of {days} days and is left out.", label=left_out, days=days))
    return Steps(
        tuple(Step(a.isoformat(), b.isoformat(), _span(a, b)) for a, b in spans),
        True,
        say("{steps} steps of {days} days, to {end}", steps=number, days=days, end=day_in_words(end)),
        tuple(filter(None, notes)),
        {"step": str(days), "months": None},
    )


def _span(first: date, last: date) -> str:
    return say("{first} to {last}", first=day_in_words(first), last=day_in_words(last))


def _last_day(month: str) -> date:
    year, number = int(month[:4]), int(month[5:7])
    return date(year, number, monthrange(year, number)[1])
