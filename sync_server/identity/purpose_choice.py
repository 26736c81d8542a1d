"""Which purposes a person may choose from, and what comes of choosing one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from ..instants import london_today, now
from ..problems import Problem
from .models import PurposeRequest, RequestState, SteeringDecision, User
from .purposes import Purpose

OWN_PURPOSE = "other-"  # and the number of the request
SHORTEST_TEXT = 20
LONGEST_TEXT = 500
MOST_HELD = 5  # of one person


@dataclass(frozen=True)
class Chosen:
    """The purpose that was asked for; with a ``refusal`` it was not given."""

    code: str
    detail: str
    refusal: Problem | None = None
    request: int | None = None  # of a purpose in the person's own words: its number
    until: date | None = None  # the last day of what was approved or decided for a time


def purposes_for(session: Session, purposes: Sequence[Purpose], user: User) -> list[Purpose]:
    """All purposes as they stand for the person today: what the Steering Group decided, and their own approved."""
    shown = [
        replace(purpose, allowed=True, advice="")
        if purpose.by_decision and decision_for(session, purpose.code, user.organisation_id) is not None
        else purpose
        for purpose in purposes
    ]
    own = [
        Purpose(f"{OWN_PURPOSE}{request.id}", "Your own purpose", request.text, allowed=True)
        for request in session.scalars(
            select(PurposeRequest)
            .where(
                PurposeRequest.user_id == user.id,
                PurposeRequest.state == RequestState.APPROVED,
                PurposeRequest.valid_until >= london_today(),
            )
            .order_by(PurposeRequest.id)
        )
    ]
    return shown + own


def decision_for(session: Session, purpose: str, organisation_id: int) -> SteeringDecision | None:
    """The Steering Group's decision in force today that opens the purpose to the organisation, if there is one."""
    today = london_today()
    return session.scalar(
        select(SteeringDecision)
        .where(
            SteeringDecision.purpose == purpose,
            or_(SteeringDecision.organisation_id.is_(None), SteeringDecision.organisation_id == organisation_id),
            SteeringDecision.decided_on <= today,
            SteeringDecision.valid_until >= today,
            SteeringDecision.withdrawn_at.is_(None),
        )
        .order_by(SteeringDecision.valid_until.desc())
        .limit(1)
    )


def choose(session: Session, purposes: Sequence[Purpose], user: User, code: str, detail: str) -> Chosen:
    """What comes of choosing a purpose; one in the person's own words is noted down for the SafeStats team.

    Raises the ``Problem`` where there is no such purpose, or the words are missing.
    """
    purpose = next((p for p in purposes_for(session, purposes, user) if p.code == code), None)
    detail = " ".join(detail.split())
    if purpose is None:
        raise Problem(422, "purpose-missing", "No purpose chosen", "Choose the purpose of this session.")
    if not purpose.allowed:
        refusal = Problem(
            403,
            "purpose-refused",
            "Not a purpose of SafeStats",
            f"{purpose.title} is not a purpose of SafeStats. {purpose.advice}",
            advice=purpose.advice,
        )
        return Chosen(code, detail, refusal)
    if purpose.held:
        request = _hold(session, user, detail)
        refusal = Problem(
            403,
            "purpose-held",
            "Your purpose waits for approval",
            "Your request was passed to the SafeStats team; until they have approved it, choose another purpose.",
        )
        return Chosen(code, detail, refusal, request)
    if code.startswith(OWN_PURPOSE):
        approved = session.get_one(PurposeRequest, int(code.removeprefix(OWN_PURPOSE)))
        return Chosen(code, purpose.description, until=approved.valid_until)
    decision = decision_for(session, code, user.organisation_id) if purpose.by_decision else None
    return Chosen(code, detail, until=decision.valid_until if decision else None)


def _hold(session: Session, user: User, text: str) -> int:
    if not SHORTEST_TEXT <= len(text) <= LONGEST_TEXT:
        raise Problem(
            422,
            "purpose-detail-missing",
            "Purpose not described",
            f"Describe your purpose in {SHORTEST_TEXT} to {LONGEST_TEXT} characters, so that it can be decided on.",
        )
    held = PurposeRequest.user_id == user.id, PurposeRequest.state == RequestState.HELD
    again = session.scalar(select(PurposeRequest.id).where(*held, PurposeRequest.text == text).limit(1))
    if again is not None:
        return again
    if (session.scalar(select(func.count()).select_from(PurposeRequest).where(*held)) or 0) >= MOST_HELD:
        raise Problem(
            409,
            "too-many-requests-held",
            "Too many requests wait",
            f"{MOST_HELD} of your requests wait for the SafeStats team: wait for their answer before you ask for more.",
        )
    request = PurposeRequest(user_id=user.id, text=text, requested_at=now())
    session.add(request)
    session.flush()
    return request.id
