"""Signing in at a real server: right and wrong, accepted, declined, ended; the notes of use that it gets."""

from __future__ import annotations

import json

import pytest
from safestats.qgis_plugin.core.desk_session import DeskSession, SessionState
from safestats.qgis_plugin.core.errors import (
    AgreementRefused,
    ConditionsNotAccepted,
    ServerUnreachable,
    SessionEnded,
    SignInRefused,
)
from safestats.qgis_plugin.core.events import EventKind, EventQueue
from safestats.qgis_plugin.core.network import QgisNetwork
from safestats.qgis_plugin.core.transport import Transport

ACCOUNT = "account"


@pytest.fixture
def session(qgis_app, live_server) -> DeskSession:
    """Nobody is signed in yet."""
    return DeskSession(Transport(live_server.url, QgisNetwork(), "0.1.0"))


def test_a_session_waits_for_the_conditions(session: DeskSession, live_server) -> None:
    session.sign_in("ada", live_server.password)
    assert session.state is SessionState.PENDING
    assert session.user.organisation == "London Borough of Camden"
    assert "prevent" in session.conditions.text
    assert {p.allowed for p in session.purposes} == {True, False}
    assert all(p.advice for p in session.purposes if not p.allowed)
    with pytest.raises(ConditionsNotAccepted):
        session.transport.get_json("/v1/layers")


def test_an_accepted_session_sees_layers(session: DeskSession, live_server) -> None:
    session.sign_in("ada", live_server.password)
    session.accept(live_server.purpose)
    assert session.state is SessionState.ACTIVE
    assert session.purpose is not None and session.purpose.code == live_server.purpose
    layers = {layer["dataset"]: layer for layer in session.transport.get_json("/v1/layers")["layers"]}
    assert layers["colp"]["permitted"]
    assert not layers["lfb"]["permitted"] and layers["lfb"]["reason"]


@pytest.mark.parametrize(("username", "password"), [("ada", "wrong"), ("nobody", "a long enough passphrase")])
def test_a_wrong_password_and_an_unknown_user_sound_the_same(
    session: DeskSession, username: str, password: str
) -> None:
    with pytest.raises(SignInRefused) as caught:
        session.sign_in(username, password)
    assert caught.value.code == "wrong-password"
    assert "password" in caught.value.sentence


def test_a_refused_purpose_tells_where_to_ask(session: DeskSession, live_server) -> None:
    session.sign_in("ada", live_server.password)
    with pytest.raises(ConditionsNotAccepted) as caught:
        session.accept("enforcement")
    assert caught.value.code == "purpose-refused"
    assert "police" in caught.value.sentence.lower() + str(caught.value.extra).lower()
    assert session.state is SessionState.PENDING


def test_declining_ends_the_session(session: DeskSession, live_server) -> None:
    session.sign_in("ada", live_server.password)
    session.decline()
    assert session.state is SessionState.ENDED
    with pytest.raises(SessionEnded):
        session.transport.get_json("/v1/layers")


def test_a_session_that_the_server_ended_is_told_as_that(session: DeskSession, live_server) -> None:
    session.sign_in("erin", live_server.password)
    session.accept(live_server.purpose)
    live_server.run("user deactivate erin")
    with pytest.raises(SessionEnded):
        session.transport.get_json("/v1/layers")


def test_no_agreement_is_told_with_its_reason(qgis_app, live_server) -> None:
    with pytest.raises(AgreementRefused) as caught:
        live_server.connect("bob").get_json("/v1/layers/colp/manifest")
    assert caught.value.code == "no-agreement"
    assert "agreement" in caught.value.sentence.lower()


def test_an_agreement_that_ended_today_is_told_as_that(qgis_app, live_server) -> None:
    with pytest.raises(AgreementRefused) as caught:
        live_server.connect("dora").get_json("/v1/layers/colp/manifest")
    assert caught.value.code == "agreement-ended"


# ---------------------------------------------------------------- notes of use


def test_notes_wait_in_a_file_while_there_is_no_server(tmp_path) -> None:
    queue = EventQueue(tmp_path / "events.jsonl")
    queue.record(ACCOUNT, EventKind.PROXIMITY_SEARCH, "colp", {"radii": [100]}, 12)
    queue.record("somebody else", EventKind.HOTSPOT_RUN, "colp", {}, 3)
    assert (tmp_path / "events.jsonl").stat().st_mode & 0o777 == 0o600
    with pytest.raises(ServerUnreachable):
        queue.send(ACCOUNT, Transport("http://127.0.0.1:9", QgisNetwork(), "0.1.0"))
    (waiting,) = EventQueue(tmp_path / "events.jsonl").waiting(ACCOUNT)
    assert (waiting["kind"], waiting["rows"], waiting["filter"]) == ("proximity.search", 12, {"radii": [100]})


def test_a_line_cut_off_by_a_kill_does_not_hold_the_rest_back(tmp_path) -> None:
    path = tmp_path / "events.jsonl"
    queue = EventQueue(path)
    queue.record(ACCOUNT, EventKind.LAYER_OPENED, "colp", {}, 1)
    path.write_text(path.read_text() + '{"account": "acc')
    queue.record(ACCOUNT, EventKind.MAP_EXPORT, "colp", {}, 2)
    assert [event["kind"] for event in queue.waiting(ACCOUNT)] == ["layer.opened", "map.export"]


