"""The least that a route of FastAPI does, served exactly as ours are: what any answer of such a server costs.

``python -m safestats.benchmarks.plain_route PORT DOCUMENT`` serves until it is ended. ``/nothing`` answers next to
nothing, ``/document`` the JSON of the file, which it has in memory.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from granian import Granian
from granian.constants import Interfaces

_DOCUMENT = "BENCHMARK_DOCUMENT"


def application() -> FastAPI:
    """The application."""
    app = FastAPI()
    document = json.loads(Path(os.environ[_DOCUMENT]).read_text(encoding="utf-8"))

    @app.get("/nothing")
    def nothing() -> dict[str, Any]:
        return {"status": "ok"}

    @app.get("/document")
    def whole() -> dict[str, Any]:
        return document

    return app


def main(port: int, document: str) -> None:
    """Serve on the loopback address."""
    os.environ[_DOCUMENT] = document
    server = Granian("application", address="127.0.0.1", port=port, interface=Interfaces.ASGI, workers=1)
    server.serve(target_loader=application, wrap_loader=False)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
