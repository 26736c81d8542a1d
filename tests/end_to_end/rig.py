"""The two programs as they run in life: a server process on a folder of its own, and analysts at their desks."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import socket
import sqlite3
import ssl
import subprocess
import threading
import time
import urllib.request
import zipfile
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from qgis.core import QgsApplication, QgsProject, QgsSettings, QgsVectorLayer
from qgis.PyQt.QtCore import QCoreApplication, QSettings
from safestats.qgis_plugin.core.desk import Desk
from safestats.qgis_plugin.core.errors import DeskError
from safestats.qgis_plugin.core.local_store import LocalStore
from safestats.qgis_plugin.core.network import QgisNetwork
from safestats.qgis_plugin.core.pull import PullResult
from safestats.qgis_plugin.core.settings import DeskSettings
from safestats.shared.manifest import CHUNK_BYTES
from safestats.tests.server_commands import PASSWORD, SERVER, commands_of, initialise, server_environment

ROOT = Path(__file__).resolve().parents[2]
REAL = ROOT.parent / "shared" / "data"
DATASETS = ("mps", "colp", "btp", "lfb", "rnli")
PURPOSE = "needs-assessment"
# Long enough for a machine that does other things too: whoever waits goes on as soon as it has come.
WAIT_SECONDS = 120
START_SECONDS = 90


class ServerFolder:
    """A server's folder and the ``safestats`` command on it.

    ``chunk_bytes``: how much one digest of what ``run`` publishes covers, for tests that want many in little.
    ``settings``: further ones of its processes, by the names of the environment.
    """

    def __init__(self, path: Path, chunk_bytes: int = CHUNK_BYTES) -> None:
        self.path = path
        self.chunk_bytes = chunk_bytes
        self.settings: dict[str, str] = {}

    @property
    def environment(self) -> dict[str, str]:
        """That of the server's processes: nothing of the desk's Python or of QGIS."""
        return server_environment(self.path, **self.settings)

    def initialise(self, *also: str) -> ServerFolder:
        """Itself, with what ``init`` and then ``also`` make, in place of nothing."""
        initialise(self.path, also)
        return self

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        """``safestats`` as a person runs it; what it said and its status."""
        command = [str(SERVER / "safestats"), *words]
        return subprocess.run(command, capture_output=True, text=True, check=False, env=self.environment)

    def run(self, *commands: str) -> None:
        """Several commands in one process; fails the test with what they said."""
        commands_of(self.chunk_bytes).run(self.environment, *commands)

    def query(self, statement: str, *values: Any, file: str = "safestats.sqlite") -> list[dict[str, Any]]:
        """Rows of a file of the folder, read or changed past all of the server's code."""
        with closing(sqlite3.connect(self.path / file)) as database, database:
            database.row_factory = sqlite3.Row
            return [dict(row) for row in database.execute(statement, values)]

    def events(self) -> list[dict[str, Any]]:
        """The audit's events, oldest first."""
        return [json.loads(row["body"]) for row in self.query("SELECT body FROM event", file="audit.sqlite")]


class LiveServer:
    """``safestats serve`` on a folder; it can be killed and started again at the same address.

    ``tls``: its certificate and key, to be served by https.
    """

    def __init__(self, folder: ServerFolder, tls: tuple[Path, Path] | None = None) -> None:
        self.folder = folder
        self._tls = tls
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Its address."""
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it and wait until it answers."""
        log = self.folder.path / "serve.log"
        tls = ["--certificate", self._tls[0], "--key", self._tls[1]] if self._tls else []
        unproved = ssl._create_unverified_context() if self._tls else None
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [SERVER / "safestats", "serve", "--port", str(self.port), *tls],
                stdout=output,
                stderr=output,
                env=self.folder.environment,
                start_new_session=True,  # so that ``kill`` finds its worker too
            )
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until:
            with suppress(OSError), urllib.request.urlopen(f"{self.url}/v1/health", timeout=1, context=unproved):
                return
            assert self._process.poll() is None, log.read_text(encoding="utf-8")
            time.sleep(0.05)
        raise AssertionError(f"the server did not answer: {log.read_text(encoding='utf-8')}")

    def stop(self) -> None:
        """Ask it to end, as a service manager does."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(START_SECONDS)
            self._process = None

    def kill(self) -> None:
        """End server and worker without a word, as a power cut does."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(START_SECONDS)
            self._process = None


