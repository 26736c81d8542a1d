"""The migrations make exactly the tables that the models declare."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
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
from safestats.sync_server.services import open_database
from safestats.sync_server.settings import PACKAGE_ROOT, Part, Settings
from safestats.tests.server.engines import empty_database
from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Connection,
    Date,
    DateTime,
    Float,
    Integer,
    LargeBinary,
    MetaData,
    String,
    inspect,
    text,
)

SERVER = PACKAGE_ROOT / "sync_server"


STATES = sorted(path.name.partition("_")[0] for path in (SERVER / "migrations" / "versions").glob("[0-9]*.py"))
# Where any text will not do. All else is 1 and "x", so that every row refers to one that is there.
TEXTS = {"role": "analyst", "state": "active", "precision": "point"}


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = open_database(empty_database(tmp_path), Part.OWNER)
    yield opened
    opened.engine.dispose()


def migrate(database: Database, state: str) -> None:
    with database.write() as session:
        command.upgrade(migration_config(session.connection()), state)


def fill(connection: Connection, names: set[str]) -> None:
    """Put a row into each of the tables, whatever columns it has at the time."""
    metadata = MetaData()
    metadata.reflect(connection, only=sorted(names))
    for table in metadata.sorted_tables:
        row = {column.name: value_of(column) for column in table.columns}
        connection.execute(table.insert().values(row))


def value_of(column: Column) -> object:
    kind = column.type
    if isinstance(kind, JSON):
        return ["x"]
    if column.name in TEXTS and isinstance(kind, String):
        return TEXTS[column.name]
    if isinstance(kind, Boolean):
        return True
    if isinstance(kind, (Integer, Float)):
        return 1
    if isinstance(kind, DateTime):
        return datetime(2026, 1, 1)
    if isinstance(kind, Date):
        return date(2026, 1, 1)
    return b"x" if isinstance(kind, LargeBinary) else "x"


@pytest.mark.parametrize("state", STATES[:-1])
def test_every_earlier_state_is_brought_up_with_its_rows(database: Database, state: str) -> None:
    with database.engine.connect() as connection:
        engines_own = set(inspect(connection).get_table_names())
    migrate(database, state)
    with database.write() as session:
        tables = set(inspect(session.connection()).get_table_names()) - engines_own - {"alembic_version"}
        fill(session.connection(), tables)
    with pytest.raises(SafeStatsError, match="safestats init"):
        check_schema(database)
    create_schema(database)
    check_schema(database)
    assert differences(database) == []
    with database.read() as session:
        kept = {name: session.scalar(text(f'SELECT count(*) FROM "{name}"')) for name in tables}
    assert kept == dict.fromkeys(tables, 1)


def test_an_upgrade_that_fails_changes_nothing(database: Database) -> None:
    migrate(database, STATES[0])
    before = sorted(inspect(database.engine).get_table_names())
    with pytest.raises(RuntimeError, match="half-way"), database.write() as session:
        command.upgrade(migration_config(session.connection()), "head")
        raise RuntimeError("half-way")
    assert sorted(inspect(database.engine).get_table_names()) == before


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
    condition = index["dialect_options"][f"{database.engine.dialect.name}_where"]
    assert "state" in str(condition) and "'active'" in str(condition)


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
