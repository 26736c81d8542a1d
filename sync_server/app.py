"""The web application: what it serves and how it tells trouble."""

from __future__ import annotations

import logging
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus

from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import DataError, OperationalError
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from ..shared.manifest import API_VERSION
from ..shared.problems import MEDIA_TYPE
from .about import VERSION
from .about import router as about
from .analysis.routes import router as analysis
from .answers import describe
from .clients.oldest import require_client_of_age
from .clients.routes import router as clients
from .console.mount import add_console, longest_body
from .database import is_busy
from .datasets.routes import router as areas
from .datasets.service import ensure_incident_tables
from .house_style.routes import router as house_style
from .identity.conditions import current_conditions
from .identity.oidc_routes import router as single_sign_on
from .identity.refusals import path_of
from .identity.routes import router as identity
from .needs.bases import router as bases
from .needs.routes import router as needs
from .ogc.routes import router as ogc
from .plain_text import require_plain_text
from .problems import Problem
from .queries.routes import router as queries
from .recall.heeding import refuse_unheeded
from .safeguards import Safeguards
from .schema import check_schema
from .services import open_services
from .settings import Settings
from .supplies.routes import SUPPLY_DOORS
from .supplies.routes import router as supplier
from .sync.routes import router as sync
from .uploads.routes import longest_body as longest_upload
from .uploads.routes import router as uploads

logger = logging.getLogger(__name__)

LONGEST_BODY = 1_000_000


def create_app(settings: Settings) -> FastAPI:
    """The application on the folder of ``settings``; raises ``SafeStatsError`` where it is not initialised."""
    services = open_services(settings)
    check_schema(services.database)
    ensure_incident_tables(services.database, services.definitions)
    with services.database.read() as session:
        refuse_unheeded(services, session)
        current_conditions(session)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        services.close()

    app = FastAPI(
        title="SafeStats",
        version=VERSION,
        description=f"Version {API_VERSION} of the interface between the plugin and the sync server.",
        openapi_url="/v1/openapi.json",
        # Their pages fetch scripts from third parties.
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        dependencies=[Depends(require_client_of_age), Depends(require_plain_text)],
    )
    describe(app)
    app.state.services = services
    open_data = (areas, bases)
    for router in (
        about,
        clients,
        identity,
        single_sign_on,
        supplier,
        analysis,
        sync,
        ogc,
        uploads,
        house_style,
        needs,
        queries,
        *open_data,
    ):
        app.include_router(router)
    add_console(app)
    app.add_exception_handler(Problem, _answer_problem)
    app.add_exception_handler(RequestValidationError, _answer_invalid)
    app.add_exception_handler(HTTPException, _answer_http)
    app.add_exception_handler(OperationalError, _answer_busy)
    app.add_exception_handler(DataError, _answer_unfit)
    app.add_exception_handler(Exception, _answer_failure)
    app.add_middleware(BodyLimit, supply_bytes=settings.supply_megabytes * 1_000_000)
    app.add_middleware(Safeguards, encrypted=settings.public_address.startswith("https:"))
    return app


async def _answer_problem(_request: Request, problem: Exception) -> JSONResponse:
    assert isinstance(problem, Problem)
    document = problem.document
    answer = JSONResponse(document.to_json(), document.status, media_type=MEDIA_TYPE)
    if "retry_after" in document.extra:
        answer.headers["Retry-After"] = str(document.extra["retry_after"])
    return answer


async def _answer_invalid(request: Request, error: Exception) -> JSONResponse:
    """Names what is wrong, never what was sent: that may be a password."""
    assert isinstance(error, RequestValidationError)
    errors = [
        {"field": ".".join(str(part) for part in entry["loc"][1:]), "message": entry["msg"]} for entry in error.errors()
    ]
    first = errors[0]
    detail = f"{first['field'] or 'The request'}: {first['message']}."
    return await _answer_problem(
        request, Problem(422, "invalid-request", "The request is not valid", detail, errors=errors)
    )


async def _answer_http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    status = HTTPStatus(error.status_code)
    detail = "There is nothing here." if status == HTTPStatus.NOT_FOUND else f"{status.description}."
    code = status.phrase.lower().replace(" ", "-")
    answer = await _answer_problem(request, Problem(status, code, status.phrase, detail))
    answer.headers.update(error.headers or {})
    return answer


async def _answer_busy(request: Request, error: Exception) -> JSONResponse:
    """Writers go one after the other: whoever has waited long enough is asked to come back."""
    assert isinstance(error, OperationalError)
    if not is_busy(error):
        return await _answer_failure(request, error)
    detail = "The server is taking in new data at the moment: try again in a minute."
    answer = await _answer_problem(request, Problem(503, "busy", "The server is busy", detail))
    answer.headers["Retry-After"] = "60"
    return answer


async def _answer_unfit(request: Request, error: Exception) -> JSONResponse:
    """PostgreSQL keeps no text with a NUL or longer than its column, no number beyond its own."""
    assert isinstance(error, DataError)
    detail = "Something in the request is too long, too large, or holds a character that cannot be kept."
    return await _answer_problem(request, Problem(422, "invalid-request", "The request is not valid", detail))


async def _answer_failure(request: Request, error: Exception) -> JSONResponse:
    """No word of the cause: that is in the log, under the reference."""
    reference = secrets.token_hex(6)
    # The route, not the path: that may hold a secret of somebody's mail.
    where = path_of(request) or "an unknown path"
    logger.error("Failure %s at %s %s", reference, request.method, where, exc_info=error)
    detail = f"The server failed. Tell the SafeStats team the reference {reference}."
    return await _answer_problem(
        request, Problem(500, "server-failure", "The server failed", detail, reference=reference)
    )


class BodyLimit:
    """Refuses bodies longer than the address takes, by their declared length and as they come in."""

    def __init__(self, app: ASGIApp, supply_bytes: int) -> None:
        self._app = app
        self._supply_bytes = supply_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, counting what it brings."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        declared = headers.get(b"content-length", b"0")
        path = scope["path"]
        longest = longest_body(path) or longest_upload(path) or LONGEST_BODY
        if path in SUPPLY_DOORS:
            longest = self._supply_bytes + LONGEST_BODY  # what stands between and around the files
        if not declared.isdigit() or int(declared) > longest:
            problem = Problem(413, "too-long", "Too long", f"A request has at most {longest} bytes.")
            answer = await _answer_problem(Request(scope), problem)
            await answer(scope, receive, send)
            return
        received = 0

        async def counted() -> dict:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > longest:
                raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
            return dict(message)

        await self._app(scope, counted, send)
