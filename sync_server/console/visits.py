"""Who looks at a page: the session cookie, what its role may do, and the answers that a page gives."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any
from urllib.parse import quote, urlsplit

from fastapi import Depends, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from ..dependencies import AddressDep, ServicesDep
from ..identity.permissions import Permission, permitted, require
from ..identity.sessions import Found
from ..identity.subject import Subject
from ..problems import Problem
from ..services import Services
from . import cookies
from .forms import Form, form_token
from .menu import menu_for
from .site import site_of

HOME = "/console"
# Each claims to be those after it as well.
_BROWSERS = (("Edg", "Edge"), ("Firefox", "Firefox"), ("Chrom", "Chrome"), ("Safari", "Safari"))
_SYSTEMS = (
    ("Windows", "Windows"),
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("Mac", "macOS"),
    ("Linux", "Linux"),
)


class Elsewhere(Exception):  # noqa: N818 - no error: the way to another page
    """Ends a request by sending the browser to another page of the console."""

    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.address = address


@dataclass
class Visit:
    """One request for a page, from an ``address`` as far as limits are concerned.

    ``subject`` is the person in an active session; before that, ``found`` is the session on its way.
    """

    request: Request
    services: Services
    address: str = ""
    subject: Subject | None = None
    found: Found | None = None
    _visit_secret: str = field(default_factory=lambda: secrets.token_urlsafe(32))

    @property
    def token(self) -> str:
        """The session's token; "" where there is no cookie."""
        return cookies.read(self.request, cookies.SESSION)

    @property
    def who(self) -> Subject:
        """The person who is signed in."""
        assert self.subject is not None
        return self.subject

    @property
    def browser(self) -> str:
        """What the browser says it is, in two words that its person knows it by."""
        said = self.request.headers.get("user-agent", "")
        name = next((name for mark, name in _BROWSERS if mark in said), "A browser")
        system = next((name for mark, name in _SYSTEMS if mark in said), "")
        return f"{name} on {system}" if system else name

    def may(self, permission: Permission) -> bool:
        """Whether the person's role permits it."""
        return self.subject is not None and permission in permitted(self.subject.role)

    def require(self, permission: Permission) -> None:
        """Raises ``Problem`` role-not-permitted."""
        require(self.who, permission)

    def page(self, template: str, *, status: int = 200, form: Form | None = None, **context: Any) -> HTMLResponse:
        """The page; a form with troubles makes it 422."""
        form = form or Form()
        notice = _read_notice(self)
        html = site_of(self.request).render(
            template,
            {
                "visit": self,
                "form": form,
                "form_token": form_token(self.request, self._visit_secret),
                "menu": menu_for(self.subject, self.request.scope["path"]),
                "may": self.may,
                "Permission": Permission,
                "notice": notice,
                **context,
            },
        )
        answer = HTMLResponse(html, 422 if form.errors and status == 200 else status)
        if notice:
            cookies.remove(self.request, answer, cookies.NOTICE)
        if not self.token and not cookies.read(self.request, cookies.VISIT):
            cookies.write(self.request, answer, cookies.VISIT, self._visit_secret)
        return answer

    def go(self, address: str, notice: str = "") -> Response:
        """To another page, which shows the notice once."""
        answer = RedirectResponse(HOME + address, 303)
        if notice:
            cookies.write(self.request, answer, cookies.NOTICE, _sealed(self.token, notice))
        return answer

    def signed_in(self, token: str, address: str, notice: str = "") -> Response:
        """To another page, with the session's token as cookie."""
        answer = RedirectResponse(HOME + address, 303)
        cookies.write(self.request, answer, cookies.SESSION, token)
        if notice:
            cookies.write(self.request, answer, cookies.NOTICE, _sealed(token, notice))
        return answer

    def signed_out(self, address: str) -> Response:
        """To another page, without a session."""
        answer = RedirectResponse(HOME + address, 303)
        cookies.remove(self.request, answer, cookies.SESSION)
        answer.headers["Clear-Site-Data"] = '"cache"'
        return answer

    def set_session(self, answer: Response, token: str) -> None:
        """Give an answer that is no redirect the session's token."""
        cookies.write(self.request, answer, cookies.SESSION, token)


def gone() -> Problem:
    """The answer where there is nothing, or nothing that the person may know of."""
    return Problem(404, "not-found", "There is nothing here", "This page does not exist, or is not yours to see.")


def local_address(text: str) -> str:
    """An address inside the console to go on to; "" for anything else."""
    parts = urlsplit(text)
    inside = text.startswith(f"{HOME}/") and not (parts.scheme or parts.netloc) and "\\" not in text
    return text.removeprefix(HOME) if inside and text.isprintable() else ""


def with_query(address: str, parameters: Mapping[str, str]) -> str:
    """The address with the parameters that are not empty."""
    pairs = "&".join(f"{quote(name)}={quote(value)}" for name, value in parameters.items() if value)
    return f"{address}?{pairs}" if pairs else address


def _guest(request: Request, services: ServicesDep, address: AddressDep) -> Visit:
    return Visit(request, services, address)


# Anybody: pages before a session is active.
GuestDep = Annotated[Visit, Depends(_guest)]


def _sealed(secret: str, notice: str) -> str:
    text = base64.urlsafe_b64encode(notice.encode()).decode()
    return f"{text}.{_seal(secret, text)}"


def _seal(secret: str, text: str) -> str:
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


def _read_notice(visit: Visit) -> str:
    text, _, seal = cookies.read(visit.request, cookies.NOTICE).partition(".")
    if not text or not hmac.compare_digest(seal.encode(), _seal(visit.token, text).encode()):
        return ""
    return base64.urlsafe_b64decode(text).decode()
