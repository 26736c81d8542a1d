"""Emerging hot spots: ESRI's seventeen patterns of hot and cold over time."""

from __future__ import annotations

import numpy as np

from ....shared.emerging import LEAST_STEPS, Pattern, emerging_hot_spots
from ..cautions import counted
from ..hotspot_styles import LegendClass
from ..hotspots import CORRECTION_WORDS
from .analysis import Analysis, Findings, Need, Output, Request
from .classified_hot_spots import months_in_a_step
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


def pattern_words(code: int) -> str:
    """“Intensifying hot spot” of a code of ``Emerging.patterns``."""
    if not code:
        return "No pattern"
    return f"{Pattern(abs(code)).name.capitalize()} {'hot' if code > 0 else 'cold'} spot"


def pattern_classes() -> tuple[LegendClass, ...]:
    """The seventeen classes, hot ones first, each group in the order of ESRI's list."""
    hot = [(int(pattern), colour) for pattern, colour in _HOT.items()]
    cold = [(-int(pattern), colour) for pattern, colour in _COLD.items()]
    return tuple(LegendClass(code, code, pattern_words(code), colour) for code, colour in (*hot, (0, "#eeeeea"), *cold))


def run(request: Request) -> Findings:
    """Gi* in space and time, its trend, and the pattern of each cell."""
    points, values, period = request.incidents.points, request.values, request.wanted.period
    assert period is not None  # a period is needed
    months = values["months"] or months_in_a_step(period, LEAST_STEPS)
    steps = Steps.of(period, int(months))  # type: ignore[call-overload]
    cells = cells_over(request.area, [points], values)
    near, correction = neighbourhood(cells, values), correction_of(values)
    cube = steps.counts(cells, points)
    request.stop_if_cancelled()
    request.report("Looking at all steps", 1, 3)
    with in_one_sentence():
        found = emerging_hot_spots(cube, cells.mask, near.weights, correction, level_of(values))
    of_cells = found.patterns[cells.mask]
    codes, numbers = np.unique(of_cells[of_cells != 0], return_counts=True)
    told = ", ".join(
        counted(int(number), pattern_words(code).lower()) for code, number in zip(codes[::-1], numbers[::-1])
    )
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
        answer=f"Of {counted(len(of_cells), 'cell')} these have a pattern: {told}."
        if told
        else f"None of {counted(len(of_cells), 'cell')} has a pattern.",
        outputs=(
            Output.grid(
                "emerging_hot_spots",
                "Emerging hot spots",
                cells.surface(columns, "class"),
                pattern_classes(),
                "Pattern",
                {"pattern": "Pattern", "trend_z": "Trend (Mann–Kendall z)", "hot_steps": "Hot steps"},
            ),
        ),
        parameters=(
            ("Method", "Getis-Ord Gi* in space and time, Mann–Kendall trend, patterns as published by ESRI"),
            ("Steps", steps.words + ("" if values["months"] else " (automatic)")),
            ("Neighbours in time", "the same step and the one before"),
            ("Confidence", f"{values['confidence']} %, of a step and of the trend"),
            *cells.parameters,
            ("Neighbourhood", near.words),
            ("Correction", CORRECTION_WORDS[correction].replace("all cells", "all cells and steps")),
        ),
        values_used={**numbers_used(values, cells), **near.values_used, "months": steps.months},
        notes=steps.notes,
    )


EMERGING = Analysis(
    "emerging-hot-spots",
    "Emerging hot spots",
    "Change",
    "How each place has been hot or cold over at least ten steps of whole months, in ESRI's seventeen patterns: new, "
    "consecutive, intensifying, persistent, diminishing, sporadic, oscillating and historical hot and cold spots, or "
    "none.",
    (MONTHS, CELL, SHAPE, *NEIGHBOURS, CONFIDENCE, CORRECTION),
    run,
    (Need.PERIOD,),
)
