"""Commands that are killed at a chosen moment, and all that a server holds, to be compared."""

from __future__ import annotations

import hashlib
import json
import os
import select as ready
import shutil
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from safestats.sync_server.agreements.scope import live_scopes
from safestats.sync_server.database import Base
from safestats.sync_server.datasets.incidents import incident_table
from safestats.sync_server.ingest.models import Delivery, RejectedRow
from safestats.sync_server.instants import london_today
from safestats.sync_server.publishing.artefact_store import ArtefactStore
from safestats.sync_server.publishing.models import OPEN_STATES, Artefact, LayerSlice, PublishingJob, Release
from safestats.sync_server.recall.list_file import ListFile
from safestats.sync_server.recall.models import NeverLoad, Recall
from safestats.sync_server.services import Services, open_services
from safestats.sync_server.settings import Part, Settings
from safestats.sync_server.supplies.models import Receipt
from safestats.sync_server.supplies.receiving import FOLDER, tidy
from safestats.sync_server.sync.layer import LayerPreparing, published_layer
from safestats.tests.server.engines import copied, databases_of_a_test, environment
from sqlalchemy import make_url, select
from sqlalchemy.util import LRUCache

RUNNER = Path(__file__).with_name("crash_runner.py")
# As faults.c tells of them.
_MOMENTS = {
    b"S": "statement",
    b"W": "write",
    b"H": "torn",
    b"Y": "sync",
    b"R": "rename",
    b"T": "truncate",
    b"U": "unlink",
    b"O": "open",
}
_NOT_COMPARED = ("row_id", "delivery_id")
# Asked for anew when a command is typed again, and told of twice where the first time was lost.
_NOT_COUNTED = ("publishing_job", "audit_event")
_COUNTS = " UNION ALL ".join(
    f"SELECT '{name}', count(*) FROM {name}" for name in sorted(Base.metadata.tables) if name not in _NOT_COUNTED
)
# Thousands of looks ask the same.
_COMPILED: LRUCache = LRUCache(500)


@dataclass(frozen=True)
class Ended:
    """How a command ended, and what it said."""

    killed: bool
    status: int
    said: str
    calls: dict[str, int]


class Runner:
    """The process that tries commands, with the fault library where there is a compiler."""

    def __init__(self, library: Path | None) -> None:
        preload = {"LD_PRELOAD": str(library)} if library else {}
        self._told, telling = os.pipe()
        answered, self._answers = os.pipe()
        self._process = subprocess.Popen(
            [sys.executable, str(RUNNER), str(library or ""), str(telling), str(answered)],
            pass_fds=(telling, answered),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **preload},
        )
        os.close(telling)
        os.close(answered)
        assert self._process.stdout and self._process.stdout.readline() == "ready\n"

    def run(
        self, settings: Settings, words: Sequence[str], kind: str = "", number: int = 0, torn: bool = False
    ) -> Ended:
        """Type the command; the Nth call of the kind is the last thing that it does."""
        self._order(settings, words, kind, number, torn)
        return self._ended(settings)

    def walk(
        self, settings: Settings, words: Sequence[str], until: tuple[str, int] | None = None
    ) -> Iterator[tuple[str, int]]:
        """Type the command, which stands still at each moment until the next is asked for: its kind and number.

        What is on the disk then is what SIGKILL would leave; it does end it after the moment ``until``.
        """
        assert self._process.stdout
        self._order(settings, words, walked=True)
        numbers: Counter[str] = Counter()
        while self._process.stdout not in ready.select([self._told, self._process.stdout], [], [])[0]:
            kind = _MOMENTS[os.read(self._told, 1)]
            # A torn write is the second moment of that write.
            numbers[kind] = numbers["write"] if kind == "torn" else numbers[kind] + 1
            moment = kind, numbers[kind]
            yield moment
            os.write(self._answers, b"K" if moment == until else b".")
        ended = self._ended(settings)
        assert ended.status == 0 and ended.killed == (until is not None), ended.said

    def _order(
        self,
        settings: Settings,
        words: Sequence[str],
        kind: str = "",
        number: int = 0,
        torn: bool = False,
        walked: bool = False,
    ) -> None:
        said = said_by(settings)
        order = {
            "environment": _environment(settings),
            "folder": str(settings.data_dir),
            "said": str(said),
            "words": list(words),
            "kind": kind,
            "number": number,
            "torn": torn,
            "walked": walked,
        }
        assert self._process.stdin
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()

    def _ended(self, settings: Settings) -> Ended:
        assert self._process.stdout
        answer = json.loads(self._process.stdout.readline())
        assert "crash" not in answer, answer["crash"]
        return Ended(
            answer.get("killed", False), answer.get("status", 0), said_by(settings).read_text(), answer.get("calls", {})
        )

    def close(self) -> None:
        """End it."""
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait(30)
        os.close(self._told)
        os.close(self._answers)


def said_by(settings: Settings) -> Path:
    """What the last command on the server said, as far as it came."""
    return settings.data_dir.parent / "said.txt"


