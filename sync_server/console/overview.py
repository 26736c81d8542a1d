"""The first page: what needs somebody's attention, as far as it is theirs."""

from __future__ import annotations

from collections.abc import Iterator

from fastapi import Response

from ..agreements.review import due_for_review
from ..agreements.terms import datasets_without_terms
from ..identity.decisions import requests
from ..identity.models import Role
from ..identity.permissions import Permission, sees_all
from ..instants import london_today
from ..learning import service as case_studies
from ..oversight.publishing_times import late_deliveries
from ..publishing.jobs import Jobs
from ..publishing.models import OPEN_STATES, JobKind, JobState
from ..publishing.worker_lock import worker_lives
from .agreements import entries_for
from .attention import Attention, supplier_work, team_work
from .choices import title_of
from .people import people_for
from .routes import console_router
from .signed_in import MemberDep
from .site import day, slug
from .visits import Visit

_JOBS = 10
MOST_UNSEALED = 1000  # in a minute, which is how often seals are made

router = console_router()


@router.get("")
def overview(visit: MemberDep) -> Response:
    """What needs attention."""
    return visit.page("overview.html", attention=list(_attention(visit)), cards=_cards(visit))


def _attention(visit: Visit) -> Iterator[Attention]:
    services, today = visit.services, london_today()
    with services.database.read() as session:
        if visit.who.role == Role.SUPPLIER:
            yield from supplier_work(visit, session, today)
            return
        yield from team_work(visit, session, today)
        if visit.may(Permission.SEE_AGREEMENTS):
            shown = {entry.agreement.reference for entry in entries_for(visit, session)}
            for notice in due_for_review(session, today):
                if notice.reference in shown:
                    word = ("Ends" if notice.ends else "Review") if notice.days >= 0 else "Overdue"
                    kind = "bad" if notice.days < 0 else "warn"
                    yield Attention(word, kind, notice.sentence, f"/console/agreements/{slug(notice.reference)}")
        if visit.may(Permission.SEE_RELEASES):
            for dataset in datasets_without_terms(session, services.definitions):
                sentence = f"No supplier’s terms are recorded for {title_of(visit, dataset)}."
                yield Attention("Terms", "warn", sentence, "/console/terms")
        if visit.may(Permission.SEE_DECISIONS):
            for request in requests(session):
                name, home = request.user.username, request.user.organisation.name
                yield Attention("Purpose", "warn", f"{name} ({home}) asks for a purpose.", "/console/purposes")
        if visit.may(Permission.APPROVE_CASE_STUDIES) and (number := case_studies.count_waiting(session, visit.who)):
            sentence = f"{number:,} case {'study waits' if number == 1 else 'studies wait'} to be approved."
            yield Attention("Learning", "warn", sentence, "/console/case-studies")
        if visit.may(Permission.READ_OVERSIGHT):
            for late in late_deliveries(session, services.definitions, today):
                if late.last and services.definition(late.dataset).due_day and visit.may(Permission.SEE_QUALITY):
                    continue  # told by the month that is missing
                since = f"was due on {day(late.due)}" if late.due else "has never come"
                sentence = f"{title_of(visit, late.dataset)}: the delivery of {late.supplier} {since}."
                yield Attention("Late", "warn", sentence, f"/console/releases/{late.dataset}")
    if visit.may(Permission.READ_AUDIT):
        newest, sealed = services.audit.store.head()[0], services.audit.sealed_until()
        if newest - sealed > MOST_UNSEALED:
            sentence = f"{newest - sealed:,} events of the audit are not sealed: does the worker live?"
            yield Attention("Audit", "bad", sentence, "/console/audit/seals")
    if visit.may(Permission.SEE_RELEASES):
        yield from _jobs(visit)


def _jobs(visit: Visit) -> Iterator[Attention]:
    jobs = Jobs(visit.services.database).newest(_JOBS)
    lives = worker_lives(visit.services.settings.data_dir)
    newest: dict[str, int] = {}
    for job in jobs:
        newest.setdefault(job.dataset, job.id)
        address = f"/console/releases/{job.dataset}"
        if job.kind == JobKind.LOAD and job.state == JobState.FAILED and visit.may(Permission.MANAGE_RELEASES):
            continue  # counted among the work
        if job.state == JobState.FAILED and newest[job.dataset] == job.id:
            yield Attention("Failed", "bad", f"Job {job.id} of {job.dataset}: {job.message}", address)
        elif job.state in OPEN_STATES:
            how = "runs" if job.state == JobState.RUNNING else "waits" if lives else "waits, and no worker lives"
            yield Attention("Job", "calm" if lives else "warn", f"Job {job.id} of {job.dataset} {how}.", address)


def _cards(visit: Visit) -> list[tuple[str, int, str]]:
    """Figures of what the person may see: title, number, address."""
    cards = []
    with visit.services.database.read() as session:
        if visit.may(Permission.SEE_AGREEMENTS):
            live = [entry for entry in entries_for(visit, session) if entry.standing == "active"]
            cards.append(("agreements in force", len(live), "/console/agreements?standing=active"))
        if visit.may(Permission.SEE_PEOPLE):
            people = [person for person in people_for(visit, session) if person.active]
            title = "people with an account" if sees_all(visit.who.role) else "people of your organisation"
            cards.append((title, len(people), "/console/people"))
    return cards
