"""Measures things in turns, so that a machine that slows down slows all of them.

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


class Figure(str, Enum):
    """What is measured; the value is the word in the tables."""

    TIME = "time"  # seconds
    LONGEST_WAIT = "longest wait"  # seconds
    MEDIAN_ANSWER = "half of the answers within"  # seconds
    P95_ANSWER = "95 % of the answers within"  # seconds
    PEAK_MEMORY = "peak memory"  # bytes
    DISK = "on the disk"  # bytes


class UnmeasurableError(Exception):
    """Something that is needed is not on this machine; the message is the reason, one sentence."""


@dataclass(frozen=True)
class Contender:
    """One way to do a job: ``act`` is timed, ``prepare`` is not. Both get the same folder, new in each round.

    ``aim``: the most that ours should come to, as a multiple of this contender's figure; for ours, in seconds or
    bytes.
    """

    name: str
    kind: Kind
    act: Callable[[Path], object]
    prepare: Callable[[Path], object] = lambda folder: None
    aim: float | None = None


@dataclass(frozen=True)
class Series:
    """What one contender came to, round by round, in seconds or bytes; ``aim`` as in ``Contender``."""

    name: str
    kind: Kind
    values: tuple[float, ...]
    aim: float | None = None

    @property
    def median(self) -> float:
        """The median of the rounds."""
        return statistics.median(self.values)

    def to_json(self) -> dict[str, Any]:
        """As in the result files."""
        return {
            "name": self.name,
            "kind": self.kind.value,
            "values": list(self.values),
            "median": self.median,
            "aim": self.aim,
        }


@dataclass(frozen=True)
class Measure:
    """One job done by all its contenders, ours first; ``note`` says what a reader of the ratios must know."""

    job: str
    series: tuple[Series, ...]
    note: str = ""
    figure: Figure = Figure.TIME

    def ratios(self, other: Series) -> list[float]:
        """Our figure divided by the other's, round by round: below 1 ours is the lesser."""
        return [ours / theirs for ours, theirs in zip(self.series[0].values, other.values)]

    def to_json(self) -> dict[str, Any]:
        """As in the result files."""
        contenders = []
        for series in self.series:
            entry = series.to_json()
            if series.kind is not Kind.OURS:
                ratios = self.ratios(series)
                entry["ratio"] = {"median": statistics.median(ratios), "least": min(ratios), "most": max(ratios)}
            contenders.append(entry)
        return {"job": self.job, "figure": self.figure.value, "note": self.note, "contenders": contenders}

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Measure:
        """What ``to_json`` wrote down."""
        series = (Series(s["name"], Kind(s["kind"]), tuple(s["values"]), s["aim"]) for s in document["contenders"])
        return cls(document["job"], tuple(series), document["note"], Figure(document["figure"]))


@dataclass(frozen=True)
class Rounds:
    """What contenders did in turns: for each of them, round by round, the seconds and what ``act`` returned."""

    contenders: tuple[Contender, ...]
    seconds: dict[str, list[float]]
    answers: dict[str, list[Any]]

    def times(self, job: str, note: str = "") -> Measure:
        """How long each took."""
        return self._measure(job, Figure.TIME, self.seconds, note, aims=True)

    def told(
        self,
        job: str,
        figure: Figure,
        note: str = "",
        aims: bool = True,
        of: Callable[[Any], float] = float,
    ) -> Measure:
        """Another figure, ``of`` what each contender's ``act`` returned; ``aims``: the aims are of this one."""
        values = {name: [of(answer) for answer in answers] for name, answers in self.answers.items()}
        return self._measure(job, figure, values, note, aims)

    def _measure(self, job: str, figure: Figure, values: dict[str, list[Any]], note: str, aims: bool) -> Measure:
        series = (
            Series(c.name, c.kind, tuple(float(value) for value in values[c.name]), c.aim if aims else None)
            for c in self.contenders
        )
        return Measure(job, tuple(series), note, figure)


def take_turns(
    contenders: Sequence[Contender], scratch: Path, rounds: int = MIN_ROUNDS, warm_up: bool = True
) -> Rounds:
    """Let the contenders act one after another, ``rounds`` times; with ``warm_up`` once more before, not counted."""
    if rounds < MIN_ROUNDS:
        raise ValueError(f"A median needs at least {MIN_ROUNDS} rounds; {rounds} were asked for.")
    seconds: dict[str, list[float]] = {contender.name: [] for contender in contenders}
    answers: dict[str, list[Any]] = {contender.name: [] for contender in contenders}
    for number in range(-1 if warm_up else 0, rounds):
        for contender in contenders:
            took, answer = _timed(contender, scratch / "round")
            if number >= 0:
                seconds[contender.name].append(took)
                answers[contender.name].append(answer)
    return Rounds(tuple(contenders), seconds, answers)


def in_turns(
    job: str,
    contenders: Sequence[Contender],
    scratch: Path,
    rounds: int = MIN_ROUNDS,
    warm_up: bool = True,
    note: str = "",
) -> Measure:
    """How long each contender takes for the job, in turns."""
    return take_turns(contenders, scratch, rounds, warm_up).times(job, note)


def _timed(contender: Contender, folder: Path) -> tuple[float, Any]:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    contender.prepare(folder)
    os.sync()  # what others left to be written is no part of this one's time
    began = time.perf_counter()
    answer = contender.act(folder)
    took = time.perf_counter() - began
    shutil.rmtree(folder)
    return took, answer


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
