"""Signing in, accepting the conditions, and everything that ends a session, over HTTP."""

from __future__ import annotations

import hashlib
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from limits.storage import MemoryStorage
from pwdlib import PasswordHash
from safestats.sync_server.identity.conditions import publish_conditions
from safestats.sync_server.identity.models import SignIn, User
from safestats.sync_server.identity.passwords import CHECKS_AT_ONCE, Passwords
from safestats.sync_server.identity.service import change_password, deactivate, find_user
from safestats.sync_server.identity.tries import TRIES_AS_A_USER, SignInTries
from safestats.sync_server.instants import now
from safestats.tests.server.trust_rig import PASSWORD, USERNAME, Server, bearer
from sqlalchemy import event, select, update


def code(response) -> tuple[int, str]:
    assert response.headers["content-type"] == "application/problem+json"
    return response.status_code, response.json()["code"]


def age(server: Server, by: timedelta) -> None:
    """Make every session as if it had last been used so long ago."""
    with server.services.database.write() as session:
        session.execute(update(SignIn).values(last_used_at=now() - by))


def test_from_sign_in_to_work_to_sign_out(server: Server) -> None:
    answer = server.sign_in("  Camden.Analyst ")
    assert answer.status_code == 201
    pending = answer.json()
    assert pending["state"] == "pending"
    assert pending["user"] == {
        "username": USERNAME,
        "display_name": "An Analyst",
        "organisation": "London Borough of Camden",
        "role": "analyst",
    }
    conditions = pending["conditions"]
    assert conditions["sha256"] == hashlib.sha256(conditions["text"].encode()).hexdigest()
    assert conditions["text"].startswith("# Conditions of use")
    assert "preselected" not in pending and "selected" not in pending["purposes"][0]

    answer = server.accept(pending)
    assert answer.status_code == 200
    active = answer.json()
    assert active["state"] == "active" and active["purpose"] == "needs-assessment"
    assert active["idle_minutes"] == 30
    assert active["token"] != pending["token"]
    assert code(server.client.get("/v1/session", headers=bearer(pending["token"]))) == (401, "not-signed-in")

    headers = bearer(active["token"])
    assert server.client.get("/v1/layers", headers=headers).status_code == 200
    assert server.client.delete("/v1/session", headers=headers).status_code == 204
    assert code(server.client.get("/v1/layers", headers=headers)) == (401, "session-ended")
    kinds = [(e["event"], e["outcome"]) for e in server.events()]
    assert kinds[-4:] == [
        ("session.sign-in", "ok"),
        ("session.accept", "ok"),
        ("layers.list", "ok"),
        ("session.sign-out", "ok"),
    ]


def test_the_token_is_256_random_bits_and_not_kept(server: Server) -> None:
    token = server.sign_in().json()["token"]
    assert len(token) >= 43
    with server.services.database.read() as session:
        kept = session.scalars(select(SignIn)).one()
    assert kept.token_hash == hashlib.sha256(token.encode()).hexdigest()
    assert token not in str(vars(kept))
    if server.services.database.embedded:
        assert token not in server.services.settings.database_path.read_bytes().decode("latin-1")


def test_wrong_password_and_unknown_user_read_the_same(server: Server) -> None:
    wrong, unknown = server.sign_in(password="nothing of it"), server.sign_in("nobody")
    assert code(wrong) == (401, "wrong-password")
    assert wrong.json() == unknown.json()
    refused = [e for e in server.events() if e["outcome"] == "refused"]
    assert [e["actor"] == "unknown" for e in refused] == [False, True]
    assert "nobody" not in str(refused)


def test_wrong_password_and_unknown_user_take_the_same_time() -> None:
    passwords = Passwords(rounds=2, memory_kib=8192)
    stored = passwords.hash(PASSWORD)

    def seconds(work: Callable[[], object]) -> float:
        start = time.perf_counter()
        work()
        return time.perf_counter() - start

    known, unknown = [], []
    for _ in range(15):
        known.append(seconds(lambda: passwords.verify("nothing of it", stored)))
        unknown.append(seconds(lambda: passwords.verify("nothing of it", None)))
    assert 0.5 < statistics.median(known) / statistics.median(unknown) < 2
    assert passwords.verify(PASSWORD, None)[0] is False


