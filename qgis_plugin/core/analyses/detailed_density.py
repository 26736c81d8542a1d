"""Kernel density with every option: bandwidths by several rules, weights of a column, the edge corrected for."""

from __future__ import annotations

import numpy as np

from ....shared.bandwidths import Rule
from ....shared.getis_ord import distance_band
from ....shared.kernel_density import kernel_density
from ..chosen_bandwidth import RULE_WORDS, ChosenBandwidth, chosen_bandwidth
from ..hotspot_styles import DensityClasses, density_classes, number_words
from ..sentences import say, translated
from .analysis import Analysis, Choice, Findings, Guard, Kind, Output, Request
from .detailed_hot_spots import WEIGHT, weight_words, weights_of
from .grid_cells import CELL, Cells, cells_over, in_one_sentence, numbers_used

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
    options=tuple((rule.value, words) for rule, words in RULE_WORDS.items()),
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


def bandwidth_of(request: Request, cells: Cells, eastings: np.ndarray, northings: np.ndarray) -> ChosenBandwidth:
    """The bandwidth that was chosen, or the rule's for these points; raises ``AnalysisError``."""
    precision = np.concatenate(
        [request.incidents.points.precision, *(other.incidents.points.precision for other in request.others.values())]
    )
    with in_one_sentence():
        return chosen_bandwidth(
            request.values["bandwidth"], Rule(request.values["rule"]), eastings, northings, cells.grid.cell, precision
        )


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
    unit = translated("incidents per km²") if weights is None else translated("weight per km²")
    columns = {"count": cells.counts(points), "per_km2": density.values}
    columns["times_mean"] = density.values / mean
    return Findings(
        answer=say(
            "The density reaches {value} {unit}, {value_2:,.1f} times the mean of {mean}.",
            value=number_words(float(inside.max())),
            unit=unit,
            value_2=inside.max() / mean,
            mean=number_words(mean),
        ),
        outputs=(
            Output.grid(
                "density",
                "Density",
                cells.surface(columns, "per_km2"),
                density_classes(inside, DensityClasses(values["classes"])),
                unit.capitalize(),
                {"per_km2": unit.capitalize(), "times_mean": "Times the mean"},
                Guard(
                    (columns["count"],),
                    distance_band(cells.grid.cell, max(bandwidth.metres, cells.grid.cell)),
                    bandwidth_m=bandwidth.metres,
                ),
            ),
        ),
        parameters=(
            ("Method", say("kernel density, quartic kernel, {unit}", unit=unit)),
            *cells.parameters,
            ("Bandwidth", bandwidth.words),
            ("Edge of the study area", "corrected for" if edge else "not corrected for"),
            weight_words(request, weights),
            ("Mean density", say("{mean} per km²", mean=number_words(mean))),
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
