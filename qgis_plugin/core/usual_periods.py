"""The months that are taken where nobody chose any: made of the whole months that a layer holds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import Enum

from ...shared.windows import YEAR, newest_full_month
from .needed import needed
from .periods import Period, latest_year, month_number, month_of
from .point_facts import PointFacts
from .sentences import say


class Usual(Enum):
    """Which of the months held an analysis takes."""

    YEAR = "year"  # the last twelve
    TWO_EQUAL = "two equal"  # the last twelve, where twelve are held before them; else the last half
    NEWEST = "newest"  # the last month, to be foretold by those before it
    ALL = "all"


@dataclass(frozen=True)
class UsualPeriod:
    """Months, and in words which ones they are: “the last month held”."""

    period: Period
    words: str


def whole_months(facts: PointFacts, today: date | None = None) -> Period | None:
    """The months held in full, or what is held where none is; ``None`` where rows are not dated."""
    if not facts.months:
        return None
    told = date.fromisoformat(facts.newest_day[:10]) if facts.newest_day else None
    newest = newest_full_month(facts.newest_month, told, today or date.today())
    return Period(facts.first_month, newest if newest >= facts.first_month else facts.newest_month)


def usual_period(usual: Usual, facts: PointFacts, today: date | None = None) -> UsualPeriod | None:
    """The months that are taken; ``None`` where rows are not dated."""
    held = whole_months(facts, today)
    if held is None:
        return None
    if usual is Usual.NEWEST:
        return UsualPeriod(Period(held.last, held.last), say("the last month held"))
    if usual is Usual.ALL:
        return UsualPeriod(held, say("all months held"))
    if usual is Usual.TWO_EQUAL and held.months < 2 * YEAR:
        half = max(1, held.months // 2)
        first = month_of(month_number(held.last) - half + 1)
        return UsualPeriod(Period(first, held.last), say("the last half of those held"))
    year = needed(latest_year((held.first, held.last)), "year")
    return UsualPeriod(year, say("the last 12 months held") if year.months == YEAR else say("all months held"))


def period_before(usual: Usual, period: Period, facts: PointFacts) -> Period | None:
    """The automatic months before ``period``; ``None`` where the layer does not hold them.

    A map of hotspots is made from up to twelve months before; all others compare as many months as the period has.
    """
    if usual is not Usual.NEWEST:
        before = period.before()
        return before if facts.first_month <= before.first else None
    start = month_number(period.first)
    first = max(month_number(facts.first_month), start - max(YEAR, period.months))
    return Period(month_of(first), month_of(start - 1)) if first < start else None
