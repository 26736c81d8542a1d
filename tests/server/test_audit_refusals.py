"""Refusals of access: who was shown the door, by what, without what they typed; and who looked what others see."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from safestats.sync_server.audit.verification import verify
from safestats.sync_server.console import audit as console_audit
from safestats.sync_server.identity.models import ConditionsOfUse
from safestats.sync_server.identity.service import find_user
from safestats.sync_server.instants import now
from safestats.sync_server.oversight.usage import usage_of
from safestats.tests.server import console_rig
from safestats.tests.server.console_rig import PASSWORD, Console, Page
from safestats.tests.server.engines import settings_for

# Made above the database: one engine will do in every commit, the other is for `make test-slow`.
pytestmark = pytest.mark.above_engines

AGREEMENT = "DSA-CAMDEN-BTP"
TYPED = "secret-that-was-typed"


@pytest.fixture
def console(tmp_path: Path) -> Iterator[Console]:
    settings = settings_for(tmp_path / "server")
    console_rig.make_server(settings)
    with console_rig.running(settings) as running:
        yield running


def refusals(console: Console) -> list[dict]:
    return [event for event in console.events() if event["event"] == "access.refused"]


def person(console: Console, username: str) -> str:
    with console.services.database.read() as session:
        return find_user(session, username).id


def desk(console: Console, username: str, *, accept: bool = True) -> dict[str, str]:
    """The header of a desk's session."""
    client = console.visitor().client
    token = client.post("/v1/session", json={"username": username, "password": PASSWORD}).json()["token"]
    headers = {"Authorization": f"Bearer {token}"}
    if accept:
        choice = client.get("/v1/session/conditions", headers=headers).json()["conditions"]
        body = {
            "conditions_version": choice["version"],
            "conditions_sha256": choice["sha256"],
            "purpose": "needs-assessment",
        }
        answer = client.post("/v1/session/accept", json=body, headers=headers)
        headers = {"Authorization": f"Bearer {answer.json()['token']}"}
    return headers


def test_a_page_that_the_role_may_not_see(console: Console) -> None:
    analyst = console.as_("camden.analyst")
    for _ in range(30):
        assert analyst.get(f"/console/audit?text={TYPED}").status == 403
    assert analyst.get("/console/audit/events/7").status == 403
    found = refusals(console)
    # A second minute may have begun meanwhile; a flood of events is it in no case.
    assert 2 <= len(found) <= 4
    assert {event["filter"]["path"] for event in found} == {"/console/audit", "/console/audit/events/{number}"}
    for event in found:
        assert (event["outcome"], event["reason"]) == ("refused", "role-not-permitted")
        assert (event["actor"], event["organisation"]) == (person(console, "camden.analyst"), "camden")
        assert event["session"] and event["purpose"] == "needs-assessment"
    assert TYPED not in str(found)
    events = list(console.services.audit.events())
    assert usage_of(events).refusals == len(found)


def test_what_a_service_refuses_by_role_is_no_mistake_in_a_form(console: Console) -> None:
    admin = console.as_("camden.admin")
    page = admin.get("/console/people/invite")
    action = "/console/people/invite"
    typed = {"username": "x.y", "email": "x@example.org", "display_name": "X", "role": "auditor"}
    answer = admin.send(page, action, organisation="camden", **typed)
    assert answer.status == 403
    (found,) = refusals(console)
    assert (found["reason"], found["filter"]) == ("role-not-permitted", {"path": action})


def test_a_form_that_is_not_ours(console: Console) -> None:
    publisher = console.as_("gla.publisher")
    data = {"form_token": TYPED, "text": TYPED}
    assert publisher.client.post("/console/conditions-of-use/publish", data=data).status_code == 403
    assert publisher.client.post("/console/sign-out", data={}).status_code == 403
    stranger = console.visitor()
    for path in ("/console/sign-in", "/console/forgotten"):
        assert stranger.client.post(path, data=data).status_code == 403
    found = refusals(console)
    assert {event["reason"] for event in found} == {"form-not-ours"}
    known = [event for event in found if event["actor"]]
    assert {event["filter"]["path"] for event in known} == {"/console/conditions-of-use/publish", "/console/sign-out"}
    assert {event["actor"] for event in known} == {person(console, "gla.publisher")}
    assert 1 <= len(found) - len(known) <= 2  # of people who are not known once a minute
    assert TYPED not in str(found)


