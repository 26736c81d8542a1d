"""The ladder: from a full postcode down to a borough, and nothing where nothing is said.

Nothing is guessed. Where several places fit, or one fits badly, somebody is asked; a residence is never placed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from .boroughs import Boroughs
from .choosing import Chooser
from .gazetteer import Gazetteer, NamedArea
from .hospital_grounds import HospitalGrounds
from .hospitals import Hospital
from .levels import HOME, NOWHERE, GeoLevel, LocationMethod, Placed
from .names import NameFinder
from .sectors import Sectors
from .wording import key_of, says_home, says_there, words_of, worth_a_look
from .written_postcodes import Described, PostcodeRung, without_postcodes

_HOME_TYPES = frozenset(
    key_of(text)
    for text in (
        *("home", "own home", "at home", "home address", "own address", "patient's home", "residence", "domestic"),
        *("private residence", "private dwelling", "other private dwelling", "someone else's home", "house", "flat"),
        *("patients home", "victims home", "friends house", "private address", "home environment", "264362003"),
    )
)


class Ladder:
    """Places texts by a gazetteer."""

    def __init__(self, gazetteer: Gazetteer, hospitals: dict[str, Hospital], boroughs: Boroughs) -> None:
        sectors = Sectors(gazetteer, boroughs)
        self._hospitals = HospitalGrounds(gazetteer, hospitals)
        self._names = NameFinder(gazetteer, sectors)
        self._postcodes = PostcodeRung(gazetteer, self._hospitals, sectors, self._names)
        self._chooser = Chooser(gazetteer)

    def place(self, described: Described) -> Placed:
        """Where it was, as far as the words tell."""
        if key_of(described.location_type) in _HOME_TYPES or says_home(described.text):
            return HOME
        text = described.text
        own = self._hospitals.of_site(described.site)
        there = says_there(text)
        placed, known = self._postcodes.place(described, own, there)
        if placed is not None:
            return placed
        words = words_of(without_postcodes(text))
        words, hospital = self._hospitals.taken_out(words, own, there)
        if hospital is not None:
            return hospital
        return self._by_words(words, known, own)

    def _by_words(self, words: list[str], known: list[NamedArea], own: Hospital | None) -> Placed:
        hits, found, taken = self._names.scan(words)
        areas = [area for _, _, area in found] + known
        if not areas:
            area = self._names.misspelt_area(words, taken)
            if area is not None:
                areas, taken = [area[1]], taken | area[0]
        if not hits:
            hits = self._names.alike(words, taken, areas)
        if not hits:
            return self._area_only(words, areas, taken)
        placed = self._chooser.junction(words, hits, areas) or self._chooser.best(hits, areas, own)
        if placed.easting is None and areas:
            return replace(placed, borough_code=_common_borough(areas))
        return placed

    def _area_only(self, words: list[str], areas: list[NamedArea], taken: set[int]) -> Placed:
        """The smallest area that is named, without a point."""
        left = [word for index, word in enumerate(words) if index not in taken]
        unclear = worth_a_look(left)
        if not areas:
            return NOWHERE.asking() if unclear else NOWHERE
        order = (GeoLevel.SECTOR, GeoLevel.TOWN, GeoLevel.BOROUGH)
        area = min(areas, key=lambda each: order.index(each.level))
        confidence = {GeoLevel.SECTOR: 80, GeoLevel.TOWN: 75, GeoLevel.BOROUGH: 90}[area.level]
        placed = Placed(
            area.level,
            LocationMethod.AREA,
            borough_code=_common_borough(areas),
            confidence=confidence,
            matched_text=area.name,
        )
        return placed.asking() if unclear else placed


def _common_borough(areas: Sequence[NamedArea]) -> str | None:
    told = [area.borough_code for area in areas if area.level == GeoLevel.BOROUGH]
    codes = set(told or [area.borough_code for area in areas])
    return (codes.pop() or None) if len(codes) == 1 else None
