"""When incidents happened, counted: the week, the days, the months, two years, the categories and the boroughs.

A month that was not delivered is ``None`` wherever it would be counted, and what sums over it is ``None``, too: it is
never taken for a month without incidents.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Optional, Union

import numpy as np

from ...shared.aoristic import aoristic_week
from ...shared.areas import strays
from ...shared.change import RateChange, change
from ...shared.ring_answer import SINGLE_DAYS
from ...shared.windows import YEAR
from .periods import Period, month_number, month_of
from .residents import Residents
from .time_rows import HeldMonths, TimeRows

TREND_MONTHS = 36
MOST_CALENDAR_YEARS = 3
PER = 1000  # residents

Count = Optional[Union[int, float]]


@dataclass(frozen=True)
class Week:
    """Counts by weekday (0 Monday) and hour, ``None`` where withheld; in blocks of ``days`` and ``step`` hours.

    ``unknown`` have no day or no hour and are in none of the cells. Where ``weighted``, incidents whose hour is known
    as a span only are spread over it, and cells are sums of shares.
    """

    cells: tuple[tuple[Count, ...], ...]
    unknown: int | None
    counted: int | None
    weighted: bool = False
    spread: int = 0  # of those counted, how many were spread over more than an hour
    days: tuple[tuple[int, ...], ...] = SINGLE_DAYS
    step: int = 1


@dataclass(frozen=True)
class Calendar:
    """Counts of the days from ``first`` on; ``None`` where the day's month was not delivered.

    ``dayless`` incidents of the period are known to the month only.
    """

    first: date
    counts: tuple[int | None, ...]
    dayless: int


@dataclass(frozen=True)
class Month:
    """A month's count, and the sum of the 12 months that end with it; ``None`` where something was not delivered.

    ``mark`` stands in the count's place where it is withheld; ``partial`` where the month is not over in the data.
    """

    month: str
    count: int | None
    year_sum: int | None
    partial: bool = False
    mark: str = ""


@dataclass(frozen=True)
class YearOnYear:
    """Twelve months and the twelve before, month by month; totals and change are of the pairs of which both are held.

    ``marks`` stand for counts that are withheld, in the same shape as ``months``.
    """

    months: tuple[tuple[str, int | None, int | None], ...]  # the newer month, its count, the count a year before
    now: int | None
    before: int | None
    change: RateChange | None
    pairs: int  # of which both months are held
    marks: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Category:
    """A category, its share of all, and the share of it and all before it; ``None`` where withheld."""

    label: str
    count: int | None
    share: float | None
    cumulative: float | None
    mark: str = ""


@dataclass(frozen=True)
class BoroughRate:
    """A borough's incidents, and their rate per 1,000 residents: ``None`` where nobody tells its residents."""

    code: str
    name: str
    count: int | None
    residents: int | None
    rate: float | None
    few_residents: bool = False
    own: bool = False
    peer: bool = False  # it borders the own borough
    mark: str = ""


@dataclass(frozen=True)
class Peers:
    """Boroughs whose incidents are all held, by rate (by count without residents), and all of them together.

    ``partly`` and ``none_held`` name boroughs that are left out: held in part, or without any incident in the layer.
    ``elsewhere`` incidents lie in none of those compared.
    """

    lines: tuple[BoroughRate, ...]
    together: BoroughRate | None
    edition: str
    source: str
    partly: tuple[str, ...]
    none_held: tuple[str, ...]
    elsewhere: int | None
    few_residents: int = 0  # under so many, a borough is flagged

    @property
    def rated(self) -> bool:
        """Whether there is anything to divide by."""
        return bool(self.edition)


def week(rows: TimeRows, weighted: bool = False) -> Week:
    """Incidents by weekday and hour; ``weighted``: aoristic, by spans where a layer tells them and whole days else."""
    if weighted:
        return _weighted_week(rows)
    known = ~np.isnat(rows.days) & ~np.isnan(rows.hours)
    days, hours = weekdays(rows.days[known]), rows.hours[known].astype(int)
    cells = np.bincount(days * 24 + hours, minlength=168).reshape(7, 24)
    return Week(
        cells=tuple(map(tuple, cells.tolist())),
        unknown=int(len(rows) - known.sum()),
        counted=int(known.sum()),
    )


