"""Invitations and resets: a link works once, for a while, and tells nobody who has an account."""

from __future__ import annotations

import logging
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from safestats.sync_server.errors import SafeStatsError
from safestats.sync_server.identity import links, people, tries
from safestats.sync_server.identity.models import AccountLink, Role, User
from safestats.tests.server.identity_rig import (
    add_home,
    add_person,
    clock,
    code,
    enrol,
    link_in,
    mails,
    post,
)
from safestats.tests.server.trust_rig import PASSWORD, USERNAME, Server, bearer
from sqlalchemy import select

# Made above the database: one engine will do in every commit, the other is for `make test-slow`.
pytestmark = pytest.mark.above_engines

__all__ = ["clock"]

NEW = "seven purple lanterns drift"
EMAIL = "Nina.Newcomer@camden.gov.uk"


def invite(server: Server, actor: str = "command-line", username: str = "nina", role: Role = Role.ANALYST) -> str:
    people.invite(
        server.services, actor, username=username, organisation="camden", role=role, email=f"{username}@camden.gov.uk"
    )
    return link_in(mails(server)[-1][2])


def redeem(server: Server, token: str, password: str = NEW) -> tuple[int, str]:
    answer = post(server, f"/links/{token}", {"password": password})
    return (204, "") if answer.status_code == 204 else code(answer)


def test_an_invitation_lets_a_person_choose_a_password_once(server: Server) -> None:
    invited = people.invite(
        server.services,
        "command-line",
        username="nina",
        organisation="camden",
        role=Role.ANALYST,
        email=EMAIL,
        display_name="Nina Newcomer",
    )
    (to, subject, text), *_ = mails(server)
    assert to == EMAIL.casefold() and subject == "Your SafeStats account"
    assert "Nina Newcomer" in text and "London Borough of Camden" in text and "an analyst" in text
    # Until then the account opens with nothing, not even without a password.
    for nothing in ("", PASSWORD):
        assert code(server.sign_in("nina", nothing)) == (401, "wrong-password")
    token = link_in(text)
    assert redeem(server, token) == (204, "")
    assert server.sign_in("nina", NEW).status_code == 201
    assert redeem(server, token, "another seven green lanterns") == (404, "link-not-valid")
    assert server.sign_in("nina", NEW).status_code == 201
    kinds = [(e["event"], e["filter"].get("user", "")) for e in server.events()]
    assert ("user.invite", invited.user.id) in kinds and "link.use" in dict(kinds)
    told = str(server.events())
    assert token not in told and EMAIL.casefold() not in told and NEW not in told


def test_used_expired_superseded_and_unknown_links_answer_the_same(
    server: Server, clock: Callable[[timedelta], None]
) -> None:
    def answer(token: str) -> tuple[int, dict]:
        given = post(server, f"/links/{token}", {"password": NEW})
        return given.status_code, given.json()

    used = invite(server, username="used")
    assert redeem(server, used) == (204, "")
    superseded = invite(server, username="superseded")
    with server.services.database.read() as session:
        user = session.scalars(select(User).where(User.username == "superseded")).one()
    people.invite_again(server.services, "command-line", user.id)
    closed = invite(server, username="closed")
    with server.services.database.read() as session:
        closed_id = session.scalars(select(User.id).where(User.username == "closed")).one()
    people.close_account(server.services, "command-line", closed_id)
    expired = invite(server, username="expired")
    answers = [answer(token) for token in (used, superseded, closed, "unknown")]
    clock(timedelta(hours=server.services.settings.invitation_hours, seconds=1))
    answers.append(answer(expired))
    assert all(given == answers[0] for given in answers)
    assert answers[0][0] == 404 and answers[0][1]["code"] == "link-not-valid"
    clock(timedelta(0))
    assert redeem(server, expired) == (204, "")  # it was the time, and nothing else
    assert redeem(server, link_in(mails(server)[2][2])) == (204, "")  # the newer one works


def test_two_uses_of_a_link_race_and_one_wins(server: Server) -> None:
    token = invite(server)
    words = ["seven purple lanterns drift", "eight orange teapots hum", "nine silver ladders lean"]
    together = Barrier(len(words))

    def use(password: str) -> int:
        together.wait()
        return redeem(server, token, password)[0]

    with ThreadPoolExecutor(len(words)) as threads:
        answers = list(threads.map(use, words))
    assert sorted(answers) == [204, 404, 404]
    # Only the winner's password is set.
    signed = [server.sign_in("nina", password).status_code for password in words]
    assert signed == [201 if answer == 204 else 401 for answer in answers]


def test_a_weak_password_leaves_the_link_as_it_is(server: Server) -> None:
    token = invite(server)
    for weak in ("short", "password1234", "nina.camden.2026", "London Borough of Camden"):
        assert redeem(server, token, weak) == (422, "password-weak"), weak
    assert redeem(server, token, "x" * 500)[0] == 422
    assert redeem(server, token) == (204, "")


def test_a_reset_ends_sessions_and_keeps_the_second_factor(server: Server) -> None:
    add_person(server, "paula", Role.PUBLISHER, email="paula@camden.gov.uk")
    authenticator, pending = enrol(server, server.sign_in("paula").json()["token"])
    assert post(server, "/password-reset", {"username": " Paula "}).status_code == 202
    to, _, text = mails(server)[-1]
    assert to == "paula@camden.gov.uk"
    # The present password stays good until then: nobody is locked out by a reset that somebody else asked for.
    assert server.sign_in("paula").status_code == 201
    assert redeem(server, link_in(text)) == (204, "")
    assert code(server.client.get("/v1/session", headers=bearer(pending["token"]))) == (401, "session-ended")
    assert code(server.sign_in("paula")) == (401, "wrong-password")
    waiting = server.sign_in("paula", NEW).json()
    assert waiting["state"] == "second-factor"
    answer = post(server, "/session/second-factor", {"code": authenticator.code()}, waiting["token"])
    assert answer.status_code == 200
    assert mails(server)[-1][1] == "Your SafeStats password was changed"


