"""``safestats publish`` of a year of the Met's, and after a correction, beside pyogrio writing the same rows."""

from __future__ import annotations

import gzip
import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from .job import Outcome, Place
from .measuring import Contender, Figure, Kind, Measure, take_turns
from .peers import read_layer
from .prepared import DATASET
from .programs import Server, weigh


def measure(place: Place) -> Outcome:
    """Time and peak memory, each command and each peer a process of its own."""
    servers = place.servers
    rows = place.scratch / "rows.gpkg"
    rows.write_bytes(gzip.decompress(_whole_layer(servers.published).read_bytes()))
    year = f"{servers.year} of the Met's, {read_layer(rows, DATASET).num_rows:,} rows"
    months = len(servers.deliveries)
    return Outcome(
        [
            *_measures(place, f"Publishing {year}, for one set of rights", servers.loaded, rows),
            *_measures(place, f"Publishing a correction of one of its {months} months", servers.corrected, rows),
        ]
    )


def _measures(place: Place, job: str, template: Server, rows: Path) -> list[Measure]:
    def prepare(folder: Path) -> None:
        shutil.copytree(template.folder, folder / "server")

    def publish(folder: Path) -> int:
        return Server(place.root, folder / "server").weigh(folder / "peak", "publish", DATASET)

    def write(folder: Path) -> int:
        requests = (
            {"do": "read", "source": str(rows), "layer": DATASET},
            {"do": "write", "target": str(folder / "peer.gpkg"), "layer": DATASET},
        )
        command = [str(place.server_python), "-m", f"{__package__}.peers"]
        peak = weigh(folder / "peak", command, stdin="".join(json.dumps(request) + "\n" for request in requests))
        if not (folder / "peer.gpkg").exists():
            raise RuntimeError("pyogrio wrote nothing.")
        return peak

    done = take_turns(
        [
            Contender("safestats publish", Kind.OURS, publish, prepare),
            Contender("pyogrio reading all the rows and writing them with index", Kind.PEER, write),
        ],
        place.scratch,
        warm_up=False,
    )
    note = "Ours writes each month that changed and the whole layer, packs both and takes digests of rows and files."
    return [done.times(job, note), done.told(f"{job}: the largest process", Figure.PEAK_MEMORY)]


def _whole_layer(server: Server) -> Path:
    """The file of the one whole layer that the server has published."""
    with closing(sqlite3.connect(server.folder / "safestats.sqlite")) as database:
        ((name,),) = database.execute("SELECT name FROM artefact WHERE kind = 'snapshot'").fetchall()
    (path,) = server.folder.glob(f"**/{name}*")
    return path
