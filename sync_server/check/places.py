"""The centre of a check: a postcode, or a point of the National Grid."""

from __future__ import annotations

import re

from ...shared.ring_answer import Place
from ..analysis.service import find_place
from ..problems import Problem
from ..services import Services

_POINT = re.compile(r"\s*(\d{5,6})(?:\.\d+)?\s*[,; ]\s*(\d{5,6})(?:\.\d+)?\s*")
# Well around London: a centre beyond it is a slip of the finger, or a map in other units.
_WEST, _SOUTH, _EAST, _NORTH = 450_000, 100_000, 620_000, 260_000
_PICKED = "The point that was given, to the metre."


def place_of(services: Services, text: str) -> Place:
    """The place of a postcode, or of “530000, 180000”; raises ``Problem``, which says what is wrong with the text."""
    point = _POINT.fullmatch(text)
    if point:
        return place_at(services, round(float(point[1])), round(float(point[2])))
    found = find_place(services, text)
    borough = services.ground.borough_at(found.easting, found.northing)
    label = str(found.postcode)
    return Place(
        label=label,
        easting=found.easting,
        northing=found.northing,
        accuracy=f"One point stands for the whole postcode: {found.quality_text}.",
        postcode=label,
        borough=borough.name,
        warning=found.warning,
        borough_code=borough.code,
    )


def place_at(services: Services, easting: int, northing: int) -> Place:
    """The place at a point; raises ``Problem`` where it is far from London."""
    if not (_WEST <= easting <= _EAST and _SOUTH <= northing <= _NORTH):
        raise Problem(
            422,
            "point-outside",
            "No place to search around",
            f"The point {easting:,}, {northing:,} lies far outside London, which is what SafeStats covers: give a "
            "point in London.",
        )
    borough = services.ground.borough_at(easting, northing)
    return Place(
        label=f"{easting}, {northing}",
        easting=easting,
        northing=northing,
        accuracy=_PICKED,
        borough=borough.name,
        borough_code=borough.code,
    )
