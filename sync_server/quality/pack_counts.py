"""From exact counts to those of a pack: masked and rounded, with what may be told beside each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from sqlalchemy.orm import Session

from ...shared.disclosure import SMALLEST_BASE, PublishedCount, published_change, published_share
from ..agreements.opened import Scope
from ..datasets.areas import AreaIndex
from ..datasets.definitions import DatasetDefinition
from ..instants import now
from ..oversight.periods import month_in_words
from ..services import Services
from .card import is_synthetic
from .counting import HOURS, WEEKDAYS, Counts, Publisher, second_field
from .pack import Line, Pack, TrendMonth
from .register import CAME, Register, SiteMonth, Standing, earlier

YEAR = 12
TREND = 13
_SIMPLIFIED_M = 150
BANDS = tuple((first, first + 2) for first in range(0, HOURS, 3))
_MOST_LISTED = 8
_NOT_IN_IT = (Standing.MISSING, Standing.TAKEN_BACK, Standing.UNPUBLISHED)
_UNKNOWN = "Unknown"  # as code lists call it


def pack_of(
    services: Services,
    definition: DatasetDefinition,
    permitted: Scope,
    areas: AreaIndex,
    counts: Counts,
    register: Register,
    organisation: str,
    borough: str,
    session: Session,
) -> Pack:
    """The pack of a borough ("": of all London) for an organisation, of what it is permitted and the register says."""
    publisher = Publisher(permitted.threshold)
    opened = _open_months(permitted, register.months)
    year, month = counts.year, counts.month
    before = earlier(month, YEAR)
    year_before = register.months[:YEAR]
    # Months stand beside their total, and the month beside its parts.
    by_month, of_year = publisher.months({each: counts.by_month.get(each, 0) for each in year})
    of_month = by_month[month]
    of_month_before = publisher.one(counts.by_month.get(before, 0)) if before in opened else None
    # A number is told, and a change, where (nearly) all returns came: of months that are open, none before the first.
    month_whole, year_whole = register.whole(month), register.whole(*year)
    months_whole = month_whole and before in opened and register.whole(before)
    all_owed = bool(register.first) and register.first <= register.months[0] and set(register.months) <= opened
    years_whole = year_whole and all_owed and register.whole(*year_before)
    last_year = publisher.one(sum(counts.last_year.values())) if years_whole else None
    change = published_change(of_month, of_month_before) if months_whole else None
    change_of_year = published_change(of_year, last_year)
    known = {day: dict.fromkeys(range(HOURS), 0) for day in WEEKDAYS}
    for (day, hour), number in counts.by_hour.items():
        if day in known and hour in known[day]:
            known[day][hour] += number
    timed = sum(sum(hours.values()) for hours in known.values())
    has_hours = {"weekday", "hour"} <= {field.name for field in permitted.columns}
    cells, _ = publisher.column([known[day][hour] for day in WEEKDAYS for hour in range(HOURS)])
    kind = second_field(definition)
    names = register_names(register)
    boroughs, nowhere = _boroughs(publisher, areas, counts, years_whole)
    quality = [one for one in register.of_month(month) if one.standing != Standing.NOT_EXPECTED]
    cells_of_year = [register.at(site.code, each) for site in register.sites for each in year]
    return Pack(
        definition=definition,
        month=month,
        year=year,
        months_here=sum(each in opened and register.whole(each) for each in year),
        organisation=organisation,
        borough=areas.boroughs.get(borough, ""),
        borough_code=borough,
        of_month=of_month,
        of_month_before=of_month_before,
        change=change,
        no_change=no_change_told(months_whole, change, f"{month_in_words(before)} is not whole here"),
        of_year=of_year,
        change_of_year=change_of_year,
        no_change_of_year=no_change_told(years_whole, change_of_year, "the twelve months before are not whole here"),
        returns_of_month=register.returns(month),
        returns_of_year=register.returns(*year),
        month_whole=month_whole,
        year_whole=year_whole,
        years_whole=years_whole,
        least_returns=register.least_returns,
        trend=[_trend(publisher, counts, by_month, register, opened, each) for each in register.months[-TREND:]],
        category=definition.field(definition.category_field).alias,
        categories=_lines(publisher, counts.by_category),
        categories_of_month=_parts_of(of_month, _lines(publisher, counts.category_of_month)),
        kind=kind.alias if kind else "",
        kinds=_lines(publisher, counts.by_kind)[:_MOST_LISTED],
        sites=_lines(publisher, {names.get(code or "", code): number for code, number in counts.by_site.items()})[
            :_MOST_LISTED
        ],
        boroughs=[] if borough else boroughs,
        nowhere=nowhere,
        hours=[cells[at * HOURS : (at + 1) * HOURS] for at in range(len(WEEKDAYS))] if has_hours else [],
        weekdays=_in_order(publisher, {day: sum(known[day].values()) for day in WEEKDAYS}) if has_hours else [],
        bands=_in_order(
            publisher,
            {
                f"{first:02d}–{last:02d}:59": sum(
                    known[day][hour] for day in WEEKDAYS for hour in range(first, last + 1)
                )
                for first, last in BANDS
            },
        )
        if has_hours
        else [],
        timed=publisher.one(timed),
        quality=quality,
        quality_rows={} if borough else _rows_of_sites(publisher, of_month, quality),
        missing_in_year=sum(one.standing in _NOT_IN_IT for one in cells_of_year),
        expected_in_year=sum(one.standing not in (Standing.NOT_EXPECTED, Standing.AWAITED) for one in cells_of_year),
        publisher=publisher,
        scope=permitted,
        shapes=areas.borough_shapes(_SIMPLIFIED_M),
        names=areas.boroughs,
        attribution=[definition.attribution, areas.attribution],
        edition=areas.edition,
        synthetic=is_synthetic(session, definition.code),
        made=now(),
    )


def _open_months(permitted: Scope, months: Sequence[str]) -> set[str]:
    """The months that every grant shows which shows any."""
    giving = [grant for grant in permitted.grants if permitted.gives(grant)]
    return {month for month in months if all(grant.covers(month) for grant in giving)}


def register_names(register: Register) -> dict[str, str]:
    """The sites' names by code."""
    return {site.code: site.name for site in register.sites}


