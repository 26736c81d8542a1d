"""The migrations make exactly the tables that the models declare."""

from __future__ import annotations

from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from safestats.sync_server.database import Database
from safestats.sync_server.datasets.definitions import read_definitions
from safestats.sync_server.datasets.service import ensure_incident_tables
from safestats.sync_server.errors import SafeStatsError
from safestats.sync_server.schema import (
    check_schema,
    create_schema,
    declared_tables,
    migration_config,
    newest_migration,
)
from safestats.sync_server.settings import Settings
from sqlalchemy import Column, Integer, inspect


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return Database.open(tmp_path / "test.sqlite")


def differences(database: Database) -> list:
    tables = declared_tables()

    def declared(_thing: object, name: str | None, kind: str, reflected: bool, _other: object) -> bool:
        return not (kind == "table" and reflected and name not in tables.tables)

    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "include_object": declared})
        return compare_metadata(context, tables)


def test_a_migrated_database_has_what_the_models_declare(database: Database) -> None:
    create_schema(database)
    assert differences(database) == []
    # The comparison does see a difference.
    release = declared_tables().tables["release"]
    release.append_column(Column("forgotten", Integer))
    try:
        assert differences(database)
    finally:
        release._columns.remove(release.c.forgotten)


def test_checks_and_unique_keys_are_there(database: Database) -> None:
    create_schema(database)
    seen = inspect(database.engine)
    for table in declared_tables().tables.values():
        declared = {c.name for c in table.constraints if c.name and str(c.name).startswith("ck_")}
        assert {c["name"] for c in seen.get_check_constraints(table.name)} == declared
    (index,) = (i for i in seen.get_indexes("agreement") if i["name"] == "uq_agreement_one_active")
    assert index["unique"]
    assert "state = 'active'" in str(index["dialect_options"]["sqlite_where"])


def test_migrating_again_changes_nothing_and_leaves_incidents_alone(database: Database) -> None:
    create_schema(database)
    ensure_incident_tables(database, read_definitions(Settings().resources_dir / "datasets"))
    there = set(inspect(database.engine).get_table_names())
    create_schema(database)
    check_schema(database)
    assert set(inspect(database.engine).get_table_names()) == there
    assert differences(database) == []


def test_the_newest_migration_is_the_one_that_is_asked_for(database: Database) -> None:
    with database.engine.connect() as connection:
        scripts = ScriptDirectory.from_config(migration_config(connection))
    assert scripts.get_heads() == [newest_migration()]


def test_migrations_go_back(database: Database) -> None:
    create_schema(database)
    with database.engine.begin() as connection:
        command.downgrade(migration_config(connection), "base")
    assert not set(declared_tables().tables) & set(inspect(database.engine).get_table_names())
    with pytest.raises(SafeStatsError, match="safestats init"):
        check_schema(database)
