"""Agreements: the list, and one of them: what it says, its schedule and document, what its people see."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Query, Response
from sqlalchemy.orm import Session

from ..agreements import service
from ..agreements.ceiling import precision_in_words
from ..agreements.documents import document_for
from ..agreements.explain import explain
from ..agreements.grants import cut_by_terms, places_in_words
from ..agreements.models import Agreement, Grant, Precision, Use
from ..agreements.review import Standing, due_for_review, standing
from ..agreements.terms import ceiling_on
from ..database import PERSONS_PATIENCE_MS
from ..errors import SafeStatsError
from ..identity.permissions import Permission, sees_all
from ..identity.service import users
from ..instants import london_today
from .choices import dataset_options, organisation_options, title_of
from .forms import Form
from .paging import page_of
from .routes import console_router
from .signed_in import MemberDep
from .site import reference_of, slug
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
