"""What analyses along streets share: the network of a layer of lines, and how near to it incidents must lie."""

from __future__ import annotations

from ....shared.street_network import Network, NetworkError
from ..analysis_error import AnalysisError
from ..line_rows import Lines
from .analysis import Choice, Kind

WITHIN = Choice(
    "within",
    "Nearest street within",
    "An incident farther than this from any street is left out.",
    Kind.METRES,
    default=50.0,
    least=1,
    most=1_000,
    advanced=True,
)


def network_of(lines: Lines) -> Network:
    """The lines as a network; raises ``AnalysisError`` where there are none."""
    if not len(lines):
        raise AnalysisError(
            f"No line of “{lines.title}” comes near the study area: choose the streets of this area.", "streets"
        )
    try:
        return Network.of(lines.shapes)
    except NetworkError as error:
        raise AnalysisError(str(error), "streets") from error
