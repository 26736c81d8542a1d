"""Sessions: one opaque random token, of which the server keeps the SHA-256 alone.

A session waits for the second factor where there is one, then for the conditions to be accepted and a purpose to be
chosen; then it is active, under a new token. It ends at sign-out, after idle time without work, and at its full
length in any case. It is as good as pending whenever the conditions it accepted are not those in force: that is
looked up with each request, so no order of publishing and accepting leaves a session that accepted other ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session, defaultload, lazyload

from ..audit.log import EventType, Outcome
from ..database import PERSONS_PATIENCE_MS, Database
from ..instants import end_of_day, now
from ..problems import Problem
from ..services import Services
from ..settings import Settings
from .conditions import current_conditions
from .models import Channel, ConditionsOfUse, Organisation, Role, SignIn, SignInState, User
from .permissions import NEEDS_SECOND_FACTOR
from .purpose_choice import Chosen, choose
from .subject import Subject
from .tokens import digest, new_id, new_token

# Clocks are set by a little every day; one that is set back by more would lengthen sessions.
CLOCK_SLACK = timedelta(minutes=2)
_TOUCH_PATIENCE_MS = 250
_LONGEST_CLIENT = 100
# Each request looks its session up: what few need is not fetched with it.
_BARE = defaultload(SignIn.user).options(
    lazyload(User.sites), defaultload(User.organisation).lazyload(Organisation.areas)
)


@dataclass(frozen=True)
class Opened:
    """A session and its token, which exists here and at the client only."""

    token: str
    sign_in: SignIn


@dataclass(frozen=True)
class Found:
    """A session that has not ended, and its state as of now."""

    sign_in: SignIn
    state: SignInState


def open_session(
    session: Session, settings: Settings, user: User, address: str, client: str, channel: Channel
) -> Opened:
    """A new session of a person who has shown who they are; it waits for the next step that their account needs."""
    at = now()
    token = new_token()
    opened = SignIn(
        id=new_id(),
        token_hash=digest(token),
        user=user,
        state=_first_state(user),
        channel=channel,
        client="".join(letter for letter in client if letter.isprintable())[:_LONGEST_CLIENT],
        address=address,
        created_at=at,
        last_used_at=at,
        expires_at=at + settings.session_length,
    )
    user.last_sign_in_at = at
    session.add(opened)
    return Opened(token, opened)


def _first_state(user: User) -> SignInState:
    if user.has_second_factor:
        return SignInState.SECOND_FACTOR
    return SignInState.ENROLMENT if Role(user.role) in NEEDS_SECOND_FACTOR else SignInState.PENDING


def find_session(session: Session, token: str, settings: Settings, channel: Channel = Channel.DESK) -> Found:
    """The session of the token on its channel; raises ``Problem`` not-signed-in or session-ended."""
    in_force = select(ConditionsOfUse.sha256).order_by(ConditionsOfUse.published_at.desc()).limit(1).scalar_subquery()
    row = session.execute(
        select(SignIn, in_force).where(SignIn.token_hash == digest(token), SignIn.channel == channel).options(_BARE)
    ).one_or_none()
    if row is None:
        raise not_signed_in()
    found, conditions = row
    if _has_ended(found, settings):
        raise Problem(401, "session-ended", "Session ended", "Your session has ended: sign in again to go on.")
    state = SignInState(found.state)
    if state == SignInState.ACTIVE and found.conditions_sha256 != conditions:
        state = SignInState.PENDING
    return Found(found, state)


@contextmanager
def writing(services: Services, token: str, channel: Channel) -> Iterator[tuple[Session, Found]]:
    """A write transaction with the token's session in it: only who has one may queue for the one writer."""
    with services.database.read() as session:
        find_session(session, token, services.settings, channel)
    with services.database.write(patience_ms=PERSONS_PATIENCE_MS) as session:
        yield session, find_session(session, token, services.settings, channel)


def _has_ended(found: SignIn, settings: Settings) -> bool:
    at = now()
    user = found.user
    return (
        found.state == SignInState.ENDED
        or not user.active
        or not user.organisation.active
        or at >= found.expires_at
        or at - found.last_used_at > settings.idle
        # The clock was set back since: how long the session has lived is not known any more.
        or at + CLOCK_SLACK < found.last_used_at
    )


def not_signed_in() -> Problem:
    """The answer to a missing or unknown token."""
    return Problem(401, "not-signed-in", "Not signed in", "Sign in first.")


