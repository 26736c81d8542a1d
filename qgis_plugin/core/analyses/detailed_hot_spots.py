"""Hot and cold spots by Gi* with every option: hexagons, distances, weights of a column."""

from __future__ import annotations

import numpy as np

from ....shared.getis_ord import CONFIDENCE, gi_star
from ..analysis_error import AnalysisError
from ..cautions import counted, incidents_words
from ..exact import Exact
from ..hotspot_styles import gi_classes
from ..hotspots import CORRECTION_WORDS
from ..point_facts import ColumnKind
from ..sentences import say, say_number
from .analysis import Analysis, Choice, Findings, Guard, Kind, Output, Request
from .grid_cells import (
    CELL,
    CORRECTION,
    NEIGHBOURS,
    SHAPE,
    cells_over,
    correction_of,
    in_one_sentence,
    neighbourhood,
    numbers_used,
)

WEIGHT = Choice(
    "weight",
    "Weight",
    "A column that tells how much each incident counts, for example its harm by the Cambridge Crime Harm Index, from "
    "the offence as it was recorded. Without one, each incident counts the same: no weight is ever guessed.",
    Kind.COLUMN,
    columns=(ColumnKind.NUMBER,),
)


def weights_of(request: Request) -> np.ndarray | None:
    """The incidents' weights; ``None`` where none were chosen. Raises ``AnalysisError`` where one is missing or < 0."""
    name = request.values["weight"]
    if not name:
        return None
    weights = request.incidents.points.extra[str(name)]
    missing, negative = int(np.isnan(weights).sum()), int((weights < 0).sum())
    if missing or negative:
        what = f"{missing:,} of {incidents_words(len(weights))} {_have(missing)} no weight" if missing else ""
        less = f"{negative:,} {_have(negative)} one below 0" if negative else ""
        raise AnalysisError(
            f"{' and '.join(filter(None, (what, less)))} in the column “{name}”, and none is guessed: complete the "
            "column, or leave those incidents out by a filter.",
            "weight",
        )
    return weights


def _have(number: int) -> str:
    return "has" if number == 1 else "have"


def weight_words(request: Request, weights: np.ndarray | None) -> tuple[str, str]:
    """What each incident counts, in words."""
    if weights is None:
        return "Weight", "none: each incident counts 1"
    return "Weight", say(
        "the column “{weight}”, {value:,.6g} in all", weight=request.values["weight"], value=weights.sum()
    )


def run(request: Request) -> Findings:
    """Gi* of the incidents' numbers, or of their weights' sums, by cell."""
    points, values = request.incidents.points, request.values
    cells = cells_over(request.area, [points], values)
    near = neighbourhood(cells, values)
    weights = weights_of(request)
    counts = cells.counts(points)
    columns = {"count": counts}
    analysed = counts
    if weights is not None:
        # Whole weights, such as days of prison, keep Gi* exact.
        whole = bool((weights == np.rint(weights)).all())
        sums = cells.grid.bin(points.eastings, points.northings, weights)
        analysed = np.rint(sums).astype(np.int64) if whole else sums
        columns["weight"] = sums
    correction = correction_of(values)
    with in_one_sentence():
        found = gi_star(analysed, cells.mask, near.weights, correction)
    columns.update({"z": found.z, "p": found.p, "q": found.q, "class": found.classes})
    hot, cold = int((found.classes > 0).sum()), int((found.classes < 0).sum())
    return Findings(
        answer=_answer(hot, cold, found.cells),
        outputs=(
            Output.grid(
                "hot_spots",
                "Hot and cold spots",
                cells.surface(columns, "class"),
                gi_classes(),
                "Getis-Ord Gi*",
                guard=Guard((counts,), near.weights, 0, below="Hatched: cold spots"),
            ),
        ),
        parameters=(
            ("Method", "Getis-Ord Gi* (1995), binary weights of neighbours, two-sided"),
            *cells.parameters,
            ("Neighbourhood", near.words),
            ("Correction", CORRECTION_WORDS[correction]),
            weight_words(request, weights),
            Exact.of("Hot / cold cells", f"{hot:,} / {cold:,}"),
        ),
        values_used={**numbers_used(values, cells), **near.values_used},
        notes=() if hot or cold else ("No cell stands out: nothing here is more, or less, than chance would bring.",),
    )


def _answer(hot: int, cold: int, cells: int) -> str:
    every = counted(cells, "cell")
    return say(
        "{hot} and {cold}, with at least {least} % confidence.",
        hot=say_number(hot, "{n} of {cells} is a hot spot", "{n} of {cells} are hot spots", cells=every),
        cold=say_number(cold, "{n} a cold spot", "{n} cold spots"),
        least=CONFIDENCE[1],
    )


HOT_SPOTS = Analysis(
    "hot-spots",
    "Hot and cold spots, all options",
    "Where",
    "Cells where incidents, or their harm, cluster more or less than chance would have it (Getis-Ord Gi*). Squares or "
    "hexagons; neighbours by steps or by distance; p corrected over all cells of the study area.",
    (CELL, SHAPE, *NEIGHBOURS, CORRECTION, WEIGHT),
    run,
)
