"""A monthly pack as it is told: every count in it is masked and rounded, so that it may be handed on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import shapely

from ...shared.disclosure import PublishedCount
from ..agreements.opened import Scope
from ..datasets.definitions import DatasetDefinition
from .counting import Publisher
from .measuring import Part
from .register import ABSENT, SiteMonth, Standing


@dataclass(frozen=True)
class Line:
    """A row of a table or a bar: a published count, its share of the whole, its change against the year before."""

    label: str
    count: PublishedCount
    share: float | None = None
    change: float | None = None
    code: str = ""


@dataclass(frozen=True)
class TrendMonth:
    """A month of the trend, for which ``came`` of ``expected`` sites sent a return; none is expected before the first.

    ``open``: something came, and the agreement shows it; else there is no count. ``whole``: so many came that the
    count is that of the incidents.
    """

    month: str
    count: PublishedCount
    open: bool
    came: int
    expected: int
    whole: bool


@dataclass(frozen=True)
class Pack:
    """A pack as it is told: published counts alone."""

    definition: DatasetDefinition
    month: str
    year: Sequence[str]
    months_here: int  # of the twelve, those that are whole, and which the agreement opens
    organisation: str  # whom it was made for
    borough: str  # its name; "" for all London
    borough_code: str
    of_month: PublishedCount
    of_month_before: PublishedCount  # a year before
    change: float | None
    no_change: str  # why there is none
    of_year: PublishedCount
    change_of_year: float | None
    no_change_of_year: str
    returns_of_month: Part  # that came, of those expected
    returns_of_year: Part
    month_whole: bool  # enough came for the rows of the month to be the number of incidents
    year_whole: bool
    years_whole: bool  # and the twelve months before, too
    least_returns: float  # the share of the returns that is enough
    trend: Sequence[TrendMonth]
    category: str  # what the category is called
    categories: Sequence[Line]  # of the window
    categories_of_month: Sequence[Line]
    kind: str
    kinds: Sequence[Line]
    sites: Sequence[Line]
    boroughs: Sequence[Line]
    nowhere: PublishedCount  # rows of the window without a borough
    hours: Sequence[Sequence[PublishedCount]]  # a row a weekday; empty where hours are not open
    weekdays: Sequence[Line]
    bands: Sequence[Line]
    timed: PublishedCount  # rows whose weekday and hour are known
    quality: Sequence[SiteMonth]
    quality_rows: Mapping[str, PublishedCount]  # by site; of all London alone, for they know no borough
    missing_in_year: int  # returns that are past their day, or came and are not visible
    expected_in_year: int
    publisher: Publisher
    scope: Scope
    shapes: Mapping[str, shapely.Geometry]
    names: Mapping[str, str]
    attribution: Sequence[str]
    edition: str
    synthetic: bool
    made: datetime

    @property
    def title(self) -> str:
        """What stands above it."""
        return f"{self.definition.title} in {self.borough or 'London'}"

    @property
    def counted(self) -> Counter[Standing]:
        """How many sites' month stands how."""
        return Counter(one.standing for one in self.quality)

    @property
    def absent(self) -> int:
        """How many returns of the month are not in the figures."""
        return sum(self.counted[standing] for standing in ABSENT)

    @property
    def absent_told(self) -> str:
        """Why they are not: “3 missing, 1 not due yet”."""
        named = {
            Standing.MISSING: "missing",
            Standing.AWAITED: "not due yet",
            Standing.TAKEN_BACK: "taken back",
            Standing.UNPUBLISHED: "not published yet",
        }
        told = [f"{self.counted[one]} {word}" for one, word in named.items() if self.counted[one]]
        return ", ".join(told) or "0 missing"


def by_code(lines: Sequence[Line]) -> dict[str, PublishedCount]:
    """The counts of lines by their codes."""
    return {line.code: line.count for line in lines}
