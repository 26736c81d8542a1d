"""Around a place: rows that are only counted, answered by the fixed questions, perturbed."""

from __future__ import annotations

from ...shared.change import change
from ...shared.disclosure import SMALLEST_BASE
from ...shared.presets import Exclusion
from ...shared.ring_answer import AnswerRow, DatasetAnswer
from ...shared.ring_counts import coverage_notes
from ..analysis.cell_answers import CellRow, counts_around, fixed_windows
from ..ranks.tables import Ranks
from .asking import Asking, ranks_of
from .figures import ALL_INCIDENTS, figure_of
from .notes import part_notes
from .planning import Part
from .question import Question

_PERTURBED = (
    "These records are only counted for you: the counts are altered at random to multiples of 5, small ones to 0 or "
    "the smallest that is told, so that nobody can be singled out. They need not add up."
)


def counted_answer(asking: Asking, part: Part, question: Question, covered: tuple[float, ...]) -> DatasetAnswer | str:
    """The part's answer, or why there is none."""
    services, session, planned = asking.services, asking.session, asking.planned
    if not question.fixed:
        return (
            f"{part.title} is left out: it is only counted for you, around a postcode, within 100, 250 and 500 m and "
            "in the listed times of day."
        )
    windows = fixed_windows(session, part.scope, asking.today)
    if planned.now not in windows or planned.before not in windows:
        return f"{part.title} is left out: it is not counted for {planned.now.label}."
    leave_out = part.leave_out(question.preset)
    left_out = Exclusion(leave_out.categories, leave_out.flags)
    place = question.place
    now, before = (
        counts_around(services, session, part.scope, place.easting, place.northing, window, left_out)
        for window in (planned.now, planned.before)
    )
    compared = part.held.compares(planned.now, planned.before)
    made: list[AnswerRow] = []
    for band in part.bands(question.asked_bands):
        ranks, _unplaced = ranks_of(asking, part, question, band, left_out)
        then = {(row.every, row.category): row.counts for row in before if row.band is band}
        made += [
            _counted_row(part, row, then if compared else None, question, covered, ranks)
            for row in now
            if row.band is band
        ]
    return DatasetAnswer(
        code=part.dataset,
        title=part.title,
        rows=tuple(made),
        hours=None,
        trend=(None,) * len(planned.trend.months),
        coarse=(None,) * len(question.radii),
        newest=part.newest_month,
        attribution=part.scope.definition.attribution,
        caveats=part.scope.definition.cautions,
        notes=(
            _PERTURBED,
            *leave_out.notes(),
            *part_notes(part, question, planned.now),
            *coverage_notes(question.radii, covered),
        ),
        synthetic=part.synthetic,
        perturbed=True,
        gap=part.held.gap_words(planned.now),
    )


def _counted_row(
    part: Part,
    row: CellRow,
    before: dict[tuple[bool, str | None], tuple[int, ...]] | None,
    question: Question,
    covered: tuple[float, ...],
    ranks: Ranks | None,
) -> AnswerRow:
    category = None if row.every else row.category or ""
    figures = []
    for i, radius in enumerate(question.radii):
        then = None
        if before is not None:
            # A category that is not among those told is not known to be 0.
            known = before.get((row.every, row.category))
            then = None if known is None else known[i]
        changed = None if then is None or then < SMALLEST_BASE else change(row.counts[i], then)
        figures.append(
            figure_of(radius, row.counts[i], then, changed, covered[i], category, ranks, question.place.borough)
        )
    label = ALL_INCIDENTS if category is None else category or "Not stated"
    return AnswerRow(part.dataset, part.title, category, label, row.band, tuple(figures))