class States:
    """What a crash would leave of a server, told apart by what is to be read after it: rows, files, leftovers.

    Pages that SQLite has written and not committed are no difference, nor what lies in a builder's own folder, which
    the next one empties.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._image = settings.data_dir.parent / "image"
        self._committed: tuple[str, str] = ("", "")

    def keep(self, folder: Path) -> None:
        """Keep in the folder what was looked at last, in place of what was kept there."""
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        self._image.rename(folder / "server")

    def now(self) -> str:
        """A digest of what a crash would leave now; raises ``AssertionError`` where a database would not be sound."""
        shutil.rmtree(self._image, ignore_errors=True)
        shutil.copytree(self._settings.data_dir, self._image)
        digest = hashlib.sha256(self._held_by_postgresql().encode())
        opened = self._image.with_name("opened")
        for path in sorted(self._image.rglob("*")):
            name = str(path.relative_to(self._image))
            if name.endswith((".lock", "-wal", "-shm", "-journal")):
                continue
            if "part-" in name:
                digest.update(b"part" if path.is_dir() else b"")
            elif path.suffix == ".sqlite":
                opened.mkdir()
                for beside in path.parent.glob(f"{path.name}*"):
                    shutil.copyfile(beside, opened / beside.name)
                digest.update(name.encode() + _content(opened / path.name))
                shutil.rmtree(opened)
            elif path.is_file():
                digest.update(name.encode() + hashlib.sha256(path.read_bytes()).digest())
        return digest.hexdigest()

    def _held_by_postgresql(self) -> str:
        """A digest of all that is committed."""
        if self._settings.embedded:
            return ""
        url = make_url(self._settings.owner_url)
        with psycopg.connect(host=url.query["host"], user=url.username, dbname=url.database) as session:
            (writers,) = session.execute("SELECT pg_current_snapshot()::text").fetchone() or ("",)
            if writers != self._committed[0]:
                tables = session.execute(_TABLES).fetchall()
                each = " UNION ALL ".join(_ROWS.format(table) for (table,) in tables)
                self._committed = (writers, str(session.execute(each).fetchall()))
        return self._committed[1]


_TABLES = """
    SELECT format('%I', relname) FROM pg_class
    WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND relname <> 'spatial_ref_sys' ORDER BY relname
