"""A synthetic delivery of the RNLI: a year's launches of the Thames stations and of two on the coast."""

from __future__ import annotations

import csv
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from numpy.random import Generator

from .city import City

# fmt: off
_HEADER = (
    "X", "Y", "OBJECTID", "ROSNumber", "AIC", "CasualtyCategory", "CasualtyTypeFull", "OutcomeOfService", "Activity",
    "LifeboatStationNameProper", "Date_of_Launch",
)
# fmt: on
# Points of the middle of the Thames, downstream, and the stations that launch there.
_REACHES = (
    ("Teddington", ((-0.3060, 51.4110), (-0.3080, 51.4330), (-0.3120, 51.4430), (-0.3060, 51.4600))),
    ("Chiswick", ((-0.3060, 51.4600), (-0.2880, 51.4870), (-0.2500, 51.4820), (-0.2240, 51.4800), (-0.1800, 51.4690))),
    ("Tower", ((-0.1800, 51.4690), (-0.1230, 51.4990), (-0.1160, 51.5090), (-0.0870, 51.5080), (-0.0500, 51.5030))),
    ("Gravesend", ((0.0700, 51.4970), (0.1850, 51.4860), (0.2300, 51.4700))),
)
_SHARES = (0.12, 0.33, 0.47, 0.08)
# The file is of the whole coast.
_COAST = (("Margate", 1.3800, 51.4200), ("Brighton", -0.1000, 50.8000))
_OFF_LONDON = 0.3
_KINDS = (
    ("Person in distress", "PEOPLE", "Person in distress", "Person in distress", 0.30),
    ("Other", "UNKNOWN", "Other", "Unknown", 0.36),
    ("Motorboat", "LEISURE", "Powered Boat", "Boating", 0.12),
    ("Walker/runner", "PEOPLE", "Walker/runner", "Walking/Running", 0.08),
    ("Swimmer", "PEOPLE", "Swimmer", "Swimming", 0.06),
    ("Commercial activity", "COMMERCIAL", "Passenger Vessel", "Commercial Activity", 0.04),
    ("Animal", "OTHER", "Dog", "Other", 0.04),
)
_OUTCOMES = ("Others assisted casualty", "Rendered assistance", "False Alarm", "Stood Down", "Unsuccessful search")
_OUTCOME_SHARES = (0.54, 0.30, 0.07, 0.05, 0.04)
_HOURS = np.array([5, 5, 5, 3, 2, 2, 1, 2, 3, 4, 4, 4, 4, 4, 6, 5, 7, 9, 8, 6, 5, 5, 5, 5.0])


def write_launches(folder: Path, year: int, count: int, _city: City, random: Generator) -> None:
    """One CSV of the year with the RNLI's own headers, in the order of the launches; times are whole hours of UTC."""
    first = datetime(year, 1, 1, tzinfo=UTC)
    days = (datetime(year + 1, 1, 1, tzinfo=UTC) - first).days
    warm = 1 + 0.5 * np.cos((np.arange(days) - 200) / 365 * 2 * np.pi)
    on = random.choice(days, count, p=warm / warm.sum())
    at = random.choice(24, count, p=_HOURS / _HOURS.sum())
    launches = sorted(first + timedelta(days=int(day), hours=int(hour)) for day, hour in zip(on, at, strict=True))
    with (folder / f"synthetic-{year}-rnli-launches.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(_HEADER)
        for number, launch in enumerate(launches, start=1):
            aic, category, kind, activity, _ = _KINDS[random.choice(len(_KINDS), p=[entry[-1] for entry in _KINDS])]
            outcome = _OUTCOMES[random.choice(len(_OUTCOMES), p=_OUTCOME_SHARES)]
            station, longitude, latitude = _place(random)
            what = (aic, category, kind, outcome, activity, station)
            name = f"synthetic-{year}-{number:05d}"
            when = f"{launch:%Y/%m/%d %H:%M:%S}+00"
            writer.writerow((f"{longitude:.5f}", f"{latitude:.5f}", number, name, *what, when))


def _place(random: Generator) -> tuple[str, float, float]:
    """Station, longitude and latitude: along a reach of the river, or off the coast."""
    if random.random() < _OFF_LONDON:
        return _COAST[random.integers(len(_COAST))]
    station, points = _REACHES[random.choice(len(_REACHES), p=_SHARES)]
    stretch = int(random.integers(len(points) - 1))
    (x0, y0), (x1, y1) = points[stretch : stretch + 2]
    share = random.random()
    return station, x0 + share * (x1 - x0), y0 + share * (y1 - y0)
