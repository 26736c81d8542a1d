"""What tells who somebody is reaches no file of the server: it is planted, loaded, refused, published, crashed upon and
restored, and then every byte is read."""

from __future__ import annotations

import io
import logging
import sqlite3
import subprocess
import sys
import traceback
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from unittest.mock import patch

import pytest
from openpyxl import Workbook
from safestats.sync_server.datasets.areas import load_supplied_areas
from safestats.sync_server.datasets.incidents import incident_table
from safestats.sync_server.ingest import staging
from safestats.sync_server.ingest.models import RejectedRow
from safestats.sync_server.ingest.service import load
from safestats.sync_server.ingest.source import SourceFile
from safestats.sync_server.publishing.jobs import Jobs
from safestats.sync_server.publishing.models import JobKind
from safestats.sync_server.recall.choosing import Named
from safestats.sync_server.recall.service import recall
from safestats.sync_server.screening.check import check
from safestats.sync_server.services import Services
from safestats.sync_server.uploads.incoming import Incoming
from safestats.sync_server.uploads.models import Upload
from safestats.tests.server.engines import ON_POSTGIS, environment
from safestats.tests.server.ingest_rig import STREET_HEADER, publish_now, street_csv, street_row
from safestats.tests.server.stored_bytes import FORMS, finds, holding, stored, with_packed
from safestats.tests.server.sync_rig import CAMDEN, Rig
from sqlalchemy import select

# What was planted, in every form in which it could come to rest. None of it is anybody's.
PLANTED = {
    "NHS number": ("943 476 5919", "9434765919", "943-476-5919"),
    "name": ("Grzegorz", "Okonkwo"),
    "date of birth": ("14/07/1983", "1983-07-14", "14 July 1983"),
    "home address": ("17 Zwerrick", "Zwerrick", "SE15 5XQ", "SE155XQ"),
    "telephone number": ("07700 900461", "07700900461"),
    "e-mail address": ("g.zzokon@example.org",),
}
TEXTS = (
    "NHS 943 476 5919",
    "9434765919",
    "punched Grzegorz Okonkwo",
    "MR OKONKWO",
    "dob 14/07/1983",
    "born 14 July 1983",
    "lives at 17 Zwerrick Mews, SE15 5XQ",
    "home address: Flat 2, 17 Zwerrick Mews, London SE15 5XQ",
    "tel 07700 900461",
    "g.zzokon@example.org",
)
PLACES = ("High Street", "Camden High Street, NW1 7JN", "")
# What may be stored is found, or the search would prove nothing.
CONTROL = "Quillonby Lane"
# An incident that was taken, published and staged anew, and then withdrawn for good.
RECALLED = ("recalled-77", "Wexcombe Passage")
ISTV_HEADER = (
    "Arrival Date", "Arrival Time", "Assault Date", "Assault Time", "Assault Method", "Assault Location Type",
    "Assault Location Description", "Age",
)  # fmt: skip
pytestmark = pytest.mark.timeout(900)  # of a busy machine


@dataclass
class World:
    """A server to which everything was done, and what it said meanwhile."""

    services: Services
    said: list[str] = field(default_factory=list)
    held_before: dict[str, set[str]] = field(default_factory=dict)


def _load(world: World, dataset: str, path: Path, **options: object) -> None:
    try:
        report = load(world.services, dataset, [path], today=date(2026, 4, 2), **options)
    except Exception as error:
        world.said += ["".join(traceback.format_exception(error)), repr(error), repr(error.__dict__)]
    else:
        world.said += [repr(report), repr(report.to_json())]


