"""Synthetic mobilisations of the London Fire Brigade: a row a vehicle, for the incidents of the other file."""

from __future__ import annotations

import csv
from datetime import datetime, timedelta
from pathlib import Path

from numpy.random import Generator

from .city import City

# The headers of the open file, then three that the Brigade's own feed is assumed to have.
_HEADER = (
    "IncidentNumber", "CalYear", "HourOfCall", "ResourceMobilisationId", "Resource_Code", "PerformanceReporting",
    "DateAndTimeMobilised", "DateAndTimeMobile", "DateAndTimeArrived", "TurnoutTimeSeconds", "TravelTimeSeconds",
    "AttendanceTimeSeconds", "DateAndTimeLeft", "DateAndTimeReturned", "DeployedFromStation_Code",
    "DeployedFromStation_Name", "DeployedFromLocation", "PumpOrder", "PlusCode_Code", "PlusCode_Description",
    "DelayCodeId", "DelayCode_Description", "IncGeo_BoroughCode", "Easting_rounded", "Northing_rounded",
)  # fmt: skip
_STATIONS = ("Alder", "Birch", "Cedar", "Damson", "Elder", "Fennel", "Gorse", "Hazel", "Iris", "Juniper")
_DELAYS = ("Traffic calming measures", "Traffic, roadworks, etc", "Address incomplete/wrong", "Not held up")


def write_vehicles(folder: Path, year: int, _count: int, _city: City, random: Generator) -> None:
    """One CSV, in the order of the incidents that lie in the folder ``lfb`` beside ``folder``."""
    incidents = folder.parent / "lfb" / f"synthetic-{year}-lfb-incidents.csv"
    number = 0
    with (
        incidents.open(encoding="utf-8", newline="") as known,
        (folder / f"synthetic-{year}-lfb-mobilisations.csv").open("w", encoding="utf-8", newline="") as file,
    ):
        writer = csv.writer(file)
        writer.writerow(_HEADER)
        for incident in csv.DictReader(known):
            for order in range(1, int(float(incident["NumPumpsAttending"])) + 1):
                number += 1
                writer.writerow(_row(number, order, incident, year, random))


def _row(number: int, order: int, incident: dict[str, str], year: int, random: Generator) -> tuple[object, ...]:
    call = datetime.strptime(f"{incident['DateOfCall']} {incident['TimeOfCall']}", "%d %b %Y %H:%M:%S")
    mobilised = call + timedelta(seconds=int(random.integers(20, 140)) + 60 * (order - 1))
    turnout, travel = int(random.integers(25, 130)), int(random.integers(60, 600))
    arrived = mobilised + timedelta(seconds=turnout + travel)
    left = arrived + timedelta(minutes=int(random.integers(4, 90)))
    at = int(random.integers(len(_STATIONS)))
    delay = int(random.integers(len(_DELAYS))) + 1 if random.random() < 0.12 else 0
    later = order > 2
    return (
        incident["IncidentNumber"],
        year,
        incident["HourOfCall"],
        f"synthetic-{year}-{number:07d}",
        f"S{at + 20}{order}",
        order,
        f"{mobilised:%d/%m/%Y %H:%M:%S}",
        f"{mobilised + timedelta(seconds=turnout):%d/%m/%Y %H:%M:%S}",
        f"{arrived:%d/%m/%Y %H:%M:%S}",
        f"{turnout}.0",
        f"{travel}.0",
        turnout + travel,
        f"{left:%d/%m/%Y %H:%M:%S}",
        f"{left + timedelta(minutes=9):%d/%m/%Y %H:%M:%S}",
        f"S{at + 20}",
        f"Synthetic {_STATIONS[at]}",
        "Home Station" if random.random() < 0.9 else "Other Station",
        order,
        "Plus" if later else "Initial",
        "Additional Mobilisation" if later else "Initial Mobilisation",
        delay or "",
        _DELAYS[delay - 1] if delay else "",
        incident["IncGeo_BoroughCode"],
        incident["Easting_rounded"],
        incident["Northing_rounded"],
    )