class Line:
    """The network between a desk and the server, as a port; ``cut_after`` lets it break in mid-answer."""

    def __init__(self, server: LiveServer) -> None:
        self._server = server
        self._left: float = float("inf")
        self._cut: Callable[[], None] = lambda: None
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def cut_after(self, size: int, and_then: Callable[[], None]) -> None:
        """Carry ``size`` bytes more towards the desk, then call ``and_then`` and drop the connection."""
        self._left, self._cut = size, and_then

    def mend(self) -> None:
        """Carry everything again."""
        self._left = float("inf")

    def close(self) -> None:
        """Take no more connections."""
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                desk, _ = self._listener.accept()
                try:
                    server = socket.create_connection(("127.0.0.1", self._server.port), timeout=WAIT_SECONDS)
                except OSError:
                    desk.close()
                    continue
                for pump in (self._ask, self._answer):
                    threading.Thread(target=pump, args=(desk, server), daemon=True).start()

    def _ask(self, desk: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while block := desk.recv(65536):
                server.sendall(block)
        _drop(desk, server)

    def _answer(self, desk: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while block := server.recv(4096):
                desk.sendall(block)
                self._left -= len(block)
                if self._left <= 0:
                    self._cut()
                    break
        _drop(desk, server)


class Analyst:
    """A person at a desk: what the dialogs and docks do with it, one step at a time.

    Each step waits for its task, returns what came, or raises the ``DeskError`` that the person would read.
    """

    def __init__(self, folder: Path, server: str, username: str, project: QgsProject | None = None) -> None:
        settings = DeskSettings(QgsSettings(str(folder / "desk.ini"), QSettings.Format.IniFormat))
        self.project = QgsProject() if project is None else project
        self.desk = Desk(settings, LocalStore(folder / "copies"), QgisNetwork(), "0.1.0", self.project)
        self.desk.shown_copies.letting_go.setInterval(300)
        self._server = server
        self.username = username

    def sign_in(self) -> Any:
        """The session, pending."""
        return self._wait(lambda *ends: self.desk.steps.sign_in(self._server, self.username, PASSWORD, *ends))

    def accept(self, purpose: str = PURPOSE) -> Any:
        """The session, active."""
        return self._wait(lambda *ends: self.desk.steps.accept(purpose, "", *ends))

    def begin(self) -> Analyst:
        """Sign in and accept; the analyst."""
        self.sign_in()
        self.accept()
        return self

    def decline(self) -> None:
        """Decline the conditions."""
        self._wait(lambda done, _failed: self.desk.decline(lambda: done(None)))

    def sign_out(self) -> None:
        """End the session."""
        self._wait(lambda done, _failed: self.desk.sign_out(lambda: done(None)))

    def layers(self) -> dict[str, dict[str, Any]]:
        """What ``/v1/layers`` says, by dataset."""
        return {answer["dataset"]: answer for answer in self._wait(self.desk.list_layers)}

    def pull(self, dataset: str) -> PullResult:
        """The new local copy."""
        return self._wait(lambda *ends: self.desk.pull(dataset, dataset, *ends))

    def open(self, dataset: str) -> QgsVectorLayer:
        """The local copy as a layer."""
        return self.desk.open_layer(dataset)

    def leave(self) -> None:
        """Close the layers and stop what runs."""
        wait_until(lambda: QgsApplication.taskManager().countActiveTasks() == 0)
        self.desk.close()
        self.project.clear()

    def _wait(self, begin: Callable[[Callable[[Any], None], Callable[[DeskError], None]], Any]) -> Any:
        ends: list[Any] = []
        begin(ends.append, ends.append)
        wait_until(lambda: bool(ends))
        if isinstance(ends[0], DeskError):
            raise ends[0]
        return ends[0]


def wait_until(condition: Callable[[], bool]) -> None:
    """Let Qt live until ``condition()`` holds; fails the test after ``WAIT_SECONDS``."""
    until = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < until, f"nothing happened for {WAIT_SECONDS} s"
        QCoreApplication.processEvents()
        time.sleep(0.005)


def free_port() -> int:
    """A port of the loopback address that nothing listens on."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


def loading(dataset: str, files: Sequence[Path]) -> str:
    """The command that loads the files."""
    named = " ".join(f"'{path}'" for path in files)
    return f"load {dataset} --accept-withdrawals {named}"


def thinned(delivery: Path, folder: Path, every: int = 3) -> Path:
    """The same delivery, of the same months, without each third (or so) incident: a supplier's correction."""
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / delivery.name
    if delivery.suffix == ".zip":
        with zipfile.ZipFile(delivery) as whole, zipfile.ZipFile(target, "w") as thin:
            for name in whole.namelist():
                rows = json.loads(whole.read(name) or b"[]")
                thin.writestr(name, json.dumps([row for number, row in enumerate(rows) if number % every]))
        return target
    with delivery.open(encoding="utf-8", newline="") as whole, target.open("w", encoding="utf-8", newline="") as thin:
        reader, writer = csv.reader(whole), csv.writer(thin)
        writer.writerow(next(reader))
        writer.writerows(row for number, row in enumerate(reader) if number % every)
    return target


def copy_of(folder: ServerFolder, target: Path) -> ServerFolder:
    """A server folder with the same content, to be changed freely."""
    shutil.copytree(folder.path, target)
    return ServerFolder(target)


def _drop(*ends: socket.socket) -> None:
    for end in ends:
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
        end.close()
