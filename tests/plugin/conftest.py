"""For the plugin's tests: a real SafeStats server, a desk, and a small HTTP server that can misbehave."""

from __future__ import annotations

import csv
import http.server
import json
import random
import socket
import sqlite3
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from pytestqt.qtbot import QtBot
from qgis.core import QgsProject, QgsSettings
from qgis.PyQt.QtCore import QSettings
from safestats.qgis_plugin.core.desk import Desk
from safestats.qgis_plugin.core.desk_session import DeskSession
from safestats.qgis_plugin.core.local_store import LocalStore
from safestats.qgis_plugin.core.network import QgisNetwork
from safestats.qgis_plugin.core.settings import DeskSettings
from safestats.qgis_plugin.core.transport import Transport
from safestats.tests.commands import SUPPLIERS_TERMS, agreement, ended, organisation
from safestats.tests.server_commands import PASSWORD, SERVER, commands_of, initialise, server_environment

SERVER_PYTHON = SERVER / "python"
PURPOSE = "needs-assessment"
# Long enough for a machine that does other things too: whoever waits goes on as soon as it has come.
WAIT_MS = 120_000
CITY_HEADER = (
    *("Crime ID", "Month", "Reported by", "Falls within", "Longitude", "Latitude", "Location", "LSOA code"),
    *("LSOA name", "Crime type", "Last outcome category", "Context"),
)


@dataclass
class LiveServer:
    """`safestats serve` on a folder of its own. ``run`` runs any other command of it."""

    url: str
    folder: Path
    password: str = PASSWORD
    purpose: str = PURPOSE

    def run(self, *commands: str) -> str:
        """The output of commands such as ``org list``, all in one process; fails the test with what they said."""
        return commands_of().run(server_environment(self.folder), *commands)

    def connect(self, username: str) -> Transport:
        """A transport with an active session, without a desk."""
        transport = Transport(self.url, QgisNetwork(), "0.1.0")
        session = DeskSession(transport)
        session.sign_in(username, PASSWORD)
        session.accept(PURPOSE)
        return transport

    def events(self, kind: str) -> list[dict[str, Any]]:
        """The audit's events of a kind, oldest first."""
        with closing(sqlite3.connect(self.folder / "audit.sqlite")) as audit:
            found = [json.loads(body) for (body,) in audit.execute("SELECT body FROM event ORDER BY number")]
        return [event for event in found if event["event"] == kind]

    def publish(self, *months: tuple[str, int, int]) -> None:
        """Load and publish City of London incidents: (month, rows, seed of the random places)."""
        self.run(*self.loading(*months))

    def loading(self, *months: tuple[str, int, int]) -> tuple[str, ...]:
        """The commands that do so."""
        files = []
        for month, rows, seed in months:
            path = self.folder / f"{month}-city-of-london-street.csv"
            write_city_file(path, month, rows, seed)
            files.append(str(path))
        return f"load colp --synthetic --accept-withdrawals {' '.join(files)}", "publish colp"


def write_city_file(path: Path, month: str, rows: int, seed: int) -> None:
    """A street-level CSV as data.police.uk gives it, with invented incidents."""
    chance = random.Random(seed)
    kinds = ["Burglary", "Drugs", "Robbery", "Shoplifting"]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(CITY_HEADER)
        for number in range(rows):
            lon, lat = -0.092 + chance.uniform(-0.008, 0.008), 51.5145 + chance.uniform(-0.003, 0.003)
            identity = f"{seed:08x}{number:056x}"
            force, street = "City of London Police", f"On or near Invented Street {number % 20}"
            kind = chance.choice(kinds)
            writer.writerow([identity, month, force, force, f"{lon:.6f}", f"{lat:.6f}", street, "", "", kind, "", ""])


@pytest.fixture(scope="session")
def live_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """The City's incidents of two months, synthetic and published.

    ada, carol and erin of Camden may sync all of them; bob of the GLA has no agreement, dora's has ended.
    """
    folder = tmp_path_factory.mktemp("live") / "server"
    initialise(folder, [SUPPLIERS_TERMS])
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = LiveServer(f"http://127.0.0.1:{port}", folder)
    everything = "--areas london,unplaced,outside --fields core,area,location,place --precision point"
    server.run(
        organisation("camden", "London Borough of Camden"),
        organisation("gla", "Greater London Authority"),
        organisation("past", "An Organisation of the Past"),
        "user add ada --org camden --name 'Ada Okafor' --password-stdin",
        "user add carol --org camden --password-stdin",
        "user add erin --org camden --password-stdin",
        "user add bob --org gla --password-stdin",
        "user add dora --org past --password-stdin",
        *server.loading(("2025-08", 300, 1), ("2025-09", 200, 2)),
        *agreement("DSA-CAMDEN", "camden", "colp", everything),
        *agreement("DSA-PAST", "past", "colp", everything),
        ended("DSA-PAST"),
    )
    log = (folder / "serve.log").open("wb")
    process = subprocess.Popen(
        [SERVER / "safestats", "serve", "--port", str(port)], stdout=log, stderr=log, env=server_environment(folder)
    )
    try:
        for _ in range(900):
            try:
                urllib.request.urlopen(f"{server.url}/v1/health", timeout=1).close()
                break
            except OSError:
                assert process.poll() is None, (folder / "serve.log").read_text()
                time.sleep(0.1)
        yield server
    finally:
        process.terminate()
        process.wait(90)
        log.close()