def _istv(path: Path, header: tuple[str, ...], *rows: tuple[object, ...]) -> Path:
    workbook = Workbook()
    sheet = workbook.active
    assert sheet is not None
    for row in (header, *rows):
        sheet.append(row)
    workbook.save(path)
    return path


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    sent = tmp_path_factory.mktemp("sent")
    rig = Rig.make(tmp_path_factory.mktemp("server") / "server")
    services = rig.services
    world = World(services)
    log = io.StringIO()
    handler = logging.StreamHandler(log)
    logging.getLogger().addHandler(handler)
    logging.getLogger().setLevel(logging.DEBUG)
    with services.database.write() as session:
        load_supplied_areas(session, services.settings.resources_dir / "boundaries" / "london-lsoa-2011.gpkg")
    rig.organisation("camden")
    rig.agree("camden", {"areas": (CAMDEN,)})

    # Inside agreed text: blanked, and the rows go on, be they taken, rejected, torn or a second time there.
    rows = [street_row(f"a{n}", force="mps", street=f"On or near {CONTROL}, {text}".replace(",", ";")) for n, text in
            enumerate(TEXTS)]  # fmt: skip
    plain = [street_row(f"p{n}", force="mps", street=f"On or near {CONTROL} {n}") for n in range(30)]
    recalled = street_row(RECALLED[0], force="mps", street=f"On or near {RECALLED[1]}")
    plain = [*plain, recalled, recalled.replace("2023-05", "2023-14")]
    bad = [row.replace("2023-05", "2023-13") for row in rows] + [row.rpartition(",Burglary")[0] for row in rows]
    _load(world, "mps", street_csv(sent / "2023-05-street.csv", *rows, *plain, *bad, rows[3]))
    publish_now(services, "mps")
    again = [row.replace("a0,", "b0,").replace("Burglary", "Robbery") for row in rows]
    _load(world, "mps", street_csv(sent / "2023-05-again.csv", *again, *plain), accept_withdrawals=True)

    # Whole columns: refused, whatever the header.
    header = STREET_HEADER.replace(",Context", ",X")
    columns = {
        "Victim name": ["Grzegorz Okonkwo"],
        "DOB": ["14/07/1983"],
        "NHS No": ["943 476 5919"],
        "Home address": ["17 Zwerrick Mews SE15 5XQ"],
        "Field 1": ["9434765919"],
        "Field 2": ["Grzegorz Okonkwo"],
        "Field 3": ["1983-07-14"],
        "Field 4": ["17 Zwerrick Mews SE15 5XQ"],
        "Grzegorz Okonkwo": ["9434765919"],
    }
    for number, (name, values) in enumerate(columns.items()):
        cells = [f"{row}{values[0]}" for row in plain]
        path = street_csv(sent / f"2023-06-{number}.csv", *cells, header=header.replace(",X", f",{name}"))
        before = len(world.said)
        _load(world, "mps", path)
        assert "who somebody is" in world.said[before], name
        world.said += check(services, "mps", [SourceFile.read(path)]).sentences()

    # A crash after the rows were written, and one before.
    for moment in ("before", "after"):
        real = staging.write

        def crash(*arguments: object, moment: str = moment, real: Callable[..., None] = real) -> None:
            if moment == "after":
                real(*arguments)
            raise OSError(5, "Input/output error")

        with patch.object(staging, "write", crash):
            _load(world, "mps", street_csv(sent / f"2023-07-{moment}.csv", *(r.replace("-05", "-07") for r in rows)))

    # Words that are placed: matched, ambiguous or nowhere; they wait for review.
    told = [
        (f"2026-03-{n % 28 + 1:02d}", "23:10", f"2026-03-{n % 28 + 1:02d}", "22:00", f"fists, {text}", "street",
         f"{where}, {text}", 35)
        for n, (where, text) in enumerate((w, t) for w in PLACES for t in TEXTS)
    ]  # fmt: skip
    path = _istv(sent / "RJ122-2026-03.xlsx", ISTV_HEADER, *told)
    _load(world, "istv", path, site="RJ122")
    world.said += [repr(check(services, "istv", [SourceFile.read(path)], "RJ122", today=date(2026, 4, 2)))]
    publish_now(services, "istv")
    leaks = (*ISTV_HEADER[:-1], "Patient DOB")
    _load(world, "istv", _istv(sent / "RJ122-2026-02.xlsx", leaks, *(r[:-1] + (date(1983, 7, 14),) for r in told)),
          site="RJ122")  # fmt: skip

    # It is in tables, slices, what is staged, rejected rows and a file that waits; a backup is made afterwards.
    waiting = Incoming(services.settings.incoming_dir).keep(io.BytesIO(recalled.encode()), "2023-08.csv", 1000)
    number = Jobs(services.database).request("mps", JobKind.LOAD)
    with services.database.write() as session:
        session.add(Upload(job_id=number, dataset="mps", mapping="", files=[waiting.to_json()]))
    world.held_before = {text: holding(services, text) for text in RECALLED}
    recall(services, "mps", Named(incidents=RECALLED[:1]), "A court order of the ninth of November.")
    _load(world, "mps", street_csv(sent / "2023-05-third.csv", *again, *plain))

    for arguments in (
        ["check", str(sent / "2023-06-0.csv"), "--dataset", "mps"],
        ["load", "mps", str(sent / "2023-06-4.csv")],
    ):
        ran = subprocess.run(
            [sys.executable, "-m", "safestats.sync_server.cli", *arguments],
            env=environment(services.settings),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        world.said += [ran.stdout, ran.stderr]
    services.database.engine.dispose()
    if not ON_POSTGIS:
        _back_up(services)
    logging.getLogger().removeHandler(handler)
    logging.getLogger().setLevel(logging.WARNING)
    world.said.append(log.getvalue())
    yield world
    services.close()


def _back_up(services: Services) -> None:
    for path in (services.settings.database_path, services.settings.audit_path):
        with closing(sqlite3.connect(path)) as held, closing(sqlite3.connect(f"{path}.backup")) as backup:
            held.backup(backup)


def test_nothing_that_was_planted_is_stored(world: World) -> None:
    found, controls, read = set(), set(), set()
    for name, data in stored(world.services):
        read.add(name.split(" ")[0].split("/")[0])
        for where, bare in with_packed(name, data):
            small = bare.lower()
            for what, texts in PLANTED.items():
                for text in texts:
                    if any(form(text).lower() in small for form in FORMS):
                        found.add((where, what, text))
            if any(form(CONTROL).lower() in small for form in FORMS):
                controls.add(where)
    assert not found
    # Dead rows, and the log of what failed, were read as well.
    assert "pg_wal" in read if ON_POSTGIS else "safestats.sqlite" in read
    assert any("safestats" in where or "table" in where or "base" in where for where in controls), controls
    assert any("(gzip)" in where for where in controls), "no slice holds what it should"


def test_nothing_of_what_was_recalled_is_left(world: World) -> None:
    for text, before in world.held_before.items():
        assert any("safestats" in where or "table" in where for where in before) and "incoming" in str(before)
        # PostgreSQL's write-ahead log is its administrator's: test_recall.py does what docs/recall.md tells them.
        assert not holding(world.services, text, log=False), text
    assert any("(gzip)" in where for where in world.held_before[RECALLED[1]])
    said = "\n".join(world.said).casefold()
    assert not any(text.casefold() in said for text in RECALLED)


def test_nothing_that_was_planted_is_said(world: World) -> None:
    said = "\n".join(world.said)
    assert "who somebody is" in said and CONTROL not in "".join(world.said[-1:])
    for what, texts in PLANTED.items():
        for text in texts:
            assert text.casefold() not in said.casefold(), (what, text)


def test_the_search_would_find_them() -> None:
    for form in FORMS:
        assert finds(b"\0\1" + form("Grzegorz") + b"\2", "Grzegorz")
    packed = zlib.compressobj(9, zlib.DEFLATED, 31)
    data = b"SQLite format 3\0" + packed.compress(b"lives at 17 Zwerrick") + packed.flush() + b"tail"
    assert any(finds(bare, "17 Zwerrick") for _, bare in with_packed("x", data))


def test_the_rows_themselves_went_on(world: World) -> None:
    services = world.services
    for dataset in ("mps", "istv"):
        table = incident_table(services.definitions[dataset])
        with services.database.read() as session:
            assert len(session.execute(select(table.c.row_id)).all()) >= len(TEXTS)
    with services.database.read() as session:
        rejected = session.scalars(select(RejectedRow)).all()
    assert len([row for row in rejected if row.reason == "a date that does not exist"]) >= len(TEXTS)
    assert len([row for row in rejected if row.reason.startswith("cut off")]) >= len(TEXTS)
