"""A million police rows: the command ``load`` on both engines, beside COPY of the same file and DuckDB reading it."""

from __future__ import annotations

import shutil
from pathlib import Path

import duckdb
import polars as pl

from . import police_csv
from .cluster import Cluster
from .job import Outcome, Place
from .measuring import MIN_ROUNDS, Contender, Figure, Kind, Measure, Rounds, take_turns
from .programs import Server, weigh

ROWS = 1_000_000
_DATASET = "mps"
_MOST_TIMES_COPY = 5.0
_MOST_MEMORY = 1.5e9
_COPY = "PostgreSQL COPY into a bare table"


def measure(place: Place, rows: int = ROWS, rounds: int = MIN_ROUNDS) -> Outcome:
    """Time and peak memory, each command and each peer a process of its own."""
    file = place.scratch / "2025-metropolitan-street.csv"
    police_csv.write(file, rows, place.resources)
    template = Server(place.root, place.scratch / "template")
    template.command("init")
    cluster = Cluster(place.root, place.scratch / "cluster")
    try:
        with cluster.running():
            done = _rounds(place, file, template, cluster, rounds)
    finally:
        cluster.remove()
    measures = []
    for engine in ("SpatiaLite", "PostGIS"):
        ours = f"safestats load, {engine}"
        of_engine = _only(done, ours)
        job = f"Loading {rows:,} police rows, a CSV file of {file.stat().st_size / 1e6:.0f} MB, into {engine}"
        note = (
            "Ours also screens every column, checks every row, places it, finds its areas, knows it again, compares it "
            "with what is held and keeps three to six indexes; its command takes over a second to start."
        )
        measures.append(of_engine.times(job, note))
        measures.append(_memory(of_engine, f"{job}: the largest process"))
    return Outcome(measures, versions={"polars": pl.__version__, "DuckDB": duckdb.__version__})


def _rounds(place: Place, file: Path, template: Server, cluster: Cluster, rounds: int) -> Rounds:
    on_postgis = Server(place.root, place.scratch / "on-postgis", cluster.environment())

    def embedded(folder: Path) -> None:
        shutil.copytree(template.folder, folder / "server")

    def anew(_folder: Path) -> None:
        cluster.recreate()
        shutil.rmtree(on_postgis.folder, ignore_errors=True)
        on_postgis.command("init")

    def into_spatialite(folder: Path) -> int:
        return Server(place.root, folder / "server").weigh(folder / "peak", "load", _DATASET, str(file))

    def into_postgis(folder: Path) -> int:
        return on_postgis.weigh(folder / "peak", "load", _DATASET, str(file))

    def peer(*words: str) -> Contender:
        name, kind, what, *rest = words

        def act(folder: Path) -> int:
            command = [str(place.server_python), "-m", f"{__package__}.bulk_peers", what, str(file), *rest]
            return weigh(folder / "peak", command)

        return Contender(name, Kind(kind), act, aim=_MOST_TIMES_COPY if name == _COPY else None)

    return take_turns(
        [
            Contender("safestats load, SpatiaLite", Kind.OURS, into_spatialite, embedded),
            peer(_COPY, Kind.PEER, "copy", cluster.conninfo),
            peer("the same, then four indexes", Kind.PEER, "index", cluster.conninfo),
            peer("DuckDB reading and validating, keeping nothing", Kind.PEER, "duckdb"),
            Contender("safestats load, PostGIS", Kind.OURS, into_postgis, anew),
        ],
        place.scratch,
        rounds,
        warm_up=False,
    )


def _only(done: Rounds, ours: str) -> Rounds:
    """The rounds of one engine's load, first, and of all the peers."""
    kept = [c for c in done.contenders if c.kind is not Kind.OURS]
    first = next(c for c in done.contenders if c.name == ours)
    return Rounds((first, *kept), done.seconds, done.answers)


def _memory(done: Rounds, job: str) -> Measure:
    """Peak memory; COPY's own is that of its client, so that the aim is ours alone."""
    ours = Contender(done.contenders[0].name, Kind.OURS, done.contenders[0].act, aim=_MOST_MEMORY)
    alone = Rounds((ours, *(c for c in done.contenders if c.name.startswith("DuckDB"))), done.seconds, done.answers)
    return alone.told(job, Figure.PEAK_MEMORY)
