"""How the console answers: every answer a page with its safeguards, also where there is trouble."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from sqlalchemy.exc import OperationalError
from starlette.exceptions import HTTPException

from ..database import is_busy
from ..errors import SafeStatsError
from ..identity.refusals import audit_refusal, path_of
from ..problems import Problem
from .signed_in import asker_of
from .visits import HOME, Elsewhere, Visit

logger = logging.getLogger(__name__)

POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; script-src 'none'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'"
)
SAFEGUARDS = {
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=()",
}
_RECORDED_HERE = ("role-not-permitted", "form-not-ours")
_BACK = {
    401: "Sign in again to go on.",
    403: "Nothing was changed. If you need this for your work, ask the SafeStats team.",
    404: "Check the address, or go back to the overview.",
    413: "Nothing was changed. Choose a smaller file.",
    429: "Nothing was changed.",
    503: "Nothing was changed.",
}


class ConsoleRoute(APIRoute):
    """A route whose troubles are pages."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler, with its answers made safe."""
        handle = super().get_route_handler()

        async def safely(request: Request) -> Response:
            try:
                answer = await handle(request)
            except Elsewhere as elsewhere:
                answer = Response(status_code=303, headers={"Location": elsewhere.address})
            except Exception as error:
                answer = _trouble_page(request, await run_in_threadpool(_audited, request, error))
            answer.headers.update(SAFEGUARDS)
            return answer

        return safely


def console_router(**options: Any) -> APIRouter:
    """A router of pages, none of which is part of the API."""
    return APIRouter(prefix=HOME, route_class=ConsoleRoute, include_in_schema=False, **options)


def _audited(request: Request, error: Exception) -> Exception:
    """The error, recorded if it is a refusal that no service records; or why it could not be recorded."""
    if not isinstance(error, Problem) or error.document.code not in _RECORDED_HERE:
        return error
    services = request.app.state.services
    try:
        audit_refusal(services.audit, error, path_of(request), asker_of(Visit(request, services)))
    except Problem as unrecorded:
        return unrecorded
    return error


def _trouble_page(request: Request, error: Exception) -> Response:
    problem = _problem(request, error)
    document = problem.document
    visit = Visit(request, request.app.state.services, subject=request.scope.get("console_subject"))
    answer = visit.page(
        "trouble.html",
        status=document.status,
        title=document.title,
        sentence=document.detail,
        what_to_do=_BACK.get(document.status, ""),
        sign_in=document.status == 401,
    )
    if isinstance(error, HTTPException):
        answer.headers.update(error.headers or {})
    return answer


def _problem(request: Request, error: Exception) -> Problem:
    if isinstance(error, Problem):
        return error
    if isinstance(error, SafeStatsError):
        return Problem(409, "not-possible", "That could not be done", str(error))
    if isinstance(error, RequestValidationError):
        return Problem(404, "not-found", "There is nothing here", "This address is not one of the console's.")
    if isinstance(error, HTTPException):
        status = HTTPStatus(error.status_code)
        return Problem(status, status.phrase.lower(), status.phrase, f"{status.description or status.phrase}.")
    if isinstance(error, OperationalError) and is_busy(error):
        detail = "The server is taking in new data at the moment: try again in a minute."
        return Problem(503, "busy", "The server is busy", detail)
    reference = secrets.token_hex(6)
    # The route, not the path: that may hold a secret of somebody's mail.
    where = path_of(request) or "an unknown path"
    logger.error("Failure %s at %s %s", reference, request.method, where, exc_info=error)
    detail = f"The server failed. Tell the SafeStats team the reference {reference}."
    return Problem(500, "server-failure", "The server failed", detail)