def subject_at_work(database: Database, session: Session, found: Found, settings: Settings) -> Subject:
    """Who asks, if the session that was found is active, which counts as work; raises ``Problem`` otherwise."""
    if found.state != SignInState.ACTIVE:
        raise not_active(found)
    subject = subject_of(found.sign_in)
    _touch(database, session, found.sign_in, settings)
    return subject


def not_active(found: Found) -> Problem:
    """The answer to a session that is not ready for work: what its next step is."""
    if found.state == SignInState.SECOND_FACTOR:
        return Problem(
            403, "second-factor-needed", "Second factor needed", "Type the code of your second factor first."
        )
    if found.state == SignInState.ENROLMENT:
        return Problem(
            403, "enrolment-needed", "Second factor needed", "Your role needs a second factor: set it up first."
        )
    if found.sign_in.accepted_at is not None:
        return Problem(
            403,
            "conditions-changed",
            "The conditions have changed",
            "New conditions of use are in force: read and accept them to go on.",
        )
    return Problem(
        403,
        "conditions-not-accepted",
        "Conditions not accepted",
        "Accept the conditions of use and choose a purpose first.",
    )


def subject_of(sign_in: SignIn) -> Subject:
    """The person behind a session, as the rest of the server knows them."""
    user = sign_in.user
    return Subject(
        user_id=user.id,
        username=user.username,
        organisation_id=user.organisation_id,
        organisation=user.organisation.code,
        role=Role(user.role),
        session_id=sign_in.id,
        purpose=sign_in.purpose,
        conditions_version=sign_in.conditions_version,
        organisation_name=user.organisation.name,
        channel=Channel(sign_in.channel),
        sites=tuple(sorted((s.dataset, s.site) for s in user.sites)) if user.role == Role.SUPPLIER else (),
    )


def accept(
    services: Services,
    token: str,
    conditions_version: str,
    conditions_sha256: str,
    purpose_code: str,
    purpose_detail: str = "",
    channel: Channel = Channel.DESK,
) -> Opened:
    """Make a pending session active under a new token; raises the ``Problem`` that tells why not."""
    with services.database.read() as session:
        _to_accept(session, token, services.settings, channel)
    with services.database.write(patience_ms=PERSONS_PATIENCE_MS) as session:
        found = _to_accept(session, token, services.settings, channel)
        conditions = current_conditions(session)
        if (conditions.version, conditions.sha256) != (conditions_version, conditions_sha256):
            raise Problem(
                409,
                "conditions-changed",
                "The conditions have changed",
                f"Version {conditions.version} of the conditions of use is in force now: read and accept that one.",
            )
        chosen = choose(session, services.purposes, found.user, purpose_code, purpose_detail)
        subject = subject_of(found)
        _record_request(services, found, chosen)
        services.audit.record(
            EventType.CONDITIONS_ACCEPTED,
            actor=subject.user_id,
            organisation=subject.organisation,
            conditions=f"{conditions.version} {conditions.sha256}",
            purpose=chosen.code,
            outcome=Outcome.REFUSED if chosen.refusal else Outcome.OK,
            reason=chosen.refusal.document.code if chosen.refusal else "",
            session=subject.session_id,
        )
        if chosen.refusal is None:
            at = now()
            renewed = renew(found)
            found.state = SignInState.ACTIVE
            found.conditions_version = conditions.version
            found.conditions_sha256 = conditions.sha256
            found.purpose = chosen.code
            found.purpose_detail = chosen.detail
            found.expires_at = _until(found, chosen)
            found.accepted_at = found.last_used_at = at
    if chosen.refusal is not None:
        raise chosen.refusal  # after the commit: a request for a purpose is kept
    return Opened(renewed, found)


def _to_accept(session: Session, token: str, settings: Settings, channel: Channel) -> SignIn:
    twice = Problem(409, "already-accepted", "Already accepted", "The conditions are accepted in this session already.")
    replaced = select(SignIn.id).where(SignIn.replaced_token_hash == digest(token), SignIn.state == SignInState.ACTIVE)
    if session.scalar(replaced) is not None:
        raise twice
    found = find_session(session, token, settings, channel)
    if found.state == SignInState.ACTIVE:
        raise twice
    if found.state != SignInState.PENDING:
        raise not_active(found)
    return found.sign_in


def renew(sign_in: SignIn) -> str:
    """Replace the session's token: what was known of it before it was worth more is worth nothing now."""
    token = new_token()
    sign_in.replaced_token_hash, sign_in.token_hash = sign_in.token_hash, digest(token)
    return token


