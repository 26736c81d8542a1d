"""The tables of a pack, the same on the page and in the workbook."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from ...shared.change import RateChange
from ...shared.windows import month_words
from .denominators import Divisor
from .model import NOT_HELD, NOTHING_HELD, PART, AreaLine, Mode, NeedsPack, Service, Told
from .models import Kind

Cell = str | int | float | Told | RateChange | None


class Shown(Enum):
    """How a column is shown."""

    TEXT = "text"
    NUMBER = "number"
    SHARE = "share"
    RATE = "rate"


@dataclass(frozen=True)
class Column:
    """A column with its title."""

    title: str
    shown: Shown = Shown.NUMBER


@dataclass(frozen=True)
class Table:
    """A table; ``name`` is that of its sheet, in at most 31 letters."""

    name: str
    title: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    note: str = ""


_TEXT = Shown.TEXT
_CHANGE = (Column("Change", Shown.SHARE), Column("at least", Shown.SHARE), Column("at most", Shown.SHARE))


def change_cells(change: RateChange | None) -> list[Cell]:
    """The change with the bounds of its interval, as shares; nothing where there is none."""
    if change is None or change.ratio is None:
        return [None, None, None]
    return [change.ratio - 1, change.low - 1, None if math.isinf(change.high) else change.high - 1]


def overview(pack: NeedsPack) -> Table:
    """The services beside each other, without a total."""
    kinds = list(pack.divisors)
    rows: list[list[Cell]] = []
    for one in pack.services:
        own, london = one.own, one.london
        rows.append(
            [
                one.definition.title,
                one.now_window.label,
                one.now,
                one.before,
                *change_cells(one.change),
                *(own.rates.get(kind) for kind in kinds),
                *(london.rates.get(kind) if london else None for kind in kinds),
            ]
        )
    columns = [
        Column("Service", _TEXT),
        Column("Twelve months", _TEXT),
        Column("Incidents"),
        Column("Before"),
        *_CHANGE,
    ]
    columns += [Column(f"Per {kind.per:,} {kind.words}", Shown.RATE) for kind in kinds]
    columns += [Column(f"London per {kind.per:,} {kind.words}", Shown.RATE) for kind in kinds]
    return Table(
        "Overview",
        "What each service recorded",
        columns,
        rows,
        "Each line is one service’s own count. They are not added up: an event may be in several."
        + (f" {_divide_by(pack.divisors)}" if kinds else ""),
    )


def beside(pack: NeedsPack) -> Table:
    """All services month by month, in columns beside each other; months of which none tells anything have no line."""
    told = {month for one in pack.services for month, count in one.months.items() if _tells(count)}
    months = sorted(told, reverse=True)
    rows: list[list[Cell]] = [[_short(month), *(one.months.get(month) for one in pack.services)] for month in months]
    return Table(
        "Months",
        "The services’ months beside each other",
        [Column("Month", _TEXT), *(Column(one.definition.title) for one in pack.services)],
        rows,
        f"Never added up across a line. {NOT_HELD}: not held. {PART}: one of the months told together above. Months of "
        "which there is nothing to tell, or which are all told together above, have no line.",
    )


def _tells(count: Told) -> bool:
    return count is not NOTHING_HELD and count.words not in (NOT_HELD, PART)


def categories(one: Service) -> Table:
    """The categories of a service, most first."""
    rows: list[list[Cell]] = [
        [line.label, line.now, line.share, line.cumulative, line.before, *change_cells(line.change)]
        for line in one.categories
    ]
    title = one.definition.field(one.definition.category_field).alias
    columns = [
        Column(title, _TEXT),
        Column("Incidents"),
        Column("Share", Shown.SHARE),
        Column("So far", Shown.SHARE),
        Column("Before"),
        *_CHANGE,
    ]
    return Table(f"{one.definition.code} categories", f"{title}, {one.now_window.label}", columns, rows)


def lsoas(pack: NeedsPack, one: Service, most: int | None = None) -> Table:
    """The LSOAs of a service, most first."""
    shown = [line for line in one.lsoas if most is None or line.count.count][:most]
    rated = any(line.rates for line in shown)
    rows: list[list[Cell]] = [
        [line.code, line.name, line.count, *([line.rates.get(Kind.RESIDENTS)] if rated else [])] for line in shown
    ]
    columns = [Column("LSOA", _TEXT), Column("Name", _TEXT), Column("Incidents")]
    if rated:
        columns.append(Column("Per 1,000 residents", Shown.RATE))
    if most is None:
        rows.append(["", "No LSOA is known", one.no_lsoa, *([None] if rated else [])])
    note = _divide_by({Kind.RESIDENTS: pack.lsoa_residents}) if rated and pack.lsoa_residents else ""
    return Table(f"{one.definition.code} LSOAs", f"LSOAs, {one.now_window.label}", columns, rows, note)


def week(one: Service) -> Table | None:
    """Weekdays by hours of a service."""
    if one.week is None:
        return None
    names = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
    step = one.week.step
    hours = [f"{at:02d}:00–{at + step - 1:02d}:59" for at in range(0, 24, step)]
    rows: list[list[Cell]] = [
        [" to ".join(dict.fromkeys((names[days[0]], names[days[-1]]))), *row]
        for days, row in zip(one.week.days, one.week.cells, strict=True)
    ]
    rows.append(["Weekday or hour not known", one.week.unknown, *([None] * (len(hours) - 1))])
    columns = [Column("Weekday", _TEXT), *(Column(hour) for hour in hours)]
    return Table(f"{one.definition.code} week", f"Weekday and hour, {one.now_window.label}", columns, rows)


def comparison(pack: NeedsPack, one: Service, near: bool = False) -> Table:
    """The boroughs of a service, and those together; ``near``: only the borough and those that border it."""
    kinds = list(pack.divisors) if any(line.rates for line in one.boroughs) else []

    def row(line: AreaLine) -> list[Cell]:
        mark = " †" if line.few_residents else ""
        beside = "this borough" if line.own else "borders it" if line.peer else ""
        return [f"{line.name}{mark}", beside, line.count, *(line.rates.get(kind) for kind in kinds)]

    rows = [row(line) for line in one.boroughs if line.own or line.peer or not near]
    if one.london:
        rows.append(row(one.london))
    columns = [Column("Borough", _TEXT), Column("Neighbour", _TEXT), Column("Incidents")]
    columns += [Column(f"Per {kind.per:,} {kind.words}", Shown.RATE) for kind in kinds]
    note = _divide_by(pack.divisors) if kinds else ""
    return Table(f"{one.definition.code} boroughs", f"Boroughs, {one.now_window.label}", columns, rows, note)


def numbers(pack: NeedsPack) -> list[Table]:
    """The datasets that hold numbers of areas."""
    made = []
    for one in pack.numbers:
        columns = [
            Column("Measure", _TEXT),
            Column(one.definition.field(one.definition.category_field).alias, _TEXT),
            Column(month_words(one.month)),
            Column(month_words(one.month_before)),
        ]
        rows: list[list[Cell]] = [[line.measure, line.category, line.now, line.before] for line in one.lines]
        title = f"{one.definition.title}, periods that end with {month_words(one.month)} and a year before"
        made.append(Table(one.definition.code, title, columns, rows, "The numbers are not added up."))
    return made


def quality(pack: NeedsPack) -> Table:
    """How complete and how exact each service's year is."""
    columns = [
        Column("Service", _TEXT),
        Column("Release", _TEXT),
        Column("Months held of the twelve"),
        Column("Returns", _TEXT),
        Column("Place known to 100 m"),
        Column("less exactly"),
        Column("no point"),
        Column("no LSOA"),
        Column("Hour not known"),
    ]
    rows: list[list[Cell]] = []
    for one in pack.services:
        places = one.places
        returns = f"{one.returns.count} of {one.returns.of}" if one.returns else "–"
        published = f", {one.published_on:%-d %b %Y}" if one.published_on else ""
        rows.append(
            [
                one.definition.title,
                f"{one.release}{published}",
                one.held,
                returns,
                *((places.exact, places.coarse, places.none) if places else (None, None, None)),
                one.no_lsoa,
                one.week.unknown if one.week else None,
            ]
        )
    return Table("Quality", "Quality and coverage of the data", columns, rows)


