"""Second factors: asked of whom, right once, recoverable, and not to be guessed."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from safestats.sync_server.errors import SafeStatsError
from safestats.sync_server.identity.models import RecoveryCode, Role, SignIn, User
from safestats.sync_server.identity.second_factor import MOST_FAILURES, RECOVERY_CODES, reset_second_factor
from safestats.sync_server.identity.secret_box import SecretBox
from safestats.sync_server.identity.tries import CODES_AN_HOUR
from safestats.sync_server.keys import Keys
from safestats.sync_server.problems import Problem
from safestats.tests.server.identity_rig import Authenticator, add_person, clock, code, enrol, post
from safestats.tests.server.trust_rig import USERNAME, Server, bearer
from sqlalchemy import select

# Made above the database: one engine will do in every commit, the other is for `make test-slow`.
pytestmark = pytest.mark.above_engines

__all__ = ["clock"]


@pytest.fixture
def publisher(server: Server) -> Authenticator:
    """The authenticator of “paula”, a publisher whose last used step is the one before now."""
    add_person(server, "paula", Role.PUBLISHER)
    return enrol(server, server.sign_in("paula").json()["token"])[0]


def begin(server: Server, username: str = "paula") -> str:
    answer = server.sign_in(username).json()
    assert answer["state"] == "second-factor" and answer["conditions"] is None and answer["purposes"] == []
    return answer["token"]


@pytest.mark.parametrize("role", [Role.PUBLISHER, Role.SYSTEM_ADMIN, Role.AUDITOR])
def test_who_can_change_or_see_others_rights_must_have_one(server: Server, role: Role) -> None:
    add_person(server, "ada", role)
    waiting = server.sign_in("ada").json()
    assert waiting["state"] == "enrolment" and waiting["conditions"] is None
    headers = bearer(waiting["token"])
    assert code(server.client.get("/v1/layers", headers=headers)) == (403, "enrolment-needed")
    assert code(server.client.get("/v1/session/conditions", headers=headers)) == (403, "enrolment-needed")
    body = {"conditions_version": "", "conditions_sha256": "", "purpose": "research"}
    assert code(post(server, "/session/accept", body, waiting["token"])) == (403, "enrolment-needed")
    _, pending = enrol(server, waiting["token"])
    assert pending["state"] == "pending" and pending["token"] != waiting["token"]
    assert code(server.client.get("/v1/session", headers=headers)) == (401, "not-signed-in")
    assert server.accept(pending).status_code == 200


def test_others_may_have_one_and_are_asked_from_then_on(server: Server) -> None:
    authenticator, active = enrol(server, server.active()["Authorization"].split()[1])
    assert active["state"] == "active"
    assert server.client.get("/v1/layers", headers=bearer(active["token"])).status_code == 200
    assert code(post(server, "/session/enrolment", {}, active["token"])) == (409, "second-factor-there")
    waiting = begin(server, USERNAME)
    assert code(server.client.get("/v1/layers", headers=bearer(waiting))) == (403, "second-factor-needed")
    assert code(server.client.get("/v1/session/conditions", headers=bearer(waiting))) == (403, "second-factor-needed")
    pending = post(server, "/session/second-factor", {"code": authenticator.code()}, waiting).json()
    assert pending["state"] == "pending" and pending["token"] != waiting
    assert code(server.client.get("/v1/session", headers=bearer(waiting))) == (401, "not-signed-in")
    assert server.accept(pending).status_code == 200


def test_a_second_factor_ends_the_sessions_that_were_opened_without_it(server: Server) -> None:
    working, waiting = server.active(), server.sign_in().json()
    _, mine = enrol(server, server.sign_in().json()["token"])
    assert code(server.client.get("/v1/layers", headers=working)) == (401, "session-ended")
    assert code(server.accept(waiting)) == (401, "session-ended")
    assert server.accept(mine).status_code == 200


def test_a_code_is_good_once(server: Server, publisher: Authenticator) -> None:
    used = publisher.code()
    assert post(server, "/session/second-factor", {"code": used}, begin(server)).status_code == 200
    waiting = begin(server)
    assert code(post(server, "/session/second-factor", {"code": used}, waiting)) == (401, "code-used")
    # Nor is one of a step before it, though the clock would let it pass.
    assert code(post(server, "/session/second-factor", {"code": publisher.code(-1)}, waiting)) == (401, "code-used")
    assert post(server, "/session/second-factor", {"code": publisher.code(1)}, waiting).status_code == 200
    outcomes = [(e["outcome"], e["reason"]) for e in server.events() if e["event"] == "session.second-factor"]
    assert outcomes == [("ok", ""), ("refused", "code-used"), ("refused", "code-used"), ("ok", "")]
    assert used not in str(server.events())


def test_two_requests_with_one_code_race_and_one_gets_in(server: Server, publisher: Authenticator) -> None:
    waiting = [begin(server) for _ in range(4)]
    used, together = publisher.code(), Barrier(len(waiting))

    def use(token: str) -> int:
        together.wait()
        return post(server, "/session/second-factor", {"code": used}, token).status_code

    with ThreadPoolExecutor(len(waiting)) as threads:
        assert sorted(threads.map(use, waiting)) == [200, 401, 401, 401]


@pytest.mark.parametrize("steps, right", [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
def test_one_step_around_now_is_taken(
    server: Server, clock: Callable[[timedelta], None], steps: int, right: bool
) -> None:
    add_person(server, "paula", Role.PUBLISHER)
    clock(timedelta(minutes=-10))
    begun = server.sign_in("paula").json()
    secret = post(server, "/session/enrolment", {}, begun["token"]).json()["secret"]
    old = Authenticator(secret).code(-20)
    assert post(server, "/session/enrolment/confirm", {"code": old}, begun["token"]).status_code == 200
    clock(timedelta(0))
    answer = post(server, "/session/second-factor", {"code": Authenticator(secret).code(steps)}, begin(server))
    assert (answer.status_code == 200) == right


def test_the_servers_clock_counts_not_the_clients(server: Server, publisher: Authenticator) -> None:
    waiting = begin(server)
    hour = publisher.code(120)
    assert code(post(server, "/session/second-factor", {"code": hour}, waiting)) == (401, "wrong-code")
    headers = {**bearer(waiting), "Date": "Thu, 01 Jan 2099 00:00:00 GMT"}
    answer = server.client.post("/v1/session/second-factor", json={"code": publisher.code()}, headers=headers)
    assert answer.status_code == 200


def test_a_clock_set_back_does_not_make_used_codes_good(
    server: Server, publisher: Authenticator, clock: Callable[[timedelta], None]
) -> None:
    assert post(server, "/session/second-factor", {"code": publisher.code()}, begin(server)).status_code == 200
    clock(timedelta(hours=-1))
    answer = post(server, "/session/second-factor", {"code": publisher.code(-120)}, begin(server))
    assert code(answer) == (401, "code-used")


def test_wrong_codes_end_the_session_and_are_counted(server: Server, publisher: Authenticator) -> None:
    waiting = begin(server)
    for _ in range(MOST_FAILURES):
        assert code(post(server, "/session/second-factor", {"code": "12345"}, waiting)) == (401, "wrong-code")
    answer = post(server, "/session/second-factor", {"code": publisher.code()}, waiting)
    assert code(answer) == (401, "session-ended")
    for _ in range((CODES_AN_HOUR - MOST_FAILURES) // MOST_FAILURES):
        waiting = begin(server)
        for _ in range(MOST_FAILURES):
            post(server, "/session/second-factor", {"code": "12345"}, waiting)
    answer = post(server, "/session/second-factor", {"code": publisher.code()}, begin(server))
    assert code(answer) == (429, "too-many-tries")


def test_guesses_from_elsewhere_do_not_lock_out_who_has_worked_here(server: Server, publisher: Authenticator) -> None:
    tries = server.services.sign_in_tries
    pending = post(server, "/session/second-factor", {"code": publisher.code()}, begin(server)).json()
    server.accept(pending)
    with server.services.database.read() as session:
        user_id = session.scalar(select(User.id).where(User.username == "paula"))
    assert user_id
    while tries.permit_code(user_id, "192.0.2.1") or tries.permit_code(user_id, "192.0.2.2"):
        pass
    while any(tries.permit_code(user_id, f"198.51.100.{number}") for number in range(4)):
        pass
    assert not tries.permit_code(user_id, "203.0.113.9")
    answer = post(server, "/session/second-factor", {"code": publisher.code(1)}, begin(server))
    assert answer.status_code == 200


def test_a_recovery_code_is_good_once_and_can_be_renewed(server: Server) -> None:
    add_person(server, "paula", Role.PUBLISHER)
    authenticator, enrolled = enrol(server, server.sign_in("paula").json()["token"])
    codes = enrolled["recovery_codes"]
    assert len(set(codes)) == RECOVERY_CODES
    with server.services.database.read() as session:
        kept = {row.code_hash for row in session.scalars(select(RecoveryCode))}
    assert len(kept) == RECOVERY_CODES and not kept & set(codes)
    waiting = begin(server)
    # As people type: capitals, blanks for hyphens.
    typed = codes[0].upper().replace("-", " ")
    pending = post(server, "/session/second-factor", {"code": typed}, waiting).json()
    assert pending["state"] == "pending"
    assert code(post(server, "/session/second-factor", {"code": codes[0]}, begin(server))) == (401, "wrong-code")
    answer = post(server, "/session/recovery-codes", {"code": codes[1]}, pending["token"])
    assert code(answer) == (401, "wrong-code")  # they do not renew themselves
    answer = post(server, "/session/recovery-codes", {"code": authenticator.code()}, pending["token"])
    renewed = answer.json()["recovery_codes"]
    assert len(renewed) == RECOVERY_CODES and not set(renewed) & set(codes)
    assert code(post(server, "/session/second-factor", {"code": codes[2]}, begin(server))) == (401, "wrong-code")
    assert post(server, "/session/second-factor", {"code": renewed[0]}, begin(server)).status_code == 200


def test_two_uses_of_one_recovery_code_race_and_one_gets_in(server: Server) -> None:
    add_person(server, "paula", Role.PUBLISHER)
    recovery = enrol(server, server.sign_in("paula").json()["token"])[1]["recovery_codes"][0]
    waiting = [begin(server) for _ in range(3)]
    together = Barrier(len(waiting))

    def use(token: str) -> int:
        together.wait()
        return post(server, "/session/second-factor", {"code": recovery}, token).status_code

    with ThreadPoolExecutor(len(waiting)) as threads:
        assert sorted(threads.map(use, waiting)) == [200, 401, 401]


def test_a_wrong_code_confirms_nothing(server: Server) -> None:
    add_person(server, "paula", Role.PUBLISHER)
    waiting = server.sign_in("paula").json()["token"]
    answer = post(server, "/session/enrolment/confirm", {"code": "000000"}, waiting)
    assert code(answer) == (409, "enrolment-not-begun")
    post(server, "/session/enrolment", {}, waiting)
    assert code(post(server, "/session/enrolment/confirm", {"code": "nonsense"}, waiting)) == (401, "wrong-code")
    assert server.sign_in("paula").json()["state"] == "enrolment"


def test_the_secret_is_encrypted_and_bound_to_its_owner(server: Server, publisher: Authenticator) -> None:
    add_person(server, "petra", Role.PUBLISHER)
    waiting = server.sign_in("petra").json()["token"]
    secret = post(server, "/session/enrolment", {}, waiting).json()["secret"]
    with server.services.database.read() as session:
        petra = session.scalars(select(User).where(User.username == "petra")).one()
        paula = session.scalars(select(User).where(User.username == "paula")).one()
    assert secret not in petra.totp_secret
    box = SecretBox(server.services.keys)
    assert box.open(petra.totp_secret, petra.id) == secret
    with pytest.raises(SafeStatsError, match=r"keys\.json"):
        box.open(petra.totp_secret, paula.id)
    others = Keys({name: bytes(32) for name in server.services.keys.secrets_by_name})
    with pytest.raises(SafeStatsError, match=r"keys\.json"):
        SecretBox(others).open(petra.totp_secret, petra.id)


def test_a_lost_one_is_taken_off_by_an_administrator_and_audited(server: Server, publisher: Authenticator) -> None:
    admin = add_person(server, "sam", Role.SYSTEM_ADMIN)
    local = add_person(server, "olga", Role.ORGANISATION_ADMIN)
    with server.services.database.read() as session:
        paula = session.scalars(select(User).where(User.username == "paula")).one()
    for actor in (local.id, paula.id, "nobody"):
        with pytest.raises(Problem) as refused:
            reset_second_factor(server.services, actor, paula.id)
        assert refused.value.document.code == "role-not-permitted"
    pending = post(server, "/session/second-factor", {"code": publisher.code()}, begin(server)).json()
    reset_second_factor(server.services, admin.id, paula.id)
    assert code(server.client.get("/v1/session", headers=bearer(pending["token"]))) == (401, "session-ended")
    assert server.sign_in("paula").json()["state"] == "enrolment"
    last = [e for e in server.events() if e["event"] == "user.second-factor"]
    assert [(e["actor"], e["filter"]) for e in last] == [(admin.id, {"user": paula.id})]
    with server.services.database.read() as session:
        assert session.scalars(select(RecoveryCode)).all() == []
        assert session.scalars(select(SignIn)).all()
