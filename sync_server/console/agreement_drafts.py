"""Drafts of agreements: their form, to begin with and to change."""

from __future__ import annotations

from datetime import timedelta

from fastapi import Response

from ..agreements import service
from ..agreements.details import ContactDetails, Details, PartyDetails
from ..agreements.models import Agreement, ContactRole
from ..database import PERSONS_PATIENCE_MS
from ..identity.permissions import Permission
from ..identity.service import find_organisation
from ..instants import london_today
from .agreements import changed, found
from .choices import dataset_options, organisation_options
from .forms import Form, PostedDep
from .routes import console_router
from .signed_in import MemberDep
from .site import slug
from .visits import Visit

router = console_router()


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
    starts, ends = form.day("starts", "the first day"), form.day("ends", "the last day")
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
    starts, ends = form.day("starts", "the first day"), form.day("ends", "the last day")
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


def _details(form: Form) -> Details | None:
    """What the form says beside the dates; ``None``, with its troubles noted, where something is missing."""
    basis = form.required("lawful_basis", "State the lawful basis of the sharing.")
    name = form.required("contact_name", "Name the contact for data protection.")
    email = form.required("contact_email", "Give the e-mail address of the contact.")
    review_on = form.day("review_on", "the day of the review") if form.text("review_on") else None
    if form.errors:
        return None
    return Details(
        lawful_basis=basis,
        purposes=tuple(form.all("purposes")),
        controllers=tuple(PartyDetails(line.strip()) for line in form.text("controllers").splitlines() if line.strip()),
        contacts=(ContactDetails(ContactRole.DATA_PROTECTION, name, email),),
        review_on=review_on,
        onward_sharing=form.text("onward_sharing"),
        retention=form.text("retention"),
    )
