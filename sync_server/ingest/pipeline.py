"""From rows of text to incidents: parse, validate, place, assign areas, code, identify. No database in here.

Every step works on whole columns and on unique values. A row that cannot be taken keeps the first reason found;
nothing is guessed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date

import numpy as np
import polars as pl
from convertbng.cutil import convert_bng

from ...shared.manifest import UNDATED
from ..datasets.areas import OUTSIDE, UNPLACED, AreaIndex
from ..datasets.definitions import BUILT_IN_FIELDS, DatasetDefinition, FieldType, Outside, Undated, Within
from ..errors import SafeStatsError
from ..keys import Keys
from .identity import content_hashes, identify
from .mappings import Mapping, Parse, PlaceKind
from .readers import OWNER, RawRows

# The British Isles, generously: beyond them a position is a mistake, not a place.
_LONGITUDES, _LATITUDES = (-11.0, 2.1), (49.0, 61.0)
_EASTINGS, _NORTHINGS = (1, 700_000), (1, 1_300_000)
_EARLIEST_YEAR = 1990
_DATE_FORMATS = ("%Y-%m-%d", "%d %b %Y", "%d %B %Y", "%d/%m/%Y")
_TIME_FORMATS = ("%H:%M:%S", "%H:%M")
_LONDON = "Europe/London"
# A declared field of this name tells how the row's area was found.
_AREA_METHOD = "area_method"
_NO_PLACE = "none"
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")

DUPLICATE = "the same incident a second time in this delivery"
CORRECTED = "an incident that a later row of this delivery corrects"


@dataclass
class Counts:
    """What became of the rows of one file that were not taken, and values that were not."""

    left: Counter[str] = field(default_factory=Counter)  # by the dataset that they belong to
    rejected: Counter[str] = field(default_factory=Counter)  # by reason
    unmapped: Counter[str] = field(default_factory=Counter)  # values in no code list, by field


@dataclass(frozen=True)
class Prepared:
    """One file's rows, and the months that it covers (never that of undated rows, "").

    ``good`` has the declared fields (coded ones as codes), the built-in ones, ``period``, ``area_code``,
    ``supplier_id``, ``area_from``, ``borough_differs``, ``file`` and ``line``; ``bad`` the texts as they came,
    ``file``, ``line`` and ``reason``.
    """

    good: pl.DataFrame
    bad: pl.DataFrame
    months: frozenset[str]
    counts: Counts


def prepare(raw: RawRows, definition: DatasetDefinition, areas: AreaIndex, today: date, name: str) -> Prepared:
    """Make the rows of one file into incidents, all but their identity.

    Raises ``SafeStatsError`` where the whole file belongs to another dataset.
    """
    counts = Counts()
    frame = _texts(raw.frame, raw.mapping)
    frame = _leave_others(frame, raw.mapping, definition, counts, name)
    texts = [column for column in frame.columns if column not in ("file", "line", OWNER, "reason")]
    frame = frame.with_columns(pl.col(column).alias(f"_{column}") for column in texts)
    frame = _times(frame, definition, raw.mapping, today)
    frame = _place(frame, raw.mapping)
    frame = _areas(frame, areas, definition.nearest_within_m)
    if definition.outside == Outside.REJECT:
        outside = pl.when(pl.col("area_code") == OUTSIDE).then(pl.lit("outside London"))
        frame = frame.with_columns(pl.coalesce("reason", outside).alias("reason"))
    frame = _codes(frame, definition, counts)
    missing = [
        pl.when(pl.col(declared.name).is_null()).then(pl.lit(f"no {declared.alias.lower()}"))
        for declared in definition.fields
        if declared.required
    ]
    frame = frame.with_columns(pl.coalesce("reason", *missing).alias("reason"))
    months = frozenset(frame.get_column("period").drop_nulls().unique().to_list()) - {UNDATED}
    good = frame.filter(pl.col("reason").is_null())
    bad = frame.filter(pl.col("reason").is_not_null())
    counts.rejected.update(dict(bad.get_column("reason").value_counts().iter_rows()))
    id_field = definition.identity.id_field
    supplier_id = pl.col(f"_{id_field}") if id_field else pl.lit(None, pl.String)
    wanted = _stored(definition)
    return Prepared(
        good.select(
            "file",
            "line",
            "area_from",
            "borough_differs",
            supplier_id.alias("supplier_id"),
            "period",
            "area_code",
            *wanted,
        ),
        bad.select("file", "line", "reason", *(pl.col(f"_{column}").alias(column) for column in texts)),
        months,
        counts,
    )


def finish(good: pl.DataFrame, definition: DatasetDefinition, keys: Keys) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rows of a whole delivery with ``identity`` and ``content``, codes made labels; and the duplicates, which
    have ``reason``."""
    marked = identify(good, definition.code, keys, definition.identity)
    marked = marked.with_columns(
        pl.col(declared.name).replace_strict(dict(declared.codes), default=None, return_dtype=pl.String)
        for declared in definition.fields
        if declared.codes
    )
    marked = marked.with_columns(content_hashes(marked, ["period", "area_code", *_stored(definition)]))
    rows = marked.filter(~pl.col("duplicate")).drop("duplicate")
    duplicates = marked.filter("duplicate").join(
        rows.select("identity", pl.col("content").alias("_taken")), on="identity", how="left", maintain_order="left"
    )
    other = pl.lit(definition.identity.within == Within.DATASET) & (pl.col("content") != pl.col("_taken"))
    reason = pl.when(other).then(pl.lit(CORRECTED)).otherwise(pl.lit(DUPLICATE))
    return rows, duplicates.select("file", "line", reason.alias("reason"))


