"""What ``resources/needs_assessment.toml`` declares."""

from __future__ import annotations

import tomllib
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from ..errors import SafeStatsError

NEEDS_FILE = "needs_assessment.toml"


@dataclass(frozen=True)
class Overlap:
    """Datasets that may hold the same event, and what is to be said of it."""

    title: str
    datasets: tuple[str, ...]
    sentence: str


@dataclass(frozen=True)
class Declared:
    """All of it."""

    purpose: str
    few_residents: int
    overlaps: tuple[Overlap, ...]

    def among(self, datasets: Collection[str]) -> list[Overlap]:
        """The overlaps of which at least two datasets are there."""
        return [one for one in self.overlaps if sum(code in datasets for code in one.datasets) > 1]


def read_declared(resources: Path) -> Declared:
    """Those of the resources' folder; raises ``SafeStatsError`` that names what is wrong."""
    try:
        document = tomllib.loads((resources / NEEDS_FILE).read_text(encoding="utf-8"))
        return Declared(
            purpose=str(document["purpose"]),
            few_residents=int(document["few_residents"]),
            overlaps=tuple(
                Overlap(one["title"], tuple(one["datasets"]), one["sentence"]) for one in document["overlaps"]
            ),
        )
    except (OSError, tomllib.TOMLDecodeError, KeyError, TypeError, ValueError) as error:
        raise SafeStatsError(f"{NEEDS_FILE}: what packs say cannot be read: {error}.") from error
