"""The steps in an agreement's life: signed, put in force, suspended, resumed, ended, drafted again, amended."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import Response
from sqlalchemy.orm import Session

from ..agreements import service
from ..agreements.documents import attach
from ..agreements.models import Agreement
from ..identity.permissions import Permission
from ..instants import london_today
from ..publishing.jobs import Jobs
from ..publishing.models import JobKind
from .agreements import changed, found
from .choices import title_of
from .forms import Form, PostedDep
from .routes import console_router
from .signed_in import MemberDep
from .site import day, slug
from .visits import Visit, gone

router = console_router()


@router.get("/agreements/{step}/sign")
def sign_page(step: str, visit: MemberDep) -> Response:
    """The form of a signature."""
    return _sign_page(visit, step, Form(defaults={"signed_on": london_today().isoformat()}))


def _sign_page(visit: Visit, step: str, form: Form) -> Response:
    visit.require(Permission.MANAGE_AGREEMENTS)
    with visit.services.database.read() as session:
        agreement = found(visit, session, step)
        return visit.page(
            "sign.html",
            form=form,
            agreement=agreement,
            parties=[(party.name, party.name) for party in agreement.parties],
            schedule=service.schedule(visit.services, session, agreement),
        )


@router.post("/agreements/{step}/sign")
def sign(step: str, visit: MemberDep, form: PostedDep) -> Response:
    """Record who signed the schedule, and keep the signed document."""
    party = form.required("party", "Choose the party that signed.")
    signed_by = form.required("signed_by", "Name who signed.")
    signed_on = form.day("signed_on", "the day of the signature")
    name, content = form.upload("document")
    if not form.errors:

        def record(session: Session, agreement: Agreement) -> None:
            actor, sha256 = visit.who.user_id, form.text("schedule_sha256")
            if content:
                attach(visit.services, session, actor, agreement, content, name)
            service.sign(visit.services, session, actor, agreement, signed_by, party, signed_on, sha256)

        with form.telling():
            complete = changed(visit, step, record).signed_on is not None
            notice = "Every party has signed: the agreement can be activated." if complete else "Recorded."
            return visit.go(f"/agreements/{step}", notice)
    return _sign_page(visit, step, form)


@dataclass(frozen=True)
class Step:
    """A step in an agreement's life that is asked about before it is taken."""

    question: str
    consequences: tuple[str, ...]
    verb: str
    done: str
    reason: str = ""
    danger: bool = False


STEPS = {
    "activate": Step(
        "Put {} in force?",
        (
            "Its people see the data from their next request on, as the schedule says.",
            "It is refused where the grants or the supplier’s terms are not those that were signed.",
        ),
        "Activate",
        "{} is in force. The files of its people are being built.",
    ),
    "suspend": Step(
        "Suspend {}?",
        (
            "Its people are refused from their next request on. Local copies are deleted at their next contact.",
            "It can be resumed.",
        ),
        "Suspend",
        "{} is suspended.",
        reason="Its people and the audit are told.",
        danger=True,
    ),
    "resume": Step(
        "Resume {}?", ("Its people see the data again from their next request on.",), "Resume", "{} is in force again."
    ),
    "end": Step(
        "End {} for good?",
        ("Its people are refused from their next request on, and local copies go.", "An ended agreement stays ended."),
        "End it",
        "{} has ended.",
        reason="The audit keeps it.",
        danger=True,
    ),
    "redraft": Step(
        "Make {} a draft again?",
        ("It can be changed then. Its signatures are void.",),
        "Redraft",
        "{} is a draft again.",
    ),
    "amend": Step(
        "Amend {}?",
        ("A new draft is made that says the same. Until it is signed and activated, this one holds.",),
        "Make the draft",
        "The draft {} is made.",
    ),
}


@router.get("/agreements/{step}/{verb}")
def ask(step: str, verb: str, visit: MemberDep) -> Response:
    """Whether to take a step."""
    return _ask(visit, step, verb, Form())


def _ask(visit: Visit, step: str, verb: str, form: Form) -> Response:
    visit.require(Permission.MANAGE_AGREEMENTS)
    if verb not in STEPS:
        raise gone()
    taken = STEPS[verb]
    with visit.services.database.read() as session:
        agreement = found(visit, session, step)
    about = f"{agreement.organisation.name}, {title_of(visit, agreement.dataset)}, until {day(agreement.ends)}."
    return visit.page(
        "confirm.html",
        form=form,
        question=taken.question.format(agreement.reference),
        consequences=(about, *taken.consequences),
        action=f"/console/agreements/{step}/{verb}",
        back=f"/console/agreements/{step}",
        verb=taken.verb,
        danger=taken.danger,
        carried={},
        reason=taken.reason,
    )


@router.post("/agreements/{step}/{verb}")
def take(step: str, verb: str, visit: MemberDep, form: PostedDep) -> Response:
    """Take the step."""
    visit.require(Permission.MANAGE_AGREEMENTS)
    if verb not in STEPS:
        raise gone()
    if STEPS[verb].reason:
        form.required("reason", "Give the reason.")
    if form.errors:
        return _ask(visit, step, verb, form)
    successor = ""

    def move(session: Session, agreement: Agreement) -> None:
        nonlocal successor
        services, actor = visit.services, visit.who.user_id
        if verb == "activate":
            service.activate(services, session, actor, agreement)
        elif verb == "suspend":
            service.suspend(services, session, actor, agreement, form.text("reason"))
        elif verb == "resume":
            service.resume(services, session, actor, agreement)
        elif verb == "end":
            service.end(services, session, actor, agreement, form.text("reason"))
        elif verb == "redraft":
            service.redraft(services, session, actor, agreement)
        else:
            successor = service.amend(services, session, actor, agreement).reference

    with form.telling():
        agreement = changed(visit, step, move)
        if verb in ("activate", "resume"):
            Jobs(visit.services.database).request(agreement.dataset, JobKind.BUILD, visit.who.user_id)
        shown = successor or agreement.reference
        return visit.go(f"/agreements/{slug(shown)}", STEPS[verb].done.format(shown))
    return _ask(visit, step, verb, form)
