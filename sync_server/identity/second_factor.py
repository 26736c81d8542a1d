"""The second factor: time-based codes (TOTP), each used once, and recovery codes for a lost device."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from hmac import compare_digest

import pyotp
from sqlalchemy import delete, update
from sqlalchemy.orm import Session

from ..audit.log import EventType, Outcome
from ..database import PERSONS_PATIENCE_MS
from ..instants import now
from ..problems import Problem
from ..services import Services
from .authority import authorise_for
from .models import Channel, RecoveryCode, SignIn, SignInState, User
from .permissions import Permission, not_permitted
from .secret_box import SecretBox
from .service import end_access
from .sessions import Found, Opened, find_session, renew, writing
from .signing_in import too_many_tries, works_from

STEP_SECONDS = 30
STEPS_AROUND = 1  # clocks differ by a little, people type slowly
MOST_FAILURES = 5  # of one session
RECOVERY_CODES = 10
ISSUER = "SafeStats"
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"  # no letters that are taken for each other
_CODE_LETTERS = 12


@dataclass(frozen=True)
class Enrolment:
    """A secret that is not in use yet, for the person's authenticator."""

    secret: str
    otpauth_uri: str


@dataclass(frozen=True)
class Enrolled:
    """The session goes on under a new token; the recovery codes are shown this once."""

    opened: Opened
    recovery_codes: tuple[str, ...]


def begin_enrolment(services: Services, token: str, channel: Channel = Channel.DESK) -> Enrolment:
    """A new secret for the session's person, who has no second factor; it counts once it is confirmed."""
    secret = pyotp.random_base32()
    with writing(services, token, channel) as (_session, found):
        user = _enrolling(found).sign_in.user
        user.totp_secret, user.totp_confirmed_at = _box(services).seal(secret, user.id), None
    return Enrolment(secret, pyotp.TOTP(secret).provisioning_uri(name=user.username, issuer_name=ISSUER))


def confirm_enrolment(services: Services, token: str, code: str, channel: Channel = Channel.DESK) -> Enrolled:
    """Put the secret to use if the code is of it: sessions that were opened without it end.

    Raises ``Problem`` ``wrong-code``, or 409 where none is begun.
    """
    codes = _new_codes()
    with writing(services, token, channel) as (session, found):
        user = _enrolling(found).sign_in.user
        if not user.totp_secret:
            raise Problem(409, "enrolment-not-begun", "Not begun", "Begin to set up the second factor first.")
        step = _step_of(_box(services).open(user.totp_secret, user.id), code)
        problem = None if step is not None else _failure(found.sign_in)
        if step is not None:
            user.totp_confirmed_at, user.totp_last_step = now(), step
            _keep_codes(session, services, user, codes)
            renewed = _through(found)
            _end_others(session, found.sign_in)
        _record(services, EventType.SECOND_FACTOR_ENROLLED, found.sign_in, problem)
    if problem is not None:
        raise problem
    return Enrolled(Opened(renewed, found.sign_in), codes)


def pass_second_factor(
    services: Services, token: str, code: str, address: str, channel: Channel = Channel.DESK
) -> Opened:
    """The session, under a new token, for a right code of the authenticator or a recovery code.

    Raises ``Problem``: 401 ``wrong-code`` or ``code-used``, 429 ``too-many-tries``. Five wrong ones end the session.
    """
    with services.database.read() as session:
        found = _awaiting(session, services, token, channel)
        user_id = found.sign_in.user_id
        known = works_from(session, user_id, address)
    if not services.sign_in_tries.permit_code(user_id, address, known):
        raise too_many_tries()
    with services.database.write(patience_ms=PERSONS_PATIENCE_MS) as session:
        found = _awaiting(session, services, token, channel)
        problem = _use_code(session, services, found.sign_in.user, code)
        if problem is None:
            renewed = _through(found)
        else:
            problem = _failure(found.sign_in, problem)
        _record(services, EventType.SECOND_FACTOR, found.sign_in, problem)
    if problem is not None:
        raise problem  # after the commit: failures are counted
    return Opened(renewed, found.sign_in)


def renew_recovery_codes(services: Services, token: str, code: str, channel: Channel = Channel.DESK) -> tuple[str, ...]:
    """New recovery codes in place of the old ones, for a code of the authenticator in an open session."""
    codes = _new_codes()
    with writing(services, token, channel) as (session, found):
        if found.state not in (SignInState.PENDING, SignInState.ACTIVE) or not found.sign_in.user.has_second_factor:
            raise Problem(409, "no-second-factor", "No second factor", "Set up a second factor first.")
        problem = _use_totp(session, services, found.sign_in.user, code)
        if problem is None:
            _keep_codes(session, services, found.sign_in.user, codes)
        else:
            problem = _failure(found.sign_in, problem)
        _record(services, EventType.RECOVERY_CODES, found.sign_in, problem)
    if problem is not None:
        raise problem
    return codes


