"""What the migration of identity does to the people who are there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic import command
from safestats.sync_server.database import Database
from safestats.sync_server.identity.models import Organisation, SignIn, User
from safestats.sync_server.schema import create_schema, migration_config
from safestats.sync_server.services import open_database
from safestats.sync_server.settings import Part
from safestats.tests.server.engines import empty_database
from sqlalchemy import select, text


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = open_database(empty_database(tmp_path), Part.OWNER)
    yield opened
    opened.engine.dispose()


def test_people_keep_their_accounts_and_sign_in_anew(database: Database) -> None:
    with database.write() as session:
        command.upgrade(migration_config(session.connection()), "0002")
    at = "2026-11-01 09:00:00"
    with database.write() as session:
        session.execute(text("INSERT INTO organisation (id, code, name) VALUES (1, 'camden', 'Camden')"))
        for number, role in enumerate(("team", "analyst")):
            session.execute(
                text(
                    "INSERT INTO user_account (id, username, display_name, organisation_id, role, password_hash,"
                    " active) VALUES (:id, :id, 'Somebody', 1, :role, 'hash', :yes)"
                ),
                {"id": f"u{number}", "role": role, "yes": True},
            )
        session.execute(
            text(
                "INSERT INTO sign_in (id, token_hash, user_id, state, conditions_version, conditions_sha256, purpose,"
                " purpose_detail, created_at, last_used_at, expires_at)"
                " VALUES ('s', 't', 'u0', 'active', '1', '2', 'policy', '', :at, :at, :at)"
            ),
            {"at": at},
        )
    create_schema(database)
    with database.read() as session:
        roles = {user.username: user.role for user in session.scalars(select(User))}
        assert roles == {"u0": "system-admin", "u1": "analyst"}
        home = session.scalars(select(Organisation)).one()
        assert home.active and home.remit == "" and home.areas == []
        sign_in = session.scalars(select(SignIn)).one()
        assert (sign_in.state, sign_in.channel, sign_in.user.password_hash) == ("ended", "desk", "hash")
        assert not sign_in.user.has_second_factor and sign_in.user.email is None