def _weighted_week(rows: TimeRows) -> Week:
    day = rows.days.astype("datetime64[m]")
    hour = np.where(np.isnan(rows.hours), 0, rows.hours).astype("timedelta64[h]")
    timed = ~np.isnat(rows.days) & ~np.isnan(rows.hours)
    # A moment for those whose hour is known, the whole day for those of which only the day is.
    start = day + np.where(timed, hour, np.timedelta64(0, "h"))
    end = np.where(timed, start, day + np.timedelta64(24, "h"))
    told = ~np.isnat(rows.begins)
    start, end = np.where(told, rows.begins, start), np.where(told, rows.ends, end)
    if np.isnat(start).all():
        return Week(((0.0,) * 24,) * 7, len(rows), 0, weighted=True)
    found = aoristic_week(start, end)
    return Week(
        cells=tuple(map(tuple, found.table.tolist())),
        unknown=found.without_start,
        counted=found.incidents,
        weighted=True,
        spread=found.spread + found.whole_week,
    )


def weekdays(days: np.ndarray) -> np.ndarray:
    """0 for Monday … 6 of known days."""
    return (days.astype("datetime64[D]").astype(np.int64) + 3) % 7  # 1 January 1970 was a Thursday


def calendar(rows: TimeRows, period: Period, held: HeldMonths) -> Calendar:
    """Every day of the period, of its last ``MOST_CALENDAR_YEARS`` calendar years where it is longer."""
    earliest = f"{int(period.last[:4]) - MOST_CALENDAR_YEARS + 1:04d}-01"
    months = [month for month in _months(period) if month >= earliest]
    first = np.datetime64(months[0], "D")
    end = np.datetime64(months[-1], "M") + 1
    length = int((end.astype("datetime64[D]") - first).astype(int))
    here = rows.within(months[0], months[-1])
    known = here & ~np.isnat(rows.days)
    offsets = (rows.days[known] - first).astype(np.int64)
    inside = (offsets >= 0) & (offsets < length)
    counts = np.bincount(offsets[inside], minlength=length)
    month_of_day = (first + np.arange(length)).astype("datetime64[M]").astype(str)
    delivered = np.isin(month_of_day, sorted(held.months))
    told = [int(count) if there else None for count, there in zip(counts, delivered)]
    if held.partial:  # days after the last that was told are not days without incidents
        last = int(offsets[inside].max()) if inside.any() else -1
        for place in range(last + 1, length):
            if month_of_day[place] in held.partial:
                told[place] = None
    return Calendar(first.astype(object), tuple(told), int(here.sum() - inside.sum()))


def rolling(rows: TimeRows, last: str, held: HeldMonths, months: int = TREND_MONTHS) -> tuple[Month, ...]:
    """The months that end with ``last``, none before the first that was delivered, each with its 12 months' sum."""
    if not held.months:
        return ()
    counts = month_counts(rows, held)
    first = max(month_number(last) - months + 1, month_number(min(held.months)))
    found = []
    for number in range(first, month_number(last) + 1):
        month = month_of(number)
        year = [_whole(counts, held, month_of(one)) for one in range(number - YEAR + 1, number + 1)]
        whole = [count for count in year if count is not None]
        found.append(
            Month(
                month,
                counts.get(month),
                sum(whole) if len(whole) == YEAR else None,
                partial=month in held.partial,
            )
        )
    return tuple(found)


def year_on_year(rows: TimeRows, last: str, held: HeldMonths) -> YearOnYear:
    """The 12 months that end with ``last`` beside the 12 before; months not over are no pair."""
    counts = month_counts(rows, held)
    pairs = []
    for number in range(month_number(last) - YEAR + 1, month_number(last) + 1):
        month, former = month_of(number), month_of(number - YEAR)
        pairs.append((month, _whole(counts, held, month), _whole(counts, held, former)))
    both = [(now, before) for _, now, before in pairs if now is not None and before is not None]
    now, before = sum(pair[0] for pair in both), sum(pair[1] for pair in both)
    return YearOnYear(
        tuple(pairs),
        now if both else None,
        before if both else None,
        change(now, before) if both and now + before else None,
        len(both),
    )