def test_a_hash_of_another_cost_is_renewed_at_sign_in(server: Server) -> None:
    costly = Passwords(rounds=2, memory_kib=128).hash(PASSWORD)
    with server.services.database.write() as session:
        session.execute(update(User).values(password_hash=costly))
    assert server.sign_in().status_code == 201
    with server.services.database.read() as session:
        assert session.scalar(select(User.password_hash)) != costly
    assert server.sign_in().status_code == 201


def test_an_inactive_account_is_told_only_with_the_right_password(server: Server) -> None:
    with server.services.database.write() as session:
        deactivate(session, find_user(session, USERNAME))
    assert code(server.sign_in(password="nothing of it")) == (401, "wrong-password")
    assert code(server.sign_in()) == (403, "account-inactive")


@pytest.mark.parametrize(
    "purpose, advice",
    [("prosecution", "police"), ("enforcement", "police"), ("licence-review", "Ask the police for evidence")],
)
def test_enforcement_is_refused_with_where_to_ask(server: Server, purpose: str, advice: str) -> None:
    pending = server.sign_in().json()
    answer = server.accept(pending, purpose=purpose)
    assert code(answer) == (403, "purpose-refused")
    assert advice in answer.json()["detail"]
    last = server.events()[-1]
    assert (last["event"], last["outcome"], last["purpose"]) == ("session.accept", "refused", purpose)
    # The session still waits, and another purpose may be chosen.
    assert server.accept(pending).status_code == 200


def test_a_purpose_must_be_chosen(server: Server) -> None:
    pending = server.sign_in().json()
    assert code(server.accept(pending, purpose="")) == (422, "purpose-missing")
    assert code(server.accept(pending, purpose="curiosity")) == (422, "purpose-missing")


def test_conditions_that_changed_must_be_read_anew(server: Server) -> None:
    pending = server.sign_in().json()
    assert code(server.accept(pending, conditions_sha256="0" * 64)) == (409, "conditions-changed")
    headers = server.active()
    with server.services.database.write() as session:
        publish_conditions(session, "2027-01", "Be better.")
    assert code(server.client.get("/v1/layers", headers=headers)) == (403, "conditions-changed")
    assert server.sign_in().json()["conditions"]["version"] == "2027-01"


def test_a_pending_session_opens_nothing_else(server: Server) -> None:
    pending = bearer(server.sign_in().json()["token"])
    for path in ("/v1/layers", "/v1/layers/mps/manifest", "/v1/layers/mps/artefacts/x", "/v1/postcodes/SE1"):
        assert code(server.client.get(path, headers=pending)) == (403, "conditions-not-accepted"), path
        assert code(server.client.get(path)) == (401, "not-signed-in"), path
        assert code(server.client.get(path, headers=bearer("made up"))) == (401, "not-signed-in"), path
    events = {"events": []}
    assert code(server.client.post("/v1/events", json=events, headers=pending)) == (
        403,
        "conditions-not-accepted",
    )


def test_declining_ends_the_session(server: Server) -> None:
    headers = bearer(server.sign_in().json()["token"])
    assert server.client.post("/v1/session/decline", headers=headers).status_code == 204
    assert code(server.client.get("/v1/session", headers=headers)) == (401, "session-ended")
    assert server.events()[-1]["event"] == "session.decline"


def test_accepting_twice_is_refused(server: Server) -> None:
    pending = server.sign_in().json()
    active = server.accept(pending).json()
    assert code(server.accept(pending)) == (409, "already-accepted")
    assert code(server.accept({**pending, "token": active["token"]})) == (409, "already-accepted")


def test_work_keeps_a_session_and_idleness_ends_it(server: Server) -> None:
    headers = server.active()
    age(server, timedelta(minutes=29))
    assert server.client.get("/v1/layers", headers=headers).status_code == 200
    with server.services.database.read() as session:
        assert now() - session.scalars(select(SignIn)).one().last_used_at < timedelta(minutes=1)
    # Asking after the session is no work.
    age(server, timedelta(minutes=29))
    assert server.client.get("/v1/session", headers=headers).status_code == 200
    age(server, timedelta(minutes=31))
    assert code(server.client.get("/v1/layers", headers=headers)) == (401, "session-ended")


def test_a_session_ends_after_twelve_hours_of_work(server: Server) -> None:
    headers = server.active()
    with server.services.database.write() as session:
        sign_in = session.scalars(select(SignIn)).one()
        assert sign_in.expires_at - sign_in.created_at == timedelta(hours=12)
        sign_in.expires_at = now()
    assert code(server.client.get("/v1/layers", headers=headers)) == (401, "session-ended")


