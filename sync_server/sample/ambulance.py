"""Synthetic deliveries of the London Ambulance Service: monthly CSV files, places rounded, ages in years."""

from __future__ import annotations

import csv
from calendar import monthrange
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
from numpy.random import Generator

from .city import City, pick

_HEADER = (
    "Incident ID", "Call Date", "Call Time", "Dispatch Code", "Dispatch Description", "Illness", "Age", "Gender",
    "LSOA", "Ward", "Easting (100m)", "Northing (100m)", "Vehicles Sent",
)  # fmt: skip
# what the call taker chose, its code, what was the matter, share, share drawn by town centres, mean age
_KINDS = (
    ("Assault", "04B01", "Trauma, assault", 0.17, 0.55, 31),
    ("Sexual Assault", "04D04S", "Assault, sexual", 0.015, 0.35, 27),
    ("Stab", "27D03S", "Penetrating trauma, knife", 0.02, 0.35, 24),
    ("Gunshot", "27D04G", "Penetrating trauma, firearm", 0.003, 0.25, 24),
    ("Penetrating Trauma", "27B01", "Penetrating trauma", 0.012, 0.35, 33),
    ("Alcohol Related", "23O01A", "Alcohol", 0.16, 0.60, 37),
    ("Overdose/Poisoning", "23C01", "Overdose", 0.09, 0.25, 34),
    ("Fall", "17B01", "Fall", 0.26, 0.15, 62),
    ("Cardiac/Breathing", "06D01", "Breathing difficulty", 0.14, 0.12, 60),
    ("Psychiatric/Suicide Attempt", "25B03", "Mental health crisis", 0.06, 0.25, 36),
    ("Road Traffic Collision", "29D02", "Road traffic collision", 0.05, 0.30, 36),
    ("Unknown Problem", "32B01", "Unknown", 0.02, 0.30, 45),
)
_HOURS = np.array([9, 8, 7, 5, 3, 2, 2, 3, 4, 5, 5, 5.5, 6, 6, 6, 6.5, 7, 7, 7.5, 8, 8.5, 9, 9.5, 9.5])


def write_ambulances(folder: Path, year: int, count: int, city: City, random: Generator) -> None:
    """Twelve CSVs in the order of the calls; a few places are missing, a few lie outside London."""
    shares = np.array([kind[3] for kind in _KINDS])
    for month in range(1, 13):
        rows = round(count / 12 * random.uniform(0.95, 1.05))
        kinds = random.choice(len(_KINDS), rows, p=shares / shares.sum())
        calls = _calls(year, month, rows, random)
        places = np.zeros(rows, dtype=np.int64)
        for number, kind in enumerate(_KINDS):
            chosen = np.flatnonzero(kinds == number)
            places[chosen] = pick(city.addresses, len(chosen), random, kind[4])
        path = folder / f"synthetic-{year}-{month:02d}-las-dispatches.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(_HEADER)
            for at in range(rows):
                writer.writerow(
                    _row(f"synthetic-{year}{month:02d}-{at:06d}", calls[at], kinds[at], places[at], city, random)
                )


def _row(name: str, call: datetime, kind: int, place: int, city: City, random: Generator) -> tuple[object, ...]:
    problem, code, illness, _, _, mean = _KINDS[kind]
    spots, at = city.addresses, place
    if random.random() < 0.004:
        spots, at = city.outside, int(random.integers(len(city.outside.easting)))
    age = int(np.clip(random.normal(mean, 17), 0, 99))
    lost = random.random() < 0.01
    return (
        name,
        f"{call:%d/%m/%Y}",
        f"{call:%H:%M:%S}",
        code,
        problem,
        illness,
        "" if random.random() < 0.05 else age,
        str(random.choice(["M", "F", "U", ""], p=[0.5, 0.44, 0.03, 0.03])),
        "" if lost else spots.lsoa[at],
        "",
        "" if lost else int(spots.easting[at]) // 100 * 100 + 50,
        "" if lost else int(spots.northing[at]) // 100 * 100 + 50,
        int(random.choice([1, 2, 3], p=[0.75, 0.2, 0.05])),
    )


def _calls(year: int, month: int, count: int, random: Generator) -> list[datetime]:
    first = datetime(year, month, 1)
    days = random.integers(0, monthrange(year, month)[1], count)
    hours = random.choice(24, count, p=_HOURS / _HOURS.sum())
    seconds = random.integers(0, 3600, count)
    return sorted(
        first + timedelta(days=int(day), hours=int(hour), seconds=int(second))
        for day, hour, second in zip(days, hours, seconds, strict=True)
    )
