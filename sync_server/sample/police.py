"""Synthetic police deliveries: API answers in zip files for the Met, street CSVs for the City and the railways."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from .city import CITY_OF_LONDON, City, Places, pick

# category: (share, share drawn by town centres, strength of the summer, of the dark months)
_CATEGORIES: dict[str, tuple[float, float, float, float]] = {
    "violent-crime": (0.22, 0.40, 0.10, 0.0),
    "anti-social-behaviour": (0.20, 0.30, 0.25, 0.0),
    "other-theft": (0.11, 0.45, 0.05, 0.0),
    "vehicle-crime": (0.11, 0.05, 0.0, 0.08),
    "burglary": (0.06, 0.06, 0.0, 0.20),
    "criminal-damage-arson": (0.06, 0.12, 0.06, 0.0),
    "shoplifting": (0.055, 0.70, 0.0, 0.08),
    "public-order": (0.05, 0.45, 0.10, 0.0),
    "theft-from-the-person": (0.055, 0.85, 0.0, 0.15),
    "drugs": (0.035, 0.50, 0.0, 0.0),
    "robbery": (0.03, 0.50, 0.0, 0.12),
    "bicycle-theft": (0.02, 0.40, 0.35, 0.0),
    "other-crime": (0.01, 0.15, 0.0, 0.0),
    "possession-of-weapons": (0.005, 0.40, 0.0, 0.0),
}
_LABELS = {
    "anti-social-behaviour": "Anti-social behaviour",
    "violent-crime": "Violence and sexual offences",
    "criminal-damage-arson": "Criminal damage and arson",
}
STREET_HEADER = (
    "Crime ID",
    "Month",
    "Reported by",
    "Falls within",
    "Longitude",
    "Latitude",
    "Location",
    "LSOA code",
    "LSOA name",
    "Crime type",
    "Last outcome category",
    "Context",
)
_ZIP_DATE = (1980, 1, 1, 0, 0, 0)
# The national file of the British Transport Police has the rest of the country too.
_ELSEWHERE = (
    ("Synthetic Brighton", -0.1410, 50.8290),
    ("Synthetic Birmingham", -1.9000, 52.4778),
    ("Synthetic Manchester", -2.2317, 53.4774),
    ("Synthetic Leeds", -1.5480, 53.7950),
    ("Synthetic Cardiff", -3.1790, 51.4760),
    ("Synthetic Glasgow", -4.2580, 55.8590),
)


def write_met(folder: Path, year: int, count: int, city: City, random: Generator) -> None:
    """Twelve zip files, a JSON list a borough: with border doubles, railway rows, a file without a byte."""
    boroughs = sorted(code for code in city.boroughs if code != CITY_OF_LONDON)
    points = city.map_points
    for month, rows in _months(year, count, random):
        categories = _categories(rows, month, random)
        places = _places_of(categories, points, random)
        listed: dict[str, list[dict[str, Any]]] = {code: [] for code in boroughs}
        rail = random.random(rows) < 0.02
        doubled = random.random(rows) < 0.045
        other = random.integers(0, len(boroughs), rows)
        for row, (category, place) in enumerate(zip(categories, places, strict=True)):
            entry = {
                "category": category,
                "location_type": "BTP" if rail[row] else "Force",
                "location": {
                    "latitude": f"{points.latitude[place]:.6f}",
                    "street": {"id": 900_000 + int(place), "name": f"On or near {points.name[place]}"},
                    "longitude": f"{points.longitude[place]:.6f}",
                },
                "context": "",
                "outcome_status": None,
                "persistent_id": "",
                "id": f"synthetic-{month}-{row:06d}",
                "location_subtype": "STATION" if rail[row] else "",
                "month": month,
            }
            home = points.borough[place]
            listed[home if home in listed else boroughs[other[row]]].append(entry)
            if doubled[row]:
                # A point on a border comes back for both sides.
                listed[boroughs[other[row]]].append(entry)
        with zipfile.ZipFile(folder / f"synthetic-{month}.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            for code, entries in listed.items():
                _add(archive, month, f"{code}_0", json.dumps(entries, separators=(",", ":")))
            _add(archive, month, f"{boroughs[0]}_1", "[]")
            if month.endswith("-12"):
                _add(archive, month, f"{boroughs[1]}_1", "")


def write_city(folder: Path, year: int, count: int, city: City, random: Generator) -> None:
    """Twelve street CSVs of the City of London Police: rows without a place, ids twice, one row cut off."""
    inside = np.flatnonzero(city.map_points.borough == CITY_OF_LONDON)
    every = np.arange(len(city.map_points.easting))
    for month, rows in _months(year, count, random):
        categories = _categories(rows, month, random)
        weights = city.map_points.quiet[inside] / city.map_points.quiet[inside].sum()
        places = random.choice(inside, rows, p=weights)
        elsewhere = random.random(rows) < 0.02
        places[elsewhere] = random.choice(every, int(elsewhere.sum()))
        lost = random.random(rows) < 0.07
        lines = []
        for row, (category, place) in enumerate(zip(categories, places, strict=True)):
            known = category != "anti-social-behaviour"
            name = "" if not known else f"synthetic-{month}-{row:05d}"
            lines.append(_street_row(name, month, "City of London Police", city, int(place), category, bool(lost[row])))
        again = random.choice(rows, 3, replace=False)
        lines += [lines[int(row)] for row in again if lines[int(row)][0]]
        _write_csv(folder / f"synthetic-{month}-city-of-london-street.csv", lines, cut=month.endswith("-06"))


def write_railways(folder: Path, year: int, count: int, city: City, random: Generator) -> None:
    """Twelve street CSVs of the British Transport Police: the whole country, and no id on any row."""
    stations = city.stations
    for month, rows in _months(year, count, random):
        categories = _categories(rows, month, random)
        places = _places_of(categories, stations, random)
        away = random.random(rows) < 0.5
        where = random.integers(0, len(_ELSEWHERE), rows)
        lines = []
        for row, (category, place) in enumerate(zip(categories, places, strict=True)):
            if category == "anti-social-behaviour":
                category = "public-order"
            if away[row]:
                name, longitude, latitude = _ELSEWHERE[where[row]]
                spot = [f"{longitude:.6f}", f"{latitude:.6f}", f"On or near {name} (Station)", "", ""]
            else:
                spot = [
                    f"{stations.longitude[place]:.6f}",
                    f"{stations.latitude[place]:.6f}",
                    f"On or near {stations.name[place]} (Station)",
                    stations.lsoa[place] if place % 6 else "E01999999",  # a code of another edition
                    "",
                ]
            force = "British Transport Police"
            lines.append(["", month, force, force, *spot, _label(category), "", ""])
        _write_csv(folder / f"synthetic-{month}-btp-street.csv", lines, cut=False)


def _months(year: int, count: int, random: Generator) -> list[tuple[str, int]]:
    days = np.array([31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31], dtype=float)
    days *= 1 + 0.05 * np.cos((np.arange(12) - 6) / 12 * 2 * np.pi)
    rows = random.multinomial(count, days / days.sum())
    return [(f"{year}-{month:02d}", int(number)) for month, number in enumerate(rows, start=1)]


def _categories(rows: int, month: str, random: Generator) -> NDArray:
    summer = np.cos((int(month[5:]) - 7) / 12 * 2 * np.pi)
    shares = np.array([share * (1 + warm * summer - dark * summer) for share, _, warm, dark in _CATEGORIES.values()])
    return random.choice(np.array(list(_CATEGORIES), dtype=object), rows, p=shares / shares.sum())


def _places_of(categories: NDArray, points: Places, random: Generator) -> NDArray[np.int64]:
    places = np.zeros(len(categories), dtype=np.int64)
    for category, (_, lively, _, _) in _CATEGORIES.items():
        chosen = np.flatnonzero(categories == category)
        places[chosen] = pick(points, len(chosen), random, lively)
    return places


def _label(category: str) -> str:
    return _LABELS.get(category) or category.replace("-", " ").capitalize()


def _street_row(name: str, month: str, force: str, city: City, place: int, category: str, lost: bool) -> list[str]:
    points = city.map_points
    spot = ["", "", "No Location", "", ""]
    if not lost:
        spot = [
            f"{points.longitude[place]:.6f}",
            f"{points.latitude[place]:.6f}",
            f"On or near {points.name[place]}",
            points.lsoa[place],
            "",
        ]
    outcome = "Investigation complete; no suspect identified" if name else ""
    return [name, month, force, force, *spot, _label(category), outcome, ""]


def _write_csv(path: Path, lines: list[list[str]], cut: bool) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(STREET_HEADER)
    writer.writerows(lines)
    body = text.getvalue()
    if cut:
        # The transfer broke off in the last row.
        body = body[: body.rindex(",", 0, body.rindex("On or near"))]
    path.write_text(body, encoding="utf-8", newline="")


def _add(archive: zipfile.ZipFile, month: str, name: str, text: str) -> None:
    entry = zipfile.ZipInfo(f"synthetic_crime_month_{month.replace('-', '_')}_area_{name}.json", _ZIP_DATE)
    entry.compress_type = zipfile.ZIP_DEFLATED
    archive.writestr(entry, text)
