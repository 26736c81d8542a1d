"""Decisions on purposes: the SafeStats team's on what people ask for, and the Steering Group's, recorded."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from ..audit.log import EventType
from ..errors import SafeStatsError
from ..instants import london_today, now
from ..services import Services
from .authority import authorise
from .models import PurposeRequest, RequestState, SignIn, SignInState, SteeringDecision
from .permissions import Permission
from .purpose_choice import OWN_PURPOSE
from .service import find_organisation

DAYS_UNLESS_TOLD = 90
MOST_DAYS = 366


def requests(session: Session, state: RequestState | None = RequestState.HELD) -> Sequence[PurposeRequest]:
    """The requests in a state (or all), the oldest first."""
    found = select(PurposeRequest).order_by(PurposeRequest.requested_at, PurposeRequest.id)
    return session.scalars(found if state is None else found.where(PurposeRequest.state == state)).all()


def decide_purpose(
    services: Services,
    actor: str,
    request_id: int,
    approve: bool,
    *,
    reason: str = "",
    text: str | None = None,
    valid_until: date | None = None,
) -> PurposeRequest:
    """Approve (perhaps in better words, for a time) or refuse a purpose that somebody asked for.

    Raises ``SafeStatsError`` where there is no such request, it is decided already, or a refusal has no reason.
    """
    today = london_today()
    until = valid_until or today + timedelta(days=DAYS_UNLESS_TOLD)
    if approve and not today <= until <= today + timedelta(days=MOST_DAYS):
        raise SafeStatsError(f"An approval is for a time: until some day within the next {MOST_DAYS} days.")
    if not approve and not reason.strip():
        raise SafeStatsError("A refusal needs its reason: the person will ask.")
    with services.database.write() as session:
        user = authorise(session, actor, Permission.DECIDE_PURPOSES)
        request = session.get(PurposeRequest, request_id)
        if request is None:
            raise SafeStatsError(f"There is no request {request_id}: see “safestats decision requests”.")
        if request.state != RequestState.HELD:
            raise SafeStatsError(f"Request {request_id} was {request.state} already.")
        if user is not None and user.id == request.user_id:
            raise SafeStatsError("Nobody decides on their own purpose: ask a colleague.")
        request.state = RequestState.APPROVED if approve else RequestState.REFUSED
        request.decided_at, request.decided_by, request.reason = now(), actor, reason.strip()
        if approve:
            request.valid_until = until
            request.text = " ".join((text or request.text).split())
        _record_request(services, actor, request)
    return request


def withdraw_purpose(services: Services, actor: str, request_id: int, reason: str) -> PurposeRequest:
    """Take an approval back; sessions that have the purpose end at once."""
    with services.database.write() as session:
        authorise(session, actor, Permission.DECIDE_PURPOSES)
        request = session.get(PurposeRequest, request_id)
        if request is None or request.state != RequestState.APPROVED:
            raise SafeStatsError(f"There is no approved request {request_id}: see “safestats decision requests”.")
        request.state = RequestState.REFUSED
        request.decided_at, request.decided_by, request.reason = now(), actor, reason.strip()
        _end_sessions(session, f"{OWN_PURPOSE}{request.id}", None)
        _record_request(services, actor, request)
    return request


def record_decision(
    services: Services,
    actor: str,
    reference: str,
    purpose: str,
    *,
    organisation: str | None,
    decided_on: date,
    valid_until: date,
    summary: str,
) -> SteeringDecision:
    """Record that the Steering Group opened a purpose, to one organisation or (None) to all.

    Raises ``SafeStatsError`` where the purpose cannot be opened (enforcement and prosecution never are), the
    reference is taken, or the dates do not fit.
    """
    known = next((p for p in services.purposes if p.code == purpose), None)
    if known is None:
        raise SafeStatsError(f"There is no purpose “{purpose}”.")
    if not known.by_decision:
        raise SafeStatsError(
            f"“{known.title}” is allowed already."
            if known.allowed
            else f"“{known.title}” is never a purpose of SafeStats: no decision opens it."
        )
    if not reference.strip() or not summary.strip():
        raise SafeStatsError("A decision needs its reference (say, the minutes) and what was decided.")
    if not decided_on <= london_today() or valid_until < decided_on:
        raise SafeStatsError("A decision was made today or before, and holds until that day or later.")
    with services.database.write() as session:
        authorise(session, actor, Permission.RECORD_DECISIONS)
        if session.scalar(select(SteeringDecision.id).where(SteeringDecision.reference == reference.strip())):
            raise SafeStatsError(f"Decision {reference} is recorded already.")
        home = find_organisation(session, organisation) if organisation else None
        decision = SteeringDecision(
            reference=reference.strip(),
            purpose=purpose,
            organisation_id=home.id if home else None,
            decided_on=decided_on,
            valid_until=valid_until,
            summary=summary.strip(),
            recorded_by=actor,
            recorded_at=now(),
        )
        decision.organisation = home
        session.add(decision)
        session.flush()
        _record_decision(services, actor, decision)
    return decision


def withdraw_decision(services: Services, actor: str, reference: str) -> SteeringDecision:
    """Record that a decision was taken back; sessions that have the purpose by it end at once."""
    with services.database.write() as session:
        authorise(session, actor, Permission.RECORD_DECISIONS)
        decision = session.scalar(select(SteeringDecision).where(SteeringDecision.reference == reference))
        if decision is None or decision.withdrawn_at is not None:
            raise SafeStatsError(f"There is no decision {reference} in force: see “safestats decision list”.")
        decision.withdrawn_at = now()
        _end_sessions(session, decision.purpose, decision.organisation_id)
        _record_decision(services, actor, decision)
    return decision


def decisions(session: Session) -> Sequence[SteeringDecision]:
    """The Steering Group's decisions, the newest first."""
    return session.scalars(
        select(SteeringDecision).order_by(SteeringDecision.decided_on.desc(), SteeringDecision.id.desc())
    ).all()


def _end_sessions(session: Session, purpose: str, organisation_id: int | None) -> None:
    for sign_in in session.scalars(select(SignIn).where(SignIn.purpose == purpose, SignIn.state != SignInState.ENDED)):
        if organisation_id is None or sign_in.user.organisation_id == organisation_id:
            sign_in.state = SignInState.ENDED


def _record_request(services: Services, actor: str, request: PurposeRequest) -> None:
    services.audit.record(
        EventType.PURPOSE_DECIDED,
        actor=actor,
        organisation=request.user.organisation.code,
        purpose=f"{OWN_PURPOSE}{request.id}",
        filter={"request": request.id, "user": request.user_id, "state": request.state, "until": request.valid_until},
    )


def _record_decision(services: Services, actor: str, decision: SteeringDecision) -> None:
    services.audit.record(
        EventType.STEERING_DECISION,
        actor=actor,
        organisation=decision.organisation.code if decision.organisation else "",
        purpose=decision.purpose,
        filter={
            "reference": decision.reference,
            "until": decision.valid_until,
            "withdrawn": decision.withdrawn_at is not None,
        },
    )
