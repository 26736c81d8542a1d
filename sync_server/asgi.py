"""How the web server makes the application, in its own process, from the environment."""

from __future__ import annotations

from fastapi import FastAPI

from .app import create_app
from .settings import Settings


def application() -> FastAPI:
    """The application."""
    return create_app(Settings())
