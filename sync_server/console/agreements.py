"""Agreements: the list, one of them, and its life from draft to end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Annotated

from fastapi import Query, Response
from sqlalchemy.orm import Session

from ..agreements import service
from ..agreements.ceiling import precision_in_words
from ..agreements.documents import attach, document_for
from ..agreements.explain import explain
from ..agreements.grants import cut_by_terms, places_in_words
from ..agreements.models import Agreement, ContactRole, Grant, Precision, Use
from ..agreements.review import Standing, due_for_review, standing
from ..agreements.terms import ceiling_on
from ..database import PERSONS_PATIENCE_MS
from ..errors import SafeStatsError
from ..identity.permissions import Permission, sees_all
from ..identity.service import find_organisation, organisations, users
from ..instants import london_today
from ..publishing.jobs import Jobs
from ..publishing.models import JobKind
from .forms import Form, PostedDep
from .paging import page_of
from .routes import console_router
from .signed_in import MemberDep
from .site import day, reference_of, slug
from .visits import Visit, gone

router = console_router()


@dataclass(frozen=True)
class Entry:
    """An agreement in a list."""

    agreement: Agreement
    title: str
    standing: Standing
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class GrantShown:
    """A grant in the words of the page."""

    position: int
    places: list[str]
    edge_m: int
    months: str
    groups: list[str]
    precision: str
    uses: list[str]
    officer_records: bool


@router.get("/agreements")
def agreements(
    visit: MemberDep,
    organisation: str = "",
    dataset: str = "",
    wanted: Annotated[str, Query(alias="standing")] = "",
    after: str = "",
) -> Response:
    """Those that the person may see, by reference."""
    visit.require(Permission.SEE_AGREEMENTS)
    form = Form(defaults={"organisation": organisation, "dataset": dataset, "standing": wanted})
    with visit.services.database.read() as session:
        entries = [
            entry
            for entry in entries_for(visit, session)
            if organisation in ("", entry.agreement.organisation.code)
            and dataset in ("", entry.agreement.dataset)
            and wanted in ("", entry.standing)
        ]
        shown = page_of(entries, lambda e: e.agreement.reference, after, "/console/agreements", form.defaults)
        return visit.page(
            "agreements.html",
            form=form,
            agreements=shown.rows,
            next=shown.next,
            first=shown.first,
            organisations=organisation_options(session) if sees_all(visit.who.role) else [],
            datasets=dataset_options(visit),
            standings=[(s.value, s.value.capitalize()) for s in Standing],
        )


def entries_for(visit: Visit, session: Session, organisation_id: int | None = None) -> list[Entry]:
    """The agreements that the person may see, of one organisation where told."""
    if not sees_all(visit.who.role):
        organisation_id = visit.who.organisation_id
    today = london_today()
    near = {notice.reference: "ends soon" if notice.ends else "review due" for notice in due_for_review(session, today)}
    return [
        Entry(
            agreement,
            title_of(visit, agreement.dataset),
            standing(agreement, today),
            (near[agreement.reference],)
            if agreement.reference in near and standing(agreement, today) == Standing.ACTIVE
            else (),
        )
        for agreement in service.agreements(session, organisation_id)
    ]


def title_of(visit: Visit, dataset: str) -> str:
    """The dataset's title; its code where it is declared no more."""
    definition = visit.services.definitions.get(dataset)
    return definition.title if definition else dataset


def dataset_options(visit: Visit) -> list[tuple[str, str]]:
    """The declared datasets to choose from."""
    return [(code, definition.title) for code, definition in sorted(visit.services.definitions.items())]


def organisation_options(session: Session) -> list[tuple[str, str]]:
    """The organisations to choose from."""
    return sorted(((o.code, o.name) for o in organisations(session)), key=lambda option: option[1])


def found(visit: Visit, session: Session, step: str) -> Agreement:
    """The agreement of an address; raises ``Problem`` 404 where there is none that the person may see."""
    visit.require(Permission.SEE_AGREEMENTS)
    try:
        agreement = service.find_agreement(session, reference_of(step))
    except SafeStatsError:
        raise gone() from None
    if not sees_all(visit.who.role) and agreement.organisation_id != visit.who.organisation_id:
        raise gone()
    return agreement


def changed(visit: Visit, step: str, change: Callable[[Session, Agreement], None]) -> Agreement:
    """The agreement after a change in one transaction, for who manages agreements."""
    visit.require(Permission.MANAGE_AGREEMENTS)
    with visit.services.database.write(patience_ms=PERSONS_PATIENCE_MS) as session:
        agreement = found(visit, session, step)
        change(session, agreement)
        return agreement


