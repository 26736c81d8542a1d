"""What happens to sessions: from elsewhere, in races, when conditions change, and when clocks do."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from safestats.sync_server.identity import conditions, organisations
from safestats.sync_server.identity.models import Channel, Role, SignIn
from safestats.sync_server.identity.signing_in import sign_in
from safestats.sync_server.instants import now
from safestats.sync_server.problems import Problem
from safestats.tests.server.identity_rig import add_home, add_person, clock, code, post
from safestats.tests.server.trust_rig import PASSWORD, USERNAME, Server, bearer, subject_of_token
from sqlalchemy import select, update

# Made above the database: one engine will do in every commit, the other is for `make test-slow`.
pytestmark = pytest.mark.above_engines

__all__ = ["clock"]


def token_of(headers: dict[str, str]) -> str:
    return headers["Authorization"].split()[1]


def publish(server: Server, version: str) -> None:
    conditions.publish(server.services, "command-line", version, f"Version {version}.")


def test_new_conditions_put_an_active_session_back_under_the_same_token(server: Server) -> None:
    headers = server.active()
    publish(server, "2027-01")
    assert code(server.client.get("/v1/layers", headers=headers)) == (403, "conditions-changed")
    assert code(server.client.get("/v1/sessions", headers=headers)) == (403, "conditions-changed")
    assert code(post(server, "/session/purpose", {"purpose": "research"}, token_of(headers))) == (
        403,
        "conditions-changed",
    )
    state = server.client.get("/v1/session", headers=headers).json()
    assert state["state"] == "pending" and state["purpose"] == "needs-assessment"
    choice = server.client.get("/v1/session/conditions", headers=headers).json()
    assert choice["conditions"]["text"] == "Version 2027-01."
    assert [p["code"] for p in choice["purposes"]][:2] == ["needs-assessment", "violence-reduction"]
    active = server.accept({**choice, "token": token_of(headers)}).json()
    assert active["state"] == "active" and active["token"] != token_of(headers)
    assert server.client.get("/v1/layers", headers=bearer(active["token"])).status_code == 200
    accepted = [e["conditions"].split()[0] for e in server.events() if e["event"] == "session.accept"]
    assert accepted[-1] == "2027-01"


def test_a_version_and_a_digest_that_do_not_belong_together_are_refused(server: Server) -> None:
    pending = server.sign_in().json()
    old = pending["conditions"]
    publish(server, "2027-01")
    for changes in (
        {},
        {"conditions_version": "2027-01"},
        {"conditions_sha256": "0" * 64},
        {"conditions_version": "2027-01", "conditions_sha256": old["sha256"].upper()},
    ):
        assert code(server.accept(pending, **changes)) == (409, "conditions-changed")


def test_accepting_and_publishing_race_and_nobody_works_under_old_conditions(server: Server) -> None:
    for number in range(6):
        pending = server.sign_in().json()
        together = Barrier(2)

        def accept(pending: dict = pending, together: Barrier = together) -> tuple[int, dict]:
            together.wait()
            answer = server.accept(pending)
            return answer.status_code, answer.json()

        def put_in_force(number: int = number, together: Barrier = together) -> None:
            together.wait()
            publish(server, f"2027-{number:02d}")

        with ThreadPoolExecutor(2) as threads:
            accepting, publishing = threads.submit(accept), threads.submit(put_in_force)
            publishing.result()
            status, answer = accepting.result()
        if status == 200:
            # It came first: the session is back at pending.
            refused = server.client.get("/v1/layers", headers=bearer(answer["token"]))
            assert code(refused) == (403, "conditions-changed")
        else:
            assert answer["code"] == "conditions-changed"


def test_a_session_that_accepted_other_conditions_is_pending_whatever_its_row_says(server: Server) -> None:
    headers = server.active()
    with server.services.database.write() as session:
        session.execute(update(SignIn).values(conditions_sha256="0" * 64))
    assert code(server.client.get("/v1/layers", headers=headers)) == (403, "conditions-changed")


def test_two_acceptances_race_and_one_wins(server: Server) -> None:
    pending, together = server.sign_in().json(), Barrier(4)

    def accept(_number: int) -> tuple[int, str]:
        together.wait()
        answer = server.accept(pending)
        return (200, answer.json()["token"]) if answer.status_code == 200 else code(answer)

    with ThreadPoolExecutor(4) as threads:
        answers = sorted(threads.map(accept, range(4)))
    assert answers[0][0] == 200 and answers[1:] == [(409, "already-accepted")] * 3
    assert server.client.get("/v1/layers", headers=bearer(answers[0][1])).status_code == 200
    assert [e["event"] for e in server.events()].count("session.accept") == 1


def test_a_purpose_is_changed_without_signing_out(server: Server) -> None:
    headers = server.active()
    answer = post(server, "/session/purpose", {"purpose": "research", "purpose_detail": "why"}, token_of(headers))
    assert answer.status_code == 200
    assert answer.json()["token"] == token_of(headers) and answer.json()["purpose"] == "research"
    server.client.get("/v1/layers", headers=headers)
    events = server.events()
    assert events[-1]["purpose"] == "research" and events[-2]["event"] == "session.purpose"
    assert events[-2]["filter"] == {"before": "needs-assessment"}
    assert code(post(server, "/session/purpose", {"purpose": "prosecution"}, token_of(headers))) == (
        403,
        "purpose-refused",
    )
    assert code(post(server, "/session/purpose", {"purpose": ""}, token_of(headers))) == (422, "purpose-missing")
    state = server.client.get("/v1/session", headers=headers).json()
    assert (state["state"], state["purpose"]) == ("active", "research")


def test_a_pending_session_has_no_purpose_to_change(server: Server) -> None:
    pending = server.sign_in().json()["token"]
    assert code(post(server, "/session/purpose", {"purpose": "research"}, pending)) == (
        403,
        "conditions-not-accepted",
    )


def test_ones_own_sessions_are_seen_and_ended(server: Server) -> None:
    add_person(server, "bob", Role.ANALYST)
    pending = server.client.post(
        "/v1/session", json={"username": USERNAME, "password": PASSWORD, "client": "QGIS 3.40 on DESK-7\x1b[31m"}
    ).json()
    here, there = bearer(server.accept(pending).json()["token"]), server.active()
    bobs = server.client.post("/v1/session", json={"username": "bob", "password": PASSWORD}).json()
    bob = bearer(server.accept(bobs).json()["token"])
    listed = server.client.get("/v1/sessions", headers=here).json()["sessions"]
    assert [s["current"] for s in listed] == [False, True]
    assert listed[1]["client"] == "QGIS 3.40 on DESK-7[31m" and listed[1]["address"] == "unknown"
    assert set(listed[0]) == {"id", "created_at", "last_used_at", "client", "address", "channel", "current"}

    # Another's is as unknown as none.
    of_bob = server.client.get("/v1/sessions", headers=bob).json()["sessions"][0]["id"]
    refused, unknown = (server.client.delete(f"/v1/sessions/{i}", headers=here) for i in (of_bob, "nothing"))
    assert code(refused) == (404, "no-such-session") and refused.json() == unknown.json()
    assert server.client.delete(f"/v1/sessions/{listed[0]['id']}", headers=here).status_code == 204
    assert code(server.client.get("/v1/layers", headers=there)) == (401, "session-ended")
    assert server.client.get("/v1/layers", headers=here).status_code == 200
    others = [server.active() for _ in range(3)]
    assert server.client.delete("/v1/sessions", headers=here).status_code == 204
    for other in others:
        assert code(server.client.get("/v1/layers", headers=other)) == (401, "session-ended")
    assert server.client.get("/v1/layers", headers=here).status_code == 200
    assert server.client.get("/v1/layers", headers=bob).status_code == 200
    assert [e["event"] for e in server.events()].count("session.end") == 4


def test_a_session_of_one_channel_is_nothing_on_the_other(server: Server) -> None:
    opened = sign_in(server.services, USERNAME, PASSWORD, "192.0.2.1", channel=Channel.CONSOLE)
    assert code(server.client.get("/v1/session", headers=bearer(opened.token))) == (401, "not-signed-in")
    desk = token_of(server.active())
    assert subject_of_token(server, desk).channel == Channel.DESK
    with pytest.raises(Problem) as refused:
        subject_of_token(server, desk, Channel.CONSOLE)
    assert refused.value.document.code == "not-signed-in"


def test_a_digest_of_another_organisations_session_opens_nothing(server: Server) -> None:
    add_home(server, "gla", "Greater London Authority")
    server.active()
    with server.services.database.read() as session:
        kept = session.scalars(select(SignIn)).one()
    for guess in (kept.token_hash, kept.id, kept.replaced_token_hash, kept.user_id, ""):
        answer = server.client.get("/v1/layers", headers={"Authorization": f"Bearer {guess}"})
        assert code(answer) == (401, "not-signed-in")


def test_a_closed_organisation_ends_its_peoples_sessions(server: Server) -> None:
    headers = server.active()
    organisations.set_active(server.services, "command-line", "camden", False)
    assert code(server.client.get("/v1/layers", headers=headers)) == (401, "session-ended")
    assert code(server.sign_in()) == (403, "account-inactive")
    organisations.set_active(server.services, "command-line", "camden", True)
    assert code(server.client.get("/v1/layers", headers=headers)) == (401, "session-ended")
    assert server.sign_in().status_code == 201


def test_a_clock_an_hour_ahead_ends_idle_sessions_and_no_more(
    server: Server, clock: Callable[[timedelta], None]
) -> None:
    headers = server.active()
    clock(timedelta(hours=1))
    assert code(server.client.get("/v1/layers", headers=headers)) == (401, "session-ended")


@pytest.mark.parametrize("back", [timedelta(minutes=5), timedelta(hours=1), timedelta(days=400)])
def test_a_clock_set_back_lengthens_no_session(
    server: Server, clock: Callable[[timedelta], None], back: timedelta
) -> None:
    headers = server.active()
    clock(-back)
    assert code(server.client.get("/v1/layers", headers=headers)) == (401, "session-ended")


def test_a_clock_set_by_a_little_disturbs_nobody(server: Server, clock: Callable[[timedelta], None]) -> None:
    headers = server.active()
    for seconds in (30, -30, 60, -60):
        clock(timedelta(seconds=seconds))
        assert server.client.get("/v1/layers", headers=headers).status_code == 200


def test_a_session_of_a_server_whose_clock_was_ahead_does_not_outlive_its_hours(
    server: Server, clock: Callable[[timedelta], None]
) -> None:
    clock(timedelta(hours=1))
    headers = server.active()
    clock(timedelta(0))
    assert code(server.client.get("/v1/layers", headers=headers)) == (401, "session-ended")


def test_the_clients_clock_does_not_matter(server: Server) -> None:
    headers = {**server.active(), "Date": "Thu, 01 Jan 1970 00:00:00 GMT"}
    assert server.client.get("/v1/layers", headers=headers).status_code == 200


def test_work_does_not_carry_a_session_past_its_full_length(server: Server, clock: Callable[[timedelta], None]) -> None:
    headers = server.active()
    hours = server.services.settings.session_hours
    for quarter in range(1, hours * 4):
        clock(timedelta(minutes=15 * quarter))
        assert server.client.get("/v1/session", headers=headers).status_code == 200
        with server.services.database.write() as session:
            session.execute(update(SignIn).values(last_used_at=now() + timedelta(minutes=15 * quarter)))
    clock(timedelta(hours=hours, seconds=1))
    assert code(server.client.get("/v1/session", headers=headers)) == (401, "session-ended")


def test_a_revoked_session_is_refused_with_the_next_request_of_its_pull(server: Server) -> None:
    mine, other = server.active(), server.active()
    assert server.client.get("/v1/layers", headers=mine).status_code == 200
    server.client.delete("/v1/sessions", headers=other)
    for path in ("/v1/layers/mps/manifest", "/v1/layers/mps/artefacts/x?pull=00000000-0000-4000-8000-000000000000"):
        assert code(server.client.get(path, headers=mine)) == (401, "session-ended")
