"""The ladder: from a full postcode down to a borough, and nothing where nothing is said.

Nothing is guessed. Where several places fit, or one fits badly, somebody is asked; a residence is never placed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from rapidfuzz import fuzz, process
from rapidfuzz.distance import OSA

from ...shared.postcodes import MalformedPostcode, PostcodeError, parse
from .boroughs import Boroughs
from .gazetteer import LEVEL_OF, Entry, FoundPostcode, Gazetteer, Kind, NamedArea, spans
from .hospitals import Hospital
from .levels import HOME, NOWHERE, Candidate, GeoLevel, LocationMethod, Placed
from .wording import (
    BREAK,
    MEETS,
    STREET_TYPES,
    Phrase,
    distinctive,
    is_filler,
    is_kind_of_place,
    key_of,
    key_of_words,
    phrases,
    says_home,
    says_there,
    words_of,
    worth_a_look,
    written_out,
)

ENOUGH = 60  # with less confidence there is no point, and somebody is asked
_MOST_CANDIDATES = 12
_ONE_PLACE_M = 600  # places of one name so near each other are one
_MEET_M = 150  # what two streets may be apart, beside their extents, and still meet
_NEAR_M = 450  # a landmark is so near, beside the extents
_ALIKE, _AREA_ALIKE = 80.0, 86.0
_SAME_NAME = 0.72  # likeness of what tells a name from others of its kind, where neighbours change places too
_SAME_KIND = 0.6  # and of the word that says what it is
_CONFLICT = 50
_SHARE_OF_BOROUGH = 0.85  # of a sector, that it may be said to lie there
_POSTCODE_PRECISION_M = {10: 50, 20: 50, 30: 75, 40: 150, 50: 250}
_SECTOR_QUALITY = 60

# Confidence of a name that fits, with an area that it lies in, and alone.
_WITH_AREA = {
    GeoLevel.VENUE: 92,
    GeoLevel.STREET: 91,
    GeoLevel.JUNCTION: 93,
    GeoLevel.STATION: 93,
    GeoLevel.PARK: 89,
}
_ALONE = {GeoLevel.VENUE: 74, GeoLevel.STREET: 72, GeoLevel.JUNCTION: 86, GeoLevel.STATION: 90, GeoLevel.PARK: 72}
# Of several names in a text the first of these is the place, the others tell where it is.
_LADDER = (Kind.VENUE, Kind.HOSPITAL, Kind.STREET, Kind.STATION, Kind.STOP, Kind.PARK)

_FULL = re.compile(r"(?<![A-Z0-9])([A-Z]{1,2}[0-9OI][0-9A-Z]?)\s*([0-9OI][A-Z]{2})(?![A-Z0-9])")
_OUTWARD = re.compile(r"[a-z]{1,2}[0-9][0-9a-z]?\Z")
_HOME_TYPES = frozenset(
    key_of(text)
    for text in (
        *("home", "own home", "at home", "home address", "own address", "patient's home", "residence", "domestic"),
        *("private residence", "private dwelling", "other private dwelling", "someone else's home", "house", "flat"),
        *("patients home", "victims home", "friends house", "private address", "home environment", "264362003"),
    )
)


@dataclass(frozen=True)
class Described:
    """What a row says of its place; empty where it says nothing."""

    text: str = ""
    postcode: str = ""
    location_type: str = ""
    site: str = ""


@dataclass(frozen=True)
class _Hit:
    """A name found in the words from ``start`` to ``end``; ``likeness`` is 100 where it stands there as it is."""

    start: int
    end: int
    entries: tuple[Entry, ...]
    likeness: float = 100

    @property
    def rank(self) -> int:
        return min(_LADDER.index(entry.kind) for entry in self.entries)

    def of_best_kind(self) -> _Hit:
        """Only those of the kind that stands highest on the ladder."""
        kind = _LADDER[self.rank]
        return replace(self, entries=tuple(entry for entry in self.entries if entry.kind == kind))


class Ladder:
    """Places texts by a gazetteer."""

    def __init__(self, gazetteer: Gazetteer, hospitals: dict[str, Hospital], boroughs: Boroughs) -> None:
        self._gazetteer = gazetteer
        self._hospitals = hospitals
        self._boroughs = boroughs
        self._sectors: dict[tuple[str, str], list[NamedArea]] = {}
        self._hospital_keys = {
            key: hospital
            for hospital in hospitals.values()
            for name in (hospital.name, *hospital.other_names)
            if (key := key_of(name))
        }
        self._area_keys = [key for key in gazetteer.areas if len(key) >= 5]

    def place(self, described: Described) -> Placed:
        """Where it was, as far as the words tell."""
        if key_of(described.location_type) in _HOME_TYPES or says_home(described.text):
            return HOME
        text = described.text
        own = self._hospitals.get(described.site.upper())
        there = says_there(text)
        placed, known = self._by_postcode(described, own, there)
        if placed is not None:
            return placed
        words = words_of(_without_postcodes(text))
        words, hospital = self._without_hospital(words, own, there)
        if hospital is not None:
            return hospital
        return self._by_words(words, known, own)

    # Postcodes

    def _by_postcode(
        self, described: Described, own: Hospital | None, there: bool
    ) -> tuple[Placed | None, list[NamedArea]]:
        """Where a full postcode puts it; else the sectors of postcodes that are not known."""
        sectors: list[NamedArea] = []
        for text in (described.postcode, described.text):
            for match in _postcodes_in(text):
                compact = match[1] + match[2]
                hospital = self._hospital_at(compact, own)
                if hospital is not None:
                    if there:
                        return self._at_hospital(hospital), []
                    continue
                found = self._gazetteer.find_postcode(compact)
                if found is None:
                    asked = self._suggested(compact)
                    if asked is not None:
                        return asked, []
                    sectors += self._sector(match[1], match[2][0])
                elif found.easting <= 0 or found.quality >= _SECTOR_QUALITY:
                    sectors += self._sector(match[1], match[2][0])
                else:
                    return self._at_postcode(found, described.text), []
        outward = described.postcode.strip().upper()
        if not sectors and outward and not _FULL.search(outward):
            parts = outward.split()
            sectors += self._sector(parts[0], parts[1][:1] if len(parts) > 1 else "")
        return None, sectors

    def _hospital_at(self, compact: str, own: Hospital | None) -> Hospital | None:
        """The treating hospital where it is its postcode; any hospital's where it is not known which treated."""
        asked = [own] if own else self._hospitals.values()
        return next((one for one in asked if one.postcode.replace(" ", "") == compact), None)

    def _at_hospital(self, hospital: Hospital) -> Placed:
        found = self._gazetteer.find_postcode(hospital.postcode.replace(" ", ""))
        if found is None or found.easting <= 0:
            return NOWHERE
        place = (found.easting, found.northing, 150, found.borough_code)
        candidate = Candidate(GeoLevel.VENUE, hospital.name, *place, 85)
        return Placed.at(candidate, LocationMethod.GAZETTEER)

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
        _, areas, _ = self._scan(words_of(_without_postcodes(text)))
        boroughs = {area.borough_code for _, _, area in areas if area.level == GeoLevel.BOROUGH}
        if boroughs and borough not in boroughs:
            # The words name another borough: one of them is wrong, and nothing tells which.
            doubtful = replace(candidate, confidence=_CONFLICT)
            return Placed(GeoLevel.AMBIGUOUS, confidence=_CONFLICT).asking((doubtful,))
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
                    _CONFLICT,
                )
                for each in found
                if each is not None and each.easting > 0 and each.quality < _SECTOR_QUALITY
            )
            return Placed(GeoLevel.AMBIGUOUS, confidence=_CONFLICT).asking(candidates) if candidates else None
        except PostcodeError:
            return None
        return None

    def _sector(self, outward: str, digit: str) -> list[NamedArea]:
        """The area of a sector or, without a digit, of a district; none where no postcode begins so."""
        if (outward, digit) not in self._sectors:
            self._sectors[outward, digit] = self._sector_anew(outward, digit)
        return self._sectors[outward, digit]

    def _sector_anew(self, outward: str, digit: str) -> list[NamedArea]:
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

    # Hospitals

    def _without_hospital(self, words: list[str], own: Hospital | None, there: bool) -> tuple[list[str], Placed | None]:
        """The words without the treating hospital's name, or the place where the assault was in a hospital."""
        for start, end in spans(words):
            hospital = self._hospital_keys.get(key_of_words(words[start:end]))
            if hospital is None or (end < len(words) and written_out(words[end]) in STREET_TYPES | {"station"}):
                continue
            if there or (own is not None and hospital is not own and "hospital" in key_of(hospital.name)):
                return words, self._at_hospital(hospital)
            return [*words[:start], BREAK, *words[end:]], None
        return words, None

    # Names

    def _by_words(self, words: list[str], known: list[NamedArea], own: Hospital | None) -> Placed:
        hits, found, taken = self._scan(words)
        areas = [area for _, _, area in found] + known
        if not areas:
            area = self._misspelt_area(words, taken)
            if area is not None:
                areas, taken = [area[1]], taken | area[0]
        if not hits:
            hits = self._alike(words, taken, areas)
        if not hits:
            return self._area_only(words, areas, taken)
        placed = self._junction(words, hits, areas) or self._best(hits, areas, own)
        if placed.easting is None and areas:
            return replace(placed, borough_code=_common_borough(areas))
        return placed

    def _scan(self, words: Sequence[str]) -> tuple[list[_Hit], list[tuple[int, int, NamedArea]], set[int]]:
        """Names and areas that stand in the words as they are, the longest first; which words they take."""
        taken: set[int] = set()
        hits: list[_Hit] = []
        areas: list[tuple[int, int, NamedArea]] = []
        pending: list[tuple[int, int, tuple[Entry, ...], list[NamedArea]]] = []
        for start, end in spans(words):
            here = words[start:end]
            if taken.intersection(range(start, end)) or BREAK in here or MEETS in here:
                continue
            if end - start <= 2 and _OUTWARD.match(here[0]) and (len(here) == 1 or here[1].isdigit()):
                sector = self._sector(here[0].upper(), here[1] if len(here) > 1 else "")
                if sector:
                    areas.append((start, end, sector[0]))
                    taken.update(range(start, end))
                    continue
            key = key_of_words(list(here))
            entries = tuple(self._gazetteer.by_key.get(key, ()))
            named = self._gazetteer.areas.get(key, [])
            if (not entries and not named) or (len(here) == 1 and is_filler(here[0])):
                continue
            pending.append((start, end, entries, named))
            taken.update(range(start, end))
        certain = any(entries and not named for _, _, entries, named in pending)
        for start, end, entries, named in pending:
            if named and (certain or not entries):
                areas += [(start, end, area) for area in named[:1]]
            else:
                hits.append(_Hit(start, end, entries))
        hits.sort(key=lambda hit: hit.start)
        return hits, areas, taken

    def _misspelt_area(self, words: list[str], taken: set[int]) -> tuple[set[int], NamedArea] | None:
        """An area's name with a slip in it, at the end of what is left."""
        for phrase in reversed(phrases(words, taken)):
            for length in (3, 2, 1):
                if len(phrase.words) < length:
                    continue
                last = phrase.words[-length:]
                text = " ".join(last)
                if len(text) < 5 or is_filler(last[-1]) or written_out(last[-1]) in STREET_TYPES or is_filler(last[0]):
                    continue
                if len(phrase.words) > length and not self._stands_alone(phrase, length):
                    continue
                like = process.extractOne(text, self._area_keys, scorer=fuzz.ratio, score_cutoff=_AREA_ALIKE)
                if like is not None:
                    end = phrase.start + len(phrase.words)
                    return set(range(end - length, end)), self._gazetteer.areas[like[0]][0]
        return None

    @staticmethod
    def _stands_alone(phrase: Phrase, length: int) -> bool:
        """Whether what comes before the last words ends as a street does: “Elmer Drive Hackny”."""
        return written_out(phrase.words[-length - 1]) in STREET_TYPES | {"st", "station", "in"}

    def _alike(self, words: list[str], taken: set[int], areas: list[NamedArea]) -> list[_Hit]:
        """Names with slips in them."""
        hits: list[_Hit] = []
        for phrase in phrases(words, taken):
            best: dict[str, float] = {}
            at = (0, 0)
            for start, end in _windows(phrase.words):
                text = key_of_words(list(phrase.words[start:end]))
                if len(text) < 6:
                    continue
                for key, score in self._gazetteer.like(text, _ALIKE):
                    if score > best.get(key, 0) and _same_name(text, key):
                        best[key] = score
                        at = (phrase.start + start, phrase.start + end)
            if not best:
                continue
            inside = {
                key: score
                for key, score in best.items()
                if any(self._fits(entry, areas) == len(areas) for entry in self._gazetteer.by_key[key])
            }
            pool = inside or best
            top = max(pool.values())
            chosen = [key for key, score in pool.items() if score >= top - 2]
            entries = tuple(entry for key in chosen for entry in self._gazetteer.by_key[key])
            hits.append(_Hit(*at, entries, top))
        return hits

    def _fits(self, entry: Entry, areas: Sequence[NamedArea]) -> int:
        return sum(self._gazetteer.lies_in(entry, area) for area in areas)

    def _junction(self, words: list[str], hits: list[_Hit], areas: list[NamedArea]) -> Placed | None:
        """Where two streets meet, if the words say that they do."""
        streets = [
            replace(hit, entries=tuple(entry for entry in hit.entries if entry.kind == Kind.STREET))
            for hit in hits
            if any(entry.kind == Kind.STREET for entry in hit.entries)
        ]
        for first, second in zip(streets, streets[1:], strict=False):
            between = words[first.end : second.start]
            if MEETS not in between and not (
                between == ["and"] or (MEETS in words[: first.start] and "and" in between)
            ):
                continue
            pairs = [
                (one, other)
                for one, other in product(first.entries, second.entries)
                if one is not other and one.distance(other) <= one.extent_m + other.extent_m + _MEET_M
            ]
            if not pairs:
                continue
            most = max(min(self._fits(one, areas), self._fits(other, areas)) for one, other in pairs)
            pairs = [pair for pair in pairs if min(self._fits(each, areas) for each in pair) == most]
            likeness = min(first.likeness, second.likeness)
            candidates = [self._corner(one, other, likeness, most, areas) for one, other in pairs]
            return self._choose(candidates)
        return None

    def _corner(self, one: Entry, other: Entry, likeness: float, fitting: int, areas: list[NamedArea]) -> Candidate:
        # The nearer to the shorter street, the less it can be wrong.
        total = max(one.extent_m + other.extent_m, 1)
        share = one.extent_m / total
        easting = round(one.easting + share * (other.easting - one.easting))
        northing = round(one.northing + share * (other.northing - one.northing))
        label = f"{one.name} and {self._gazetteer.label(other)}"
        return Candidate(
            GeoLevel.JUNCTION,
            label,
            easting,
            northing,
            max(50, min(one.extent_m, other.extent_m)),
            one.borough_code,
            _confidence(GeoLevel.JUNCTION, likeness, fitting, len(areas)),
        )

    def _best(self, hits: list[_Hit], areas: list[NamedArea], own: Hospital | None) -> Placed:
        """At the name that stands highest on the ladder; the other names and the areas tell which one is meant."""
        hits = [hit.of_best_kind() for hit in hits]
        main = min(hits, key=lambda hit: (hit.rank, hit.start))
        others = [hit for hit in hits if hit is not main]
        scored = []
        for entry in main.entries:
            near = sum(
                any(entry.distance(other) <= entry.extent_m + other.extent_m + _NEAR_M for other in hit.entries)
                for hit in others
            )
            scored.append((self._fits(entry, areas) + near, entry))
        most = max(score for score, _ in scored)
        told = len(areas) + len(others)
        candidates = [self._candidate(entry, main.likeness, most, told) for score, entry in scored if score == most]
        if own is not None and len(candidates) > 1:
            candidates = self._nearest_first(candidates, own)
        return self._choose(candidates)

    def _candidate(self, entry: Entry, likeness: float, fitting: int, told: int) -> Candidate:
        level = LEVEL_OF[entry.kind]
        return Candidate(
            level,
            self._gazetteer.label(entry),
            entry.easting,
            entry.northing,
            max(25, entry.extent_m),
            entry.borough_code,
            _confidence(level, likeness, fitting, told),
        )

    def _nearest_first(self, candidates: list[Candidate], own: Hospital) -> list[Candidate]:
        """In the order in which a person would look at them: the hospital's surroundings are a hint, no more."""
        at = self._gazetteer.find_postcode(own.postcode.replace(" ", ""))
        if at is None:
            return candidates
        return sorted(candidates, key=lambda one: np.hypot(one.easting - at.easting, one.northing - at.northing))

    def _choose(self, candidates: list[Candidate]) -> Placed:
        """One place where the candidates are one, or lie together; else it is asked."""
        first = candidates[0]
        if len(candidates) > 1:
            eastings = np.array([one.easting for one in candidates])
            northings = np.array([one.northing for one in candidates])
            reach = max(np.ptp(eastings), np.ptp(northings))
            if reach > _ONE_PLACE_M or len({one.label.split(",")[0] for one in candidates}) > 1:
                confidence = min(_CONFLICT, first.confidence)
                boroughs = {one.borough_code for one in candidates}
                return Placed(
                    GeoLevel.AMBIGUOUS,
                    borough_code=boroughs.pop() or None if len(boroughs) == 1 else None,
                    confidence=confidence,
                ).asking(tuple(candidates[:_MOST_CANDIDATES]))
            middle = int(np.argmin(np.hypot(eastings - eastings.mean(), northings - northings.mean())))
            first = replace(
                candidates[middle],
                precision_m=max(candidates[middle].precision_m, int(reach)),
                confidence=min(one.confidence for one in candidates) - 4,
            )
        if first.confidence < ENOUGH:
            return Placed(GeoLevel.AMBIGUOUS, confidence=first.confidence).asking(tuple(candidates[:_MOST_CANDIDATES]))
        return Placed.at(first, LocationMethod.GAZETTEER)

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


