"""Two densities compared: of two layers, or of two categories of one."""

from __future__ import annotations

import math

import numpy as np

from ....shared.dual_density import Comparison, compare
from ....shared.getis_ord import distance_band
from ....shared.kernel_density import kernel_density
from ..analysis_error import AnalysisError
from ..cautions import counted, few_incidents, lonely_points
from ..exact import Exact
from ..hotspot_styles import DensityClasses, LegendClass, density_classes, diverging_classes, number_words
from ..points import Points
from ..sentences import say, translated
from .analysis import Analysis, Choice, Findings, Guard, Kind, Output, Request
from .detailed_density import BANDWIDTH, EDGE, RULE, bandwidth_of
from .grid_cells import CELL, cells_over, in_one_sentence, numbers_used

_WORDS = {
    Comparison.RATIO: "Ratio",
    Comparison.LOG_RATIO: "Logarithm of the ratio",
    Comparison.DIFFERENCE: "Difference",
    Comparison.SUM: "Sum",
}
_SECOND = Choice(
    "second",
    "Second layer",
    "The incidents to compare with. The same layer stands for its incidents of every category. Without a layer, choose "
    "exactly two categories above: the first is compared with the second.",
    Kind.POINT_LAYER,
)
_COMPARISON = Choice(
    "comparison",
    "Comparison",
    "What is mapped of the two densities: first / second, its natural logarithm (above 0 where the first prevails), "
    "first − second, or their sum.",
    Kind.ONE_OF,
    default=Comparison.LOG_RATIO.value,
    options=tuple((comparison.value, words) for comparison, words in _WORDS.items()),
)
_SHARES = Choice(
    "shares",
    "Compare shares",
    "Compare where each set's own incidents lie, not how many there are: a ratio of 1 then says that both have the "
    "same part of their incidents there.",
    Kind.YES_NO,
    default=True,
)


def run(request: Request) -> Findings:
    """The comparison by cell, with both densities."""
    values = request.values
    (first, first_words), (second, second_words) = _both(request)
    cells = cells_over(request.area, [first, second], values, 25.0)
    # One bandwidth for both, of all points together: two would compare the smoothing.
    bandwidth = bandwidth_of(
        request,
        cells,
        np.concatenate([first.eastings, second.eastings]),
        np.concatenate([first.northings, second.northings]),
    )
    comparison, shares, edge = Comparison(values["comparison"]), bool(values["shares"]), bool(values["edge"])
    with in_one_sentence():
        densities = [
            kernel_density(some.eastings, some.northings, cells.grid, bandwidth.metres, cells.mask, edge)
            for some in (first, second)
        ]
        found = compare(densities[0], densities[1], comparison, shares)
    columns = {
        "first": densities[0].values,
        "second": densities[1].values,
        "compared": found,
    }
    known = found[cells.mask & np.isfinite(found)]
    if not len(known):
        raise AnalysisError(
            f"{second_words} lie nowhere near {first_words}, so there is no ratio: choose a difference instead.",
            "comparison",
        )
    without = int(cells.mask.sum()) - len(known)
    notes = list(bandwidth.notes)
    if "second" not in request.others:  # two categories: the frame looks at both together
        for some, words in ((first, first_words), (second, second_words)):
            notes += [f"{words}: {note}" for note in (few_incidents(some), lonely_points(some)) if note]
    if without:
        notes.append(
            say(
                "No ratio in {cells}: within the bandwidth one of the two has no incident.",
                cells=counted(without, "cell"),
            )
        )
    texts = {
        True: "{comparison} of the shares: {first} and {second}",
        False: "{comparison} of the densities: {first} and {second}",
    }
    words = say(texts[shares], comparison=translated(_WORDS[comparison]), first=first_words, second=second_words)
    return Findings(
        answer=say(
            "{words}: from {value} to {value_2}.",
            words=words,
            value=_signed(float(known.min())),
            value_2=_signed(float(known.max())),
        ),
        outputs=(
            Output.grid(
                "dual_density",
                words,
                cells.surface(columns, "compared"),
                _classes(known, comparison),
                _WORDS[comparison],
                {
                    "first": say("{first_words} per km²", first_words=first_words),
                    "second": say("{second_words} per km²", second_words=second_words),
                    "compared": _WORDS[comparison],
                },
                Guard(
                    (cells.counts(first), cells.counts(second)),
                    distance_band(cells.grid.cell, max(bandwidth.metres, cells.grid.cell)),
                    bandwidth_m=bandwidth.metres,
                ),
            ),
        ),
        parameters=(
            ("Method", "two kernel densities, quartic kernel, one bandwidth for both"),
            Exact.of("First", f"{first_words}, {len(first):,}", first_words),
            Exact.of("Second", f"{second_words}, {len(second):,}", second_words),
            ("Comparison", translated(_WORDS[comparison]) + translated(" of shares" if shares else " of numbers")),
            *cells.parameters,
            ("Bandwidth", bandwidth.words),
            ("Edge of the study area", "corrected for" if edge else "not corrected for"),
        ),
        values_used={**numbers_used(values, cells), "bandwidth": bandwidth.metres},
        notes=tuple(notes),
        parts=() if "second" in request.others else ((request.facts, first), (request.facts, second)),
    )


def _both(request: Request) -> tuple[tuple[Points, str], tuple[Points, str]]:
    points, facts, categories = request.incidents.points, request.facts, request.wanted.categories
    if "second" in request.others:
        other = request.others["second"]
        own = ", ".join(facts.label(value).lower() for value in categories) or "all incidents"
        # Layers often share their name with the dataset; what differs is told.
        first = f"{facts.title} ({own})"
        return (points, first), (other.incidents.points, say("{title} (all incidents)", title=other.facts.title))
    if len(categories) != 2:
        raise AnalysisError(
            "There is nothing to compare with: choose a second layer, or exactly two categories of this one.", "second"
        )
    return tuple(  # type: ignore[return-value]
        (points.where(points.categories == value), facts.label(value)) for value in categories
    )


def _classes(known: np.ndarray, comparison: Comparison) -> tuple[LegendClass, ...]:
    if comparison is Comparison.SUM:
        return density_classes(known, DensityClasses.MULTIPLES)
    if comparison is Comparison.DIFFERENCE:
        size = float(np.quantile(np.abs(known), 0.98)) or 1.0
        edges = [-size, -size / 2, -size / 8, size / 8, size / 2, size]
        return diverging_classes(known, edges, _signed)
    edges = [1 / 4, 1 / 2, 1 / 1.25, 1.25, 2, 4]
    if comparison is Comparison.LOG_RATIO:
        # Nobody reads logarithms: the legend tells the ratios.
        return diverging_classes(known, [math.log(edge) for edge in edges], lambda edge: _times(math.exp(edge)))
    return diverging_classes(known, edges, _times)


def _times(value: float) -> str:
    return say("{value:.3g} times", value=value)


def _signed(value: float) -> str:
    return f"−{number_words(-value)}" if value < 0 else number_words(value)


DUAL_DENSITY = Analysis(
    "dual-density",
    "Two densities compared",
    "Where",
    "Where one kind of incident is denser than another, or than a background such as all incidents: both densities "
    "with the same kernel, and their ratio, its logarithm, their difference or their sum.",
    (_SECOND, _COMPARISON, _SHARES, CELL, BANDWIDTH, RULE, EDGE),
    run,
)