def test_an_address_of_the_api_that_the_role_may_not_ask(console: Console) -> None:
    client = console.visitor().client
    supplier, analyst = desk(console, "hospital.clerk"), desk(console, "camden.analyst")
    assert client.get(f"/v1/layers/{TYPED}/manifest", headers=supplier).json()["code"] == "role-not-permitted"
    assert client.get(f"/v1/supplier/deliveries?site={TYPED}", headers=analyst).json()["code"] == "role-not-permitted"
    found = [(event["actor"], event["filter"], event["reason"], event["outcome"]) for event in refusals(console)]
    assert found == [
        (person(console, "hospital.clerk"), {"path": "/v1/layers/{dataset}/manifest"}, "role-not-permitted", "refused"),
        (person(console, "camden.analyst"), {"path": "/v1/supplier/deliveries"}, "role-not-permitted", "refused"),
    ]


def test_sessions_that_may_not_work_yet_or_any_more(console: Console) -> None:
    client = console.visitor().client
    pending, active = desk(console, "camden.officer", accept=False), desk(console, "camden.analyst")
    assert client.get("/v1/layers", headers=pending).json()["code"] == "conditions-not-accepted"
    assert client.get("/v1/supplier", headers=pending).json()["code"] == "conditions-not-accepted"
    browser = console.as_("camden.admin")
    with console.services.database.write() as session:
        session.add(ConditionsOfUse(version="9", sha256="9" * 64, text="New ones.", published_at=now()))
    assert client.get("/v1/layers", headers=active).json()["code"] == "conditions-changed"
    assert browser.get("/console/agreements").path == "/console/conditions"
    found = {(event["reason"], event["filter"]["path"]) for event in refusals(console)}
    assert {
        ("conditions-not-accepted", "/v1/layers"),
        ("conditions-not-accepted", "/v1/supplier"),
        ("conditions-changed", "/v1/layers"),
        ("conditions-changed", "/console/agreements"),
    } <= found
    assert all(event["session"] and event["actor"] for event in refusals(console))


def test_who_looked_what_another_sees(console: Console) -> None:
    analyst, publisher = person(console, "camden.analyst"), person(console, "gla.publisher")
    team = console.as_("gla.publisher")
    team.get(f"/console/agreements/{AGREEMENT}/explain")
    team.get(f"/console/people/{analyst}")
    explained = [event for event in console.events() if event["event"] == "access.explain"]
    assert explained == []  # nobody was chosen, and no dataset
    team.get(f"/console/agreements/{AGREEMENT}/explain?username=camden.analyst")
    team.get(f"/console/people/{analyst}?dataset=btp&use=view")
    explained = [event for event in console.events() if event["event"] == "access.explain"]
    assert [event["filter"]["use"] for event in explained] == ["sync", "view"]
    for event in explained:
        assert (event["actor"], event["dataset"], event["organisation"]) == (publisher, "btp", "camden")
        assert event["filter"]["user"] == analyst and event["filter"]["rows_counted"] is True
        assert event["session"]


def test_a_verification_says_with_what_it_did_not_compare(console: Console) -> None:
    audit = console.services.audit
    audit.seal()
    assert "compared" not in audit.verify().message
    folder = audit.sealing.folder.read()
    folder.seals.clear()
    told = verify(audit.store, folder, audit.sealing.keyring.public_keys(), {})
    assert told.ok and "No exported seals were compared with" in told.message