def denominators(pack: NeedsPack) -> Table:
    """What rates divide by."""
    rows: list[list[Cell]] = [
        [kind.words, divisor.edition, divisor.of([pack.borough_code]), divisor.source]
        for kind, divisor in pack.divisors.items()
    ]
    columns = [Column("What", _TEXT), Column("Edition", _TEXT), Column(f"In {pack.borough}"), Column("Source", _TEXT)]
    return Table("Denominators", "What rates are divided by", columns, rows)


def _divide_by(divisors: Mapping[Kind, Divisor]) -> str:
    """The editions beside a table of rates: of synthetic numbers they say that they are."""
    return "Rates divide by " + "; ".join(f"{kind.words}, {one.edition}" for kind, one in divisors.items()) + "."


def _short(month: str) -> str:
    words = month_words(month)
    return f"{words[:3]} {words[-4:]}"


def all_tables(pack: NeedsPack) -> list[Table]:
    """Every table of the pack."""
    made = [overview(pack), beside(pack)]
    for one in pack.services:
        made += [table for table in (categories(one), week(one)) if table is not None]
        made += [comparison(pack, one)]
        if one.lsoas:
            made.append(lsoas(pack, one))
    made += [*numbers(pack), quality(pack), denominators(pack)]
    return [table for table in made if table.rows]


def basis(pack: NeedsPack) -> list[str]:
    """What the figures rest on, in sentences."""
    if pack.mode is Mode.PUBLIC:
        smallest = sorted({part.threshold for part in pack.parts})
        told = " or ".join(f"{number}" for number in smallest)
        counts = (
            f"Counts below {told}, by the supplier’s terms, are withheld (“<{smallest[0]}”), with further ones (“*”) "
            "so that they cannot be worked out; all others are rounded to the nearest 5, so that parts may not add up. "
            "Shares, changes, rates and sums of twelve months are made of rounded counts."
        )
    else:
        counts = "Counts are true ones, small ones too: this pack is not to be published."
    rates = (
        _divide_by(pack.divisors)
        if pack.divisors
        else "There are no rates: no residents, workday population or licensed premises are loaded to divide by."
    )
    return [
        counts,
        "A change compares twelve months with the twelve before; “at least” and “at most” bound it with 95 % "
        "confidence (the ratio of two Poisson counts, exact).",
        rates,
        f"Boundaries: {pack.edition}. There are no ward boundaries and no ward codes in the data: maps are by LSOA.",
        "For prevention alone: not for enforcement or prosecution, and nobody is to be sought behind a number.",
    ]
