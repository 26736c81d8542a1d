"""Concentration: which share of places holds a quarter and half of the incidents, and how uneven that is (Gini)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ....shared.concentration import Concentration, ConcentrationError, concentration, places_of
from ....shared.street_network import Network, on_network
from ..analysis_error import AnalysisError
from ..cautions import far_from_streets, incidents_words
from ..exact import Exact
from ..hotspot_styles import LegendClass
from ..sentences import say, translated
from ..study_areas import points_inside
from .analysis import Analysis, Choice, Findings, Guard, Kind, Output, Request
from .grid_cells import CELL, SHAPE, cells_over, numbers_used
from .streets import WITHIN, network_of

_SHARES = (25, 50, 80)
_CLASSES = (
    LegendClass(3, 3, "Hold the first 25 % of incidents", "#7d1a34"),
    LegendClass(2, 2, "Hold the next 25 %", "#e28259"),
    LegendClass(1, 1, "Hold the other half", "#fae3c4"),
    LegendClass(0, 0, "None", ""),
)
_WORDS = {"incidents": "Incidents", "rank": "Rank", "class": "Share of incidents that it belongs to"}


@dataclass(frozen=True)
class _Units:
    """The places by one way to tell them: their counts, in words, and what becomes of them on the map."""

    words: str
    counts: np.ndarray
    places: int | None  # how many there are in all, where counts do not hold the empty ones
    parameters: tuple[tuple[str, str], ...]
    output: Output
    note: str = ""
    values_used: tuple[tuple[str, object], ...] = ()


def run(request: Request) -> Findings:
    """The places, classed by the share of incidents they hold; a table of shares and the curve behind it."""
    unit = str(request.values["unit"])
    try:
        units = {"points": _points, "streets": _streets, "cells": _cells}[unit](request)
        found = concentration(units.counts, units.places)
    except ConcentrationError as error:
        raise AnalysisError(str(error), "parameters") from error
    request.stop_if_cancelled()
    occupied = found.places - found.empty
    half, quarter = found.places_holding(50), found.places_holding(25)
    known = found.empty > 0 or units.places is not None or unit != "points"
    of = translated("all") if known else translated("those with any")
    answer = say(
        "Half of the {incidents} lie on {half:,} of {places:,} {words} ({half_2} of {of}), a quarter on {quarter:,} "
        "({quarter_2}). The generalised Gini coefficient is {generalised_gini:.2f}, from 0 (as even as can be) to 1.",
        incidents=incidents_words(found.incidents),
        half=half,
        places=found.places,
        words=units.words,
        half_2=_percent(half, found.places),
        of=of,
        quarter=quarter,
        quarter_2=_percent(quarter, found.places),
        generalised_gini=found.generalised_gini,
    )
    notes = [units.note] if units.note else []
    if found.places > found.incidents:
        notes.append(
            say(
                "There are more places ({places:,}) than incidents ({incidents:,}), so most must be empty: the "
                "ordinary Gini coefficient of {gini:.2f} says no more than that; go by the generalised one.",
                places=found.places,
                incidents=found.incidents,
                gini=found.gini,
            )
        )
    return Findings(
        answer=answer,
        outputs=(units.output, _share_table(found), _curve_table(found)),
        parameters=(
            ("A place is", units.words),
            *units.parameters,
            Exact.of(
                "Places",
                say("{places:,}, of which {occupied:,} with incidents", places=found.places, occupied=occupied),
            ),
            ("Generalised Gini coefficient", f"{found.generalised_gini:.3f}"),
            ("Ordinary Gini coefficient", say("{gini:.3f}, for comparison", gini=found.gini)),
        ),
        values_used=dict(units.values_used),
        notes=tuple(notes),
    )


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %"


def _ranks(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each place's rank by incidents, and its class: 3 to 0."""
    order = np.argsort(-counts, kind="stable")
    found = concentration(counts)
    ranks = np.empty(len(counts), dtype=np.int64)
    ranks[order] = np.arange(1, len(counts) + 1)
    classes = np.ones(len(counts), dtype=np.int64)
    classes[ranks <= found.places_holding(50)] = 2
    classes[ranks <= found.places_holding(25)] = 3
    classes[counts == 0] = 0
    return ranks, classes


def _points(request: Request) -> _Units:
    points = request.incidents.points
    places = places_of(points.eastings, points.northings)
    ranks, classes = _ranks(places.counts)
    total = request.values["places"]
    output = Output.points(
        "places",
        "Places by the share of incidents they hold",
        places.eastings,
        places.northings,
        {"incidents": places.counts, "rank": ranks, "class": classes},
        words=_WORDS,
        shown="class",
        classes=_CLASSES[:3],
        legend_title="Places",
        sized_by="incidents",
        guard=Guard((places.counts,)),
    )
    note = "" if total else (
        "How many places there are in all is not told, so shares are of the places with at least one incident: they "
        "make the concentration look smaller than it is. Give the number, or choose streets or cells."
    )  # fmt: skip
    words = translated("points") if total else translated("points with incidents")
    return _Units(words, places.counts, int(total) if total else None, (), output, note)


