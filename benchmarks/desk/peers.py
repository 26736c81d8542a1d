"""The peers that run in the server's environment, asked from inside QGIS."""

from __future__ import annotations

import json
import os
import subprocess
from types import TracebackType
from typing import Any


class Peers:
    """A process of ``benchmarks.peers`` for as long as the context lasts."""

    def __init__(self, python: str) -> None:
        # Nothing of QGIS's own surroundings: the process has another GDAL and another PROJ.
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("QGIS_", "QT_", "PROJ_"))}
        self._process = subprocess.Popen(
            [python, "-m", f"{__package__.rpartition('.')[0]}.peers"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=kept,
        )

    def ask(self, do: str, **arguments: Any) -> Any:
        """The answer; raises ``RuntimeError`` with the reason where the peer could not do it."""
        self._process.stdin.write(json.dumps({"do": do, **arguments}, default=str) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"The process of the peers ended while it was asked to {do}.")
        answer = json.loads(line)
        if "error" in answer:
            raise RuntimeError(f"The peer could not {do}: {answer['error']}")
        return answer["answer"]

    def __enter__(self) -> Peers:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.stdin.close()
        self._process.wait(20)
