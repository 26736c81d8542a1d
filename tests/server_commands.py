"""The ``safestats`` command for desk tests: the server is imported once a run, and each call is a fork of that."""

from __future__ import annotations

import atexit
import json
import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

from safestats.shared.manifest import CHUNK_BYTES

ROOT = Path(__file__).resolve().parents[1]
SERVER = ROOT / ".venvs" / "server" / "bin"
PASSWORD = "a long enough passphrase"
# Peers of the benchmarks lie in the tests' environment and in no server's, where GDAL's reader would import them.
_WITHOUT_PEERS = ROOT / "tests" / "server" / "without_peers"

# Reads orders from its standard input, a line of JSON each, and answers each with the fork's status.
_FORKS = """
import json, os, shlex, sys, threading, traceback
from importlib import import_module
from safestats.shared import manifest
manifest.CHUNK_BYTES = int(sys.argv[1])
from safestats.sync_server import domains
from safestats.sync_server.cli import app
for domain in domains.domains():
    import_module(f"safestats.sync_server.{domain}.commands")


def obey(order):
    for target, (name, flags) in enumerate(
        ((order["stdin"], os.O_RDONLY), (order["stdout"], os.O_WRONLY), (order["stderr"], os.O_WRONLY))
    ):
        os.dup2(os.open(name, flags), target)
    os.environ.clear()
    os.environ.update(order["environment"])
    sys.stdin = open(0, encoding="utf-8", closefd=False)
    for command in order["commands"]:
        app(shlex.split(command), standalone_mode=False)
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join()


for line in sys.stdin.buffer.raw:
    child = os.fork()
    if not child:
        status = 1
        try:
            obey(json.loads(line))
            status = 0
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else int(end.code is not None)
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)
    answer = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    os.write(1, f"{answer}\\n".encode())
"""


def server_environment(folder: Path, **more: str) -> dict[str, str]:
    """That of a server's processes: nothing of the desk's Python or of QGIS, and passwords that are hashed fast."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    quick = {"SAFESTATS_PASSWORD_ROUNDS": "1", "SAFESTATS_PASSWORD_MEMORY_KIB": "64"}
    return {**kept, **quick, "PYTHONPATH": str(_WITHOUT_PEERS), **more, "SAFESTATS_DATA_DIR": str(folder)}


class ServerCommands:
    """A process of the server's Python that forks for every ``run``; it ends with this one.

    ``chunk_bytes``: how much one digest of what is published covers.
    """

    def __init__(self, chunk_bytes: int = CHUNK_BYTES) -> None:
        self._turn = threading.Lock()
        self._process = subprocess.Popen(
            [SERVER / "python", "-c", _FORKS, str(chunk_bytes)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=server_environment(Path(os.devnull)),
        )

    def run(self, environment: Mapping[str, str], *commands: str) -> str:
        """The output of several commands in one process; fails the test with what they said."""
        with tempfile.TemporaryDirectory(prefix="safestats-said-") as folder:
            files = {name: str(Path(folder) / name) for name in ("stdin", "stdout", "stderr")}
            for name, path in files.items():
                Path(path).write_text(f"{PASSWORD}\n" * len(commands) if name == "stdin" else "", encoding="utf-8")
            status = self._order({**files, "environment": dict(environment), "commands": commands})
            said, troubles = (Path(files[name]).read_text(encoding="utf-8") for name in ("stdout", "stderr"))
        assert status == 0, f"{commands}: {troubles[-3000:]}"
        return said

    def _order(self, order: Mapping[str, object]) -> int:
        assert self._process.stdin is not None and self._process.stdout is not None
        with self._turn:
            self._process.stdin.write(json.dumps(order).encode() + b"\n")
            self._process.stdin.flush()
            return int(self._process.stdout.readline() or -1)

    def end(self) -> None:
        """End the process that forks."""
        self._process.communicate()


def commands_of(chunk_bytes: int = CHUNK_BYTES) -> ServerCommands:
    """The process for this run of the tests."""
    return _forking(chunk_bytes)


@lru_cache
def _forking(chunk_bytes: int) -> ServerCommands:
    made = ServerCommands(chunk_bytes)
    atexit.register(made.end)
    return made


def initialise(folder: Path, also: Sequence[str] = ()) -> None:
    """Let a server's folder, which is not there yet, hold what ``init`` makes and then ``also``: made once, copied."""
    shutil.copytree(_made(tuple(also)), folder)


@lru_cache
def _made(also: tuple[str, ...]) -> Path:
    root = Path(tempfile.mkdtemp(prefix="safestats-made-"))
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    commands_of().run(server_environment(root / "server"), "init", *also)
    return root / "server"
