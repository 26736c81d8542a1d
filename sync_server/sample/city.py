"""Where synthetic incidents happen: London's real postcodes, weighted by its town centres."""

from __future__ import annotations

import csv
import gzip
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyogrio
from convertbng.cutil import convert_lonlat
from numpy.random import Generator
from numpy.typing import NDArray

CITY_OF_LONDON = "E09000001"

# (name, a postcode in the middle of it, how strong it draws, how wide it is in metres)
CENTRES = (
    ("Soho", "W1D4HS", 45, 350),
    ("Camden Town", "NW18NH", 34, 280),
    ("Shoreditch", "EC2A3AA", 30, 320),
    ("King's Cross", "N1C4AA", 18, 300),
    ("Brixton", "SW98AA", 30, 300),
    ("Clapham", "SW47AA", 16, 300),
    ("Stratford", "E151XA", 26, 400),
    ("Croydon", "CR01AA", 28, 420),
    ("Romford", "RM13AA", 22, 380),
    ("Dalston", "E82AA", 18, 280),
    ("Peckham", "SE154AA", 16, 300),
    ("Lewisham", "SE137AA", 16, 320),
    ("Woolwich", "SE186AA", 14, 320),
    ("Walthamstow", "E177AB", 12, 320),
    ("Wood Green", "N226AA", 16, 350),
    ("Ilford", "IG11AG", 16, 350),
    ("Harrow", "HA11AA", 12, 320),
    ("Uxbridge", "UB81AB", 12, 320),
    ("Ealing", "W55AA", 14, 350),
    ("Hounslow", "TW31AA", 14, 330),
    ("Kingston", "KT11AE", 16, 330),
    ("Sutton", "SM11AA", 10, 300),
    ("Bromley", "BR11AA", 12, 330),
)
MAP_POINTS = 24_000
STATIONS = 320
CITY_STATIONS = 8
_SPOTS = ("Supermarket", "Nightclub", "Shopping Area", "Parking Area", "Petrol Station", "Park/Open Space")
_NAMES = ("Alder", "Birch", "Cedar", "Damson", "Elder", "Fennel", "Gorse", "Hazel", "Iris", "Juniper", "Kestrel")
_KINDS = ["Road", "Street", "Lane", "Avenue", "Gardens", "Close", "Hill", "Walk", "Mews", "Terrace"]


@dataclass(frozen=True)
class Places:
    """Points, column by column: metres of EPSG:27700, degrees, what lies there, and by whom they are counted."""

    easting: NDArray[np.int64]
    northing: NDArray[np.int64]
    longitude: NDArray[np.float64]
    latitude: NDArray[np.float64]
    name: NDArray[np.object_]
    postcode: NDArray[np.object_]
    lsoa: NDArray[np.object_]
    borough: NDArray[np.object_]
    quiet: NDArray[np.float64]  # how much homes draw, and
    lively: NDArray[np.float64]  # how much a town centre does


@dataclass(frozen=True)
class City:
    """The map points to which the police move incidents, the stations, and every postcode."""

    map_points: Places
    stations: Places
    addresses: Places
    outside: Places
    boroughs: dict[str, str]


def build_city(resources: Path, random: Generator) -> City:
    """A city from the project's postcodes and boundaries; which of them are map points is drawn by ``random``."""
    lsoas = pyogrio.read_arrow(resources / "boundaries" / "london-lsoa-2011.gpkg", layer="lsoa", read_geometry=False)[1]
    borough_of = dict(zip(lsoas["code"].to_pylist(), lsoas["borough_code"].to_pylist(), strict=True))
    boroughs = dict(zip(lsoas["borough_code"].to_pylist(), lsoas["borough"].to_pylist(), strict=True))
    with gzip.open(resources / "postcodes" / "postcodes.csv.gz", "rt", encoding="ascii") as file:
        rows = [row for row in csv.DictReader(file) if row["easting"] != "0"]
    here = [row for row in rows if row["lsoa"]]
    away = [row for row in rows if not row["lsoa"]]
    centres = np.array([_middle(here, code) for _, code, _, _ in CENTRES], dtype=float)
    everything = _places(here, borough_of, centres)
    map_points = _draw(everything, centres, MAP_POINTS, random, lively=30)
    # The City is small: without its own share it would have a handful of map points, and no station.
    city = np.flatnonzero(everything.borough == CITY_OF_LONDON)
    map_points = _join(map_points, _take(everything, random.choice(city, 160, replace=False)))
    stations = _draw(everything, centres, STATIONS, random, lively=300)
    named = _named(map_points, random)
    outside = _take(_places(away, {}, centres), random.choice(len(away), 400, replace=False))
    stations = _join(stations, _take(everything, random.choice(city, CITY_STATIONS, replace=False)))
    numbers = range(1, STATIONS + CITY_STATIONS + 1)
    return City(
        named,
        _with_names(stations, [f"Synthetic Station {number}" for number in numbers]),
        everything,
        outside,
        boroughs,
    )


