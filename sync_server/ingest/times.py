"""When it was: columns of dates and times made into days, times of day and the month that a row belongs to.

Whether the day or the month comes first is decided once for a file, from all its rows, and told.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta

import polars as pl

from ...shared.manifest import UNDATED
from ..datasets.definitions import DatasetDefinition, Undated
from .mappings import DateOrder, Mapping, Parse
from .moments import LONDON, Clock, Moment, read_clock, read_moment

OCCURRED, ARRIVED = "occurred", "arrived"
DATE_METHOD = "date_method"  # a declared field of this name tells how the day was found
STATED, WORKED_OUT = "stated", "worked-out"

_EARLIEST_YEAR = 1990
_TIME_FORMATS = ("%H:%M:%S", "%H:%M")
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_NIGHT_BEGINS = 18
# So much more of the ambiguous dates must lie in the file's own months under one order than under the other.
_PLAINLY = 4
_UNTOLD = "a date whose day and month cannot be told apart"


@dataclass
class TimeNotes:
    """What is told of a file's dates and times."""

    order: str = ""
    told: Counter[str] = field(default_factory=Counter)

    def lines(self, name: str) -> list[str]:
        """Sentences for the report."""
        lines = [f"{name}: {self.order}."] if self.order else []
        return lines + [f"{name}: {number:,} {what}." for what, number in self.told.items() if number]


@dataclass
class _Column:
    """A column of dates: each text once, with what it says and what it came to."""

    prefix: str
    texts: list[str]
    rows: list[int]  # how many rows have each
    moments: list[Moment]


def with_times(
    frame: pl.DataFrame, definition: DatasetDefinition, mapping: Mapping, today: date, months: Sequence[str] = ()
) -> tuple[pl.DataFrame, TimeNotes]:
    """``period`` and ``month``, and of datasets that know the day also date, time, hour and weekday; what is to be
    told of them. ``months`` are those that the file's name and titles name.

    The period of undated rows that are kept is "", their month null.
    """
    notes = TimeNotes()
    parsed = {source.target: source.parse for source in mapping.sources}
    if definition.date_precision == "month":
        frame = _with_months(frame)
    elif parsed.get("occurred_on") == Parse.INSTANT:
        frame = _with_instants(frame)
    else:
        frame = _with_days(frame, mapping, months, notes)
    first, given = pl.col("_first"), pl.col("_given")
    keep = definition.undated == Undated.KEEP
    undated = given.is_null()
    reasons = [
        pl.col("reason"),
        pl.when(undated & pl.lit(not keep)).then(pl.lit("no date")),
        pl.when("_untold").then(pl.lit(_UNTOLD)),
        pl.when(~undated & first.is_null()).then(pl.lit("a date that does not exist")),
        pl.when(first > today).then(pl.lit("a date in the future")),
        pl.when(first.dt.year() < _EARLIEST_YEAR).then(pl.lit(f"a date before {_EARLIEST_YEAR}")),
        pl.when("_wrong_time").then(pl.lit("a time that does not exist")),
    ]
    usable = (first <= today) & (first.dt.year() >= _EARLIEST_YEAR)
    month = pl.when(usable).then(first.dt.strftime("%Y-%m"))
    frame = frame.with_columns(
        pl.coalesce(reasons).alias("reason"),
        pl.when(undated & pl.lit(keep)).then(pl.lit(UNDATED)).otherwise(month).alias("period"),
        month.alias("month"),
    )
    weekdays = {number: label.lower() for number, label in enumerate(_WEEKDAYS, start=1)}
    # Where days stand for their months, none is known.
    day = pl.lit(None, pl.Date) if mapping.month_only else first
    made = {
        "occurred_on": day,
        "occurred_time": pl.col("_time").dt.strftime("%H:%M"),
        "hour": pl.col("_time").dt.hour().cast(pl.Int64),
        "weekday": day.dt.weekday().replace_strict(weekdays, return_dtype=pl.String),
    }
    names = {declared.name for declared in definition.fields}
    frame = frame.with_columns(value.alias(name) for name, value in made.items() if name in names)
    _tell_clock_changes(frame, notes)
    return frame.drop("_first", "_given", "_time", "_wrong_time", "_untold"), notes


# These three give ``_given`` (the text of the date, null where none is known), ``_first`` (the day, or the month's
# first), ``_time`` (or null), ``_wrong_time`` and ``_untold``.


