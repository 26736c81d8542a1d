"""People: who there is, inviting, closing and reopening accounts, roles, lost second factors."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import BackgroundTasks, Response
from sqlalchemy.orm import Session

from ..agreements.explain import explain
from ..agreements.models import Use
from ..identity import links, people, second_factor
from ..identity.models import Role, User
from ..identity.permissions import INVITABLE, Permission, sees_all
from ..identity.service import users
from .choices import dataset_options, organisation_options
from .forms import Form, PostedDep
from .paging import page_of
from .routes import console_router
from .signed_in import MemberDep
from .sites import chosen_supplies, sites_to_choose
from .visits import Visit, gone

router = console_router()


def people_for(visit: Visit, session: Session, organisation_id: int | None = None) -> list[User]:
    """The people whom the visitor may see, of one organisation where told."""
    if not sees_all(visit.who.role):
        organisation_id = visit.who.organisation_id
    return list(users(session, organisation_id))


def found_person(visit: Visit, session: Session, user_id: str) -> User:
    """The person; raises ``Problem`` 404 where there is nobody whom the visitor may see."""
    visit.require(Permission.SEE_PEOPLE)
    for person in people_for(visit, session):
        if person.id == user_id:
            return person
    raise gone()


@router.get("/people")
def list_people(visit: MemberDep, name: str = "", organisation: str = "", role: str = "", after: str = "") -> Response:
    """Those whom the visitor may see, by user name."""
    visit.require(Permission.SEE_PEOPLE)
    form = Form(defaults={"name": name, "organisation": organisation, "role": role})
    wanted = name.casefold()
    everywhere = sees_all(visit.who.role)
    with visit.services.database.read() as session:
        matching = [
            person
            for person in people_for(visit, session)
            if (wanted in person.username or wanted in person.display_name.casefold())
            and organisation in ("", person.organisation.code)
            and role in ("", person.role)
        ]
        shown = page_of(matching, lambda person: person.username, after, "/console/people", form.defaults)
        return visit.page(
            "people.html",
            form=form,
            people=shown.rows,
            next=shown.next,
            first=shown.first,
            show_organisation=everywhere,
            organisations=organisation_options(session) if everywhere else [],
            roles=_role_options(tuple(Role) if everywhere else INVITABLE),
        )


def _role_options(roles: tuple[Role, ...]) -> list[tuple[str, str]]:
    return [(role.value, role.value.replace("-", " ").capitalize()) for role in roles]


@router.get("/people/invite")
def invite_page(visit: MemberDep, organisation: str = "") -> Response:
    """The form of an invitation."""
    return _invite_page(visit, Form(defaults={"organisation": organisation}))


def _invite_page(visit: Visit, form: Form) -> Response:
    visit.require(Permission.INVITE_PEOPLE)
    with visit.services.database.read() as session:
        return visit.page(
            "invite.html",
            form=form,
            organisations=organisation_options(session) if sees_all(visit.who.role) else [],
            roles=_role_options(people.roles_to_give(visit.who.role)),
            sites=sites_to_choose(visit, session) if visit.may(Permission.MANAGE_KEYS) else None,
        )


@router.post("/people/invite")
def invite(visit: MemberDep, form: PostedDep) -> Response:
    """Make the account and mail its invitation."""
    visit.require(Permission.INVITE_PEOPLE)
    organisation = visit.who.organisation
    if sees_all(visit.who.role):
        organisation = form.required("organisation", "Choose the organisation.")
    email = form.required("email", "Give the e-mail address.")
    username = form.required("username", "Give a user name.")
    role = _role(form)
    sites = _sites(form)
    if not form.errors and role is not None:
        with form.telling():
            invited = people.invite(
                visit.services,
                visit.who.user_id,
                username=username,
                organisation=organisation,
                role=role,
                email=email,
                display_name=form.text("display_name"),
                sites=sites,
            )
            told = f"{invited.user.username} is invited; the link {visit.services.mailer.whereabouts}."
            return visit.go(f"/people/{invited.user.id}", told)
    return _invite_page(visit, form)


def _role(form: Form) -> Role | None:
    try:
        return Role(form.text("role"))
    except ValueError:
        form.errors["role"] = "Choose a role."
        return None


def _sites(form: Form) -> list[tuple[str, str]]:
    typed = (line.strip() for line in form.text("other_supplies").splitlines())
    return chosen_supplies([*form.all("supplies"), *typed])


@router.get("/people/{user_id}")
def person_page(user_id: str, visit: MemberDep, dataset: str = "", use: str = Use.SYNC.value) -> Response:
    """One person, and what they see."""
    return _person_page(visit, user_id, Form(defaults={"dataset": dataset, "use": use}), dataset, use)


def _person_page(visit: Visit, user_id: str, form: Form, dataset: str = "", use: str = "") -> Response:
    with visit.services.database.read() as session:
        person = found_person(visit, session, user_id)
        sites = sites_to_choose(visit, session) if visit.may(Permission.MANAGE_KEYS) else None
    explained = None
    explains = visit.may(Permission.SEE_AGREEMENTS)
    if explains and dataset in visit.services.definitions and use in list(Use):
        explained = explain(
            visit.services,
            person.username,
            dataset,
            Use(use),
            actor=visit.who.user_id,
            session_id=visit.who.session_id,
            count_rows=visit.may(Permission.MANAGE_RELEASES),
        )
    form.defaults.setdefault("role", person.role)
    form.defaults.setdefault("supplies", " ".join(f"{site.dataset}/{site.site}" for site in person.sites))
    return visit.page(
        "person.html",
        form=form,
        person=person,
        own=person.id == visit.who.user_id,
        manages=visit.may(Permission.MANAGE_PEOPLE),
        sites=sites,
        roles=_role_options(people.roles_to_give(visit.who.role)),
        explain_datasets=dataset_options(visit) if explains else [],
        uses=[(choice.value, choice.value.capitalize()) for choice in Use],
        lines=explained.lines if explained else (),
        refused=bool(explained and explained.refusal),
    )


@router.post("/people/{user_id}/role")
def change_role(user_id: str, visit: MemberDep, form: PostedDep) -> Response:
    """Give the person another role."""
    visit.require(Permission.MANAGE_PEOPLE)
    role = _role(form)
    with visit.services.database.read() as session:
        found_person(visit, session, user_id)
    if role is not None:
        with form.telling("role"):
            person = people.change_role(visit.services, visit.who.user_id, user_id, role, _sites(form))
            return visit.go(f"/people/{user_id}", f"{person.username} has the new role; their sessions have ended.")
    return _person_page(visit, user_id, form)


@dataclass(frozen=True)
class Closing:
    """Something about an account that is asked about before it is done."""

    question: str
    consequence: str
    verb: str
    done: str


CLOSINGS = {
    "deactivate": Closing(
        "Deactivate {}?",
        "Their sessions end at once and they cannot sign in. What they did stays in the audit. It can be reversed.",
        "Deactivate",
        "{} can no longer sign in.",
    ),
    "reset-second-factor": Closing(
        "Reset the second factor of {}?",
        "Be sure that it is them who ask: call them back on a number that you know. Their sessions end; "
        "whoever needs a second factor sets up a new one at the next sign-in.",
        "Reset it",
        "The second factor of {} is reset.",
    ),
    "end-sessions": Closing(
        "End the sessions of {}?",
        "They have to sign in again, here and at their desk.",
        "End them",
        "{} is signed out.",
    ),
}


@router.get("/people/{user_id}/{verb}")
def ask(user_id: str, verb: str, visit: MemberDep) -> Response:
    """Whether to do it."""
    return _ask(visit, user_id, verb, Form())


def _ask(visit: Visit, user_id: str, verb: str, form: Form) -> Response:
    visit.require(Permission.MANAGE_PEOPLE)
    if verb not in CLOSINGS:
        raise gone()
    closing = CLOSINGS[verb]
    with visit.services.database.read() as session:
        person = found_person(visit, session, user_id)
    return visit.page(
        "confirm.html",
        form=form,
        question=closing.question.format(person.username),
        consequences=(f"{person.display_name}, {person.organisation.name}.", closing.consequence),
        action=f"/console/people/{user_id}/{verb}",
        back=f"/console/people/{user_id}",
        verb=closing.verb,
        danger=True,
        carried={},
        reason="",
    )


@router.post("/people/{user_id}/{verb}")
def do(user_id: str, verb: str, visit: MemberDep, form: PostedDep, later: BackgroundTasks) -> Response:
    """Do it."""
    visit.require(Permission.MANAGE_PEOPLE)
    with visit.services.database.read() as session:
        person = found_person(visit, session, user_id)
    services, actor = visit.services, visit.who.user_id
    if verb == "reset-password":
        later.add_task(links.request_reset, services, person.username, visit.address)
        told = f"A link for {person.username} to choose a new password {services.mailer.whereabouts}."
        return visit.go(f"/people/{user_id}", told)
    if verb == "invite-again":
        with form.telling():
            people.invite_again(services, actor, user_id)
            told = f"The link before has ended. The new invitation {services.mailer.whereabouts}."
            return visit.go(f"/people/{user_id}", told)
        return _person_page(visit, user_id, form)
    if verb == "reactivate":
        people.reopen_account(services, actor, user_id)
        return visit.go(f"/people/{user_id}", f"{person.username} can sign in again.")
    if verb not in CLOSINGS:
        raise gone()
    with form.telling():
        if verb == "deactivate":
            people.close_account(services, actor, user_id)
        elif verb == "end-sessions":
            people.end_sessions(services, actor, user_id)
        else:
            second_factor.reset_second_factor(services, actor, user_id)
        return visit.go(f"/people/{user_id}", CLOSINGS[verb].done.format(person.username))
    return _ask(visit, user_id, verb, form)
