"""Kernel density with every option: bandwidths by several rules, weights of a column, the edge corrected for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ....shared.bandwidths import STEADY_TIMES_PRECISION, Rule, bandwidth_by, precision_kept
from ....shared.kernel_density import check, kernel_density
from ..hotspot_styles import DensityClasses, density_classes, number_words
from .analysis import Analysis, Choice, Findings, Kind, Output, Request
from .detailed_hot_spots import WEIGHT, weight_words, weights_of
from .grid_cells import AUTOMATIC, CELL, Cells, cells_over, in_one_sentence, numbers_used

if TYPE_CHECKING:
    import numpy as np

_RULE_WORDS = {
    Rule.SILVERMAN: "Silverman's rule of thumb",
    Rule.SCOTT: "Scott's rule",
    Rule.NORMAL_REFERENCE: "Normal reference, as of crime maps in R",
    Rule.MEDIAN_DISTANCE: "Median distance, as in ArcGIS",
}
_SMALLEST_CELL_M = 25.0

BANDWIDTH = Choice(
    "bandwidth",
    "Bandwidth",
    "How far an incident's influence reaches, in metres. Leave it empty for the rule's.",
    Kind.METRES,
    least=1,
)
RULE = Choice(
    "rule",
    "Rule for the bandwidth",
    "By which rule an automatic bandwidth follows from the points. None gives less than 100 m, two cells, or twice "
    "the precision of the places.",
    Kind.ONE_OF,
    default=Rule.SILVERMAN.value,
    options=tuple((rule.value, words) for rule, words in _RULE_WORDS.items()),
    advanced=True,
)
EDGE = Choice(
    "edge",
    "Correct for the edge of the study area",
    "Beyond the edge no incidents are counted, so that the density next to it is too low; this makes up for it.",
    Kind.YES_NO,
    default=False,
    advanced=True,
)
_CLASSES = Choice(
    "classes",
    "Classes of the map",
    "Where the colours change: at multiples of the study area's mean, or so that each has as many cells.",
    Kind.ONE_OF,
    default=DensityClasses.MULTIPLES.value,
    options=(
        (DensityClasses.MULTIPLES.value, "Multiples of the mean"),
        (DensityClasses.QUANTILES.value, "Five equal parts (quantiles)"),
    ),
    advanced=True,
)


@dataclass(frozen=True)
class Chosen:
    """The bandwidth in ``metres`` with the words and warnings that belong to it."""

    metres: float
    words: str
    notes: tuple[str, ...]


def bandwidth_of(request: Request, cells: Cells, eastings: np.ndarray, northings: np.ndarray) -> Chosen:
    """The bandwidth that was chosen, or the rule's for these points; raises ``AnalysisError``."""
    cell, given = cells.grid.cell, request.values["bandwidth"]
    precision = request.incidents.points.precision
    with in_one_sentence():
        check(len(eastings), cell, cell if given is None else float(given))  # type: ignore[arg-type]
    kept = precision_kept(precision)
    if given is None:
        rule = Rule(request.values["rule"])
        found = bandwidth_by(rule, eastings, northings, cell, precision)
        metres, words = found.metres, f"{found.metres:,.0f} m{AUTOMATIC}: {_RULE_WORDS[rule]}"
        if found.at_floor:
            words += f" gave {found.rule_metres:,.0f} m; the floor is {found.why_floor}"
    else:
        metres = float(given)  # type: ignore[arg-type]
        words = f"{metres:,.0f} m"
    notes = ()
    if kept and metres < STEADY_TIMES_PRECISION * kept:
        notes = (
            f"The places are exact to {kept:,.0f} m only; below a bandwidth of {STEADY_TIMES_PRECISION * kept:,.0f} m "
            "the surface shows in part where points were put, not where things happened.",
        )
    return Chosen(metres, words, notes)


def run(request: Request) -> Findings:
    """The density of the incidents, or of their weights, by cell."""
    points, values = request.incidents.points, request.values
    cells = cells_over(request.area, [points], values, _SMALLEST_CELL_M)
    weights = weights_of(request)
    bandwidth = bandwidth_of(request, cells, points.eastings, points.northings)
    edge = bool(values["edge"])
    with in_one_sentence():
        density = kernel_density(
            points.eastings, points.northings, cells.grid, bandwidth.metres, cells.mask, edge, weights
        )
    inside = density.values[cells.mask]
    mean = float(inside.mean())
    unit = "incidents per km²" if weights is None else "weight per km²"
    columns = {"count": cells.counts(points), "per_km2": density.values}
    columns["times_mean"] = density.values / mean
    return Findings(
        answer=f"The density reaches {number_words(float(inside.max()))} {unit}, {inside.max() / mean:,.1f} times the "
        f"mean of {number_words(mean)}.",
        outputs=(
            Output.grid(
                "density",
                "Density",
                cells.surface(columns, "per_km2"),
                density_classes(inside, DensityClasses(values["classes"])),
                unit.capitalize(),
                {"per_km2": unit.capitalize(), "times_mean": "Times the mean"},
            ),
        ),
        parameters=(
            ("Method", f"kernel density, quartic kernel, {unit}"),
            *cells.parameters,
            ("Bandwidth", bandwidth.words),
            ("Edge of the study area", "corrected for" if edge else "not corrected for"),
            weight_words(request, weights),
            ("Mean density", f"{number_words(mean)} per km²"),
        ),
        values_used={**numbers_used(values, cells), "bandwidth": bandwidth.metres},
        notes=bandwidth.notes,
    )


DENSITY = Analysis(
    "density",
    "Density, all options",
    "Where",
    "Incidents per km², or their harm per km², by the quartic kernel: the volume under the surface is their number, or "
    "the sum of their weights. The bandwidth comes from one of several rules, never below what the places allow.",
    (CELL, BANDWIDTH, RULE, EDGE, WEIGHT, _CLASSES),
    run,
)