def _stored(definition: DatasetDefinition) -> list[str]:
    return [declared.name for declared in (*BUILT_IN_FIELDS, *definition.fields)]


def _texts(frame: pl.DataFrame, mapping: Mapping) -> pl.DataFrame:
    """Trimmed texts, null where there is nothing; a target that the file lacks is all null."""
    cleaned = []
    for source in mapping.sources:
        if source.target not in frame.columns:
            cleaned.append(pl.lit(None, pl.String).alias(source.target))
            continue
        # Control characters are no text: a GeoPackage would end at a NUL what the slice's name proves whole.
        text = pl.col(source.target).str.replace_all(r"[\s\x00-\x1f\x7f]+", " ").str.strip_chars()
        if source.strip_prefix:
            text = text.str.strip_prefix(source.strip_prefix).str.strip_chars()
        nothing = text.is_in(["", *source.empty])
        cleaned.append(pl.when(nothing).then(None).otherwise(text).alias(source.target))
    return frame.with_columns(cleaned).with_columns(pl.lit(None, pl.String).alias("reason"))


def _leave_others(
    frame: pl.DataFrame, mapping: Mapping, definition: DatasetDefinition, counts: Counts, name: str
) -> pl.DataFrame:
    if not mapping.owner_headers or frame.is_empty():
        return frame
    owner = pl.col(OWNER).str.strip_chars().replace_strict(mapping.owners, default=None, return_dtype=pl.String)
    frame = frame.with_columns(owner.alias("_dataset"))
    others = frame.filter(pl.col("_dataset") != definition.code)
    if len(others) == len(frame):
        belongs = " and ".join(sorted(others.get_column("_dataset").unique()))
        raise SafeStatsError(f"{name} holds no row of {definition.supplier}: load it as {belongs}.")
    counts.left.update(dict(others.get_column("_dataset").value_counts().iter_rows()))
    frame = frame.filter(pl.col("_dataset").is_null() | (pl.col("_dataset") == definition.code))
    unknown = pl.when(pl.col("_dataset").is_null()).then(pl.lit("reported by nobody who is known"))
    return frame.with_columns(unknown.alias("reason")).drop("_dataset")