def test_a_changed_password_ends_open_links(server: Server) -> None:
    user = add_person(server, "ann", Role.ANALYST, email="ann@camden.gov.uk")
    post(server, "/password-reset", {"username": "ann"})
    token = link_in(mails(server)[-1][2])
    people.amend(server.services, "command-line", user.id, email="anna@camden.gov.uk")
    assert redeem(server, token) == (404, "link-not-valid")


def test_asking_for_a_reset_tells_nothing_and_sends_little(server: Server) -> None:
    add_person(server, "ann", Role.ANALYST, email="ann@camden.gov.uk")
    answers = [post(server, "/password-reset", {"username": name}) for name in ("ann", "nobody", USERNAME, "")]
    assert {(a.status_code, a.content) for a in answers} == {(202, b"null")}
    for _ in range(5):
        post(server, "/password-reset", {"username": "ann"})
    assert len(mails(server)) == links.RESETS_AN_HOUR
    refused = [e for e in server.events() if e["event"] == "user.reset"]
    assert len(refused) == links.RESETS_AN_HOUR and "ann@" not in str(refused) and "nobody" not in str(refused)


def test_resets_are_counted_by_address_too(server: Server) -> None:
    for number in range(tries.RESETS_AN_HOUR + 3):
        add_person(server, f"u{number}", Role.ANALYST, email=f"u{number}@camden.gov.uk")
        assert post(server, "/password-reset", {"username": f"u{number}"}).status_code == 202
    assert len(mails(server)) == tries.RESETS_AN_HOUR


def test_the_answer_leaves_before_any_work_is_done(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """What differs between an account and none is done by a task, once the answer is out."""
    add_person(server, "ann", Role.ANALYST, email="ann@camden.gov.uk")
    order: list[str] = []
    send = links.send

    def slowly(*words: object) -> None:
        order.append("mail")
        send(*words)  # type: ignore[arg-type]

    monkeypatch.setattr(links, "send", slowly)
    app = server.app

    async def watched(scope: dict, receive: Callable, send_answer: Callable) -> None:
        async def noted(message: dict) -> None:
            order.append(message["type"])
            await send_answer(message)

        await app(scope, receive, noted)

    from fastapi.testclient import TestClient

    TestClient(watched).post("/v1/password-reset", json={"username": "ann"})  # type: ignore[arg-type]
    assert order == ["http.response.start", "http.response.body", "mail"]


def test_a_reset_takes_as_long_for_nobody(server: Server) -> None:
    """Of the route itself, without the task."""
    from fastapi import BackgroundTasks
    from safestats.sync_server.identity.routes import request_reset
    from safestats.sync_server.identity.schemas import ResetRequest

    def seconds(name: str) -> float:
        start = time.perf_counter()
        request_reset(ResetRequest(username=name), server.services, "192.0.2.1", BackgroundTasks())
        return time.perf_counter() - start

    add_person(server, "ann", Role.ANALYST, email="ann@camden.gov.uk")
    there, nobody = ([seconds(name) for _ in range(200)] for name in ("ann", "nobody"))
    assert 0.2 < statistics.median(there) / statistics.median(nobody) < 5


def test_nothing_is_sent_where_nothing_can_come_of_it(server: Server) -> None:
    user = add_person(server, "gone", Role.ANALYST, email="gone@camden.gov.uk")
    people.close_account(server.services, "command-line", user.id)
    post(server, "/password-reset", {"username": "gone"})
    assert mails(server) == []


def test_a_reset_for_who_was_only_invited_invites_again(server: Server) -> None:
    first = invite(server)
    post(server, "/password-reset", {"username": "nina"})
    assert redeem(server, first) == (404, "link-not-valid")
    assert redeem(server, link_in(mails(server)[-1][2])) == (204, "")


def test_a_mail_that_cannot_be_sent_is_told_to_the_inviter_only(
    server: Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken:
        def send(self, *_words: str) -> None:
            raise SafeStatsError("The mail server is away.")

    add_person(server, "ann", Role.ANALYST, email="ann@camden.gov.uk")
    server.services.__dict__["mailer"] = Broken()
    with pytest.raises(SafeStatsError, match="mail server is away"):
        people.invite(
            server.services,
            "command-line",
            username="nina",
            organisation="camden",
            role=Role.ANALYST,
            email="nina@camden.gov.uk",
        )
    with caplog.at_level(logging.ERROR):
        assert post(server, "/password-reset", {"username": "ann"}).status_code == 202
    assert "could not be sent" in caplog.text and "ann@" not in caplog.text


def test_links_are_kept_as_hashes(server: Server) -> None:
    token = invite(server)
    with server.services.database.read() as session:
        link = session.scalars(select(AccountLink)).one()
    assert token not in str(vars(link)) and len(token) >= 43


def test_an_invitation_needs_a_fit_address(server: Server) -> None:
    add_home(server, "gla", "Greater London Authority")
    add_person(server, "ann", Role.ANALYST, email="ann@camden.gov.uk")
    for email, words in (
        ("", "needs an e-mail address"),
        ("nina", "no e-mail address"),
        ("nina@camden.gov.uk\r\nBcc: all@example.org", "no e-mail address"),
        ("ANN@camden.gov.uk", "has this e-mail address already"),
    ):
        with pytest.raises(SafeStatsError, match=words):
            people.invite(
                server.services,
                "command-line",
                username="nina",
                organisation="gla",
                role=Role.ANALYST,
                email=email,
            )
    assert mails(server) == []
