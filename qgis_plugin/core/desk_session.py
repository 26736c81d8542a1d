"""A session as the desk sees it: opened in steps, pending until the conditions are accepted, active, ended."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any

from qgis.core import Qgis

from ...shared.manifest import API_VERSION
from .errors import PluginTooOld, ServerTrouble
from .local_store import instant
from .password_proof import PasswordProof
from .transport import Cancel, Transport, never

# What a card shows of a layer; members that came later may be missing.
_MEMBERS = {
    **dict.fromkeys(("dataset", "title", "supplier", "description", "reason", "newest", "precision"), str),
    **dict.fromkeys(("agreement", "agreement_until"), str),
    **dict.fromkeys(("permitted", "preparing"), bool),
    **dict.fromkeys(("rows", "size"), int),
}


class SessionState(Enum):
    """Where a session stands. The values of all but the last two are the server's words."""

    SECOND_FACTOR = "second-factor"  # the password was right, a code is wanted
    ENROLMENT = "enrolment"  # the role needs a second factor, which has to be set up in the console first
    PENDING = "pending"
    ACTIVE = "active"
    OFFLINE = "offline"  # the local copies are unlocked, and the server is not there
    ENDED = "ended"


_PUBLISHING = ("publisher", "system-admin")
_OPENED = {SessionState.SECOND_FACTOR, SessionState.ENROLMENT, SessionState.PENDING}


@dataclass(frozen=True)
class User:
    """Who is signed in."""

    username: str
    display_name: str
    organisation: str
    role: str = ""

    @property
    def publishes(self) -> bool:
        """Whether the role may load and publish data; the server has the last word."""
        return self.role in _PUBLISHING


@dataclass(frozen=True)
class Conditions:
    """The conditions of use: Markdown text, its version and SHA-256."""

    version: str
    sha256: str
    text: str


@dataclass(frozen=True)
class Purpose:
    """What the data may be wanted for; where it is not allowed, ``advice`` says where to ask instead."""

    code: str
    title: str
    description: str
    allowed: bool
    advice: str
    held: bool = False  # it is told in the person's own words, which the SafeStats team approves


@dataclass(frozen=True)
class About:
    """What the server says of itself."""

    name: str
    version: str
    synthetic: bool
    lease_days: int


@dataclass(frozen=True)
class OwnSession:
    """One of the person's sessions, at this desk or anywhere else."""

    id: str
    created_at: datetime
    last_used_at: datetime
    client: str
    address: str
    current: bool


def client_name() -> str:
    """By what name the server lists a session of this program, such as “QGIS 3.40 on Linux”."""
    version = ".".join(Qgis.version().split("-")[0].split(".")[:2])
    return f"QGIS {version} on {platform.system() or 'an unknown system'}"


