"""Purposes: told in people's own words, opened by the Steering Group, refused whatever it says."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

import pytest
from safestats.sync_server.errors import SafeStatsError
from safestats.sync_server.identity import decisions
from safestats.sync_server.identity.models import PurposeRequest, RequestState, Role, SteeringDecision
from safestats.sync_server.identity.purpose_choice import MOST_HELD
from safestats.sync_server.instants import end_of_day, iso, london_today, now
from safestats.sync_server.problems import Problem
from safestats.tests.server.identity_rig import active_session, add_home, add_person, clock, code, post
from safestats.tests.server.trust_rig import USERNAME, Server, bearer

# Made above the database: one engine will do in every commit, the other is for `make test-slow`.
pytestmark = pytest.mark.above_engines

__all__ = ["clock"]

TEXT = "Planning where outreach workers go on summer evenings"


def purposes(server: Server, headers: dict[str, str]) -> dict[str, dict]:
    answer = server.client.get("/v1/session/conditions", headers=headers).json()
    return {purpose["code"]: purpose for purpose in answer["purposes"]}


def choose(server: Server, headers: dict[str, str], purpose: str, detail: str = "") -> tuple[int, str]:
    body = {"purpose": purpose, "purpose_detail": detail}
    answer = post(server, "/session/purpose", body, headers["Authorization"].split()[1])
    return (200, answer.json()["purpose"]) if answer.status_code == 200 else code(answer)


def held(server: Server, state: RequestState | None = RequestState.HELD) -> list[PurposeRequest]:
    with server.services.database.read() as session:
        return list(decisions.requests(session, state))


def record(server: Server, organisation: str | None = "camden", reference: str = "SG-12") -> SteeringDecision:
    return decisions.record_decision(
        server.services,
        "command-line",
        reference,
        "licence-review",
        organisation=organisation,
        decided_on=london_today(),
        valid_until=london_today() + timedelta(days=30),
        summary="Camden may support one review.",
    )


def test_the_purposes_are_those_of_the_conditions(server: Server) -> None:
    shown = purposes(server, server.active())
    assert list(shown) == [
        "needs-assessment",
        "violence-reduction",
        "licence-application",
        "cumulative-impact",
        "policy",
        "service-planning",
        "research",
        "other",
        "licence-review",
        "enforcement",
        "prosecution",
    ]
    assert [c for c, p in shown.items() if not p["allowed"]] == ["licence-review", "enforcement", "prosecution"]
    assert [c for c, p in shown.items() if p["held"]] == ["other"]


def test_ones_own_purpose_waits_until_it_is_approved_and_then_is_that_persons(server: Server) -> None:
    add_person(server, "bob", Role.ANALYST)
    pending = server.sign_in().json()
    assert code(server.accept(pending, purpose="other")) == (422, "purpose-detail-missing")
    assert code(server.accept(pending, purpose="other", purpose_detail="because")) == (422, "purpose-detail-missing")
    for _ in range(3):  # asked again, it is the same request
        assert code(server.accept(pending, purpose="other", purpose_detail=f"  {TEXT}\n")) == (403, "purpose-held")
    (request,) = held(server)
    assert request.text == TEXT and request.user.username == USERNAME
    # The session still waits, and another purpose may be chosen meanwhile.
    headers = bearer(server.accept(pending).json()["token"])
    assert choose(server, headers, f"other-{request.id}") == (422, "purpose-missing")

    paula = add_person(server, "paula", Role.PUBLISHER)
    decisions.decide_purpose(server.services, paula.id, request.id, True, text="Outreach on summer evenings")
    mine = purposes(server, headers)[f"other-{request.id}"]
    assert mine["allowed"] and mine["description"] == "Outreach on summer evenings"
    assert choose(server, headers, f"other-{request.id}") == (200, f"other-{request.id}")
    bob = active_session(server, "bob")
    assert f"other-{request.id}" not in purposes(server, bob)
    assert choose(server, bob, f"other-{request.id}") == (422, "purpose-missing")
    events = [(e["event"], e["actor"]) for e in server.events() if e["event"].startswith("purpose.")]
    assert ("purpose.decide", paula.id) in events and ("purpose.request", request.user_id) in events
    assert TEXT not in str(server.events())


def test_an_approval_is_for_a_time(server: Server, clock: Callable[[timedelta], None]) -> None:
    headers = server.active()
    choose(server, headers, "other", TEXT)
    (request,) = held(server)
    services = server.services
    for until in (london_today() - timedelta(days=1), london_today() + timedelta(days=1000)):
        with pytest.raises(SafeStatsError, match="for a time"):
            decisions.decide_purpose(services, "command-line", request.id, True, valid_until=until)
    decisions.decide_purpose(services, "command-line", request.id, True, valid_until=london_today())
    assert choose(server, headers, f"other-{request.id}")[0] == 200
    with pytest.raises(SafeStatsError, match="approved already"):
        decisions.decide_purpose(services, "command-line", request.id, False, reason="too late")
    clock(timedelta(days=2))
    headers = server.active()
    assert choose(server, headers, f"other-{request.id}") == (422, "purpose-missing")


def test_a_session_does_not_outlast_its_purpose(server: Server, clock: Callable[[timedelta], None]) -> None:
    today = london_today()
    evening = end_of_day(today) - timedelta(hours=4)
    clock(evening - now())
    headers = server.active()
    choose(server, headers, "other", TEXT)
    (request,) = held(server)
    decisions.decide_purpose(server.services, "command-line", request.id, True, valid_until=today)

    def ends() -> str:
        return server.client.get("/v1/session", headers=headers).json()["expires_at"]

    assert ends() > iso(end_of_day(today))
    assert choose(server, headers, f"other-{request.id}")[0] == 200
    assert ends() == iso(end_of_day(today))
    # Nor does another purpose lengthen it.
    assert choose(server, headers, "research")[0] == 200
    assert ends() == iso(end_of_day(today))


def test_a_refused_purpose_is_none_and_an_approval_can_be_taken_back(server: Server) -> None:
    headers = server.active()
    choose(server, headers, "other", TEXT)
    choose(server, headers, "other", TEXT + ", and on winter ones")
    first, second = held(server)
    with pytest.raises(SafeStatsError, match="needs its reason"):
        decisions.decide_purpose(server.services, "command-line", first.id, False)
    decisions.decide_purpose(server.services, "command-line", first.id, False, reason="That is enforcement.")
    assert choose(server, headers, f"other-{first.id}") == (422, "purpose-missing")
    decisions.decide_purpose(server.services, "command-line", second.id, True)
    assert choose(server, headers, f"other-{second.id}")[0] == 200
    decisions.withdraw_purpose(server.services, "command-line", second.id, "It was used for something else.")
    assert code(server.client.get("/v1/layers", headers=headers)) == (401, "session-ended")
    assert [r.state for r in held(server, None)] == ["refused", "refused"]


def test_requests_do_not_pile_up(server: Server) -> None:
    headers = server.active()
    for number in range(MOST_HELD):
        assert choose(server, headers, "other", f"{TEXT}, number {number}") == (403, "purpose-held")
    assert choose(server, headers, "other", f"{TEXT}, once more") == (409, "too-many-requests-held")
    assert len(held(server)) == MOST_HELD


def test_nobody_decides_who_may_not_nor_on_their_own(server: Server) -> None:
    headers = server.active()
    choose(server, headers, "other", TEXT)
    (request,) = held(server)
    for role in (Role.ANALYST, Role.ORGANISATION_ADMIN, Role.AUDITOR):
        actor = add_person(server, f"{role}", role)
        with pytest.raises(Problem) as refused:
            decisions.decide_purpose(server.services, actor.id, request.id, True)
        assert refused.value.document.code == "role-not-permitted"
    add_person(server, "paula", Role.PUBLISHER)
    choose(server, active_session(server, "paula"), "other", TEXT)
    own = held(server)[-1]
    with pytest.raises(SafeStatsError, match="their own purpose"):
        decisions.decide_purpose(server.services, own.user_id, own.id, True)


def test_a_licence_review_is_refused_unless_the_steering_group_decided_otherwise(server: Server) -> None:
    add_home(server, "gla", "Greater London Authority")
    add_person(server, "gert", Role.ANALYST, "gla")
    camden, gla = server.active(), active_session(server, "gert")
    assert choose(server, camden, "licence-review") == (403, "purpose-refused")
    assert purposes(server, camden)["licence-review"]["advice"].startswith("Ask the police for evidence")
    record(server)
    assert purposes(server, camden)["licence-review"] == {
        **purposes(server, gla)["licence-review"],
        "allowed": True,
        "advice": "",
    }
    assert choose(server, camden, "licence-review") == (200, "licence-review")
    assert choose(server, gla, "licence-review") == (403, "purpose-refused")
    decisions.withdraw_decision(server.services, "command-line", "SG-12")
    assert code(server.client.get("/v1/layers", headers=camden)) == (401, "session-ended")
    assert choose(server, server.active(), "licence-review") == (403, "purpose-refused")
    record(server, None, "SG-13")
    assert choose(server, gla, "licence-review") == (200, "licence-review")
    told = [e for e in server.events() if e["event"] == "steering.decide"]
    assert [e["filter"]["reference"] for e in told] == ["SG-12", "SG-12", "SG-13"]


def test_a_decision_ends_on_its_last_day(server: Server, clock: Callable[[timedelta], None]) -> None:
    record(server)
    clock(timedelta(days=31))
    assert choose(server, server.active(), "licence-review") == (403, "purpose-refused")


@pytest.mark.parametrize("purpose", ["enforcement", "prosecution", "research", "curiosity"])
def test_no_decision_opens_anything_else(server: Server, purpose: str) -> None:
    with pytest.raises(SafeStatsError):
        decisions.record_decision(
            server.services,
            "command-line",
            "SG-1",
            purpose,
            organisation=None,
            decided_on=london_today(),
            valid_until=london_today(),
            summary="They wished it.",
        )
    if purpose in ("enforcement", "prosecution"):
        assert choose(server, server.active(), purpose) == (403, "purpose-refused")


def test_a_decision_is_recorded_by_the_system_administrator_once(server: Server) -> None:
    record(server)
    with pytest.raises(SafeStatsError, match="recorded already"):
        record(server)
    paula = add_person(server, "paula", Role.PUBLISHER)
    with pytest.raises(Problem):
        decisions.withdraw_decision(server.services, paula.id, "SG-12")
    with pytest.raises(SafeStatsError, match="today or before"):
        decisions.record_decision(
            server.services,
            "command-line",
            "SG-99",
            "licence-review",
            organisation=None,
            decided_on=date(2999, 1, 1),
            valid_until=date(2999, 1, 2),
            summary="Some day.",
        )