def _streets(request: Request) -> _Units:
    lines = request.lines.get("streets")
    if lines is None:
        raise AnalysisError(
            "Places are to be streets, but no layer of streets is chosen: choose one, or take points or cells.",
            "streets",
        )
    points, within = request.incidents.points, float(request.values["within"])
    network = network_of(lines)
    middles = network.at(np.arange(len(network.lengths)), network.lengths / 2)
    held = np.flatnonzero(points_inside(middles[:, 0], middles[:, 1], request.area.geometry))
    if not held.size:
        raise AnalysisError(
            f"No street of “{lines.title}” lies in the study area: choose the streets of this area.", "streets"
        )
    inside = Network(
        network.nodes,
        network.ends[held],
        network.lengths[held],
        tuple(network.shapes[edge] for edge in held),
        network.line_of[held],
    )
    found = on_network(inside, points.eastings, points.northings, within)
    near = found.edge >= 0
    if not near.any():
        raise AnalysisError(
            f"No incident lies within {within:g} m of a street of “{lines.title}”: choose a longer distance, or the "
            "streets of this area.",
            "within",
        )
    counts = np.bincount(found.edge[near], minlength=len(held))
    ranks, classes = _ranks(counts)
    output = Output.lines(
        "places",
        "Streets by the share of incidents they hold",
        inside.shapes,
        {
            "incidents": counts,
            "rank": ranks,
            "class": classes,
            "street": np.array([lines.names[line] for line in inside.line_of], dtype=object),
            "metres": np.round(inside.lengths, 1),
        },
        words={**_WORDS, "street": "Street", "metres": "Length (m)"},
        shown="class",
        classes=_CLASSES,
        legend_title="Streets",
        guard=Guard((counts,)),
    )
    away = int(np.count_nonzero(~near))
    note = far_from_streets(away, len(points), within)
    parameters = (("Nearest street within", f"{within:g} m"), Exact.of("Too far from any street", f"{away:,}"))
    return _Units(translated("streets between junctions"), counts, None, parameters, output, note)


def _cells(request: Request) -> _Units:
    cells = cells_over(request.area, [request.incidents.points], request.values)
    counts, mask = cells.counts(request.incidents.points), cells.mask
    ranks, classes = (np.zeros(mask.shape, dtype=np.int64) for _ in range(2))
    ranks[mask], classes[mask] = _ranks(counts[mask])
    surface = cells.surface({"incidents": counts, "rank": ranks, "class": classes}, "class")
    output = Output.grid(
        "places", "Cells by the share of incidents they hold", surface, _CLASSES, "Cells", _WORDS, Guard((counts,))
    )
    used = tuple(numbers_used(request.values, cells).items())
    return _Units(translated("cells"), counts[mask], None, cells.parameters[:1], output, values_used=used)


def _share_table(found: Concentration) -> Output:
    places = np.array([found.places_holding(share) for share in _SHARES])
    occupied = found.places - found.empty
    return Output.table(
        "shares",
        "How many places hold which share of incidents",
        {
            "incidents_share": np.array(_SHARES),
            "places": places,
            "share_of_places": np.round(100 * places / found.places, 3),
            "share_of_occupied": np.round(100 * places / occupied, 3),
        },
        {
            "incidents_share": "Share of incidents, at least (%)",
            "places": "Fewest places that hold it",
            "share_of_places": "Share of all places (%)",
            "share_of_occupied": "Share of places with incidents (%)",
        },
    )


def _curve_table(found: Concentration) -> Output:
    curve = found.curve
    return Output.table(
        "curve",
        "Places by how many incidents they hold",
        {
            "incidents_each": curve.count,
            "places": curve.places,
            "places_so_far": curve.places_so_far,
            "places_share": np.round(100 * curve.places_so_far / found.places, 4),
            "incidents_so_far": curve.incidents_so_far,
            "incidents_share": np.round(100 * curve.incidents_so_far / found.incidents, 4),
        },
        {
            "incidents_each": "Incidents on each",
            "places": "Places",
            "places_so_far": "Places with as many or more",
            "places_share": "Their share of places (%)",
            "incidents_so_far": "Incidents on them",
            "incidents_share": "Their share of incidents (%)",
        },
    )


CONCENTRATION = Analysis(
    name="concentration",
    words="Concentration on places",
    group="Places",
    help=(
        "Tells how few places hold a quarter and half of the incidents, and how uneven that is by the Gini "
        "coefficient: the generalised one, which allows for more places than incidents, with the ordinary one for "
        "comparison. Places are streets between junctions, cells, or exact points. In studies of many cities about "
        "1 % of streets hold a quarter of crime and about 4 to 5 % hold half."
    ),
    choices=(
        Choice(
            "unit",
            "A place is",
            "Streets and cells count empty places, too; points only where their number is given below.",
            Kind.ONE_OF,
            default="cells",
            options=(("cells", "a cell"), ("streets", "a street between junctions"), ("points", "an exact point")),
        ),
        Choice("streets", "Streets", "A layer of lines, for places that are streets.", Kind.LINE_LAYER),
        CELL,
        SHAPE,
        WITHIN,
        Choice(
            "places",
            "Points there are in all",
            "Such as the number of addresses in the area, for places that are points: empty ones count, too.",
            Kind.WHOLE,
            least=1,
            most=100_000_000,
            advanced=True,
        ),
    ),
    run=run,
)
