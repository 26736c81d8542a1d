"""The tables that every installation has."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from .database import Base, Database


def import_models() -> None:
    """Import the ``models`` module of every domain, so that ``Base.metadata`` is whole."""
    for path in sorted(Path(__file__).parent.glob("*/models.py")):
        import_module(f".{path.parent.name}.models", __package__)


def create_schema(database: Database) -> None:
    """Make the tables that are missing."""
    import_models()
    Base.metadata.create_all(database.engine)
