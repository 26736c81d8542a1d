"""How the web server makes the application, in its own process, from the environment."""

from __future__ import annotations

import gc

from fastapi import FastAPI

from .app import create_app
from .settings import Settings


def application() -> FastAPI:
    """The application, which knows the way into PostgreSQL under its own role only."""
    app = create_app(Settings(publisher_url="", owner_url=""))
    # What is there by now stays as long as the process: collecting garbage in the middle of an answer need not look
    # through it.
    gc.collect()
    gc.freeze()
    return app
