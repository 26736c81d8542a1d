"""Grants keep what they say when the tables are brought up to date, and become no more when they are set back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic import command
from safestats.sync_server.database import Database
from safestats.sync_server.schema import create_schema, migration_config
from safestats.sync_server.services import open_database
from safestats.sync_server.settings import Part
from safestats.tests.server.engines import empty_database
from sqlalchemy import text

ORGANISATION = "INSERT INTO organisation (id, code, name) VALUES (1, 'camden', 'Camden')"
AGREEMENT = (
    "INSERT INTO agreement (id, reference, organisation_id, dataset, starts, ends, state) "
    "VALUES (1, 'DSA-1', 1, 'mps', '2024-01-01', '2030-12-31', 'active')"
)
GRANT = (
    "INSERT INTO agreement_grant (id, agreement_id, position, groups, precision, grid_m, from_month, to_month, "
    "last_months, may_view, may_sync, may_export, may_publish) VALUES "
    "(1, 1, 1, 'core area', 'grid', 250, '', '', 0, true, true, false, false), "
    "(2, 1, 2, 'core', 'area', 0, '', '', 0, true, true, true, true)"
)
READ = text("SELECT precision, grid_m, may_view, may_sync, may_export, may_publish FROM agreement_grant ORDER BY id")


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = open_database(empty_database(tmp_path), Part.OWNER)
    yield opened
    opened.engine.dispose()


def grants(database: Database) -> list[tuple]:
    with database.read() as session:
        return [(row[0], row[1], *map(bool, row[2:])) for row in session.execute(READ)]


def test_grants_go_forward_and_back(database: Database) -> None:
    with database.write() as session:
        command.upgrade(migration_config(session.connection()), "0002")
        for statement in (ORGANISATION, AGREEMENT, GRANT):
            session.execute(text(statement))
    create_schema(database)
    before = [("grid", 250, True, True, False, False), ("area", 0, True, True, True, True)]
    assert grants(database) == before
    with database.write() as session:
        session.execute(text("UPDATE agreement_grant SET precision = 'aggregate' WHERE id = 2"))
        session.execute(text("UPDATE agreement SET state = 'signed'"))
    with database.write() as session:
        command.downgrade(migration_config(session.connection()), "0003")
    # What was only counted is hidden now, not shown.
    assert grants(database) == [before[0], ("area", 0, False, False, False, False)]
    with database.read() as session:
        assert session.scalar(text("SELECT state FROM agreement")) == "draft"
