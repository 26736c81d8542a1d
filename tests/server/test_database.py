"""Writers go one after the other, on either engine; readers see one state and wait for nobody."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from safestats.sync_server.database import Database, is_busy
from safestats.sync_server.identity.models import Organisation
from safestats.sync_server.schema import create_schema
from safestats.sync_server.services import open_database
from safestats.sync_server.settings import Part
from safestats.tests.server.engines import settings_for
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError, OperationalError


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    settings = settings_for(tmp_path)
    opened = open_database(settings, Part.PUBLISHER)
    create_schema(opened)
    yield opened
    opened.engine.dispose()


def organisations(database: Database) -> int:
    with database.read() as session:
        return session.scalar(select(func.count()).select_from(Organisation)) or 0


def add(database: Database, code: str) -> None:
    with database.write() as session:
        session.add(Organisation(code=code, name=code))


def test_what_a_write_has_looked_up_holds_until_it_commits(database: Database) -> None:
    """Eight who each take the next number, as two who use one invitation: nobody gets another's."""
    start = threading.Barrier(8)
    failures: list[BaseException] = []

    def take_next() -> None:
        start.wait()
        try:
            for _ in range(5):
                with database.write() as session:
                    number = session.scalar(select(func.count()).select_from(Organisation))
                    time.sleep(0.002)
                    session.add(Organisation(code=f"o{number}", name=f"o{number}"))
        except BaseException as error:
            failures.append(error)

    takers = [threading.Thread(target=take_next) for _ in range(8)]
    for taker in takers:
        taker.start()
    for taker in takers:
        taker.join()
    assert failures == [] and organisations(database) == 40


def test_whoever_waits_too_long_is_told_that_it_is_busy(database: Database) -> None:
    with database.write() as holder:
        holder.connection()
        with pytest.raises(OperationalError) as refused, database.write(patience_ms=50) as session:
            session.execute(text("SELECT 1"))
    assert is_busy(refused.value)
    add(database, "afterwards")
    assert organisations(database) == 1


@pytest.mark.postgis
def test_a_load_holds_up_its_own_dataset_and_nobody_else(database: Database) -> None:
    with database.write(dataset="mps") as load:
        load.execute(text("SELECT 1"))
        add(database, "meanwhile")
        with database.write(patience_ms=50, dataset="lfb") as other:
            other.execute(text("SELECT 1"))
        with pytest.raises(OperationalError), database.write(patience_ms=50, dataset="mps") as same:
            same.execute(text("SELECT 1"))
    assert organisations(database) == 1


def test_an_exception_undoes_the_write(database: Database) -> None:
    with pytest.raises(ZeroDivisionError), database.write() as session:
        session.add(Organisation(code="a", name="a"))
        session.flush()
        raise ZeroDivisionError
    assert organisations(database) == 0


def test_a_reader_sees_one_state_and_waits_for_no_writer(database: Database) -> None:
    with database.read() as session:
        count = select(func.count()).select_from(Organisation)
        assert session.scalar(count) == 0
        add(database, "meanwhile")
        assert session.scalar(count) == 0
    assert organisations(database) == 1


@pytest.mark.postgis
def test_who_reads_cannot_write(database: Database) -> None:
    with pytest.raises(DBAPIError, match="read-only"), database.read() as session:
        session.execute(text("DELETE FROM organisation"))


@pytest.mark.postgis
def test_a_connection_that_was_cut_is_not_used_again(database: Database) -> None:
    with database.read() as session:
        number = session.execute(text("SELECT pg_backend_pid()")).scalar_one()
    other = Database.connect(database.engine.url.render_as_string(hide_password=False))
    with other.write() as session:
        session.execute(text("SELECT pg_terminate_backend(:number)"), {"number": number})
    other.engine.dispose()
    assert organisations(database) == 0


def test_a_failing_statement_does_not_tell_what_it_held(database: Database) -> None:
    with pytest.raises(DBAPIError) as raised, database.read() as session:
        session.execute(text("SELECT no_such_function(:held)"), {"held": "jane@example.org"})
    assert "no_such_function" in str(raised.value) and "jane" not in str(raised.value)
