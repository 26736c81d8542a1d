"""Files of places and postcodes, as their publishers make them, read into the gazetteer's own form."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import shapely
from convertbng.cutil import convert_bng

from ..errors import SafeStatsError
from .boroughs import Boroughs
from .gazetteer import Kind
from .kinds import POSTCODE_KINDS, SourceKind
from .store import ENTRY_SCHEMA, POSTCODE_SCHEMA

NEAR_M = 1_000  # what lies farther from every postcode that we know is none of ours
_LONDON_BOX = (495_000, 150_000, 568_000, 207_000)


@dataclass(frozen=True)
class Surroundings:
    """The postcodes that are known already: what is near them is ours, and gets their sector."""

    points: np.ndarray
    sectors: list[str]

    @classmethod
    def of(cls, supplied: Path) -> Surroundings:
        """From the postcodes that come with the project."""
        frame = pl.read_csv(supplied, columns=["postcode", "easting", "northing"]).filter(pl.col("easting") > 0)
        code = pl.col("postcode")
        sector = pl.concat_str(code.str.head(-3), pl.lit(" "), code.str.tail(3).str.head(1))
        return cls(frame.select("easting", "northing").to_numpy(), frame.select(sector).to_series().to_list())

    def join(self, frame: pl.DataFrame, boroughs: Boroughs) -> pl.DataFrame:
        """The places that are near, with ``sector`` and ``borough_code``."""
        if frame.is_empty():
            return frame.with_columns(pl.lit("").alias("sector"), pl.lit("").alias("borough_code"))
        places = frame.select("easting", "northing").to_numpy()
        low, high = places.min(axis=0) - NEAR_M, places.max(axis=0) + NEAR_M
        around = np.flatnonzero(((self.points >= low) & (self.points <= high)).all(axis=1))
        tree = shapely.STRtree(shapely.points(self.points[around].astype(float)))
        here, found = tree.query_nearest(shapely.points(places.astype(float)), max_distance=NEAR_M, all_matches=False)
        nearest = around[found]
        kept = frame[here.tolist()]
        return kept.with_columns(
            pl.Series("sector", [self.sectors[index] for index in nearest], dtype=pl.String),
            pl.Series("borough_code", boroughs.of_points(places[here]), dtype=pl.String),
        )


def read_source(kind: SourceKind, path: Path, surroundings: Surroundings, boroughs: Boroughs) -> pl.DataFrame:
    """The file's places or postcodes in and around London; raises ``SafeStatsError`` where it is another file."""
    frame = _READERS[kind](path)
    if kind in POSTCODE_KINDS:
        outward = pl.col("postcode").str.extract(r"^([A-Z]+)", 1)
        covered = sorted({re.match(r"[A-Z]+", sector)[0] for sector in surroundings.sectors})  # type: ignore[index]
        frame = frame.filter(outward.is_in(covered)).unique("postcode", keep="last", maintain_order=True)
        points = frame.select("easting", "northing").to_numpy()
        frame = frame.with_columns(pl.Series("borough_code", boroughs.of_points(points), dtype=pl.String))
        frame = frame.select(list(POSTCODE_SCHEMA))
    else:
        frame = surroundings.join(_named(frame), boroughs).select(list(ENTRY_SCHEMA))
    if frame.is_empty():
        raise SafeStatsError(f"{path.name} holds nothing in or around London: nothing was loaded.")
    return frame


def _named(frame: pl.DataFrame) -> pl.DataFrame:
    west, south, east, north = _LONDON_BOX
    easting, northing = (
        pl.col("easting").cast(pl.Float64, strict=False),
        pl.col("northing").cast(pl.Float64, strict=False),
    )
    return (
        frame.with_columns(
            easting.round().cast(pl.Int64, strict=False).alias("easting"),
            northing.round().cast(pl.Int64, strict=False).alias("northing"),
            pl.col("name").str.strip_chars(),
        )
        .filter(pl.col("easting").is_between(west, east) & pl.col("northing").is_between(south, north))
        .filter(pl.col("name").str.len_chars() > 1)
        .with_columns(
            pl.col(name).cast(dtype) if name in frame.columns else pl.lit(default, dtype).alias(name)
            for name, dtype, default in (("other_names", pl.String(), ""), ("extent_m", pl.Int64(), 50))
        )
        .with_columns(pl.col("other_names").fill_null(""), pl.col("extent_m").fill_null(50))
        .unique(maintain_order=True)
    )


