"""The tables, brought up to date: by the migrations, and by the definitions of the datasets."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, MetaData, inspect, text

from .database import Base, Database
from .datasets.definitions import DatasetDefinition
from .datasets.service import ensure_incident_tables
from .errors import SafeStatsError
from .settings import Settings
from .spatial.rights import Roles, set_rights

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
    """Run the migrations that the database lacks, all of them or none; on PostgreSQL the owner's."""
    from alembic import command

    if _migration(database) == newest_migration():
        return
    with database.write() as session:
        command.upgrade(migration_config(session.connection()), "head")


def prepare_database(database: Database, settings: Settings, definitions: Mapping[str, DatasetDefinition]) -> None:
    """Bring tables and rights up to date; on PostgreSQL as the owner. What is right already stays as it is."""
    roles = None if database.embedded else Roles.of(settings)
    create_schema(database)
    ensure_incident_tables(database, definitions)
    if roles is not None:
        with database.write() as session:
            set_rights(session, roles, definitions)


def check_schema(database: Database) -> None:
    """Raises ``SafeStatsError`` where the database is not at the newest migration."""
    if _migration(database) != newest_migration():
        raise SafeStatsError("The database is not of this version of SafeStats: run “safestats init”.")


def _migration(database: Database) -> str | None:
    """The number of the migration that the database is at."""
    with database.engine.connect() as connection:
        migrated = inspect(connection).has_table("alembic_version")
        return connection.scalar(text("SELECT version_num FROM alembic_version")) if migrated else None


def migration_config(connection: Connection) -> Config:
    """Alembic's configuration for work on the connection."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.attributes["connection"] = connection
    config.attributes["metadata"] = declared_tables()
    return config
