"""How good a return was: every share against its standard, the volume against the months before, and all together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .measuring import Part, ReturnMeasure
from .standards import Level, Measure, Standard, Standards

_WORST = (Level.RED, Level.AMBER, Level.GREEN, Level.UNRATED)


@dataclass(frozen=True)
class Judged:
    """One measure of a return, and how good it is; unrated where there are too few rows."""

    standard: Standard
    part: Part
    level: Level


@dataclass(frozen=True)
class Change:
    """The rows against the mean of those former months that came: ``months`` of them, zero returns included.

    ``mean`` is ``None`` where they are too few, ``share`` (of the mean, with its sign) also where the mean is small.
    """

    months: int
    mean: float | None
    share: float | None
    level: Level


@dataclass(frozen=True)
class Rating:
    """All of it; ``reasons`` are the titles of what keeps the return from being good, the worst first."""

    level: Level
    judged: tuple[Judged, ...]
    change: Change
    punctuality: Level
    reasons: tuple[str, ...]

    def of(self, measure: Measure) -> Judged | None:
        """What was found of a measure."""
        return next((one for one in self.judged if one.standard.measure == measure), None)


def rate(measure: ReturnMeasure, days_late: int | None, former: Sequence[int], standards: Standards) -> Rating:
    """The rating of a return. ``days_late`` is ``None`` where nothing tells; ``former`` are the rows of the returns
    that came for the months before it."""
    judged = tuple(
        Judged(standards.measures[name], part, _level(standards.measures[name], part, standards))
        for name, part in measure.parts.items()
        if part.of
    )
    change = change_of(measure.accepted, former, standards)
    punctuality = Level.UNRATED if days_late is None else standards.punctuality.level(days_late)
    found = [(punctuality, "Received late")]
    found += [(_weighed(one.standard, one.level), one.standard.title) for one in judged]
    wanted = standards.measures[Measure.CHANGE]
    found.append((_weighed(wanted, change.level), wanted.title))
    if measure.rows_in and not measure.accepted:
        found.append((Level.RED, "No row could be used"))
    worst = next((level for level in _WORST if any(level == one for one, _ in found)), Level.UNRATED)
    if worst == Level.GREEN and all(one.level == Level.UNRATED for one in judged):
        worst = Level.UNRATED  # to be on time alone makes no return good
    reasons = [title for level in (Level.RED, Level.AMBER) for one, title in found if one == level]
    return Rating(worst, judged, change, punctuality, tuple(reasons))


def change_of(rows: int, former: Sequence[int], standards: Standards) -> Change:
    """The change of ``rows`` against the mean of ``former``."""
    if len(former) < standards.least_months:
        return Change(len(former), None, None, Level.UNRATED)
    mean = sum(former) / len(former)
    if mean < standards.least_mean:
        return Change(len(former), mean, None, Level.UNRATED)
    share = rows / mean - 1
    return Change(len(former), mean, share, standards.measures[Measure.CHANGE].level(abs(share)))


def _level(standard: Standard, part: Part, standards: Standards) -> Level:
    share = part.share
    if share is None or part.of < standards.least_rows:
        return Level.UNRATED
    return standard.level(share)


def _weighed(standard: Standard, level: Level) -> Level:
    return Level.AMBER if level == Level.RED and not standard.key else level
