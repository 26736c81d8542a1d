"""Which of the places that bear a name is meant, and how sure that is."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np

from .gazetteer import LEVEL_OF, Entry, Gazetteer, Kind, NamedArea
from .hospitals import Hospital
from .levels import Candidate, GeoLevel, LocationMethod, Placed
from .names import Hit
from .wording import MEETS

ENOUGH = 60  # with less confidence there is no point, and somebody is asked
CONFLICT = 50  # the confidence where the words contradict themselves
_MOST_CANDIDATES = 12
_ONE_PLACE_M = 600  # places of one name so near each other are one
_MEET_M = 150  # what two streets may be apart, beside their extents, and still meet
_NEAR_M = 450  # a landmark is so near, beside the extents

# Confidence of a name that fits, with an area that it lies in, and alone.
_WITH_AREA = {
    GeoLevel.VENUE: 92,
    GeoLevel.STREET: 91,
    GeoLevel.JUNCTION: 93,
    GeoLevel.STATION: 93,
    GeoLevel.PARK: 89,
}
_ALONE = {GeoLevel.VENUE: 74, GeoLevel.STREET: 72, GeoLevel.JUNCTION: 86, GeoLevel.STATION: 90, GeoLevel.PARK: 72}


class Chooser:
    """Chooses among a gazetteer's entries."""

    def __init__(self, gazetteer: Gazetteer) -> None:
        self._gazetteer = gazetteer

    def junction(self, words: list[str], hits: list[Hit], areas: list[NamedArea]) -> Placed | None:
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
            fitting = [min(self._gazetteer.fits(each, areas) for each in pair) for pair in pairs]
            most = max(fitting)
            pairs = [pair for pair, fits in zip(pairs, fitting, strict=True) if fits == most]
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

    def best(self, hits: list[Hit], areas: list[NamedArea], own: Hospital | None) -> Placed:
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
            scored.append((self._gazetteer.fits(entry, areas) + near, entry))
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
                confidence = min(CONFLICT, first.confidence)
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


def _confidence(level: GeoLevel, likeness: float, fitting: int, told: int) -> int:
    base = _WITH_AREA[level] if fitting else _ALONE[level]
    if fitting < told:
        base = min(base, CONFLICT if not fitting else 70)
    slips = 100 - likeness
    return max(0, round(base - 1.1 * slips - (2 if slips else 0)))
