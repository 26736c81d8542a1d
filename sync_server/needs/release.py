"""One dataset's counts made fit to be published together: one release, from which nothing small can be solved.

Year, months, week, categories, LSOAs and places are all parts of the same total. Each chart and column narrows what a
reader knows of that total, and the total narrows each of them; so they are withheld in turn until what is known of
the totals changes no more, and no small count is narrowed by it. Rates, shares, changes and sums of months are made of
published counts alone, and tell nothing new.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from ...shared.disclosure import WITHHELD, published_count, small_mark
from ...shared.published_charts import Charts, Year, published_charts, solved
from ...shared.published_rows import Counted, Group, grouped
from ...shared.small_counts import UNBOUNDED, Possible, is_small, largest_masked, possible
from .model import Places, Told, Week

MOST_CATEGORIES = 12
_DAYS, _HOURS = range(7), range(24)


@dataclass(frozen=True)
class Exact:
    """The counts of a dataset in a borough. ``before`` is ``None`` where its year is not held in full."""

    by_month: Sequence[int | None]  # the newest last; None where not held
    now: Mapping[str, int]
    before: Mapping[str, int] | None
    by_lsoa: Mapping[str, int]  # every LSOA of the borough and "" for none; empty where not known
    by_hour: Mapping[tuple[int, int], int] | None
    places: tuple[int, int, int] | None  # exact, coarse, none

    @property
    def of_now(self) -> int:
        """The year's total."""
        return sum(self.now.values())

    @property
    def of_before(self) -> int | None:
        """The year before's."""
        return None if self.before is None else sum(self.before.values())


@dataclass(frozen=True)
class Released:
    """The same as it is shown; what cannot be shown is empty or ``None``.

    ``step``: of how many months each of ``by_month`` is a block.
    """

    now: Told
    before: Told | None
    by_month: Sequence[Told | None]
    step: int
    categories: Sequence[tuple[str, Told, Told | None]]
    by_lsoa: Mapping[str, Told]
    week: Week | None
    places: Places | None


def exact_release(exact: Exact) -> Released:
    """True counts, as those see them who work with them."""
    before = exact.before
    ordered = sorted({*exact.now, *(before or ())}, key=lambda name: (-exact.now.get(name, 0), name))
    week = None
    if exact.by_hour is not None:
        cells = [[Told(exact.by_hour.get((day, hour), 0)) for hour in _HOURS] for day in _DAYS]
        week = Week([[day] for day in _DAYS], 1, cells, Told(exact.of_now - sum(exact.by_hour.values())))
    return Released(
        now=Told(exact.of_now),
        before=None if before is None else Told(sum(before.values())),
        by_month=[None if count is None else Told(count) for count in exact.by_month],
        step=1,
        categories=[
            (name, Told(exact.now.get(name, 0)), None if before is None else Told(before.get(name, 0)))
            for name in ordered
        ],
        by_lsoa={code: Told(count) for code, count in exact.by_lsoa.items()},
        week=week,
        places=None if exact.places is None else Places(*map(Told, exact.places)),
    )


def public_release(exact: Exact, threshold: int, sensitive: Collection[str] = ()) -> Released:
    """The counts as they may be published together; those below ``threshold`` are small.

    ``sensitive``: categories that have no line of their own.
    """
    return _Release(exact, max(threshold, 1) - 1, sensitive).released()


