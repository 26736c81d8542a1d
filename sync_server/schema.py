"""The tables that every installation has, brought up to date by the migrations."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, MetaData, inspect, text

from .database import Base, Database
from .errors import SafeStatsError

# Alembic takes half a second to import: only who migrates needs it.
if TYPE_CHECKING:
    from alembic.config import Config

_MIGRATIONS = Path(__file__).parent / "migrations"


def declared_tables() -> MetaData:
    """What the ``models`` module of every domain declares."""
    for path in sorted(Path(__file__).parent.glob("*/models.py")):
        import_module(f".{path.parent.name}.models", __package__)
    return Base.metadata


def newest_migration() -> str:
    """The number of the newest migration."""
    return max(path.name for path in (_MIGRATIONS / "versions").glob("[0-9]*.py")).partition("_")[0]


def create_schema(database: Database) -> None:
    """Run the migrations that the database lacks, all of them or none."""
    from alembic import command

    with database.write() as session:
        command.upgrade(migration_config(session.connection()), "head")


def check_schema(database: Database) -> None:
    """Raises ``SafeStatsError`` where the database is not at the newest migration."""
    with database.engine.connect() as connection:
        migrated = inspect(connection).has_table("alembic_version")
        current = connection.scalar(text("SELECT version_num FROM alembic_version")) if migrated else None
    if current != newest_migration():
        raise SafeStatsError("The database is not of this version of SafeStats: run “safestats init”.")


def migration_config(connection: Connection) -> Config:
    """Alembic's configuration for work on the connection."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.attributes["connection"] = connection
    config.attributes["metadata"] = declared_tables()
    return config
