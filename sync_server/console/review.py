"""Places to look at: descriptions that fit several places or none, and what was decided on others."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Query, Response

from ..geocoding import review as queue
from ..geocoding.models import DecisionKind
from ..identity.permissions import Permission
from ..publishing.jobs import Jobs
from ..publishing.models import JobKind
from .choices import title_of
from .forms import Form, PostedDep
from .routes import console_router
from .signed_in import MemberDep
from .visits import Visit, gone, with_query

ROWS = 50
_DECISIONS = 30
_BIGGEST = 2**31
Number = Annotated[int, Path(ge=1, lt=_BIGGEST)]

router = console_router()


@router.get("/places")
def places(visit: MemberDep, dataset: str = "", after: Annotated[int, Query(ge=0, lt=_BIGGEST)] = 0) -> Response:
    """The texts that wait, those of most rows first."""
    visit.require(Permission.REVIEW_PLACES)
    if dataset and dataset not in visit.services.definitions:
        raise gone()
    with visit.services.database.read() as session:
        waiting = queue.waiting_texts(session, dataset, ROWS + 1, after)
        texts, rows = queue.count_waiting(session)
        to_place = queue.rows_to_place(session)
        decisions = queue.recent_decisions(session, _DECISIONS)
    more = (
        with_query("/console/places", {"dataset": dataset, "after": str(after + ROWS)}) if len(waiting) > ROWS else ""
    )
    return visit.page(
        "places.html",
        waiting=waiting[:ROWS],
        texts=texts,
        rows=rows,
        to_place=to_place,
        titles={name: title_of(visit, name) for name in to_place},
        decisions=decisions,
        next=more,
        first=with_query("/console/places", {"dataset": dataset}) if after else "",
    )


@router.get("/places/{review_id}")
def one_place(review_id: Number, visit: MemberDep) -> Response:
    """One text, to be decided on."""
    return _page(visit, review_id, Form())


@router.post("/places/{review_id}")
def decide(review_id: Number, visit: MemberDep, form: PostedDep) -> Response:
    """Remember what it means."""
    waiting = _found(visit, review_id)
    said = form.required("meaning", "Say what the text means.")
    kind, _, number = said.partition(":")
    if kind not in (str(each) for each in DecisionKind) or (number and not number.isdigit()):
        form.errors.setdefault("meaning", "Say what the text means.")
    elif kind == DecisionKind.POSTCODE and not form.text("postcode"):
        form.errors["postcode"] = "Give the postcode of the place."
    if not form.errors:
        with form.telling("postcode" if kind == DecisionKind.POSTCODE else "meaning"):
            rows = queue.decide(
                visit.services,
                visit.who.user_id,
                waiting.review_id,
                DecisionKind(kind),
                candidate=int(number[:4]) if number else None,
                postcode=form.text("postcode"),
                every_site=form.ticked("every_site"),
            )
            told = f"It is remembered. {rows:,} rows are placed so at their next load, or now: see below."
            return visit.go("/places", told)
    return _page(visit, review_id, form)


@router.post("/places/again/{dataset}")
def place_now(dataset: str, visit: MemberDep, form: PostedDep) -> Response:
    """Ask for the job that stages the rows that were decided on."""
    visit.require(Permission.REVIEW_PLACES)
    visit.require(Permission.MANAGE_RELEASES)
    if dataset not in visit.services.definitions:
        raise gone()
    number = Jobs(visit.services.database).request(dataset, JobKind.PLACE, visit.who.user_id)
    told = f"Job {number} places the rows that wait. Load this page again; when it is done, publish what it staged."
    return visit.go(f"/releases/{dataset}", told)


@router.post("/places/decisions/{decision_id}/forget")
def forget(decision_id: Number, visit: MemberDep, form: PostedDep) -> Response:
    """Take a decision back."""
    visit.require(Permission.REVIEW_PLACES)
    queue.forget(visit.services, visit.who.user_id, decision_id)
    return visit.go("/places", "The decision is taken back. The text is asked about when it next comes.")


def _found(visit: Visit, review_id: int) -> queue.Waiting:
    visit.require(Permission.REVIEW_PLACES)
    with visit.services.database.read() as session:
        waiting = queue.waiting_text(session, review_id)
    if waiting is None:
        raise gone()
    return waiting


def _page(visit: Visit, review_id: int, form: Form) -> Response:
    waiting = _found(visit, review_id)
    meanings = [
        (f"{DecisionKind.CANDIDATE}:{number}", f"{place.label} ({place.level}, ± {place.precision_m:,} m)")
        for number, place in enumerate(waiting.candidates)
    ]
    meanings.append((str(DecisionKind.POSTCODE), "It is at the postcode below"))
    meanings.append((str(DecisionKind.NO_PLACE), "It names no place"))
    return visit.page("place.html", form=form, waiting=waiting, meanings=meanings)
