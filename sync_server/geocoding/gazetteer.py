"""The gazetteer in memory: named places by key and by likeness, the areas that people name, and the postcodes."""

from __future__ import annotations

import csv
import gzip
import io
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ...shared.postcodes import POSTCODES_FILE
from .boroughs import Boroughs
from .levels import GeoLevel
from .trigrams import TrigramIndex
from .wording import key_of

GAZETTEER_FOLDER = "gazetteer"  # in resources/ and in the server's folder
# Where postcodes of a district lie so near, a place is taken to lie in it: streets run on across borders.
_ACROSS_M = 250
_TOWN_REACH_M = 1_300
_SHARE_OF_BOROUGH = 0.6
_LONGEST_NAME = 8  # words


class Kind(StrEnum):
    """What a named place is."""

    STREET = "street"
    VENUE = "venue"
    STATION = "station"
    STOP = "stop"  # of buses
    PARK = "park"
    HOSPITAL = "hospital"
    TOWN = "town"


LEVEL_OF = {
    Kind.STREET: GeoLevel.STREET,
    Kind.VENUE: GeoLevel.VENUE,
    Kind.HOSPITAL: GeoLevel.VENUE,
    Kind.STATION: GeoLevel.STATION,
    Kind.STOP: GeoLevel.STATION,
    Kind.PARK: GeoLevel.PARK,
}
_STATION_WORDS = ("station", "tube", "tube station", "underground station", "underground", "train station")
_MORE_STATION_WORDS = ("rail station", "railway station", "overground", "overground station", "dlr", "dlr station")


@dataclass(frozen=True)
class Entry:
    """A named place: metres of EPSG:27700, ``extent_m`` how far it reaches, ``sector`` its postcode sector."""

    kind: Kind
    name: str
    easting: int
    northing: int
    extent_m: int
    borough_code: str
    sector: str
    other_names: tuple[str, ...] = ()

    @property
    def district(self) -> str:
        """The postcode district."""
        return self.sector.split(" ")[0]

    def distance(self, other: Entry) -> float:
        """Metres between the two points."""
        return float(np.hypot(self.easting - other.easting, self.northing - other.northing))


@dataclass(frozen=True)
class NamedArea:
    """An area that people name: a borough, a town, a postcode district or sector."""

    level: GeoLevel
    name: str
    borough_code: str = ""  # "" where most of it is in no one borough
    districts: tuple[str, ...] = ()  # beginnings of sectors
    middle: tuple[float, float] | None = None


@dataclass(frozen=True)
class FoundPostcode:
    """A postcode of a file. ``quality`` as Code-Point Open's; ``terminated`` the month when it ended, or ""."""

    postcode: str
    easting: int
    northing: int
    quality: int
    borough_code: str  # "" outside London
    terminated: str = ""


class PostcodePoints:
    """Postcodes with their points, found by name and by district."""

    def __init__(
        self,
        names: NDArray[np.bytes_],
        eastings: NDArray[np.int64],
        northings: NDArray[np.int64],
        qualities: NDArray[np.int64],
        boroughs: Sequence[str],
        terminated: Sequence[str] | None = None,
    ) -> None:
        """``names`` are compact and in order; ``boroughs`` codes, "" outside London."""
        self._names = names
        self._eastings, self._northings, self._qualities = eastings, northings, qualities
        self._boroughs, self._terminated = boroughs, terminated

    def __len__(self) -> int:
        return len(self._names)

    def find(self, compact: str) -> FoundPostcode | None:
        """The postcode without its space, if it is there."""
        name = compact.encode("ascii", "ignore")
        at = int(np.searchsorted(self._names, name))
        if at >= len(self._names) or self._names[at] != name:
            return None
        ended = self._terminated[at] if self._terminated is not None else ""
        spaced = f"{compact[:-3]} {compact[-3:]}"
        place = (int(self._eastings[at]), int(self._northings[at]), int(self._qualities[at]))
        return FoundPostcode(spaced, *place, self._boroughs[at], ended)

    def of_sectors(self, beginning: str) -> NDArray[np.int64]:
        """The points (n × 2) of the postcodes whose sector begins so: “E8 3”, “E8 ” or “W1”."""
        compact = beginning.replace(" ", "")
        first = int(np.searchsorted(self._names, compact.encode()))
        last = int(np.searchsorted(self._names, (compact + "~").encode()))
        names = self._names[first:last]
        outward_length = len(beginning.split(" ")[0]) if " " in beginning else 0
        keep = (self._eastings[first:last] > 0) & (self._qualities[first:last] < 60)
        if outward_length:
            keep &= np.char.str_len(names) == outward_length + 3
        return np.column_stack([self._eastings[first:last][keep], self._northings[first:last][keep]])

    def outwards(self) -> Counter[str]:
        """The districts, and how many postcodes each has."""
        return Counter(name.decode()[:-3] for name in self._names)


