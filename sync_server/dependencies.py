"""What routes ask for: the services, a database session for the request, and who asks.

A request is one transaction: it is committed before the answer leaves, so that a failed commit is an error to
the caller (hence ``scope="function"``).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from sqlalchemy.orm import Session

from .agreements.scope import Subject
from .database import PERSONS_PATIENCE_MS
from .identity.sessions import active_subject, find_session, not_signed_in
from .services import Services

_bearer = HTTPBearer(auto_error=False)


def _services(request: Request) -> Services:
    return request.app.state.services


ServicesDep = Annotated[Services, Depends(_services)]


def _read(services: ServicesDep) -> Iterator[Session]:
    with services.database.read() as session:
        yield session


ReadDep = Annotated[Session, Depends(_read, scope="function")]


def _token(credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]) -> str:
    if credentials is None:
        raise not_signed_in()
    return credentials.credentials


TokenDep = Annotated[str, Depends(_token)]


def _write(services: ServicesDep, token: TokenDep) -> Iterator[Session]:
    # Only who has a session may queue for the one writer.
    with services.database.read() as session:
        find_session(session, token, services.settings)
    with services.database.write(patience_ms=PERSONS_PATIENCE_MS) as session:
        yield session


WriteDep = Annotated[Session, Depends(_write, scope="function")]


def _subject(services: ServicesDep, token: TokenDep) -> Subject:
    return active_subject(services.database, token, services.settings)


# Who asks, in an active session: conditions accepted, purpose chosen.
SubjectDep = Annotated[Subject, Depends(_subject)]


def _address(request: Request) -> str:
    return request.client.host if request.client else "unknown"


AddressDep = Annotated[str, Depends(_address)]