def test_reading_goes_on_while_a_load_holds_the_lock(server: Server) -> None:
    headers = server.active()
    age(server, timedelta(minutes=5))
    with server.services.database.write():
        start = time.monotonic()
        assert server.client.get("/v1/layers", headers=headers).status_code == 200
        assert time.monotonic() - start < 5


@pytest.mark.parametrize("change", ["password", "deactivate"])
def test_a_changed_account_ends_its_sessions(server: Server, change: str) -> None:
    headers = server.active()
    with server.services.database.write() as session:
        user = find_user(session, USERNAME)
        if change == "password":
            change_password(session, server.services.passwords, user, "three other words")
        else:
            deactivate(session, user)
    assert code(server.client.get("/v1/layers", headers=headers)) == (401, "session-ended")


def test_too_many_tries_are_stopped_and_audited_once(server: Server) -> None:
    for _ in range(TRIES_AS_A_USER):
        assert code(server.sign_in(password="nothing of it")) == (401, "wrong-password")
    for _ in range(3):
        assert code(server.sign_in()) == (429, "too-many-tries")
    assert [e["reason"] for e in server.events()].count("too-many-tries") in (1, 2)  # 2 across a window's end


def test_the_right_password_forgets_earlier_tries(server: Server) -> None:
    for _ in range(3):
        for _ in range(TRIES_AS_A_USER - 1):
            server.sign_in(password="nothing of it")
        assert server.sign_in().status_code == 201


def test_failures_from_one_address_are_counted_over_all_users() -> None:
    tries = SignInTries(from_an_address=3)
    for number in range(3):
        assert tries.permit(f"user{number}", "192.0.2.1")
        tries.failed("192.0.2.1")
    assert not tries.permit("another", "192.0.2.1")
    assert tries.permit("another", "192.0.2.2")


def test_where_tries_cannot_be_counted_nobody_signs_in() -> None:
    class Broken(MemoryStorage):
        def acquire_entry(self, *_args: object, **_more: object) -> bool:
            raise ConnectionError

    assert not SignInTries(Broken()).permit("anybody", "192.0.2.1")


def test_a_failed_commit_is_an_error_to_the_caller(server: Server) -> None:
    headers = server.active()

    def fail(_connection: object) -> None:
        raise OSError("disk full")

    event.listen(server.services.database.engine, "commit", fail)
    try:
        answer = server.client.delete("/v1/session", headers=headers)
    finally:
        event.remove(server.services.database.engine, "commit", fail)
    assert code(answer) == (500, "server-failure")
    assert "disk full" not in answer.text
    assert server.client.get("/v1/layers", headers=headers).status_code == 200


@pytest.mark.parametrize("change", ["password", "deactivate"])
def test_an_account_changed_while_its_password_is_checked_stays_changed(
    server: Server, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    passwords, database = server.services.passwords, server.services.database
    verify = Passwords.verify

    def slowly(self: Passwords, password: str, stored: str | None) -> tuple[bool, str | None]:
        verified = verify(self, password, stored)
        with database.write() as session:
            user = find_user(session, USERNAME)
            if change == "password":
                change_password(session, passwords, user, "another three words")
            else:
                deactivate(session, user)
        return verified

    monkeypatch.setattr(Passwords, "verify", slowly)
    answer = server.sign_in(USERNAME)
    expected = {"password": (401, "wrong-password"), "deactivate": (403, "account-inactive")}
    assert code(answer) == expected[change]
    with database.read() as session:
        user = find_user(session, USERNAME)
        assert user.active == (change == "password")
        assert verify(passwords, PASSWORD, user.password_hash)[0] == (change == "deactivate")
        assert session.scalars(select(SignIn)).all() == []


def test_a_flood_of_tries_takes_no_more_memory_than_a_few(monkeypatch: pytest.MonkeyPatch) -> None:
    passwords, running, most = Passwords(1, 64), [], []
    verify = PasswordHash.verify_and_update

    def watched(self: PasswordHash, *words: str) -> tuple[bool, str | None]:
        running.append(1)
        most.append(len(running))
        time.sleep(0.01)
        running.pop()
        return verify(self, *words)

    monkeypatch.setattr(PasswordHash, "verify_and_update", watched)
    with ThreadPoolExecutor(20) as threads:
        assert not any(right for right, _ in threads.map(lambda _: passwords.verify("x", None), range(20)))
    assert 1 < max(most) <= CHECKS_AT_ONCE
