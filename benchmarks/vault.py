"""Manifests and readable rows where forty organisations share ten million incidents, on PostgreSQL with PostGIS."""

from __future__ import annotations

import gc
import sys
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import fastapi
import granian
from sqlalchemy import text

from .asking import Answered, Question, ask
from .bare_manifest import BareManifest
from .invented_vault import INCIDENTS, LAYER, ORGANISATIONS, USERS
from .job import Outcome, Place
from .measuring import Contender, Figure, Kind, Measure, take_turns
from .prepared_vault import Vault, prepared_vault
from .programs import free_port, serving
from .readable_rows import readable_measures

_ROUNDS = 3
_CLIENTS = 8
_MANIFEST = f"/v1/layers/{LAYER}/manifest"
_P95_AIM_S = 0.020
_JOB = f"A manifest, asked for by {USERS} people of {ORGANISATIONS} organisations in turn"
_NOTE = (
    "Ours looks up session, conditions, agreement, grants, supplier's terms and published files under the "
    "application's role, and has the request in the audit, on the disk, before the answer leaves."
)


def measure(place: Place) -> Outcome:
    """Manifests over HTTP, then rows in the database, both as the application and under row-level security."""
    with prepared_vault(place.root, place.scratch.parent / "vault") as vault:
        # As the server does when it starts; here it serves ours and the bare SQL alike.
        gc.collect()
        gc.freeze()
        return Outcome(
            measures=[*_manifests(vault, place.scratch), *readable_measures(vault, place.scratch)],
            versions=_versions(vault),
        )


def _manifests(vault: Vault, scratch: Path) -> list[Measure]:
    people = vault.sign_in_everybody()
    ours = [Question(_MANIFEST, person.token) for person in people]
    with (
        vault.server.serving() as url,
        _plain_routes(scratch, _document(url, ours[0])) as plain_url,
        BareManifest.of(vault) as bare,
    ):

        def answered(name: str, kind: Kind, act: Callable[[Path], Answered], aim: float | None = None) -> Contender:
            return Contender(name, kind, act, aim=aim)

        def asking(clients: int, aim: float | None) -> list[Contender]:
            def plain(path: str) -> Callable[[Path], Answered]:
                return lambda folder: ask(plain_url, [Question(path)] * len(people), clients)

            return [
                answered(f"GET {_MANIFEST}", Kind.OURS, lambda folder: ask(url, ours, clients), aim),
                answered("the same document from a trivial route of FastAPI", Kind.LIMIT, plain("/document")),
                answered("a trivial route of FastAPI", Kind.LIMIT, plain("/nothing")),
            ]

        alone = [*asking(1, _P95_AIM_S), answered("bare SQL, no HTTP", Kind.LIMIT, lambda folder: bare.all_of(people))]
        together = asking(_CLIENTS, None)
        return [
            *_figures(f"{_JOB}", alone, scratch, f"{_NOTE} {bare.NOTE}"),
            *_figures(
                f"{_JOB}, {_CLIENTS} at a time", together, scratch, "Clients, server and database share the cores."
            ),
        ]


def _figures(job: str, contenders: Sequence[Contender], scratch: Path, note: str) -> Iterator[Measure]:
    done = take_turns(contenders, scratch, _ROUNDS)
    yield done.told(job, Figure.MEDIAN_ANSWER, aims=False, of=lambda answered: answered.median)
    yield done.told(job, Figure.P95_ANSWER, note, of=lambda answered: answered.p95)


def _document(url: str, question: Question) -> bytes:
    request = urllib.request.Request(f"{url}{question.path}", headers={"Authorization": f"Bearer {question.token}"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return bytes(answer.read())


@contextmanager
def _plain_routes(scratch: Path, document: bytes) -> Iterator[str]:
    """The URL of a server with nothing but trivial routes, one of which answers the document."""
    file, port = scratch / "document.json", free_port()
    file.write_bytes(document)
    command = [sys.executable, "-m", f"{__package__}.plain_route", str(port), str(file)]
    with serving(command, port, "/nothing", scratch / "plain.log") as url:
        yield url


def _versions(vault: Vault) -> dict[str, str]:
    engine = vault.cluster.engine()
    with engine.connect() as connection:
        numbers = connection.execute(text("SHOW server_version")).scalar_one().split()[0]
        postgis = connection.execute(text("SELECT PostGIS_Lib_Version()")).scalar_one()
    engine.dispose()
    return {
        "PostgreSQL": numbers,
        "PostGIS": postgis,
        "FastAPI": fastapi.__version__,
        "Granian": granian.__version__,
        "incidents": f"{INCIDENTS:,}",
    }
