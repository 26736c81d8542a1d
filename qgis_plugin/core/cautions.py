"""What would mislead in a set of incidents: what is refused, and what a reader is warned of, a sentence each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .analysis_error import AnalysisError
from .filter_text import days_of
from .point_facts import PointFacts
from .points import Points, stacks
from .sentences import say, say_number, translated

FEW = 30
# Longitude 0, latitude 0 in the National Grid, and the grid's own origin: where coordinates that are missing lie.
_NULL_ISLANDS = ((0.0, 0.0), (622_675.0, -5_527_598.0))
_AT_NULL_M = 1_000.0
_LONELY_SHARE = 0.002  # so few incidents count as strays …
_LONELY_TIMES = 5.0  # … where they lie so many times as far out as all the others
_LONELY_M = 2_000.0
_MIDNIGHT_SHARE = 0.2
# More than chance: most incidents have their exact place with others; or so many do, or so many are on one point,
# where at least a handful are on one.
_MOSTLY_SHARING = 0.5
_SHARING = 0.2
_STACKED = 0.05
_HANDFUL = 5


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
    found = [filtered_layer(facts), few_incidents(points), shared_points(points, facts), lonely_points(points)]
    if hours:
        known = points.hours[~np.isnan(points.hours)].astype(int)
        found += [
            unknown(points.hours, translated("hour")),
            many_at_midnight(np.bincount(known, minlength=24)),
        ]
    if days:
        found.append(unknown(points.days, translated("day")))
    return tuple(filter(None, found))


def few_incidents(points: Points) -> str:
    """Of fewer than 30 incidents; empty where there are more."""
    if len(points) >= FEW:
        return ""
    return say(
        "Only {incidents}: below {few} chance weighs more than any pattern, so take it as a hint.",
        incidents=incidents_words(len(points)),
        few=FEW,
    )


def filtered_layer(facts: PointFacts) -> str:
    """Of a layer that shows a part of its rows; empty where it shows all."""
    if not facts.subset:
        return ""
    days = days_of(facts.subset)
    if days is not None:
        return say("“{title}” is filtered to {days}: nothing else counts.", title=facts.title, days=days.label)
    return say(
        "“{title}” is filtered: only the incidents that its filter lets through count.",
        title=facts.title,
    )


def shared_points(points: Points, facts: PointFacts) -> str:
    """Of points on which several incidents lie, by the supplier's word or more than chance brings; else empty."""
    sizes = stacks(points)
    most = int(sizes.max(initial=0))
    if most < 2:
        return ""
    if facts.snapped:
        return say(
            "The supplier moves incidents to shared map points (up to {stack:,} on one): a hot cell may be one.",
            stack=most,
        )
    sharing = int(sizes[sizes > 1].sum())
    heaped = most >= _HANDFUL and (sharing >= _SHARING * len(points) or most >= _STACKED * len(points))
    if not heaped and sharing < _MOSTLY_SHARING * len(points):
        return ""
    return say(
        "Several incidents share one point: {sharing:,} of {every:,} ({share:.0f} %), up to {most:,} on one. A hot "
        "cell may be one address, or a place to which others were moved.",
        sharing=sharing,
        every=len(points),
        share=100 * sharing / len(points),
        most=most,
    )


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
    return say_number(
        len(far),
        "{n} incident lies up to {distance:,.0f} km from the middle of the others (at {eastings:.0f}, "
        "{northings:.0f}), all others within {rest:,.1f} km: look whether that place is right, for it stretches the "
        "study area and the bandwidth.",
        "{n} incidents lie up to {distance:,.0f} km from the middle of the others (at {eastings:.0f}, "
        "{northings:.0f}), all others within {rest:,.1f} km: look whether that place is right, for it stretches the "
        "study area and the bandwidth.",
        distance=distance[first] / 1000,
        eastings=points.eastings[first],
        northings=points.northings[first],
        rest=rest / 1000,
    )


def far_from_streets(away: int, incidents: int, within_m: float) -> str:
    """Of incidents that no street is near enough to; empty where there are none."""
    if not away:
        return ""
    share = 100 * away / incidents
    return say(
        "Left out, being farther than {within_m:g} m from any street: {away:,} of {incidents:,} ({share:.0f} %).",
        within_m=within_m,
        away=away,
        incidents=incidents,
        share=share,
    )


def unknown(values: np.ndarray, what: str) -> str:
    """Of incidents whose hour or day (``what``) is not known, so that they were left out; empty where all are."""
    number = int(np.isnat(values).sum() if values.dtype.kind == "M" else np.isnan(values).sum())
    if not number:
        return ""
    share = 100 * number / len(values)
    return say(
        "{unknown:,} of {values:,} incidents ({share:.0f} %) do not tell their {what} and were left out.",
        unknown=number,
        values=len(values),
        share=share,
        what=what,
    )


def many_at_midnight(by_hour: Sequence[float] | np.ndarray) -> str:
    """Of numbers by hour (24) that look as if midnight stood for “not known”; empty where they do not."""
    hours = np.asarray(by_hour, dtype=float)
    number = float(hours.sum())
    if number < FEW:
        return ""
    # More often “not known” than midnight, where a fifth of all are there and twice as many as in any other hour.
    if hours[0] < _MIDNIGHT_SHARE * number or hours[0] <= 2 * hours[1:].max():
        return ""
    return say(
        "{by_hour:.0f} % of the incidents are recorded in the hour after midnight, more than twice as many as in any "
        "other: many of them may stand for “time not known”.",
        by_hour=100 * hours[0] / number,
    )


def incidents_words(number: int) -> str:
    """“1 incident”, “1,234 incidents”."""
    return counted(number, "incident")


def counted(number: int, noun: str) -> str:
    """“1 cell”, “1,234 cells”: of nouns whose plural is made by an s."""
    return say_number(number, f"{{n}} {noun}", f"{{n}} {noun}s")


def _lie(number: int) -> str:
    return "lies" if number == 1 else "lie"
