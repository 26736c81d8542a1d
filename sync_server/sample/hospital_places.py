"""Places of assaults as patients describe them, and how exactly each description allows to find them."""

from __future__ import annotations

import csv
import gzip
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from .city import City

_KINDS = ("station", "street", "venue", "park")
_HOME = ("home", "Home", "home address", "own home", "at home with partner", "flat", "")
_HOME_TOLD = "home address {}"  # what reception must not type, and does
_VAGUE = ("street", "pub", "refused", "unknown", "N/K", "", "nightclub", "bus", "outside", "can't remember", "park")
_AMBIGUOUS = ("High Street", "Station Road", "Church Road", "The Crown pub")
_AROUND = ("outside shop, {}", "{}", "near {}", "bus stop {}", "pub at {}", "{} street", "car park - {}")
_AT_STATION = ("{} station", "outside {} station", "{} Stn", "{} tube", "{} tube station")
_IN_AREA = ("{}, {}", "{} {}", "outside shop on {}, {}", "{} in {}", "near {}, {}")
_VENUE_IN_AREA = ("{}, {}", "{} {}", "outside {}, {}", "inside {} in {}")
_SHORT = {"Street": "St", "Road": "Rd", "Avenue": "Ave", "Gardens": "Gdns", "Lane": "Ln", "Square": "Sq"}
_NEAR_M = 4_000


@dataclass(frozen=True)
class Spoken:
    """A description, and a postcode where one was asked for. ``level`` is the best that the words allow; ``easting``
    and ``northing`` (metres) are there where that is a point, ``borough`` (code) where it is known."""

    text: str
    postcode: str
    level: str
    easting: int | None = None
    northing: int | None = None
    borough: str = ""


@dataclass(frozen=True)
class Named:
    """A named place of the gazetteer."""

    kind: str
    name: str
    easting: int
    northing: int
    borough: str
    sector: str


class PlaceBook:
    """What people name: postcodes, and the names of the gazetteer that the project builds."""

    def __init__(self, city: City, gazetteer: Path) -> None:
        """``gazetteer`` is the folder of its CSV files; kinds of names that it lacks are not spoken of."""
        self._city = city
        self._towns = _read_towns(gazetteer)
        named = _read_named(gazetteer)
        self._kinds = {kind: [one for one in named if one.kind == kind] for kind in _KINDS}

    def around(self, postcode: str) -> Neighbourhood:
        """The book as people near a hospital use it: most of what they name is near."""
        addresses = self._city.addresses
        (at,) = np.flatnonzero(addresses.postcode == postcode.replace(" ", ""))[:1].tolist() or [0]
        middle = (int(addresses.easting[at]), int(addresses.northing[at]))
        lively = addresses.quiet / addresses.quiet.sum() + addresses.lively / addresses.lively.sum()
        weights = lively * _nearness(addresses.easting, addresses.northing, middle)
        chances = {
            kind: _nearness(np.array([one.easting for one in named]), np.array([one.northing for one in named]), middle)
            for kind, named in self._kinds.items()
            if named
        }
        return Neighbourhood(
            self._city,
            {kind: named for kind, named in self._kinds.items() if named},
            np.cumsum(weights / weights.sum()),
            {kind: np.cumsum(near / near.sum()) for kind, near in chances.items()},
            self._towns,
            postcode,
        )


