"""Postcodes: what is typed made into one, and where it is.

Shapes and forbidden letters: AN, ANN, AAN, AANN, ANA or AANA, then NAA; no Q, V, X first; no I, J, Z second; the last
two letters are never C, I, K, M, O, V. GIR 0AA is the one exception. Places come from a file made of OS Code-Point
Open (see ``resources/postcodes/SOURCE.md``).
"""

from __future__ import annotations

import bisect
import gzip
import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

POSTCODES_FILE = "postcodes/postcodes.csv.gz"  # in resources/

_FIRST = "[A-PR-UWYZ]"
_SECOND = "[A-HK-Y]"
_OUTWARD = re.compile(rf"{_FIRST}(?:[0-9]{{1,2}}|[0-9][A-Z]|{_SECOND}[0-9]{{1,2}}|{_SECOND}[0-9][A-Z])\Z")
_INWARD = re.compile(r"[0-9][ABD-HJLNP-UW-Z]{2}\Z")
_NOT_ALPHANUMERIC = re.compile(r"[^0-9A-Z]")
_CONFUSED = {"O": "0", "0": "O", "I": "1", "1": "I"}
_LONGEST = 7
_SUGGESTIONS = 5


class PostcodeError(ValueError):
    """What was typed leads to no place; the message says why and what to do. ``suggestions`` may hold postcodes."""

    code = "postcode-malformed"

    def __init__(self, message: str, suggestions: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.suggestions = tuple(suggestions)


class EmptyPostcode(PostcodeError):  # noqa: N818
    """Nothing was typed."""


class PartialPostcode(PostcodeError):  # noqa: N818
    """Only the outward half, or the beginning of a postcode."""

    code = "postcode-partial"


class MalformedPostcode(PostcodeError):  # noqa: N818
    """Not of the shape of a postcode."""


class PostcodeNotCovered(PostcodeError):  # noqa: N818
    """A postcode of a part of the country that the file does not cover."""

    code = "postcode-outside"


class UnknownPostcode(PostcodeError):  # noqa: N818
    """Well formed and in a covered district, but not in the file."""

    code = "postcode-unknown"


class PostcodeWithoutPlace(PostcodeError):  # noqa: N818
    """In the file, but without a position good enough to search around."""

    code = "postcode-without-place"


@dataclass(frozen=True)
class Postcode:
    """A well-formed postcode in its two halves; ``str()`` gives “SE1 2AA”."""

    outward: str
    inward: str

    def __str__(self) -> str:
        return f"{self.outward} {self.inward}"

    @property
    def compact(self) -> str:
        """Without the space."""
        return self.outward + self.inward

    @property
    def area(self) -> str:
        """The letters at the beginning: SE."""
        return "".join(itertools.takewhile(str.isalpha, self.outward))


# Code-Point Open's positional quality indicator.
_QUALITY = {
    10: "within the building of the delivery point nearest to the postcode's mean",
    20: "by a nearby building, from a visual check",
    30: "near the delivery points, within about 50 m",
    40: "the mean of the surrounding addresses",
    50: "imputed from the neighbouring postcodes",
    60: "the mean of the postcode's sector",
    90: "not known",
}
_NO_PLACE = 90
_COARSE = 30
_TOO_COARSE = 60


@dataclass(frozen=True)
class PostcodePlace:
    """Where a postcode is, in metres of EPSG:27700. ``lsoa`` is empty outside London."""

    postcode: Postcode
    easting: int
    northing: int
    quality: int
    lsoa: str

    @property
    def quality_text(self) -> str:
        """What the point stands for."""
        return _QUALITY.get(self.quality, "of unknown quality")

    @property
    def warning(self) -> str:
        """A sentence where the point is coarse against small rings, else empty."""
        if self.quality < _COARSE:
            return ""
        return (
            f"The point of {self.postcode} is only {self.quality_text}: small rings around it may miss the place meant."
        )


def normalise(text: str) -> str:
    """What was typed in capitals, without anything but letters and digits."""
    return _NOT_ALPHANUMERIC.sub("", text.upper())


def parse(text: str) -> Postcode:
    """The postcode that was typed, in any spelling; raises the ``PostcodeError`` that fits.

    Letters and digits that are easily confused are never changed, only suggested.
    """
    compact = normalise(text)
    if not compact:
        raise EmptyPostcode("No postcode was given: type one, such as E16 1ZE.")
    if compact == "GIR0AA":
        return Postcode("GIR", "0AA")
    postcode = _well_formed(compact)
    if postcode is not None:
        return postcode
    if _OUTWARD.match(compact) or (len(compact) < 5 and compact[0].isalpha()) or _cut_off(compact):
        raise PartialPostcode(f"“{text.strip()}” is only part of a postcode: give the full postcode, such as E16 1ZE.")
    suggestions = [str(candidate) for candidate in _confused(compact)]
    hint = f"did you mean {' or '.join(suggestions[:2])}?" if suggestions else "check it against an address."
    raise MalformedPostcode(f"“{text.strip()}” is not a UK postcode: {hint}", suggestions)


def _well_formed(compact: str) -> Postcode | None:
    outward, inward = compact[:-3], compact[-3:]
    if _INWARD.match(inward) and _OUTWARD.match(outward):
        return Postcode(outward, inward)
    return None


def _cut_off(compact: str) -> bool:
    """An outward half and the beginning of an inward one."""
    return any(
        _OUTWARD.match(compact[:-missing]) and re.match(r"[0-9][A-Z]?\Z", compact[-missing:]) is not None
        for missing in (1, 2)
        if len(compact) > missing
    )


def _confused(compact: str) -> list[Postcode]:
    """Well-formed postcodes that differ in O for 0 or I for 1 only, fewest changes first."""
    if len(compact) > _LONGEST:
        return []
    places = [index for index, character in enumerate(compact) if character in _CONFUSED]
    found = []
    for count in range(1, len(places) + 1):
        for chosen in itertools.combinations(places, count):
            letters = list(compact)
            for index in chosen:
                letters[index] = _CONFUSED[letters[index]]
            postcode = _well_formed("".join(letters))
            if postcode is not None and postcode not in found:
                found.append(postcode)
    return found


class PostcodeIndex:
    """The postcodes of a file, by name."""

    def __init__(self, lines: list[str]) -> None:
        # Lines are "postcode,quality,easting,northing,lsoa" in order of postcode; they are taken apart when asked for.
        self._lines = lines
        self._areas = frozenset("".join(itertools.takewhile(str.isalpha, line)) for line in lines)

    @classmethod
    def load(cls, path: Path) -> PostcodeIndex:
        """The index in the gzip'd CSV at ``path`` (header, then lines in order); raises ``OSError`` if it is absent."""
        with gzip.open(path, "rt", encoding="ascii", newline="\n") as file:
            return cls(file.read().splitlines()[1:])

    def __len__(self) -> int:
        return len(self._lines)

    def __contains__(self, postcode: Postcode) -> bool:
        return self._line(postcode.compact) is not None

    def find(self, text: str) -> PostcodePlace:
        """Where the postcode is that was typed; raises the ``PostcodeError`` that fits."""
        try:
            postcode = parse(text)
        except MalformedPostcode as error:
            known = [suggestion for suggestion in error.suggestions if parse(suggestion) in self]
            if not error.suggestions or known == list(error.suggestions):
                raise
            hint = f"did you mean {' or '.join(known[:2])}?" if known else "check it against an address."
            raise MalformedPostcode(f"“{text.strip()}” is not a UK postcode: {hint}", known) from None
        line = self._line(postcode.compact)
        if line is None:
            raise self._absent(postcode)
        place = _place(postcode, line)
        if place.quality >= _NO_PLACE or not place.easting:
            raise PostcodeWithoutPlace(
                f"The position of {postcode} is not known: use a neighbouring postcode, or pick the place on the map."
            )
        if place.quality >= _TOO_COARSE:
            raise PostcodeWithoutPlace(
                f"The position of {postcode} is only {place.quality_text}, too coarse to search around: use a "
                "neighbouring postcode, or pick the place on the map."
            )
        return place

    def places(self) -> Iterator[tuple[int, int, str]]:
        """Easting, northing and LSOA of every postcode whose position is good enough to search around."""
        for line in self._lines:
            _name, quality, easting, northing, lsoa = line.split(",")
            if easting and easting != "0" and int(quality) < _TOO_COARSE:
                yield int(easting), int(northing), lsoa

    def labels(self) -> Iterator[tuple[int, int, str]]:
        """Easting, northing and name of every postcode whose position is good enough to search around."""
        for line in self._lines:
            name, quality, easting, northing, _lsoa = line.split(",")
            if easting and easting != "0" and int(quality) < _TOO_COARSE:
                yield int(easting), int(northing), _spaced(name)

    def suggest(self, text: str, limit: int = _SUGGESTIONS) -> list[str]:
        """Known postcodes that begin with what was typed, in order."""
        beginning = normalise(text)
        if not beginning:
            return []
        first = bisect.bisect_left(self._lines, beginning)
        found = itertools.takewhile(lambda line: line.startswith(beginning), itertools.islice(self._lines, first, None))
        return [_spaced(line.split(",", 1)[0]) for line in itertools.islice(found, limit)]

    def _line(self, compact: str) -> str | None:
        index = bisect.bisect_left(self._lines, compact + ",")
        if index < len(self._lines) and self._lines[index].startswith(compact + ","):
            return self._lines[index]
        return None

    def _absent(self, postcode: Postcode) -> PostcodeError:
        if postcode.area not in self._areas:
            return PostcodeNotCovered(
                f"{postcode} lies outside London and its edge, which is what SafeStats covers: "
                "give a postcode in London."
            )
        near = [str(candidate) for candidate in _confused(postcode.compact) if candidate in self]
        near += [found for found in self.suggest(postcode.compact[:-1]) if found not in near]
        hint = f" Known ones near it: {', '.join(near[:3])}." if near else ""
        return UnknownPostcode(
            f"{postcode} is not a live postcode of the file that SafeStats uses: check it, or pick the place on the "
            f"map.{hint}",
            near[:_SUGGESTIONS],
        )


def _place(postcode: Postcode, line: str) -> PostcodePlace:
    _, quality, easting, northing, lsoa = line.split(",")
    return PostcodePlace(postcode, int(easting or 0), int(northing or 0), int(quality), lsoa)


def _spaced(compact: str) -> str:
    return f"{compact[:-3]} {compact[-3:]}"
