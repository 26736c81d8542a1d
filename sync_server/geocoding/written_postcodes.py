"""The ladder's first rung: postcodes that are written in a description or beside it."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from ...shared.postcodes import MalformedPostcode, PostcodeError, parse
from .choosing import CONFLICT
from .gazetteer import FoundPostcode, Gazetteer, NamedArea
from .hospital_grounds import HospitalGrounds
from .hospitals import Hospital
from .levels import Candidate, GeoLevel, LocationMethod, Placed
from .names import NameFinder
from .sectors import Sectors
from .wording import words_of

_POSTCODE_PRECISION_M = {10: 50, 20: 50, 30: 75, 40: 150, 50: 250}
_SECTOR_QUALITY = 60
_FULL = re.compile(r"(?<![A-Z0-9])([A-Z]{1,2}[0-9OI][0-9A-Z]?)\s*([0-9OI][A-Z]{2})(?![A-Z0-9])")


@dataclass(frozen=True)
class Described:
    """What a row says of its place; empty where it says nothing."""

    text: str = ""
    postcode: str = ""
    location_type: str = ""
    site: str = ""


class PostcodeRung:
    """Places descriptions by their full postcode."""

    def __init__(self, gazetteer: Gazetteer, hospitals: HospitalGrounds, sectors: Sectors, names: NameFinder) -> None:
        self._gazetteer = gazetteer
        self._hospitals = hospitals
        self._sectors = sectors
        self._names = names

    def place(self, described: Described, own: Hospital | None, there: bool) -> tuple[Placed | None, list[NamedArea]]:
        """Where a full postcode puts it; else the sectors of postcodes that are not known."""
        sectors: list[NamedArea] = []
        for text in (described.postcode, described.text):
            for match in _postcodes_in(text):
                compact = match[1] + match[2]
                hospital = self._hospitals.with_postcode(compact, own)
                if hospital is not None:
                    if there:
                        return self._hospitals.place(hospital), []
                    continue
                found = self._gazetteer.find_postcode(compact)
                if found is None:
                    asked = self._suggested(compact)
                    if asked is not None:
                        return asked, []
                    sectors += self._sectors.areas(match[1], match[2][0])
                elif found.easting <= 0 or found.quality >= _SECTOR_QUALITY:
                    sectors += self._sectors.areas(match[1], match[2][0])
                else:
                    return self._at_postcode(found, described.text), []
        outward = described.postcode.strip().upper()
        if not sectors and outward and not _FULL.search(outward):
            parts = outward.split()
            sectors += self._sectors.areas(parts[0], parts[1][:1] if len(parts) > 1 else "")
        return None, sectors

    def _at_postcode(self, found: FoundPostcode, text: str) -> Placed:
        borough = found.borough_code
        confidence = {10: 98, 20: 97, 30: 96}.get(found.quality, 88)
        ended = f" (terminated {found.terminated})" if found.terminated else ""
        if ended:
            confidence = 82
        candidate = Candidate(
            GeoLevel.POSTCODE,
            found.postcode + ended,
            found.easting,
            found.northing,
            _POSTCODE_PRECISION_M.get(found.quality, 100),
            borough,
            confidence,
        )
        _, areas, _ = self._names.scan(words_of(without_postcodes(text)))
        boroughs = {area.borough_code for _, _, area in areas if area.level == GeoLevel.BOROUGH}
        if boroughs and borough not in boroughs:
            # The words name another borough: one of them is wrong, and nothing tells which.
            doubtful = replace(candidate, confidence=CONFLICT)
            return Placed(GeoLevel.AMBIGUOUS, confidence=CONFLICT).asking((doubtful,))
        return Placed.at(candidate, LocationMethod.POSTCODE)

    def _suggested(self, compact: str) -> Placed | None:
        """To be asked, where letters and digits that look alike were mixed up."""
        try:
            parse(compact)
        except MalformedPostcode as error:
            found = [self._gazetteer.find_postcode(each.replace(" ", "")) for each in error.suggestions]
            candidates = tuple(
                Candidate(
                    GeoLevel.POSTCODE,
                    each.postcode,
                    each.easting,
                    each.northing,
                    _POSTCODE_PRECISION_M.get(each.quality, 100),
                    each.borough_code,
                    CONFLICT,
                )
                for each in found
                if each is not None and each.easting > 0 and each.quality < _SECTOR_QUALITY
            )
            return Placed(GeoLevel.AMBIGUOUS, confidence=CONFLICT).asking(candidates) if candidates else None
        except PostcodeError:
            return None
        return None


def _postcodes_in(text: str) -> list[re.Match[str]]:
    # Without a digit it is a word, though it may have the shape: “Tooting”.
    return [match for match in _FULL.finditer(text.upper()) if any(letter.isdigit() for letter in match[0])]


def without_postcodes(text: str) -> str:
    for match in reversed(_postcodes_in(text)):
        text = f"{text[: match.start()]} , {text[match.end() :]}"
    return text
