"""Synthetic monthly returns of twenty-eight hospitals, each messy in its own documented way, and what is true of them.

The truth lies in a folder of its own, which no loader reads: a CSV file a return, a line a row.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
from numpy.random import Generator

from .assaults import Assault, draw_assaults
from .city import City, build_city
from .hospital_places import Neighbourhood, PlaceBook, Spoken
from .hospital_styles import STYLES, Kind, Style
from .hospital_words import Cell, Told, is_joined, tell_method, tell_moment, tell_type, tell_vaguely
from .workbook_files import json_bytes, text_bytes, workbook_bytes

TRUTH_HEADER = (
    "file", "sheet", "line", "site", "arrived_on", "arrived_time", "occurred_on", "occurred_time", "method",
    "location_type", "text", "level", "easting", "northing", "borough_code",
)  # fmt: skip
_GAZETTEER = "gazetteer"
_CORRECTS = "RJ611"  # the hospital that sends a month again
_LEAKS = "RAS01"  # and the one whose extract once had columns that nobody may send


@dataclass(frozen=True)
class Row:
    """One row as it is sent, cell by target, and what its words allow to know."""

    assault: Assault
    arrived: Told
    occurred: Told
    place: Spoken
    cells: dict[str, Cell]


def make_hospitals(
    folder: Path, resources: Path, year: int, months: Sequence[int], seed: int = 1, rows_a_month: int = 40
) -> list[Path]:
    """Returns of ``months`` in ``folder/istv/<site>``, their truth in ``folder/truth/istv/<site>``.

    ``rows_a_month`` is that of an ordinary hospital. The same arguments give the same bytes. Returns the files.
    """
    city = build_city(resources, np.random.default_rng(seed))
    return write_returns(folder / "istv", folder / "truth" / "istv", city, resources, year, months, seed, rows_a_month)


def write_returns(
    folder: Path,
    truth: Path,
    city: City,
    resources: Path,
    year: int,
    months: Sequence[int],
    seed: int,
    rows_a_month: float,
) -> list[Path]:
    """As ``make_hospitals``, in a city that is there already."""
    book = PlaceBook(city, resources / _GAZETTEER)
    written = []
    for number, style in enumerate(STYLES):
        (folder / style.code).mkdir(parents=True, exist_ok=True)
        (truth / style.code).mkdir(parents=True, exist_ok=True)
        around = book.around(style.postcode)
        before: list[Row] = []
        for month in months:
            # A stream a hospital and month: another choice of months changes no file.
            random = np.random.default_rng([seed, number, year, month])
            count = 0 if month in style.zero else max(1, round(rows_a_month * style.size * random.uniform(0.85, 1.15)))
            rows = [_row(style, assault, around, random) for assault in draw_assaults(year, month, count, random)]
            sent = before + rows if style.cumulative else rows
            before = rows
            if month not in style.silent:
                written.append(_write(style, folder / style.code, truth / style.code, f"{year}-{month:02d}", sent))
    return written


def write_correction(
    folder: Path, truth: Path, city: City, resources: Path, year: int, month: int, seed: int, rows_a_month: float
) -> Path:
    """The month of one hospital sent again: two rows gone, one time set right, three come late. ``write_returns`` gave
    the first of it."""
    number, style = next((at, one) for at, one in enumerate(STYLES) if one.code == _CORRECTS)
    around = PlaceBook(city, resources / _GAZETTEER).around(style.postcode)
    random = np.random.default_rng([seed, number, year, month])
    count = max(1, round(rows_a_month * style.size * random.uniform(0.85, 1.15)))
    rows = [_row(style, assault, around, random) for assault in draw_assaults(year, month, count, random)]
    late = [_row(style, assault, around, random) for assault in draw_assaults(year, month, 3, random)]
    told = rows[0].assault
    right = replace(told, occurred=told.occurred - timedelta(minutes=35))
    corrected = replace(
        rows[0], assault=right, occurred=tell_moment(right.occurred, style.occurred), cells=dict(rows[0].cells)
    )
    corrected.cells["occurred"], corrected.cells["occurred_time"] = corrected.occurred.cells
    (folder / style.code).mkdir(parents=True, exist_ok=True)
    (truth / style.code).mkdir(parents=True, exist_ok=True)
    period = f"{year}-{month:02d}-corrected"
    return _write(style, folder / style.code, truth / style.code, period, [corrected, *rows[1:-2], *late])


def write_identifying(folder: Path, year: int, month: int) -> Path:
    """A workbook that must be stopped at the door: postcodes and dates of birth of patients, all of them made up."""
    headers = ["Arrival Date", "Assault Date", "Assault Method", "Location", "Patient Postcode", "DOB", "NHS Number"]
    rows: list[list[Cell]] = [
        [
            date(year, month, day),
            date(year, month, day),
            "Fists",
            "street",
            "ZZ99 3VZ",
            date(1985, 6, day),
            "999 000 0018",
        ]
        for day in range(1, 7)
    ]
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"synthetic-{_LEAKS}-{year}-{month:02d}-identifying.xlsx"
    style = next(one for one in STYLES if one.code == _LEAKS)
    path.write_bytes(workbook_bytes(style, headers, rows, f"{year}-{month:02d}")[0])
    return path


def _row(style: Style, assault: Assault, around: Neighbourhood, random: Generator) -> Row:
    arrived = tell_moment(assault.arrived, style.arrived)
    apart = "occurred_time" in style.headers
    if random.random() < style.vague:
        occurred = tell_vaguely(assault.occurred, assault.arrived, style.occurred, apart, random)
    else:
        occurred = tell_moment(assault.occurred, style.occurred)
    own = assault.location_type != "home" and random.random() < style.own_postcode
    place = around.speak(assault.location_type, own, style.postcode_column, random)
    cells: dict[str, Cell] = {
        "method": tell_method(assault.method, style.methods, random),
        "location_type": tell_type(assault.location_type, style.types, random),
        "location_description": place.text,
        "location_postcode": place.postcode,
    }
    for target, told, form in (("arrived", arrived, style.arrived), ("occurred", occurred, style.occurred)):
        first, second = told.cells
        if f"{target}_time" not in style.headers and not is_joined(form) and second != "":
            first = f"{first} {second}"
        cells[target], cells[f"{target}_time"] = first, second
    return Row(assault, arrived, occurred, place, cells)


def _write(style: Style, folder: Path, truth: Path, period: str, rows: Sequence[Row]) -> Path:
    headers = [*style.headers.values(), *style.extra]
    cells: list[list[Cell]] = [
        [*(_shout(style, row.cells[target]) for target in style.headers), *_beside(style, at)]
        for at, row in enumerate(rows)
    ]
    if style.kind == Kind.XLSX:
        data, places = workbook_bytes(style, headers, cells, period)
    elif style.kind == Kind.CSV:
        data, lines = text_bytes(style, headers, cells)
        places = [("", line) for line in lines]
    else:
        data, lines = json_bytes(headers, cells)
        places = [("", line) for line in lines]
    path = folder / f"synthetic-{style.code}-{period}.{style.kind}"
    path.write_bytes(data)
    with (truth / f"{path.stem}.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(TRUTH_HEADER)
        for row, (sheet, line) in zip(rows, places, strict=True):
            writer.writerow((path.name, sheet, line, style.code, *_truth(row)))
    return path


def _beside(style: Style, at: int) -> list[Cell]:
    """What nobody asked for, another value a row."""
    return [values[at % len(values)] for values in style.extra.values()]


def _shout(style: Style, value: Cell) -> Cell:
    return value.upper() if style.upper and isinstance(value, str) else value


def _truth(row: Row) -> tuple[object, ...]:
    place = row.place
    return (
        row.arrived.day,
        f"{row.arrived.at:%H:%M}",
        row.occurred.day or "",
        f"{row.occurred.at:%H:%M}" if row.occurred.at else "",
        row.assault.method,
        row.assault.location_type,
        place.text,
        place.level,
        "" if place.easting is None else place.easting,
        "" if place.northing is None else place.northing,
        place.borough,
    )
