"""Loading one delivery of the Met's: the command ``load`` beside reading alone and bare SQLite."""

from __future__ import annotations

import io
import shutil
import sqlite3
import zipfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyogrio
import shapely

from .job import Outcome, Place
from .measuring import Contender, Kind, flush, in_turns
from .programs import Server

_REAL_MONTH = Path("police_met_wards_api") / "2017-01.zip"
_DATASET = "mps"


def measure(place: Place) -> Outcome:
    """A real month where there is one, else a synthetic year, each time into a server folder of its own."""
    template = Server(place.root, place.scratch / "template")
    template.command("init")
    real = place.real_data / _REAL_MONTH
    if real.exists():
        what, files = "a real month", [real]
    else:
        what, files = "a synthetic year", _sample(template, place.scratch / "sample")
    rows = _loaded_rows(place, template.folder, files)
    insert = f"INSERT INTO incident VALUES ({', '.join('?' * len(rows[0]))})"

    def prepare(folder: Path) -> None:
        shutil.copytree(template.folder, folder / "server")

    def ours(folder: Path) -> None:
        Server(place.root, folder / "server").command("load", _DATASET, *map(str, files))

    def read(_folder: Path) -> pl.DataFrame:
        return pl.concat([rows for file in files for rows in _lists(file)], how="diagonal_relaxed")

    def convert(folder: Path) -> None:
        rows = read(folder)
        longitude, latitude = (
            rows["location"].struct.field(name).cast(pl.Float64).to_numpy() for name in ("longitude", "latitude")
        )
        places = shapely.to_wkb(shapely.points(longitude, latitude))
        table = rows.select(pl.exclude(pl.Struct)).to_arrow().append_column("geom", pa.array(places, pa.binary()))
        target = folder / "converted.gpkg"
        pyogrio.write_arrow(table, target, geometry_name="geom", geometry_type="Point", crs="EPSG:4326")
        flush(target)

    def store(folder: Path) -> None:
        with closing(sqlite3.connect(folder / "bare.sqlite")) as database:
            database.execute(f"CREATE TABLE incident ({', '.join(f'c{number}' for number in range(len(rows[0])))})")
            database.executemany(insert, rows)
            database.commit()

    return Outcome(
        measures=[
            in_turns(
                f"Loading {what} of the Met's, {len(rows):,} incidents",
                [
                    Contender("safestats load", Kind.OURS, ours, prepare),
                    Contender("sqlite3 executemany, same rows, no index", Kind.PEER, store),
                    Contender("polars.read_json, then pyogrio to a GeoPackage with index", Kind.PEER, convert),
                    Contender("polars.read_json of the files alone", Kind.PEER, read),
                    Contender(
                        "safestats starting up (status)",
                        Kind.LIMIT,
                        lambda folder: Server(place.root, folder / "server").command("status"),
                        prepare,
                    ),
                ],
                place.scratch,
                warm_up=False,
                note="Ours also checks every row, places it, finds its areas, knows it again and keeps three indexes.",
            )
        ],
        versions={"polars": pl.__version__, "SQLite (server)": sqlite3.sqlite_version, "pyogrio": pyogrio.__version__},
    )


def _lists(delivery: Path) -> Iterator[pl.DataFrame]:
    """The lists of incidents in a delivery that have any."""
    with zipfile.ZipFile(delivery) as lists:
        for name in lists.namelist():
            data = lists.read(name)
            if data.strip() not in (b"", b"[]"):
                yield pl.read_json(io.BytesIO(data), infer_schema_length=None)


def _sample(server: Server, folder: Path) -> list[Path]:
    server.command("sample-data", str(folder))
    return sorted((folder / _DATASET).iterdir())


def _loaded_rows(place: Place, template: Path, files: list[Path]) -> list[tuple[Any, ...]]:
    """What a load of the files leaves in the incidents' table."""
    server = Server(place.root, place.scratch / "loaded")
    shutil.copytree(template, server.folder)
    server.command("load", _DATASET, *map(str, files))
    with closing(sqlite3.connect(server.folder / "safestats.sqlite")) as database:
        return database.execute(f"SELECT * FROM incident_{_DATASET}").fetchall()