def _with_months(frame: pl.DataFrame) -> pl.DataFrame:
    right = pl.when(pl.col("month").str.contains(r"^\d{4}-(0[1-9]|1[0-2])$")).then("month")
    return frame.with_columns(
        pl.col("month").alias("_given"),
        pl.concat_str(right, pl.lit("-01")).str.to_date("%Y-%m-%d", strict=False).alias("_first"),
        pl.lit(None, pl.Time).alias("_time"),
        pl.lit(False).alias("_wrong_time"),
        pl.lit(False).alias("_untold"),
    )


def _with_instants(frame: pl.DataFrame) -> pl.DataFrame:
    """The day and time in London of an instant, whose time may stand in a column of its own."""
    if "occurred_time" not in frame.columns:
        frame = frame.with_columns(pl.lit(None, pl.String).alias("occurred_time"))
    text = pl.col("occurred_on").str.replace_all("/", "-").str.replace("T", " ").str.replace("Z$", "+00:00")
    # "+00" and parts of seconds, as some exports write them.
    text = text.str.replace(r"\.\d+", "").str.replace(r"(:\d\d ?)([+-]\d\d)$", "${1}${2}:00")
    apart = pl.concat_str(text.str.slice(0, 10), pl.lit(" "), _time_of("occurred_time").dt.strftime("%H:%M:%S"))
    without = pl.when(pl.col("occurred_time").is_null()).then(text).otherwise(apart)
    with_offset = pl.when(pl.col("occurred_time").is_null()).then(text)
    instant = pl.coalesce(
        with_offset.str.to_datetime("%Y-%m-%d %H:%M:%S%z", strict=False, time_unit="us"),
        *(
            without.str.to_datetime(f"%Y-%m-%d {form}", strict=False, time_unit="us").dt.replace_time_zone("UTC")
            for form in _TIME_FORMATS
        ),
    ).dt.convert_time_zone(LONDON.key)
    # A date alone is London's as it stands; one whose time is wrong is right itself.
    alone = pl.when(pl.col("occurred_time").is_null()).then("occurred_on").otherwise(text.str.slice(0, 10))
    formats = ("%Y-%m-%d", "%d %b %Y", "%d %B %Y", "%d/%m/%Y")
    day = pl.coalesce(alone.str.to_date(form, strict=False) for form in formats)
    return frame.with_columns(
        pl.col("occurred_on").alias("_given"),
        pl.coalesce(instant.dt.date(), day).alias("_first"),
        instant.dt.time().alias("_time"),
        (pl.col("occurred_time").is_not_null() & _time_of("occurred_time").is_null()).alias("_wrong_time"),
        pl.lit(False).alias("_untold"),
    )


def _time_of(column: str) -> pl.Expr:
    return pl.coalesce(pl.col(column).str.to_time(form, strict=False) for form in _TIME_FORMATS)


def _with_days(frame: pl.DataFrame, mapping: Mapping, months: Sequence[str], notes: TimeNotes) -> pl.DataFrame:
    prefixes = [prefix for prefix in (OCCURRED, ARRIVED) if f"{prefix}_on" in frame.columns]
    columns = {prefix: _column(frame, prefix) for prefix in prefixes}
    orders = _orders(list(columns.values()), mapping.date_order, months, notes)
    for prefix in reversed(prefixes):  # what is said in words needs the date of arrival
        frame = _joined(frame, columns[prefix], orders[prefix])
        frame = _clocks(frame, prefix)
    if ARRIVED in prefixes:
        frame = _relative(frame, notes)
        frame = _settle_arrival(frame, notes)
    else:
        said = pl.any_horizontal(pl.col("_occurred_weekday", "_occurred_shift", "_occurred_clock").is_not_null())
        frame = frame.with_columns((said & pl.col("_occurred_day").is_null()).alias("_occurred_open"))
    vague = pl.col("_occurred_vague") | pl.col("_occurred_open")
    wrong = pl.col("_occurred_wrong")
    wrong_time = pl.col("_occurred_wrong_time")
    if mapping.in_words:
        notes.told["dates and times that nobody can read were taken as unknown"] += frame.select(
            (wrong_time | (pl.col("_occurred_garbled") & pl.col("_occurred_day").is_null())).sum()
        ).item()
        vague = vague | (pl.col("_occurred_garbled") & pl.col("_occurred_day").is_null())
        wrong_time = pl.lit(False)
    known = pl.col("_occurred_day").is_not_null()
    given = pl.when(known | pl.col("_occurred_untold") | (wrong & ~vague)).then("occurred_on")
    frame = frame.with_columns(
        given.alias("_given"),
        pl.col("_occurred_day").alias("_first"),
        pl.col("_occurred_time").alias("_time"),
        wrong_time.alias("_wrong_time"),
        pl.col("_occurred_untold").alias("_untold"),
    )
    if DATE_METHOD not in frame.columns:
        frame = frame.with_columns(pl.when(known).then(pl.lit(STATED)).alias(DATE_METHOD))
    return frame.drop(name for name in frame.columns if name.startswith(("_occurred_", "_arrived_")))


