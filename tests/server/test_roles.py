"""PostgreSQL's roles and policies are the net beneath ``readable``: what each role may not do, it cannot."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from safestats.sync_server.agreements.models import Precision, Use
from safestats.sync_server.agreements.opened import GrantProfile, Scope
from safestats.sync_server.agreements.readable import open_rows, readable
from safestats.sync_server.database import Database
from safestats.sync_server.datasets.definitions import FieldGroup
from safestats.sync_server.datasets.incidents import incident_table
from safestats.sync_server.errors import SafeStatsError
from safestats.sync_server.schema import prepare_database
from safestats.sync_server.services import open_database
from safestats.sync_server.settings import Part
from safestats.tests.server.sync_rig import CAMDEN, CITY, DATASET, Rig, incidents
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

pytestmark = pytest.mark.postgis

EVERY = "SELECT count(*) FROM incident_mps"
YEAR = "SELECT count(*) FROM incident_mps_2025"


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    made = Rig.make(tmp_path / "server")
    made.stage(*incidents())
    yield made
    made.services.close()


def opened(rig: Rig, part: Part) -> Database:
    return open_database(rig.services.settings, part)


@pytest.fixture
def application(rig: Rig) -> Iterator[Database]:
    database = opened(rig, Part.APPLICATION)
    yield database
    database.engine.dispose()


@pytest.fixture
def owner(rig: Rig) -> Iterator[Database]:
    database = opened(rig, Part.OWNER)
    yield database
    database.engine.dispose()


def scope(rig: Rig, *areas: str, release: int = 1) -> Scope:
    grant = GrantProfile(areas, tuple(FieldGroup), Precision.POINT, 0, "", "", frozenset(Use))
    definition = rig.services.definition(DATASET)
    return Scope(definition=definition, grants=(grant,), agreement="A", until=date(2030, 1, 1), release=release)


def counted(session: Session, statement: str = EVERY) -> int:
    return session.execute(text(statement)).scalar_one()


def refused(database: Database, statement: str, why: str = "permission denied") -> None:
    with pytest.raises(DBAPIError, match=why), database.write() as session:
        session.execute(text(statement))


def test_without_a_scope_the_application_finds_nothing(application: Database) -> None:
    refused(application, EVERY, "unrecognized configuration parameter")


def test_with_a_scope_it_finds_its_areas_and_no_others(rig: Rig, application: Database) -> None:
    for areas, expected in (((CAMDEN,), 5), ((CITY,), 3), (("E01000842",), 5), (("unplaced",), 3), (("E01",), 0)):
        with application.read() as session:
            open_rows(session, scope(rig, *areas))
            assert counted(session) == expected, areas
            assert session.scalar(select(func.count()).select_from(readable(scope(rig, *areas)).subquery())) == expected
    with rig.services.database.read() as session:
        assert counted(session) == 11, "the publisher sees all"


def test_a_connection_that_is_used_again_admits_nothing(rig: Rig, application: Database) -> None:
    connection = application.engine.connect()
    with Session(connection) as session:
        open_rows(session, scope(rig, CAMDEN))
        assert counted(session) == 5
        session.rollback()
        assert session.execute(text("SELECT current_setting('safestats.areas')")).scalar_one() == ""
        assert counted(session) == 0
    connection.close()


@pytest.mark.parametrize("setting", ["dataset", "areas", "release"])
def test_every_part_of_the_scope_is_needed(rig: Rig, application: Database, setting: str) -> None:
    with application.read() as session:
        open_rows(session, scope(rig, CAMDEN, CITY))
        session.execute(text(f"SELECT set_config('safestats.{setting}', '', true)"))
        assert counted(session) == 0


def test_another_dataset_s_scope_opens_nothing_of_this_one(rig: Rig, application: Database) -> None:
    with application.read() as session:
        rig.services.spatial.admit(session, "colp", {CAMDEN, CITY}, 1)
        assert counted(session) == 0


def test_what_is_staged_is_not_there_for_the_application(rig: Rig, application: Database) -> None:
    with application.read() as session:
        open_rows(session, scope(rig, CAMDEN, release=0))
        assert counted(session) == 0


@pytest.mark.parametrize("part", [Part.APPLICATION, Part.PUBLISHER])
def test_a_partition_is_nobody_s(rig: Rig, part: Part) -> None:
    database = opened(rig, part)
    for partition in ("2025", "undated", "other"):
        refused(database, f"SELECT 1 FROM incident_mps_{partition}")
    with rig.services.database.read() as session:
        assert session.execute(text("SELECT to_regclass('incident_mps_2025')")).scalar_one() is not None
    database.engine.dispose()


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO incident_mps (period) VALUES ('')",
        "UPDATE incident_mps SET category = ''",
        "DELETE FROM incident_mps",
        "TRUNCATE incident_mps",
        "DELETE FROM release",
        "UPDATE conditions_of_use SET text = ''",
        "DELETE FROM conditions_of_use",
        "UPDATE supplier_terms SET uses = 'view sync export publish'",
        "DELETE FROM supplier_terms",
        "INSERT INTO area_edition VALUES ('x', 'x', 'x')",
        "SELECT content FROM rejected_row",
        "SELECT * FROM rejected_row",
        "DELETE FROM audit_event",
        "UPDATE audit_event SET body = ''",
        "TRUNCATE audit_event",
        "SELECT safestats_add_year('incident_mps', 2031)",
        "SELECT safestats_begin_year('incident_mps', 2031)",
        "SELECT safestats_finish_year('incident_mps', 2031)",
        "CREATE TABLE mine (number integer)",
        "ALTER TABLE incident_mps DISABLE ROW LEVEL SECURITY",
        "DROP POLICY admitted ON incident_mps",
        "SET ROLE safestats_owner",
        "SET ROLE safestats_publisher",
    ],
)
def test_what_the_application_may_not(application: Database, statement: str) -> None:
    refused(application, statement, "permission denied|must be owner")


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM audit_event",
        "TRUNCATE audit_event",
        "UPDATE conditions_of_use SET text = ''",
        "UPDATE supplier_terms SET uses = 'view sync export publish'",
        "CREATE TABLE mine (number integer)",
        "DROP TABLE incident_mps",
        "SET ROLE safestats_owner",
    ],
)
def test_what_the_publisher_may_not(rig: Rig, statement: str) -> None:
    refused(rig.services.database, statement, "permission denied|must be owner")


def test_the_publisher_makes_room_for_years_and_nothing_else(rig: Rig, owner: Database) -> None:
    publisher = rig.services.database
    rig.services.spatial.make_room(publisher, rig.services.definition(DATASET), ["2031-05", "2025-01", ""])
    with owner.read() as session:
        assert session.execute(text("SELECT to_regclass('incident_mps_2031')")).scalar_one() is not None
    refused(publisher, YEAR.replace("2025", "2031"))
    wrong = (
        ("incident_mps", 99999),
        ("release", 2031),
        ("incident_nothing", 2031),
        ("x; DROP", 2031),
        ("pg_class", 2031),
    )
    for parent, year in (*wrong, ("incident_mps_2025", 2031)):
        for function in ("add", "begin", "finish"):
            refused(publisher, f"SELECT safestats_{function}_year('{parent}', {year})", "There is no room")


BEGIN, FINISH = "SELECT safestats_begin_year('incident_mps', {})", "SELECT safestats_finish_year('incident_mps', {})"
BARE = (
    "INSERT INTO incident_mps_2031 (identity, content, delivery_id, from_release, fid_point, fid_grid, fid_area, "
    "period, area_code, borough_code) VALUES ('x', '', 1, 1, 1, 1, 1, '{}', 'E01000842', 'E09000007')"
)


def finish(session: Session, year: int) -> int:
    """Finish the year; in how many steps."""
    steps = 1
    while session.execute(text(FINISH.format(year))).scalar_one():
        steps += 1
    return steps


def test_a_year_is_begun_filled_and_finished_in_one_transaction(
    rig: Rig, owner: Database, application: Database
) -> None:
    publisher = rig.services.database
    with publisher.write() as session:
        assert session.execute(text(BEGIN.format(2031))).scalar_one() == "incident_mps_2031"
        for month in ("2031-01", "2031-12"):
            session.execute(text(BARE.format(month)))
        with application.read() as other:
            assert other.execute(text("SELECT to_regclass('incident_mps_2031')")).scalar_one() is None
        assert finish(session, 2031) == 7
        assert counted(session) == 13, "it is a partition before the transaction ends"
    with owner.read() as session:
        same = (
            "SELECT regexp_replace(pg_get_indexdef(indexrelid), '^.* USING', '') FROM pg_index "
            "WHERE indrelid = 'incident_mps_{0}'::regclass AND indisvalid AND indexrelid IN (SELECT inhrelid FROM "
            "pg_inherits) ORDER BY 1"
        )
        first, begun = (session.scalars(text(same.format(year))).all() for year in (2025, 2031))
        assert first == begun and len(begun) == 6
    for statement in (YEAR.replace("2025", "2031"), BARE.format("2031-02"), "DROP TABLE incident_mps_2031"):
        refused(publisher, statement, "permission denied|must be owner")
    refused(application, YEAR.replace("2025", "2031"))
    refused(publisher, FINISH.format(2031), "was not begun")
    with application.read() as session:
        open_rows(session, scope(rig, "E01000842"))
        assert counted(session) == 7
    with publisher.write() as session:
        assert session.execute(text(BEGIN.format(2031))).scalar_one() is None
        session.execute(text(BARE.replace("incident_mps_2031", "incident_mps").format("2031-03")))
        numbers = session.execute(text("SELECT count(DISTINCT row_id), count(*) FROM incident_mps")).one()
        assert tuple(numbers) == (14, 14)


def test_who_begins_a_year_may_fill_it_and_nothing_else(rig: Rig, owner: Database, application: Database) -> None:
    publisher = rig.services.database
    for year in (2025, 2031):
        refused(publisher, FINISH.format(year), "was not begun")
    with publisher.write() as session:
        session.execute(text(BEGIN.format(2031)))
    for statement in (
        YEAR.replace("2025", "2031"),
        "UPDATE incident_mps_2031 SET category = ''",
        "DELETE FROM incident_mps_2031",
        "TRUNCATE incident_mps_2031",
        "DROP TABLE incident_mps_2031",
        "ALTER TABLE incident_mps_2031 ADD COLUMN mine integer",
        "CREATE TRIGGER mine BEFORE INSERT ON incident_mps_2031 EXECUTE FUNCTION suppress_redundant_updates_trigger()",
    ):
        refused(publisher, statement, "permission denied|must be owner")
    # A load that was not finished is nobody's to read, not even once the rights are set anew.
    prepare_database(owner, rig.services.settings, rig.services.definitions)
    refused(application, YEAR.replace("2025", "2031"))
    refused(publisher, BARE.format("2031-01"))
    with publisher.read() as session:
        assert counted(session) == 11


def test_rows_of_another_year_become_no_partition(rig: Rig, owner: Database) -> None:
    with pytest.raises(DBAPIError, match="violated by some row"), rig.services.database.write() as session:
        session.execute(text(BEGIN.format(2031)))
        session.execute(text(BARE.format("2030-12")))
        finish(session, 2031)
    with owner.read() as session:
        assert session.execute(text("SELECT to_regclass('incident_mps_2031')")).scalar_one() is None


def test_rows_that_wait_in_the_wrong_partition_are_found_and_stay(rig: Rig, owner: Database) -> None:
    table = incident_table(rig.services.definition(DATASET))
    with rig.services.database.write() as session:
        session.execute(text("UPDATE incident_mps SET period = '2040-01', month = '2040-01' WHERE identity = '1'"))
    rig.services.spatial.make_room(rig.services.database, rig.services.definition(DATASET), ["2040-02"])
    with rig.services.database.write() as session:
        assert session.scalar(select(func.count()).select_from(table).where(table.c.period == "2040-01")) == 1
        assert session.execute(text(BEGIN.format(2040))).scalar_one() is None
    with owner.read() as session:
        assert session.execute(text("SELECT to_regclass('incident_mps_2040')")).scalar_one() is None


def test_the_owner_sees_no_incident_either(owner: Database) -> None:
    with owner.read() as session:
        assert counted(session) == 0


def test_preparing_again_takes_back_what_somebody_gave(rig: Rig, owner: Database, application: Database) -> None:
    with owner.write() as session:
        session.execute(text("GRANT SELECT ON incident_mps_2025 TO safestats_app"))
        session.execute(text("ALTER TABLE incident_mps NO FORCE ROW LEVEL SECURITY"))
    with application.read() as session:
        assert counted(session, YEAR) == 9, "a role that may read a partition passes by the parent's policy"
    prepare_database(owner, rig.services.settings, rig.services.definitions)
    refused(application, YEAR)
    with owner.read() as session:
        forced = "SELECT relforcerowsecurity FROM pg_class WHERE relname = 'incident_mps'"
        assert session.execute(text(forced)).scalar_one() is True


def test_roles_must_be_three(rig: Rig, owner: Database) -> None:
    settings = rig.services.settings
    for change, message in (
        ({"publisher_url": ""}, "SAFESTATS_PUBLISHER_URL"),
        ({"publisher_url": settings.database_url}, "a role of the database each"),
        ({"publisher_url": settings.publisher_url.replace("safestats_publisher", "nobody_here")}, "no role “nobody_"),
    ):
        changed = settings.model_copy(update=change)
        with pytest.raises(SafeStatsError, match=message):
            prepare_database(owner, changed, rig.services.definitions)


def test_an_index_serves_beneath_the_policy(rig: Rig, owner: Database, application: Database) -> None:
    """Otherwise every question of a borough reads all of London's rows."""
    rows = 120_000
    with rig.services.database.write() as session:
        session.execute(
            text(
                "INSERT INTO incident_mps (identity, content, delivery_id, from_release, fid_point, fid_grid, "
                "fid_area, period, area_code, borough_code, easting, northing, category) "
                "SELECT 'i' || i, '', 1, 1, i, i, i, "
                "'2025-' || lpad((1 + i % 12)::text, 2, '0'), 'E0100' || lpad((i % 4835)::text, 4, '0'), "
                "'E0900' || lpad((i % 33)::text, 4, '0'), 500000 + i % 50000, 160000 + (i * 7) % 40000, 'burglary' "
                f"FROM generate_series(1, {rows}) i"
            )
        )
    with owner.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE incident_mps"))
    spatial, wanted = rig.services.spatial, scope(rig, "E09000007")
    shown = readable(wanted).subquery()
    everything = select(func.count()).select_from(shown)
    month = select(func.count()).select_from(readable(wanted, "2025-03").subquery())
    box = everything.where(spatial.in_bbox(shown.c.x, shown.c.y, 520_000, 170_000, 521_000, 171_000))
    with application.read() as session:
        open_rows(session, wanted)
        for question, index in ((everything, "borough"), (month, "borough_code_period"), (box, "easting")):
            compiled = question.compile(dialect=session.get_bind().dialect, compile_kwargs={"literal_binds": True})
            plan = "\n".join(session.scalars(text(f"EXPLAIN (COSTS OFF) {compiled}".replace(":", r"\:"))))
            assert f"incident_mps_2025_{index}" in plan and "Seq Scan on incident_mps_2025" not in plan, plan
        assert session.scalar(everything) == sum(i % 33 == 7 for i in range(1, rows + 1)) + 5