def _times(frame: pl.DataFrame, definition: DatasetDefinition, mapping: Mapping, today: date) -> pl.DataFrame:
    """``period`` and ``month``, and of datasets that know the day also date, time, hour and weekday.

    The period of undated rows that are kept is "", their month null.
    """
    parsed = {source.target: source.parse for source in mapping.sources}
    if definition.date_precision == "month":
        frame = _with_months(frame)
    elif parsed["occurred_on"] == Parse.INSTANT:
        frame = _with_instants(frame)
    else:
        frame = _with_days(frame)
    first, undated = pl.col("_first"), pl.col("_given").is_null()
    keep = definition.undated == Undated.KEEP
    reasons = [
        pl.col("reason"),
        pl.when(undated & pl.lit(not keep)).then(pl.lit("no date")),
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
    made = {
        "occurred_on": first,
        "occurred_time": pl.col("_time").dt.strftime("%H:%M"),
        "hour": pl.col("_time").dt.hour().cast(pl.Int64),
        "weekday": first.dt.weekday().replace_strict(weekdays, return_dtype=pl.String),
    }
    names = {declared.name for declared in definition.fields}
    frame = frame.with_columns(value.alias(name) for name, value in made.items() if name in names)
    for declared in definition.fields:
        if declared.type == FieldType.INTEGER and parsed.get(declared.name) == Parse.INTEGER:
            number = pl.col(declared.name).cast(pl.Float64, strict=False)
            frame = frame.with_columns(
                pl.when(number == number.round()).then(number.cast(pl.Int64, strict=False)).alias(declared.name)
            )
    return frame.drop("_first", "_given", "_time", "_wrong_time")


# These three give ``_given`` (the text of the date), ``_first`` (the day, or the month's first), ``_time`` (or null)
# and ``_wrong_time``.


def _with_months(frame: pl.DataFrame) -> pl.DataFrame:
    right = pl.when(pl.col("month").str.contains(r"^\d{4}-(0[1-9]|1[0-2])$")).then("month")
    return frame.with_columns(
        pl.col("month").alias("_given"),
        pl.concat_str(right, pl.lit("-01")).str.to_date("%Y-%m-%d", strict=False).alias("_first"),
        pl.lit(None, pl.Time).alias("_time"),
        pl.lit(False).alias("_wrong_time"),
    )


def _with_days(frame: pl.DataFrame) -> pl.DataFrame:
    given = pl.col("occurred_on")
    time = _time_of("occurred_time") if "occurred_time" in frame.columns else pl.lit(None, pl.Time)
    there = pl.col("occurred_time").is_not_null() if "occurred_time" in frame.columns else pl.lit(False)
    return frame.with_columns(
        given.alias("_given"),
        pl.coalesce(given.str.to_date(form, strict=False) for form in _DATE_FORMATS).alias("_first"),
        time.alias("_time"),
        (there & time.is_null()).alias("_wrong_time"),
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
    ).dt.convert_time_zone(_LONDON)
    # A date alone is London's as it stands; one whose time is wrong is right itself.
    alone = pl.when(pl.col("occurred_time").is_null()).then("occurred_on").otherwise(text.str.slice(0, 10))
    day = pl.coalesce(alone.str.to_date(form, strict=False) for form in _DATE_FORMATS)
    return frame.with_columns(
        pl.col("occurred_on").alias("_given"),
        pl.coalesce(instant.dt.date(), day).alias("_first"),
        instant.dt.time().alias("_time"),
        (pl.col("occurred_time").is_not_null() & _time_of("occurred_time").is_null()).alias("_wrong_time"),
    )


def _time_of(column: str) -> pl.Expr:
    return pl.coalesce(pl.col(column).str.to_time(form, strict=False) for form in _TIME_FORMATS)


def _codes(frame: pl.DataFrame, definition: DatasetDefinition, counts: Counts) -> pl.DataFrame:
    """Coded fields by code or by label, without regard to case; other values become null and are counted,
    those of rows that are taken."""
    for declared in definition.fields:
        if not declared.codes:
            continue
        known = {label.casefold(): code for code, label in declared.codes.items()}
        known |= {code.casefold(): code for code in declared.codes}
        given = pl.col(declared.name)
        code = given.str.to_lowercase().replace_strict(known, default=None, return_dtype=pl.String)
        strange = frame.select((given.is_not_null() & code.is_null() & pl.col("reason").is_null()).sum()).item()
        if strange:
            counts.unmapped[declared.name] += strange
        reason = pl.col("reason")
        if declared.required:
            unknown = pl.when(given.is_not_null() & code.is_null())
            reason = pl.coalesce(reason, unknown.then(pl.lit(f"{declared.alias.lower()} in no code list")))
        frame = frame.with_columns(reason.alias("reason"), code.alias(declared.name))
    return frame


def _place(frame: pl.DataFrame, mapping: Mapping) -> pl.DataFrame:
    """``easting`` and ``northing`` in whole metres, ``location_method``, ``precision_m``."""
    placing = mapping.placing
    if placing.kind == PlaceKind.LONLAT:
        return _place_degrees(frame, placing.method, placing.precision_m)
    exact = _metres(frame, "easting", "northing")
    rounded = _metres(frame, "easting_rounded", "northing_rounded")
    has_exact = exact.get_column("given")
    chosen = {
        name: pl.select(pl.when(has_exact).then(exact.get_column(name)).otherwise(rounded.get_column(name))).to_series()
        for name in ("easting", "northing", "wrong", "given")
    }
    given = chosen["given"]
    method = (
        pl.when(~given)
        .then(pl.lit(_NO_PLACE))
        .when(has_exact)
        .then(pl.lit(placing.method))
        .otherwise(pl.lit(placing.rounded_method))
    )
    precision = pl.when(given & has_exact).then(placing.precision_m).when(given).then(placing.rounded_precision_m)
    impossible = pl.when(chosen["wrong"]).then(pl.lit("an impossible place"))
    return frame.with_columns(
        chosen["easting"].alias("easting"),
        chosen["northing"].alias("northing"),
        pl.coalesce(pl.col("reason"), impossible).alias("reason"),
        method.alias("location_method"),
        precision.cast(pl.Int64).alias("precision_m"),
    )


def _metres(frame: pl.DataFrame, easting: str, northing: str) -> pl.DataFrame:
    texts = [pl.col(easting), pl.col(northing)]
    numbers = frame.select(
        (texts[0].is_not_null() & texts[1].is_not_null()).alias("given"),
        texts[0].cast(pl.Float64, strict=False).alias("e"),
        texts[1].cast(pl.Float64, strict=False).alias("n"),
    )
    inside = pl.col("e").is_between(*_EASTINGS) & pl.col("n").is_between(*_NORTHINGS)
    right = pl.col("given") & inside.fill_null(False)
    return numbers.select(
        "given",
        (pl.col("given") & ~right).alias("wrong"),
        pl.when(right).then(pl.col("e").round()).cast(pl.Int64).alias("easting"),
        pl.when(right).then(pl.col("n").round()).cast(pl.Int64).alias("northing"),
    )


def _place_degrees(frame: pl.DataFrame, method: str, precision_m: int) -> pl.DataFrame:
    given = pl.col("longitude").is_not_null() & pl.col("latitude").is_not_null()
    frame = frame.with_columns(
        pl.when(given).then(pl.col("longitude").cast(pl.Float64, strict=False)).alias("_lon"),
        pl.when(given).then(pl.col("latitude").cast(pl.Float64, strict=False)).alias("_lat"),
        given.alias("_given"),
    )
    inside = pl.col("_lon").is_between(*_LONGITUDES) & pl.col("_lat").is_between(*_LATITUDES)
    points = frame.filter(inside).select("_lon", "_lat").unique(maintain_order=True)
    # OSTN15, the Ordnance Survey's own transformation; NaN outside Great Britain.
    eastings, northings = convert_bng(points["_lon"].to_numpy().copy(), points["_lat"].to_numpy().copy())
    found = points.with_columns(
        pl.Series("easting", np.rint(eastings)).fill_nan(None).cast(pl.Int64),
        pl.Series("northing", np.rint(northings)).fill_nan(None).cast(pl.Int64),
    )
    frame = frame.join(found, on=["_lon", "_lat"], how="left", maintain_order="left")
    placed = pl.col("easting").is_not_null()
    # Ireland and the Channel Islands are real places, but not on this grid.
    beyond = pl.when(inside.fill_null(False) & ~placed).then(pl.lit("outside Great Britain"))
    impossible = pl.when(pl.col("_given") & ~placed).then(pl.lit("an impossible place"))
    return frame.with_columns(
        pl.coalesce(pl.col("reason"), beyond, impossible).alias("reason"),
        pl.when(placed).then(pl.lit(method)).otherwise(pl.lit(_NO_PLACE)).alias("location_method"),
        pl.when(placed).then(precision_m).cast(pl.Int64).alias("precision_m"),
    ).drop("_lon", "_lat", "_given")


def _areas(frame: pl.DataFrame, areas: AreaIndex, nearest_within_m: int) -> pl.DataFrame:
    """``area_code``, ``lsoa_code``, ``borough_code``, ``borough``; ``area_from`` tells how they were found, and
    ``area_method`` too, for datasets that declare it."""
    placed = frame.filter(pl.col("easting").is_not_null()).select("easting", "northing").unique(maintain_order=True)
    assigned = areas.assign(placed["easting"].to_numpy(), placed["northing"].to_numpy(), nearest_within_m)
    found = placed.with_columns(
        pl.Series("_lsoa", assigned.codes.tolist(), dtype=pl.String),
        pl.Series("_nearest", assigned.nearest, dtype=pl.Boolean),
    )
    frame = frame.join(found, on=["easting", "northing"], how="left", maintain_order="left")
    told = pl.col("supplier_lsoa") if "supplier_lsoa" in frame.columns else pl.lit(None, pl.String)
    told = pl.when(told.is_in(list(areas.lsoas))).then(told)
    by_point = pl.when(pl.col("_lsoa") != "").then("_lsoa")
    frame = frame.with_columns(
        pl.coalesce(told, by_point).alias("lsoa_code"),
        pl.when(told.is_not_null())
        .then(pl.lit("code"))
        .when(pl.col("_lsoa").is_null())
        .then(pl.lit(UNPLACED))
        .when(pl.col("_lsoa") == "")
        .then(pl.lit(OUTSIDE))
        .when(pl.col("_nearest"))
        .then(pl.lit("nearest"))
        .otherwise(pl.lit("point"))
        .alias("area_from"),
    )
    boroughs = {code: lsoa.borough_code for code, lsoa in areas.lsoas.items()}
    frame = frame.with_columns(
        pl.coalesce(pl.col("lsoa_code"), pl.col("area_from")).alias("area_code"),
        pl.col("area_from").alias(_AREA_METHOD),
        pl.col("lsoa_code").replace_strict(boroughs, default=None, return_dtype=pl.String).alias("borough_code"),
    ).with_columns(
        pl.col("borough_code").replace_strict(areas.boroughs, default=None, return_dtype=pl.String).alias("borough")
    )
    told_borough = "supplier_borough" if "supplier_borough" in frame.columns else "borough_code"
    frame = frame.with_columns(
        (pl.col(told_borough) != pl.col("borough_code")).fill_null(False).alias("borough_differs")
    )
    return frame.drop("_lsoa", "_nearest")


def rejected_records(bad: pl.DataFrame, hidden: Sequence[str] = ("file", "line", "reason")) -> list[dict[str, str]]:
    """What may be kept of each row: its mapped texts, where there are any."""
    names = [name for name in bad.columns if name not in hidden]
    return [
        {name: str(value) for name, value in zip(names, row, strict=True) if value is not None}
        for row in bad.select(names).iter_rows()
    ]
