"""What a needs-assessment pack tells: figures as they are shown, exact or published, and what they rest on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum

import shapely

from ...shared.change import RateChange
from ...shared.windows import Window
from ..agreements.models import Use
from ..datasets.definitions import DatasetDefinition
from ..quality.measuring import Part
from .declared import Overlap
from .denominators import Divisor
from .models import Kind

NOT_HELD = "–"
PART = "↑"  # told together with the months after it


class Mode(StrEnum):
    """Who a pack is for."""

    OPERATIONAL = "operational"  # true counts, for those who work with them
    PUBLIC = "public"  # small counts withheld, others rounded

    @property
    def use(self) -> Use:
        """What an agreement must permit."""
        return Use.PUBLISH if self is Mode.PUBLIC else Use.EXPORT

    @property
    def marking(self) -> str:
        """At the top and the bottom of every page."""
        return "OFFICIAL" if self is Mode.PUBLIC else "OFFICIAL-SENSITIVE"


@dataclass(frozen=True)
class Told:
    """A count as it is shown; ``mark`` stands in its place where it is withheld or not held.

    ``months``: of how many months it is, where a table has a row a month.
    """

    count: int | None
    mark: str = ""
    months: int = 1

    @property
    def words(self) -> str:
        """As it is printed."""
        if self.count is None:
            return self.mark or NOT_HELD
        return f"{self.count:,}" if self.months == 1 else f"{self.count:,} in {self.months} months"


NOTHING_HELD = Told(None, NOT_HELD)


@dataclass(frozen=True)
class CategoryLine:
    """A category of the year: ``cumulative`` is the share of it and all above."""

    label: str
    now: Told
    share: float | None
    cumulative: float | None
    before: Told
    change: RateChange | None


@dataclass(frozen=True)
class AreaLine:
    """An area's count of the year and its rates, by what it is divided by."""

    code: str
    name: str
    count: Told
    rates: Mapping[Kind, float]
    own: bool = False
    peer: bool = False  # it borders the pack's borough
    few_residents: bool = False


@dataclass(frozen=True)
class Week:
    """Counts by weekday and hour, in blocks: ``days`` are the weekdays (0 Monday) of each row, ``step`` its hours."""

    days: Sequence[Sequence[int]]
    step: int
    cells: Sequence[Sequence[Told]]
    unknown: Told  # of which the weekday or the hour is not known


@dataclass(frozen=True)
class Places:
    """How well the year's places are known."""

    exact: Told
    coarse: Told
    none: Told


@dataclass(frozen=True)
class Service:
    """One dataset's part of the pack."""

    definition: DatasetDefinition
    agreement: str
    release: int
    published_on: date | None
    threshold: int
    synthetic: bool
    now_window: Window
    before_window: Window
    held: int  # of the twelve months, those that are held
    now: Told
    before: Told
    change: RateChange | None
    no_change: str  # why there is none
    returns: Part | None  # of sites: that came in the year, of those expected
    whole: bool  # the year is held in full, and enough returns came
    months: Mapping[str, Told]  # 36, the newest last
    partial: frozenset[str]  # months of which few returns came
    rolling: Mapping[str, int]  # sums of 12 months, by the last of them
    categories: Sequence[CategoryLine]
    week: Week | None
    no_week: str  # why there is none
    lsoas: Sequence[AreaLine]
    no_lsoa: Told  # of the year, without an LSOA
    no_map: str  # why there is none
    boroughs: Sequence[AreaLine]  # those whose counts the agreement opens, by name; this one among them
    london: AreaLine | None  # of these together
    no_comparison: str
    places: Places | None
    rows: int  # that were read, for the audit: never told

    @property
    def own(self) -> AreaLine:
        """The borough itself."""
        return next(line for line in self.boroughs if line.own)


@dataclass(frozen=True)
class NumberLine:
    """A number of a dataset that holds counts: of one measure and category."""

    measure: str
    category: str
    now: Told
    before: Told


@dataclass(frozen=True)
class Numbers:
    """A dataset that holds counts of areas: a table, never a map, and never added up."""

    definition: DatasetDefinition
    agreement: str
    release: int
    threshold: int
    synthetic: bool
    month: str
    month_before: str
    lines: Sequence[NumberLine]
    rows: int


@dataclass(frozen=True)
class LeftOut:
    """A dataset that is not in the pack, and why."""

    code: str
    title: str
    why: str
    reason: str  # for programs


@dataclass(frozen=True)
class NeedsPack:
    """All of it."""

    mode: Mode
    borough: str
    borough_code: str
    organisation: str
    purpose: str  # in words
    services: Sequence[Service]
    numbers: Sequence[Numbers]
    left_out: Sequence[LeftOut]
    overlaps: Sequence[Overlap]
    divisors: Mapping[Kind, Divisor]  # of boroughs
    lsoa_residents: Divisor | None
    few_residents: int
    shapes: Mapping[str, shapely.Geometry]  # of the borough's LSOAs
    edition: str  # of the boundaries
    attribution: Sequence[str]
    made: datetime
    title: str = field(default="Strategic needs assessment")

    @property
    def public(self) -> bool:
        """Whether it may be published."""
        return self.mode is Mode.PUBLIC

    @property
    def parts(self) -> tuple[Service | Numbers, ...]:
        """All datasets in it."""
        return (*self.services, *self.numbers)

    @property
    def synthetic(self) -> bool:
        """Whether anything in it did not happen."""
        return any(part.synthetic for part in self.parts)