class PatientBot(QtBot):
    """Waits as long as a busy machine needs where a test does not say how long."""

    def waitUntil(self, callback: Callable[[], bool | None], *, timeout: int = WAIT_MS) -> None:
        super().waitUntil(callback, timeout=timeout)

    def waitSignal(self, signal: Any, *, timeout: int = WAIT_MS, **options: Any) -> Any:
        return super().waitSignal(signal, timeout=timeout, **options)


@pytest.fixture
def qtbot(qapp, request: pytest.FixtureRequest) -> PatientBot:
    """pytest-qt's, patient."""
    return PatientBot(request)


@pytest.fixture
def settings(tmp_path: Path) -> DeskSettings:
    """Settings in a file of the test's own."""
    stored = QgsSettings(str(tmp_path / "settings.ini"), QSettings.Format.IniFormat)
    return DeskSettings(stored)


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    """An empty folder of local copies."""
    return LocalStore(tmp_path / "copies")


@pytest.fixture
def desk(qgis_app, qgis_new_project, settings: DeskSettings, store: LocalStore) -> Iterator[Desk]:
    """A desk at which nobody is signed in."""
    desk = Desk(settings, store, QgisNetwork(), "0.1.0", QgsProject.instance())
    desk.shown_copies.letting_go.setInterval(300)
    yield desk
    desk.close()


@pytest.fixture
def sign_in(desk: Desk, qtbot) -> Callable[..., DeskSession]:
    """Signs a user in at ``desk`` and accepts the conditions, as the dialogs do."""

    def act(server: str, username: str, accept: bool = True) -> DeskSession:
        arrived: list[Any] = []
        desk.steps.sign_in(server, username, PASSWORD, arrived.append, arrived.append)
        qtbot.waitUntil(lambda: bool(arrived), timeout=WAIT_MS)
        assert isinstance(arrived[0], DeskSession), arrived[0]
        if accept:
            accepted: list[Any] = []
            desk.steps.accept(PURPOSE, "", accepted.append, accepted.append)
            qtbot.waitUntil(lambda: bool(accepted), timeout=WAIT_MS)
            assert desk.signed_in, accepted[0]
        return arrived[0]

    return act


Answer = Callable[[http.server.BaseHTTPRequestHandler], None]


@dataclass
class ScriptedServer:
    """A real HTTP server whose answers a test sets by path; ``asked`` notes (method, path, headers)."""

    port: int
    answers: dict[str, Answer] = field(default_factory=dict)
    asked: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def json(self, path: str, document: Any, status: int = 200) -> None:
        body = json.dumps(document).encode()
        kind = "application/json" if status < 400 else "application/problem+json"
        self.bytes(path, body, status, kind)

    def problem(self, path: str, status: int, code: str, detail: str) -> None:
        self.json(path, {"status": status, "code": code, "title": code, "detail": detail}, status)

    def bytes(self, path: str, body: bytes, status: int = 200, kind: str = "application/octet-stream") -> None:
        def answer(request: http.server.BaseHTTPRequestHandler) -> None:
            start = 0
            if status == 200 and "Range" in request.headers:
                start = int(request.headers["Range"].split("=")[1].rstrip("-"))
            request.send_response(206 if start else status)
            request.send_header("Content-Type", kind)
            if start:
                request.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
            request.send_header("Content-Length", str(len(body) - start))
            request.end_headers()
            request.wfile.write(body[start:])

        self.answers[path] = answer


@pytest.fixture
def scripted_server() -> Iterator[ScriptedServer]:
    """Answers 404 until told otherwise."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            server.asked.append((self.command, self.path, dict(self.headers)))
            answer = server.answers.get(self.path.split("?")[0])
            if answer is None:
                self.send_error(404)
            else:
                answer(self)

        do_GET = do_POST = do_DELETE = do_CONNECT = _answer

        def log_message(self, *_arguments: Any) -> None:
            pass

    http_server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http_server.daemon_threads = True
    server = ScriptedServer(http_server.server_address[1])
    thread = threading.Thread(target=http_server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield server
    http_server.shutdown()
    http_server.server_close()