def _column(frame: pl.DataFrame, prefix: str) -> _Column:
    counted = frame.get_column(f"{prefix}_on").drop_nulls().value_counts(sort=False)
    texts = counted.get_column(f"{prefix}_on").to_list()
    return _Column(prefix, texts, counted.get_column("count").to_list(), [read_moment(text) for text in texts])


def _orders(
    columns: Sequence[_Column], told: DateOrder, months: Sequence[str], notes: TimeNotes
) -> dict[str, DateOrder | None]:
    """The order of each column's dates; ``None`` where their day and month cannot be told apart.

    A day over 12 decides for its column, and for one that has none; then the mapping's word, then the months that
    the file speaks of.
    """
    found: dict[str, set[DateOrder]] = {}
    for column in columns:
        numeric = [moment for moment in column.moments if moment.numeric]
        found[column.prefix] = {DateOrder.DMY for moment in numeric if moment.other is None} | {
            DateOrder.MDY for moment in numeric if moment.day is None
        }
    everywhere = set[DateOrder]().union(*found.values())
    orders: dict[str, DateOrder | None] = {}
    reasons: dict[str, str] = {}
    for column in columns:
        evidence = found[column.prefix] or everywhere
        open_dates = [m for m in column.moments if m.numeric and m.day and m.other and m.day != m.other]
        if len(evidence) == 1:
            orders[column.prefix], reasons[column.prefix] = min(evidence), "days over 12 show"
        elif not open_dates:
            orders[column.prefix] = DateOrder.DMY
        elif evidence:
            orders[column.prefix] = None
            days, months_first = _plain_orders([column] if found[column.prefix] else columns)
            notes.order = (
                f"{days:,} of its dates have the day first and {months_first:,} the month, so that those that could be "
                "either were rejected: put the fewer ones right"
            )
        elif told != DateOrder.AUTO:
            orders[column.prefix], reasons[column.prefix] = told, "the mapping says"
        else:
            orders[column.prefix] = _by_months(open_dates, columns, months)
            reasons[column.prefix] = "the months that it speaks of show"
            if orders[column.prefix] is None:
                notes.order = (
                    "nothing tells whether the day or the month comes first in its dates: say so in its mapping"
                )
    numbers = any(moment.numeric for column in columns for moment in column.moments)
    if numbers and not notes.order and reasons:
        kinds = {orders[prefix] for prefix in reasons}
        words = {DateOrder.DMY: "the day comes first in its dates", DateOrder.MDY: "the month comes first in its dates"}
        if len(kinds) == 1:
            notes.order = f"{words[next(iter(kinds)) or DateOrder.DMY]}, as {next(iter(reasons.values()))}"
        else:
            notes.order = (
                "the day comes first in some of its columns of dates and the month in others, as their days show"
            )
    return orders


def _plain_orders(columns: Sequence[_Column]) -> tuple[int, int]:
    """How many rows have a date that can only have the day first, and only the month."""
    stated = [pair for column in columns for pair in zip(column.moments, column.rows, strict=True) if pair[0].numeric]
    return (
        sum(rows for moment, rows in stated if moment.other is None),
        sum(rows for moment, rows in stated if moment.day is None),
    )


