"""Where it was: coordinates as the supplier gives them, made metres of the national grid; and the areas they lie in."""

from __future__ import annotations

import numpy as np
import polars as pl
from convertbng.cutil import convert_bng

from ..datasets.areas import OUTSIDE, UNPLACED, AreaIndex
from ..datasets.definitions import DatasetDefinition, Geometry
from .mappings import Mapping, PlaceKind

# The British Isles, generously: beyond them a position is a mistake, not a place.
_LONGITUDES, _LATITUDES = (-11.0, 2.1), (49.0, 61.0)
_EASTINGS, _NORTHINGS = (1, 700_000), (1, 1_300_000)
# A declared field of this name tells how the row's area was found.
_AREA_METHOD = "area_method"
_NO_PLACE, _BOROUGH_ALONE = "none", "borough"
BY_BOROUGH = "borough"  # how the area of a row was found that says its borough and has no place
STACK = 10  # so many incidents at one point are a stack


def with_places(frame: pl.DataFrame, mapping: Mapping) -> pl.DataFrame:
    """``easting`` and ``northing`` in whole metres, ``location_method``, ``precision_m``."""
    placing = mapping.placing
    if placing.kind == PlaceKind.LONLAT:
        return _place_degrees(frame, placing.method, placing.precision_m)
    if placing.kind == PlaceKind.GRID:
        return _place_metres(frame, mapping)
    if "easting" in frame.columns and frame.schema["easting"] == pl.Int64:
        return frame  # described places, which the geocoder has found
    return frame.with_columns(
        pl.lit(None, pl.Int64).alias("easting"),
        pl.lit(None, pl.Int64).alias("northing"),
        pl.lit(_NO_PLACE).alias("location_method"),
        pl.lit(None, pl.Int64).alias("precision_m"),
    )


def with_areas(frame: pl.DataFrame, areas: AreaIndex, definition: DatasetDefinition) -> pl.DataFrame:
    """``area_code``, ``lsoa_code``, ``borough_code``, ``borough``; ``area_from`` tells how they were found, and
    ``area_method`` too, for datasets that declare it. A row without a place that says its borough is that borough's.
    """
    placed = frame.filter(pl.col("easting").is_not_null()).select("easting", "northing").unique(maintain_order=True)
    assigned = areas.assign(placed["easting"].to_numpy(), placed["northing"].to_numpy(), definition.nearest_within_m)
    found = placed.with_columns(
        pl.Series("_lsoa", assigned.codes.tolist(), dtype=pl.String),
        pl.Series("_nearest", assigned.nearest, dtype=pl.Boolean),
    )
    # Beside the frame: joined to it, all its columns would be made anew.
    places = frame.select("easting", "northing").join(
        found, on=["easting", "northing"], how="left", maintain_order="left"
    )
    frame = frame.hstack(places.select("_lsoa", "_nearest"))
    told = pl.col("supplier_lsoa") if "supplier_lsoa" in frame.columns else pl.lit(None, pl.String)
    told = pl.when(told.is_in(list(areas.lsoas))).then(told)
    by_point = pl.when(pl.col("_lsoa") != "").then("_lsoa")
    named = _named_borough(frame, areas)
    alone = told.is_null() & pl.col("easting").is_null() & named.is_not_null()
    frame = frame.with_columns(
        pl.coalesce(told, by_point).alias("lsoa_code"),
        pl.when(told.is_not_null())
        .then(pl.lit("code"))
        .when(alone)
        .then(pl.lit(BY_BOROUGH))
        .when(pl.col("_lsoa").is_null())
        .then(pl.lit(UNPLACED))
        .when(pl.col("_lsoa") == "")
        .then(pl.lit(OUTSIDE))
        .when(pl.col("_nearest"))
        .then(pl.lit("nearest"))
        .otherwise(pl.lit("point"))
        .alias("area_from"),
        named.alias("_named"),
    )
    boroughs = {code: lsoa.borough_code for code, lsoa in areas.lsoas.items()}
    alone = pl.col("area_from") == BY_BOROUGH
    of_lsoa = pl.col("lsoa_code").replace_strict(boroughs, default=None, return_dtype=pl.String)
    frame = frame.with_columns(
        pl.coalesce(pl.col("lsoa_code"), pl.when(alone).then("_named"), pl.col("area_from")).alias("area_code"),
        pl.col("area_from").alias(_AREA_METHOD),
        pl.coalesce(of_lsoa, pl.when(alone).then("_named")).alias("borough_code"),
    ).with_columns(
        pl.col("borough_code").replace_strict(areas.boroughs, default=None, return_dtype=pl.String).alias("borough"),
        pl.when((pl.col("location_method") == _NO_PLACE) & alone)
        .then(pl.lit(_BOROUGH_ALONE))
        .otherwise("location_method")
        .alias("location_method"),
    )
    frame = frame.with_columns((pl.col("_named") != pl.col("borough_code")).fill_null(False).alias("borough_differs"))
    if definition.geometry == Geometry.COUNTS:
        strange = pl.when(pl.col("borough_code").is_null()).then(pl.lit("of no borough that is known"))
        frame = frame.with_columns(pl.coalesce("reason", strange).alias("reason"))
    return frame.drop("_lsoa", "_nearest", "_named")


