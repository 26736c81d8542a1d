"""Hospitals in descriptions: where somebody is treated is not where it happened, unless the words say so."""

from __future__ import annotations

from .gazetteer import Gazetteer, spans
from .hospitals import Hospital
from .levels import NOWHERE, Candidate, GeoLevel, LocationMethod, Placed
from .wording import BREAK, STREET_TYPES, key_of, key_of_words, written_out


class HospitalGrounds:
    """Knows the registered hospitals by code, name and postcode."""

    def __init__(self, gazetteer: Gazetteer, hospitals: dict[str, Hospital]) -> None:
        self._gazetteer = gazetteer
        self._hospitals = hospitals
        self._by_name = {
            key: hospital
            for hospital in hospitals.values()
            for name in (hospital.name, *hospital.other_names)
            if (key := key_of(name))
        }

    def of_site(self, site: str) -> Hospital | None:
        """The one that delivered the row."""
        return self._hospitals.get(site.upper())

    def with_postcode(self, compact: str, own: Hospital | None) -> Hospital | None:
        """The treating hospital where it is its postcode; any hospital's where it is not known which treated."""
        asked = [own] if own else self._hospitals.values()
        return next((one for one in asked if one.postcode.replace(" ", "") == compact), None)

    def place(self, hospital: Hospital) -> Placed:
        """In the hospital, as far as its postcode tells."""
        found = self._gazetteer.find_postcode(hospital.postcode.replace(" ", ""))
        if found is None or found.easting <= 0:
            return NOWHERE
        place = (found.easting, found.northing, 150, found.borough_code)
        candidate = Candidate(GeoLevel.VENUE, hospital.name, *place, 85)
        return Placed.at(candidate, LocationMethod.GAZETTEER)

    def taken_out(self, words: list[str], own: Hospital | None, there: bool) -> tuple[list[str], Placed | None]:
        """The words without the treating hospital's name, or the place where the assault was in a hospital."""
        for start, end in spans(words):
            hospital = self._by_name.get(key_of_words(words[start:end]))
            if hospital is None or (end < len(words) and written_out(words[end]) in STREET_TYPES | {"station"}):
                continue
            if there or (own is not None and hospital is not own and "hospital" in key_of(hospital.name)):
                return words, self.place(hospital)
            return [*words[:start], BREAK, *words[end:]], None
        return words, None
