"""Sessions: one opaque random token, of which the server keeps the SHA-256 alone.

Pending until the conditions are accepted and a purpose is chosen; then active, under a new token. A session
ends at sign-out, after idle time without work, and at its full length in any case.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from ..agreements.scope import Subject
from ..audit.log import AuditLog, EventType, Outcome
from ..database import PERSONS_PATIENCE_MS, Database
from ..instants import now
from ..problems import Problem
from ..settings import Settings
from .conditions import current_conditions
from .models import SignIn, SignInState, User
from .passwords import Passwords
from .purposes import Purpose
from .service import normal_username
from .tries import SignInTries

TOKEN_BYTES = 32
UNKNOWN = "unknown"  # the audit's actor where nobody is known: never what was typed
_TOUCH_PATIENCE_MS = 250


@dataclass(frozen=True)
class Opened:
    """A session and its token, which exists here and at the client only."""

    token: str
    sign_in: SignIn


def sign_in(
    database: Database,
    passwords: Passwords,
    tries: SignInTries,
    audit: AuditLog,
    settings: Settings,
    username: str,
    password: str,
    address: str,
) -> Opened:
    """A pending session for the right password; raises the ``Problem`` that tells why not.

    An unknown user and a wrong password give the same answer in the same time.
    """
    username = normal_username(username)
    with database.read() as session:
        user = session.scalar(select(User).where(User.username == username))
    actor = user.id if user else UNKNOWN
    organisation = user.organisation.code if user else ""

    def refuse(problem: Problem, once: str | None = None) -> Problem:
        audit.record(
            EventType.SIGN_IN,
            actor=actor,
            organisation=organisation,
            filter={"address": address},
            outcome=Outcome.REFUSED,
            reason=problem.document.code,
            once=once,
        )
        return problem

    if not tries.permit(username, address):
        # Once a window: a flood of tries must not become a flood of events.
        window = int(now().timestamp()) // tries.window_seconds
        raise refuse(
            Problem(
                429,
                "too-many-tries",
                "Too many tries",
                "Too many sign-in tries: wait five minutes, then try again.",
            ),
            once=f"too-many-tries:{actor}:{address}:{window}",
        )
    wrong = Problem(401, "wrong-password", "Not signed in", "The user name or the password is wrong.")
    right, renewed_hash = passwords.verify(password, user.password_hash if user else None)
    if user is None or not right:
        tries.failed(address)
        raise refuse(wrong)
    tries.succeeded(username, address)
    token = _new_token()
    at = now()
    with database.write(patience_ms=PERSONS_PATIENCE_MS) as session:
        # Checking the password took a while: what the account has become meanwhile counts.
        known = session.get_one(User, user.id)
        if known.password_hash != user.password_hash:
            raise refuse(wrong)
        if not known.active:
            raise refuse(
                Problem(
                    403, "account-inactive", "Account inactive", "This account is inactive: ask the SafeStats team."
                )
            )
        opened = SignIn(
            id=secrets.token_hex(16),
            token_hash=_hash(token),
            user=known,
            state=SignInState.PENDING,
            created_at=at,
            last_used_at=at,
            expires_at=at + settings.session_length,
        )
        session.add(opened)
        if renewed_hash:
            known.password_hash = renewed_hash
    audit.record(EventType.SIGN_IN, actor=actor, organisation=organisation, session=opened.id)
    return Opened(token, opened)


def find_session(session: Session, token: str, settings: Settings) -> SignIn:
    """The pending or active session of the token; raises ``Problem`` not-signed-in or session-ended."""
    found = session.scalar(select(SignIn).where(SignIn.token_hash == _hash(token)))
    if found is None:
        raise not_signed_in()
    at = now()
    idle = at - found.last_used_at > settings.idle
    if found.state == SignInState.ENDED or not found.user.active or idle or at >= found.expires_at:
        raise Problem(401, "session-ended", "Session ended", "Your session has ended: sign in again to go on.")
    return found


def not_signed_in() -> Problem:
    """The answer to a missing or unknown token."""
    return Problem(401, "not-signed-in", "Not signed in", "Sign in first.")


def active_subject(database: Database, token: str, settings: Settings) -> Subject:
    """Who asks, if the session is active, which counts as work; raises ``Problem`` otherwise."""
    with database.read() as session:
        found = find_session(session, token, settings)
    if found.state != SignInState.ACTIVE:
        raise Problem(
            403,
            "conditions-not-accepted",
            "Conditions not accepted",
            "Accept the conditions of use and choose a purpose first.",
        )
    _touch(database, found, settings)
    return subject_of(found)


def subject_of(sign_in: SignIn) -> Subject:
    """The person behind a session, as the rest of the server knows them."""
    user = sign_in.user
    return Subject(
        user_id=user.id,
        username=user.username,
        organisation_id=user.organisation_id,
        organisation=user.organisation.code,
        role=user.role,
        session_id=sign_in.id,
        purpose=sign_in.purpose,
        conditions_version=sign_in.conditions_version,
    )


def accept(
    session: Session,
    audit: AuditLog,
    settings: Settings,
    purposes: Sequence[Purpose],
    token: str,
    conditions_version: str,
    conditions_sha256: str,
    purpose_code: str,
    purpose_detail: str,
) -> Opened:
    """Make a pending session active under a new token; raises the ``Problem`` that tells why not."""
    found = find_session(session, token, settings)
    if found.state != SignInState.PENDING:
        raise Problem(
            409, "already-accepted", "Already accepted", "The conditions are accepted in this session already."
        )
    conditions = current_conditions(session)
    if (conditions.version, conditions.sha256) != (conditions_version, conditions_sha256):
        raise Problem(
            409,
            "conditions-changed",
            "The conditions have changed",
            f"Version {conditions.version} of the conditions of use is in force now: sign in again to read it.",
        )
    purpose = next((p for p in purposes if p.code == purpose_code), None)
    if purpose is None:
        raise Problem(422, "purpose-missing", "No purpose chosen", "Choose the purpose of this session.")
    subject = subject_of(found)

    def record(outcome: Outcome, reason: str = "") -> None:
        audit.record(
            EventType.CONDITIONS_ACCEPTED,
            actor=subject.user_id,
            organisation=subject.organisation,
            conditions=f"{conditions.version} {conditions.sha256}",
            purpose=purpose.code,
            outcome=outcome,
            reason=reason,
            session=subject.session_id,
        )

    if not purpose.allowed:
        record(Outcome.REFUSED, "purpose-refused")
        raise Problem(
            403,
            "purpose-refused",
            "Not a purpose of SafeStats",
            f"{purpose.title} is not a purpose of SafeStats. {purpose.advice}",
            advice=purpose.advice,
        )
    record(Outcome.OK)
    renewed = _new_token()
    at = now()
    found.token_hash = _hash(renewed)
    found.state = SignInState.ACTIVE
    found.conditions_version = conditions.version
    found.conditions_sha256 = conditions.sha256
    found.purpose = purpose.code
    found.purpose_detail = purpose_detail
    found.accepted_at = at
    found.last_used_at = at
    return Opened(renewed, found)


def end(session: Session, audit: AuditLog, settings: Settings, token: str, event: EventType) -> None:
    """End the session of the token, by sign-out or by declining the conditions."""
    found = find_session(session, token, settings)
    subject = subject_of(found)
    audit.record(
        event,
        actor=subject.user_id,
        organisation=subject.organisation,
        conditions=subject.conditions_version,
        purpose=subject.purpose,
        session=subject.session_id,
    )
    found.state = SignInState.ENDED


def idle_until(sign_in: SignIn, settings: Settings) -> datetime:
    """When the session ends if nothing more is done."""
    return min(sign_in.expires_at, sign_in.last_used_at + settings.idle)


def _touch(database: Database, sign_in: SignIn, settings: Settings) -> None:
    at = now()
    if at - sign_in.last_used_at < min(timedelta(minutes=1), settings.idle / 30):
        return
    try:
        with database.write(patience_ms=_TOUCH_PATIENCE_MS) as session:
            session.execute(
                update(SignIn)
                .where(SignIn.id == sign_in.id, SignIn.state == SignInState.ACTIVE)
                .values(last_used_at=at)
            )
    except OperationalError:
        # A load holds the one writer's lock: reading goes on, the next request notes the work.
        return


def _new_token() -> str:
    return secrets.token_urlsafe(TOKEN_BYTES)


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
