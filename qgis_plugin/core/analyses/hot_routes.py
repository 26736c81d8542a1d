"""Hot routes: the density of incidents along streets, in incidents per km of street."""

from __future__ import annotations

import numpy as np

from ....shared.network_density import Junctions, network_density
from ....shared.street_network import Lixels, Network, NetworkError, OnNetwork, on_network, piece
from ..analysis_error import AnalysisError
from ..cautions import far_from_streets, incidents_words
from ..exact import Exact
from ..hotspot_styles import DensityClasses, density_classes
from ..sentences import say
from ..study_areas import points_inside
from .analysis import Analysis, Choice, Findings, Guard, Kind, Output, Request
from .streets import WITHIN, network_of

_MOST_PIECES = 500_000
_JUNCTION_WORDS = {
    Junctions.DISCONTINUOUS: "shared out at junctions, so that each incident counts once (discontinuous)",
    Junctions.SIMPLE: "by the shortest way, whole on every branch (simple)",
}


def run(request: Request) -> Findings:
    """Pieces of street with their density, and the streets in order of their incidents per km."""
    values, points, lines = request.values, request.incidents.points, request.lines["streets"]
    bandwidth, length, within = (float(values[name]) for name in ("bandwidth", "piece", "within"))  # type: ignore
    junctions = Junctions(values["junctions"])
    if bandwidth < length:
        raise AnalysisError(
            f"The bandwidth of {bandwidth:g} m is smaller than the pieces of {length:g} m, so incidents would fall "
            "between them: choose a larger bandwidth or shorter pieces.",
            "bandwidth",
        )

    heard = request.listener("Densities along the streets")
    network = network_of(lines)
    try:
        pieces = Lixels.of(network, length)
        if len(pieces.edge) > _MOST_PIECES:
            raise NetworkError(
                f"The streets make {len(pieces.edge):,} pieces of {length:g} m, more than {_MOST_PIECES:,}: choose "
                "longer pieces or a smaller study area."
            )
        heard(0, 1)
        places = on_network(network, points.eastings, points.northings, within)
        density = network_density(network, places, pieces, bandwidth, junctions, heard)
    except NetworkError as error:
        raise AnalysisError(str(error), "parameters") from error
    middles = network.at(pieces.edge, pieces.middles)
    inside = points_inside(middles[:, 0], middles[:, 1], request.area.geometry)
    if not inside.any():
        raise AnalysisError(
            f"No street of “{lines.title}” lies in the study area: choose the streets of this area.", "streets"
        )
    request.stop_if_cancelled()
    held = pieces.holding(places)
    metres = pieces.end - pieces.start
    names = np.array([lines.names[line] for line in network.line_of[pieces.edge]], dtype=object)
    streets = _streets(names[inside], metres[inside], held[inside], density[inside])
    on = int(np.count_nonzero(places.edge >= 0))
    km = float(metres[inside].sum()) / 1000
    return Findings(
        answer=_answer(streets, on, km, float(density[inside].max())),
        outputs=(_pieces(network, pieces, inside, names, held, density, bandwidth), streets),
        parameters=(
            ("Method", "density along streets, quartic kernel, incidents per km"),
            ("At junctions", _JUNCTION_WORDS[junctions]),
            ("Bandwidth", say("{bandwidth:g} m along the streets", bandwidth=bandwidth)),
            ("Pieces", say("up to {length:g} m, {value:,} in the study area", length=length, value=int(inside.sum()))),
            ("Streets", say("{km:,.1f} km in the study area", km=km)),
            ("Nearest street within", f"{within:g} m"),
            Exact.of(
                "Incidents on streets", say("{on:,}, {points:,} too far from any", on=on, points=len(points) - on)
            ),
        ),
        values_used={},
        notes=_notes(places, within, junctions),
    )


def _notes(places: OnNetwork, within: float, junctions: Junctions) -> tuple[str, ...]:
    notes = [far_from_streets(int(np.count_nonzero(places.edge < 0)), len(places.edge), within)]
    if junctions is Junctions.SIMPLE:
        notes.append(
            "Every branch of a junction gets an incident's whole kernel, so densities beside junctions are too high "
            "and do not add up to the incidents: good for looking, not for comparing."
        )
    return tuple(filter(None, notes))