def _by_months(open_dates: Sequence[Moment], columns: Sequence[_Column], months: Sequence[str]) -> DateOrder | None:
    """By the months that the file's name names, and those of its dates that are plain."""
    plain = {
        moment.day.strftime("%Y-%m")
        for column in columns
        for moment in column.moments
        if moment.day and (not moment.numeric or moment.day == moment.other)
    }
    for spoken in (set(months), plain):
        by_day = sum(1 for m in open_dates if m.day and m.day.strftime("%Y-%m") in spoken)
        by_month = sum(1 for m in open_dates if m.other and m.other.strftime("%Y-%m") in spoken)
        if by_day > _PLAINLY * by_month:
            return DateOrder.DMY
        if by_month > _PLAINLY * by_day:
            return DateOrder.MDY
    return None


def _joined(frame: pl.DataFrame, column: _Column, order: DateOrder | None) -> pl.DataFrame:
    """What each row's date came to."""
    prefix = f"_{column.prefix}"
    rows = [_settled(moment, order) for moment in column.moments]
    schema = {
        f"{prefix}_day": pl.Date,
        f"{prefix}_clock": pl.Time,
        f"{prefix}_weekday": pl.Int64,
        f"{prefix}_shift": pl.Int64,
        f"{prefix}_night": pl.Boolean,
        f"{prefix}_vague": pl.Boolean,
        f"{prefix}_wrong": pl.Boolean,
        f"{prefix}_untold": pl.Boolean,
        f"{prefix}_garbled": pl.Boolean,
        f"{prefix}_wrong_clock": pl.Boolean,
    }
    made = pl.DataFrame(rows, schema=schema, orient="row")
    keys = pl.Series(f"{column.prefix}_on", column.texts, dtype=pl.String)
    joined = frame.join(made.with_columns(keys), on=f"{column.prefix}_on", how="left", maintain_order="left")
    flags = [name for name, kind in schema.items() if kind == pl.Boolean]
    return joined.with_columns(pl.col(flags).fill_null(False))


def _settled(moment: Moment, order: DateOrder | None) -> tuple[object, ...]:
    day, untold = moment.day, False
    if moment.numeric:
        if moment.day is None or moment.other is None or moment.day == moment.other:
            day = moment.day or moment.other
        elif order is None:
            day, untold = None, True
        else:
            day = moment.day if order == DateOrder.DMY else moment.other
    clock = moment.clock
    garbled = moment.wrong and moment.clock == Clock()
    return (
        day,
        clock.time,
        moment.weekday,
        moment.shift,
        clock.night,
        moment.vague,
        moment.wrong,
        untold,
        garbled,
        clock.wrong,
    )


def _clocks(frame: pl.DataFrame, prefix: str) -> pl.DataFrame:
    """The time of day: from its own column, else from that of the date."""
    name, own = f"{prefix}_time", f"_{prefix}"
    if name not in frame.columns:
        return frame.with_columns(
            pl.col(f"{own}_clock").alias(f"{own}_time"), pl.col(f"{own}_wrong_clock").alias(f"{own}_wrong_time")
        )
    texts = frame.get_column(name).drop_nulls().unique(maintain_order=True)
    clocks = [read_clock(text) for text in texts]
    made = pl.DataFrame(
        [(text, clock.time, clock.wrong, clock.night) for text, clock in zip(texts, clocks, strict=True)],
        schema={name: pl.String, f"{own}_own": pl.Time, f"{own}_wrong_own": pl.Boolean, f"{own}_own_night": pl.Boolean},
        orient="row",
    )
    joined = frame.join(made, on=name, how="left", maintain_order="left")
    has_own = pl.col(name).is_not_null()
    return joined.with_columns(
        pl.coalesce(f"{own}_own", f"{own}_clock").alias(f"{own}_time"),
        pl.when(has_own)
        .then(pl.col(f"{own}_wrong_own").fill_null(False))
        .otherwise(pl.col(f"{own}_wrong_clock"))
        .alias(f"{own}_wrong_time"),
        (pl.col(f"{own}_night") | pl.col(f"{own}_own_night").fill_null(False)).alias(f"{own}_night"),
    )


