"""Saved queries over the interface."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path

from ..answers import problems
from ..dependencies import ReadDep, ServicesDep, SubjectDep
from . import service
from .schemas import OpenedQuery, QueriesAnswer, QueryAnswer, QueryRequest

_Id = Annotated[str, Path(pattern="^[0-9a-f]{32}$")]

router = APIRouter(prefix="/v1/queries", tags=["queries"], responses=problems(401, 403, 404))


@router.get("")
def queries(services: ServicesDep, session: ReadDep, subject: SubjectDep) -> QueriesAnswer:
    """One's own and the organisation's shared ones, each with the reason where one may not run it."""
    return QueriesAnswer(queries=service.listed(services, session, subject))


@router.post("", status_code=201)
def add(body: QueryRequest, services: ServicesDep, subject: SubjectDep) -> QueryAnswer:
    """Keep a query."""
    return service.save(services, subject, body)


@router.get("/{query_id}")
def open_query(query_id: _Id, services: ServicesDep, session: ReadDep, subject: SubjectDep) -> OpenedQuery:
    """What a query asks, to somebody who may run it."""
    return service.opened(services, session, subject, query_id)


@router.put("/{query_id}")
def change(query_id: _Id, body: QueryRequest, services: ServicesDep, subject: SubjectDep) -> QueryAnswer:
    """Put another in the place of one of one's own."""
    return service.save(services, subject, body, query_id)


@router.delete("/{query_id}", status_code=204)
def remove(query_id: _Id, services: ServicesDep, subject: SubjectDep) -> None:
    """Delete one of one's own; who manages the organisation's people, also a shared one whose author has left."""
    service.remove(services, subject, query_id)
