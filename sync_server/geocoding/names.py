"""Names and areas in the words of a description, as they are written or with a slip."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from rapidfuzz import fuzz, process
from rapidfuzz.distance import OSA

from .gazetteer import Entry, Gazetteer, Kind, NamedArea, spans
from .sectors import Sectors
from .wording import (
    BREAK,
    MEETS,
    STREET_TYPES,
    Phrase,
    distinctive,
    is_filler,
    is_kind_of_place,
    key_of_words,
    phrases,
    written_out,
)

_ALIKE, _AREA_ALIKE = 80.0, 86.0
_SAME_NAME = 0.72  # likeness of what tells a name from others of its kind, where neighbours change places too
_SAME_KIND = 0.6  # and of the word that says what it is
# Of several names in a text the first of these is the place, the others tell where it is.
_LADDER = (Kind.VENUE, Kind.HOSPITAL, Kind.STREET, Kind.STATION, Kind.STOP, Kind.PARK)

_OUTWARD = re.compile(r"[a-z]{1,2}[0-9][0-9a-z]?\Z")


@dataclass(frozen=True)
class Hit:
    """A name found in the words from ``start`` to ``end``; ``likeness`` is 100 where it stands there as it is."""

    start: int
    end: int
    entries: tuple[Entry, ...]
    likeness: float = 100

    @property
    def rank(self) -> int:
        return min(_LADDER.index(entry.kind) for entry in self.entries)

    def of_best_kind(self) -> Hit:
        """Only those of the kind that stands highest on the ladder."""
        kind = _LADDER[self.rank]
        return replace(self, entries=tuple(entry for entry in self.entries if entry.kind == kind))


class NameFinder:
    """Finds what a gazetteer names."""

    def __init__(self, gazetteer: Gazetteer, sectors: Sectors) -> None:
        self._gazetteer = gazetteer
        self._sectors = sectors
        self._area_keys = [key for key in gazetteer.areas if len(key) >= 5]

    def scan(self, words: Sequence[str]) -> tuple[list[Hit], list[tuple[int, int, NamedArea]], set[int]]:
        """Names and areas that stand in the words as they are, the longest first; which words they take."""
        taken: set[int] = set()
        hits: list[Hit] = []
        areas: list[tuple[int, int, NamedArea]] = []
        pending: list[tuple[int, int, tuple[Entry, ...], list[NamedArea]]] = []
        for start, end in spans(words):
            here = words[start:end]
            if taken.intersection(range(start, end)) or BREAK in here or MEETS in here:
                continue
            if end - start <= 2 and _OUTWARD.match(here[0]) and (len(here) == 1 or here[1].isdigit()):
                sector = self._sectors.areas(here[0].upper(), here[1] if len(here) > 1 else "")
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
                hits.append(Hit(start, end, entries))
        hits.sort(key=lambda hit: hit.start)
        return hits, areas, taken

    def misspelt_area(self, words: list[str], taken: set[int]) -> tuple[set[int], NamedArea] | None:
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

    def alike(self, words: list[str], taken: set[int], areas: list[NamedArea]) -> list[Hit]:
        """Names with slips in them."""
        hits: list[Hit] = []
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
                if any(self._gazetteer.fits(entry, areas) == len(areas) for entry in self._gazetteer.by_key[key])
            }
            pool = inside or best
            top = max(pool.values())
            chosen = [key for key, score in pool.items() if score >= top - 2]
            entries = tuple(entry for key in chosen for entry in self._gazetteer.by_key[key])
            hits.append(Hit(*at, entries, top))
        return hits


def _same_name(text: str, key: str) -> bool:
    """Whether one may be the other with a slip: roads of other names are alike because they are roads."""
    words, others = text.split(" "), key.split(" ")
    if len(words) != len(others):
        return bool(OSA.normalized_similarity(distinctive(text), distinctive(key)) >= _SAME_NAME)
    return all(
        OSA.normalized_similarity(word, other) >= (_SAME_KIND if is_kind_of_place(other) else _SAME_NAME)
        for word, other in zip(words, others, strict=True)
    )


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
