"""Signing in, its steps, and one's own sessions."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, BackgroundTasks
from sqlalchemy.orm import Session

from ..answers import problems
from ..audit.log import EventType
from ..dependencies import AddressDep, PersonDep, ReadDep, ServicesDep, TokenDep
from ..instants import iso
from ..services import Services
from . import links, second_factor, sessions, signing_in
from .conditions import current_conditions
from .models import SignInState, User
from .purpose_choice import purposes_for
from .schemas import (
    AcceptRequest,
    ActiveAnswer,
    ChoiceAnswer,
    CodeRequest,
    ConditionsAnswer,
    EnrolledAnswer,
    EnrolmentAnswer,
    NewPasswordRequest,
    OwnSessionAnswer,
    OwnSessionsAnswer,
    PurposeAnswer,
    PurposeRequest,
    RecoveryCodesAnswer,
    ResetRequest,
    SignInRequest,
    StateAnswer,
    StepAnswer,
    UserAnswer,
)

router = APIRouter(prefix="/v1", tags=["session"], responses=problems(401, 403, 404, 409))


@router.post("/session", status_code=201)
def sign_in(body: SignInRequest, services: ServicesDep, address: AddressDep) -> StepAnswer:
    """A session: with its conditions and purposes (none is preselected), or waiting for the second factor."""
    opened = signing_in.sign_in(services, body.username, body.password, address, body.client)
    return StepAnswer(**step(services, opened))


@router.post("/session/second-factor")
def pass_second_factor(body: CodeRequest, services: ServicesDep, token: TokenDep, address: AddressDep) -> StepAnswer:
    """The pending session, under a new token, for a right code."""
    return StepAnswer(**step(services, second_factor.pass_second_factor(services, token, body.code, address)))


@router.post("/session/enrolment")
def begin_enrolment(services: ServicesDep, token: TokenDep) -> EnrolmentAnswer:
    """A secret for the authenticator, which counts once a code of it is confirmed."""
    return EnrolmentAnswer(**asdict(second_factor.begin_enrolment(services, token)))


@router.post("/session/enrolment/confirm")
def confirm_enrolment(body: CodeRequest, services: ServicesDep, token: TokenDep) -> EnrolledAnswer:
    """The session goes on under a new token; the recovery codes are told this once."""
    enrolled = second_factor.confirm_enrolment(services, token, body.code)
    return EnrolledAnswer(**step(services, enrolled.opened), recovery_codes=list(enrolled.recovery_codes))


@router.post("/session/recovery-codes")
def renew_recovery_codes(body: CodeRequest, services: ServicesDep, token: TokenDep) -> RecoveryCodesAnswer:
    """New recovery codes in place of the old ones, for a code of the authenticator."""
    codes = second_factor.renew_recovery_codes(services, token, body.code)
    return RecoveryCodesAnswer(recovery_codes=list(codes))


@router.get("/session/conditions")
def conditions(services: ServicesDep, session: ReadDep, token: TokenDep) -> ChoiceAnswer:
    """What a pending session has to accept, and what its person may choose from."""
    found = sessions.find_session(session, token, services.settings)
    if found.state not in (SignInState.PENDING, SignInState.ACTIVE):
        raise sessions.not_active(found)
    return ChoiceAnswer(**choice(session, services, found.sign_in.user))


@router.post("/session/accept")
def accept(body: AcceptRequest, services: ServicesDep, token: TokenDep) -> ActiveAnswer:
    """An active session under a new token."""
    opened = sessions.accept(
        services, token, body.conditions_version, body.conditions_sha256, body.purpose, body.purpose_detail
    )
    return _active(services, opened)


@router.post("/session/purpose")
def choose_purpose(body: PurposeRequest, services: ServicesDep, token: TokenDep) -> ActiveAnswer:
    """The active session with another purpose."""
    sign_in = sessions.choose_purpose(services, token, body.purpose, body.purpose_detail)
    return _active(services, sessions.Opened(token, sign_in))


@router.post("/session/decline", status_code=204)
def decline(services: ServicesDep, token: TokenDep) -> None:
    """End the session: the conditions were declined."""
    sessions.end(services, token, EventType.CONDITIONS_DECLINED)


@router.get("/session")
def state(services: ServicesDep, session: ReadDep, token: TokenDep) -> StateAnswer:
    """The session's state; asking is no work and keeps no session alive."""
    found = sessions.find_session(session, token, services.settings)
    sign_in = found.sign_in
    return StateAnswer(
        state=found.state,
        user=_user(sign_in.user),
        purpose=sign_in.purpose,
        conditions_version=sign_in.conditions_version,
        expires_at=iso(sign_in.expires_at),
        idle_until=iso(sessions.idle_until(sign_in, services.settings)),
    )