def choose_purpose(
    services: Services, token: str, purpose_code: str, purpose_detail: str = "", channel: Channel = Channel.DESK
) -> SignIn:
    """Change the purpose of an active session, which goes on; raises the ``Problem`` that tells why not."""
    with writing(services, token, channel) as (session, found):
        if found.state != SignInState.ACTIVE:
            raise not_active(found)
        sign_in = found.sign_in
        chosen = choose(session, services.purposes, sign_in.user, purpose_code, purpose_detail)
        _record_request(services, sign_in, chosen)
        services.audit.record(
            EventType.PURPOSE_CHANGED,
            actor=sign_in.user_id,
            organisation=sign_in.user.organisation.code,
            conditions=sign_in.conditions_version,
            purpose=chosen.code,
            filter={"before": sign_in.purpose},
            outcome=Outcome.REFUSED if chosen.refusal else Outcome.OK,
            reason=chosen.refusal.document.code if chosen.refusal else "",
            session=sign_in.id,
        )
        if chosen.refusal is None:
            sign_in.purpose, sign_in.purpose_detail = chosen.code, chosen.detail
            sign_in.expires_at = _until(sign_in, chosen)
            sign_in.last_used_at = now()
    if chosen.refusal is not None:
        raise chosen.refusal
    return sign_in


def _until(sign_in: SignIn, chosen: Chosen) -> datetime:
    """When the session ends at the latest: not after a purpose that was given for a time."""
    return sign_in.expires_at if chosen.until is None else min(sign_in.expires_at, end_of_day(chosen.until))


def _record_request(services: Services, sign_in: SignIn, chosen: Chosen) -> None:
    if chosen.request is not None:
        services.audit.record(
            EventType.PURPOSE_REQUESTED,
            actor=sign_in.user_id,
            organisation=sign_in.user.organisation.code,
            filter={"request": chosen.request},
            session=sign_in.id,
        )


def end(services: Services, token: str, event: EventType, channel: Channel = Channel.DESK) -> None:
    """End the session of the token, by sign-out or by declining the conditions."""
    with writing(services, token, channel) as (_session, still_open):
        found = still_open.sign_in
        services.audit.record(
            event,
            actor=found.user_id,
            organisation=found.user.organisation.code,
            conditions=found.conditions_version,
            purpose=found.purpose,
            session=found.id,
        )
        found.state = SignInState.ENDED


def own_sessions(session: Session, user_id: str, settings: Settings) -> Sequence[SignIn]:
    """A person's sessions that have not ended, on both channels, the newest first."""
    found = session.scalars(
        select(SignIn)
        .where(SignIn.user_id == user_id, SignIn.state != SignInState.ENDED)
        .order_by(SignIn.created_at.desc(), SignIn.id)
    )
    return [sign_in for sign_in in found if not _has_ended(sign_in, settings)]


def end_one(services: Services, user_id: str, sign_in_id: str) -> None:
    """End one of a person's own sessions; raises ``Problem`` 404 where it is nobody's or somebody else's."""
    with services.database.write(patience_ms=PERSONS_PATIENCE_MS) as session:
        found = session.get(SignIn, sign_in_id)
        if found is None or found.user_id != user_id or _has_ended(found, services.settings):
            raise Problem(
                404, "no-such-session", "No such session", "You have no session of that id: it may have ended."
            )
        _end(services, [found], user_id)


def end_others(services: Services, user_id: str, but: str) -> int:
    """End all of a person's sessions but the one; returns how many."""
    with services.database.write(patience_ms=PERSONS_PATIENCE_MS) as session:
        others = [s for s in own_sessions(session, user_id, services.settings) if s.id != but]
        _end(services, others, user_id)
        return len(others)


def _end(services: Services, sign_ins: Sequence[SignIn], actor: str) -> None:
    for sign_in in sign_ins:
        sign_in.state = SignInState.ENDED
        services.audit.record(
            EventType.SESSIONS_ENDED,
            actor=actor,
            organisation=sign_in.user.organisation.code,
            filter={"user": sign_in.user_id, "ended": sign_in.id},
        )


def idle_until(sign_in: SignIn, settings: Settings) -> datetime:
    """When the session ends if nothing more is done."""
    return min(sign_in.expires_at, sign_in.last_used_at + settings.idle)


def _touch(database: Database, reading: Session, sign_in: SignIn, settings: Settings) -> None:
    at = now()
    if at - sign_in.last_used_at < min(timedelta(minutes=1), settings.idle / 30):
        return
    reading.commit()  # gives its connection back: a request that held two could wait for itself
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
