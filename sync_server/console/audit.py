"""The audit: searching it, one event, verification, seals."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from typing import Annotated, Any

from fastapi import Query, Response
from sqlalchemy.orm import Session

from ..audit.events import EventType, Outcome
from ..audit.log import Event
from ..audit.seals import Seal
from ..audit.search import AuditScope, Page, search
from ..audit.store import Criteria, StoredEvent
from ..identity.permissions import Permission
from ..identity.service import users
from ..instants import LONDON, iso, now
from .choices import dataset_options, organisation_options
from .forms import Form, PostedDep
from .routes import console_router
from .signed_in import MemberDep
from .visits import Visit, gone, with_query

MOST_SEALS = 100
_MOST_NOTES = 1000  # that are counted
_NOTES_DAYS = 30  # so old a note is told of no more
_MOST_NAMED = 5  # of those who reported them
_FILTERS = ("event", "outcome", "actor", "organisation", "dataset", "since", "until", "text")

router = console_router()


@router.get("/audit")
def audit(visit: MemberDep, before: Annotated[int | None, Query(ge=1, lt=2**62)] = None) -> Response:
    """A search, newest events first; without criteria the newest of all."""
    visit.require(Permission.READ_AUDIT)
    asked = {name: visit.request.query_params.get(name, "").strip() for name in _FILTERS}
    form = Form(defaults=asked)
    since, until = _instant(form, "since"), _instant(form, "until", days=1)
    with visit.services.database.read() as session:
        names = _names(session)
        organisations = organisation_options(session)
    criteria = Criteria(
        actor=next((user_id for user_id, name in names.items() if name == asked["actor"]), asked["actor"]),
        organisation=asked["organisation"],
        dataset=asked["dataset"],
        event=asked["event"],
        outcome=asked["outcome"],
        since=since,
        until=until,
        text=asked["text"],
    )
    found = search(visit.services.audit, AuditScope.everything(visit.who.user_id), criteria, Page(before))
    further = with_query("/console/audit", {**asked, "before": str(found.next.before)}) if found.next else ""
    notes = _open_notes(visit)
    reporters = list(dict.fromkeys(names.get(note.actor) or note.actor for note in notes[:_MOST_NOTES]))
    return visit.page(
        "audit.html",
        form=form,
        notes=f"more than {_MOST_NOTES:,}" if len(notes) > _MOST_NOTES else len(notes),
        newest_note=Event.read(notes[0]) if notes else None,
        reporters=reporters[:_MOST_NAMED],
        further_reporters=len(reporters[_MOST_NAMED:]),
        notes_page=with_query("/console/audit", {"event": EventType.NOTE_REFUSED.value}),
        events_found=found.events,
        names=names,
        next=further,
        first=with_query("/console/audit", asked) if before else "",
        events=[(event.value, event.value) for event in EventType],
        outcomes=[(outcome.value, outcome.value.replace("-", " ").capitalize()) for outcome in Outcome],
        organisations=organisations,
        datasets=dataset_options(visit),
    )


def _open_notes(visit: Visit) -> Sequence[StoredEvent]:
    """The refused notes of the last days that nobody has acknowledged, the newest first; one more than are counted."""
    store = visit.services.audit.store
    acknowledged = store.search(Criteria(event=EventType.NOTES_ACKNOWLEDGED), None, 1)
    until = int(Event.read(acknowledged[0]).body["filter"]["until"]) if acknowledged else 0
    since = iso(now() - timedelta(days=_NOTES_DAYS))
    notes = store.search(Criteria(event=EventType.NOTE_REFUSED, since=since), None, _MOST_NOTES + 1)
    return [note for note in notes if note.number > until]


@router.post("/audit/notes")
def acknowledge(visit: MemberDep, form: PostedDep) -> Response:
    """Take note of the refused notes up to the newest that the page showed: those that came meanwhile stay."""
    visit.require(Permission.READ_AUDIT)
    shown = next((note.number for note in _open_notes(visit) if str(note.number) == form.text("until")), None)
    if shown is None:
        return visit.go("/audit", "Nothing was acknowledged: somebody else was quicker.")
    visit.services.audit.record(EventType.NOTES_ACKNOWLEDGED, actor=visit.who.user_id, filter={"until": shown})
    return visit.go("/audit", "The notes are acknowledged. They stay in the audit.")


def _names(session: Session) -> dict[str, str]:
    """Opaque id → user name."""
    return {user.id: user.username for user in users(session)}


def _instant(form: Form, name: str, days: int = 0) -> str:
    """The beginning of a London day, so many days later, as the audit writes instants; "" where none is given."""
    text = form.defaults[name]
    if not text:
        return ""
    try:
        first = datetime.combine(date.fromisoformat(text) + timedelta(days=days), time(), LONDON)
    except (ValueError, OverflowError):
        form.errors[name] = "Give the day as a date, such as 2026-11-22."
        return ""
    return iso(first)


@router.get("/audit/events/{number}")
def event_page(number: int, visit: MemberDep) -> Response:
    """One event, with every member."""
    visit.require(Permission.READ_AUDIT)
    stored = visit.services.audit.store.event(number) if 0 < number < 2**63 else None
    if stored is None:
        raise gone()
    event = Event.read(stored)
    visit.services.audit.record(
        EventType.AUDIT_SEARCHED, actor=visit.who.user_id, filter={"criteria": {"number": number}}
    )
    with visit.services.database.read() as session:
        names = _names(session)
    meaning = next((known.meaning for known in EventType if known.value == event.body["event"]), "")
    members = [(name, _told(name, value)) for name, value in event.body.items() if value not in ("", None, {})]
    return visit.page("audit_event.html", event=event, meaning=meaning, members=members, hash=stored.hash, names=names)


def _told(name: str, value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)


@router.post("/audit/verify")
def verify(visit: MemberDep, form: PostedDep) -> Response:
    """Prove the chain, and say what came of it. Nothing is changed, but it takes work: hence no link."""
    visit.require(Permission.READ_AUDIT)
    result = visit.services.audit.verify()
    return visit.page("audit_result.html", result=result)


@router.get("/audit/seals")
def seals(visit: MemberDep) -> Response:
    """The newest seals."""
    visit.require(Permission.READ_AUDIT)
    stored = list(visit.services.audit.store.seals())
    return visit.page(
        "audit_seals.html",
        seals=[Seal.read(seal) for seal in reversed(stored[-MOST_SEALS:])],
        newest=visit.services.audit.store.head()[0],
    )
