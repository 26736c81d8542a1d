"""The person behind a page: who has an active session of the console goes on, others are sent to its next step."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy.orm import Session

from ..identity.models import Channel, SignInState
from ..identity.refusals import audit_refusal, path_of
from ..identity.sessions import Found, find_session, not_active, subject_at_work, subject_of
from ..identity.subject import Subject
from ..problems import Problem
from .visits import HOME, Elsewhere, GuestDep, Visit, with_query

STEPS = {
    SignInState.SECOND_FACTOR: "/second-factor",
    SignInState.ENROLMENT: "/enrolment",
    SignInState.PENDING: "/conditions",
}


def found_session(visit: Visit) -> Found:
    """The session of the cookie in whatever state; raises ``Problem`` 401 where there is none."""
    with visit.services.database.read() as session:
        return _found(visit, session)


def asker_of(visit: Visit) -> Subject | None:
    """The person of the cookie's session, in whatever state it is; None where there is none."""
    with visit.services.database.read() as session:
        try:
            return subject_of(_found(visit, session).sign_in)
        except Problem:
            return None


def _found(visit: Visit, session: Session) -> Found:
    return find_session(session, visit.token, visit.services.settings, Channel.CONSOLE)


def _member(visit: GuestDep, request: Request) -> Visit:
    where = request.scope["path"] if request.method == "GET" else ""
    services = visit.services
    with services.database.read() as session:
        try:
            found = _found(visit, session)
        except Problem:
            address = with_query(
                f"{HOME}/sign-in", {"next": where if where != HOME else "", "ended": "1" if visit.token else ""}
            )
            raise Elsewhere(address) from None
        if found.state != SignInState.ACTIVE:
            audit_refusal(services.audit, not_active(found), path_of(request), subject_of(found.sign_in))
            raise Elsewhere(with_query(HOME + STEPS[found.state], {"next": where if where != HOME else ""}))
        visit.subject = subject_at_work(services.database, session, found, services.settings)
    request.scope["console_subject"] = visit.subject  # so that a page of trouble keeps the menu
    return visit


# Who is signed in: conditions accepted, purpose chosen.
MemberDep = Annotated[Visit, Depends(_member)]


def _unfinished(visit: GuestDep, request: Request) -> Visit:
    """A session that may still be on its way; the handler looks at its step."""
    if not visit.token:
        raise Elsewhere(f"{HOME}/sign-in")
    try:
        found = found_session(visit)
    except Problem:
        raise Elsewhere(f"{HOME}/sign-in?ended=1") from None
    step = STEPS.get(found.state, "")
    path = request.scope["path"].removeprefix(HOME)
    if path != step and path in STEPS.values():
        raise Elsewhere(HOME + step)
    visit.found = found
    return visit


# Who is at one of the steps between password and work.
StepDep = Annotated[Visit, Depends(_unfinished)]
