"""A session as the desk sees it: pending until the conditions are accepted, then active, then ended."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any

from ...shared.manifest import API_VERSION
from .errors import PluginTooOld, ServerTrouble
from .transport import Cancel, Transport, never

# What a card shows of a layer; members that came later may be missing.
_MEMBERS = {
    **dict.fromkeys(("dataset", "title", "supplier", "description", "reason", "newest", "precision"), str),
    **dict.fromkeys(("agreement", "agreement_until"), str),
    **dict.fromkeys(("permitted", "preparing"), bool),
    **dict.fromkeys(("rows", "size"), int),
}


class SessionState(Enum):
    """Where a session stands."""

    PENDING = "pending"
    ACTIVE = "active"
    ENDED = "ended"


@dataclass(frozen=True)
class User:
    """Who is signed in."""

    username: str
    display_name: str
    organisation: str


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


@dataclass(frozen=True)
class About:
    """What the server says of itself."""

    name: str
    version: str
    synthetic: bool
    lease_days: int


class DeskSession:
    """One session. Methods talk to the server and raise ``DeskError``; call them in tasks."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport
        self.state = SessionState.ENDED
        self.purpose: Purpose | None = None
        self.about: About
        self.user: User
        self.conditions: Conditions
        self.purposes: tuple[Purpose, ...]

    def sign_in(self, username: str, password: str, *, cancelled: Cancel = never) -> None:
        """Prove who it is; the session is pending afterwards and knows the conditions and purposes."""
        self.check_version(cancelled=cancelled)
        answer = self.transport.post_json(
            "/v1/session", {"username": username, "password": password}, cancelled=cancelled
        )
        try:
            self.transport.use_token(answer["token"])
            self.user = User(**{name: answer["user"][name] for name in User.__dataclass_fields__})
            self.conditions = Conditions(
                **{name: answer["conditions"][name] for name in Conditions.__dataclass_fields__}
            )
            self.purposes = tuple(
                Purpose(**{name: entry[name] for name in Purpose.__dataclass_fields__}) for entry in answer["purposes"]
            )
        except (KeyError, TypeError) as error:
            self.transport.use_token("")
            raise _unreadable(self.transport.base_url, "sign-in") from error
        self.state = SessionState.PENDING

    def check_version(self, *, cancelled: Cancel = never) -> None:
        """Ask what the server is; raises ``PluginTooOld``, or ``ServerTrouble`` where it is too old itself."""
        self.about = _about(self.transport.get_json("/v1/about", cancelled=cancelled), self.transport.base_url)

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

    def accept(self, purpose: str, *, cancelled: Cancel = never) -> None:
        """Accept the conditions for ``purpose`` (a code of ``purposes``); the session is active afterwards."""
        answer = self.transport.post_json(
            "/v1/session/accept",
            {
                "conditions_version": self.conditions.version,
                "conditions_sha256": self.conditions.sha256,
                "purpose": purpose,
            },
            cancelled=cancelled,
        )
        try:
            token = answer["token"]
        except KeyError as error:
            raise _unreadable(self.transport.base_url, "acceptance") from error
        self.transport.use_token(token)
        self.purpose = next((known for known in self.purposes if known.code == purpose), None)
        self.state = SessionState.ACTIVE

    def decline(self) -> None:
        """Decline the conditions: the session ends."""
        try:
            self.transport.post_json("/v1/session/decline", {})
        finally:
            self.end()

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