# Readers. Each gives ``kind``, ``name``, ``easting``, ``northing``, and perhaps ``other_names`` and ``extent_m``; or
# postcodes.

_OPEN_NAMES = (
    *("ID", "NAMES_URI", "NAME1", "NAME1_LANG", "NAME2", "NAME2_LANG", "TYPE", "LOCAL_TYPE", "GEOMETRY_X"),
    *("GEOMETRY_Y", "MOST_DETAIL_VIEW_RES", "LEAST_DETAIL_VIEW_RES", "MBR_XMIN", "MBR_YMIN", "MBR_XMAX", "MBR_YMAX"),
)
_OPEN_NAMES_KINDS = {
    "named road": Kind.STREET,
    "section of named road": Kind.STREET,
    "urban greenspace": Kind.PARK,
    "city": Kind.TOWN,
    "town": Kind.TOWN,
    "village": Kind.TOWN,
    "suburban area": Kind.TOWN,
    "hamlet": Kind.TOWN,
    "other settlement": Kind.TOWN,
    "primary education": Kind.VENUE,
    "secondary education": Kind.VENUE,
    "further education": Kind.VENUE,
    "higher or university education": Kind.VENUE,
    "special needs education": Kind.VENUE,
    "non state primary education": Kind.VENUE,
    "non state secondary education": Kind.VENUE,
    "hospital": Kind.VENUE,
    "medical care accommodation": Kind.VENUE,
}


def _open_names(path: Path) -> pl.DataFrame:
    tables = []
    for name, data in _members(path, ".csv"):
        head = data[:400].decode("utf-8-sig", "replace").split("\n", 1)[0]
        if "header" in name.casefold():
            continue
        has_header = head.split(",")[0].strip('"').upper() == "ID"
        table = _csv(name, data, has_header=has_header)
        if table.width < len(_OPEN_NAMES):
            raise SafeStatsError(f"{name} is no tile of OS Open Names: it has {table.width} columns, not 34.")
        tables.append(table.select(pl.col(table.columns[at]).alias(_OPEN_NAMES[at]) for at in range(len(_OPEN_NAMES))))
    if not tables:
        raise SafeStatsError(f"{path.name} holds no CSV file of OS Open Names.")
    whole = pl.concat(tables)
    local = pl.col("LOCAL_TYPE").str.to_lowercase()
    station = local.str.contains("station") & (pl.col("TYPE") == "transportNetwork")
    width = pl.col("MBR_XMAX").cast(pl.Float64, strict=False) - pl.col("MBR_XMIN").cast(pl.Float64, strict=False)
    height = pl.col("MBR_YMAX").cast(pl.Float64, strict=False) - pl.col("MBR_YMIN").cast(pl.Float64, strict=False)
    return whole.select(
        pl.when(station)
        .then(pl.lit(str(Kind.STATION)))
        .otherwise(local.replace_strict(_OPEN_NAMES_KINDS, default=None, return_dtype=pl.String))
        .alias("kind"),
        pl.col("NAME1").alias("name"),
        pl.col("NAME2").fill_null("").alias("other_names"),
        pl.col("GEOMETRY_X").alias("easting"),
        pl.col("GEOMETRY_Y").alias("northing"),
        ((width**2 + height**2).sqrt() / 2).clip(30, 2_000).round().cast(pl.Int64).alias("extent_m"),
    ).filter(pl.col("kind").is_not_null() & pl.col("name").is_not_null())


def _code_point_open(path: Path) -> pl.DataFrame:
    tables = []
    for name, data in _members(path, ".csv"):
        first = data[:60].decode("utf-8-sig", "replace").split(",")[0].strip('"').strip()
        if not re.fullmatch(r"[A-Za-z]{1,2}[0-9][0-9A-Za-z]? ?[0-9][A-Za-z]{2}|Postcode|postcode", first):
            continue  # lists of codes beside the data
        table = _csv(name, data, has_header=first.casefold() == "postcode")
        if table.width < 4:
            raise SafeStatsError(f"{name} is no file of Code-Point Open: it has {table.width} columns.")
        names = ("postcode", "quality", "easting", "northing")
        tables.append(table.select(pl.col(table.columns[at]).alias(wanted) for at, wanted in enumerate(names)))
    if not tables:
        raise SafeStatsError(f"{path.name} holds no file of Code-Point Open.")
    return _postcodes(pl.concat(tables).with_columns(pl.lit("").alias("terminated")))


