"""Change between two periods, cell by cell."""

from __future__ import annotations

from datetime import date

from ....shared.change_surface import change_of
from ..analysis_error import AnalysisError
from ..cautions import counted
from ..exact import Exact
from ..hotspot_styles import LegendClass, sign_colour
from ..hotspots import CORRECTION_WORDS
from ..periods import Period, month_number
from ..sentences import say, translated
from ..usual_periods import Usual
from .analysis import Analysis, Choice, Findings, Guard, Kind, Need, Output, Request
from .grid_cells import CELL, CORRECTION, SHAPE, cells_over, correction_of, in_one_sentence, numbers_used

_NONE, _WHOLE = "none", "whole"
_LEAST_CELL_M = 250.0  # in smaller cells there are too few incidents for any change to be certain
_BEFORE = Choice(
    "before",
    "Compare with",
    "The earlier period. Leave it empty for the one of the same length just before.",
    Kind.PERIOD,
)
_AGAINST = Choice(
    "against",
    "Test against",
    "No change finds the cells whose rate rose or fell; the change of the whole finds those that rose or fell more "
    "than the study area did.",
    Kind.ONE_OF,
    default=_NONE,
    options=((_NONE, "No change"), (_WHOLE, "The change of the whole study area")),
)


def run(request: Request) -> Findings:
    """Difference, ratio of rates and a test by cell."""
    values, after_period = request.values, request.wanted.period
    other = request.others["before"]
    before_period = other.period
    if after_period is None or before_period is None:
        raise AnalysisError("Two periods are compared: choose the later one above and the earlier one here.", "period")
    if not before_period.last < after_period.first:
        raise AnalysisError(
            f"{before_period.label} does not end before {after_period.label} begins, so incidents would be counted "
            "twice: choose an earlier period to compare with.",
            "before",
        )
    later, earlier = request.incidents.points, other.incidents.points
    cells = cells_over(request.area, [later, earlier], values, _LEAST_CELL_M)
    before, after = cells.counts(earlier), cells.counts(later)
    days = _days(before_period), _days(after_period)
    correction = correction_of(values)
    with in_one_sentence():
        found = change_of(before, after, days, values["against"] == _WHOLE, correction)
    more, fewer = int((found.classes > 0).sum()), int((found.classes < 0).sum())
    columns = {
        "before": before,
        "after": after,
        "difference": found.difference,
        "ratio": found.ratio,
        "p": found.p,
        "q": found.q,
        "class": found.classes,
    }
    number = (f"{len(earlier):,}", f"{len(later):,}")
    notes = []
    if not more and not fewer:
        notes.append("No cell changed for certain: the differences are no larger than chance would bring.")
    if days[0] != days[1]:
        notes.append(
            say(
                "The periods have {days:,} and {days_2}; rates a day are compared, not counts.",
                days=days[0],
                days_2=counted(days[1], "day"),
            )
        )
    return Findings(
        answer=say(
            "From {label} to {label_2} incidents went from {number} to {number_2}; {cells} rose and {fewer:,} fell "
            "for certain.",
            label=before_period.label,
            label_2=after_period.label,
            number=number[0],
            number_2=number[1],
            cells=counted(more, "cell"),
            fewer=fewer,
        ),
        outputs=(
            Output.grid(
                "change",
                say("Change from {label}", label=before_period.label),
                cells.surface(columns, "class"),
                _classes(values["against"] == _WHOLE),
                "Change",
                {
                    "before": before_period.label,
                    "after": after_period.label,
                    "difference": "More (or fewer) than before",
                    "ratio": "Ratio of the rates",
                },
                Guard((before + after,), neutral=0, below="Hatched: fell"),
            ),
        ),
        parameters=(
            ("Method", "exact two-sided binomial test of each cell's two counts"),
            ("Days", say("{days:,} before, {days_2:,} after", days=days[0], days_2=days[1])),
            ("Tested against", dict(_AGAINST.options)[str(values["against"])]),
            *cells.parameters,
            ("Correction", say("{words} (those with an incident)", words=translated(CORRECTION_WORDS[correction]))),
            Exact.of("Rising / falling cells", f"{more:,} / {fewer:,}"),
        ),
        values_used={**numbers_used(values, cells), "before": before_period},
        notes=tuple(notes),
    )


def _days(period: Period) -> int:
    first, end = month_number(period.first), month_number(period.last) + 1
    return (date(end // 12, end % 12 + 1, 1) - date(first // 12, first % 12 + 1, 1)).days


def _classes(against_whole: bool) -> tuple[LegendClass, ...]:
    rose, fell = "Rose, {confidence} confidence", "Fell, {confidence} confidence"
    if against_whole:
        rose = "Rose more than the whole area, {confidence} confidence"
        fell = "Fell more than the whole area, {confidence} confidence"
    words = {1: "90 %", 2: "95 %", 3: "99 %"}
    found = []
    for step in (3, 2, 1, 0, -1, -2, -3):
        label = translated("No certain change")
        if step:
            label = say(rose if step > 0 else fell, confidence=words[abs(step)])
        found.append(LegendClass(step, step, label, sign_colour(step)))
    return tuple(found)


CHANGE = Analysis(
    "change",
    "Change between periods",
    "Change",
    "How each cell changed from an earlier period to a later one: the difference, the ratio of the rates, and whether "
    "it is more than chance would bring (an exact test of each cell, corrected over all). Cells where nothing was "
    "before have no ratio.",
    (_BEFORE, _AGAINST, CELL, SHAPE, CORRECTION),
    run,
    (Need.PERIOD,),
    Usual.TWO_EQUAL,
)
