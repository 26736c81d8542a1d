"""Signing in to the console: its cookie, its steps, its links, and what ends it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from http.cookies import SimpleCookie
from pathlib import Path

import pyotp
import pytest
from safestats.sync_server.audit.log import COMMAND_LINE
from safestats.sync_server.identity.conditions import publish
from safestats.sync_server.identity.models import Role
from safestats.sync_server.identity.people import close_account, invite
from safestats.sync_server.identity.service import find_user
from safestats.sync_server.settings import Settings
from safestats.tests.server import console_rig
from safestats.tests.server.console_rig import PASSWORD, Console, Page, Visitor, letters, link_of
from safestats.tests.server.engines import settings_for

# Made above the database: one engine will do in every commit, the other is for `make test-slow`.
pytestmark = pytest.mark.above_engines

NEW_PASSWORD = "quite another long phrase"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_for(tmp_path / "server")


@pytest.fixture
def console(settings: Settings) -> Iterator[Console]:
    console_rig.make_server(settings)
    with console_rig.running(settings) as running:
        yield running


def cookie_of(answer_headers: list[str], name: str) -> SimpleCookie | None:
    for header in answer_headers:
        cookie: SimpleCookie = SimpleCookie(header)
        if name in cookie:
            return cookie
    return None


@pytest.mark.parametrize(
    ("address", "secure"),
    [("https://console.test", True), ("http://console.test", True), ("http://127.0.0.1:8520", False)],
)
def test_the_cookie_is_for_the_console_alone(console: Console, address: str, secure: bool) -> None:
    visitor = Visitor(console.app, address)
    page = visitor.get("/console/sign-in")
    form = {**page.forms["/console/sign-in"], "username": "camden.admin", "password": PASSWORD}
    # The browser of the test keeps no secure cookie from plain http: it is carried by hand.
    prefix = "__Host-" if secure else ""
    visit = cookie_of(page.response.headers.get_list("set-cookie"), f"{prefix}safestats_visit")
    assert visit is not None
    sent = {"Cookie": f"{prefix}safestats_visit={visit[f'{prefix}safestats_visit'].value}"}
    answer = visitor.client.post("/console/sign-in", data=form, headers=sent, follow_redirects=False)
    assert answer.status_code == 303
    cookie = cookie_of(answer.headers.get_list("set-cookie"), f"{prefix}safestats_session")
    assert cookie is not None
    made = cookie[f"{prefix}safestats_session"]
    assert made["httponly"] and made["samesite"].casefold() == "strict" and made["path"] == "/"
    assert bool(made["secure"]) == secure
    assert not made["max-age"] and not made["expires"] and not made["domain"]


def test_a_token_of_one_channel_is_worth_nothing_on_the_other(console: Console) -> None:
    visitor = console.as_("camden.admin")
    token = visitor.client.cookies.get("__Host-safestats_session")
    assert visitor.client.get("/v1/layers", headers={"Authorization": f"Bearer {token}"}).status_code == 401
    assert visitor.client.get("/v1/layers").status_code == 401
    desk = console.visitor().client
    opened = desk.post("/v1/session", json={"username": "camden.admin", "password": PASSWORD}).json()
    stranger = console.visitor()
    stranger.client.cookies.set("__Host-safestats_session", opened["token"], domain="console.test", path="/")
    assert stranger.get("/console/people").path == "/console/sign-in"


def test_each_step_leads_to_the_next_and_none_is_left_out(console: Console) -> None:
    visitor = console.visitor()
    page = visitor.get("/console/people")
    assert page.path == "/console/sign-in"
    page = visitor.send(page, "/console/sign-in", username="gla.auditor", password=PASSWORD)
    assert page.path == "/console/enrolment"
    for path in ("/console", "/console/audit", "/console/conditions", "/console/second-factor"):
        assert visitor.get(path).path == "/console/enrolment", path
    before = visitor.client.cookies.get("__Host-safestats_session")
    page = visitor.send(page, "/console/enrolment/begin")
    assert "<svg role=" in page.response.text
    secret = page.forms["/console/enrolment/confirm"]["secret"]
    page = visitor.send(page, "/console/enrolment/confirm", code="000000")
    assert page.status == 422 and page.forms["/console/enrolment/confirm"]["secret"] == secret
    page = visitor.send(page, "/console/enrolment/confirm", code=pyotp.TOTP(secret).now())
    codes = [word for word in page.text.split() if word.count("-") == 2 and len(word) == 14]
    assert len(codes) == 10
    assert visitor.client.cookies.get("__Host-safestats_session") != before
    page = visitor.get("/console/conditions")
    assert "Prevention only" in page.text
    page = visitor.send(page, "/console/conditions")
    assert page.status == 422 and "Choose the purpose" in page.text
    page = visitor.send(page, "/console/conditions", purpose="prosecution")
    assert page.status == 422 and "not a purpose of SafeStats" in page.text
    page = visitor.send(page, "/console/conditions", purpose="policy")
    assert page.path == "/console"
    # The next time a code is asked for; a recovery code will do, once.
    visitor = console.visitor()
    page = visitor.send(visitor.get("/console/sign-in"), "/console/sign-in", username="gla.auditor", password=PASSWORD)
    assert page.path == "/console/second-factor"
    page = visitor.send(page, "/console/second-factor", code="123456")
    assert page.status == 422 and 'value="123456"' not in page.response.text
    page = visitor.send(page, "/console/second-factor", code=codes[0])
    assert page.path == "/console/conditions"
    visitor = console.visitor()
    page = visitor.send(visitor.get("/console/sign-in"), "/console/sign-in", username="gla.auditor", password=PASSWORD)
    page = visitor.send(page, "/console/second-factor", code=codes[0])
    assert page.status == 422


def test_after_signing_in_one_is_where_one_wanted_to_be(console: Console) -> None:
    visitor = console.visitor()
    page = visitor.get("/console/people")
    page = visitor.send(page, "/console/sign-in", username="camden.admin", password=PASSWORD)
    page = visitor.send(page, "/console/conditions", purpose="policy")
    assert page.path == "/console/people"
    others = ("https://elsewhere.test/", "//elsewhere.test", "/v1/layers", "/console/\\elsewhere", "/console/a\nb")
    for elsewhere in others:
        visitor = console.visitor()
        page = visitor.get("/console/sign-in")
        page = visitor.send(page, "/console/sign-in", username="camden.admin", password=PASSWORD, next=elsewhere)
        page = visitor.send(page, "/console/conditions", purpose="policy", next=elsewhere)
        assert page.path == "/console" and page.response.url.host == "console.test"


def test_signing_out_and_declining_end_the_session(console: Console) -> None:
    visitor = console.as_("camden.admin")
    kept = visitor.client.cookies.get("__Host-safestats_session")
    page = visitor.get("/console")
    page = visitor.send(page, "/console/sign-out")
    assert page.path == "/console/sign-in" and visitor.client.cookies.get("__Host-safestats_session") is None
    visitor.client.cookies.set("__Host-safestats_session", str(kept), domain="console.test", path="/")
    page = visitor.get("/console/people")
    assert page.path == "/console/sign-in" and "has ended" in page.text
    visitor = console.visitor()
    page = visitor.send(visitor.get("/console/sign-in"), "/console/sign-in", username="camden.admin", password=PASSWORD)
    form = page.forms["/console/conditions"]
    visitor.client.post("/console/decline", data=form)
    assert visitor.get("/console").path == "/console/sign-in"
    assert [e["event"] for e in console.events()][-1] == "session.decline"


def test_new_conditions_are_accepted_before_going_on(console: Console) -> None:
    visitor = console.as_("camden.admin")
    page = visitor.get("/console/people/invite")
    publish(console.services, COMMAND_LINE, "2027-01", "# New\n\nBe better.")
    refused = visitor.send(
        page, "/console/people/invite", username="late", email="late@example.org", role="analyst", display_name="Late"
    )
    assert refused.path == "/console/conditions" and "Be better." in refused.text
    assert visitor.send(refused, "/console/conditions", purpose="policy").path == "/console"
    with console.services.database.read() as session:
        from safestats.sync_server.identity.service import users

        assert "late" not in {user.username for user in users(session)}


def test_a_closed_account_is_out_at_the_next_click(console: Console) -> None:
    visitor = console.as_("camden.admin")
    with console.services.database.read() as session:
        user_id = find_user(session, "camden.admin").id
    close_account(console.services, COMMAND_LINE, user_id)
    assert visitor.get("/console/people").path == "/console/sign-in"


def test_an_invitation_is_taken_up_once(console: Console, settings: Settings) -> None:
    administrator = console.as_("camden.admin")
    page = administrator.get("/console/people/invite")
    typed = {"username": "new.analyst", "email": "new@example.org", "display_name": "New", "role": "analyst"}
    forbidden = administrator.send(page, "/console/people/invite", **{**typed, "role": "system-admin"})
    assert forbidden.status == 403
    page = administrator.send(page, "/console/people/invite", **typed)
    assert "is invited" in page.text and "Invited" in page.text
    path = link_of(letters(settings.outbox_dir)[-1])

    newcomer = console.visitor()
    page = newcomer.get(path)
    assert page.status == 200 and page.response.headers["referrer-policy"] == "no-referrer"
    for typed, sentence in (
        ({"password": "short", "password_again": "short"}, "password"),
        ({"password": NEW_PASSWORD, "password_again": "another"}, "differ"),
        ({"password": "", "password_again": ""}, "Enter a password"),
    ):
        answer = newcomer.send(page, path, **typed)
        assert answer.status == 422 and sentence in answer.text and "short" not in answer.response.text
    page = newcomer.send(page, path, password=NEW_PASSWORD, password_again=NEW_PASSWORD)
    assert page.path == "/console/sign-in" and "password is set" in page.text
    used = console.visitor().get(path)
    assert used.status == 404 and "cannot be used" in used.text
    assert newcomer.sign_in("new.analyst", NEW_PASSWORD).path == "/console"
    assert "link.use" in [event["event"] for event in console.events()]


def test_a_forgotten_password_tells_nobody_whether_there_is_an_account(console: Console, settings: Settings) -> None:
    pages = []
    for username in ("camden.analyst", "nobody.at.all"):
        visitor = console.visitor()
        page = visitor.get("/console/forgotten")
        pages.append(visitor.send(page, "/console/forgotten", username=username))
    assert pages[0].text == pages[1].text
    sent = letters(settings.outbox_dir)
    assert len(sent) == 1
    visitor, path = console.visitor(), link_of(sent[0])
    visitor.send(visitor.get(path), path, password=NEW_PASSWORD, password_again=NEW_PASSWORD)
    assert console.visitor().sign_in("camden.analyst", NEW_PASSWORD).path == "/console"


def test_ones_own_sessions_are_seen_and_ended(console: Console) -> None:
    first, second = console.visitor(), console.visitor()
    for visitor in (first, second):
        visitor.sign_in("camden.analyst")
    page = first.get("/console/account")
    ends = [action for action in page.forms if action.endswith("/end")]
    assert len(ends) == 1
    first.send(page, ends[0])
    assert second.get("/console/account").path == "/console/sign-in"
    assert first.get("/console/account").path == "/console/account"
    # Somebody else's session is nobody's.
    stranger = console.as_("camden.officer")
    token = stranger.get("/console/account").forms["/console/sign-out"]
    own = [e["session"] for e in console.events() if e["event"] == "session.accept"][-2]
    assert stranger.client.post(f"/console/account/sessions/{own}/end", data=token).status_code == 404


def test_a_second_factor_of_ones_own_accord(console: Console) -> None:
    visitor = console.as_("camden.analyst")
    page = visitor.send(visitor.get("/console/account/second-factor"), "/console/enrolment/begin")
    secret = page.forms["/console/enrolment/confirm"]["secret"]
    page = visitor.send(page, "/console/enrolment/confirm", code=pyotp.TOTP(secret).now())
    assert "/console/account" in page.links
    page = visitor.get("/console/account")
    assert page.path == "/console/account" and "Set up on" in page.text
    page = visitor.send(page, "/console/account/recovery-codes", code="000000")
    assert page.status == 422
    page = visitor.send(page, "/console/account/recovery-codes", code=pyotp.TOTP(secret).at(time.time() + 30))
    assert "recovery codes" in page.text and page.status == 200


def test_a_notice_shows_once_and_cannot_be_forged(console: Console) -> None:
    visitor = console.as_("camden.analyst")
    page = visitor.get("/console/account")
    page = visitor.send(page, "/console/account/password-link")
    assert "in its folder “outbox”" in page.text and "on its way" not in page.text
    assert "outbox" not in visitor.get("/console/account").text
    for forged in ("x", "eA==.x", "eA==." + "0" * 64, "%%%.%%%", "."):
        visitor.client.cookies.set("__Host-safestats_notice", forged, domain="console.test", path="/")
        page = visitor.get("/console/account")
        assert page.status == 200 and 'class="notice done"' not in page.response.text


def test_the_password_is_changed_by_the_present_one_alone(console: Console) -> None:
    visitor, elsewhere = console.as_("camden.analyst"), console.visitor()
    elsewhere.sign_in("camden.analyst")
    page = visitor.get("/console/account")

    def change(present: str, new: str, again: str) -> Page:
        typed = {"current_password": present, "password": new, "password_again": again}
        return visitor.send(page, "/console/account/password", **typed)

    better = "lantern orbit pebble quince"
    for present, new, again, sentence in (
        ("", better, better, "Enter your present password."),
        ("not the present one", better, better, "This is not your present password."),
        (PASSWORD, "password12345", "password12345", "would be guessed soon"),
        (PASSWORD, better, better + "s", "are not the same"),
    ):
        told = change(present, new, again)
        assert told.status == 422 and sentence in told.text and better not in told.response.text
    assert change(PASSWORD, better, better).path == "/console/sign-in"
    assert elsewhere.get("/console/account").path == "/console/sign-in", "every session has ended"
    page = visitor.get("/console/sign-in")
    assert visitor.send(page, "/console/sign-in", username="camden.analyst", password=PASSWORD).status == 422
    assert visitor.sign_in("camden.analyst", better).path == "/console"
    assert "user.password-change" in [event["event"] for event in console.events()]


@pytest.mark.parametrize("origin", ["http://[", "https://elsewhere.test"])
def test_odd_origins_and_texts_are_refused(console: Console, origin: str) -> None:
    visitor = console.visitor()
    page = visitor.get("/console/sign-in")
    typed = {**page.forms["/console/sign-in"], "username": "camden.analyst", "password": PASSWORD}
    assert visitor.client.post("/console/sign-in", data=typed, headers={"Origin": origin}).status_code == 403
    mark = "mark"
    part = 'Content-Disposition: form-data; name="username"'
    for text, charset in ((b"\\ud800", "unicode_escape"), (b"a\0b", "utf-8")):
        body = b"--" + mark.encode() + b"\r\n" + part.encode() + b"\r\n\r\n" + text + b"\r\n--mark--\r\n"
        kind = f"multipart/form-data; charset={charset}; boundary={mark}"
        answer = visitor.client.post("/console/sign-in", content=body, headers={"Content-Type": kind})
        assert answer.status_code in (403, 422), (charset, answer.status_code)


def test_every_answer_has_its_safeguards(console: Console) -> None:
    client = console.visitor().client
    for path in ("/v1/about", "/v1/layers", "/nowhere", "/console/sign-in", "/console/nowhere"):
        headers = client.get(path).headers
        assert headers["x-content-type-options"] == "nosniff" and headers["referrer-policy"] == "no-referrer"
        assert "default-src 'none'" in headers["content-security-policy"], path
        assert "frame-ancestors 'none'" in headers["content-security-policy"], path
        assert headers["cache-control"] == "no-store", path
        assert headers["strict-transport-security"] == "max-age=31536000; includeSubDomains"


def test_an_administrator_cannot_invite_into_another_organisation(console: Console) -> None:
    administrator = console.as_("camden.admin")
    page = administrator.get("/console/people/invite")
    page = administrator.send(
        page,
        "/console/people/invite",
        organisation="hackney",
        username="smuggled",
        email="s@example.org",
        role="analyst",
    )
    assert page.status == 200
    with console.services.database.read() as session:
        assert find_user(session, "smuggled").organisation.code == "camden"


def test_a_supplier_sees_its_own_supplies_alone(console: Console) -> None:
    from safestats.sync_server.identity.machine_keys import add_key

    own = add_key(console.services, COMMAND_LINE, "ours", "hospital", "rnli", "tower").entry.prefix
    others = [
        add_key(console.services, COMMAND_LINE, "other site", "hospital", "rnli", "chiswick").entry.prefix,
        add_key(console.services, COMMAND_LINE, "other dataset", "hospital", "lfb").entry.prefix,
        add_key(console.services, COMMAND_LINE, "other supplier", "gla", "rnli", "tower").entry.prefix,
    ]
    clerk = console.as_("hospital.clerk").get("/console/supplies")
    assert own in clerk.text and not [prefix for prefix in others if prefix in clerk.text]
    team = console.as_("gla.publisher").get("/console/supplies")
    assert all(prefix in team.text for prefix in [own, *others])


def test_keys_are_shown_once_and_revoked(console: Console) -> None:
    publisher = console.as_("gla.publisher")
    page = publisher.get("/console/supplies")
    typed = {"name": "Extract", "organisation": "hospital", "dataset": "rnli", "site": "tower", "days": "30"}
    made = publisher.send(page, "/console/supplies/keys", **typed)
    key = next(word for word in made.text.split() if word.startswith("sk_"))
    client = console.visitor().client
    headers = {"Authorization": f"Bearer {key}"}
    assert client.get("/v1/supplier", headers=headers).status_code == 200
    page = publisher.get("/console/supplies")
    assert key not in page.response.text
    prefix = "_".join(key.split("_")[:2])
    path = f"/console/supplies/keys/{prefix}/revoke"
    publisher.send(publisher.get(path), path)
    assert client.get("/v1/supplier", headers=headers).status_code == 401


def test_invitations_by_the_command_line_arrive_here_too(console: Console, settings: Settings) -> None:
    invite(
        console.services,
        COMMAND_LINE,
        username="second.auditor",
        organisation="gla",
        role=Role.AUDITOR,
        email="auditor@example.org",
    )
    path = link_of(letters(settings.outbox_dir)[-1])
    assert console.visitor().get(path).status == 200
