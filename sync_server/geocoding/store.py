"""Loaded parts of the gazetteer: a Parquet file a part in the server's folder, with its edition."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import numpy as np
import polars as pl

from ..errors import SafeStatsError
from .boroughs import Boroughs
from .gazetteer import GAZETTEER_FOLDER, Entry, Kind, PostcodePoints, names_of

ENTRY_SCHEMA = {
    "kind": pl.String(),
    "name": pl.String(),
    "other_names": pl.String(),
    "easting": pl.Int64(),
    "northing": pl.Int64(),
    "extent_m": pl.Int64(),
    "borough_code": pl.String(),
    "sector": pl.String(),
}
POSTCODE_SCHEMA = {
    "postcode": pl.String(),  # compact
    "quality": pl.Int64(),  # as Code-Point Open's
    "easting": pl.Int64(),
    "northing": pl.Int64(),
    "borough_code": pl.String(),
    "terminated": pl.String(),  # YYYY-MM, or empty
}
_ABOUT = "safestats"


@dataclass(frozen=True)
class Part:
    """What is known of a loaded part."""

    kind: str  # of file
    edition: str
    file: str
    sha256: str
    rows: int
    loaded_at: datetime
    area_edition: str


@dataclass
class Loaded:
    """What the server's folder holds."""

    entries: list[Entry] = field(default_factory=list)
    postcodes: list[PostcodePoints] = field(default_factory=list)

    def entries_with(self, supplied: list[Entry]) -> list[Entry]:
        """These, and the supplied ones of kinds that were not loaded."""
        kinds = {entry.kind for entry in self.entries}
        return [*self.entries, *(entry for entry in supplied if entry.kind not in kinds)]


def write(data_dir: Path, part: Part, frame: pl.DataFrame) -> None:
    """Put the part in the place of the one of its kind, in one step."""
    folder = data_dir / GAZETTEER_FOLDER
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / f"{part.kind}.parquet"
    about = {**part.__dict__, "loaded_at": part.loaded_at.isoformat()}
    written = path.with_suffix(".new")
    frame.write_parquet(written, metadata={_ABOUT: json.dumps(about)})
    with written.open("rb") as file:
        os.fsync(file.fileno())
    written.replace(path)


def parts(data_dir: Path) -> list[Part]:
    """What is loaded, by kind."""
    return [_about(path) for path in sorted((data_dir / GAZETTEER_FOLDER).glob("*.parquet"))]


def remove(data_dir: Path, kind: str) -> None:
    """Drop a loaded part; raises ``SafeStatsError`` where there is none of the kind."""
    path = data_dir / GAZETTEER_FOLDER / f"{kind}.parquet"
    if not path.exists():
        raise SafeStatsError(f"Nothing of the kind “{kind}” is loaded: “safestats gazetteer list” shows what is.")
    path.unlink()


def read_all(data_dir: Path, boroughs: Boroughs) -> Loaded:
    """All loaded parts; boroughs are looked up anew where other boundaries were loaded since."""
    loaded = Loaded()
    for path in sorted((data_dir / GAZETTEER_FOLDER).glob("*.parquet"), key=_onspd_first):
        frame = pl.read_parquet(path)
        if _about(path).area_edition != boroughs.edition:
            points = frame.select("easting", "northing").to_numpy()
            frame = frame.with_columns(pl.Series("borough_code", boroughs.of_points(points), dtype=pl.String))
        if "postcode" in frame.columns:
            loaded.postcodes.append(_points(frame))
            continue
        for row in frame.select(list(ENTRY_SCHEMA)).iter_rows():
            kind, name, others, easting, northing, extent, borough, sector = row
            entry = Entry(Kind(kind), name, easting, northing, extent, borough, sector, names_of(others))
            loaded.entries.append(entry)
    return loaded


def _onspd_first(path: Path) -> tuple[bool, str]:
    # ONSPD knows terminated postcodes; the other's live ones are as good.
    return path.stem != "onspd", path.stem


def _points(frame: pl.DataFrame) -> PostcodePoints:
    frame = frame.sort("postcode")
    return PostcodePoints(
        frame["postcode"].to_numpy().astype("S7"),
        frame["easting"].to_numpy().astype(np.int64),
        frame["northing"].to_numpy().astype(np.int64),
        frame["quality"].to_numpy().astype(np.int64),
        frame["borough_code"].to_list(),
        frame["terminated"].to_list(),
    )


def _about(path: Path) -> Part:
    members = json.loads(pl.read_parquet_metadata(path)[_ABOUT])
    return Part(**{**members, "loaded_at": datetime.fromisoformat(members["loaded_at"])})
