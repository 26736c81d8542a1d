"""Around a place: rows that are shown, counted exactly."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...shared import rings
from ...shared.change import change
from ...shared.ring_answer import AnswerRow, DatasetAnswer
from ...shared.ring_counts import RingCounter, count_notes, coverage_notes, hours_of_week
from ...shared.rings import AnyBand
from ...shared.windows import Window
from ..agreements.readable import Bounds
from ..ranks.tables import Ranks
from .asking import Asking, ranks_of
from .figures import ALL_INCIDENTS, figure_of
from .notes import part_notes
from .planning import Part
from .question import Question
from .reading import Incidents, read_shown


def shown_answer(asking: Asking, part: Part, question: Question, covered: tuple[float, ...]) -> DatasetAnswer:
    """The part's answer; ``covered``: km² of each ring on which its rows are held."""
    planned = asking.planned
    place, radii, now = question.place, question.radii, planned.now
    centre = (place.easting, place.northing)
    before = planned.before if part.held.compares(now, planned.before) else None
    leave_out = part.leave_out(question.preset)
    span = Window(min(planned.trend.first, planned.before.first), now.last)
    rows = read_shown(asking.session, part, Bounds.around(*centre, radii[-1]), span, leave_out)
    rows = rows.where(rings.within(rows.eastings, rows.northings, centre, radii[-1]))
    counter = RingCounter(rows.eastings, rows.northings, rows.categories, rows.precision, centre, radii)
    in_now = _in(rows, now)
    in_before = None if before is None else _in(rows, before)
    current = rows.where(in_now)
    made: list[AnswerRow] = []
    unknown_hour = 0
    unplaced: int | None = None
    bands = part.bands(question.asked_bands)
    for band in bands:
        chosen = rings.in_band(band, rows.hours, rows.weekdays)
        unknown_hour = max(unknown_hour, rings.in_band(band, current.hours, current.weekdays).unknown)
        ranks, unplaced_here = ranks_of(asking, part, question, band, leave_out)
        unplaced = unplaced if unplaced_here is None else unplaced_here
        then = None if in_before is None else counter.table(chosen.inside & in_before)
        made += _rows(part, band, counter, counter.table(chosen.inside & in_now), then, question, covered, ranks)
    coarse = counter.coarse(in_now)
    stack = _largest_stack(current)
    notes = [
        *leave_out.notes(),
        *part_notes(part, question, now),
        *coverage_notes(radii, covered),
        *count_notes(len(current), radii, coarse, unplaced, stack, unknown_hour, before is not None),
    ]
    return DatasetAnswer(
        code=part.dataset,
        title=part.title,
        rows=tuple(made),
        hours=hours_of_week(current.hours, current.weekdays) if part.timed else None,
        trend=_trend(rows, planned.trend, part),
        coarse=coarse,
        newest=part.newest_month,
        attribution=part.scope.definition.attribution,
        caveats=part.scope.definition.cautions,
        notes=tuple(notes),
        unplaced=unplaced,
        unknown_hour=unknown_hour,
        largest_stack=stack,
        synthetic=part.synthetic,
        gap=part.held.gap_words(now),
    )


def _in(rows: Incidents, window: Window) -> NDArray[np.bool_]:
    return np.asarray((rows.months >= window.first) & (rows.months <= window.last), dtype=bool)


def _rows(
    part: Part,
    band: AnyBand,
    counter: RingCounter,
    now: NDArray[np.int64],
    before: NDArray[np.int64] | None,
    question: Question,
    covered: tuple[float, ...],
    ranks: Ranks | None,
) -> list[AnswerRow]:
    """All incidents, then the categories that have any, those with most in the outermost ring first."""

    def row(category: str | None, counts: NDArray[np.int64], then: NDArray[np.int64] | None) -> AnswerRow:
        figures = tuple(
            figure_of(
                radius,
                int(counts[i]),
                None if then is None else int(then[i]),
                None if then is None else change(int(counts[i]), int(then[i])),
                covered[i],
                category,
                ranks,
                question.place.borough,
            )
            for i, radius in enumerate(question.radii)
        )
        label = ALL_INCIDENTS if category is None else category or "Not stated"
        return AnswerRow(part.dataset, part.title, category, label, band, figures)

    rows = [row(None, now.sum(axis=0), None if before is None else before.sum(axis=0))]
    if not part.by_category:
        return rows
    any_there = now[:, -1] + (0 if before is None else before[:, -1])
    parts = [
        row(str(category), now[i], None if before is None else before[i])
        for i, category in enumerate(counter.categories)
        if any_there[i]
    ]
    return rows + sorted(parts, key=lambda one: (-(one.figures[-1].count or 0), one.label))


def _trend(rows: Incidents, window: Window, part: Part) -> tuple[int | None, ...]:
    held, counts = np.unique(rows.months.astype(str), return_counts=True)
    found = dict(zip(held.tolist(), counts.tolist(), strict=True))
    return tuple(int(found.get(month, 0)) if part.held.holds(month) else None for month in window.months)


def _largest_stack(rows: Incidents) -> int:
    if not len(rows):
        return 0
    _, counts = np.unique(np.stack([rows.eastings, rows.northings], axis=1), axis=0, return_counts=True)
    return int(counts.max())
