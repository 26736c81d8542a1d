"""The incidents of one layer counted in rings, by category and band of the day, with what is to be said of them."""

from __future__ import annotations

import numpy as np
from qgis.core import QgsRectangle

from ...shared import rings
from ...shared.change import change
from ...shared.ranks import sentence
from ...shared.ring_answer import AnswerRow, DatasetAnswer, Place, RingFigure
from ...shared.ring_counts import RingCounter, count_notes, coverage_notes, hours_of_week
from ...shared.rings import AnyBand
from ...shared.windows import Window, trend
from .borough_ranks import BoroughRanks, RankTable
from .periods import Period
from .point_facts import PointFacts, filter_note
from .points import CancelledCheck, Points, largest_stack
from .proximity_question import Part, Plan
from .study_areas import points_inside

_ALL_INCIDENTS = "All incidents"


def dataset_answer(
    planned: Plan, part: Part, place: Place, covered: tuple[float, ...], ranks: BoroughRanks, cancelled: CancelledCheck
) -> DatasetAnswer:
    """What happened in the layer around the place; ``covered``: km² of each ring on which its rows are held."""
    facts, radii = part.rows.facts, planned.question.radii
    now, months = planned.now, trend(planned.now.last)
    before = planned.before if planned.before and facts.held.compares(now, planned.before) else None
    span = Period(min(months.first, now.first, before.first if before else now.first), now.last)
    outer = radii[-1]
    box = QgsRectangle(place.easting - outer, place.northing - outer, place.easting + outer, place.northing + outer)
    points = part.rows.read(box, span, cancelled=cancelled, leave_out=part.leave_out)
    points = points.where(rings.within(points.eastings, points.northings, (place.easting, place.northing), outer))
    if planned.question.within is not None:
        area = planned.question.within.geometry
        points = points.where(points_inside(points.eastings, points.northings, area))
    current = points.where(_in(points, now))
    counter = RingCounter(
        *(points.eastings, points.northings, points.categories, points.precision),
        (place.easting, place.northing),
        radii,
    )
    in_now, in_before = _in(points, now), _in(points, before) if before else None
    rows: list[AnswerRow] = []
    unknown_hour = 0
    for band in part.bands:
        chosen = rings.in_band(band, points.hours, points.weekdays)
        unknown_hour = max(unknown_hour, rings.in_band(band, current.hours, current.weekdays).unknown)
        table = ranks.known(part.rows, place.borough_code, now, band, radii, part.leave_out)
        if planned.question.within is not None:
            table = None
        then = counter.table(chosen.inside & in_before) if in_before is not None else None
        rows += _rows(facts, band, counter, counter.table(chosen.inside & in_now), then, radii, covered, table)
    unplaced = part.rows.unplaced(now, cancelled)
    stack = largest_stack(current)
    coarse = counter.coarse(in_now)
    compared = not planned.question.compare or before is not None
    notes = [
        *filter(None, [filter_note(facts)]),
        *part.notes,
        *coverage_notes(radii, covered),
        *count_notes(len(current), radii, coarse, unplaced, stack, unknown_hour, compared),
    ]
    return DatasetAnswer(
        code=facts.dataset,
        title=facts.title,
        rows=tuple(rows),
        hours=hours_of_week(current.hours, current.weekdays) if facts.timed else None,
        trend=_trend(points.months, months, facts),
        coarse=coarse,
        newest=facts.held.newest,
        attribution=facts.attribution,
        caveats=facts.caveats,
        notes=tuple(notes),
        unplaced=unplaced,
        unknown_hour=unknown_hour,
        largest_stack=stack,
        synthetic=facts.synthetic,
        threshold=facts.threshold,
        sensitive=facts.sensitive,
        gap=facts.held.gap_words(now),
    )


def _in(points: Points, window: Window) -> np.ndarray:
    return (points.months >= window.first) & (points.months <= window.last)


def _rows(
    facts: PointFacts,
    band: AnyBand,
    counter: RingCounter,
    now: np.ndarray,
    before: np.ndarray | None,
    radii: tuple[int, ...],
    covered: tuple[float, ...],
    ranks: RankTable | None,
) -> list[AnswerRow]:
    """All incidents, then the categories that have any, those with most in the outermost ring first."""

    def row(category: str | None, label: str, counts: np.ndarray, then: np.ndarray | None) -> AnswerRow:
        figures = tuple(
            _figure(radius, int(counts[i]), None if then is None else int(then[i]), covered[i], category, ranks)
            for i, radius in enumerate(radii)
        )
        return AnswerRow(facts.dataset, facts.title, category, label, band, figures)

    rows = [row(None, _ALL_INCIDENTS, now.sum(axis=0), None if before is None else before.sum(axis=0))]
    if not facts.category_field:
        return rows
    any_there = now[:, -1] + (0 if before is None else before[:, -1])
    parts = [
        row(str(category), facts.label(str(category)), now[i], None if before is None else before[i])
        for i, category in enumerate(counter.categories)
        if any_there[i]
    ]
    return rows + sorted(parts, key=lambda part: (-(part.figures[-1].count or 0), part.label))


def _figure(
    radius: int, count: int, before: int | None, covered: float, category: str | None, ranks: RankTable | None
) -> RingFigure:
    distribution = ranks.of(category, radius) if ranks is not None else None
    return RingFigure(
        radius_m=radius,
        count=count,
        before=before,
        change=None if before is None else change(count, before),
        rate_per_km2=count / covered if covered > 0 else None,
        covered_km2=covered,
        share_below=distribution.share_below(count) if distribution is not None else None,
        sentence=sentence(distribution, count, ranks.borough) if distribution is not None else "",
    )


def _trend(months: np.ndarray, window: Window, facts: PointFacts) -> tuple[int | None, ...]:
    held, counts = np.unique(months, return_counts=True)
    found = dict(zip(held.tolist(), counts.tolist()))
    return tuple(int(found.get(month, 0)) if facts.held.holds(month) else None for month in window.months)