class _Release:
    """Withholds until nothing small can be solved."""

    def __init__(self, exact: Exact, largest: int, sensitive: Collection[str]) -> None:
        self._exact = exact
        self._largest = largest
        before = exact.before
        names = {*exact.now, *(before or ())}
        self._groups = grouped(
            [
                Counted(name, (exact.now.get(name, 0),), None if before is None else (before.get(name, 0),))
                for name in sorted(names)
            ],
            (exact.of_now,),
            largest,
            sensitive,
            MOST_CATEGORIES,
        )

    def released(self) -> Released:
        exact, largest = self._exact, self._largest
        totals = [exact.of_now, *([] if exact.of_before is None else [exact.of_before])]
        if any(is_small(total, largest) for total in totals):
            return self._totals_alone(totals)
        known = [possible(total, largest) for total in totals]
        while True:
            charts = self._charts([Year(*pair) for pair in zip(totals, known, strict=True)])
            found = list(charts.years)
            week = self._week(charts, found[0])
            if week is not None:
                found[0] = found[0].also(week.sums)
            now = self._column([group.now[0] for group in self._groups], found, 0)
            before = self._column([group.before[0] for group in self._groups if group.before], found, 1)
            lsoas = self._column(list(exact.by_lsoa.values()), found, 0)
            places = self._column(list(exact.places or ()), found, 0)
            if found == known:
                break
            known = found
        return Released(
            now=self._told(totals[0]),
            before=self._told(totals[1]) if len(totals) > 1 else None,
            by_month=self._months(charts),
            step=charts.trend_step,
            categories=self._categories(now, before),
            by_lsoa=dict(zip(exact.by_lsoa, lsoas.shown, strict=True)) if lsoas else {},
            week=week.shown if week else None,
            places=Places(*places.shown) if places else None,
        )

    def _charts(self, years: Sequence[Year]) -> Charts:
        exact = self._exact
        hours = None
        if exact.by_hour is not None:
            hours = tuple(tuple(exact.by_hour.get((day, hour), 0) for hour in _HOURS) for day in _DAYS)
        return published_charts(hours, self._unknown_hour, exact.by_month, years, self._largest)

    @property
    def _unknown_hour(self) -> int:
        by_hour = self._exact.by_hour
        return 0 if by_hour is None else self._exact.of_now - sum(by_hour.values())

    def _week(self, charts: Charts, total: Possible) -> _PublishedWeek | None:
        """The blocks of the week; none where these and the total would tell a small number of unknown hours."""
        by_hour = self._exact.by_hour
        if charts.hours is None or by_hour is None:
            return None
        step, largest = charts.hour_step, self._largest
        rows = [
            [sum(by_hour.get((day, at + hour), 0) for day in days for hour in range(step)) for at in _HOURS[::step]]
            for days in charts.weekdays
        ]
        counts = [count for row in rows for count in row] + [self._unknown_hour]
        known = [possible(count, largest) for count in counts]
        if solved(counts, known, total, largest):
            return None
        cells = [[self._told(count) for count in row] for row in rows]
        return _PublishedWeek(Week(charts.weekdays, step, cells, self._told(self._unknown_hour)), _sum(known))

    def _column(self, counts: Sequence[int], found: list[Possible], year: int) -> _Column | None:
        """The parts of a year's total, which ``found`` knows more of then; ``None`` where they cannot be told."""
        if not counts or year >= len(found):
            return None
        column = _withheld(counts, found[year], self._largest)
        if column is not None:
            found[year] = found[year].also(column.sums)
        return column

    def _categories(self, now: _Column | None, before: _Column | None) -> list[tuple[str, Told, Told | None]]:
        if now is None:
            return []
        older = before.shown if before is not None else [None] * len(self._groups)
        lines = [
            (_label(group), told, earlier) for group, told, earlier in zip(self._groups, now.shown, older, strict=True)
        ]
        single = {_label(group) for group in self._groups if group.single}
        # In the order of what is shown: their own would tell which of two withheld counts is larger.
        return sorted(lines, key=lambda line: (line[0] not in single, -(line[1].count or 0), line[0]))

    def _months(self, charts: Charts) -> list[Told | None]:
        """Each month with its block's count; small ones withheld, ``None`` where not held or not told at all."""
        months, step = self._exact.by_month, charts.trend_step
        told = any(count is not None for count in charts.trend)
        shown: list[Told | None] = []
        for at, count in enumerate(charts.trend):
            end = len(months) - (len(months) - 1 - at) // step * step  # blocks are counted from the newest month
            held = None not in months[end - step : end]
            shown.append(Told(count, "" if count is not None else small_mark(self._largest)) if told and held else None)
        return shown

    def _totals_alone(self, totals: Sequence[int]) -> Released:
        return Released(
            now=self._told(totals[0]),
            before=self._told(totals[1]) if len(totals) > 1 else None,
            by_month=[None] * len(self._exact.by_month),
            step=1,
            categories=[],
            by_lsoa={},
            week=None,
            places=None,
        )

    def _told(self, count: int) -> Told:
        shown = published_count(count, self._largest)
        return Told(shown, "" if shown is not None else small_mark(self._largest))


@dataclass(frozen=True)
class _Column:
    shown: list[Told]
    sums: Possible


@dataclass(frozen=True)
class _PublishedWeek:
    shown: Week
    sums: Possible


def _withheld(counts: Sequence[int], total: Possible, largest: int) -> _Column | None:
    """Counts of which the smallest are withheld until none that is small is narrowed; ``None`` where that fails."""
    known = [possible(count, largest) for count in counts]
    marks = [small_mark(largest) if is_small(count, largest) else "" for count in counts]
    while solved(counts, known, total, largest):
        standing = [at for at, mark in enumerate(marks) if not mark and counts[at]]
        if not standing:
            return None
        smallest = min(standing, key=lambda at: counts[at])
        marks[smallest] = WITHHELD
        known[smallest] = Possible(largest_masked(largest) + 1, UNBOUNDED)
    shown = [
        Told(None, mark) if mark else Told(published_count(count, largest))
        for count, mark in zip(counts, marks, strict=True)
    ]
    return _Column(shown, _sum(known))


def _sum(known: Sequence[Possible]) -> Possible:
    return Possible(sum(part.low for part in known), min(sum(part.high for part in known), UNBOUNDED))


def _label(group: Group) -> str:
    return group.categories[0] if group.single else f"Other ({len(group.categories)} categories)"
