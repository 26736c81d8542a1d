"""People of every role, their authenticators and their mailboxes, for tests of identity."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from datetime import timedelta
from email import message_from_bytes, policy
from types import ModuleType

import pyotp
import pytest
from httpx import Response
from safestats.sync_server.identity import (
    decisions,
    links,
    machine_keys,
    oidc,
    purpose_choice,
    second_factor,
    sessions,
    signing_in,
    supplies,
)
from safestats.sync_server.identity.models import Role, User
from safestats.sync_server.identity.service import add_organisation, add_user, find_organisation
from safestats.sync_server.instants import now
from safestats.tests.server.trust_rig import PASSWORD, Server, bearer

_MODULES: tuple[ModuleType, ...] = (links, machine_keys, oidc, second_factor, sessions, signing_in, decisions, supplies)


def code(response: Response) -> tuple[int, str]:
    assert response.headers["content-type"] == "application/problem+json", response.text
    return response.status_code, response.json()["code"]


def add_person(
    server: Server,
    username: str,
    role: Role,
    organisation: str = "camden",
    email: str = "",
    sites: tuple[tuple[str, str], ...] = (),
    password: str | None = PASSWORD,
) -> User:
    with server.services.database.write() as session:
        home = find_organisation(session, organisation)
        return add_user(session, server.services.passwords, username, home, "", role, password, email, sites)


def add_home(server: Server, code: str, name: str) -> None:
    with server.services.database.write() as session:
        add_organisation(session, code, name)


def post(server: Server, path: str, body: dict, token: str | None = None) -> Response:
    return server.client.post(f"/v1{path}", json=body, headers=bearer(token) if token else {})


class Authenticator:
    """The app on a person's telephone, whose clock the test sets: each code is of a step of its own."""

    def __init__(self, secret: str) -> None:
        self._totp = pyotp.TOTP(secret)

    def code(self, steps: int = 0) -> str:
        # A step must not end between here and the server.
        if (ends_in := 30 - time.time() % 30) < 1.5:
            time.sleep(ends_in)
        return self._totp.at(now() + timedelta(seconds=30 * steps))


def enrol(server: Server, token: str) -> tuple[Authenticator, dict]:
    """Set up the second factor of the session's person; returns the answer, whose session goes on."""
    begun = post(server, "/session/enrolment", {}, token)
    assert begun.status_code == 200, begun.text
    authenticator = Authenticator(begun.json()["secret"])
    # The step before now, so that the present one is still to be used.
    answer = post(server, "/session/enrolment/confirm", {"code": authenticator.code(-1)}, token)
    assert answer.status_code == 200, answer.text
    return authenticator, answer.json()


def active_session(server: Server, username: str, authenticator: Authenticator | None = None) -> dict[str, str]:
    """The headers of an active session; who needs a second factor has it, or gets one."""
    answer = server.sign_in(username).json()
    if answer["state"] == "enrolment":
        answer = enrol(server, answer["token"])[1]
    elif answer["state"] == "second-factor":
        assert authenticator
        answer = post(server, "/session/second-factor", {"code": authenticator.code()}, answer["token"]).json()
    return bearer(server.accept(answer).json()["token"])


def mails(server: Server) -> list[tuple[str, str, str]]:
    """To whom, subject and text of every mail, the oldest first."""
    found = []
    for path in sorted(server.services.settings.outbox_dir.glob("*.eml")):
        message = message_from_bytes(path.read_bytes(), policy=policy.default)
        found.append((message["To"], message["Subject"], message.get_content()))
    return found


def link_in(text: str) -> str:
    """The token of the link in a mail."""
    found = re.search(r"/console/link/([A-Za-z0-9_-]+)", text)
    assert found, text
    return found[1]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[timedelta], None]:
    """Sets the server's clock: so much ahead of (or behind) the true time."""

    def set_clock(by: timedelta) -> None:
        for module in _MODULES:
            if hasattr(module, "now"):
                monkeypatch.setattr(module, "now", lambda: now() + by)
        monkeypatch.setattr(purpose_choice, "london_today", lambda: (now() + by).date())

    return set_clock
