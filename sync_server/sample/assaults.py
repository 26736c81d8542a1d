"""Synthetic assaults as they really were, so to say: what a hospital's clerks then put into words."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from numpy.random import Generator

# code, share
METHODS = (
    ("body-part", 0.58),
    ("blunt", 0.10),
    ("sharp", 0.12),
    ("glass-bottle", 0.07),
    ("dog", 0.015),
    ("firearm", 0.01),
    ("corrosive", 0.01),
    ("other", 0.025),
    ("unknown", 0.07),
)
LOCATION_TYPES = (
    ("street", 0.36),
    ("pub-club", 0.19),
    ("home", 0.19),
    ("transport", 0.06),
    ("school", 0.04),
    ("workplace", 0.04),
    ("park", 0.04),
    ("shop", 0.03),
    ("other", 0.02),
    ("unknown", 0.03),
)
_HOURS = np.array([9, 8, 7, 5, 3, 2, 1, 1, 1.5, 2, 2, 2.5, 3, 3, 3.5, 4, 4.5, 5, 5.5, 6, 7, 8, 9, 9.5])
_WEEK = np.array([0.85, 0.8, 0.85, 0.95, 1.15, 1.4, 1.2])


@dataclass(frozen=True)
class Assault:
    """One patient's assault: codes are those of the dataset's definition."""

    arrived: datetime
    occurred: datetime
    method: str
    location_type: str


def draw_assaults(year: int, month: int, count: int, random: Generator) -> list[Assault]:
    """The assaults whose patients arrived in a month, in the order of arrival."""
    first = datetime(year, month, 1)
    days = [
        first + timedelta(days=number) for number in range(((first + timedelta(days=32)).replace(day=1) - first).days)
    ]
    weights = np.array([_WEEK[day.weekday()] for day in days])
    on = random.choice(len(days), count, p=weights / weights.sum())
    at = random.choice(24, count, p=_HOURS / _HOURS.sum())
    arrivals = sorted(
        days[day] + timedelta(hours=int(hour), minutes=int(minute))
        for day, hour, minute in zip(on, at, random.integers(0, 60, count), strict=True)
    )
    methods = _draw(METHODS, count, random)
    types = _draw(LOCATION_TYPES, count, random)
    # Most come within hours, some after days.
    waits = np.where(random.random(count) < 0.93, random.lognormal(4.2, 0.7, count), random.uniform(1500, 9000, count))
    return [
        Assault(arrived, _to_the_minute(arrived - timedelta(minutes=max(8, int(wait)))), method, kind)
        for arrived, wait, method, kind in zip(arrivals, waits, methods, types, strict=True)
    ]


def _draw(shares: tuple[tuple[str, float], ...], count: int, random: Generator) -> list[str]:
    weights = np.array([share for _, share in shares])
    return [shares[index][0] for index in random.choice(len(shares), count, p=weights / weights.sum())]


def _to_the_minute(moment: datetime) -> datetime:
    """People tell quarters of an hour."""
    return moment.replace(minute=moment.minute // 5 * 5, second=0, microsecond=0)
