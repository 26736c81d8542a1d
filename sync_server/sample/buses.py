"""Synthetic deliveries of Transport for London: what bus drivers reported, a CSV a month."""

from __future__ import annotations

import csv
from calendar import monthrange
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
from numpy.random import Generator

from .city import City, pick

_HEADER = (
    "Report No", "Incident Date", "Incident Time", "Route", "Direction", "Operator", "Stop", "Borough", "Class",
    "Category", "Code Red", "Easting", "Northing",
)  # fmt: skip
# class, category, share, share of code reds
_KINDS = (
    ("Community Safety", "Disturbance", 0.24, 0.35),
    ("Community Safety", "Threatening behaviour", 0.12, 0.45),
    ("Community Safety", "Assault on staff", 0.05, 0.75),
    ("Community Safety", "Assault on passenger", 0.04, 0.85),
    ("Community Safety", "Robbery or theft", 0.03, 0.60),
    ("Community Safety", "Criminal damage", 0.05, 0.20),
    ("Community Safety", "Alcohol or drugs", 0.07, 0.20),
    ("Community Safety", "Fare dispute", 0.09, 0.10),
    ("Community Safety", "Weapon seen", 0.01, 0.95),
    ("Road Safety", "Collision", 0.12, 0.30),
    ("Road Safety", "Passenger injury", 0.06, 0.40),
    ("Traffic", "Road obstructed", 0.08, 0.02),
    ("Unknown", "Other", 0.04, 0.10),
)
_OPERATORS = ("Synthetic Buses North", "Synthetic Buses South", "Synthetic Buses East")
_NAMES = ("Alder Road", "Birch Lane", "Cedar Street", "Damson Hill", "Elder Avenue", "Fennel Walk")
_HOURS = np.array([4, 3.5, 3, 2, 1.5, 1.5, 2, 4, 5, 4, 4, 4, 4.5, 4.5, 5.5, 7.5, 7, 6.5, 6.5, 6, 6, 6, 5.5, 5])


def write_buses(folder: Path, year: int, count: int, city: City, random: Generator) -> None:
    """Twelve CSVs in the order of the reports; some bear no position but a borough, some neither."""
    shares = np.array([kind[2] for kind in _KINDS])
    places = city.addresses
    for month in range(1, 13):
        rows = round(count / 12 * random.uniform(0.95, 1.05))
        kinds = random.choice(len(_KINDS), rows, p=shares / shares.sum())
        spots = pick(places, rows, random, 0.5)
        first = datetime(year, month, 1)
        days = np.sort(random.integers(0, monthrange(year, month)[1], rows))
        hours = random.choice(24, rows, p=_HOURS / _HOURS.sum())
        path = folder / f"synthetic-{year}-{month:02d}-tfl-driver-incident-reports.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(_HEADER)
            for at, (kind, spot) in enumerate(zip(kinds, spots, strict=True)):
                moment = first + timedelta(days=int(days[at]), hours=int(hours[at]), minutes=int(random.integers(60)))
                name, category, _, red = _KINDS[kind]
                lost = random.random()
                borough = city.boroughs.get(str(places.borough[spot]), "")
                writer.writerow(
                    (
                        f"synthetic-{year}{month:02d}-{at:05d}",
                        f"{moment:%d-%b-%y}",
                        f"{moment:%H:%M}",
                        f"S{int(random.integers(1, 240))}",
                        str(random.choice(["Outbound", "Inbound", "outbound", ""])),
                        _OPERATORS[int(random.integers(3))],
                        f"Synthetic {_NAMES[int(random.integers(len(_NAMES)))]}",
                        "" if lost < 0.01 else borough,
                        name if random.random() < 0.8 else name.lower(),
                        f"{category} " if random.random() < 0.1 else category,
                        "Y" if random.random() < red else "N",
                        "" if lost < 0.05 else int(places.easting[spot]),
                        "" if lost < 0.05 else int(places.northing[spot]),
                    )
                )