def stacked(frame: pl.DataFrame) -> int:
    """How many rows lie at a point with nine others or more: suppliers move places to fixed points."""
    points = frame.filter(pl.col("easting").is_not_null()).group_by("easting", "northing").len()
    return int(points.filter(pl.col("len") >= STACK).get_column("len").sum())


def _named_borough(frame: pl.DataFrame, areas: AreaIndex) -> pl.Expr:
    """The code of the borough that the supplier, or the geocoder, names by its code or its name."""
    known = {code.casefold(): code for code in areas.boroughs}
    for code, name in areas.boroughs.items():
        plain = _plain(name)
        for spelling in (plain, plain.replace(" and ", " & "), plain.replace(" upon thames", "")):
            known.setdefault(spelling, code)
        known.setdefault(f"city of {plain}", code)
        known.setdefault(f"london borough of {plain}", code)
    texts = [
        pl.col(name).str.to_lowercase().str.replace_all(r"\s+", " ").str.strip_chars()
        for name in ("supplier_borough", "place_borough")
        if name in frame.columns
    ]
    if not texts:
        return pl.lit(None, pl.String)
    return pl.coalesce(text.replace_strict(known, default=None, return_dtype=pl.String) for text in texts)


def _plain(name: str) -> str:
    return " ".join(name.casefold().split())


def _place_metres(frame: pl.DataFrame, mapping: Mapping) -> pl.DataFrame:
    placing = mapping.placing
    frame = _with_missing(frame, "easting", "northing", "easting_rounded", "northing_rounded")
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


def _with_missing(frame: pl.DataFrame, *names: str) -> pl.DataFrame:
    return frame.with_columns(pl.lit(None, pl.String).alias(name) for name in names if name not in frame.columns)


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
    frame = _with_missing(frame, "longitude", "latitude")
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
    frame = frame.drop("easting", "northing", strict=False)
    places = frame.select("_lon", "_lat").join(found, on=["_lon", "_lat"], how="left", maintain_order="left")
    frame = frame.hstack(places.select("easting", "northing"))
    placed = pl.col("easting").is_not_null()
    # Ireland and the Channel Islands are real places, but not on this grid.
    beyond = pl.when(inside.fill_null(False) & ~placed).then(pl.lit("outside Great Britain"))
    impossible = pl.when(pl.col("_given") & ~placed).then(pl.lit("an impossible place"))
    return frame.with_columns(
        pl.coalesce(pl.col("reason"), beyond, impossible).alias("reason"),
        pl.when(placed).then(pl.lit(method)).otherwise(pl.lit(_NO_PLACE)).alias("location_method"),
        pl.when(placed).then(precision_m).cast(pl.Int64).alias("precision_m"),
    ).drop("_lon", "_lat", "_given")
