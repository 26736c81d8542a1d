"""The console as a part of the application."""

from __future__ import annotations

import re

from fastapi import FastAPI, Response
from fastapi.responses import RedirectResponse
from fastapi.routing import APIRoute

from ..agreements.documents import MOST_BYTES
from ..check.premises import LARGEST_FILE as LARGEST_LIST
from ..house_style.service import MOST_LOGO_BYTES
from ..uploads.service import MOST_BYTES as MOST_UPLOADED_BYTES
from . import (
    account,
    agreement_drafts,
    agreement_steps,
    agreements,
    audit,
    case_studies,
    check,
    conditions,
    grants,
    house_style,
    lessons,
    mappings,
    needs,
    organisations,
    oversight,
    overview,
    people,
    premises,
    purposes,
    quality,
    recalls,
    releases,
    review,
    session,
    single_sign_on,
    supplier,
    terms,
    upload,
)
from .routes import console_router
from .signed_in import MemberDep
from .site import Site, site_of
from .visits import GuestDep, gone

_SUBJECTS = (
    session,
    single_sign_on,
    overview,
    account,
    organisations,
    people,
    house_style,
    check,
    premises,
    grants,
    # Addresses of one word stand before those of an agreement: none can be called “new”, for it has to be drafted.
    agreement_drafts,
    agreements,
    agreement_steps,  # any other word after an agreement's address
    terms,
    conditions,
    purposes,
    releases,
    upload,
    mappings,
    review,
    supplier,
    quality,
    needs,
    case_studies,
    recalls,
    audit,
    oversight,
)

_DOCUMENT = re.compile(r"/console/agreements/[^/]+/sign")
_FORM_BYTES = 100_000  # beside the document

_rest = console_router()


@_rest.get("/static/{name}")
def static(name: str, visit: GuestDep) -> Response:
    """A static file."""
    file = site_of(visit.request).static(name)
    if file is None:
        raise gone()
    return file


@_rest.get("/{anything:path}")
def nothing(anything: str, visit: MemberDep) -> Response:
    """A page that there is not, for those who are signed in; others are asked to sign in, and learn nothing."""
    raise gone()


def all_routes() -> list[APIRoute]:
    """Every route of the console."""
    routers = [*(subject.router for subject in _SUBJECTS), _rest]
    return [route for router in routers for route in router.routes if isinstance(route, APIRoute)]


def add_console(app: FastAPI) -> None:
    """Put the console's pages under ``/console``."""
    app.state.console = Site(app.state.services.settings.resources_dir)
    for subject in _SUBJECTS:
        app.include_router(subject.router)
    app.include_router(_rest)
    app.include_router(lessons.router)
    app.add_api_route("/", front_door, include_in_schema=False)
    app.add_api_route("/check", to_check, include_in_schema=False)


def front_door() -> Response:
    """Who types the server's address alone is shown to the console."""
    return RedirectResponse("/console", 303)


def to_check() -> Response:
    """The short address of checking a place."""
    return RedirectResponse("/console/check", 303)


def longest_body(path: str) -> int | None:
    """How many bytes a request to the address may have, where that is more than usual."""
    if path == "/console/uploads":
        return MOST_UPLOADED_BYTES + _FORM_BYTES
    if path == "/console/check/premises":
        return LARGEST_LIST + _FORM_BYTES
    if path == "/console/house-style":
        return MOST_LOGO_BYTES + _FORM_BYTES
    if path == "/console/mappings/edit":
        return mappings.MOST_FILE_BYTES + 10 * _FORM_BYTES
    return MOST_BYTES + _FORM_BYTES if _DOCUMENT.fullmatch(path) else None