# Header of the old form, of the new one.
_ONSPD = {
    "postcode": ("pcd", "pcd7"),
    "quality": ("osgrdind", "gridind"),
    "easting": ("oseast1m", "east1m"),
    "northing": ("osnrth1m", "north1m"),
    "doterm": ("doterm", "doterm"),
}
# ONS' indicator as Code-Point Open's.
_GRIDLINK = {"1": "10", "2": "20", "3": "30", "4": "40", "5": "50", "6": "60", "8": "50", "9": "90"}


def _onspd(path: Path) -> pl.DataFrame:
    for name, data in _members(path, ".csv"):
        header = [
            each.strip().strip('"') for each in data[:4_000].decode("utf-8-sig", "replace").split("\n")[0].split(",")
        ]
        plain = {each.casefold(): each for each in header}
        found = {target: next((plain[n] for n in names if n in plain), None) for target, names in _ONSPD.items()}
        if any(column is None for column in found.values()):
            continue
        table = _csv(name, data, columns=[str(column) for column in found.values()])
        table = table.select(pl.col(str(column)).alias(target) for target, column in found.items())
        ended = pl.col("doterm").str.strip_chars()
        return _postcodes(
            table.with_columns(
                pl.col("quality").str.strip_chars().replace_strict(_GRIDLINK, default="90", return_dtype=pl.String),
                pl.when(ended.str.len_chars() >= 6)
                .then(pl.concat_str(ended.str.slice(0, 4), pl.lit("-"), ended.str.slice(4, 2)))
                .otherwise(pl.lit(""))
                .alias("terminated"),
            )
        )
    raise SafeStatsError(f"{path.name} holds no file with ONSPD's headers (pcd or pcd7, oseast1m or east1m, doterm).")


def _postcodes(table: pl.DataFrame) -> pl.DataFrame:
    return table.select(
        pl.col("postcode").str.to_uppercase().str.replace_all(r"[^A-Z0-9]", "").alias("postcode"),
        pl.col("quality").cast(pl.Int64, strict=False).fill_null(90),
        pl.col("easting").cast(pl.Int64, strict=False).fill_null(0),
        pl.col("northing").cast(pl.Int64, strict=False).fill_null(0),
        pl.col("terminated").fill_null(""),
    ).filter(pl.col("postcode").str.len_chars().is_between(5, 7))


def _bus_stops(path: Path) -> pl.DataFrame:
    table = _only_table(path)
    name = _column(path, table, "Stop_Name", "CommonName")
    stop_type = _find(table, "StopType")
    if stop_type:
        table = table.filter(pl.col(stop_type).is_in(["BCT", "BCS", "BCQ", "BST"]))
    # TfL marks interchanges and the like with signs.
    cleaned = pl.col(name).str.replace_all(r"[<>#*\[\]]+", " ").str.replace_all(r"\s+", " ").str.strip_chars()
    return table.select(
        pl.lit(str(Kind.STOP)).alias("kind"),
        cleaned.str.to_titlecase().alias("name"),
        cleaned.str.replace_all(r" */ *", ";").str.to_titlecase().alias("other_names"),
        pl.col(_column(path, table, "Location_Easting", "Easting")).alias("easting"),
        pl.col(_column(path, table, "Location_Northing", "Northing")).alias("northing"),
        pl.lit(40, pl.Int64).alias("extent_m"),
    )


def _stations(path: Path) -> pl.DataFrame:
    table = _only_table(path)
    if _find(table, "StationUniqueId"):
        beside = path.with_name("Stations.csv")
        if not beside.exists():
            raise SafeStatsError(
                f"{path.name} has the points of stations: put Stations.csv with their names beside it."
            )
        names = _only_table(beside).select(pl.col("UniqueId").alias("StationUniqueId"), pl.col("Name").alias("name"))
        points = table.group_by("StationUniqueId", maintain_order=True).agg(
            pl.col("Lat").cast(pl.Float64).mean().alias("latitude"),
            pl.col("Lon").cast(pl.Float64).mean().alias("longitude"),
        )
        table = points.join(names, on="StationUniqueId")
    stop_type = _find(table, "StopType")
    if stop_type:
        table = table.filter(pl.col(stop_type).is_in(["RSE", "RLY", "TMU", "MET"]))
    name = _column(path, table, "name", "CommonName", "station")
    bare = pl.col(name).str.replace(r"(?i) (rail|underground|tube|dlr|tram)? ?(station|stop)$", "")
    table = _with_metres(path, table)
    return table.select(
        pl.lit(str(Kind.STATION)).alias("kind"), bare.alias("name"), "easting", "northing",
        pl.lit(150, pl.Int64).alias("extent_m"),
    )  # fmt: skip