def read_supplied_postcodes(path: Path, boroughs: Boroughs) -> PostcodePoints:
    """Those that come with the project."""
    frame = pl.read_csv(path, columns=["postcode", "quality", "easting", "northing", "lsoa"])
    return PostcodePoints(
        frame["postcode"].to_numpy().astype("S7"),
        frame["easting"].to_numpy(),
        frame["northing"].to_numpy(),
        frame["quality"].to_numpy(),
        frame["lsoa"].replace_strict(boroughs.of_lsoa(), default="", return_dtype=pl.String).to_list(),
    )


def read_entries(path: Path) -> list[Entry]:
    """The named places of a CSV file of the project's own form, which may be gzip'd."""
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return [
        Entry(
            Kind(row["kind"]),
            row["name"],
            int(row["easting"]),
            int(row["northing"]),
            int(row["extent_m"]),
            row["borough_code"],
            row["sector"],
            names_of(row["other_names"]),
        )
        for row in csv.DictReader(io.StringIO(data.decode("utf-8")))
    ]


def names_of(text: str | None) -> tuple[str, ...]:
    """Names divided by semicolons."""
    return tuple(name.strip() for name in (text or "").split(";") if name.strip())


@dataclass
class Gazetteer:
    """Named places by key; keys alike; areas by key."""

    entries: list[Entry]
    areas: dict[str, list[NamedArea]]
    postcodes: list[PostcodePoints]  # those that are asked first come first
    boroughs: dict[str, str]  # code → name
    by_key: dict[str, list[Entry]] = field(default_factory=lambda: defaultdict(list))

    def __post_init__(self) -> None:
        for entry in self.entries:
            for key in _keys(entry):
                self.by_key[key].append(entry)
        self._keys = sorted(key for key, found in self.by_key.items() if found[0].kind != Kind.STATION or "stat" in key)
        self._alike = TrigramIndex(self._keys)
        self._points: dict[str, NDArray[np.int64]] = {}
        self.outwards = self.postcodes[0].outwards() if self.postcodes else Counter()

    @classmethod
    def build(
        cls, entries: Iterable[Entry], postcodes: list[PostcodePoints], boroughs: Boroughs, resources: Path
    ) -> Gazetteer:
        """The entries with the towns and boroughs that people name, from the files in ``resources``."""
        named: dict[str, list[NamedArea]] = defaultdict(list)
        codes = {name: code for code, name in boroughs.names.items()}
        for row in _rows(resources / "boroughs.csv"):
            if row["name"] in codes:
                borough = NamedArea(GeoLevel.BOROUGH, row["name"], codes[row["name"]])
                for name in (row["name"], *names_of(row["other_names"])):
                    named[key_of(name)].append(borough)
        everything = list(entries)
        towns = _rows(resources / "towns.csv")
        loaded = {key_of(entry.name) for entry in everything if entry.kind == Kind.TOWN}
        gazetteer = cls([entry for entry in everything if entry.kind != Kind.TOWN], named, postcodes, boroughs.names)
        for row in towns:
            if key_of(row["name"]) not in loaded:
                town = gazetteer._town(row["name"], names_of(row["districts"]), boroughs)
                for name in (row["name"], *names_of(row["other_names"])):
                    named[key_of(name)].append(town)
        for entry in everything:
            if entry.kind == Kind.TOWN:
                town = NamedArea(
                    GeoLevel.TOWN, entry.name, entry.borough_code, (), (float(entry.easting), float(entry.northing))
                )
                named[key_of(entry.name)].append(town)
        for entry in everything:
            # A station's bare name is a quarter: nobody said that it was at the station.
            if entry.kind == Kind.STATION and key_of(entry.name) not in named:
                quarter = NamedArea(
                    GeoLevel.TOWN, entry.name, entry.borough_code, (), (float(entry.easting), float(entry.northing))
                )
                named[key_of(entry.name)].append(quarter)
        return gazetteer

    def _town(self, name: str, districts: tuple[str, ...], boroughs: Boroughs) -> NamedArea:
        beginnings = tuple(district + (" " if district in self.outwards else "") for district in districts)
        found = [self.points_of(beginning) for beginning in beginnings]
        if not any(len(points) for points in found):
            return NamedArea(GeoLevel.TOWN, name, "", beginnings)
        points = np.concatenate(found)
        borough, share = boroughs.most(points)
        return NamedArea(
            GeoLevel.TOWN,
            name,
            borough if share > _SHARE_OF_BOROUGH else "",
            beginnings,
            (float(np.median(points[:, 0])), float(np.median(points[:, 1]))),
        )

    def points_of(self, beginning: str) -> NDArray[np.int64]:
        """The points of the postcodes whose sector begins so."""
        if beginning not in self._points:
            self._points[beginning] = self.postcodes[-1].of_sectors(beginning)
        return self._points[beginning]

    def find_postcode(self, compact: str) -> FoundPostcode | None:
        """The postcode, of the first file that has it."""
        return next((found for points in self.postcodes if (found := points.find(compact))), None)

    def like(self, key: str, at_least: float) -> list[tuple[str, float]]:
        """Keys that look like it, and how much (0 to 100)."""
        return [(self._keys[number], score) for number, score in self._alike.like(key, at_least)]

    @property
    def keys(self) -> Sequence[str]:
        """All keys that may be looked up by likeness."""
        return self._keys

    def fits(self, entry: Entry, areas: Sequence[NamedArea]) -> int:
        """In how many of the areas the place lies."""
        return sum(self.lies_in(entry, area) for area in areas)

    def lies_in(self, entry: Entry, area: NamedArea) -> bool:
        """Whether the place is in the area, or so near that people would say so."""
        if area.level == GeoLevel.BOROUGH:
            return entry.borough_code == area.borough_code
        if area.middle is not None:
            away = float(np.hypot(entry.easting - area.middle[0], entry.northing - area.middle[1]))
            if away <= _TOWN_REACH_M:
                return True
        if any(f"{entry.sector} ".startswith(beginning) for beginning in area.districts):
            return True
        if area.level == GeoLevel.TOWN:
            return False
        return any(self._near(entry, beginning) for beginning in area.districts)

    def _near(self, entry: Entry, beginning: str) -> bool:
        points = self.points_of(beginning)
        if not len(points):
            return False
        square = (points[:, 0] - entry.easting) ** 2 + (points[:, 1] - entry.northing) ** 2
        return bool(square.min() <= (_ACROSS_M + entry.extent_m) ** 2)

    def label(self, entry: Entry) -> str:
        """The name with its area, as it is shown."""
        borough = self.boroughs.get(entry.borough_code, "")
        kind = " (bus stop)" if entry.kind == Kind.STOP else ""
        suffix = " station" if entry.kind == Kind.STATION and "station" not in entry.name.casefold() else ""
        return ", ".join(filter(None, (f"{entry.name}{suffix}{kind}", borough, entry.district)))


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _keys(entry: Entry) -> set[str]:
    keys = {key_of(name) for name in (entry.name, *entry.other_names)} - {""}
    if entry.kind == Kind.STATION:
        bare = {key.removesuffix(" station") for key in keys}
        return {f"{key} {word}" for key in bare for word in (*_STATION_WORDS, *_MORE_STATION_WORDS)}
    if entry.kind == Kind.STOP:
        return {form for key in keys for form in (f"bus stop {key}", f"{key} bus stop", f"{key} stop")}
    if entry.kind == Kind.VENUE:
        keys |= {key.removesuffix("nightclub") + "club" for key in keys if key.endswith(" nightclub")}
    return keys


def spans(words: Sequence[str]) -> Iterable[tuple[int, int]]:
    """Where names may stand in a row of words, the longest first."""
    for length in range(min(_LONGEST_NAME, len(words)), 0, -1):
        for start in range(len(words) - length + 1):
            yield start, start + length


def read_made_up(resources: Path, boroughs: Boroughs) -> Gazetteer:
    """The gazetteer of synthetic deliveries: what comes with the project, made-up streets and venues included."""
    supplied = resources / GAZETTEER_FOLDER
    entries = [*read_entries(supplied / "stations.csv"), *read_entries(supplied / "synthetic.csv.gz")]
    return Gazetteer.build(entries, [read_supplied_postcodes(resources / POSTCODES_FILE, boroughs)], boroughs, supplied)
