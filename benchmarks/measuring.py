"""Times things in turns, so that a machine that slows down slows all of them.

Standard library only: the desk's processes use it too.
"""

from __future__ import annotations

import os
import shutil
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

MIN_ROUNDS = 3


class Kind(str, Enum):
    """What a figure is there for."""

    OURS = "ours"
    PART = "part of ours"  # measured apart, to tell where the time goes
    PEER = "peer"  # another program on the same work
    LIMIT = "limit"  # the least that any program has to do


class UnmeasurableError(Exception):
    """Something that is needed is not on this machine; the message is the reason, one sentence."""


@dataclass(frozen=True)
class Contender:
    """One way to do a job: ``act`` is timed, ``prepare`` is not. Both get the same folder, new in each round."""

    name: str
    kind: Kind
    act: Callable[[Path], object]
    prepare: Callable[[Path], object] = lambda folder: None


@dataclass(frozen=True)
class Series:
    """The seconds that one contender took, round by round."""

    name: str
    kind: Kind
    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        """The median of the rounds, in seconds."""
        return statistics.median(self.seconds)

    def to_json(self) -> dict[str, Any]:
        """As in the result files."""
        return {"name": self.name, "kind": self.kind.value, "seconds": list(self.seconds), "median": self.median}


@dataclass(frozen=True)
class Measure:
    """One job done by all its contenders, ours first; ``note`` says what a reader of the ratios must know."""

    job: str
    series: tuple[Series, ...]
    note: str = ""

    def ratios(self, other: Series) -> list[float]:
        """Our time divided by the other's, round by round: below 1 we are the faster."""
        return [ours / theirs for ours, theirs in zip(self.series[0].seconds, other.seconds)]

    def to_json(self) -> dict[str, Any]:
        """As in the result files."""
        contenders = []
        for series in self.series:
            entry = series.to_json()
            if series.kind is not Kind.OURS:
                ratios = self.ratios(series)
                entry["ratio"] = {"median": statistics.median(ratios), "least": min(ratios), "most": max(ratios)}
            contenders.append(entry)
        return {"job": self.job, "note": self.note, "contenders": contenders}


def in_turns(
    job: str,
    contenders: Sequence[Contender],
    scratch: Path,
    rounds: int = MIN_ROUNDS,
    warm_up: bool = True,
    note: str = "",
) -> Measure:
    """Let the contenders act one after another, ``rounds`` times; with ``warm_up`` once more before, not counted."""
    if rounds < MIN_ROUNDS:
        raise ValueError(f"{job}: a median needs at least {MIN_ROUNDS} rounds; {rounds} were asked for.")
    seconds: dict[str, list[float]] = {contender.name: [] for contender in contenders}
    for number in range(-1 if warm_up else 0, rounds):
        for contender in contenders:
            took = _timed(contender, scratch / "round")
            if number >= 0:
                seconds[contender.name].append(took)
    series = tuple(Series(c.name, c.kind, tuple(seconds[c.name])) for c in contenders)
    return Measure(job, series, note)


def _timed(contender: Contender, folder: Path) -> float:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    contender.prepare(folder)
    os.sync()  # what others left to be written is no part of this one's time
    began = time.perf_counter()
    contender.act(folder)
    took = time.perf_counter() - began
    shutil.rmtree(folder)
    return took


def copy_to_disk(source: Path, target: Path) -> None:
    """Copy a file and wait until the disk has it: the least that making such a file takes."""
    shutil.copyfile(source, target)
    flush(target)


def flush(path: Path) -> None:
    """Wait until the disk has the file."""
    handle = os.open(path, os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
