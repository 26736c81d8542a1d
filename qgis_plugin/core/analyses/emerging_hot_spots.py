"""Emerging hot spots: ESRI's seventeen patterns of hot and cold over time."""

from __future__ import annotations

import numpy as np

from ....shared.emerging import LEAST_STEPS, Pattern, emerging_hot_spots
from ..cautions import counted
from ..hotspot_styles import LegendClass
from ..sentences import say, translated
from ..usual_periods import Usual
from .analysis import Analysis, Findings, Guard, Need, Output, Request
from .grid_cells import in_one_sentence
from .steps_in_time import STEPPED, Stepped

_HOT = {
    Pattern.NEW: "#f5c542",
    Pattern.CONSECUTIVE: "#ef9b3c",
    Pattern.INTENSIFYING: "#7d1a34",
    Pattern.PERSISTENT: "#a62b38",
    Pattern.DIMINISHING: "#d0716b",
    Pattern.SPORADIC: "#eab39b",
    Pattern.OSCILLATING: "#d9a7c7",
    Pattern.HISTORICAL: "#b59a8c",
}
_COLD = {
    Pattern.NEW: "#9fe0d6",
    Pattern.CONSECUTIVE: "#5fb8c4",
    Pattern.INTENSIFYING: "#173b66",
    Pattern.PERSISTENT: "#24588f",
    Pattern.DIMINISHING: "#6287b5",
    Pattern.SPORADIC: "#b7d3e6",
    Pattern.OSCILLATING: "#aab0dc",
    Pattern.HISTORICAL: "#93a3ad",
}


_NAMES = {
    Pattern.NEW: ("New hot spot", "New cold spot"),
    Pattern.CONSECUTIVE: ("Consecutive hot spot", "Consecutive cold spot"),
    Pattern.INTENSIFYING: ("Intensifying hot spot", "Intensifying cold spot"),
    Pattern.PERSISTENT: ("Persistent hot spot", "Persistent cold spot"),
    Pattern.DIMINISHING: ("Diminishing hot spot", "Diminishing cold spot"),
    Pattern.SPORADIC: ("Sporadic hot spot", "Sporadic cold spot"),
    Pattern.OSCILLATING: ("Oscillating hot spot", "Oscillating cold spot"),
    Pattern.HISTORICAL: ("Historical hot spot", "Historical cold spot"),
}


def pattern_words(code: int) -> str:
    """“Intensifying hot spot” of a code of ``Emerging.patterns``."""
    return translated(_NAMES[Pattern(abs(code))][int(code < 0)] if code else "No pattern")


def pattern_classes() -> tuple[LegendClass, ...]:
    """The seventeen classes, hot ones first, each group in the order of ESRI's list."""
    hot = [(int(pattern), colour) for pattern, colour in _HOT.items()]
    cold = [(-int(pattern), colour) for pattern, colour in _COLD.items()]
    return tuple(LegendClass(code, code, pattern_words(code), colour) for code, colour in (*hot, (0, "#eeeeea"), *cold))


def run(request: Request) -> Findings:
    """Gi* in space and time, its trend, and the pattern of each cell."""
    stepped = Stepped.of(request, LEAST_STEPS)
    cells, near, cube = stepped.cells, stepped.near, stepped.cube
    request.stop_if_cancelled()
    request.report("Looking at all steps", 1, 3)
    with in_one_sentence():
        found = emerging_hot_spots(cube, cells.mask, near.weights, stepped.correction, stepped.level)
    of_cells = found.patterns[cells.mask]
    codes, numbers = np.unique(of_cells[of_cells != 0], return_counts=True)
    told = ", ".join(f"{pattern_words(code)} ({int(number):,})" for code, number in zip(codes[::-1], numbers[::-1]))
    names = np.array([pattern_words(code) for code in range(-8, 9)])
    columns = {
        "count": cube.sum(axis=0),
        "pattern": names[found.patterns.astype(int) + 8],
        "class": found.patterns,
        "trend_z": found.trend_z,
        "trend_p": found.trend_p,
        "hot_steps": found.hot,
        "cold_steps": found.cold,
    }
    return Findings(
        answer=say("Of {cells} these have a pattern: {told}.", cells=counted(len(of_cells), "cell"), told=told)
        if told
        else say("None of {cells} has a pattern.", cells=counted(len(of_cells), "cell")),
        outputs=(
            Output.grid(
                "emerging_hot_spots",
                "Emerging hot spots",
                cells.surface(columns, "class"),
                pattern_classes(),
                "Pattern",
                {"pattern": "Pattern", "trend_z": "Trend (Mann–Kendall z)", "hot_steps": "Hot steps"},
                Guard((columns["count"],), near.weights, 0, below="Hatched: cold spots"),
            ),
        ),
        parameters=(
            ("Method", "Getis-Ord Gi* in space and time, Mann–Kendall trend, patterns as published by ESRI"),
            stepped.step_words,
            ("Neighbours in time", "the same step and the one before"),
            ("Confidence", say("{confidence} %, of a step and of the trend", confidence=request.values["confidence"])),
            *stepped.last_words("{words} (and steps)"),
        ),
        values_used=stepped.values_used,
        notes=stepped.steps.notes,
    )


EMERGING = Analysis(
    "emerging-hot-spots",
    "Emerging hot spots",
    "Change",
    "How each place has been hot or cold over at least ten steps of months or days, in ESRI's seventeen patterns: new, "
    "consecutive, intensifying, persistent, diminishing, sporadic, oscillating and historical hot and cold spots, or "
    "none.",
    STEPPED,
    run,
    (Need.PERIOD,),
    Usual.ALL,
)
