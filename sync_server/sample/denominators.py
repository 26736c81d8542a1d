"""Synthetic residents, workday population and licensed premises, which rates of synthetic incidents divide by."""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
from numpy.random import Generator

from .city import CITY_OF_LONDON, City

_HEADER = ("kind", "edition", "source", "level", "code", "value")
_SOURCE = "Synthetic: made up by safestats sample-data; nobody was counted"
_LSOA_RESIDENTS = (1_000, 1_700, 3_000)  # fewest, in the median, most
_SPREAD = 0.2
_COMMUTERS = 1_400_000
_TO_THE_CITY = 0.3  # the share of the commuters who go there
_PREMISES = 14_000


def edition_of(year: int) -> str:
    """It stands beside every rate, and says what the numbers are."""
    return f"synthetic {year}"


def write_denominators(folder: Path, year: int, city: City, random: Generator) -> Path:
    """One CSV for ``safestats denominators load``: residents by LSOA and borough, the others by borough."""
    borough_of = dict(zip(city.addresses.lsoa, city.addresses.borough, strict=True))
    lsoas = sorted(code for code, borough in borough_of.items() if borough)
    fewest, middle, most = _LSOA_RESIDENTS
    drawn = np.clip(middle * random.lognormal(0.0, _SPREAD, len(lsoas)), fewest, most)
    by_lsoa = {code: int(number) // 10 * 10 for code, number in zip(lsoas, drawn, strict=True)}
    residents: Counter[str] = Counter()
    for code, number in by_lsoa.items():
        residents[borough_of[code]] += number
    # People go where the town centres are, and to the City, which has no centre of its own here.
    lively: defaultdict[str, float] = defaultdict(float)
    for borough, draws in zip(city.addresses.borough, city.addresses.lively, strict=True):
        if borough and borough != CITY_OF_LONDON:
            lively[borough] += float(draws)
    drawn_there = sum(lively.values())
    share = {code: (1 - _TO_THE_CITY) * draws / drawn_there for code, draws in lively.items()}
    share[CITY_OF_LONDON] = _TO_THE_CITY
    lines: list[tuple[str, str, str, int]] = [("residents", "lsoa", code, number) for code, number in by_lsoa.items()]
    for code, number in sorted(residents.items()):
        lines.append(("residents", "borough", code, number))
        lines.append(("workday", "borough", code, int(round(0.7 * number + _COMMUTERS * share[code], -2))))
        lines.append(("licensed-premises", "borough", code, int(number / 2_000 + _PREMISES * share[code])))
    path = folder / f"synthetic-{year}-denominators.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(_HEADER)
        writer.writerows((kind, edition_of(year), _SOURCE, level, code, value) for kind, level, code, value in lines)
    return path
