"""Signing in, accepting the conditions, signing out."""

from __future__ import annotations

from dataclasses import asdict

from fastapi import APIRouter

from ..audit.log import EventType
from ..dependencies import AddressDep, ReadDep, ServicesDep, TokenDep, WriteDep
from ..instants import iso
from . import sessions
from .conditions import current_conditions
from .models import User
from .schemas import (
    AcceptRequest,
    ActiveAnswer,
    ConditionsAnswer,
    PendingAnswer,
    PurposeAnswer,
    SignInRequest,
    StateAnswer,
    UserAnswer,
)

router = APIRouter(prefix="/v1/session", tags=["session"])


@router.post("", status_code=201)
def sign_in(body: SignInRequest, services: ServicesDep, session: ReadDep, address: AddressDep) -> PendingAnswer:
    """A pending session, the conditions to accept and the purposes to choose from; none is preselected."""
    opened = sessions.sign_in(
        services.database,
        services.passwords,
        services.sign_in_tries,
        services.audit,
        services.settings,
        body.username,
        body.password,
        address,
    )
    conditions = current_conditions(session)
    return PendingAnswer(
        token=opened.token,
        state=opened.sign_in.state,
        user=_user(opened.sign_in.user),
        conditions=ConditionsAnswer(version=conditions.version, sha256=conditions.sha256, text=conditions.text),
        purposes=[PurposeAnswer(**asdict(purpose)) for purpose in services.purposes],
        expires_at=iso(opened.sign_in.expires_at),
    )


@router.post("/accept")
def accept(body: AcceptRequest, services: ServicesDep, session: WriteDep, token: TokenDep) -> ActiveAnswer:
    """An active session under a new token."""
    opened = sessions.accept(
        session,
        services.audit,
        services.settings,
        services.purposes,
        token,
        body.conditions_version,
        body.conditions_sha256,
        body.purpose,
        body.purpose_detail,
    )
    return ActiveAnswer(
        token=opened.token,
        state=opened.sign_in.state,
        user=_user(opened.sign_in.user),
        purpose=opened.sign_in.purpose,
        expires_at=iso(opened.sign_in.expires_at),
        idle_minutes=services.settings.idle_minutes,
    )


@router.post("/decline", status_code=204)
def decline(services: ServicesDep, session: WriteDep, token: TokenDep) -> None:
    """End the session: the conditions were declined."""
    sessions.end(session, services.audit, services.settings, token, EventType.CONDITIONS_DECLINED)


@router.get("")
def state(services: ServicesDep, session: ReadDep, token: TokenDep) -> StateAnswer:
    """The session's state; asking is no work and keeps no session alive."""
    found = sessions.find_session(session, token, services.settings)
    return StateAnswer(
        state=found.state,
        user=_user(found.user),
        purpose=found.purpose,
        conditions_version=found.conditions_version,
        expires_at=iso(found.expires_at),
        idle_until=iso(sessions.idle_until(found, services.settings)),
    )


@router.delete("", status_code=204)
def sign_out(services: ServicesDep, session: WriteDep, token: TokenDep) -> None:
    """End the session."""
    sessions.end(session, services.audit, services.settings, token, EventType.SIGN_OUT)


def _user(user: User) -> UserAnswer:
    return UserAnswer(username=user.username, display_name=user.display_name, organisation=user.organisation.name)