def test_notes_that_were_refused_are_shown_to_who_reads_the_audit(console: Console) -> None:
    admin, auditor = console.as_("gla.admin"), console.as_("gla.auditor")
    assert "could not be taken" not in admin.get("/console/audit").text
    analyst = desk(console, "camden.analyst")
    wrong = {"id": str(uuid4()), "kind": "map.export", "at": "yesterday", "dataset": "mps", "rows": 1}
    client = console.visitor().client
    assert client.post("/v1/events", json={"events": [wrong]}, headers=analyst).status_code == 422
    told = {"note": '{"kind": "map.export", "at": "yesterday"}', "why": "events.0.at: no instant <b>"}
    for number in (1, 2):
        note = {"id": str(uuid4()), "kind": "note.refused", "at": "2026-11-05T10:00:00Z", "dataset": "", "filter": told}
        for _again in range(2):
            assert client.post("/v1/events", json={"events": [note]}, headers=analyst).status_code == 202
        for reader in (admin, auditor):
            text = " ".join(reader.get("/console/audit").text.split())
            said = "One note of what was done" if number == 1 else "2 notes of what was done"
            assert said in text and "reported by camden.analyst." in text
    page = admin.get("/console/audit")
    (link,) = [link for link in page.links if link.endswith("event=note.refused")]
    events = [link for link in admin.get(link).links if link.startswith("/console/audit/events/")]
    assert len(events) == 2 and "events.0.at: no instant <b>" in admin.get(events[0]).text
    event = [event for event in console.events() if event["event"] == "note.refused"][-1]
    assert event["filter"] == told and event["reported_at"]
    publisher = console.as_("gla.publisher")
    assert publisher.get("/console/audit").status == 403
    # Acknowledged by whoever reads the audit, up to what the page showed; it stays in the audit.
    before = admin.get("/console/audit")
    spam = {"note": "Z" * 1900 + " \u202e\n", "why": {"any": "thing"}, "more": "x" * 999}
    note = {"id": str(uuid4()), "kind": "note.refused", "at": "2026-11-05T10:00:00Z", "dataset": "", "filter": spam}
    officer = desk(console, "camden.officer")
    assert client.post("/v1/events", json={"events": [note]}, headers=officer).status_code == 202
    kept = [event for event in console.events() if event["event"] == "note.refused"][-1]["filter"]
    assert set(kept) == {"note", "why"} and kept["note"] == "Z" * 299 + "…" and kept["why"] == "{'any': 'thing'}"
    text = admin.get("/console/audit").text
    assert "3 notes of what" in text and "reported by camden.officer, camden.analyst." in text
    own_token = next(iter(publisher.get("/console").forms.values()))["form_token"]
    assert publisher.send(before, "/console/audit/notes", form_token=own_token).status == 403
    assert refusals(console)[-1]["reason"] == "role-not-permitted"
    text = auditor.send(auditor.get("/console/audit"), "/console/audit/notes", until=before_until(before)).text
    assert "One note of what" in text and "reported by camden.officer." in text
    event = [event for event in console.events() if event["event"] == "audit.notes-acknowledge"][-1]
    assert event["actor"] == person(console, "gla.auditor") and event["filter"] == {"until": int(before_until(before))}
    assert "quicker" in auditor.send(auditor.get("/console/audit"), "/console/audit/notes", until="0").text
    assert "could not be taken" not in admin.send(admin.get("/console/audit"), "/console/audit/notes").text
    assert len([link for link in admin.get(link).links if link.startswith("/console/audit/events/")]) == 3


def before_until(page: Page) -> str:
    return page.forms["/console/audit/notes"]["until"]


def test_notes_of_long_ago_are_told_of_no_more(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    admin, analyst = console.as_("gla.admin"), desk(console, "camden.analyst")
    note = {"id": str(uuid4()), "kind": "note.refused", "at": "2026-11-05T10:00:00Z", "dataset": "", "filter": {}}
    sent = console.visitor().client.post("/v1/events", json={"events": [note]}, headers=analyst)
    assert sent.status_code == 202 and "could not be taken" in admin.get("/console/audit").text
    monkeypatch.setattr(console_audit, "now", lambda: now() + timedelta(days=31))
    assert "could not be taken" not in admin.get("/console/audit").text


def test_what_a_desk_reports_names_the_agreement_in_force(console: Console) -> None:
    told = [
        {"id": str(uuid4()), "kind": "map.export", "at": "2026-11-05T10:00:00Z", "dataset": dataset, "rows": 1}
        for dataset in ("btp", "lfb")
    ]
    analyst = desk(console, "camden.analyst")
    assert console.visitor().client.post("/v1/events", json={"events": told}, headers=analyst).status_code == 202
    reported = {event["dataset"]: event["agreement"] for event in console.events() if event["event"] == "map.export"}
    assert reported == {"btp": AGREEMENT, "lfb": ""}