# Addresses of one word stand before those of an agreement: none can be called “new”, for it has to be drafted.
@router.get("/agreements/new")
def new_page(visit: MemberDep, organisation: str = "") -> Response:
    """The form of a draft."""
    today = london_today()
    ends = today.replace(year=today.year + 1, day=min(today.day, 28)) - timedelta(days=1)
    return _new_page(
        visit, Form(defaults={"organisation": organisation, "starts": today.isoformat(), "ends": ends.isoformat()})
    )


def _new_page(visit: Visit, form: Form, changing: Agreement | None = None) -> Response:
    visit.require(Permission.MANAGE_AGREEMENTS)
    with visit.services.database.read() as session:
        options = organisation_options(session)
    return visit.page(
        "agreement_new.html",
        form=form,
        changing=changing,
        organisations=options,
        datasets=dataset_options(visit),
        purposes=[(p.code, p.title) for p in visit.services.purposes if p.allowed or p.by_decision],
    )


@router.post("/agreements/new")
def draft(visit: MemberDep, form: PostedDep) -> Response:
    """Draft it."""
    visit.require(Permission.MANAGE_AGREEMENTS)
    reference = form.required("reference", "Give the agreement a reference.")
    organisation = form.required("organisation", "Choose the organisation.")
    dataset = form.required("dataset", "Choose the dataset.")
    starts, ends = _day(form, "starts", "the first day"), _day(form, "ends", "the last day")
    details = _details(form)
    if not form.errors and starts and ends and details:
        with form.telling(), visit.services.database.write(patience_ms=PERSONS_PATIENCE_MS) as session:
            service.draft(
                visit.services,
                session,
                visit.who.user_id,
                reference,
                find_organisation(session, organisation),
                dataset,
                starts,
                ends,
                details,
            )
        if not form.errors:
            return visit.go(f"/agreements/{slug(reference)}", f"{reference} is drafted. Now give it its grants.")
    return _new_page(visit, form)


@router.get("/agreements/{step}")
def agreement_page(step: str, visit: MemberDep) -> Response:
    """One agreement: what it says, its grants beside the supplier's terms, its signatures."""
    return _agreement_page(visit, step, Form())


def _agreement_page(visit: Visit, step: str, form: Form) -> Response:
    services = visit.services
    today = london_today()
    with services.database.read() as session:
        agreement = found(visit, session, step)
        where = standing(agreement, today)
        ceiling = ceiling_on(session, agreement.dataset, today)
        missing = service.unready(services, session, agreement, today) if where == Standing.DRAFT else []
        warnings = [n.sentence for n in due_for_review(session, today) if n.reference == agreement.reference]
        if where not in (Standing.DRAFT, Standing.ENDED):
            warnings += cut_by_terms(ceiling, agreement)
        titles = {purpose.code: purpose.title for purpose in services.purposes}
        return visit.page(
            "agreement.html",
            form=form,
            agreement=agreement,
            definition=services.definition(agreement.dataset),
            where=where,
            missing=missing,
            warnings=warnings,
            purposes=[titles.get(code, code) for code in agreement.purposes.split()],
            ceiling=ceiling,
            ceiling_precision=precision_in_words(ceiling.precision, ceiling.grid_m) if ceiling else "",
            ceiling_uses=[use.value for use in Use if ceiling and use in ceiling.uses],
            grants=[_shown(visit, grant) for grant in agreement.grants],
            signatures={signature.party: signature for signature in agreement.signatures},
        )


def _shown(visit: Visit, grant: Grant) -> GrantShown:
    months = "all months"
    if grant.last_months:
        months = "this month" if grant.last_months == 1 else f"the last {grant.last_months} months"
    elif grant.from_month or grant.to_month:
        months = f"{grant.from_month or 'the first'} to {grant.to_month or 'the newest'}"
    return GrantShown(
        position=grant.position,
        places=places_in_words([area.code for area in grant.areas], visit.services.areas),
        edge_m=grant.edge_m,
        months=months,
        groups=grant.groups.split(),
        precision=precision_in_words(Precision(grant.precision), grant.grid_m),
        uses=[use.value for use in Use if use in grant.uses],
        officer_records=grant.officer_records,
    )


@router.get("/agreements/{step}/change")
def change_page(step: str, visit: MemberDep) -> Response:
    """The form of a draft's details."""
    visit.require(Permission.MANAGE_AGREEMENTS)
    with visit.services.database.read() as session:
        agreement = found(visit, session, step)
        contact = next((c for c in agreement.contacts if c.role == ContactRole.DATA_PROTECTION), None)
        form = Form(
            defaults={
                "starts": agreement.starts.isoformat(),
                "ends": agreement.ends.isoformat(),
                "review_on": agreement.review_on.isoformat() if agreement.review_on else "",
                "lawful_basis": agreement.lawful_basis,
                "purposes": agreement.purposes,
                "controllers": "\n".join(party.name for party in agreement.parties[1:]),
                "contact_name": contact.name if contact else "",
                "contact_email": contact.email if contact else "",
                "onward_sharing": agreement.onward_sharing,
                "retention": agreement.retention,
            }
        )
        return _new_page(visit, form, agreement)


