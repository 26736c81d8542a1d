"""The audit: append-only, durable, a refusal outlives its request, and without it there are no data."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from safestats.sync_server.app import create_app
from safestats.sync_server.audit.canonical import link
from safestats.sync_server.audit.events import EventType, Outcome, Recorder
from safestats.sync_server.audit.log import AuditLog, AuditUnavailable, TooManyRequests
from safestats.sync_server.audit.opening import open_audit
from safestats.sync_server.audit.pace import Pace
from safestats.sync_server.audit.store import StoredEvent
from safestats.sync_server.audit.store_sqlite import SqliteAuditStore
from safestats.sync_server.identity.commands import publish_supplied_conditions
from safestats.sync_server.identity.models import Role
from safestats.sync_server.identity.service import add_organisation, add_user
from safestats.sync_server.schema import create_schema
from safestats.sync_server.services import open_services
from safestats.sync_server.settings import Part, Settings
from safestats.tests.server.audit_rig import AuditRig
from safestats.tests.server.engines import settings_for
from safestats.tests.server.trust_rig import PASSWORD, USERNAME, Server
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[AuditRig]:
    made = AuditRig(tmp_path / "server")
    yield made
    made.close()


def test_an_untouched_chain_holds(rig: AuditRig) -> None:
    rig.record(8)
    result = rig.log.verify()
    assert (result.ok, result.events, result.first_bad) == (True, 8, None)
    assert [event.body["rows"] for event in rig.log.events(last=3)] == [5, 6, 7]


@pytest.mark.parametrize("table", ["event", "seal"])
@pytest.mark.parametrize("statement", ["UPDATE {} SET body = body", "DELETE FROM {} WHERE number = 1"])
def test_nothing_is_changed_or_deleted(rig: AuditRig, table: str, statement: str) -> None:
    rig.record(2)
    rig.log.seal()
    if rig.settings.embedded:
        with (
            closing(sqlite3.connect(rig.settings.audit_path)) as connection,
            pytest.raises(sqlite3.IntegrityError, match="append-only"),
        ):
            connection.execute(statement.format(table))
        return
    for part, word in ((Part.OWNER, "append-only"), (Part.APPLICATION, "permission denied")):
        engine = create_engine(rig.settings.url(part))
        with pytest.raises(DBAPIError, match=word), engine.begin() as connection:
            connection.execute(text(statement.format(f"audit_{table}")))
        engine.dispose()


def test_an_event_recorded_once_is_recorded_once(rig: AuditRig) -> None:
    assert rig.log.record(EventType.LAYER_PULL, actor="a1", once="pull-1")
    assert not rig.log.record(EventType.LAYER_PULL, actor="a1", once="pull-1")
    assert rig.log.verify().events == 1


def test_intent_and_outcome(rig: AuditRig) -> None:
    pull = {"actor": "a1", "organisation": "camden", "agreement": "DSA-1", "dataset": "mps", "session": "s1"}
    number = rig.log.intent(EventType.LAYER_PULL, **pull, rows=40, once="pull-1")
    assert rig.log.intent(EventType.LAYER_PULL, **pull, rows=40, once="pull-1") == number
    assert rig.log.outcome(number, completed=False, part="file-1", bytes=12, reason="connection-lost")
    assert rig.log.outcome(number, completed=True, part="file-1", bytes=99, rows=40)
    assert not rig.log.outcome(number, completed=True, part="file-1", bytes=99, rows=40)
    broken, whole = (event.body for event in rig.log.events(last=2))
    assert {name: whole[name] for name in pull} == pull
    assert (broken["of"], broken["outcome"], broken["reason"]) == (number, "broken-off", "connection-lost")
    assert (whole["of"], whole["event"], whole["outcome"], whole["rows"]) == (number, "delivery.end", "ok", 40)
    assert whole["filter"] == {"part": "file-1", "bytes": 99}
    with pytest.raises(ValueError, match="no event 77"):
        rig.log.outcome(77, completed=True)


def test_writers_in_many_threads_and_two_processes_make_one_chain(rig: AuditRig) -> None:
    logs = [rig.log, rig.open()]

    def write(log: AuditLog) -> None:
        for _ in range(10):
            log.record(EventType.LAYER_PULL, actor="a1")
            log.seal()

    threads = [threading.Thread(target=write, args=(log,)) for log in logs for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    result = logs[0].verify()
    assert result == logs[1].verify()
    assert result.ok, result.message
    assert (result.events, result.unsealed) == (61, 0)  # one of them tells of the key
    logs[1].store.close()


def test_a_session_that_floods_is_stopped_and_that_is_told_once(tmp_path: Path) -> None:
    rig = AuditRig(tmp_path / "server")
    rig.settings.audit_points_per_minute = 60
    log = rig.open()
    for _ in range(5):
        log.record(EventType.LAYERS_LISTED, actor="a1", session="s1")
        log.record(EventType.LAYER_MANIFEST, actor="a1", session="s1")
    for _ in range(200):
        with pytest.raises(TooManyRequests) as raised:
            log.record(EventType.LAYER_PULL, actor="a1", session="s1", outcome=Outcome.REFUSED, reason="no-agreement")
    assert raised.value.document.status == 429
    events = [event.body for event in log.events()]
    assert len(events) in (11, 12)  # a minute may have ended meanwhile
    assert (events[10]["event"], events[10]["filter"]) == ("session.throttle", {"event": "layer.pull"})
    log.record(EventType.LAYERS_LISTED, actor="a2", session="s2")
    log.record(EventType.DATASET_LOADED, actor="command-line")


def test_the_pace_is_counted_by_minute_and_session() -> None:
    at = 0.0
    pace = Pace(3, lambda: at)
    assert [pace.permits("one", 2), pace.permits("one", 2), pace.permits("one", 1)] == [True, False, True]
    assert pace.permits("two", 3)
    at = 60.0
    assert pace.permits("one", 3)


def test_every_event_says_who_records_it_and_what_it_means() -> None:
    assert len({event.meaning for event in EventType}) == len(EventType)
    for event in EventType:
        assert event.recorder in Recorder and event.meaning and not event.meaning.endswith(".")


def test_events_are_canonical_text_and_name_people_by_opaque_ids(server: Server) -> None:
    server.active()
    for event in server.services.audit.store.events():
        members = json.loads(event.body)
        assert event.body == json.dumps(members, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        assert "camden.analyst" not in event.body and "An Analyst" not in event.body


def test_a_refusal_outlives_its_rolled_back_request(server: Server) -> None:
    pending = server.sign_in().json()
    assert server.accept(pending, purpose="prosecution").status_code == 403
    last = server.events()[-1]
    assert (last["outcome"], last["reason"]) == (Outcome.REFUSED, "purpose-refused")


def test_a_refusal_outlives_a_transaction_that_is_rolled_back_after_it(server: Server) -> None:
    with pytest.raises(RuntimeError), server.services.database.write() as session:
        session.execute(text("UPDATE organisation SET name = 'Another'"))
        server.services.audit.record(EventType.LAYER_PULL, actor="a1", outcome=Outcome.REFUSED, reason="no-agreement")
        raise RuntimeError
    assert server.events()[-1]["reason"] == "no-agreement"
    with server.services.database.read() as session:
        assert session.scalar(text("SELECT count(*) FROM organisation WHERE name = 'Another'")) == 0


# Without the audit, no data


@contextmanager
def closed(server: Server) -> Iterator[None]:
    """The file, or the way to the database, is gone."""
    audit = server.services.audit
    store = audit.store
    gone = Settings(data_dir=server.services.settings.data_dir.parent / "gone")
    if server.services.settings.embedded:
        audit.store = SqliteAuditStore(gone.audit_path)
        audit.store.close()
    else:
        audit.store = open_audit(gone, "postgresql+psycopg://nobody@127.0.0.1:1/none").store
    yield
    audit.store = store


@contextmanager
def locked(server: Server) -> Iterator[None]:
    """Another process holds the audit for longer than a request waits."""
    settings = server.services.settings
    if settings.embedded:
        store = server.services.audit.store
        assert isinstance(store, SqliteAuditStore)
        store._connection.execute("PRAGMA busy_timeout = 50")
        with closing(sqlite3.connect(settings.audit_path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            yield
        return
    engine = create_engine(settings.url(Part.OWNER))
    with engine.begin() as connection:
        connection.execute(text("LOCK TABLE audit_event IN ACCESS EXCLUSIVE MODE"))
        working = server.services.audit.store
        impatient = settings.url(Part.APPLICATION)
        server.services.audit.store = type(working)(impatient, wait_seconds=1)
        yield
        server.services.audit.store.close()
        server.services.audit.store = working
    engine.dispose()


@pytest.mark.parametrize("ruined", [closed, locked])
def test_without_the_audit_no_data(server: Server, ruined: Callable[[Server], AbstractContextManager[None]]) -> None:
    headers = server.active()
    with ruined(server):
        for path in ("/v1/layers", "/v1/layers/mps/manifest", "/v1/postcodes/SE1%202AA"):
            answer = server.client.get(path, headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (503, "audit-unavailable"), path
        assert server.sign_in().status_code == 503
        assert server.client.get("/v1/health").status_code == 200
    assert server.client.get("/v1/layers", headers=headers).status_code == 200


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of a few megabytes."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("no file system can be mounted here, so no disk can be filled")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder: Path) -> None:
    """Leave no block free."""
    with (folder / "filler").open("ab", buffering=0) as filler, pytest.raises(OSError, match="No space"):
        while True:
            filler.write(bytes(4096))


@pytest.mark.embedded
def test_a_full_disk_refuses_and_what_was_recorded_stays(small_disk: Path) -> None:
    log = open_audit(Settings(data_dir=small_disk))
    log.record(EventType.SIGN_IN, actor="a1")
    log.seal()
    fill(small_disk)
    recorded = 2
    with pytest.raises(AuditUnavailable):  # what room was left in the file's last page is used up first
        for _ in range(200):
            log.record(EventType.LAYER_PULL, actor="a1", filter={"text": "x" * 2000})
            recorded += 1
    assert len(list(log.events())) == recorded
    log.close()  # cannot seal, and says so in the server's log alone
    (small_disk / "filler").unlink()
    again = open_audit(Settings(data_dir=small_disk))
    again.record(EventType.SIGN_OUT, actor="a1")
    again.seal()
    result = again.verify()
    assert (result.ok, result.events, result.unsealed) == (True, recorded + 1, 0), result.message
    again.close()


@pytest.mark.embedded
def test_a_server_whose_disk_is_full_gives_out_nothing_but_says_so(small_disk: Path) -> None:
    settings = settings_for(small_disk / "server")
    services = open_services(settings)
    create_schema(services.database)
    with services.database.write() as session:
        publish_supplied_conditions(session, services.audit, settings.resources_dir / "conditions")
        camden = add_organisation(session, "camden", "London Borough of Camden")
        add_user(session, services.passwords, USERNAME, camden, "An Analyst", Role.ANALYST, PASSWORD)
    services.close()
    app = create_app(settings)
    with TestClient(app, raise_server_exceptions=False) as client:
        server = Server(app, app.state.services, client)
        headers = server.active()
        assert client.get("/v1/layers", headers=headers).status_code == 200
        fill(small_disk)
        answers = [client.get("/v1/layers", headers=headers) for _ in range(30)]
        assert answers[-1].status_code == 503 and answers[-1].json()["code"] == "audit-unavailable"
        assert "layers" not in answers[-1].json()
        assert client.get("/v1/health").status_code == 200
        told = len(list(server.services.audit.events()))
        (small_disk / "filler").unlink()
        assert client.get("/v1/layers", headers=headers).status_code == 200
        assert len(list(server.services.audit.events())) == told + 1
        assert server.services.audit.verify().ok


# Audits of versions before seals

_OLD = """
CREATE TABLE event (number INTEGER PRIMARY KEY, once TEXT UNIQUE, body TEXT NOT NULL, hash TEXT NOT NULL);
CREATE TRIGGER event_is_never_changed BEFORE UPDATE ON event
BEGIN SELECT RAISE(ABORT, 'The audit is append-only.'); END;
CREATE TRIGGER event_is_never_deleted BEFORE DELETE ON event
BEGIN SELECT RAISE(ABORT, 'The audit is append-only.'); END;
"""


def old_audit(folder: Path, events: int) -> list[tuple[int, str | None, str, str]]:
    """An audit as the first version left it, its newest head exported."""
    folder.mkdir()
    rows: list[tuple[int, str | None, str, str]] = []
    previous = "0" * 64
    for number in range(1, events + 1):
        once = f"pull-{number}" if number % 2 else None
        members = {
            "number": number, "once": once, "at": f"2026-11-0{number}T10:00:00Z", "event": "layer.pull", "actor": "a1",
            "organisation": "camden", "agreement": "", "conditions": "", "purpose": "", "dataset": "mps",
            "filter": {"text": "é"}, "rows": None, "outcome": "ok", "reason": "", "session": "s",
        }  # fmt: skip
        body = json.dumps(members, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        previous = link(previous, body)
        rows.append((number, once, body, previous))
    with closing(sqlite3.connect(folder / "audit.sqlite")) as connection:
        connection.executescript(_OLD)
        connection.executemany("INSERT INTO event VALUES (?, ?, ?, ?)", rows)
        connection.commit()
    (folder / "audit-heads.txt").write_text(f"{events} {previous} 2026-11-09T10:00:00Z\n12", encoding="ascii")
    return rows


@pytest.mark.embedded
def test_an_audit_of_the_first_version_goes_on(tmp_path: Path) -> None:
    rows = old_audit(tmp_path / "server", 6)
    log = open_audit(Settings(data_dir=tmp_path / "server"))
    kept = [(event.number, event.once, event.body, event.hash) for event in log.store.events()]
    assert kept == rows
    event = log.store.event(6)
    assert isinstance(event, StoredEvent)
    assert (event.at, event.actor, event.organisation, event.dataset) == ("2026-11-06T10:00:00Z", "a1", "camden", "mps")
    assert not log.record(EventType.LAYER_PULL, actor="a1", once="pull-1")
    log.record(EventType.SIGN_IN, actor="a1")
    log.close()
    again = open_audit(Settings(data_dir=tmp_path / "server"))
    result = again.verify()
    assert (result.ok, result.events, result.sealed_until) == (True, 8, 8), result.message
    again.close()


@pytest.mark.embedded
@pytest.mark.parametrize(
    ("statement", "first_bad", "word"),
    [
        ("UPDATE event SET body = 'x' WHERE number = 2", 2, "altered"),
        ("DELETE FROM event WHERE number = 6", 6, "the head of event 6 was exported"),
        ("UPDATE event SET hash = 'x' WHERE number = 6", 6, "altered"),
    ],
)
def test_tampering_before_the_upgrade_is_still_found(tmp_path: Path, statement: str, first_bad: int, word: str) -> None:
    old_audit(tmp_path / "server", 6)
    with closing(sqlite3.connect(tmp_path / "server" / "audit.sqlite")) as connection:
        connection.execute("DROP TRIGGER event_is_never_changed")
        connection.execute("DROP TRIGGER event_is_never_deleted")
        connection.execute(statement)
        connection.commit()
    log = open_audit(Settings(data_dir=tmp_path / "server"))
    result = log.verify()
    assert (result.ok, result.first_bad) == (False, first_bad)
    assert word in result.message
    log.store.close()
