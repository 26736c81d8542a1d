"""The months of a layer that its person wants on this computer."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

from ...shared.manifest import Manifest, Slice
from .errors import LocalCopyTrouble
from .periods import month_words

ASK_ABOVE_ROWS = 5_000_000
_MONTH_LENGTH = len("2026-11")
_MONTH = re.compile(r"(\d{4}-(0[1-9]|1[0-2]))?")


@dataclass(frozen=True)
class PullPeriod:
    """From ``first`` to ``last``, both included, as ``YYYY-MM``. An empty one: from the beginning, or all that follow.

    Where either is set, rows without a date are left out.
    """

    first: str = ""
    last: str = ""

    def __post_init__(self) -> None:
        if not (_MONTH.fullmatch(self.first) and _MONTH.fullmatch(self.last)):
            raise ValueError(f"{self.first!r} to {self.last!r} is no period")

    @property
    def everything(self) -> bool:
        """Whether nothing is left out."""
        return not (self.first or self.last)

    @property
    def words(self) -> str:
        """“January 2024 on”, “until March 2025”, “January 2024 to March 2025”; empty for everything."""
        if self.everything:
            return ""
        if not self.last:
            return f"{month_words(self.first)} on"
        if not self.first:
            return f"until {month_words(self.last)}"
        if self.first == self.last:
            return month_words(self.first)
        return f"{month_words(self.first)} to {month_words(self.last)}"

    def holds(self, part: Slice) -> bool:
        """Whether the rows of ``part`` are wanted."""
        if self.everything:
            return True
        month = part.period[:_MONTH_LENGTH]
        return bool(month) and month >= self.first and (not self.last or month <= self.last)

    def of(self, manifest: Manifest) -> Manifest:
        """What ``manifest`` offers of the period. Raises ``LocalCopyTrouble`` where that is nothing."""
        wanted = tuple(part for part in manifest.slices if self.holds(part))
        if len(wanted) == len(manifest.slices):
            return manifest
        if not wanted:
            raise LocalCopyTrouble(
                f"{manifest.title} has nothing of the period that you chose ({self.words}): choose another one.",
                "empty-period",
            )
        months = sorted(part.period[:_MONTH_LENGTH] for part in wanted)
        rows = sum(part.rows for part in wanted)
        # The whole layer in one file holds more than is wanted.
        return replace(
            manifest, slices=wanted, snapshot=None, rows=rows, first_period=months[0], newest_period=months[-1]
        )

    @classmethod
    def from_json(cls, document: Any) -> PullPeriod:
        """What ``vars`` of one wrote down; everything where nothing is there. Raises ``ValueError``, ``TypeError``."""
        return cls(**document) if document else cls()


EVERYTHING = PullPeriod()


@dataclass(frozen=True)
class MonthOffered:
    """A month of a layer: its rows, and the bytes to download for it. ``month`` is empty for rows without a date."""

    month: str
    rows: int
    size: int


def months_offered(manifest: Manifest) -> tuple[MonthOffered, ...]:
    """The months of what the server offers, oldest first; days are part of their month."""
    rows: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    for part in manifest.slices:
        rows[part.period[:_MONTH_LENGTH]] += part.rows
        sizes[part.period[:_MONTH_LENGTH]] += part.size
    return tuple(MonthOffered(month, rows[month], sizes[month]) for month in sorted(rows))