def _relative(frame: pl.DataFrame, notes: TimeNotes) -> pl.DataFrame:
    """A weekday, "yesterday": worked out from the day of arrival where it is known, else unknown."""
    arrived, weekday = pl.col("_arrived_day"), pl.col("_occurred_weekday")
    back = (arrived.dt.weekday() - 1 - weekday + 7) % 7
    # On its own day a night that has not begun is that of a week ago, or the one that has just ended: not known.
    too_early = (back == 0) & pl.col("_occurred_night") & (pl.col("_arrived_time").dt.hour() < _NIGHT_BEGINS)
    by_weekday = pl.when(~too_early.fill_null(False)).then(arrived - pl.duration(days=back))
    by_shift = arrived + pl.duration(days=pl.col("_occurred_shift"))
    # A time alone is the last one before the arrival.
    clock, at = pl.col("_occurred_clock"), pl.col("_arrived_time")
    by_clock = pl.when(clock <= at).then(arrived).when(clock > at).then(arrived - pl.duration(days=1))
    alone = clock.is_not_null() & weekday.is_null() & pl.col("_occurred_day").is_null()
    alone = alone & ~pl.col("_occurred_untold") & ~pl.col("_occurred_wrong")
    worked_out = pl.coalesce(
        pl.when(weekday.is_not_null()).then(by_weekday), by_shift, pl.when(alone).then(by_clock)
    ).cast(pl.Date)
    said = weekday.is_not_null() | pl.col("_occurred_shift").is_not_null() | alone
    frame = frame.with_columns(
        pl.coalesce("_occurred_day", worked_out).alias("_occurred_day"),
        pl.when(pl.col("_occurred_day").is_not_null())
        .then(pl.lit(STATED))
        .when(worked_out.is_not_null())
        .then(pl.lit(WORKED_OUT))
        .alias(DATE_METHOD),
    )
    notes.told["dates were worked out from a weekday, “last night” or a time, and the arrival"] += frame.select(
        (pl.col(DATE_METHOD) == WORKED_OUT).sum()
    ).item()
    return frame.with_columns((said & pl.col("_occurred_day").is_null()).alias("_occurred_open"))


def _settle_arrival(frame: pl.DataFrame, notes: TimeNotes) -> pl.DataFrame:
    """``arrived_on`` and ``arrived_time``; a row whose arrival cannot be is told of by its reason."""
    wrong = pl.col("_arrived_wrong")
    day, at = pl.col("_arrived_day"), pl.col("_arrived_time")
    late = (pl.col("_occurred_day") > day) | ((pl.col("_occurred_day") == day) & (pl.col("_occurred_time") > at))
    notes.told["assaults lie after the arrival"] += frame.select(late.fill_null(False).sum()).item()
    reasons = [
        pl.col("reason"),
        pl.when(wrong).then(pl.lit("a date of arrival that does not exist")),
        pl.when("_arrived_untold").then(pl.lit(_UNTOLD)),
    ]
    return frame.with_columns(
        pl.coalesce(reasons).alias("reason"), day.alias("arrived_on"), at.dt.strftime("%H:%M").alias("arrived_time")
    )


def _tell_clock_changes(frame: pl.DataFrame, notes: TimeNotes) -> None:
    """Hours that do not exist, or come twice, on the days when clocks change."""
    known = frame.filter(pl.col("_first").is_not_null() & pl.col("_time").is_not_null())
    sundays = known.filter(
        (pl.col("_first").dt.weekday() == 7)
        & pl.col("_first").dt.month().is_in([3, 10])
        & (pl.col("_first").dt.day() > 24)
        & (pl.col("_time").dt.hour() == 1)
    )
    for day, at in sundays.select("_first", "_time").iter_rows():
        kind = clock_trouble(day, at)
        if kind:
            notes.told[kind] += 1


def clock_trouble(day: date, at: time) -> str:
    """What is wrong with a time of day in London: "" mostly."""
    first, second = (datetime.combine(day, at, LONDON).replace(fold=fold) for fold in (0, 1))
    if first.utcoffset() == second.utcoffset():
        return ""
    if (first.utcoffset() or timedelta()) < (second.utcoffset() or timedelta()):
        return f"times lie in the hour that does not exist on {day.isoformat()}, when the clocks go forward"
    return f"times lie in the hour that comes twice on {day.isoformat()}, when the clocks go back"


def months_of(frame: pl.DataFrame, months: Collection[str]) -> str:
    """The month that a site's return speaks of: that of most arrivals, else the only one that its names name."""
    if "arrived_on" in frame.columns and frame.schema["arrived_on"] == pl.Date:
        found = frame.get_column("arrived_on").drop_nulls().dt.strftime("%Y-%m").value_counts(sort=True)
        if len(found):
            return found.get_column("arrived_on")[0]
    return next(iter(months)) if len(set(months)) == 1 else ""
