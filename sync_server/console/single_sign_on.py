"""Signing in to the console at one's organisation: its own page in another window, then the code that it leads to."""

from __future__ import annotations

from fastapi import Response

from ..identity import oidc
from ..identity.models import Channel
from .forms import Form, PostedDep
from .routes import console_router
from .visits import GuestDep, Visit

router = console_router()


@router.get("/single-sign-on")
def organisation_page(visit: GuestDep) -> Response:
    """The form for the organisation."""
    return visit.page("single_sign_on.html", handle="", provider="")


@router.post("/single-sign-on")
def start(visit: GuestDep, form: PostedDep) -> Response:
    """The way to the organisation's page, and the form for the code."""
    organisation = form.required("organisation", "Enter your organisation’s code.")
    if not form.errors:
        with form.telling("organisation"):
            started = oidc.start(visit.services, organisation.casefold(), visit.address, channel=Channel.CONSOLE)
            return _code_page(visit, Form(), started.handle, started.authorisation_url)
    return visit.page("single_sign_on.html", form=form, handle="", provider="")


def _code_page(visit: Visit, form: Form, handle: str, provider: str) -> Response:
    # No redirect: after a form our policy lets the browser go nowhere else, and that is as it should be.
    return visit.page("single_sign_on.html", form=form, handle=handle, provider=provider)


@router.post("/single-sign-on/code")
def finish(visit: GuestDep, form: PostedDep) -> Response:
    """The session, at its next step."""
    code, handle = form.required("code", "Enter the code."), form.text("handle")
    if not form.errors:
        with form.telling("code"):
            opened = oidc.finish(visit.services, handle, code, visit.address, visit.browser, Channel.CONSOLE)
            return visit.signed_in(opened.token, "/conditions")
    provider = form.text("provider")
    return _code_page(visit, form, handle, provider if provider.startswith(("https://", "http://127.0.0.1")) else "")