@router.delete("/session", status_code=204)
def sign_out(services: ServicesDep, token: TokenDep) -> None:
    """End the session."""
    sessions.end(services, token, EventType.SIGN_OUT)


@router.get("/sessions")
def own_sessions(services: ServicesDep, session: ReadDep, person: PersonDep) -> OwnSessionsAnswer:
    """The person's own sessions, here and on the console."""
    return OwnSessionsAnswer(
        sessions=[
            OwnSessionAnswer(
                id=sign_in.id,
                created_at=iso(sign_in.created_at),
                last_used_at=iso(sign_in.last_used_at),
                client=sign_in.client,
                address=sign_in.address,
                channel=sign_in.channel,
                current=sign_in.id == person.session_id,
            )
            for sign_in in sessions.own_sessions(session, person.user_id, services.settings)
        ]
    )


@router.delete("/sessions/{session_id}", status_code=204)
def end_one(session_id: str, services: ServicesDep, person: PersonDep) -> None:
    """End one of the person's own sessions."""
    sessions.end_one(services, person.user_id, session_id)


@router.delete("/sessions", status_code=204)
def end_others(services: ServicesDep, person: PersonDep) -> None:
    """End all of the person's sessions but this one."""
    sessions.end_others(services, person.user_id, person.session_id)


@router.post("/links/{token}", status_code=204)
def redeem(token: str, body: NewPasswordRequest, services: ServicesDep) -> None:
    """Set the password by the link of an invitation or a reset; sign in with it then."""
    links.redeem(services, token, body.password)


@router.post("/password-reset", status_code=202)
def request_reset(body: ResetRequest, services: ServicesDep, address: AddressDep, later: BackgroundTasks) -> None:
    """Mail a link if there is such an account. The answer is the same, and as quick, if there is none."""
    later.add_task(links.request_reset, services, body.username, address)


def step(services: Services, opened: sessions.Opened) -> dict[str, Any]:
    """The members of ``StepAnswer``: conditions and purposes only where these are the next step."""
    sign_in = opened.sign_in
    ready: dict[str, Any] = {"conditions": None, "purposes": []}
    with services.database.read() as session:
        if sign_in.state in (SignInState.PENDING, SignInState.ACTIVE):
            ready = choice(session, services, sign_in.user)
    return {
        "token": opened.token,
        "state": sign_in.state,
        "user": _user(sign_in.user),
        "expires_at": iso(sign_in.expires_at),
        **ready,
    }


def choice(session: Session, services: Services, user: User) -> dict[str, Any]:
    """The members of ``ChoiceAnswer``."""
    current = current_conditions(session)
    return {
        "conditions": ConditionsAnswer(version=current.version, sha256=current.sha256, text=current.text),
        "purposes": [
            PurposeAnswer(
                code=purpose.code,
                title=purpose.title,
                description=purpose.description,
                allowed=purpose.allowed,
                advice=purpose.advice,
                held=purpose.held,
            )
            for purpose in purposes_for(session, services.purposes, user)
        ],
    }


def _active(services: Services, opened: sessions.Opened) -> ActiveAnswer:
    return ActiveAnswer(
        token=opened.token,
        state=opened.sign_in.state,
        user=_user(opened.sign_in.user),
        purpose=opened.sign_in.purpose,
        expires_at=iso(opened.sign_in.expires_at),
        idle_minutes=services.settings.idle_minutes,
    )


def _user(user: User) -> UserAnswer:
    return UserAnswer(
        username=user.username, display_name=user.display_name, organisation=user.organisation.name, role=user.role
    )