@dataclass(frozen=True)
class Neighbourhood:
    """Where the patients of one hospital say they were."""

    city: City
    named: dict[str, list[Named]]
    addresses: NDArray[np.float64]  # running sums of the chance of each address, and of each name
    chances: dict[str, NDArray[np.float64]]
    towns: list[str]
    own_postcode: str

    def speak(self, location_type: str, own: bool, apart: bool, random: Generator) -> Spoken:
        """A description. ``own``: reception put the hospital's own postcode; ``apart``: postcodes have a column."""
        if location_type == "home":
            if random.random() < 0.08:
                return Spoken(_HOME_TOLD.format(self._postcode(False, random).text.split()[-1]), "", "home")
            return Spoken(str(random.choice(_HOME)), "", "home")
        if own:
            return Spoken("" if apart else self.own_postcode, self.own_postcode if apart else "", "none")
        choice = random.random()
        if choice < 0.16:
            return Spoken(str(random.choice(_VAGUE)), "", "none")
        if choice < 0.19:
            return Spoken(str(random.choice(_AMBIGUOUS)), "", "none")
        if choice < 0.30:
            return self._area(random)
        if choice < 0.40 and "station" in self.named:
            return self._station(random)
        for kind, below in (("street", 0.58), ("venue", 0.68), ("park", 0.71)):
            if choice < below and kind in self.named:
                return self._named_in_area(kind, random)
        return self._postcode(apart, random)

    def _postcode(self, apart: bool, random: Generator) -> Spoken:
        addresses = self.city.addresses
        at = self._address(random)
        code = str(addresses.postcode[at])
        told = str(random.choice([f"{code[:-3]} {code[-3:]}", code, code.lower(), f"{code[:-3]} {code[-3:]}"]))
        place = (int(addresses.easting[at]), int(addresses.northing[at]), str(addresses.borough[at]))
        if apart:
            return Spoken(str(random.choice(["street", "outside pub", "", "bus stop"])), told, "postcode", *place)
        return Spoken(str(random.choice(_AROUND)).format(told), "", "postcode", *place)

    def _area(self, random: Generator) -> Spoken:
        addresses = self.city.addresses
        at = self._address(random)
        borough = str(addresses.borough[at])
        if random.random() < 0.5:
            name = self.city.boroughs[borough]
            return Spoken(str(random.choice(["{}", "street in {}", "{} area"])).format(name), "", "borough", None, None,
                          borough)  # fmt: skip
        if self.towns and random.random() < 0.4:
            return Spoken(
                str(random.choice(["{}", "{} area", "street in {}"])).format(random.choice(self.towns)), "", "town"
            )
        code = str(addresses.postcode[at])
        sector = f"{code[:-3]} {code[-3]}" if random.random() < 0.5 else code[:-3]
        return Spoken(str(random.choice(["{}", "street, {}", "{} area"])).format(sector), "", "sector")

    def _station(self, random: Generator) -> Spoken:
        station = self._one("station", random)
        text = str(random.choice(_AT_STATION)).format(station.name)
        return Spoken(text, "", "station", station.easting, station.northing, station.borough)

    def _named_in_area(self, kind: str, random: Generator) -> Spoken:
        """A street, venue or park with the borough or the postcode district in which no other is called so."""
        place = self._one(kind, random)
        name = place.name
        if kind == "street" and random.random() < 0.3:
            first, _, last = name.rpartition(" ")
            name = f"{first} {_SHORT.get(last, last)}"
        area = place.sector if random.random() < 0.3 else self.city.boroughs[place.borough]
        text = str(random.choice(_IN_AREA if kind == "street" else _VENUE_IN_AREA)).format(name, area)
        if random.random() < 0.2:
            text = text.lower()
        return Spoken(text, "", kind, place.easting, place.northing, place.borough)

    def _one(self, kind: str, random: Generator) -> Named:
        at = int(np.searchsorted(self.chances[kind], random.random()))
        return self.named[kind][min(at, len(self.named[kind]) - 1)]

    def _address(self, random: Generator) -> int:
        return min(int(np.searchsorted(self.addresses, random.random())), len(self.addresses) - 1)


def _nearness(eastings: NDArray, northings: NDArray, middle: tuple[int, int]) -> NDArray[np.float64]:
    """Most assaults are near, a quarter are anywhere."""
    square = (eastings - middle[0]) ** 2.0 + (northings - middle[1]) ** 2.0
    near = np.exp(-square / (2 * _NEAR_M**2))
    return 0.75 * near / max(near.sum(), 1e-9) + 0.25 / len(near)


def _read_named(folder: Path) -> list[Named]:
    """Those names that stand for one place in their borough and their postcode sector."""
    found = []
    for path in sorted(folder.glob("*.csv*")):
        with _opened(path) as file:
            reader = csv.DictReader(file)
            if not {"kind", "name", "easting", "northing", "borough_code", "sector"} <= set(reader.fieldnames or ()):
                continue
            for row in reader:
                place = (int(row["easting"]), int(row["northing"]), row["borough_code"], row["sector"])
                found.append(Named(row["kind"], row["name"], *place))
    bearers = Counter((one.name, one.borough) for one in found) + Counter((one.name, one.sector) for one in found)
    return [
        one for one in found if one.borough and bearers[one.name, one.borough] == bearers[one.name, one.sector] == 1
    ]


def _opened(path: Path) -> TextIO:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8", newline="")
    return path.open(encoding="utf-8", newline="")


def _read_towns(folder: Path) -> list[str]:
    path = folder / "towns.csv"
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return [row["name"] for row in csv.DictReader(file)]