def _venues(path: Path) -> pl.DataFrame:
    table = _only_table(path)
    name, kind = _column(path, table, "name"), _find(table, "kind")
    others, extent = _find(table, "other_names"), _find(table, "extent_m")
    table = _with_metres(path, table)
    kinds = pl.col(kind).str.to_lowercase().str.strip_chars() if kind else pl.lit(str(Kind.VENUE))
    found = table.select(
        kinds.alias("kind"),
        pl.col(name).alias("name"),
        "easting",
        "northing",
        (pl.col(others) if others else pl.lit("")).alias("other_names"),
        (pl.col(extent).cast(pl.Int64, strict=False) if extent else pl.lit(30, pl.Int64)).alias("extent_m"),
    )
    strange = sorted(set(found["kind"].unique()) - {str(each) for each in Kind})
    if strange:
        raise SafeStatsError(f"{path.name}: “{strange[0]}” is no kind of place; kinds are {', '.join(Kind)}.")
    return found


_READERS: dict[SourceKind, Callable[[Path], pl.DataFrame]] = {
    SourceKind.OPEN_NAMES: _open_names,
    SourceKind.CODE_POINT_OPEN: _code_point_open,
    SourceKind.ONSPD: _onspd,
    SourceKind.BUS_STOPS: _bus_stops,
    SourceKind.STATIONS: _stations,
    SourceKind.VENUES: _venues,
}


def _members(path: Path, ending: str) -> Iterator[tuple[str, bytes]]:
    """The file, or the files in its zip, by name."""
    if not path.is_file():
        raise SafeStatsError(f"There is no file {path}: name the publisher's file.")
    if not zipfile.is_zipfile(path):
        yield path.name, path.read_bytes()
        return
    with zipfile.ZipFile(path) as archive:
        for name in sorted(archive.namelist()):
            if name.casefold().endswith(ending):
                yield name, archive.read(name)


def _only_table(path: Path) -> pl.DataFrame:
    for name, data in _members(path, ".csv"):
        return _csv(name, data)
    raise SafeStatsError(f"{path.name} holds no CSV file.")


def _csv(name: str, data: bytes, *, has_header: bool = True, columns: list[str] | None = None) -> pl.DataFrame:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        data = data.decode("cp1252", "replace").encode()
    try:
        table = pl.read_csv(
            io.BytesIO(data.removeprefix(b"\xef\xbb\xbf")), has_header=has_header, columns=columns, infer_schema=False
        )
    except pl.exceptions.PolarsError as error:
        raise SafeStatsError(f"{name} cannot be read as CSV: ask for a whole file.") from error
    return table


def _find(table: pl.DataFrame, *names: str) -> str | None:
    plain = {column.strip().casefold(): column for column in table.columns}
    return next((plain[name.casefold()] for name in names if name.casefold() in plain), None)


def _column(path: Path, table: pl.DataFrame, *names: str) -> str:
    found = _find(table, *names)
    if found is None:
        raise SafeStatsError(f"{path.name} has no column “{names[0]}”; it has: {', '.join(table.columns[:12])}.")
    return found


def _with_metres(path: Path, table: pl.DataFrame) -> pl.DataFrame:
    """``easting`` and ``northing``, from degrees where there are only those."""
    east, north = _find(table, "easting", "eastings", "x"), _find(table, "northing", "northings", "y")
    if east and north:
        return table.with_columns(pl.col(east).alias("easting"), pl.col(north).alias("northing"))
    longitude = pl.col(_column(path, table, "longitude", "lon", "lng")).cast(pl.Float64, strict=False)
    latitude = pl.col(_column(path, table, "latitude", "lat")).cast(pl.Float64, strict=False)
    table = table.with_columns(longitude.alias("_lon"), latitude.alias("_lat")).filter(
        pl.col("_lon").is_between(-9, 2.5) & pl.col("_lat").is_between(49, 61)
    )
    eastings, northings = convert_bng(table["_lon"].to_list(), table["_lat"].to_list())
    return table.with_columns(
        pl.Series("easting", np.asarray(eastings)).cast(pl.String),
        pl.Series("northing", np.asarray(northings)).cast(pl.String),
    )
