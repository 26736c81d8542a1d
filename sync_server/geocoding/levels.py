"""What a described place can come to: the level, the method, the point or the area, and how sure."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any


class GeoLevel(StrEnum):
    """How exactly a place is known. Only those of ``POINT_LEVELS`` bear a point."""

    POSTCODE = "postcode"
    VENUE = "venue"
    STREET = "street"
    JUNCTION = "junction"
    STATION = "station"
    PARK = "park"
    SECTOR = "sector"  # a postcode sector or district
    TOWN = "town"
    BOROUGH = "borough"
    HOME = "home"  # somebody's residence, which is never placed
    AMBIGUOUS = "ambiguous"  # several places fit: somebody must look
    NONE = "none"


POINT_LEVELS = frozenset(
    {GeoLevel.POSTCODE, GeoLevel.VENUE, GeoLevel.STREET, GeoLevel.JUNCTION, GeoLevel.STATION, GeoLevel.PARK}
)


class LocationMethod(StrEnum):
    """How a described place was found."""

    POSTCODE = "postcode"  # a full postcode stood in the text
    GAZETTEER = "gazetteer"  # by a name of the gazetteer
    REVIEWED = "reviewed"  # somebody decided on the text
    AREA = "area"  # only the area is known: there is no point
    NONE = "none"


@dataclass(frozen=True)
class Candidate:
    """A place that a text may mean. Metres of EPSG:27700; ``borough_code`` is "" outside London."""

    level: GeoLevel
    label: str  # the gazetteer's name, with its area
    easting: int
    northing: int
    precision_m: int
    borough_code: str
    confidence: int

    def to_json(self) -> dict[str, Any]:
        """For the review queue."""
        return {**asdict(self), "level": str(self.level)}

    @classmethod
    def from_json(cls, members: dict[str, Any]) -> Candidate:
        """What ``to_json`` gave."""
        return cls(**{**members, "level": GeoLevel(members["level"])})


@dataclass(frozen=True)
class Placed:
    """What a text came to. ``candidates`` are there where somebody must look at it."""

    level: GeoLevel
    method: LocationMethod = LocationMethod.NONE
    easting: int | None = None
    northing: int | None = None
    precision_m: int | None = None
    borough_code: str | None = None
    confidence: int = 0
    matched_text: str | None = None
    candidates: tuple[Candidate, ...] = ()
    unclear: bool = False  # it goes to the review queue

    @classmethod
    def at(cls, candidate: Candidate, method: LocationMethod) -> Placed:
        """At a candidate."""
        return cls(
            candidate.level,
            method,
            candidate.easting,
            candidate.northing,
            candidate.precision_m,
            candidate.borough_code or None,
            candidate.confidence,
            candidate.label,
        )

    def asking(self, candidates: tuple[Candidate, ...] = ()) -> Placed:
        """The same, to be looked at by somebody."""
        return replace(self, candidates=candidates, unclear=True)


NOWHERE = Placed(GeoLevel.NONE)
HOME = Placed(GeoLevel.HOME)