def _trend(
    publisher: Publisher,
    counts: Counts,
    of_year: Mapping[str, PublishedCount],
    register: Register,
    opened: set[str],
    month: str,
) -> TrendMonth:
    came, returns = register.counted(month, *CAME), register.returns(month)
    shown = month in opened and came > 0
    count = None
    if shown:
        count = of_year[month] if month in of_year else publisher.one(counts.by_month.get(month, 0))
    return TrendMonth(month, count, shown, came, returns.of, register.whole(month))


def no_change_told(whole: bool, change: float | None, why: str) -> str:
    """Why no change is told: for want of returns, or of incidents."""
    if change is not None:
        return ""
    return f"no change is told: fewer than {SMALLEST_BASE} to compare" if whole else f"no change is told: {why}"


def _lines(publisher: Publisher, counted: Mapping[str | None, int]) -> list[Line]:
    """The most frequent first; what is not known, by whatever name, last."""
    known = {name: number for name, number in counted.items() if name and name != _UNKNOWN}
    order = sorted(known.items(), key=lambda one: (-one[1], one[0]))
    if unknown := counted.get(None, 0) + counted.get(_UNKNOWN, 0):
        order.append((_UNKNOWN, unknown))
    return _in_order(publisher, dict(order))


def _in_order(publisher: Publisher, counted: Mapping[str, int]) -> list[Line]:
    numbers, total = publisher.column(list(counted.values()))
    return [Line(name, number, published_share(number, total)) for name, number in zip(counted, numbers, strict=True)]


def _parts_of(total: PublishedCount, lines: Sequence[Line]) -> list[Line]:
    """The lines; where their total is masked, none that adds up to it."""
    if total is not None:
        return list(lines)
    return [replace(line, count=line.count if line.count == 0 else None, share=None) for line in lines]


def _rows_of_sites(
    publisher: Publisher, total: PublishedCount, quality: Sequence[SiteMonth]
) -> dict[str, PublishedCount]:
    """The rows of each site's return, which add up to about the month's."""
    measured = {one.site.code: one.measure.accepted for one in quality if one.measure}
    lines = _parts_of(total, _in_order(publisher, measured))
    return {line.label: line.count for line in lines}


def _boroughs(publisher: Publisher, areas: AreaIndex, counts: Counts, whole: bool) -> tuple[list[Line], PublishedCount]:
    """The boroughs; and the incidents of none, which are the rest of the same total."""
    codes: list[str] = sorted(areas.boroughs, key=lambda code: areas.boroughs[code])
    exact = [counts.by_borough.get(code, 0) for code in codes]
    (*numbers, nowhere), safe = publisher.column([*exact, counts.by_borough.get(None, 0)])
    total = None if safe is None else publisher.one(sum(exact))
    before = [publisher.one(counts.last_year.get(code, 0)) if whole else None for code in codes]
    return [
        Line(
            areas.boroughs[code], number, published_share(number, total), published_change(number, earlier_count), code
        )
        for code, number, earlier_count in zip(codes, numbers, before, strict=True)
    ], nowhere