def _same_name(text: str, key: str) -> bool:
    """Whether one may be the other with a slip: roads of other names are alike because they are roads."""
    words, others = text.split(" "), key.split(" ")
    if len(words) != len(others):
        return bool(OSA.normalized_similarity(distinctive(text), distinctive(key)) >= _SAME_NAME)
    return all(
        OSA.normalized_similarity(word, other) >= (_SAME_KIND if is_kind_of_place(other) else _SAME_NAME)
        for word, other in zip(words, others, strict=True)
    )


def _postcodes_in(text: str) -> list[re.Match[str]]:
    # Without a digit it is a word, though it may have the shape: “Tooting”.
    return [match for match in _FULL.finditer(text.upper()) if any(letter.isdigit() for letter in match[0])]


def _without_postcodes(text: str) -> str:
    for match in reversed(_postcodes_in(text)):
        text = f"{text[: match.start()]} , {text[match.end() :]}"
    return text


def _windows(words: Sequence[str]) -> Iterable[tuple[int, int]]:
    """The parts of a phrase that may be a misspelt name: what ends as streets do, else the whole."""
    found = False
    for end in range(len(words), 1, -1):
        if written_out(words[end - 1]) in STREET_TYPES or (words[end - 1] == "st"):
            found = True
            yield from ((start, end) for start in range(max(0, end - 4), end - 1))
    if not found:
        yield from ((start, len(words)) for start in range(min(3, len(words))))
        if len(words) > 2:
            yield 0, len(words) - 1


def _confidence(level: GeoLevel, likeness: float, fitting: int, told: int) -> int:
    base = _WITH_AREA[level] if fitting else _ALONE[level]
    if fitting < told:
        base = min(base, _CONFLICT if not fitting else 70)
    slips = 100 - likeness
    return max(0, round(base - 1.1 * slips - (2 if slips else 0)))


def _common_borough(areas: Sequence[NamedArea]) -> str | None:
    told = [area.borough_code for area in areas if area.level == GeoLevel.BOROUGH]
    codes = set(told or [area.borough_code for area in areas])
    return (codes.pop() or None) if len(codes) == 1 else None
