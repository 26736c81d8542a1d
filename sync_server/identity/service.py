"""Organisations and people: adding, listing, changing. The caller audits."""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from ..errors import SafeStatsError
from .models import Organisation, Role, SignIn, SignInState, User
from .passwords import Passwords

_CODE = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
_USERNAME = re.compile(r"[a-z0-9][a-z0-9._@+-]{0,63}")


def normal_username(username: str) -> str:
    """The user name as it is kept: small letters, no blanks around it."""
    return username.strip().casefold()


def add_organisation(session: Session, code: str, name: str) -> Organisation:
    """A new organisation; raises ``SafeStatsError`` where the code or name is taken or unfit."""
    if not _CODE.fullmatch(code):
        raise SafeStatsError(f"“{code}” is no organisation code: use up to 32 small letters, digits and hyphens.")
    name = name.strip()
    if not name:
        raise SafeStatsError("An organisation needs a name.")
    if session.scalar(select(Organisation).where((Organisation.code == code) | (Organisation.name == name))):
        raise SafeStatsError(f"There is an organisation with the code “{code}” or the name “{name}” already.")
    organisation = Organisation(code=code, name=name)
    session.add(organisation)
    session.flush()
    return organisation


def organisations(session: Session) -> Sequence[Organisation]:
    """All organisations by code."""
    return session.scalars(select(Organisation).order_by(Organisation.code)).all()


def find_organisation(session: Session, code: str) -> Organisation:
    """The organisation of that code; raises ``SafeStatsError``."""
    organisation = session.scalar(select(Organisation).where(Organisation.code == code))
    if organisation is None:
        raise SafeStatsError(f"There is no organisation “{code}”: see “safestats org list”.")
    return organisation


def add_user(
    session: Session,
    passwords: Passwords,
    username: str,
    organisation: Organisation,
    display_name: str,
    role: Role,
    password: str,
) -> User:
    """A new person; raises ``SafeStatsError`` where the user name is taken or unfit, or the password is."""
    username = normal_username(username)
    if not _USERNAME.fullmatch(username):
        raise SafeStatsError(f"“{username}” is no user name: use letters, digits and . _ @ + -")
    if session.scalar(select(User).where(User.username == username)):
        raise SafeStatsError(f"There is a user “{username}” already.")
    user = User(
        id=secrets.token_hex(16),
        username=username,
        display_name=display_name.strip() or username,
        organisation_id=organisation.id,
        role=role,
        password_hash=passwords.hash(password),
    )
    session.add(user)
    session.flush()
    return user


def users(session: Session) -> Sequence[User]:
    """Everybody by user name."""
    return session.scalars(select(User).order_by(User.username)).all()


def find_user(session: Session, username: str) -> User:
    """The person of that user name; raises ``SafeStatsError``."""
    user = session.scalar(select(User).where(User.username == normal_username(username)))
    if user is None:
        raise SafeStatsError(f"There is no user “{username}”: see “safestats user list”.")
    return user


def change_password(session: Session, passwords: Passwords, user: User, password: str) -> None:
    """Set the password and end the person's sign-ins."""
    user.password_hash = passwords.hash(password)
    _end_sign_ins(session, user)


def deactivate(session: Session, user: User) -> None:
    """Close the account and end its sign-ins; what the person did stays in the audit."""
    user.active = False
    _end_sign_ins(session, user)


def _end_sign_ins(session: Session, user: User) -> None:
    session.execute(update(SignIn).where(SignIn.user_id == user.id).values(state=SignInState.ENDED))
