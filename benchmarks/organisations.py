"""One month of the Met's for all 38 organisations: how long the files of their rights take, and how large they are."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from operator import itemgetter
from pathlib import Path

from ..sync_server.datasets.areas import AreaIndex
from ..sync_server.services import open_services
from ..sync_server.settings import Part, Settings
from . import police_csv
from .invented_vault import make_people
from .job import Outcome, Place
from .measuring import Contender, Figure, Kind, take_turns
from .programs import Server

ORGANISATIONS = 38
ROWS = 60_000  # a month of the Met's
_DATASET = "mps"


def measure(place: Place) -> Outcome:
    """The command ``publish`` of a loaded month, as a process of its own, for 38 organisations and for one of them."""
    month = place.scratch / "2025-01-metropolitan-street.csv"
    police_csv.write(month, ROWS, place.resources, months=1)
    everybody = _server(place, month, "everybody", ORGANISATIONS)
    one = _server(place, month, "one", 1)

    def prepare(template: Server) -> Callable[[Path], object]:
        return lambda folder: shutil.copytree(template.folder, folder / "server")

    def publish(folder: Path) -> dict[Figure, float]:
        server = Server(place.root, folder / "server")
        peak = server.weigh(folder / "peak", "publish", _DATASET)
        with closing(sqlite3.connect(server.folder / "safestats.sqlite")) as database:
            ((size,),) = database.execute("SELECT sum(size) FROM artefact").fetchall()
        return {Figure.PEAK_MEMORY: peak, Figure.DISK: size}

    done = take_turns(
        [
            Contender(f"safestats publish, {ORGANISATIONS} organisations", Kind.OURS, publish, prepare(everybody)),
            Contender("safestats publish, one borough's", Kind.PART, publish, prepare(one)),
        ],
        place.scratch,
        warm_up=False,
    )
    job = f"A month of {ROWS:,} rows for {ORGANISATIONS} organisations"
    note = (
        "33 boroughs, with what lies within a kilometre, every other one with the rest of London on a grid of 250 m, "
        "and five that have all of London. Who has the same rights shares the files: the month and the whole layer."
    )
    others = [done.told(job, figure, of=itemgetter(figure)) for figure in (Figure.DISK, Figure.PEAK_MEMORY)]
    return Outcome([done.times(job, note), *others])


def _server(place: Place, month: Path, name: str, organisations: int) -> Server:
    """A server with the month loaded and so many agreements in force, nothing published."""
    server = Server(place.root, place.scratch / name)
    server.command("init")
    services = open_services(Settings(data_dir=server.folder), Part.OWNER)
    try:
        with services.database.write() as session:
            make_people(services, session, AreaIndex.open(session), organisations)
    finally:
        services.close()
    server.command("load", _DATASET, str(month))
    return server
