"""A synthetic delivery of the London Fire Brigade, under its present headers."""

from __future__ import annotations

import csv
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from .city import City, Places, pick

# fmt: off
_HEADER = (
    "IncidentNumber", "DateOfCall", "CalYear", "TimeOfCall", "HourOfCall", "IncidentGroup",
    "StopCodeDescription", "SpecialServiceType", "PropertyCategory", "PropertyType",
    "AddressQualifier", "Postcode_full", "Postcode_district", "UPRN", "USRN", "IncGeo_BoroughCode",
    "IncGeo_BoroughName", "ProperCase", "IncGeo_WardCode", "IncGeo_WardName", "IncGeo_WardNameNew",
    "Easting_m", "Northing_m", "Easting_rounded", "Northing_rounded", "Latitude", "Longitude", "FRS",
    "IncidentStationGround", "FirstPumpArriving_AttendanceTime",
    "FirstPumpArriving_DeployedFromStation", "SecondPumpArriving_AttendanceTime",
    "SecondPumpArriving_DeployedFromStation", "NumStationsWithPumpsAttending", "NumPumpsAttending",
    "PumpCount", "PumpMinutesRounded", "Notional Cost (£)", "NumCalls",
)
# fmt: on
# group, stop code, special service, share, share at night, share drawn by town centres
_KINDS = (
    ("False Alarm", "AFA", "", 0.38, 0.25, 0.45),
    ("False Alarm", "False alarm - Good intent", "", 0.10, 0.45, 0.25),
    ("False Alarm", "False alarm - Malicious", "", 0.02, 0.60, 0.35),
    ("Fire", "Primary Fire", "", 0.10, 0.40, 0.15),
    ("Fire", "Secondary Fire", "", 0.08, 0.55, 0.20),
    ("Special Service", "Special Service", "Effecting entry/exit", 0.10, 0.40, 0.15),
    ("Special Service", "Special Service", "Flooding", 0.08, 0.30, 0.10),
    ("Special Service", "Special Service", "Lift Release", 0.06, 0.30, 0.35),
    ("Special Service", "Special Service", "RTC", 0.05, 0.45, 0.20),
    ("Special Service", "Special Service", "Assist other agencies", 0.03, 0.50, 0.20),
)
_PROPERTIES = (
    ("Dwelling", "House - single occupancy", 0.30),
    ("Dwelling", "Purpose Built Flats/Maisonettes - 4 to 9 storeys ", 0.22),
    ("Non Residential", "Single shop ", 0.14),
    ("Non Residential", "Pub/wine bar/bar ", 0.08),
    ("Other Residential", "Self contained Sheltered Housing ", 0.08),
    ("Outdoor", "Loose refuse ", 0.10),
    ("Road Vehicle", "Car ", 0.08),
)
_BY_DAY = np.array([12, 10, 9, 8, 8, 9, 14, 24, 32, 36, 38, 40, 42, 42, 42, 44, 48, 54, 58, 54, 46, 36, 26, 18.0])
_BY_NIGHT = np.array([46, 42, 36, 26, 18, 12, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 32, 38, 44, 50, 54, 56, 54, 50.0])
_WEEK = {
    "day": np.array([1.04, 1.03, 1.03, 1.03, 1.02, 0.93, 0.92]),
    "night": np.array([0.8, 0.8, 0.85, 0.95, 1.25, 1.4, 1.0]),
}


def write_fire(folder: Path, year: int, count: int, city: City, random: Generator) -> None:
    """One CSV of the year, in the order of the calls; dwellings have rounded places only."""
    kinds = random.choice(len(_KINDS), count, p=_shares([kind[3] for kind in _KINDS]))
    night = random.random(count) < np.array([kind[4] for kind in _KINDS])[kinds]
    properties = random.choice(len(_PROPERTIES), count, p=_shares([entry[2] for entry in _PROPERTIES]))
    calls = _calls(year, night, random)
    addresses = city.addresses
    places = np.zeros(count, dtype=np.int64)
    for number, kind in enumerate(_KINDS):
        chosen = np.flatnonzero(kinds == number)
        places[chosen] = pick(addresses, len(chosen), random, kind[5])
    outside = random.random(count) < 0.005
    elsewhere = random.integers(0, len(city.outside.easting), count)
    pumps = random.choice([1, 2, 3, 4], count, p=[0.58, 0.33, 0.06, 0.03])
    with (folder / f"synthetic-{year}-lfb-incidents.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, _HEADER, restval="")
        writer.writeheader()
        for number, row in enumerate(sorted(range(count), key=calls.__getitem__), start=1):
            spot, index = (city.outside, elsewhere[row]) if outside[row] else (addresses, places[row])
            writer.writerow(_row(number, calls[row], kinds[row], properties[row], spot, index, pumps[row], city))


def _row(
    number: int,
    call: datetime,
    kind: int,
    entry: int,
    spot: Places,
    index: int,
    pumps: int,
    city: City,
) -> dict[str, object]:
    group, stop, service, *_ = _KINDS[kind]
    category, type_, _ = _PROPERTIES[entry]
    easting, northing = int(spot.easting[index]), int(spot.northing[index])
    borough = spot.borough[index]
    row: dict[str, object] = {
        "IncidentNumber": f"synthetic-{number:06d}-{call:%d%m%Y}",
        "DateOfCall": f"{call:%d %b %Y}",
        "CalYear": call.year,
        "TimeOfCall": f"{call:%H:%M:%S}",
        "HourOfCall": call.hour,
        "IncidentGroup": group,
        "StopCodeDescription": stop,
        "SpecialServiceType": service,
        "PropertyCategory": category,
        "PropertyType": type_,
        "Postcode_district": spot.postcode[index][:-3],
        "IncGeo_BoroughCode": borough,
        "IncGeo_BoroughName": city.boroughs.get(borough, "").upper(),
        "Easting_rounded": easting // 100 * 100 + 50,
        "Northing_rounded": northing // 100 * 100 + 50,
        "FRS": "London" if borough else "OverTheBorder",
        "NumPumpsAttending": f"{pumps}.0",
        "NumCalls": "1.0",
    }
    if category != "Dwelling":
        postcode = spot.postcode[index]
        row["Postcode_full"] = f"{postcode[:-3]} {postcode[-3:]}"
        row["Easting_m"], row["Northing_m"] = f"{easting}.0", f"{northing}.0"
    return row


def _calls(year: int, night: NDArray, random: Generator) -> list[datetime]:
    """The instants of calls: season, weekday and hour each with its own pattern."""
    first = datetime(year, 1, 1)
    days = [first + timedelta(days=number) for number in range((datetime(year + 1, 1, 1) - first).days)]
    season = np.array([1 + 0.08 * np.cos((day.timetuple().tm_yday - 200) / 365 * 2 * np.pi) for day in days])
    weekday = np.array([day.weekday() for day in days])
    minutes = random.integers(0, 3600, len(night))
    calls: list[datetime] = [first] * len(night)
    for name, wanted, hours in (("day", False, _BY_DAY), ("night", True, _BY_NIGHT)):
        chosen = np.flatnonzero(night == wanted)
        day = random.choice(len(days), len(chosen), p=_shares(season * _WEEK[name][weekday]))
        hour = random.choice(24, len(chosen), p=_shares(hours))
        for row, on, at in zip(chosen, day, hour, strict=True):
            calls[row] = days[on] + timedelta(hours=int(at), seconds=int(minutes[row]))
    return calls


def _shares(weights: list[float] | NDArray) -> NDArray[np.float64]:
    shares = np.asarray(weights, dtype=float)
    return shares / shares.sum()
