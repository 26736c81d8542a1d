"""Descriptions of places as people type them, seeded, with what each allows to know: harder than any one hospital's."""

from __future__ import annotations

import csv
import gzip
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import hypot
from pathlib import Path

from numpy.random import Generator, default_rng

SHORT = {
    "Road": "Rd", "Street": "St", "Avenue": "Ave", "Lane": "Ln", "Gardens": "Gdns", "Close": "Cl", "Grove": "Gr",
    "Terrace": "Ter", "Place": "Pl", "Crescent": "Cres", "Square": "Sq", "Drive": "Dr", "Park": "Pk",
}  # fmt: skip
POINT_LEVELS = frozenset({"postcode", "venue", "street", "junction", "station", "park"})
_BEFORE = (
    "",
    "",
    "outside ",
    "o/s ",
    "opp ",
    "nr ",
    "near ",
    "in ",
    "Assaulted in ",
    "punched outside ",
    "bus stop on ",
)
_VENUE_BEFORE = ("", "outside ", "o/s ", "in ", "inside ", "at ")
_HOMES = (
    "home", "own address", "at home", "Home address", "pt's own home", "friends house", "partner's flat", "residence",
    "in own flat", "home, {area}", "home address {postcode}", "Flat 3, 12 {street}, {area}",
    "o/s own address {postcode}",
)  # fmt: skip
_NOTHING = (
    "street", "pub", "in the street", "refused", "unknown", "N/K", "nightclub", "bus", "can't remember", "on the bus",
    "outside a shop", "park", "not stated", "declined to say", "school", "at work", "", "?", "public place", "taxi",
    "unsure where", "hit by unknown males in street", "train", "refused to disclose",
)  # fmt: skip
_AREA_FORMS = ("{}", "{} area", "street in {}", "somewhere in {}", "pub in {}")
_ALONE = (
    "High Street",
    "high st",
    "Station Road",
    "station rd",
    "Church Road",
    "outside shop on High Street",
    "Park Rd",
)


@dataclass(frozen=True)
class Told:
    """A description, and what it allows: ``level`` of the gazetteer's, a point (metres) where that bears one."""

    text: str
    level: str
    kind: str  # which of the forms it was made by
    easting: int = 0
    northing: int = 0
    site: str = ""

    def found_at(self, easting: int | None, northing: int | None, precision_m: int | None) -> bool:
        """Whether a point is the one that is meant, to within what it says of itself and 250 m."""
        if easting is None or northing is None:
            return False
        return hypot(easting - self.easting, northing - self.northing) <= max(250, precision_m or 0)


@dataclass
class _Named:
    kind: str
    name: str
    easting: int
    northing: int
    extent: int
    borough: str
    district: str
    sector: str


