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

from ..datasets.areas import OUTSIDE, UNPLACED, AreaIndex
from ..datasets.definitions import BUILT_IN_FIELDS, DatasetDefinition, FieldType, Outside
from ..errors import SafeStatsError
from ..keys import Keys
from .identity import content_hashes, identify
from .mappings import Mapping, Parse, PlaceKind
from .readers import OWNER, RawRows

# Great Britain, generously: beyond it a position is a mistake, not a place.
_LONGITUDES, _LATITUDES = (-9.0, 2.1), (49.7, 61.0)
_EASTINGS, _NORTHINGS = (1, 700_000), (1, 1_300_000)
_EARLIEST_YEAR = 1990
_DATE_FORMATS = ("%Y-%m-%d", "%d %b %Y", "%d %B %Y", "%d/%m/%Y")
_NO_PLACE = "none"
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")

DUPLICATE = "the same incident a second time in this delivery"


@dataclass
class Counts:
    """What became of the rows of one file that were not taken, and values that were not."""

    left: Counter[str] = field(default_factory=Counter)  # by the dataset that they belong to
    rejected: Counter[str] = field(default_factory=Counter)  # by reason
    unmapped: Counter[str] = field(default_factory=Counter)  # values in no code list, by field


@dataclass(frozen=True)
class Prepared:
    """One file's rows, and the months that it covers.

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
    frame = _codes(frame, definition, counts)
    frame = _place(frame, raw.mapping)
    frame = _areas(frame, areas)
    reasons = [pl.col("reason")]
    reasons += [
        pl.when(pl.col(declared.name).is_null()).then(pl.lit(f"no {declared.alias.lower()}"))
        for declared in definition.fields
        if declared.required
    ]
    if definition.outside == Outside.REJECT:
        reasons.append(pl.when(pl.col("area_code") == OUTSIDE).then(pl.lit("outside London")))
    frame = frame.with_columns(pl.coalesce(reasons).alias("reason"))
    months = frozenset(frame.get_column("period").drop_nulls().unique().to_list())
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
    """Rows of a whole delivery with ``identity`` and ``content``, codes made labels; and the duplicates."""
    marked = identify(good, definition.code, keys, definition.identity.stable)
    duplicates = marked.filter("duplicate")
    rows = marked.filter(~pl.col("duplicate")).drop("duplicate")
    rows = rows.with_columns(
        pl.col(declared.name).replace_strict(dict(declared.codes), default=None, return_dtype=pl.String)
        for declared in definition.fields
        if declared.codes
    )
    stored = ["period", "area_code", *_stored(definition)]
    return rows.with_columns(content_hashes(rows, stored)), duplicates


def _stored(definition: DatasetDefinition) -> list[str]:
    return [declared.name for declared in (*BUILT_IN_FIELDS, *definition.fields)]


def _texts(frame: pl.DataFrame, mapping: Mapping) -> pl.DataFrame:
    """Trimmed texts, null where there is nothing; a target that the file lacks is all null."""
    cleaned = []
    for source in mapping.sources:
        if source.target not in frame.columns:
            cleaned.append(pl.lit(None, pl.String).alias(source.target))
            continue
        text = pl.col(source.target).str.replace_all(r"\s+", " ").str.strip_chars()
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
    """``period`` and ``month``, and of datasets that know the day also date, time, hour and weekday."""
    if definition.date_precision == "month":
        right = pl.col("month").str.contains(r"^\d{4}-(0[1-9]|1[0-2])$")
        given, when = pl.col("month"), pl.when(right).then("month")
        first = pl.concat_str(when, pl.lit("-01")).str.to_date("%Y-%m-%d", strict=False)
    else:
        given = pl.col("occurred_on")
        first = pl.coalesce(given.str.to_date(form, strict=False) for form in _DATE_FORMATS)
    frame = frame.with_columns(first.alias("_first"), given.alias("_given"))
    reason = pl.coalesce(
        pl.col("reason"),
        pl.when(pl.col("_given").is_null()).then(pl.lit("no date")),
        pl.when(pl.col("_first").is_null()).then(pl.lit("a date that does not exist")),
        pl.when(pl.col("_first") > today).then(pl.lit("a date in the future")),
        pl.when(pl.col("_first").dt.year() < _EARLIEST_YEAR).then(pl.lit(f"a date before {_EARLIEST_YEAR}")),
    )
    usable = (pl.col("_first") <= today) & (pl.col("_first").dt.year() >= _EARLIEST_YEAR)
    month = pl.when(usable).then(pl.col("_first").dt.strftime("%Y-%m"))
    frame = frame.with_columns(reason.alias("reason"), month.alias("period"), month.alias("month"))
    names = {declared.name for declared in definition.fields}
    parsed = {source.target: source.parse for source in mapping.sources}
    if "occurred_on" in names:
        frame = frame.with_columns(pl.col("_first").alias("occurred_on"))
    if "occurred_time" in names:
        time = pl.coalesce(pl.col("occurred_time").str.to_time(form, strict=False) for form in ("%H:%M:%S", "%H:%M"))
        wrong = pl.when(time.is_null() & pl.col("occurred_time").is_not_null())
        frame = frame.with_columns(
            pl.coalesce(pl.col("reason"), wrong.then(pl.lit("a time that does not exist"))).alias("reason"),
            time.dt.strftime("%H:%M").alias("occurred_time"),
        )
        if "hour" in names:
            frame = frame.with_columns(pl.col("occurred_time").str.slice(0, 2).cast(pl.Int64).alias("hour"))
    if "weekday" in names:
        weekdays = {number: label.lower() for number, label in enumerate(_WEEKDAYS, start=1)}
        frame = frame.with_columns(
            pl.col("_first").dt.weekday().replace_strict(weekdays, return_dtype=pl.String).alias("weekday")
        )
    for declared in definition.fields:
        if declared.type == FieldType.INTEGER and parsed.get(declared.name) == Parse.INTEGER:
            number = pl.col(declared.name).cast(pl.Float64, strict=False)
            frame = frame.with_columns(
                pl.when(number == number.round()).then(number.cast(pl.Int64, strict=False)).alias(declared.name)
            )
    return frame.drop("_first", "_given")


def _codes(frame: pl.DataFrame, definition: DatasetDefinition, counts: Counts) -> pl.DataFrame:
    """Coded fields by code or by label, without regard to case; other values become null and are counted."""
    for declared in definition.fields:
        if not declared.codes:
            continue
        known = {label.casefold(): code for code, label in declared.codes.items()}
        known |= {code.casefold(): code for code in declared.codes}
        given = pl.col(declared.name)
        code = given.str.to_lowercase().replace_strict(known, default=None, return_dtype=pl.String)
        strange = frame.select((given.is_not_null() & code.is_null()).sum()).item()
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
    impossible = pl.when(pl.col("_given") & ~placed).then(pl.lit("an impossible place"))
    return frame.with_columns(
        pl.coalesce(pl.col("reason"), impossible).alias("reason"),
        pl.when(placed).then(pl.lit(method)).otherwise(pl.lit(_NO_PLACE)).alias("location_method"),
        pl.when(placed).then(precision_m).cast(pl.Int64).alias("precision_m"),
    ).drop("_lon", "_lat", "_given")


def _areas(frame: pl.DataFrame, areas: AreaIndex) -> pl.DataFrame:
    """``area_code``, ``lsoa_code``, ``borough_code``, ``borough``; ``area_from`` tells how they were found."""
    placed = frame.filter(pl.col("easting").is_not_null()).select("easting", "northing").unique(maintain_order=True)
    assigned = areas.assign(placed["easting"].to_numpy(), placed["northing"].to_numpy())
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