def month_counts(rows: TimeRows, held: HeldMonths) -> dict[str, int]:
    """The count of every month that was delivered, 0 for one without any of these rows."""
    known = rows.months[~np.isnat(rows.months)].astype(np.int64)  # since January 1970
    first = int(known.min()) if known.size else 0
    counted = np.bincount(known - first)
    found = {month: month_number(month) - month_number("1970-01") - first for month in held.months}
    return {month: int(counted[at]) if 0 <= at < len(counted) else 0 for month, at in found.items()}


def _whole(counts: Mapping[str, int], held: HeldMonths, month: str) -> int | None:
    return None if month in held.partial else counts.get(month)


def pareto(rows: TimeRows, labels: Mapping[str, str]) -> tuple[Category, ...]:
    """The categories, the most frequent first, with shares that add up; none of no rows."""
    counts: dict[str, int] = {}
    for code, number in rows.categories.counts().items():
        label = labels.get(code, code) or "Not stated"
        counts[label] = counts.get(label, 0) + number
    total, so_far, lines = len(rows), 0, []
    for label, count in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])):
        so_far += count
        lines.append(Category(label, count, count / total, so_far / total))
    return tuple(lines)


def peers(
    rows: TimeRows,
    names: Mapping[str, str],
    lsoas: Mapping[str, Sequence[str]],
    areas: Sequence[str],
    residents: Residents | None,
    own: str = "",
    neighbours: Sequence[str] = (),
    in_layer: Mapping[str, int] | None = None,
) -> Peers:
    """The boroughs of ``names`` (by code) compared by the incidents of ``rows`` per 1,000 residents.

    ``areas``: codes of boroughs and LSOAs whose incidents are held (empty: nobody has told, and what occurs is taken
    to be held); ``lsoas`` are those of each borough. A borough held in part would look quieter than it is: it is left
    out. So is one that the layer has nothing of at any time, or only strays: ``in_layer`` are all its rows by borough.
    """
    counts = rows.boroughs.counts()
    ever = counts if in_layer is None else in_layer
    there = set(areas)
    whole = {code for code in names if not there or code in there or (lsoas.get(code) and there >= set(lsoas[code]))}
    touched = {code for code in names if code in there or there & set(lsoas.get(code, ()))} - whole
    strayed = strays(whole, names, {code: number for code, number in ever.items() if code in names})
    whole -= strayed
    partly = strayed | touched | {code for code in counts if code in names and code not in whole}
    none_held = {code for code in whole if not ever.get(code) and not counts.get(code)}
    lines = []
    for code in whole - none_held:
        inhabitants = residents.values.get(code) if residents is not None else None
        few = bool(inhabitants) and residents is not None and inhabitants < residents.few
        lines.append(_rate(code, names[code], counts.get(code, 0), inhabitants, few, code == own, code in neighbours))
    lines.sort(key=lambda line: (line.rate is None, -(line.rate or 0), -(line.count or 0), line.name))
    shown = sum(line.count or 0 for line in lines)
    rated = [line for line in lines if line.residents]
    together = None
    if len(lines) > 1 and (residents is None or len(rated) == len(lines)):
        inhabitants = sum(line.residents or 0 for line in lines) or None
        together = _rate("", _together(lines, names), shown, inhabitants)
    return Peers(
        lines=tuple(lines),
        together=together,
        edition=residents.edition if residents is not None and rated else "",
        source=residents.source if residents is not None and rated else "",
        partly=tuple(sorted(names[code] for code in partly)),
        none_held=tuple(sorted(names[code] for code in none_held)),
        elsewhere=len(rows) - shown,
        few_residents=residents.few if residents is not None else 0,
    )


def _rate(
    code: str,
    name: str,
    count: int,
    residents: int | None,
    few: bool = False,
    own: bool = False,
    peer: bool = False,
) -> BoroughRate:
    return BoroughRate(
        code,
        name,
        count,
        residents,
        PER * count / residents if residents else None,
        few_residents=few,
        own=own,
        peer=peer,
    )


def _together(lines: Sequence[BoroughRate], names: Mapping[str, str]) -> str:
    missing = [name for code, name in names.items() if code not in {line.code for line in lines}]
    if not missing:
        return "London"
    return f"London without {missing[0]}" if len(missing) == 1 else f"These {len(lines)} boroughs"


def _months(period: Period) -> list[str]:
    return [month_of(n) for n in range(month_number(period.first), month_number(period.last) + 1)]
