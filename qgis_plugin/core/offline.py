"""Working with the local copies while the server cannot be reached: by password, for as long as a lease lasts.

At each sign-in with a password, a slow digest of it is kept beside the account's copies, with the conditions of use,
the purposes and the time until which it counts. It opens nothing on the server. It is no lock on the files, which are
their user's own: it makes sure that who works with them has accepted the conditions, and that it is noted.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from .days import day_in_words
from .desk_session import About, Conditions, DeskSession, Purpose, SessionState, User
from .errors import DeskError, LocalCopyTrouble, PurposeHeld, SessionEnded, SignInRefused
from .local_store import AccountStore, instant
from .password_proof import PasswordProof
from .transport import Cancel, Transport, never

_VERSION = 1
_MOST_TRIES = 10
_CLOCKS_DIFFER = timedelta(hours=1)
_REQUESTS = "requests"
_SHORTEST_REQUEST = 20  # characters, as the server has it


def keep_pass(session: DeskSession, copies: AccountStore, now: datetime) -> None:
    """Let the person of an active session unlock its copies without the server, within the lease from ``now`` on."""
    if session.proof is None:
        return  # signed in by the organisation's own page: nothing here could prove who it is
    document = {
        "version": _VERSION,
        "user": asdict(session.user),
        "conditions": asdict(session.conditions),
        "purposes": [asdict(purpose) for purpose in session.purposes],
        "about": asdict(session.about),
        "proof": vars(session.proof),
        "until": (now + timedelta(days=session.about.lease_days)).isoformat(timespec="seconds"),
        "seen": now.isoformat(timespec="seconds"),
        "tries": 0,
        _REQUESTS: kept_requests(copies),
    }
    copies.keep_pass(json.dumps(document, ensure_ascii=False).encode())


def may_unlock(copies: AccountStore, now: datetime) -> bool:
    """Whether the copies of an account can be unlocked now, given its password."""
    document = _read(copies)
    return document is not None and now < instant(document["until"]) and bool(copies.datasets())


def kept_requests(copies: AccountStore) -> list[str]:
    """Purposes in the person's own words that the SafeStats team has not heard of yet, oldest first."""
    document = _read(copies)
    return [str(words) for words in document.get(_REQUESTS, [])] if document is not None else []


def put_requests(session: DeskSession, copies: AccountStore, cancelled: Cancel = never) -> list[str]:
    """Put what was asked offline to the SafeStats team, in an active session whose purpose stays; what was put.

    Where the server cannot be asked it stays for the next sign-in. Raises ``OSError``, ``LocalCopyTrouble``.
    """
    held = next((purpose for purpose in session.purposes if purpose.held), None)
    waiting, put = kept_requests(copies), []
    for words in waiting if held is not None else ():
        try:
            session.change_purpose(held.code, words, cancelled=cancelled)
        except PurposeHeld:  # which is how the server says that it was passed on
            put.append(words)
        except DeskError:
            break
    if put:
        _keep_requests(copies, [words for words in waiting if words not in put])
    return put


def _keep_requests(copies: AccountStore, requests: list[str]) -> None:
    document = _read(copies)
    if document is not None:
        document[_REQUESTS] = requests
        copies.keep_pass(json.dumps(document, ensure_ascii=False).encode())


class OfflineSession(DeskSession):
    """A session without the server: pending until the kept conditions are accepted, then ``OFFLINE``."""

    def __init__(self, transport: Transport, copies: AccountStore) -> None:
        super().__init__(transport)
        self._copies = copies

    def unlock(self, password: str, now: datetime) -> None:
        """Prove who it is; raises ``SignInRefused``, or ``LocalCopyTrouble`` where that cannot be done here."""
        document = _read(self._copies)
        if document is None:
            raise LocalCopyTrouble(
                "There are no local copies here that this user can unlock without the server.", "no-offline"
            )
        until = instant(document["until"])
        if now >= until:
            raise LocalCopyTrouble(
                f"Working offline was possible until {day_in_words(until.date())}. Sign in with a connection to the "
                "server to go on.",
                "offline-lapsed",
            )
        if now < instant(document["seen"]) - _CLOCKS_DIFFER:
            raise LocalCopyTrouble(
                "The clock of this computer is behind the time of your last sign-in. Set it right, then try again.",
                "clock-behind",
            )
        if document["tries"] >= _MOST_TRIES:
            raise SignInRefused(
                "There were too many wrong passwords. Sign in with a connection to the server to go on.",
                "too-many-tries",
            )
        document["tries"] += 1  # before it is known whether it is wrong
        self._copies.keep_pass(json.dumps(document, ensure_ascii=False).encode())
        if not PasswordProof(**document["proof"]).fits(password):
            raise SignInRefused("The password is not the one of your last sign-in on this computer.", "wrong-password")
        # A clock that is a little behind does not move what was seen: else many small steps would outlast the lease.
        seen = max(now, instant(document["seen"]))
        document.update(tries=0, seen=seen.isoformat(timespec="seconds"))
        self._copies.keep_pass(json.dumps(document, ensure_ascii=False).encode())
        self.user = User(**document["user"])
        self.conditions = Conditions(**document["conditions"])
        self.purposes = tuple(Purpose(**purpose) for purpose in document["purposes"])
        self.about = About(**document["about"])
        self.state = SessionState.PENDING

    def accept(self, purpose: str, detail: str = "", *, cancelled: Cancel = never) -> None:
        """Accept the kept conditions for ``purpose``.

        One in the person's own words cannot be approved here: ``detail`` is kept for the SafeStats team, and
        ``PurposeHeld`` raised, as the server does.
        """
        if self.state is not SessionState.PENDING:
            raise SessionEnded("Unlock the local copies first.", "not-signed-in")
        chosen = self._known_purpose(purpose)
        if chosen is not None and chosen.held:
            self._keep_request(" ".join(detail.split()))
            raise PurposeHeld(
                "Your purpose is kept and put to the SafeStats team when you sign in with a connection; until they "
                "have approved it, choose another purpose."
            )
        self.purpose = chosen
        self.state = SessionState.OFFLINE

    def _keep_request(self, words: str) -> None:
        if len(words) < _SHORTEST_REQUEST:
            raise DeskError(
                f"Describe your purpose in at least {_SHORTEST_REQUEST} characters, so that it can be decided on.",
                "purpose-detail-missing",
            )
        waiting = kept_requests(self._copies)
        if words not in waiting:
            _keep_requests(self._copies, [*waiting, words])

    def read_conditions(self, *, cancelled: Cancel = never) -> None:
        """They are those of the last sign-in."""

    def decline(self) -> None:
        """The copies stay locked."""
        self.end()

    def sign_out(self) -> None:
        """The copies are locked again."""
        self.end()

    def circumstances(self) -> dict[str, Any]:
        """What a note of use tells of a session that the server does not know."""
        return {
            "offline": True,
            "purpose": self.purpose.code if self.purpose is not None else "",
            "conditions": self.conditions.version,
        }


def _read(copies: AccountStore) -> dict[str, Any] | None:
    """The pass that is kept; ``None`` where there is none that can be read."""
    try:
        document = json.loads(copies.read_pass())
        if document["version"] != _VERSION:
            return None
        for name in ("until", "seen"):
            instant(document[name])
        _ = (User(**document["user"]), Conditions(**document["conditions"]), About(**document["about"]))
        _ = ([Purpose(**purpose) for purpose in document["purposes"]], PasswordProof(**document["proof"]))
        return document if isinstance(document["tries"], int) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
