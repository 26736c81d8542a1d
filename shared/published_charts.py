"""Charts for the public: the week by hours and the months, in blocks wide enough that few are small."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .ring_answer import SINGLE_DAYS, WeekHours
from .small_counts import (
    ANYTHING,
    Masking,
    Possible,
    PublishedCount,
    is_small,
    largest_masked,
    possible,
    published_count,
)
from .windows import YEAR

Days = tuple[tuple[int, ...], ...]

_WEEK_AND_WEEKEND: Days = ((0, 1, 2, 3), (4, 5, 6))
_ANY_DAY: Days = (tuple(range(7)),)
_WEEKS: tuple[tuple[Days, int], ...] = (
    (SINGLE_DAYS, 1),
    (SINGLE_DAYS, 2),
    (SINGLE_DAYS, 3),
    (SINGLE_DAYS, 6),
    (_WEEK_AND_WEEKEND, 3),
    (_WEEK_AND_WEEKEND, 6),
    (_ANY_DAY, 6),
)
_MONTH_STEPS = (1, 3, 6, YEAR)  # each divides a year
_MOST_SMALL = 0.2  # of the blocks that are not empty: with more a chart says little
_HOURS = 24


@dataclass(frozen=True)
class Year:
    """A year's exact count in the outermost ring, and what else is published of it."""

    count: int
    known: Possible


@dataclass(frozen=True)
class Charts:
    """What is published, as ``DatasetAnswer`` holds it; ``years``: what is known of them then, the newest first."""

    hours: WeekHours | None
    weekdays: Days
    hour_step: int
    trend: tuple[PublishedCount, ...]
    trend_step: int
    years: tuple[Possible, ...]


def solved(counts: Sequence[int], known: Sequence[Possible], total: Possible, sensitivity: Masking) -> bool:
    """Whether some small count among the parts of a total can be narrowed: not every small count is possible for it."""
    low, high = sum(part.low for part in known), sum(part.high for part in known)
    largest = largest_masked(sensitivity)
    return any(
        total.low - (high - part.high) > 1 or total.high - (low - part.low) < largest
        for count, part in zip(counts, known)
        if is_small(count, sensitivity)
    )


def published_charts(
    hours: WeekHours | None,
    unknown_hour: int,
    trend: Sequence[int | None],
    years: Sequence[Year],
    sensitivity: Masking,
) -> Charts:
    """The week of the newest year and the months, in the finest blocks of which few are small and none can be solved.

    ``trend``: the months' counts, the newest last, ``None`` where not held. ``years``: the newest first; a chart is
    measured against those that it adds up to. One that is too small in its widest blocks is left out.
    """
    week_level = month_level = 0
    while True:
        week = _Week.of(hours, week_level)
        months = _Months.of(trend, month_level)
        known = [year.known for year in years]
        for number, year in enumerate(years):
            if months and months.adds_up(number, year.count):
                known[number] = known[number].also(_sum(months.year(number), sensitivity))
        of_week = ANYTHING
        if week and years and week.total + unknown_hour == years[0].count:
            timeless = possible(unknown_hour, sensitivity)
            every = _sum(week.counts, sensitivity)
            known[0] = known[0].also(Possible(every.low + timeless.low, every.high + timeless.high))
            of_week = Possible(known[0].low - timeless.high, known[0].high - timeless.low)
        if week and _unfit(week.counts, of_week, sensitivity):
            week_level += 1
        elif months and any(
            _unfit(
                months.year(number),
                known[number] if number < len(years) and months.adds_up(number, years[number].count) else ANYTHING,
                sensitivity,
            )
            for number in range(len(months.years))
        ):
            month_level += 1
        else:
            break
    return Charts(
        hours=week.spread(sensitivity) if week else None,
        weekdays=week.days if week else SINGLE_DAYS,
        hour_step=week.step if week else 1,
        trend=months.spread(len(trend), sensitivity) if months else (None,) * len(trend),
        trend_step=months.step if months else 1,
        years=tuple(known),
    )


@dataclass(frozen=True)
class _Week:
    days: Days
    step: int
    rows: tuple[tuple[int, ...], ...]

    @classmethod
    def of(cls, hours: WeekHours | None, level: int) -> _Week | None:
        if hours is None or level >= len(_WEEKS):
            return None
        days, step = _WEEKS[level]
        starts = range(0, _HOURS, step)
        rows = [
            [sum(count or 0 for day in group for count in hours[day][at : at + step]) for at in starts]
            for group in days
        ]
        return cls(days, step, tuple(map(tuple, rows)))

    @property
    def counts(self) -> list[int]:
        return [count for row in self.rows for count in row]

    @property
    def total(self) -> int:
        return sum(self.counts)

    def spread(self, sensitivity: Masking) -> WeekHours:
        """Each hour of each day with its block's published count."""
        row_of = {day: row for group, row in zip(self.days, self.rows) for day in group}
        return tuple(
            tuple(published_count(row_of[day][hour // self.step], sensitivity) for hour in range(_HOURS))
            for day in range(7)
        )


@dataclass(frozen=True)
class _Months:
    """Blocks by year, the newest year and in it the newest block first; ``None`` where a month is not held."""

    step: int
    years: tuple[tuple[int | None, ...], ...]

    @classmethod
    def of(cls, trend: Sequence[int | None], level: int) -> _Months | None:
        if not trend or level >= len(_MONTH_STEPS):
            return None
        step, newest_first = _MONTH_STEPS[level], list(reversed(trend))
        blocks = [_added(newest_first[at : at + step]) for at in range(0, len(newest_first), step)]
        per_year = YEAR // step
        return cls(step, tuple(tuple(blocks[at : at + per_year]) for at in range(0, len(blocks), per_year)))

    def year(self, number: int) -> list[int]:
        """The counts that are held of a year, 0 the newest."""
        return [count for count in self.years[number] if count is not None]

    def adds_up(self, number: int, count: int) -> bool:
        """Whether the year's blocks are all held and make up the count."""
        if number >= len(self.years):
            return False
        return None not in self.years[number] and sum(self.year(number)) == count

    def spread(self, months: int, sensitivity: Masking) -> tuple[PublishedCount, ...]:
        """Each month, the newest last, with its block's published count."""
        shown = [
            None if count is None else published_count(count, sensitivity) for year in self.years for count in year
        ]
        return tuple(shown[number // self.step] for number in reversed(range(months)))


def _added(months: Sequence[int | None]) -> int | None:
    held = [count for count in months if count is not None]
    return sum(held) if len(held) == len(months) else None


def _unfit(counts: Sequence[int], total: Possible, sensitivity: Masking) -> bool:
    filled = [count for count in counts if count]
    small = sum(is_small(count, sensitivity) for count in filled)
    known = [possible(count, sensitivity) for count in counts]
    return small > _MOST_SMALL * len(filled) or solved(counts, known, total, sensitivity)


def _sum(counts: Iterable[int], sensitivity: Masking) -> Possible:
    known = [possible(count, sensitivity) for count in counts]
    return Possible(sum(part.low for part in known), sum(part.high for part in known))