def reset_second_factor(services: Services, actor: str, user_id: str) -> User:
    """Take a lost second factor off an account, whose sessions end; who needs one sets it up at the next sign-in."""
    with services.database.write(patience_ms=PERSONS_PATIENCE_MS) as session:
        user = session.get(User, user_id)
        if user is None or user.id == actor:
            raise not_permitted()
        authorise_for(session, actor, Permission.MANAGE_PEOPLE, user)
        user.totp_secret, user.totp_confirmed_at = "", None
        session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user.id))
        end_access(session, user)
        services.audit.record(
            EventType.USER_SECOND_FACTOR_RESET,
            actor=actor,
            organisation=user.organisation.code,
            filter={"user": user.id},
        )
    return user


def _enrolling(found: Found) -> Found:
    if found.sign_in.user.has_second_factor:
        raise Problem(
            409,
            "second-factor-there",
            "There is a second factor",
            "This account has a second factor already: if it is lost, ask the SafeStats team to take it off.",
        )
    return found


def _awaiting(session: Session, services: Services, token: str, channel: Channel) -> Found:
    found = find_session(session, token, services.settings, channel)
    if found.state != SignInState.SECOND_FACTOR:
        raise Problem(409, "second-factor-not-asked", "No code is asked for", "This session asks for no code now.")
    return found


def _through(found: Found) -> str:
    """The token under which the session goes on, at its next step."""
    if found.state in (SignInState.SECOND_FACTOR, SignInState.ENROLMENT):
        found.sign_in.state = SignInState.PENDING
    found.sign_in.factor_failures = 0
    found.sign_in.last_used_at = now()
    return renew(found.sign_in)


def _end_others(session: Session, sign_in: SignIn) -> None:
    session.execute(
        update(SignIn)
        .where(SignIn.user_id == sign_in.user_id, SignIn.id != sign_in.id, SignIn.state != SignInState.ENDED)
        .values(state=SignInState.ENDED)
        .execution_options(synchronize_session=False)
    )


def _failure(sign_in: SignIn, problem: Problem | None = None) -> Problem:
    sign_in.factor_failures += 1
    if sign_in.factor_failures >= MOST_FAILURES:
        sign_in.state = SignInState.ENDED
        return Problem(401, "wrong-code", "Wrong code", "Too many wrong codes: sign in again.")
    return problem or Problem(401, "wrong-code", "Wrong code", "The code is wrong: type the one that is shown now.")


def _use_code(session: Session, services: Services, user: User, code: str) -> Problem | None:
    code = "".join(letter for letter in code.casefold() if letter.isalnum())
    if len(code) != _CODE_LETTERS:
        return _use_totp(session, services, user, code)
    used = session.execute(
        update(RecoveryCode)
        .where(
            RecoveryCode.user_id == user.id,
            RecoveryCode.code_hash == _box(services).code_hash(user.id, code),
            RecoveryCode.used_at.is_(None),
        )
        .values(used_at=now())
    )
    if used.rowcount == 1:  # type: ignore[attr-defined]
        return None
    return Problem(401, "wrong-code", "Wrong code", "This recovery code is wrong or was used before: take another.")


def _use_totp(session: Session, services: Services, user: User, code: str) -> Problem | None:
    step = _step_of(_box(services).open(user.totp_secret, user.id), code)
    if step is None:
        return Problem(401, "wrong-code", "Wrong code", "The code is wrong: type the one that is shown now.")
    # The condition decides between two requests with the same code, whatever either has read.
    used = session.execute(
        update(User)
        .where(User.id == user.id, User.totp_last_step < step)
        .values(totp_last_step=step)
        .execution_options(synchronize_session=False)
    )
    if used.rowcount == 1:  # type: ignore[attr-defined]
        return None
    return Problem(401, "code-used", "Code used already", "This code was used already: wait for the next one.")


def _step_of(secret: str, code: str) -> int | None:
    """The step that the code is of, if it is of one about now by the server's clock."""
    code = code.strip().replace(" ", "")
    if not code.isascii():
        return None
    current = int(now().timestamp()) // STEP_SECONDS
    totp = pyotp.TOTP(secret)
    around = range(current - STEPS_AROUND, current + STEPS_AROUND + 1)
    # Every one is compared: how long it takes tells nothing.
    matching = [step for step in around if compare_digest(totp.generate_otp(step), code)]
    return matching[-1] if matching else None


def _new_codes() -> tuple[str, ...]:
    letters = ("".join(secrets.choice(_ALPHABET) for _ in range(_CODE_LETTERS)) for _ in range(RECOVERY_CODES))
    return tuple(f"{code[:4]}-{code[4:8]}-{code[8:]}" for code in letters)


def _keep_codes(session: Session, services: Services, user: User, codes: Sequence[str]) -> None:
    session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user.id))
    box = _box(services)
    session.add_all(
        RecoveryCode(user_id=user.id, code_hash=box.code_hash(user.id, code.replace("-", ""))) for code in codes
    )


def _record(services: Services, event: EventType, sign_in: SignIn, problem: Problem | None) -> None:
    services.audit.record(
        event,
        actor=sign_in.user_id,
        organisation=sign_in.user.organisation.code,
        outcome=Outcome.REFUSED if problem else Outcome.OK,
        reason=problem.document.code if problem else "",
        session=sign_in.id,
    )


def _box(services: Services) -> SecretBox:
    return SecretBox(services.keys)
