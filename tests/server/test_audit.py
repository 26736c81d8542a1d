"""The audit: append-only, and every kind of tampering is found and named."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from safestats.sync_server.audit.log import AuditLog, EventType, Outcome
from safestats.tests.server.trust_rig import Server


@pytest.fixture
def log(tmp_path: Path) -> Iterator[AuditLog]:
    opened = AuditLog(tmp_path / "audit.sqlite")
    for number in range(1, 9):
        opened.record(EventType.LAYER_PULL, actor="a1", dataset="mps", rows=number)
    opened.export_head()
    yield opened


def tamper(log: AuditLog, *statements: str) -> None:
    connection = sqlite3.connect(log.path)
    connection.execute("DROP TRIGGER event_is_never_changed")
    connection.execute("DROP TRIGGER event_is_never_deleted")
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


def test_an_untouched_chain_holds(log: AuditLog) -> None:
    result = log.verify()
    assert (result.ok, result.events, result.first_bad) == (True, 8, None)


@pytest.mark.parametrize("statement", ["UPDATE event SET body = body", "DELETE FROM event WHERE number = 8"])
def test_events_are_neither_changed_nor_deleted(log: AuditLog, statement: str) -> None:
    connection = sqlite3.connect(log.path)
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        connection.execute(statement)


SWAP = (
    "UPDATE event SET number = -1 WHERE number = 3",
    "UPDATE event SET number = 3 WHERE number = 6",
    "UPDATE event SET number = 6 WHERE number = -1",
)
# A forger who knows the rules: an event of his own, numbered in between, what follows moved up.
INSERT = (
    "UPDATE event SET number = -number WHERE number >= 5",
    "UPDATE event SET number = 1 - number WHERE number < 0",
    "INSERT INTO event SELECT 5, NULL, body, hash FROM event WHERE number = 4",
)


@pytest.mark.parametrize(
    ("statements", "first_bad", "word"),
    [
        (("UPDATE event SET body = replace(body, '\"rows\":4', '\"rows\":5') WHERE number = 4",), 4, "altered"),
        (("UPDATE event SET hash = upper(hash) WHERE number = 8",), 8, "altered"),
        (("UPDATE event SET body = 'x' WHERE number = 2",), 2, "altered"),
        (("UPDATE event SET once = 'x' WHERE number = 7",), 7, "altered"),
        (("DELETE FROM event WHERE number = 5",), 5, "missing"),
        (("DELETE FROM event WHERE number = 1",), 1, "missing"),
        (SWAP, 3, "out of place"),
        (INSERT, 5, "out of place"),
        (("DELETE FROM event WHERE number > 6",), 7, "missing"),
        (("DELETE FROM event",), 1, "missing"),
    ],
)
def test_tampering_is_found_and_named(log: AuditLog, statements: tuple[str, ...], first_bad: int, word: str) -> None:
    tamper(log, *statements)
    result = log.verify()
    assert not result.ok
    assert result.first_bad == first_bad
    assert word in result.message and f"Event {first_bad} " in result.message


def test_a_chain_written_anew_from_some_event_on_disagrees_with_the_exported_head(
    log: AuditLog, tmp_path: Path
) -> None:
    forged = AuditLog(tmp_path / "forged" / "audit.sqlite")
    for number in range(1, 9):
        forged.record(EventType.LAYER_PULL, actor="a1", dataset="mps", rows=number * 2)
    assert forged.verify().ok
    forged.heads_path.write_text(log.heads_path.read_text())
    result = forged.verify()
    assert not result.ok and "written anew" in result.message


def test_the_head_is_exported_by_itself(tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "audit.sqlite")
    log.record(EventType.SIGN_IN, actor="a1")
    log.record(EventType.SIGN_IN, actor="a1")
    assert [line.split()[0] for line in log.heads_path.read_text().splitlines()] == ["1"]
    log.close()
    assert [line.split()[0] for line in log.heads_path.read_text().splitlines()] == ["1", "2"]


def test_an_event_recorded_once_is_recorded_once(log: AuditLog) -> None:
    assert log.record(EventType.LAYER_PULL, actor="a1", once="pull-1")
    assert not log.record(EventType.LAYER_PULL, actor="a1", once="pull-1")
    assert log.verify().events == 9


def test_writers_in_many_threads_and_two_processes_make_one_chain(tmp_path: Path) -> None:
    logs = [AuditLog(tmp_path / "audit.sqlite"), AuditLog(tmp_path / "audit.sqlite")]

    def write(log: AuditLog) -> None:
        for _ in range(10):
            log.record(EventType.LAYER_PULL, actor="a1")

    threads = [threading.Thread(target=write, args=(log,)) for log in logs for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert logs[0].verify() == logs[1].verify()
    assert logs[0].verify().events == 60


def test_events_are_canonical_text_and_name_people_by_opaque_ids(server: Server) -> None:
    server.active()
    rows = sqlite3.connect(server.services.settings.audit_path).execute("SELECT body FROM event").fetchall()
    for (body,) in rows:
        members = json.loads(body)
        assert body == json.dumps(members, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        assert "camden.analyst" not in body and "An Analyst" not in body


def test_a_refusal_outlives_its_rolled_back_request(server: Server) -> None:
    pending = server.sign_in().json()
    assert server.accept(pending, purpose="prosecution").status_code == 403
    last = list(AuditLog(server.services.settings.audit_path).events())[-1].body
    assert (last["outcome"], last["reason"]) == (Outcome.REFUSED, "purpose-refused")


@contextmanager
def closed(audit: AuditLog) -> Iterator[None]:
    working = audit._connection
    audit._connection = sqlite3.connect(":memory:")
    audit._connection.close()
    yield
    audit._connection = working


@contextmanager
def locked(audit: AuditLog) -> Iterator[None]:
    audit._connection.execute("PRAGMA busy_timeout = 50")
    other = sqlite3.connect(audit.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    yield
    other.close()


@contextmanager
def without_a_place_for_heads(audit: AuditLog) -> Iterator[None]:
    working = audit.heads_path
    audit.heads_path = audit.path.parent / "no such folder" / "heads.txt"
    audit._exported_at = float("-inf")
    yield
    audit.heads_path = working


@pytest.mark.parametrize("ruined", [closed, locked, without_a_place_for_heads])
def test_without_the_audit_no_data(server: Server, ruined: Callable[[AuditLog], AbstractContextManager[None]]) -> None:
    headers = server.active()
    with ruined(server.services.audit):
        for path in ("/v1/layers", "/v1/layers/mps/manifest", "/v1/postcodes/SE1%202AA"):
            answer = server.client.get(path, headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (503, "audit-unavailable"), path
        assert server.sign_in().status_code == 503
        assert server.client.get("/v1/health").status_code == 200
    assert server.client.get("/v1/layers", headers=headers).status_code == 200


def test_a_torn_line_among_the_heads_breaks_nothing(tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "audit.sqlite")
    log.record(EventType.SIGN_IN, actor="one")
    log.export_head()
    with log.heads_path.open("a", encoding="ascii") as file:
        file.write("12")
    log.record(EventType.SIGN_IN, actor="two")
    log.export_head()
    assert log.verify().ok
    assert len([line for line in log.heads_path.read_text(encoding="ascii").splitlines() if " " in line]) == 2
