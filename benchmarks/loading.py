"""Loading one delivery of the Met's: the command ``load`` beside reading alone and bare SQLite."""

from __future__ import annotations

import io
import shutil
import sqlite3
import zipfile
from contextlib import closing
from pathlib import Path
from typing import Any

import polars as pl

from .job import Outcome, Place
from .measuring import Contender, Kind, in_turns
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

    def read(_folder: Path) -> None:
        for file in files:
            with zipfile.ZipFile(file) as lists:
                for name in lists.namelist():
                    data = lists.read(name)
                    if data:
                        pl.read_json(io.BytesIO(data), infer_schema_length=None)

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
        versions={"polars": pl.__version__, "SQLite (server)": sqlite3.sqlite_version},
    )


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
