"""Signing in through one's organisation."""

from __future__ import annotations

from html import escape

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from ..answers import problems
from ..dependencies import AddressDep, ServicesDep
from . import oidc
from .routes import step
from .schemas import OidcFinishRequest, OidcStartAnswer, OidcStartRequest, StepAnswer

router = APIRouter(prefix="/v1/session/oidc", tags=["session"], responses=problems(401, 403, 404, 409, 502))

_HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
}
_PAGE = """<!doctype html>
<html lang="en-GB">
<head><meta charset="utf-8"><title>Your code – SafeStats</title></head>
<body>
<main>
<h1>Your SafeStats code</h1>
<p>Type this code where you began to sign in, within ten minutes:</p>
<p><strong>{code}</strong></p>
<p>Tell it to nobody. If you did not begin to sign in to SafeStats yourself, close this page.</p>
</main>
</body>
</html>
"""


@router.post("/start")
def start(body: OidcStartRequest, services: ServicesDep, address: AddressDep) -> OidcStartAnswer:
    """Where the browser goes, and the handle to finish with."""
    started = oidc.start(services, body.organisation, address, body.loopback_port)
    return OidcStartAnswer(authorisation_url=started.authorisation_url, handle=started.handle)


@router.get("/callback", response_class=HTMLResponse)
def callback(request: Request, services: ServicesDep, address: AddressDep) -> Response:
    """Where the provider sends the browser: shows the one-time code, or takes it to the desk's own address."""
    returned = oidc.take_back(services, request.query_params, address)
    if returned.loopback_url is not None:
        return RedirectResponse(returned.loopback_url, 303, headers=_HEADERS)
    return HTMLResponse(_PAGE.format(code=escape(returned.code)), headers=_HEADERS)


@router.post("/finish", status_code=201)
def finish(body: OidcFinishRequest, services: ServicesDep, address: AddressDep) -> StepAnswer:
    """The session, as after a password."""
    return StepAnswer(**step(services, oidc.finish(services, body.handle, body.code, address, body.client)))
