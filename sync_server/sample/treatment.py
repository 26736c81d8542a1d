"""Synthetic counts of people in treatment by borough: a CSV a quarter, numbers under five withheld as “*”."""

from __future__ import annotations

import csv
from pathlib import Path

from numpy.random import Generator

from .city import CITY_OF_LONDON, City

_HEADER = ("LA Code", "LA Name", "Reporting Period", "Period End", "Measure", "Substance Group", "Number")
_MEASURES = (("In treatment", 1.0), ("New to treatment", 0.45), ("Completed treatment", 0.2))
_GROUPS = (("Opiate", 520), ("Non-opiate only", 190), ("Non-opiate and alcohol", 150), ("Alcohol only", 310))
_WITHHELD_BELOW = 5


def write_treatment(folder: Path, year: int, _count: int, city: City, random: Generator) -> None:
    """Four CSVs, each of the twelve months that end with a quarter; the City's numbers are mostly withheld."""
    sizes = {
        code: 0.008 if code == CITY_OF_LONDON else float(random.uniform(0.45, 1.7)) for code in sorted(city.boroughs)
    }
    for quarter in range(1, 5):
        last = 3 * quarter
        begin = f"{year - 1}-{last + 1:02d}" if last < 12 else f"{year}-01"
        path = folder / f"synthetic-{year}-{last:02d}-ndtms-counts.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(_HEADER)
            for code, size in sizes.items():
                for measure, share in _MEASURES:
                    for group, mean in _GROUPS:
                        number = int(random.poisson(mean * size * share))
                        told = "*" if 0 < number < _WITHHELD_BELOW else number
                        period = f"{begin} to {year}-{last:02d}"
                        writer.writerow((code, city.boroughs[code], period, f"{year}-{last:02d}", measure, group, told))
