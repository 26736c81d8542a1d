"""What the richer kinds of page show beside the run, worked out in the background: the same settings once more for the
period before, months and categories, counts by area."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .analysis_error import AnalysisError
from .breakdown import Area, AreaCount, Breakdown, break_down, count_areas
from .hotspots import HotspotResult, HotspotRun, in_classes_of, run_hotspots, temporary_path
from .incidents import IncidentFilter
from .periods import Period, held_before
from .points import CancelledCheck, PointSource, never_cancelled

Report = Callable[[str, float, float], None]


@dataclass(frozen=True)
class AreaCounts:
    """Counts by area, and the period that they are compared with, if the data hold it."""

    areas: tuple[AreaCount, ...]
    before: Period | None


def run_before(source: PointSource, result: HotspotResult, cancelled: CancelledCheck = never_cancelled) -> HotspotRun:
    """The run of the period just before, with the cell, bandwidth and classes of the first.

    Raises ``AnalysisError`` where the data do not reach back so far, or too few incidents were then.
    """
    before = _before(source, result)
    if before is None:
        raise AnalysisError(
            f"The data hold no whole period before {result.period.label if result.period else 'all dates'}: "
            "choose another template, or a later or shorter period for the map.",
            "period",
        )
    run = run_hotspots(
        source,
        result.study_area,
        IncidentFilter(before, result.wanted.categories),
        result.settings,
        temporary_path(result.method),
        cancelled,
    )
    return in_classes_of(run, result)


def breakdown_of(source: PointSource, result: HotspotResult, cancelled: CancelledCheck = never_cancelled) -> Breakdown:
    """Months and categories of the run's incidents."""
    return break_down(source, result.study_area, result.wanted, cancelled)


def counts_of(
    source: PointSource, result: HotspotResult, areas: Sequence[Area], cancelled: CancelledCheck = never_cancelled
) -> AreaCounts:
    """The run's incidents by area, now and in the period before."""
    before = _before(source, result)
    return AreaCounts(count_areas(source, areas, result.wanted, before, cancelled), before)


def _before(source: PointSource, result: HotspotResult) -> Period | None:
    return held_before(result.period, source.facts.months) if result.period is not None else None
