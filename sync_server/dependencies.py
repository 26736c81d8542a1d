"""What routes ask for: the services, a database session for the request, and who asks.

What changes something is one transaction in a service, committed before the answer leaves: a failed commit is an
error to the caller.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from sqlalchemy.orm import Session

from .identity.network import UNKNOWN, client_network
from .identity.permissions import Permission, require
from .identity.refusals import audited_refusals, path_of
from .identity.sessions import find_session, not_signed_in, subject_at_work, subject_of
from .identity.subject import Subject
from .services import Services

_bearer = HTTPBearer(auto_error=False)


async def _services(request: Request) -> Services:
    return request.app.state.services


ServicesDep = Annotated[Services, Depends(_services)]


def _read(services: ServicesDep) -> Iterator[Session]:
    with services.database.read() as session:
        yield session


ReadDep = Annotated[Session, Depends(_read, scope="function")]


async def _token(credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]) -> str:
    if credentials is None:
        raise not_signed_in()
    return credentials.credentials


TokenDep = Annotated[str, Depends(_token)]


def _person(request: Request, services: ServicesDep, token: TokenDep) -> Subject:
    with services.database.read() as session:
        found = find_session(session, token, services.settings)
        with audited_refusals(services.audit, path_of(request), subject_of(found.sign_in)):
            return subject_at_work(services.database, session, found, services.settings)


# Who asks, whatever their role, in an active session: conditions accepted, purpose chosen.
PersonDep = Annotated[Subject, Depends(_person)]


def _subject(request: Request, services: ServicesDep, session: ReadDep, token: TokenDep) -> Subject:
    found = find_session(session, token, services.settings)
    with audited_refusals(services.audit, path_of(request), subject_of(found.sign_in)):
        subject = subject_at_work(services.database, session, found, services.settings)
        require(subject, Permission.USE_DATA)
    return subject


# Who asks for data: a person in an active session, in a role that works with them, looked up in the request's own
# transaction.
SubjectDep = Annotated[Subject, Depends(_subject)]


def _address(request: Request, services: ServicesDep) -> str:
    peer = request.client.host if request.client else UNKNOWN
    return client_network(peer, request.headers.getlist("x-forwarded-for"), services.settings.proxies)


# Where the client is, for limits: its IPv4 address, or the /64 of its IPv6 address.
AddressDep = Annotated[str, Depends(_address)]
