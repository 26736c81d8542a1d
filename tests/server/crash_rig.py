"""Commands that are killed at a chosen moment, and all that a server holds, to be compared."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safestats.sync_server.agreements.scope import live_scopes
from safestats.sync_server.datasets.incidents import incident_table
from safestats.sync_server.ingest.models import Delivery, RejectedRow
from safestats.sync_server.instants import london_today
from safestats.sync_server.publishing.artefact_store import ArtefactStore
from safestats.sync_server.publishing.models import Artefact, LayerSlice, Release
from safestats.sync_server.recall.models import NeverLoad, Recall
from safestats.sync_server.services import Services, open_services
from safestats.sync_server.settings import Part, Settings
from safestats.sync_server.sync.layer import LayerPreparing, published_layer
from safestats.tests.server.engines import copied, databases_of_a_test, environment
from sqlalchemy import select

RUNNER = Path(__file__).with_name("crash_runner.py")
_NOT_COMPARED = ("row_id", "delivery_id")


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
        self._process = subprocess.Popen(
            [sys.executable, str(RUNNER), *([str(library)] if library else [])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **preload},
        )
        assert self._process.stdout and self._process.stdout.readline() == "ready\n"

    def run(
        self, settings: Settings, words: Sequence[str], kind: str = "", number: int = 0, torn: bool = False
    ) -> Ended:
        """Type the command; the Nth call of the kind is the last thing that it does."""
        said = settings.data_dir.parent / "said.txt"
        order = {
            "environment": {k: v for k, v in environment(settings).items() if k.startswith("SAFESTATS_")},
            "folder": str(settings.data_dir),
            "said": str(said),
            "words": list(words),
            "kind": kind,
            "number": number,
            "torn": torn,
        }
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        assert "crash" not in answer, answer["crash"]
        return Ended(answer.get("killed", False), answer.get("status", 0), said.read_text(), answer.get("calls", {}))

    def close(self) -> None:
        """End it."""
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait(30)


@contextmanager
def a_copy(server: Settings, folder: Path) -> Iterator[Settings]:
    """A server of its own with all that a closed one has, gone on leaving."""
    with databases_of_a_test():
        yield copied(server, folder / "server")
    shutil.rmtree(folder)


@dataclass(frozen=True)
class Seen:
    """What people see: the visible release with its rows, and what of its files is not sound."""

    release: int
    rows: str
    unsound: tuple[str, ...]
    preparing: bool


@contextmanager
def opened(settings: Settings) -> Iterator[Services]:
    """The services of a server, closed on leaving."""
    services = open_services(settings, Part.PUBLISHER)
    try:
        yield services
    finally:
        services.close()


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
    sound = [
        hashlib.sha256(store.path(artefact.name).read_bytes()).hexdigest() == artefact.sha256
        for artefact in artefacts
        if store.path(artefact.name).is_file()
    ]
    lines = settings.never_load_path.read_text().splitlines() if settings.never_load_path.exists() else []
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
        "list": [sorted(json.loads(line)["identities"]) for line in lines],
    }


def audited(services: Services) -> tuple[bool, list[str]]:
    """Whether the audit is whole, and the kinds of its events that change something."""
    kinds = [event.body["event"] for event in services.audit.events()]
    return services.audit.verify().ok, [kind for kind in kinds if kind.split(".")[0] in ("dataset", "recall")]


def _rows(services: Services, dataset: str) -> list[dict[str, Any]]:
    table = incident_table(services.definitions[dataset])
    columns = [column for column in table.columns if column.name != "geometry"]
    with services.database.read() as session:
        return [dict(row._mapping) for row in session.execute(select(*columns))]


def _live(row: dict[str, Any], release: int) -> bool:
    return row["from_release"] <= release and (row["to_release"] is None or row["to_release"] > release)


def _bare(row: dict[str, Any]) -> str:
    return f"{row['identity']} {row['content']}"