class DeskSession:
    """One session. Methods talk to the server and raise ``DeskError``; call them in tasks."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport
        self.state = SessionState.ENDED
        self.purpose: Purpose | None = None
        self.about: About
        self.user: User
        self.conditions: Conditions
        self.purposes: tuple[Purpose, ...] = ()
        self.proof: PasswordProof | None = None  # of the password, where one was given
        self._handle = ""  # claims a sign-in that goes on in the browser; nobody else has it

    # ------------------------------------------------------------------ signing in

    def sign_in(self, username: str, password: str, *, cancelled: Cancel = never) -> None:
        """Prove who it is; ``state`` says what is wanted next: a code, an enrolment, or the conditions."""
        self.check_version(cancelled=cancelled)
        answer = self.transport.post_json(
            "/v1/session",
            {"username": username, "password": password, "client": client_name()},
            cancelled=cancelled,
        )
        self._opened(answer)

    def prove_second_factor(self, code: str, *, cancelled: Cancel = never) -> None:
        """The code of the person's device, or one of the recovery codes; blanks in it do not matter."""
        answer = self.transport.post_json(
            "/v1/session/second-factor", {"code": "".join(code.split())}, cancelled=cancelled
        )
        self._opened(answer)

    def begin_in_browser(self, organisation: str, port: int | None, *, cancelled: Cancel = never) -> str:
        """Where the browser signs the person in with the organisation of that code; ``port`` is the listener's."""
        self.check_version(cancelled=cancelled)
        answer = self.transport.post_json(
            "/v1/session/oidc/start", {"organisation": organisation, "loopback_port": port}, cancelled=cancelled
        )
        url, handle = answer.get("authorisation_url"), answer.get("handle")
        if not isinstance(url, str) or not isinstance(handle, str):
            raise _unreadable(self.transport.base_url, "sign-in with an organisation")
        self._handle = handle
        return url

    def finish_in_browser(self, code: str, *, cancelled: Cancel = never) -> None:
        """Go on with the one-time code that the browser brought or showed."""
        answer = self.transport.post_json(
            "/v1/session/oidc/finish",
            {"handle": self._handle, "code": "".join(code.split()), "client": client_name()},
            cancelled=cancelled,
        )
        self._opened(answer)

    def check_version(self, *, cancelled: Cancel = never) -> None:
        """Ask what the server is; raises ``PluginTooOld``, or ``ServerTrouble`` where it is too old itself."""
        self.about = _about(self.transport.get_json("/v1/about", cancelled=cancelled), self.transport.base_url)

    # ------------------------------------------------------------------ conditions and purpose

    def read_conditions(self, *, cancelled: Cancel = never) -> None:
        """Ask for the conditions in force and the purposes: they have changed since this session accepted some."""
        self._take_conditions(self.transport.get_json("/v1/session/conditions", cancelled=cancelled))
        self.state = SessionState.PENDING

    def accept(self, purpose: str, detail: str = "", *, cancelled: Cancel = never) -> None:
        """Accept the conditions for ``purpose`` (a code of ``purposes``); the session is active afterwards."""
        answer = self.transport.post_json(
            "/v1/session/accept",
            {
                "conditions_version": self.conditions.version,
                "conditions_sha256": self.conditions.sha256,
                "purpose": purpose,
                "purpose_detail": detail,
            },
            cancelled=cancelled,
        )
        try:
            token = answer["token"]
        except KeyError as error:
            raise _unreadable(self.transport.base_url, "acceptance") from error
        self.transport.use_token(token)
        self.purpose = self._known_purpose(purpose)
        self.state = SessionState.ACTIVE

    def ask_purposes(self, *, cancelled: Cancel = never) -> None:
        """Ask for the purposes to choose from now: one in the person's own words may have been approved."""
        self._take_conditions(self.transport.get_json("/v1/session/conditions", cancelled=cancelled))

    def change_purpose(self, purpose: str, detail: str = "", *, cancelled: Cancel = never) -> None:
        """Go on for another purpose under the same conditions."""
        self.transport.post_json(
            "/v1/session/purpose", {"purpose": purpose, "purpose_detail": detail}, cancelled=cancelled
        )
        self.purpose = self._known_purpose(purpose)

    def decline(self) -> None:
        """Decline the conditions: the session ends."""
        try:
            self.transport.post_json("/v1/session/decline", {})
        finally:
            self.end()

    # ------------------------------------------------------------------ while it lasts

    def layers(self, *, cancelled: Cancel = never) -> list[dict[str, Any]]:
        """What may be pulled and what not: ``layers`` of ``GET /v1/layers``.

        Where the server has been changed since the sign-in and answers otherwise, its version says who is too old.
        """
        document = self.transport.get_json("/v1/layers", cancelled=cancelled)
        entries = document.get("layers")
        if not isinstance(entries, list) or not all(_readable(entry) for entry in entries):
            self.check_version(cancelled=cancelled)
            raise _unreadable(self.transport.base_url, "question what may be pulled")
        return entries

    def own_sessions(self, *, cancelled: Cancel = never) -> list[OwnSession]:
        """Where the person is signed in: this session first, then by when they were last used."""
        document = self.transport.get_json("/v1/sessions", cancelled=cancelled)
        try:
            found = [
                OwnSession(
                    id=str(entry["id"]),
                    created_at=instant(entry["created_at"]),
                    last_used_at=instant(entry["last_used_at"]),
                    client=str(entry["client"]),
                    address=str(entry["address"]),
                    current=bool(entry["current"]),
                )
                for entry in document["sessions"]
            ]
        except (KeyError, TypeError, ValueError) as error:
            raise _unreadable(self.transport.base_url, "question where you are signed in") from error
        return sorted(found, key=lambda one: (not one.current, -one.last_used_at.timestamp()))

    def end_one(self, id_: str, *, cancelled: Cancel = never) -> None:
        """End another session of the same person."""
        self.transport.delete(f"/v1/sessions/{id_}", cancelled=cancelled)

    def end_others(self, *, cancelled: Cancel = never) -> None:
        """End all of the person's sessions but this one."""
        self.transport.delete("/v1/sessions", cancelled=cancelled)

    def sign_out(self) -> None:
        """End the session on the server; whatever it answers, the token is forgotten here."""
        try:
            self.transport.delete("/v1/session")
        finally:
            self.end()

    def end(self) -> None:
        """Forget the token: the session is over on this side."""
        self.transport.use_token("")
        self.state = SessionState.ENDED

    # ------------------------------------------------------------------ inside

    def _opened(self, answer: dict[str, Any]) -> None:
        try:
            state = SessionState(answer["state"])
            if state not in _OPENED:
                raise ValueError(f"a session begins as “{state.value}”")
            self.transport.use_token(answer["token"])
            told = answer["user"]
            self.user = User(told["username"], told["display_name"], told["organisation"], told.get("role", ""))
            if state is SessionState.PENDING:
                self._take_conditions(answer)
        except (KeyError, TypeError, ValueError) as error:
            self.transport.use_token("")
            raise _unreadable(self.transport.base_url, "sign-in") from error
        self.state = state

    def _take_conditions(self, answer: dict[str, Any]) -> None:
        try:
            conditions = Conditions(**{name: answer["conditions"][name] for name in Conditions.__dataclass_fields__})
            purposes = tuple(
                Purpose(
                    **{name: entry[name] for name in Purpose.__dataclass_fields__ if name != "held" or name in entry}
                )
                for entry in answer["purposes"]
            )
        except (KeyError, TypeError) as error:
            raise _unreadable(self.transport.base_url, "question for the conditions of use") from error
        self.conditions, self.purposes = conditions, purposes

    def _known_purpose(self, code: str) -> Purpose | None:
        return next((known for known in self.purposes if known.code == code), None)


def _readable(entry: Any) -> bool:
    return isinstance(entry, dict) and all(isinstance(entry.get(name), kind) for name, kind in _MEMBERS.items())


def _about(document: dict[str, Any], address: str) -> About:
    try:
        api_version = int(document["api_version"])
        about = About(
            name=str(document["name"]),
            version=str(document["version"]),
            synthetic=bool(document["synthetic"]),
            lease_days=int(document["lease_days"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ServerTrouble(
            f"What answers at {address} is not a SafeStats server. Check the address.", "not-safestats"
        ) from error
    if api_version > API_VERSION:
        raise PluginTooOld(
            f"The server at {address} (version {about.version}) is newer than this plugin. Update SafeStats in "
            "Plugins → Manage and Install Plugins, then sign in again."
        )
    if api_version < API_VERSION:
        raise ServerTrouble(
            f"The server at {address} (version {about.version}) is older than this plugin. Tell the SafeStats team.",
            "server-too-old",
        )
    return about


def _unreadable(address: str, what: str) -> ServerTrouble:
    return ServerTrouble(
        f"The server at {address} answered the {what} in a way that this plugin cannot read. Update the "
        "plugin; if it stays, tell the SafeStats team.",
        "unreadable",
    )
