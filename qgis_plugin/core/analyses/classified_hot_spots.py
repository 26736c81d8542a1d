"""Persistent, recent, emerging and former hot spots over the steps of a period."""

from __future__ import annotations

import numpy as np

from ....shared.getis_ord import GiStarError, gi_star
from ....shared.hotspot_classes import LEAST_PERIODS, HotspotClass, Rules, classify
from ..cautions import counted
from ..hotspot_styles import LegendClass
from ..sentences import say, translated
from ..usual_periods import Usual
from .analysis import Analysis, Choice, Findings, Guard, Kind, Need, Output, Request
from .grid_cells import in_one_sentence
from .steps_in_time import STEPPED, Stepped

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


def run(request: Request) -> Findings:
    """Gi* of each step, and what its hot steps make of a cell."""
    values, stepped = request.values, Stepped.of(request, LEAST_PERIODS)
    steps, cells, near, cube = stepped.steps, stepped.cells, stepped.near, stepped.cube
    rules = Rules(*(float(values[name]) / 100 for name in ("persistent", "recent", "hot")))  # type: ignore[arg-type]
    hot = np.zeros((len(cube), int(cells.mask.sum())), dtype=bool)
    without = 0
    for number, counts in enumerate(cube):
        request.stop_if_cancelled()
        request.report("Looking at each step", number, len(cube))
        try:
            found = gi_star(counts, cells.mask, near.weights, stepped.correction)
            hot[number] = found.classes[cells.mask] >= stepped.level
        except GiStarError:
            if counts.any():
                raise
            without += 1  # without an incident no cell is hot
    with in_one_sentence():
        of_cells = classify(hot, rules)
    classes = np.zeros(cells.grid.shape, dtype=np.int8)
    classes[cells.mask] = of_cells
    recent = rules.recent(len(cube))
    times, lately = np.zeros(classes.shape, dtype=np.int64), np.zeros(classes.shape, dtype=np.int64)
    times[cells.mask], lately[cells.mask] = hot.sum(axis=0), hot[-recent:].sum(axis=0)
    numbers = {kind: int((of_cells == kind).sum()) for kind in _LOOK if kind}
    short = {
        HotspotClass.PERSISTENT: translated("persistent"),
        HotspotClass.RECENT: translated("recent"),
        HotspotClass.EMERGING: translated("emerging"),
        HotspotClass.FORMER: translated("former"),
    }
    told = ", ".join(f"{number:,} {short[kind]}" for kind, number in numbers.items())
    notes = list(steps.notes)
    if without:
        notes.append(
            say(
                "In {without:,} of {steps} there is no incident at all.",
                without=without,
                steps=counted(len(cube), "step"),
            )
        )
    columns = {"count": cube.sum(axis=0), "hot_steps": times, "hot_lately": lately, "class": classes}
    return Findings(
        answer=say("Of {cells} these are hot spots: {told}.", cells=counted(len(of_cells), "cell"), told=told),
        outputs=(
            Output.grid(
                "hot_spot_classes",
                "Hot spots by their course",
                cells.surface(columns, "class"),
                tuple(LegendClass(kind, kind, words, colour) for kind, (words, colour) in _LOOK.items()),
                "Hot spots",
                {"hot_steps": "Hot steps", "hot_lately": "Hot recent steps"},
                Guard((columns["count"],), near.weights, HotspotClass.NONE),
            ),
        ),
        parameters=(
            ("Method", "Getis-Ord Gi* of each step by itself, then classified"),
            stepped.step_words,
            (
                "Recent",
                say(
                    "the last {recent} of {cube} steps, from {label}",
                    recent=recent,
                    cube=len(cube),
                    label=steps.steps[-recent].label,
                ),
            ),
            (
                "Persistent",
                say("hot in at least {persistent_share:.0%} of all steps", persistent_share=rules.persistent_share),
            ),
            (
                "Counts as hot",
                say("in at least {hot_share:.0%} of the recent, or of the earlier steps", hot_share=rules.hot_share),
            ),
            ("Confidence", f"{values['confidence']} %"),
            *stepped.last_words("{words}, in each step"),
        ),
        values_used=stepped.values_used,
        notes=tuple(notes),
    )


HOT_SPOT_CLASSES = Analysis(
    "hot-spot-classes",
    "Persistent, recent, emerging, former",
    "Change",
    "Which places are hot nearly all the time, which lately and before, which only lately, and which no longer: the "
    "period is cut into steps of months or days, each is judged by Gi*, and the steps make the class.",
    (*STEPPED, _PERSISTENT, _RECENT, _HOT),
    run,
    (Need.PERIOD,),
    Usual.ALL,
)
