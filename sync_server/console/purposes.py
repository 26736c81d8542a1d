"""Purposes: what people ask for in their own words, and what the Steering Group has decided."""

from __future__ import annotations

from datetime import date, timedelta

from fastapi import Response

from ..identity import decisions as work
from ..identity.models import PurposeRequest
from ..identity.permissions import Permission
from ..instants import london_today
from .choices import organisation_options
from .forms import Form, PostedDep
from .routes import console_router
from .signed_in import MemberDep
from .visits import Visit, gone

router = console_router()


@router.get("/purposes")
def purposes(visit: MemberDep) -> Response:
    """Requests that wait, and decisions."""
    return _purposes_page(visit, Form(defaults={"decided_on": london_today().isoformat()}))


def _purposes_page(visit: Visit, form: Form) -> Response:
    visit.require(Permission.SEE_DECISIONS)
    with visit.services.database.read() as session:
        return visit.page(
            "purposes.html",
            form=form,
            held=work.requests(session),
            decisions=work.decisions(session),
            purposes=[(p.code, p.title) for p in visit.services.purposes if p.by_decision],
            organisations=organisation_options(session),
            today=london_today(),
        )


@router.get("/purposes/requests/{request_id}")
def request_page(request_id: int, visit: MemberDep) -> Response:
    """One request, to be decided on."""
    until = london_today() + timedelta(days=work.DAYS_UNLESS_TOLD)
    return _request_page(visit, request_id, Form(defaults={"valid_until": until.isoformat()}))


def _request_page(visit: Visit, request_id: int, form: Form) -> Response:
    return visit.page("purpose_request.html", form=form, request=_found(visit, request_id))


def _found(visit: Visit, request_id: int) -> PurposeRequest:
    visit.require(Permission.DECIDE_PURPOSES)
    with visit.services.database.read() as session:
        for request in work.requests(session):
            if request.id == request_id:
                return request
    raise gone()


@router.post("/purposes/requests/{request_id}/{verb}")
def decide(request_id: int, verb: str, visit: MemberDep, form: PostedDep) -> Response:
    """Approve or refuse it."""
    _found(visit, request_id)
    if verb not in ("approve", "refuse"):
        raise gone()
    approve = verb == "approve"
    reason = form.text("reason") if approve else form.required("reason", "Give the reason: the person will ask.")
    until = _day(form, "valid_until") if approve else None
    if not form.errors:
        with form.telling("valid_until" if approve else "reason"):
            work.decide_purpose(
                visit.services, visit.who.user_id, request_id, approve, reason=reason, valid_until=until
            )
            return visit.go("/purposes", "The request is approved." if approve else "The request is refused.")
    return _request_page(visit, request_id, form)


def _day(form: Form, name: str) -> date | None:
    try:
        return date.fromisoformat(form.text(name))
    except ValueError:
        form.errors[name] = "Give the day as a date, such as 2026-11-22."
        return None


@router.post("/purposes/decisions")
def record(visit: MemberDep, form: PostedDep) -> Response:
    """Record what the Steering Group decided."""
    visit.require(Permission.RECORD_DECISIONS)
    reference = form.required("reference", "Give the reference of the minutes.")
    summary = form.required("summary", "Say what was decided.")
    decided_on, valid_until = _day(form, "decided_on"), _day(form, "valid_until")
    if not form.errors and decided_on and valid_until:
        with form.telling():
            work.record_decision(
                visit.services,
                visit.who.user_id,
                reference,
                form.text("purpose"),
                organisation=form.text("organisation") or None,
                decided_on=decided_on,
                valid_until=valid_until,
                summary=summary,
            )
            return visit.go("/purposes", f"Decision {reference} is recorded.")
    return _purposes_page(visit, form)


@router.post("/purposes/decisions/withdraw")
def withdraw(visit: MemberDep, form: PostedDep) -> Response:
    """Record that a decision was taken back."""
    visit.require(Permission.RECORD_DECISIONS)
    with form.telling():
        decision = work.withdraw_decision(visit.services, visit.who.user_id, form.text("withdrawn"))
        return visit.go("/purposes", f"Decision {decision.reference} is withdrawn, and sessions under it have ended.")
    return _purposes_page(visit, form)
