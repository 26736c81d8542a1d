"""What administrators do with accounts, from the console, the API or the command line: checked and audited here."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from ..audit.log import COMMAND_LINE, EventType
from ..database import PERSONS_PATIENCE_MS
from ..errors import SafeStatsError
from ..problems import Problem
from ..services import Services
from . import links
from .authority import authorise_for
from .models import LinkKind, Role, User
from .permissions import INVITABLE, Permission, not_permitted
from .service import add_user, deactivate, end_access, find_organisation, normal_email, set_sites


@dataclass(frozen=True)
class Invited:
    """An account and until when its invitation may be taken up."""

    user: User
    expires_at: datetime


def roles_to_give(role: Role) -> tuple[Role, ...]:
    """The roles that somebody with this role may give to others."""
    if role == Role.SYSTEM_ADMIN:
        return tuple(Role)
    return INVITABLE if role == Role.ORGANISATION_ADMIN else ()


def invite(
    services: Services,
    actor: str,
    *,
    username: str,
    organisation: str,
    role: Role,
    email: str,
    display_name: str = "",
    sites: Iterable[tuple[str, str]] = (),
) -> Invited:
    """Make an account and mail its invitation.

    Raises ``Problem`` 403 where the actor may not, ``SafeStatsError`` where the account cannot be or (the account
    is made then) the mail cannot be sent.
    """
    sites = tuple(sites)
    for dataset, _site in sites:
        services.definition(dataset)
    with services.database.write(patience_ms=PERSONS_PATIENCE_MS) as session:
        home = find_organisation(session, organisation)
        account = User(role=role, organisation_id=home.id)
        authorise_for(session, actor, Permission.INVITE_PEOPLE, account, role)
        user = add_user(session, services.passwords, username, home, display_name, role, None, email, sites)
        if user.email is None:
            raise SafeStatsError("An invitation needs an e-mail address to be sent to.")
        token, link = links.issue(session, services.settings, user, LinkKind.INVITATION)
        _record(services, EventType.USER_INVITED, actor, user, role=role, link=link.id, sites=[list(s) for s in sites])
    links.send(services, user, token, link)
    return Invited(user, link.expires_at)


def invite_again(services: Services, actor: str, user_id: str) -> Invited:
    """A new invitation to who has not taken up theirs; the one before ends."""
    with services.database.write(patience_ms=PERSONS_PATIENCE_MS) as session:
        user = _person(session, actor, Permission.INVITE_PEOPLE, user_id)
        if user.password_hash:
            raise SafeStatsError(f"{user.username} has a password already: they can ask for a reset themselves.")
        if not user.active:
            raise SafeStatsError(f"The account {user.username} is inactive: reactivate it first.")
        token, link = links.issue(session, services.settings, user, LinkKind.INVITATION)
        _record(services, EventType.USER_INVITED, actor, user, role=user.role, link=link.id)
    links.send(services, user, token, link)
    return Invited(user, link.expires_at)


def close_account(services: Services, actor: str, user_id: str) -> User:
    """Deactivate an account: its sessions and links end at once."""
    with services.database.write(patience_ms=PERSONS_PATIENCE_MS) as session:
        user = _person(session, actor, Permission.MANAGE_PEOPLE, user_id)
        _not_oneself(actor, user)
        deactivate(session, user)
        _record(services, EventType.USER_DEACTIVATED, actor, user)
    return user


def reopen_account(services: Services, actor: str, user_id: str) -> User:
    """Make an inactive account active again; its person signs in anew."""
    with services.database.write(patience_ms=PERSONS_PATIENCE_MS) as session:
        user = _person(session, actor, Permission.MANAGE_PEOPLE, user_id)
        user.active = True
        _record(services, EventType.USER_REACTIVATED, actor, user)
    return user


def change_role(
    services: Services, actor: str, user_id: str, role: Role, sites: Iterable[tuple[str, str]] = ()
) -> User:
    """Give a person another role (or a supplier other sites): their sessions end at once."""
    sites = tuple(sites)
    for dataset, _site in sites:
        services.definition(dataset)
    with services.database.write(patience_ms=PERSONS_PATIENCE_MS) as session:
        user = _person(session, actor, Permission.MANAGE_PEOPLE, user_id, role)
        _not_oneself(actor, user)
        before = user.role
        set_sites(user, role, sites)
        user.role = role
        end_access(session, user)
        _record(services, EventType.USER_CHANGED, actor, user, before=before, role=role, sites=[list(s) for s in sites])
    return user


def amend(
    services: Services,
    actor: str,
    user_id: str,
    *,
    display_name: str | None = None,
    email: str | None = None,
    sso_only: bool | None = None,
) -> User:
    """Change a person's name, address or way of signing in. What is None stays."""
    with services.database.write(patience_ms=PERSONS_PATIENCE_MS) as session:
        user = _person(session, actor, Permission.MANAGE_PEOPLE, user_id)
        if display_name is not None:
            user.display_name = display_name.strip() or user.username
        if email is not None:
            address = normal_email(email)
            if address != user.email:
                # Links that went to the old address, and who signed in by it, are of the past.
                user.email, user.oidc_subject = address, ""
                end_access(session, user)
        if sso_only is not None:
            if sso_only and not user.organisation.oidc_issuer:
                raise SafeStatsError(
                    f"{user.organisation.name} has no sign-in of its own: set its OpenID provider first."
                )
            user.sso_only = sso_only
            end_access(session, user)
        # What was changed, not to what: addresses and names are not for the audit.
        changed = {"display_name": display_name, "email": email, "sso_only": sso_only}
        _record(services, EventType.USER_CHANGED, actor, user, changed=[k for k, v in changed.items() if v is not None])
    return user


def end_sessions(services: Services, actor: str, user_id: str) -> User:
    """End all of a person's sessions."""
    with services.database.write(patience_ms=PERSONS_PATIENCE_MS) as session:
        user = _person(session, actor, Permission.MANAGE_PEOPLE, user_id)
        end_access(session, user)
        _record(services, EventType.SESSIONS_ENDED, actor, user)
    return user


def _person(session: Session, actor: str, permission: Permission, user_id: str, role: Role | None = None) -> User:
    user = session.get(User, user_id)
    if user is None:
        if actor == COMMAND_LINE:
            raise SafeStatsError("There is no such account: see “safestats user list”.")
        raise not_permitted()  # the same as another organisation's
    authorise_for(session, actor, permission, user, role)
    if role is not None and actor != COMMAND_LINE:
        giver = session.get_one(User, actor)
        if role not in roles_to_give(Role(giver.role)):
            raise not_permitted()
    return user


def _not_oneself(actor: str, user: User) -> None:
    if actor == user.id:
        detail = "Nobody closes or changes their own account: ask another administrator."
        raise Problem(409, "own-account", "Your own account", detail)


def _record(services: Services, event: EventType, actor: str, user: User, **more: Any) -> None:
    services.audit.record(event, actor=actor, organisation=user.organisation.code, filter={"user": user.id, **more})
