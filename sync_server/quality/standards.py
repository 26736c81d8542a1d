"""What is held to be good, as ``resources/quality.toml`` declares it."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from ..errors import SafeStatsError

STANDARDS_FILE = "quality.toml"


class Level(StrEnum):
    """How good it is; the word stands beside every colour."""

    GREEN = "green"
    AMBER = "amber"
    RED = "red"
    UNRATED = "unrated"

    @property
    def word(self) -> str:
        """For people."""
        return {"green": "Good", "amber": "Fair", "red": "Poor", "unrated": "Not rated"}[self.value]


class Measure(StrEnum):
    """What is measured of every return."""

    REJECTED = "rejected"
    DATE = "date"
    TIME = "time"
    PLACE = "place"
    POINT = "point"
    CATEGORY = "category"
    IMPOSSIBLE = "impossible"
    LATE_RECORDS = "late_records"
    DUPLICATES = "duplicates"
    UNMAPPED = "unmapped"
    CHANGE = "change"


@dataclass(frozen=True)
class Standard:
    """The thresholds of one measure, with their reason; ``key``: where it is poor, the whole return is."""

    measure: Measure
    title: str
    at_least: bool  # else at most
    green: float
    amber: float
    key: bool
    why: str
    advice: str

    def level(self, share: float) -> Level:
        """How good a share is."""
        sign = 1 if self.at_least else -1
        if sign * share >= sign * self.green:
            return Level.GREEN
        return Level.AMBER if sign * share >= sign * self.amber else Level.RED


@dataclass(frozen=True)
class Punctuality:
    """Days after the due day that are good and fair."""

    green: int
    amber: int
    why: str
    advice: str

    def level(self, days_late: int) -> Level:
        """How good so many days are."""
        return Level.GREEN if days_late <= self.green else Level.AMBER if days_late <= self.amber else Level.RED


@dataclass(frozen=True)
class Standards:
    """All of it."""

    measures: Mapping[Measure, Standard]
    punctuality: Punctuality
    least_rows: int
    late_record_days: int
    history_months: int
    least_months: int
    least_mean: int
    least_returns: float  # of those expected, for a pack to tell a month's or a year's number

    @classmethod
    def read(cls, resources: Path) -> Standards:
        """Those of the resources' folder; raises ``SafeStatsError`` that names what is wrong."""
        path = resources / STANDARDS_FILE
        try:
            return _standards(tomllib.loads(path.read_text(encoding="utf-8")))
        except (OSError, tomllib.TOMLDecodeError, KeyError, TypeError, ValueError) as error:
            raise SafeStatsError(f"{STANDARDS_FILE}: the standards of quality cannot be read: {error}.") from error


def _standards(document: Mapping[str, Any]) -> Standards:
    rating, history = document["rating"], document["history"]
    measures = {standard.measure: standard for standard in map(_standard, document["standards"])}
    if missing := set(Measure) - set(measures):
        raise ValueError(f"no standard for “{min(missing)}”")
    late = document["punctuality"]
    return Standards(
        measures=measures,
        punctuality=Punctuality(int(late["green"]), int(late["amber"]), late["why"], late["advice"]),
        least_rows=int(rating["least_rows"]),
        late_record_days=int(rating["late_record_days"]),
        history_months=int(history["months"]),
        least_months=int(history["least_months"]),
        least_mean=int(history["least_mean"]),
        least_returns=float(document["packs"]["least_returns"]),
    )


def _standard(entry: Mapping[str, Any]) -> Standard:
    measure, at_least = Measure(entry["code"]), {"at-least": True, "at-most": False}[entry["direction"]]
    green, amber = float(entry["green"]), float(entry["amber"])
    if (green < amber) == at_least and green != amber:
        raise ValueError(f"“{measure}” is green before it is amber")
    return Standard(measure, entry["title"], at_least, green, amber, bool(entry["key"]), entry["why"], entry["advice"])
