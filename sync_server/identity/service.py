"""Organisations and people as the command line and set-ups make them: adding, listing, changing. The caller audits."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from ..errors import SafeStatsError
from ..instants import now
from .models import AccountLink, Organisation, OrganisationArea, Role, SignIn, SignInState, User, UserSite
from .passwords import Passwords
from .tokens import new_id

_CODE = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
_USERNAME = re.compile(r"[a-z0-9][a-z0-9._@+-]{0,63}")
_EMAIL = re.compile(r"[^@\s,;<>\"]{1,64}@[a-z0-9.-]+\.[a-z0-9-]+")
_AREA = re.compile(r"[A-Z]\d{8}")


def normal_username(username: str) -> str:
    """The user name as it is kept: small letters, no blanks around it."""
    return username.strip().casefold()


def normal_email(email: str) -> str | None:
    """The address as it is kept, None for none; raises ``SafeStatsError`` where it is no address."""
    email = email.strip().casefold()
    if not email:
        return None
    if len(email) > 254 or not email.isprintable() or not _EMAIL.fullmatch(email):
        raise SafeStatsError("This is no e-mail address: give one like name@organisation.gov.uk.")
    return email


def add_organisation(
    session: Session, code: str, name: str, kind: str = "", remit: str = "", areas: Iterable[str] = ()
) -> Organisation:
    """A new organisation; raises ``SafeStatsError`` where the code or name is taken or unfit."""
    if not _CODE.fullmatch(code):
        raise SafeStatsError(f"“{code}” is no organisation code: use up to 32 small letters, digits and hyphens.")
    name = name.strip()
    if not name:
        raise SafeStatsError("An organisation needs a name.")
    if session.scalar(select(Organisation).where((Organisation.code == code) | (Organisation.name == name))):
        raise SafeStatsError(f"There is an organisation with the code “{code}” or the name “{name}” already.")
    organisation = Organisation(code=code, name=name, kind=kind, remit=remit.strip())
    session.add(organisation)
    session.flush()
    set_areas(organisation, areas)
    session.flush()
    return organisation


def set_areas(organisation: Organisation, codes: Iterable[str]) -> None:
    """Make the areas those of the codes; raises ``SafeStatsError`` where one is no code."""
    wanted = set(codes)
    unfit = sorted(code for code in wanted if not _AREA.fullmatch(code))
    if unfit:
        raise SafeStatsError(f"“{unfit[0]}” is no area code: give the nine characters, say E09000007.")
    kept = [area for area in organisation.areas if area.code in wanted]
    there = {area.code for area in kept}
    organisation.areas = kept + [OrganisationArea(code=code) for code in sorted(wanted - there)]


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
    password: str | None,
    email: str = "",
    sites: Iterable[tuple[str, str]] = (),
) -> User:
    """A new person, without a password where an invitation will set it.

    Raises ``SafeStatsError`` where the user name is taken or unfit, the password is easy to guess, or a supplier has
    no dataset and site (or somebody else has one).
    """
    username = normal_username(username)
    if not _USERNAME.fullmatch(username):
        raise SafeStatsError(f"“{username}” is no user name: use letters, digits and . _ @ + -")
    if session.scalar(select(User).where(User.username == username)):
        raise SafeStatsError(f"There is a user “{username}” already.")
    address = normal_email(email)
    if address is not None and session.scalar(select(User).where(User.email == address)):
        raise SafeStatsError("Another account has this e-mail address already: each account has its own.")
    if not organisation.active:
        raise SafeStatsError(f"{organisation.name} is inactive: nobody can be added to it.")
    user = User(
        id=new_id(),
        username=username,
        display_name=display_name.strip() or username,
        organisation_id=organisation.id,
        role=role,
        password_hash="",
        email=address,
        created_at=now(),
    )
    user.organisation = organisation
    set_sites(user, role, sites)
    if password is not None:
        user.password_hash = passwords.hash(password, about_user(user))
    session.add(user)
    session.flush()
    return user


def set_sites(user: User, role: Role, sites: Iterable[tuple[str, str]]) -> None:
    """Bind a supplier to its datasets and sites; raises ``SafeStatsError`` where they do not fit the role."""
    wanted = sorted(set(sites))
    if role == Role.SUPPLIER and not wanted:
        raise SafeStatsError("A supplier's account needs its dataset and site: without one it would see nothing.")
    if role != Role.SUPPLIER and wanted:
        raise SafeStatsError("Only a supplier's account has a dataset and site.")
    kept = [site for site in user.sites if (site.dataset, site.site) in wanted]
    there = {(site.dataset, site.site) for site in kept}
    user.sites = kept + [UserSite(dataset=d, site=s) for d, s in wanted if (d, s) not in there]


def about_user(user: User) -> tuple[str, ...]:
    """What others know of a person, which is no part of a good password."""
    return (
        user.username,
        user.display_name,
        user.email or "",
        user.organisation.name,
        user.organisation.code,
        "safestats",
    )


def users(session: Session, organisation_id: int | None = None) -> Sequence[User]:
    """Everybody (of one organisation) by user name."""
    people = select(User).order_by(User.username)
    return session.scalars(
        people if organisation_id is None else people.where(User.organisation_id == organisation_id)
    ).all()


def find_user(session: Session, username: str) -> User:
    """The person of that user name; raises ``SafeStatsError``."""
    user = session.scalar(select(User).where(User.username == normal_username(username)))
    if user is None:
        raise SafeStatsError(f"There is no user “{username}”: see “safestats user list”.")
    return user


def change_password(session: Session, passwords: Passwords, user: User, password: str) -> None:
    """Set the password, end the person's sign-ins and the links that would set another."""
    set_password_hash(session, user, passwords.hash(password, about_user(user)))


def set_password_hash(session: Session, user: User, password_hash: str) -> None:
    """As ``change_password``, of a hash that was made before (it takes a while)."""
    user.password_hash = password_hash
    end_access(session, user)


def deactivate(session: Session, user: User) -> None:
    """Close the account and end its sign-ins; what the person did stays in the audit."""
    user.active = False
    end_access(session, user)


def end_access(session: Session, user: User) -> None:
    """End the person's sign-ins and open links."""
    session.execute(
        update(SignIn).where(SignIn.user_id == user.id).values(state=SignInState.ENDED),
        execution_options={"synchronize_session": "fetch"},
    )
    session.execute(
        update(AccountLink)
        .where(AccountLink.user_id == user.id, AccountLink.used_at.is_(None), AccountLink.superseded_at.is_(None))
        .values(superseded_at=now()),
        execution_options={"synchronize_session": "fetch"},
    )