def _answer(streets: Output, on: int, km: float, top: float) -> str:
    told = say(
        "{incidents} on {km:,.1f} km of street, {on:.1f} per km; the densest piece has {top:,.0f} per km.",
        incidents=incidents_words(on),
        km=km,
        on=on / km,
        top=top,
    )
    named = np.flatnonzero(streets.columns["street"] != "")[:1]
    if named.size:
        row = int(named[0])
        told += say(
            " The street with the most is {street}: {incidents:,} on {km:.2f} km.",
            street=streets.columns["street"][row],
            incidents=streets.columns["incidents"][row],
            km=streets.columns["km"][row],
        )
    return told


def _pieces(
    network: Network,
    pieces: Lixels,
    inside: np.ndarray,
    names: np.ndarray,
    held: np.ndarray,
    density: np.ndarray,
    bandwidth: float,
) -> Output:
    shown = np.flatnonzero(inside)
    shapes = tuple(piece(network.shapes[pieces.edge[n]], pieces.start[n], pieces.end[n]) for n in shown)
    return Output.lines(
        "hot_routes",
        "Hot routes",
        shapes,
        {
            "per_km": np.round(density[shown], 3),
            "incidents": held[shown],
            "street": names[shown],
            "metres": np.round((pieces.end - pieces.start)[shown], 1),
        },
        words={
            "per_km": "Incidents per km of street",
            "incidents": "Incidents on the piece",
            "street": "Street",
            "metres": "Length (m)",
        },
        shown="per_km",
        classes=density_classes(np.round(density[shown], 3), DensityClasses.MULTIPLES),
        legend_title="Incidents per km of street",
        guard=Guard((_at_least(density[shown], bandwidth),), bandwidth_m=bandwidth),
    )


def _at_least(density: np.ndarray, bandwidth: float) -> np.ndarray:
    """So many incidents at least lie within the bandwidth of each piece: no kernel is higher than at its middle."""
    highest = 15 / (16 * bandwidth) * 1000
    # Ways added up in steps are off by half a per cent of the highest value.
    surely = (density - 0.005 * density.max(initial=0.0)) / highest
    return np.where(density > 0, np.maximum(np.ceil(surely), 1), 0).astype(np.int64)


def _streets(names: np.ndarray, metres: np.ndarray, held: np.ndarray, density: np.ndarray) -> Output:
    """The streets by name, those with most incidents first; all without a name are one row at the end."""
    found, of = np.unique(names.astype(str), return_inverse=True)
    of = of.reshape(-1)
    incidents = np.bincount(of, held, minlength=len(found)).astype(np.int64)
    km = np.bincount(of, metres, minlength=len(found)) / 1000
    peak = np.zeros(len(found))
    np.maximum.at(peak, of, density)
    order = np.lexsort((found, -incidents, found == ""))
    return Output.table(
        "streets",
        "Streets by incidents",
        {
            "street": found[order].astype(object),
            "incidents": incidents[order],
            "km": np.round(km[order], 3),
            "incidents_per_km": np.round(incidents[order] / km[order], 2),
            "densest_per_km": np.round(peak[order], 2),
        },
        {
            "street": "Street",
            "incidents": "Incidents",
            "km": "Length in the study area (km)",
            "incidents_per_km": "Incidents per km",
            "densest_per_km": "Density of its densest piece (incidents per km)",
        },
    )


HOT_ROUTES = Analysis(
    name="hot-routes",
    words="Hot routes",
    group="Streets",
    help=(
        "Spreads each incident along the streets around the nearest one, not over roofs and rivers, and gives "
        "incidents per km of street. Streets join where their lines share a vertex; bridges and the roads below do "
        "not. Shared out at junctions, densities add up to the incidents (less what runs out at dead ends); whole on "
        "every branch, they are higher beside junctions."
    ),
    choices=(
        Choice("streets", "Streets", "A layer of lines, such as roads or bus routes.", Kind.LINE_LAYER, required=True),
        Choice(
            "bandwidth",
            "Bandwidth",
            "How far along the streets an incident is spread.",
            Kind.METRES,
            default=200.0,
            least=10,
            most=5_000,
        ),
        Choice(
            "junctions",
            "At junctions",
            "Shared out, each incident counts once; whole on every branch, densities beside junctions are higher.",
            Kind.ONE_OF,
            default=Junctions.DISCONTINUOUS.value,
            options=(
                (Junctions.DISCONTINUOUS.value, "shared out among the branches"),
                (Junctions.SIMPLE.value, "whole on every branch"),
            ),
        ),
        Choice(
            "piece",
            "Length of a piece",
            "Streets are drawn in pieces of at most this length, each in the colour of its middle.",
            Kind.METRES,
            default=25.0,
            least=1,
            most=1_000,
            advanced=True,
        ),
        WITHIN,
    ),
    run=run,
)