def test_a_note_that_cannot_be_written_is_held_and_written_before_the_next(tmp_path) -> None:
    path = tmp_path / "notes" / "events.jsonl"
    path.parent.write_text("not a folder")
    queue = EventQueue(path)
    queue.hold(ACCOUNT, EventKind.HOTSPOT_RUN, "colp", {}, 1)
    with pytest.raises(OSError):
        queue.write_held()
    path.parent.unlink()
    queue.hold(ACCOUNT, EventKind.MAP_EXPORT, "colp", {}, 2)
    queue.write_held()
    queue.write_held()
    assert [event["rows"] for event in EventQueue(path).waiting(ACCOUNT)] == [1, 2]


def test_sent_notes_are_in_the_audit_and_leave_the_queue(qgis_app, live_server, tmp_path) -> None:
    queue = EventQueue(tmp_path / "events.jsonl")
    queue.record(ACCOUNT, EventKind.HOTSPOT_RUN, "colp", {"cell": 250}, 77)
    queue.record("somebody else", EventKind.MAP_EXPORT, "colp", {}, 3)
    before = len(live_server.events("hotspot.run"))
    assert queue.send(ACCOUNT, live_server.connect("ada")) == 1
    assert queue.waiting(ACCOUNT) == []
    assert len(queue.waiting("somebody else")) == 1
    found = live_server.events("hotspot.run")
    assert len(found) == before + 1
    assert found[-1]["rows"] == 77


def test_an_event_that_the_server_calls_invalid_holds_up_no_other(qgis_app, live_server, tmp_path) -> None:
    queue = EventQueue(tmp_path / "events.jsonl")
    before = len(live_server.events("hotspot.run"))
    queue.record(ACCOUNT, EventKind.HOTSPOT_RUN, "mps", {"cell": 100}, 1)
    queue.record(ACCOUNT, EventKind.HOTSPOT_RUN, "x" * 33, {}, 2)
    queue.record(ACCOUNT, EventKind.HOTSPOT_RUN, "mps", {"cell": 200}, 3)
    assert queue.send(ACCOUNT, live_server.connect("ada")) == 2
    assert queue.waiting(ACCOUNT) == []
    assert len(live_server.events("hotspot.run")) == before + 2
    assert "x" * 33 in (tmp_path / "events.refused").read_text(encoding="utf-8")
    # The server is told of it as of something that was refused, once.
    told = [event for event in live_server.events("note.refused") if "x" * 33 in event["filter"]["note"]]
    assert len(told) == 1 and "events.0.dataset" in told[0]["filter"]["why"] and told[0]["dataset"] == ""
    queue.record(ACCOUNT, EventKind.HOTSPOT_RUN, "mps", {"cell": 300}, 3)
    assert queue.send(ACCOUNT, live_server.connect("ada")) == 1
    assert len([event for event in live_server.events("note.refused") if "x" * 33 in event["filter"]["note"]]) == 1


def test_what_an_earlier_plugin_set_aside_is_told_too_and_only_its_own_account_s(
    qgis_app, live_server, tmp_path
) -> None:
    event = {"id": "not an id", "kind": "map.export", "at": "yesterday", "dataset": "mps", "filter": {}, "rows": 1}
    lines = [{"account": account, "event": {**event, "filter": {"of": account}}} for account in (ACCOUNT, "bob")]
    refused = tmp_path / "events.refused"
    refused.write_text("\n".join(map(json.dumps, lines)) + "\n", encoding="utf-8")
    queue = EventQueue(tmp_path / "events.jsonl")
    assert queue.send(ACCOUNT, live_server.connect("ada")) == 0
    told = [event["filter"]["note"] for event in live_server.events("note.refused") if "yesterday" in str(event)]
    assert len(told) == 1 and json.loads(told[0])["filter"] == {"of": ACCOUNT}
    kept = [json.loads(line) for line in refused.read_text(encoding="utf-8").splitlines()]
    assert [entry.get("told", False) for entry in kept] == [entry["account"] == ACCOUNT for entry in kept]


def test_a_long_question_is_cut_so_that_the_audit_hears_of_it(qgis_app, live_server, tmp_path) -> None:
    queue = EventQueue(tmp_path / "events.jsonl")
    before = len(live_server.events("table.export"))
    long = {"by": "ward", "categories": [f"{number} – {'ä' * 120}" for number in range(40)], "area": "x" * 10_000}
    queue.record_all(ACCOUNT, EventKind.TABLE_EXPORT, [("colp", {**long, "format": "csv"}, 5)])
    assert queue.send(ACCOUNT, live_server.connect("ada")) == 1
    found = live_server.events("table.export")
    assert len(found) == before + 1 and not (tmp_path / "events.refused").exists()
    told = found[-1]["filter"]
    assert (told["by"], told["format"], told["cut"]) == ("ward", "csv", True)
    assert 0 < len(told["categories"]) < 40