def pick(places: Places, count: int, random: Generator, lively: float) -> NDArray[np.int64]:
    """Indices of ``count`` places: ``lively`` (0 to 1) is the share that the town centres draw."""
    weights = (1 - lively) * places.quiet / places.quiet.sum() + lively * places.lively / places.lively.sum()
    return random.choice(len(weights), count, p=weights / weights.sum())


def _middle(rows: list[dict[str, str]], postcode: str) -> tuple[int, int]:
    for row in rows:
        if row["postcode"] == postcode:
            return int(row["easting"]), int(row["northing"])
    raise KeyError(f"The postcodes do not have {postcode}, the middle of a town centre.")


def _places(rows: list[dict[str, str]], borough_of: dict[str, str], centres: NDArray) -> Places:
    easting = np.array([int(row["easting"]) for row in rows])
    northing = np.array([int(row["northing"]) for row in rows])
    longitude, latitude = convert_lonlat(easting.astype(float), northing.astype(float))
    lsoa = [row["lsoa"] for row in rows]
    return Places(
        easting,
        northing,
        longitude,
        latitude,
        np.full(len(rows), "", dtype=object),
        np.array([row["postcode"] for row in rows], dtype=object),
        np.array(lsoa, dtype=object),
        np.array([borough_of.get(code, "") for code in lsoa], dtype=object),
        np.ones(len(rows)),
        _liveliness(easting, northing, centres),
    )


def _liveliness(easting: NDArray, northing: NDArray, centres: NDArray) -> NDArray[np.float64]:
    """How much each place draws as part of a town centre, whatever the number of places there."""
    lively = np.full(len(easting), 1e-4)
    for (_, _, strength, width), middle in zip(CENTRES, centres, strict=True):
        square = (easting - middle[0]) ** 2 + (northing - middle[1]) ** 2
        near = np.exp(-square / (2 * width**2))
        lively += strength * near / max(near.sum(), 1.0)
    return lively


def _draw(places: Places, centres: NDArray, count: int, random: Generator, lively: float) -> Places:
    weights = places.quiet + lively * places.lively
    drawn = _take(places, random.choice(len(weights), count, replace=False, p=weights / weights.sum()))
    # Few map points hold many incidents: a supermarket is not a mews.
    heavy = random.lognormal(0.0, 1.0, count)
    return Places(
        **{**vars(drawn), "quiet": heavy, "lively": heavy * _liveliness(drawn.easting, drawn.northing, centres)}
    )


def _named(places: Places, random: Generator) -> Places:
    count = len(places.easting)
    names = random.choice(_NAMES, count)
    kinds = random.choice(_KINDS, count)
    spots = random.choice(_SPOTS, count)
    spot = random.random(count) < 0.3
    return _with_names(
        places,
        [f"{spots[i]} (synthetic)" if spot[i] else f"Synthetic {names[i]} {kinds[i]}" for i in range(count)],
    )


def _with_names(places: Places, names: list[str]) -> Places:
    return Places(**{**vars(places), "name": np.array(names, dtype=object)})


def _take(places: Places, indices: NDArray) -> Places:
    return Places(**{name: values[indices] for name, values in vars(places).items()})


def _join(one: Places, other: Places) -> Places:
    return Places(**{name: np.concatenate([values, vars(other)[name]]) for name, values in vars(one).items()})
