"""The areas that the beginnings of postcodes stand for: a sector, a district, or an area of districts."""

from __future__ import annotations

from .boroughs import Boroughs
from .gazetteer import Gazetteer, NamedArea
from .levels import GeoLevel

_SHARE_OF_BOROUGH = 0.85  # of a sector, that it may be said to lie there


class Sectors:
    """Looks them up, each once."""

    def __init__(self, gazetteer: Gazetteer, boroughs: Boroughs) -> None:
        self._gazetteer = gazetteer
        self._boroughs = boroughs
        self._known: dict[tuple[str, str], list[NamedArea]] = {}

    def areas(self, outward: str, digit: str) -> list[NamedArea]:
        """The area of a sector or, without a digit, of a district; none where no postcode begins so."""
        if (outward, digit) not in self._known:
            self._known[outward, digit] = self._found(outward, digit)
        return self._known[outward, digit]

    def _found(self, outward: str, digit: str) -> list[NamedArea]:
        known = self._gazetteer.outwards
        if outward in known:
            beginning = f"{outward} "
            if digit.isdigit() and len(self._gazetteer.points_of(beginning + digit)):
                beginning += digit
        elif any(each.startswith(outward) and each[len(outward) :].isalpha() for each in known):
            beginning = outward
        else:
            return []
        points = self._gazetteer.points_of(beginning)
        if not len(points):
            return []
        borough, share = self._boroughs.most(points)
        name = beginning.strip()
        return [NamedArea(GeoLevel.SECTOR, name, borough if share > _SHARE_OF_BOROUGH else "", (beginning,))]
