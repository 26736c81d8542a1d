"""The incidents of a filter inside a study area: what every analysis begins with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .cautions import refuse_hopeless, refuse_patternless
from .periods import Period
from .points import CancelledCheck, Points, PointSource, never_cancelled
from .study_areas import StudyArea, checked_area, points_inside

ALL_INCIDENTS = "all incidents"
Report = Callable[[str, float, float], None]


def no_report(_stage: str, _done: float, _total: float) -> None:
    """The default of ``report``."""


@dataclass(frozen=True)
class IncidentFilter:
    """Which incidents are analysed: a period (``None``: all dates) and category values (none named: all)."""

    period: Period | None = None
    categories: tuple[str, ...] = ()


@dataclass(frozen=True)
class Incidents:
    """What of a layer is analysed: the points in the study area; how many lie outside it or have no place."""

    points: Points
    outside: int
    unmapped: int


def gather(
    source: PointSource,
    area: StudyArea,
    wanted: IncidentFilter,
    cancelled: CancelledCheck = never_cancelled,
    report: Report = no_report,
    extra: Sequence[str] = (),
    places_only: bool = False,
) -> Incidents:
    """``collect``, but an ``AnalysisError`` where no analysis of what it finds could be true."""
    incidents = collect(source, area, wanted, cancelled, report, extra, places_only)
    refuse_hopeless(incidents.points, incidents.outside, incidents.unmapped, area.label, source.facts)
    refuse_patternless(incidents.points, source.facts)
    return incidents


def collect(
    source: PointSource,
    area: StudyArea,
    wanted: IncidentFilter,
    cancelled: CancelledCheck = never_cancelled,
    report: Report = no_report,
    extra: Sequence[str] = (),
    places_only: bool = False,
) -> Incidents:
    """The incidents of the filter, clipped to the study area, with the ``extra`` columns; there may be none.

    ``places_only`` is for what needs their places alone, and many times faster (``PointSource.read``). Raises
    ``AnalysisError`` or ``Cancelled``.
    """
    checked_area(area)
    stage = f"Reading {source.facts.title}"
    points = source.read(
        period=wanted.period,
        categories=wanted.categories,
        cancelled=cancelled,
        progress=lambda rows: report(stage, 0.6 * min(rows, source.rows), source.rows),
        extra=extra,
        places_only=places_only,
    )
    inside = points_inside(points.eastings, points.northings, area.geometry)
    unmapped = source.count_unplaced(wanted.period, wanted.categories, cancelled)
    outside = int((~inside).sum())
    return Incidents(points.where(inside) if outside else points, outside, unmapped)
