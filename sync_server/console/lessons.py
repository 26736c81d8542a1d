"""Lessons for those who record what SafeStats is made of: open to everybody, without a cookie, and without any data."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse

from .routes import ConsoleRoute
from .site import site_of

RECORDING_ASSAULTS = "/learn/recording-assaults"

router = APIRouter(route_class=ConsoleRoute, include_in_schema=False)


@router.get(RECORDING_ASSAULTS)
def recording_assaults(request: Request) -> Response:
    """For the staff of emergency departments; the same for whoever asks."""
    return HTMLResponse(site_of(request).render("recording_assaults.html", {}))
