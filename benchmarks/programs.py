"""The other programs of a benchmark: the desk's Python, the command ``safestats``."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .measuring import Measure, UnmeasurableError

_PATIENCE_S = 900
_START_PATIENCE_S = 20


def run(command: list[str], environment: dict[str, str] | None = None, stdin: str = "") -> str:
    """What the command prints; raises ``RuntimeError`` with what it said where it fails."""
    done = subprocess.run(
        command,
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        timeout=_PATIENCE_S,
        env={**os.environ, **(environment or {})},
    )
    if done.returncode:
        raise RuntimeError(
            f"{' '.join(command[:4])} failed ({done.returncode}): {(done.stderr or done.stdout)[-2000:]}"
        )
    return done.stdout


def weigh(report: Path, command: list[str], environment: dict[str, str] | None = None, stdin: str = "") -> int:
    """Run the command as ``run`` does; the peak memory, in bytes, of its largest process. ``report``: a file to use."""
    run([sys.executable, "-m", f"{__package__}.weighed", str(report), *command], environment, stdin)
    return int(report.read_text(encoding="ascii"))


@dataclass(frozen=True)
class Desk:
    """QGIS on this machine, with a profile of its own."""

    root: Path
    scratch: Path

    def measure(self, module: str, **arguments: Any) -> tuple[list[Measure], dict[str, str]]:
        """What ``benchmarks/desk/<module>.py`` measures, and the versions that it tells."""
        python = self.root / ".venvs" / "desk" / "bin" / "python"
        if not python.exists():
            raise UnmeasurableError("the desk's environment with QGIS is not there (make setup makes it)")
        name = f"{__package__}.desk.{module}"
        printed = run([str(python), "-m", name, json.dumps(arguments, default=str)], self._environment())
        answer = json.loads(printed.splitlines()[-1])
        return [Measure.from_json(entry) for entry in answer["measures"]], answer["versions"]

    def _environment(self) -> dict[str, str]:
        return {"QT_QPA_PLATFORM": "offscreen", "QGIS_CUSTOM_CONFIG_PATH": str(self.scratch / "profile")}


@dataclass(frozen=True)
class Server:
    """The command ``safestats`` on a folder of its own; ``settings``: of the environment, beside the folder."""

    root: Path
    folder: Path
    settings: Mapping[str, str] = field(default_factory=dict)

    def command(self, *arguments: str, stdin: str = "") -> str:
        """What the command prints."""
        return run([str(self._program), *arguments], self._environment, stdin)

    def weigh(self, report: Path, *arguments: str) -> int:
        """Run the command; its peak memory in bytes."""
        return weigh(report, [str(self._program), *arguments], self._environment)

    @contextmanager
    def serving(self) -> Iterator[str]:
        """The URL of the server, as long as it is wanted."""
        port = free_port()
        command = [str(self._program), "serve", "--port", str(port)]
        with serving(command, port, "/v1/health", self.folder / "serve.log", self._environment) as url:
            yield url

    @property
    def _environment(self) -> dict[str, str]:
        return {"SAFESTATS_DATA_DIR": str(self.folder), **self.settings}

    @property
    def _program(self) -> Path:
        return self.root / ".venvs" / "server" / "bin" / "safestats"


def free_port() -> int:
    """A port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def serving(
    command: list[str], port: int, path: str, log: Path, environment: dict[str, str] | None = None
) -> Iterator[str]:
    """The URL of the server that the command starts on the port, once ``path`` is answered; it ends on leaving."""
    url = f"http://127.0.0.1:{port}"
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, env={**os.environ, **(environment or {})})
        try:
            _wait_for(f"{url}{path}", process, log)
            yield url
        finally:
            process.terminate()
            process.wait(20)


def _wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + _START_PATIENCE_S
    while True:
        try:
            urllib.request.urlopen(url, timeout=1).close()
        except OSError:
            if process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"The server did not start: {log.read_text()[-2000:]}") from None
            time.sleep(0.1)
        else:
            return
