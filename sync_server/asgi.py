"""How the web server makes the application, in its own process, from the environment."""

from __future__ import annotations

from fastapi import FastAPI

from .app import create_app
from .settings import Settings


def application() -> FastAPI:
    """The application, which knows the way into PostgreSQL under its own role only."""
    return create_app(Settings(publisher_url="", owner_url=""))
