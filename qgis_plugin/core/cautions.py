"""What would mislead in a set of incidents: what is refused, and what a reader is warned of, a sentence each."""

from __future__ import annotations

import numpy as np

from .analysis_error import AnalysisError
from .points import PointFacts, Points, largest_stack

FEW = 30
# Longitude 0, latitude 0 in the National Grid, and the grid's own origin: where coordinates that are missing lie.
_NULL_ISLANDS = ((0.0, 0.0), (622_675.0, -5_527_598.0))
_AT_NULL_M = 1_000.0
_LONELY_SHARE = 0.002  # so few incidents count as strays …
_LONELY_TIMES = 5.0  # … where they lie so many times as far out as all the others
_LONELY_M = 2_000.0
_MIDNIGHT_SHARE = 0.2


def refuse_hopeless(points: Points, outside: int, unmapped: int, area_label: str, facts: PointFacts) -> None:
    """Raise ``AnalysisError`` where no analysis of the points in the study area can be true."""
    if not len(points):
        if outside:
            every = "The only incident" if outside == 1 else f"All {outside:,} incidents"
            raise AnalysisError(
                f"{every} of “{facts.title}” {_lie(outside)} outside the study area “{area_label}”: choose an area in "
                "which there are data.",
                "study area",
            )
        if unmapped:
            none = "The only row" if unmapped == 1 else f"None of the {unmapped:,} rows"
            has = "has no place" if unmapped == 1 else "has a place"
            raise AnalysisError(
                f"{none} of “{facts.title}” for this choice {has}, so that nothing can be "
                "put on a map: choose a layer whose rows have places.",
                "layer",
            )
        raise AnalysisError(
            f"“{facts.title}” holds no incident with a place for this choice: choose a longer period or more "
            "categories.",
            "parameters",
        )
    nowhere = int(at_null_island(points.eastings, points.northings).sum())
    if nowhere:
        raise AnalysisError(
            f"{incidents_words(nowhere)} of “{facts.title}” {_lie(nowhere)} at coordinates 0, 0 – a place that was "
            "missing, not a place – and the study area reaches there: choose boroughs, or take the rows out of the "
            "layer.",
            "study area",
        )


def refuse_patternless(points: Points, facts: PointFacts) -> None:
    """Raise ``AnalysisError`` for a single incident, and for incidents that all lie on one point."""
    if len(points) == 1:
        raise AnalysisError(
            f"Only 1 incident of “{facts.title}” lies in the study area, and one makes no pattern: choose a longer "
            "period, more categories or a larger area.",
            "parameters",
        )
    if (points.eastings == points.eastings[0]).all() and (points.northings == points.northings[0]).all():
        raise AnalysisError(
            f"All {len(points):,} incidents lie on one and the same point, so there is no pattern to find: choose a "
            "layer with exacter places, or more incidents.",
            "parameters",
        )


def at_null_island(eastings: np.ndarray, northings: np.ndarray) -> np.ndarray:
    """Which points lie where coordinates of 0, 0 would be, in degrees or on the National Grid; a boolean array."""
    found = np.zeros(len(eastings), dtype=bool)
    for east, north in _NULL_ISLANDS:
        found |= (np.abs(eastings - east) < _AT_NULL_M) & (np.abs(northings - north) < _AT_NULL_M)
    return found


def cautions(points: Points, facts: PointFacts, *, hours: bool = False, days: bool = False) -> tuple[str, ...]:
    """Sentences on what a reader might take for more than it is; ``hours`` and ``days``: the analysis uses them."""
    found = [few_incidents(points), moved_points(points, facts), lonely_points(points)]
    if hours:
        found += [_unknown(points.hours, "hour"), _midnight(points.hours)]
    if days:
        found.append(_unknown(points.days, "day"))
    return tuple(filter(None, found))


def few_incidents(points: Points) -> str:
    """Of fewer than 30 incidents; empty where there are more."""
    if len(points) >= FEW:
        return ""
    return (
        f"Only {incidents_words(len(points))}: below {FEW} chance weighs more than any pattern, so take it as a hint."
    )


def moved_points(points: Points, facts: PointFacts) -> str:
    """Of points that the supplier moved; empty where none are shared."""
    stack = largest_stack(points) if facts.snapped else 0
    if stack < 2:
        return ""
    return f"The supplier moves incidents to shared map points (up to {stack:,} on one): a hot cell may be one."


def lonely_points(points: Points) -> str:
    """Of one point, or very few, far from all the others; empty where there is none."""
    most = max(1, int(len(points) * _LONELY_SHARE))
    if len(points) < 3 * most + 3:
        return ""
    east, north = np.median(points.eastings), np.median(points.northings)
    distance = np.hypot(points.eastings - east, points.northings - north)
    farthest = np.argpartition(distance, -most - 1)[-most - 1 :]
    farthest = farthest[np.argsort(distance[farthest])]
    rest = max(float(distance[farthest[0]]), _LONELY_M)
    far = farthest[1:][distance[farthest[1:]] > _LONELY_TIMES * rest]
    if not len(far):
        return ""
    first = far[-1]
    return (
        f"{incidents_words(len(far))} {_lie(len(far))} up to {distance[first] / 1000:,.0f} km from the middle of "
        f"the others (at {points.eastings[first]:.0f}, {points.northings[first]:.0f}), all others within "
        f"{rest / 1000:,.1f} km: look whether that place is right, for it stretches the study area and the bandwidth."
    )


def far_from_streets(away: int, incidents: int, within_m: float) -> str:
    """Of incidents that no street is near enough to; empty where there are none."""
    if not away:
        return ""
    share = 100 * away / incidents
    return f"Left out, being farther than {within_m:g} m from any street: {away:,} of {incidents:,} ({share:.0f} %)."


def _unknown(values: np.ndarray, what: str) -> str:
    unknown = int(np.isnat(values).sum() if values.dtype.kind == "M" else np.isnan(values).sum())
    if not unknown:
        return ""
    share = 100 * unknown / len(values)
    return f"{unknown:,} of {len(values):,} incidents ({share:.0f} %) do not tell their {what} and were left out."


def _midnight(hours: np.ndarray) -> str:
    known = hours[~np.isnan(hours)].astype(int)
    if len(known) < FEW:
        return ""
    by_hour = np.bincount(known, minlength=24)
    # More often “not known” than midnight, where a fifth of all are there and twice as many as in any other hour.
    if by_hour[0] < _MIDNIGHT_SHARE * len(known) or by_hour[0] <= 2 * by_hour[1:].max():
        return ""
    return (
        f"{100 * by_hour[0] / len(known):.0f} % of the incidents are recorded in the hour after midnight, more than "
        "twice as many as in any other: many of them may stand for “time not known”."
    )


def incidents_words(number: int) -> str:
    """“1 incident”, “1,234 incidents”."""
    return counted(number, "incident")


def counted(number: int, noun: str) -> str:
    """“1 cell”, “1,234 cells”: of nouns whose plural is made by an s."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _lie(number: int) -> str:
    return "lies" if number == 1 else "lie"
