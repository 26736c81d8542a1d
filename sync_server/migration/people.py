"""People out of a plan's list: accounts without a password, whose invitations are sent when that is asked for."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ..audit.log import EventType
from ..errors import SafeStatsError
from ..identity import people as accounts
from ..identity.authority import authorise_for
from ..identity.models import Role, User
from ..identity.permissions import Permission
from ..identity.service import add_user, find_organisation, normal_email
from ..services import Services
from .ledger import Ledger
from .loading import Tells
from .models import StepKind, StepState
from .plan import Plan
from .registers import read_rows, words_of

_NEEDED = ("mail", "name", "organisation", "role")
_KNOWN = (*_NEEDED, "username", "sites")
_NEVER = ("password", "passwort", "hash", "secret", "salt", "token")


@dataclass(frozen=True)
class Person:
    """A person as the list has them; ``place`` is where."""

    place: str
    mail: str
    name: str
    organisation: str
    role: Role
    username: str
    sites: tuple[tuple[str, str], ...]


@dataclass
class PeopleTotals:
    """What became of the people of a list."""

    added: int = 0
    known: int = 0
    set_aside: int = 0


def read_people(services: Services, plan: Plan, organisations: Collection[str], mistakes: list[str]) -> list[Person]:
    """The people of the plan's list; what is wrong with it goes to ``mistakes``.

    ``organisations`` are the codes that there will be. The role is SafeStats' own word, or one that the plan explains.
    """
    if plan.people is None:
        return []
    words = {**{str(role): str(role) for role in Role}, **plan.roles}
    for word, role in plan.roles.items():
        if role not in set(Role):
            mistakes.append(
                f"{plan.path.name}, [people.roles], “{word}”: there is no role “{role}”; there are: {', '.join(Role)}."
            )
    found: list[Person] = []
    lines: dict[tuple[str, str], str] = {}
    for row in read_rows(plan.people, _NEEDED, _KNOWN, mistakes, _NEVER):
        before = len(mistakes)
        try:
            mail = normal_email(row["mail"]) or ""
        except SafeStatsError as error:
            mistakes.append(f"{row.place}: {error}")
            continue
        username = (row["username"] or mail).casefold()
        role = words.get(row["role"].casefold(), "")
        if role not in set(Role):
            mistakes.append(
                f"{row.place}: “{row['role']}” is no role: write one of {', '.join(Role)}, or explain it under "
                "[people.roles]."
            )
        if row["organisation"].casefold() not in organisations:
            mistakes.append(f"{row.place}: there is no organisation “{row['organisation']}”.")
        for what, value in (("mail", mail), ("username", username)):
            first = lines.setdefault((what, value), row.place)
            if first != row.place:
                mistakes.append(f"{row.place}: this {what} stands in {first.rpartition(', ')[2]} already.")
        sites = tuple((dataset, site) for dataset, _, site in (w.partition("/") for w in words_of(row["sites"])))
        for dataset, _site in sites:
            if dataset not in services.definitions:
                mistakes.append(f"{row.place}: there is no dataset “{dataset}”.")
        if (role == Role.SUPPLIER) != bool(sites):
            mistakes.append(
                f"{row.place}: a supplier, and nobody else, has “sites”, say istv/st-thomas; several with semicolons."
            )
        if len(mistakes) == before:
            organisation = row["organisation"].casefold()
            found.append(Person(row.place, mail, row["name"], organisation, Role(role), username, sites))
    return found


def move_people(services: Services, actor: str, ledger: Ledger, people: Sequence[Person], tell: Tells) -> PeopleTotals:
    """Make the accounts that are missing, without password and invitation. Who is here already stays as they are."""
    totals = PeopleTotals()
    ledger.try_again(StepKind.PERSON)
    done = ledger.done(StepKind.PERSON)
    for person in people:
        try:
            with services.database.write() as session:
                there = account_of(session, person)
                if there is not None:
                    if there.id not in done and there.organisation.code != person.organisation:
                        raise SafeStatsError(
                            f"This person is here with {there.organisation.name}: settle where they belong."
                        )
                    totals.known += 1
                    continue
                user = _add(services, session, actor, person)
                ledger.record_in(session, StepKind.PERSON, user.id, StepState.DONE, "Added, not invited yet.")
            totals.added += 1
        except SafeStatsError as error:
            totals.set_aside += 1
            ledger.record(StepKind.PERSON, person.place, StepState.SET_ASIDE, str(error))
            tell(f"{person.place}: SET ASIDE. {error}")
    return totals


def invite_people(
    services: Services,
    actor: str,
    ledger: Ledger,
    people: Sequence[Person],
    tell: Tells,
    organisation: str | None = None,
) -> PeopleTotals:
    """Mail the invitations of those who were moved, of one organisation or all, and were not invited before."""
    totals = PeopleTotals()
    moved, invited = ledger.done(StepKind.PERSON), ledger.done(StepKind.INVITATION)
    for person in people:
        if organisation is not None and person.organisation != organisation:
            continue
        with services.database.read() as session:
            user = account_of(session, person)
        if user is None:
            totals.set_aside += 1
            tell(f"{person.place}: not moved in yet, so not invited.")
        elif user.id not in moved or user.id in invited or user.password_hash or not user.active:
            totals.known += 1
        else:
            try:
                accounts.invite_again(services, actor, user.id)
            except SafeStatsError as error:
                totals.set_aside += 1
                tell(f"{person.place}: not invited. {error}")
                continue
            ledger.record(StepKind.INVITATION, user.id, StepState.DONE, "Invited.")
            totals.added += 1
    return totals


def account_of(session: Session, person: Person) -> User | None:
    """The person's account, known by the mail."""
    return session.scalar(select(User).where(func.lower(User.email) == person.mail))


def _add(services: Services, session: Session, actor: str, person: Person) -> User:
    home = find_organisation(session, person.organisation)
    authorise_for(
        session, actor, Permission.INVITE_PEOPLE, User(role=person.role, organisation_id=home.id), person.role
    )
    user = add_user(
        session, services.passwords, person.username, home, person.name, person.role, None, person.mail, person.sites
    )
    services.audit.record(
        EventType.USER_ADDED,
        actor=actor,
        organisation=home.code,
        filter={"user": user.id, "role": user.role, "moved": True, "sites": [list(site) for site in person.sites]},
    )
    return user
