"""Persistent, recent, emerging and former hot spots over the steps of a period."""

from __future__ import annotations

import numpy as np

from ....shared.getis_ord import GiStarError, gi_star
from ....shared.hotspot_classes import LEAST_PERIODS, HotspotClass, Rules, classify
from ..cautions import counted
from ..hotspot_styles import LegendClass
from ..hotspots import CORRECTION_WORDS
from ..periods import Period
from .analysis import Analysis, Choice, Findings, Kind, Need, Output, Request
from .grid_cells import (
    CELL,
    CONFIDENCE,
    CORRECTION,
    MONTHS,
    NEIGHBOURS,
    SHAPE,
    Steps,
    cells_over,
    correction_of,
    in_one_sentence,
    level_of,
    neighbourhood,
    numbers_used,
)

_LOOK = {
    HotspotClass.PERSISTENT: ("Persistent: hot nearly all the time", "#7d1a34"),
    HotspotClass.RECENT: ("Recent: hot lately, and before", "#de8463"),
    HotspotClass.EMERGING: ("Emerging: hot lately, never before", "#e0a800"),
    HotspotClass.FORMER: ("Former: hot before, not lately", "#6a9fc9"),
    HotspotClass.NONE: ("No hot spot", "#eeeeea"),
}


def _share(name: str, words: str, explained: str, default: float) -> Choice:
    return Choice(name, words, explained, Kind.NUMBER, default, least=1, most=100, advanced=True)


_PERSISTENT = _share(
    "persistent", "Persistent from (% of the steps)", "In how many of all steps a persistent one is hot.", 80
)
_RECENT = _share("recent", "Recent steps (%)", "How many of the steps, the last ones, count as recent.", 20)
_HOT = _share(
    "hot", "Hot from (% of the recent, or of the earlier steps)", "In how many a cell has to be hot to count.", 10
)


def months_in_a_step(period: Period, least_steps: int) -> int:
    """How many months make a step so that there are enough: a year, a quarter or a month."""
    for months, enough in ((12, 10 * 12), (3, 24 * 3)):
        if period.months >= enough and period.months // months >= least_steps:
            return months
    return 1


def run(request: Request) -> Findings:
    """Gi* of each step, and what its hot steps make of a cell."""
    points, values, period = request.incidents.points, request.values, request.wanted.period
    assert period is not None  # a period is needed
    months = values["months"] or months_in_a_step(period, LEAST_PERIODS)
    steps = Steps.of(period, int(months))  # type: ignore[call-overload]
    cells = cells_over(request.area, [points], values)
    near, correction, level = neighbourhood(cells, values), correction_of(values), level_of(values)
    rules = Rules(*(float(values[name]) / 100 for name in ("persistent", "recent", "hot")))  # type: ignore[arg-type]
    cube = steps.counts(cells, points)
    hot = np.zeros((len(cube), int(cells.mask.sum())), dtype=bool)
    without = 0
    for number, counts in enumerate(cube):
        request.stop_if_cancelled()
        request.report("Looking at each step", number, len(cube))
        try:
            hot[number] = gi_star(counts, cells.mask, near.weights, correction).classes[cells.mask] >= level
        except GiStarError:
            if counts.any():
                raise
            without += 1  # without an incident no cell is hot
    with in_one_sentence():
        of_cells = classify(hot, rules)
    found = np.zeros(cells.grid.shape, dtype=np.int8)
    found[cells.mask] = of_cells
    recent = rules.recent(len(cube))
    times, lately = np.zeros(found.shape, dtype=np.int64), np.zeros(found.shape, dtype=np.int64)
    times[cells.mask], lately[cells.mask] = hot.sum(axis=0), hot[-recent:].sum(axis=0)
    numbers = {kind: int((of_cells == kind).sum()) for kind in _LOOK if kind}
    told = ", ".join(f"{number:,} {kind.name.lower()}" for kind, number in numbers.items())
    notes = list(steps.notes)
    if without:
        notes.append(f"In {without:,} of {counted(len(cube), 'step')} there is no incident at all.")
    columns = {"count": cube.sum(axis=0), "hot_steps": times, "hot_lately": lately, "class": found}
    return Findings(
        answer=f"Of {counted(len(of_cells), 'cell')} these are hot spots: {told}.",
        outputs=(
            Output.grid(
                "hot_spot_classes",
                "Hot spots by their course",
                cells.surface(columns, "class"),
                tuple(LegendClass(kind, kind, words, colour) for kind, (words, colour) in _LOOK.items()),
                "Hot spots",
                {"hot_steps": "Hot steps", "hot_lately": "Hot recent steps"},
            ),
        ),
        parameters=(
            ("Method", "Getis-Ord Gi* of each step by itself, then classified"),
            ("Steps", steps.words + ("" if values["months"] else " (automatic)")),
            ("Recent", f"the last {recent} of {len(cube)} steps, from {steps.periods[-recent].label}"),
            ("Persistent", f"hot in at least {rules.persistent_share:.0%} of all steps"),
            ("Counts as hot", f"in at least {rules.hot_share:.0%} of the recent, or of the earlier steps"),
            ("Confidence", f"{values['confidence']} %"),
            *cells.parameters,
            ("Neighbourhood", near.words),
            ("Correction", CORRECTION_WORDS[correction] + ", in each step"),
        ),
        values_used={**numbers_used(values, cells), **near.values_used, "months": steps.months},
        notes=tuple(notes),
    )


HOT_SPOT_CLASSES = Analysis(
    "hot-spot-classes",
    "Persistent, recent, emerging, former",
    "Change",
    "Which places are hot nearly all the time, which lately and before, which only lately, and which no longer: the "
    "period is cut into steps of whole months, each is judged by Gi*, and the steps make the class.",
    (MONTHS, CELL, SHAPE, *NEIGHBOURS, CONFIDENCE, CORRECTION, _PERSISTENT, _RECENT, _HOT),
    run,
    (Need.PERIOD,),
)