@dataclass
class Talk:
    """What people may name."""

    resources: Path
    random: Generator
    named: dict[str, list[_Named]] = field(default_factory=lambda: defaultdict(list))

    def __post_init__(self) -> None:
        folder = self.resources / "gazetteer"
        self.boroughs = [row["name"] for row in csv.DictReader((folder / "boroughs.csv").open(encoding="utf-8"))]
        codes = sorted(self.boroughs, key=lambda name: (name != "City of London", name))
        self.borough_name = {f"E09{number:06d}": name for number, name in enumerate(codes, start=1)}
        self.towns = [row["name"] for row in csv.DictReader((folder / "towns.csv").open(encoding="utf-8"))]
        with gzip.open(folder / "synthetic.csv.gz", "rt", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        rows += list(csv.DictReader((folder / "stations.csv").open(encoding="utf-8")))
        for row in rows:
            one = _Named(
                row["kind"], row["name"], int(row["easting"]), int(row["northing"]), int(row["extent_m"]),
                row["borough_code"], row["sector"].split(" ")[0], row["sector"],
            )  # fmt: skip
            if one.borough:
                self.named[one.kind].append(one)
        self.bearers = Counter(
            (one.name, area) for kind in self.named.values() for one in kind for area in (one.borough, one.district)
        )
        with gzip.open(self.resources / "postcodes" / "postcodes.csv.gz", "rt") as file:
            live = [row for row in csv.DictReader(file) if row["lsoa"] and int(row["quality"]) < 50]
        self.postcodes = [live[index] for index in self.random.choice(len(live), 20_000, replace=False)]
        with (self.resources / "hospitals" / "hospitals.csv").open(encoding="utf-8") as file:
            self.hospitals = list(csv.DictReader(file))

    def pick(self, choices: Sequence) -> object:
        """One of them."""
        return choices[int(self.random.integers(len(choices)))]

    def text(self, choices: Sequence[str]) -> str:
        """One of some texts."""
        return str(self.pick(choices))

    def one(self, kind: str) -> _Named:
        """A place whose name stands for it in its borough and its district."""
        while True:
            one = self.named[kind][int(self.random.integers(len(self.named[kind])))]
            if self.bearers[one.name, one.borough] == self.bearers[one.name, one.district] == 1:
                return one

    def area_of(self, one: _Named) -> str:
        """How people say where it lies."""
        chance = self.random.random()
        if chance < 0.5:
            return self.borough_name[one.borough]
        return one.district if chance < 0.8 else one.sector

    def shortened(self, name: str) -> str:
        """The name as it is typed in haste."""
        first, _, last = name.rpartition(" ")
        if last in SHORT and self.random.random() < 0.5:
            name = f"{first} {SHORT[last]}"
        return name.replace("’", "'" if self.random.random() < 0.5 else "")

    def slipped(self, name: str) -> str:
        """The name with one slip of the finger in its longest word."""
        words = name.split(" ")
        at = max(range(len(words)), key=lambda index: len(words[index]))
        word = words[at]
        place = int(self.random.integers(1, max(2, len(word) - 1)))
        slips: tuple[Callable[[], str], ...] = (
            lambda: word[:place] + word[place + 1 :],
            lambda: word[:place] + word[place] + word[place:],
            lambda: word[: place - 1] + word[place] + word[place - 1] + word[place + 1 :],
        )
        words[at] = slips[int(self.random.integers(3))]()
        return " ".join(words)

    def cased(self, text: str) -> str:
        """In any case."""
        chance = self.random.random()
        return text.upper() if chance < 0.2 else text.lower() if chance < 0.5 else text


def describe(resources: Path, count: int, seed: int = 1) -> list[Told]:
    """So many descriptions; the same arguments give the same."""
    talk = Talk(resources, default_rng(seed))
    forms: tuple[tuple[float, Callable[[Talk], Told]], ...] = (
        (0.22, _postcode), (0.16, _street), (0.05, _slipped_street), (0.10, _venue), (0.03, _slipped_venue),
        (0.03, _venue_on_street), (0.05, _junction), (0.09, _station), (0.03, _park), (0.08, _area), (0.03, _alone),
        (0.06, _home), (0.05, _nothing), (0.02, _own_hospital),
    )  # fmt: skip
    chances = [chance for chance, _ in forms]
    chosen = talk.random.choice(len(forms), count, p=[chance / sum(chances) for chance in chances])
    return [forms[index][1](talk) for index in chosen]


def _postcode(talk: Talk) -> Told:
    row = talk.postcodes[int(talk.random.integers(len(talk.postcodes)))]
    code = row["postcode"]
    told = talk.text((f"{code[:-3]} {code[-3:]}", code))
    form = talk.text(("{}", "outside {}", "car park {}", "{} street", "bus stop - {}", "pub near {}", "shop ({})"))
    return Told(talk.cased(form.format(told)), "postcode", "postcode", int(row["easting"]), int(row["northing"]))


def _named(talk: Talk, one: _Named, text: str, level: str, kind: str) -> Told:
    return Told(talk.cased(text), level, kind, one.easting, one.northing)


def _street(talk: Talk) -> Told:
    one = talk.one("street")
    form = talk.text(("{}, {}", "{} {}", "{} in {}", "{} ({})"))
    text = talk.text(_BEFORE) + form.format(talk.shortened(one.name), talk.area_of(one))
    return _named(talk, one, text, "street", "street with area")


def _slipped_street(talk: Talk) -> Told:
    one = talk.one("street")
    text = talk.text(_BEFORE[:8]) + f"{talk.slipped(talk.shortened(one.name))}, {talk.area_of(one)}"
    return _named(talk, one, text, "street", "street with a slip")


def _venue(talk: Talk) -> Told:
    one = talk.one("venue")
    name = one.name.removeprefix("The ") if talk.random.random() < 0.4 else one.name
    form = talk.text(("{}, {}", "{} {}", "{} pub, {}", "{} in {}"))
    return _named(
        talk, one, talk.text(_VENUE_BEFORE) + form.format(name, talk.area_of(one)), "venue", "venue with area"
    )


def _slipped_venue(talk: Talk) -> Told:
    one = talk.one("venue")
    text = f"{talk.text(_VENUE_BEFORE)}{talk.slipped(one.name)}, {talk.area_of(one)}"
    return _named(talk, one, text, "venue", "venue with a slip")


def _venue_on_street(talk: Talk) -> Told:
    one = talk.one("venue")
    streets = [each for each in talk.named["street"] if each.borough == one.borough and _apart(each, one) < 150]
    if not streets:
        return _venue(talk)
    street = min(streets, key=lambda each: _apart(each, one))
    text = f"{talk.text(_VENUE_BEFORE)}{one.name}, {talk.shortened(street.name)}, {talk.borough_name[one.borough]}"
    return _named(talk, one, text, "venue", "venue on a street")


def _junction(talk: Talk) -> Told:
    while True:
        one = talk.one("street")
        near = [
            each
            for each in talk.named["street"]
            if each.borough == one.borough and each.name != one.name and _apart(each, one) <= each.extent + one.extent
            and talk.bearers[each.name, each.borough] == 1
        ]  # fmt: skip
        if near:
            break
    other = near[int(talk.random.integers(len(near)))]
    first, second = talk.shortened(one.name), talk.shortened(other.name)
    forms = ("{} j/w {}", "junction of {} and {}", "corner of {} & {}", "{} / {}", "{} junction with {}")
    text = talk.text(forms).format(first, second)
    if talk.random.random() < 0.7:
        text += f", {talk.borough_name[one.borough]}"
    share = one.extent / max(1, one.extent + other.extent)
    easting = round(one.easting + share * (other.easting - one.easting))
    northing = round(one.northing + share * (other.northing - one.northing))
    return Told(talk.cased(text), "junction", "junction", easting, northing)


def _apart(one: _Named, other: _Named) -> float:
    return hypot(one.easting - other.easting, one.northing - other.northing)


def _station(talk: Talk) -> Told:
    one = talk.one("station")
    form = talk.text(
        ("{} station", "outside {} station", "{} Stn", "{} tube", "o/s {} tube station", "at {} train station")
    )
    return _named(talk, one, form.format(one.name), "station", "station")


def _park(talk: Talk) -> Told:
    one = talk.one("park")
    form = talk.text(("{}, {}", "in {} {}", "{} in {}"))
    return _named(talk, one, form.format(one.name, talk.area_of(one)), "park", "park with area")


def _area(talk: Talk) -> Told:
    chance = talk.random.random()
    if chance < 0.4:
        return Told(talk.cased(talk.text(_AREA_FORMS).format(talk.text(talk.boroughs))), "borough", "area alone")
    if chance < 0.7:
        return Told(talk.cased(talk.text(_AREA_FORMS).format(talk.text(talk.towns))), "town", "area alone")
    code = talk.postcodes[int(talk.random.integers(len(talk.postcodes)))]["postcode"]
    sector = code[:-3] if chance < 0.85 else f"{code[:-3]} {code[-3]}"
    return Told(talk.cased(talk.text(_AREA_FORMS).format(sector)), "sector", "area alone")


def _alone(talk: Talk) -> Told:
    return Told(talk.cased(talk.text(_ALONE)), "ambiguous", "many of the name")


def _home(talk: Talk) -> Told:
    one = talk.one("street")
    code = talk.postcodes[int(talk.random.integers(len(talk.postcodes)))]["postcode"]
    text = talk.text(_HOMES).format(
        area=talk.borough_name[one.borough], street=one.name, postcode=f"{code[:-3]} {code[-3:]}"
    )
    return Told(talk.cased(text), "home", "home")


def _nothing(talk: Talk) -> Told:
    return Told(talk.cased(talk.text(_NOTHING)), "none", "nothing said")


def _own_hospital(talk: Talk) -> Told:
    row = talk.hospitals[int(talk.random.integers(len(talk.hospitals)))]
    text = talk.text((row["postcode"], row["postcode"].replace(" ", ""), row["name"]))
    return Told(talk.cased(text), "none", "own hospital", site=row["code"])