@router.post("/agreements/{step}/change")
def change(step: str, visit: MemberDep, form: PostedDep) -> Response:
    """Give a draft other details."""
    visit.require(Permission.MANAGE_AGREEMENTS)
    starts, ends = _day(form, "starts", "the first day"), _day(form, "ends", "the last day")
    details = _details(form)
    if not form.errors and details:
        with form.telling():
            changed(
                visit,
                step,
                lambda session, agreement: service.change(
                    visit.services, session, visit.who.user_id, agreement, details, starts, ends
                ),
            )
        if not form.errors:
            return visit.go(f"/agreements/{step}", "The draft is changed. What was signed of it before is void.")
    with visit.services.database.read() as session:
        return _new_page(visit, form, found(visit, session, step))


def _details(form: Form) -> service.Details | None:
    """What the form says beside the dates; ``None``, with its troubles noted, where something is missing."""
    basis = form.required("lawful_basis", "State the lawful basis of the sharing.")
    name = form.required("contact_name", "Name the contact for data protection.")
    email = form.required("contact_email", "Give the e-mail address of the contact.")
    review_on = _day(form, "review_on", "the day of the review") if form.text("review_on") else None
    if form.errors:
        return None
    return service.Details(
        lawful_basis=basis,
        purposes=tuple(form.all("purposes")),
        controllers=tuple(
            service.PartyDetails(line.strip()) for line in form.text("controllers").splitlines() if line.strip()
        ),
        contacts=(service.ContactDetails(ContactRole.DATA_PROTECTION, name, email),),
        review_on=review_on,
        onward_sharing=form.text("onward_sharing"),
        retention=form.text("retention"),
    )


def _day(form: Form, name: str, what: str) -> date | None:
    try:
        return date.fromisoformat(form.text(name))
    except ValueError:
        form.errors[name] = f"Give {what} as a date, such as 2026-11-22."
        return None


@router.get("/agreements/{step}/schedule")
def schedule_page(step: str, visit: MemberDep) -> Response:
    """What is to be signed, and its SHA-256."""
    with visit.services.database.read() as session:
        agreement = found(visit, session, step)
        return visit.page(
            "schedule.html", agreement=agreement, schedule=service.schedule(visit.services, session, agreement)
        )


@router.get("/agreements/{step}/schedule.txt")
def schedule_text(step: str, visit: MemberDep) -> Response:
    """The very bytes of which the SHA-256 is."""
    with visit.services.database.read() as session:
        agreement = found(visit, session, step)
        text = service.schedule(visit.services, session, agreement).text
    headers = {"Content-Disposition": f'attachment; filename="{slug(agreement.reference)}-schedule.txt"'}
    return Response(text.encode(), media_type="text/plain; charset=utf-8", headers=headers)


@router.get("/agreements/{step}/document")
def document(step: str, visit: MemberDep) -> Response:
    """The signed document."""
    with visit.services.database.read() as session:
        agreement = found(visit, session, step)
        content = document_for(visit.services, visit.who, agreement)
    headers = {"Content-Disposition": f'attachment; filename="{slug(agreement.reference)}-signed.pdf"'}
    return Response(content, media_type="application/pdf", headers=headers)


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
    signed_on = _day(form, "signed_on", "the day of the signature")
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


@router.get("/agreements/{step}/explain")
def explain_page(step: str, visit: MemberDep, username: str = "", use: str = Use.SYNC.value) -> Response:
    """What one of its people sees, and why."""
    visit.require(Permission.SEE_PEOPLE)
    form = Form(defaults={"username": username, "use": use})
    with visit.services.database.read() as session:
        agreement = found(visit, session, step)
        people = users(session, agreement.organisation_id)
    explained = None
    if username in {person.username for person in people} and use in list(Use):
        explained = explain(
            visit.services,
            username,
            agreement.dataset,
            Use(use),
            actor=visit.who.user_id,
            session_id=visit.who.session_id,
            count_rows=visit.may(Permission.MANAGE_RELEASES),
        )
    return visit.page(
        "explain.html",
        form=form,
        agreement=agreement,
        people=[(person.username, f"{person.display_name} ({person.username})") for person in people],
        uses=[(choice.value, choice.value.capitalize()) for choice in Use],
        lines=explained.lines if explained else (),
        refused=bool(explained and explained.refusal),
    )


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
