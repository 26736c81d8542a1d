"""Invitations and resets: single-use links that set a password."""

from __future__ import annotations

import logging
from datetime import timedelta

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from ..audit.log import EventType
from ..database import PERSONS_PATIENCE_MS
from ..errors import SafeStatsError
from ..instants import now
from ..problems import Problem
from ..services import Services
from ..settings import Settings
from .letters import link_letter, password_changed_letter
from .models import AccountLink, LinkKind, User
from .service import about_user, normal_username, set_password_hash
from .signing_in import UNKNOWN
from .strength import WeakPasswordError
from .tokens import digest, new_id, new_token

logger = logging.getLogger(__name__)

RESETS_AN_HOUR = 3  # of one account: nobody's mailbox is flooded by this server


def issue(session: Session, settings: Settings, user: User, kind: LinkKind) -> tuple[str, AccountLink]:
    """A new link of the person, and its token; it ends those before it."""
    at = now()
    session.execute(
        update(AccountLink)
        .where(AccountLink.user_id == user.id, AccountLink.used_at.is_(None), AccountLink.superseded_at.is_(None))
        .values(superseded_at=at)
    )
    life = timedelta(hours=settings.invitation_hours) if kind == LinkKind.INVITATION else settings.reset_length
    token = new_token()
    link = AccountLink(
        id=new_id(), token_hash=digest(token), user_id=user.id, kind=kind, created_at=at, expires_at=at + life
    )
    session.add(link)
    session.flush()
    return token, link


def send(services: Services, user: User, token: str, link: AccountLink) -> None:
    """Mail the link to its person; raises ``SafeStatsError`` where that fails."""
    if user.email is None:
        raise SafeStatsError(f"{user.username} has no e-mail address, so nothing can be sent: give one first.")
    subject, text = link_letter(LinkKind(link.kind), user, address_of(services.settings, token), link.expires_at)
    services.mailer.send(user.email, subject, text)


def address_of(settings: Settings, token: str) -> str:
    """The page on which the link's password is chosen."""
    return f"{settings.address}/console/link/{token}"


def find(session: Session, token: str) -> AccountLink:
    """The link, if it may be used; unknown, used, expired and superseded ones all raise the same ``Problem``."""
    link = session.scalar(select(AccountLink).where(AccountLink.token_hash == digest(token)))
    if (
        link is None
        or link.used_at is not None
        or link.superseded_at is not None
        or not link.created_at <= now() < link.expires_at
        or not link.user.active
        or not link.user.organisation.active
    ):
        raise _not_valid()
    return link


def redeem(services: Services, token: str, password: str) -> User:
    """Set the password by a link, which is used up by it; the person's sessions end.

    Raises ``Problem``: ``link-not-valid``, or ``password-weak``, which leaves the link as it is.
    """
    with services.database.read() as session:
        user = find(session, token).user
    try:
        password_hash = services.passwords.hash(password, about_user(user))
    except WeakPasswordError as error:
        raise Problem(422, "password-weak", "Password too weak", str(error)) from error
    with services.database.write(patience_ms=PERSONS_PATIENCE_MS) as session:
        link = find(session, token)
        # The condition decides between two who use it at the same moment, whatever either has read.
        used = session.execute(
            update(AccountLink).where(AccountLink.id == link.id, AccountLink.used_at.is_(None)).values(used_at=now())
        )
        if used.rowcount != 1:  # type: ignore[attr-defined]
            raise _not_valid()
        services.audit.record(
            EventType.LINK_USED,
            actor=link.user_id,
            organisation=link.user.organisation.code,
            filter={"kind": link.kind, "link": link.id},
        )
        kind = link.kind
        user = link.user
        set_password_hash(session, user, password_hash)
    if kind == LinkKind.RESET:
        tell_of_changed_password(services, user)
    return user


def tell_of_changed_password(services: Services, user: User) -> None:
    """Mail the person that the password is another one now; a mail that cannot be sent undoes nothing."""
    if not user.email:
        return
    try:
        services.mailer.send(user.email, *password_changed_letter(user))
    except SafeStatsError:
        logger.exception("The mail that tells %s of a changed password could not be sent", user.id)


def request_reset(services: Services, username: str, address: str) -> None:
    """Mail a reset link if there is such an account with an address. Tells nobody whether there is.

    To be run after the answer has left: what it does takes longer for an account than for none.
    """
    try:
        if services.sign_in_tries.permit_reset(address):
            _reset(services, username, address)
    except Exception:
        logger.exception("A password reset could not be sent")


def _reset(services: Services, username: str, address: str) -> None:
    with services.database.write(patience_ms=PERSONS_PATIENCE_MS) as session:
        user = session.scalar(select(User).where(User.username == normal_username(username)))
        if user is None or not user.active or not user.organisation.active or user.sso_only or user.email is None:
            return
        # A reset does not take the place of an invitation: that one lives longer, and proves the same.
        kind = LinkKind.RESET if user.password_hash else LinkKind.INVITATION
        recent = session.scalar(
            select(func.count())
            .select_from(AccountLink)
            .where(AccountLink.user_id == user.id, AccountLink.created_at > now() - timedelta(hours=1))
        )
        if (recent or 0) >= RESETS_AN_HOUR:
            return
        token, link = issue(session, services.settings, user, kind)
        services.audit.record(
            EventType.USER_RESET_ASKED,
            actor=UNKNOWN,
            organisation=user.organisation.code,
            filter={"user": user.id, "address": address, "link": link.id},
        )
    send(services, user, token, link)


def _not_valid() -> Problem:
    detail = "This link cannot be used (any more): ask for a new one. A link works once, and a newer one ends it."
    return Problem(404, "link-not-valid", "Link not valid", detail)