"""
_ROWS = "SELECT '{0}', md5(string_agg(held::text, '|' ORDER BY held::text)) FROM {0} AS held"


def _content(path: Path) -> bytes:
    """A digest of all rows of an SQLite file, after it has recovered from the crash."""
    digest = hashlib.sha256()
    with closing(sqlite3.connect(path)) as database:
        database.text_factory = bytes
        (sound,) = database.execute("PRAGMA quick_check").fetchone()
        assert sound == b"ok", f"{path.name}: {sound!r}"
        for name, statement in database.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table'").fetchall():
            if not statement.startswith(b"CREATE VIRTUAL"):
                digest.update(name + repr(database.execute(f'SELECT * FROM "{name.decode()}"').fetchall()).encode())
    return digest.digest()


@contextmanager
def a_copy(server: Settings, folder: Path) -> Iterator[Settings]:
    """A server of its own with all that a closed one has, gone on leaving."""
    with databases_of_a_test():
        yield copied(server, folder / "server").model_copy(update={"resources_dir": server.resources_dir})
    shutil.rmtree(folder)


@dataclass(frozen=True)
class Seen:
    """What people see: the visible release with its rows, and what of its files is not sound."""

    release: int
    rows: str
    unsound: tuple[str, ...]
    preparing: bool


@dataclass(frozen=True)
class Look:
    """What people see of a server, all that it holds, whether its audit is whole, and the events that it tells."""

    seen: Seen
    held: dict[str, Any]
    whole: bool
    events: list[str]


def look(settings: Settings, dataset: str) -> Look:
    """Look at a copy of the folder, so that the next command finds what the last one left, a hot journal too."""
    copy = settings.data_dir.parent / "looked-at"
    shutil.copytree(settings.data_dir, copy)
    services = open_services(settings.model_copy(update={"data_dir": copy}), Part.PUBLISHER)
    services.database.engine.update_execution_options(compiled_cache=_COMPILED)
    try:
        return Look(seen(services, dataset), everything(services, dataset), *audited(services))
    finally:
        services.close()
        shutil.rmtree(copy)


def seen(services: Services, dataset: str) -> Seen:
    """Look as people do: which release, which rows, and is each file that a manifest names whole."""
    store, unsound, preparing = ArtefactStore(services.settings.artefacts_dir), [], False
    with services.database.read() as session:
        scopes = live_scopes(session, dataset, services.definitions, london_today())
        for scope in scopes:
            try:
                layer = published_layer(session, scope)
            except LayerPreparing:
                preparing = True
                continue
            files = [artefact for _, artefact in layer.slices] + ([layer.snapshot] if layer.snapshot else [])
            for file in files:
                path = store.path(file.name)
                if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != file.sha256:
                    unsound.append(file.name)
        release = scopes[0].release if scopes else 0
    rows = [row for row in _rows(services, dataset) if _live(row, release)]
    return Seen(release, hashlib.sha256(repr(sorted(map(_bare, rows))).encode()).hexdigest(), tuple(unsound), preparing)


def everything(services: Services, dataset: str) -> dict[str, Any]:
    """All that a server holds, without what differs from run to run: times, serial numbers, random ids."""
    settings = services.settings
    store = ArtefactStore(settings.artefacts_dir)
    with services.database.read() as session:
        releases = session.scalars(select(Release).order_by(Release.dataset, Release.number)).all()
        slices = session.scalars(select(LayerSlice)).all()
        artefacts = session.scalars(select(Artefact)).all()
        deliveries = session.scalars(select(Delivery).order_by(Delivery.delivery_id)).all()
        rejected = session.scalars(select(RejectedRow)).all()
        recalls = session.scalars(select(Recall).order_by(Recall.asked_at)).all()
        listed = session.scalars(select(NeverLoad.identity)).all()
        receipts = session.scalars(select(Receipt)).all()
        jobs = session.scalars(select(PublishingJob).where(PublishingJob.state.in_(OPEN_STATES))).all()
        counts = [tuple(row) for row in session.connection().exec_driver_sql(_COUNTS)]
        checked = [session.connection().exec_driver_sql(f"PRAGMA {check}").all() for check in _checks(settings)]
    sound = [
        hashlib.sha256(store.path(artefact.name).read_bytes()).hexdigest() == artefact.sha256
        for artefact in artefacts
        if store.path(artefact.name).is_file()
    ]
    incoming = settings.incoming_dir / FOLDER
    for folder in incoming.glob("*"):
        os.utime(folder, (0, 0))
    tidy(services)
    listing = settings.never_load_path.read_bytes() if settings.never_load_path.exists() else b""
    return {
        "rows": sorted(
            str(sorted((k, v) for k, v in row.items() if k not in _NOT_COMPARED)) for row in _rows(services, dataset)
        ),
        "releases": [(r.dataset, r.number, r.state, r.synthetic, list(r.periods), r.content_of) for r in releases],
        "slices": sorted((s.dataset, s.release, s.fingerprint, s.period, s.artefact) for s in slices),
        "artefacts": sorted((a.name, a.kind, a.period, a.rows, a.size, a.sha256) for a in artefacts),
        "files": sorted(store.names()),
        "all sound": (len(sound), all(sound)),
        "leftovers": sorted(path.name for path in settings.artefacts_dir.glob("part-*")),
        "deliveries": [(d.dataset, d.release, d.accepted, d.rejected, d.duplicates, d.rows_in) for d in deliveries],
        "rejected": sorted((r.fate, r.line, r.reason, str(r.content)) for r in rejected),
        "recalls": [(r.state, r.release, r.incidents, r.versions, r.months, r.agreements) for r in recalls],
        "never load": sorted(listed),
        "receipts": [
            (r.state, r.rows_in, r.accepted, r.rejected, r.duplicates, r.release, r.refusal, r.rows, r.report)
            for r in receipts
        ],
        "incoming": [path.name for path in incoming.rglob("*") if path.is_file()],
        "open jobs": [(job.dataset, job.kind, job.state) for job in jobs],
        "rows of tables": counts,
        "checks": checked,
        "list": [sorted(entry.identities) for entry in ListFile(settings.never_load_path).read()],
        "lines of the list": (listing.count(b"\n"), listing[-1:]),
    }


def audited(services: Services) -> tuple[bool, list[str]]:
    """Whether the audit is whole, and the kinds of its events that change something."""
    kinds = [event.body["event"] for event in services.audit.events()]
    return services.audit.verify().ok, [kind for kind in kinds if kind.split(".")[0] in ("dataset", "recall", "supply")]


def bytes_that_stayed(settings: Settings, planted: bytes) -> list[str]:
    """The files of the server's folder that hold the bytes."""
    files = (path for path in settings.data_dir.rglob("*") if path.is_file())
    return sorted(path.name for path in files if planted in path.read_bytes())


def _environment(settings: Settings) -> dict[str, str]:
    quick = {name: str(getattr(settings, name)) for name in ("password_rounds", "password_memory_kib")}
    told = {name: value for name, value in environment(settings).items() if name.startswith("SAFESTATS_")}
    return told | {f"SAFESTATS_{name.upper()}": value for name, value in quick.items()}


def _checks(settings: Settings) -> tuple[str, ...]:
    return ("integrity_check", "foreign_key_check") if settings.embedded else ()


def _rows(services: Services, dataset: str) -> list[dict[str, Any]]:
    table = incident_table(services.definitions[dataset])
    columns = [column for column in table.columns if column.name != "geometry"]
    with services.database.read() as session:
        return [dict(row._mapping) for row in session.execute(select(*columns))]


def _live(row: dict[str, Any], release: int) -> bool:
    return row["from_release"] <= release and (row["to_release"] is None or row["to_release"] > release)


def _bare(row: dict[str, Any]) -> str:
    return f"{row['identity']} {row['content']}"
