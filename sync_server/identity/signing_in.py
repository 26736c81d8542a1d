"""Signing in with a user name and a password."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from ..audit.log import EventType, Outcome
from ..database import PERSONS_PATIENCE_MS
from ..instants import now
from ..problems import Problem
from ..services import Services
from .forgetting import REMEMBERED
from .models import Channel, SignIn, User
from .service import normal_username
from .sessions import Opened, open_session

UNKNOWN = "unknown"  # the audit's actor where nobody is known: never what was typed


def sign_in(
    services: Services,
    username: str,
    password: str,
    address: str,
    client: str = "",
    channel: Channel = Channel.DESK,
) -> Opened:
    """A session for the right password, waiting for its next step; raises the ``Problem`` that tells why not.

    An unknown user and a wrong password give the same answer in the same time.
    """
    username = normal_username(username)
    with services.database.read() as session:
        user = session.scalar(select(User).where(User.username == username))
        known_here = user is not None and works_from(session, user.id, address)
    wrong = Problem(401, "wrong-password", "Not signed in", "The user name or the password is wrong.")
    user, renewed_hash = try_password(services, user, username, password, address, known_here, wrong)
    with services.database.write(patience_ms=PERSONS_PATIENCE_MS) as session:
        # Checking the password took a while: what the account has become meanwhile counts.
        known = session.get_one(User, user.id)
        if known.password_hash != user.password_hash:
            raise refused(services, user, address, wrong)
        check_account(services, known, address)
        if known.sso_only:
            raise refused(
                services,
                known,
                address,
                Problem(
                    403,
                    "single-sign-on-only",
                    "Sign in at your organisation",
                    "This account signs in through your organisation's own sign-in: choose that, not a password.",
                ),
            )
        if renewed_hash:
            known.password_hash = renewed_hash
        opened = open_session(session, services.settings, known, address, client, channel)
        session.flush()
        services.audit.record(
            EventType.SIGN_IN,
            actor=known.id,
            organisation=known.organisation.code,
            session=opened.sign_in.id,
            filter={"channel": channel},
        )
    return opened


def try_password(
    services: Services, user: User | None, username: str, password: str, address: str, known_here: bool, wrong: Problem
) -> tuple[User, str | None]:
    """The user whose password it is, and its hash made anew where that is due.

    Every try counts, and takes the same time whether or not there is such a user. Raises ``wrong``, or ``Problem``
    too-many-tries.
    """
    tries = services.sign_in_tries
    if not tries.permit(username, address, known_here):
        raise refused(services, user, address, too_many_tries(), flood=True)
    right, renewed_hash = services.passwords.verify(password, user.password_hash if user else None)
    if user is None or not right:
        tries.failed(address)
        raise refused(services, user, address, wrong, flood=True)
    tries.succeeded(username, address)
    return user, renewed_hash


def check_account(services: Services, user: User, address: str) -> None:
    """Raises the ``Problem`` 403 where the account, or its organisation, is closed."""
    if not user.active or not user.organisation.active:
        detail = "This account is inactive: ask the SafeStats team."
        raise refused(services, user, address, Problem(403, "account-inactive", "Account inactive", detail))


def works_from(session: Session, user_id: str, address: str) -> bool:
    """Whether the person has worked from the address (accepted the conditions there) in the last 90 days."""
    return (
        session.scalar(
            select(SignIn.id)
            .where(
                SignIn.user_id == user_id,
                SignIn.address == address,
                SignIn.accepted_at.is_not(None),
                SignIn.created_at > now() - REMEMBERED,
            )
            .limit(1)
        )
        is not None
    )


def too_many_tries() -> Problem:
    """The answer to who has tried too often."""
    detail = "Too many tries to sign in: wait five minutes, then try again."
    return Problem(429, "too-many-tries", "Too many tries", detail)


def refused(services: Services, user: User | None, address: str, problem: Problem, *, flood: bool = False) -> Problem:
    """Audit a refused sign-in and return its problem. A flood of the same is one event in five minutes."""
    actor = user.id if user else UNKNOWN
    code = problem.document.code
    window = int(now().timestamp()) // services.sign_in_tries.window_seconds
    services.audit.record(
        EventType.SIGN_IN,
        actor=actor,
        organisation=user.organisation.code if user else "",
        filter={"address": address},
        outcome=Outcome.REFUSED,
        reason=code,
        once=f"{code}:{actor}:{address}:{window}" if flood else None,
    )
    return problem
