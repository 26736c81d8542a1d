"""What a page posts: read within bounds, proved to come from our own form, kept for showing again.

A form carries a token made from the visit's secret cookie, and the browser must not say that another site sent
it. What was typed comes back with the trouble beside it, but never a password.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from typing import Annotated, BinaryIO
from urllib.parse import urlsplit

from fastapi import Depends, Request
from starlette.datastructures import FormData, UploadFile

from ..errors import SafeStatsError
from ..problems import Problem
from . import cookies

TOKEN_FIELD = "form_token"
MOST_FIELDS = 300
LONGEST_FIELD = 400_000  # the conditions of use are one
_SECRET = ("password", "password_again", "current_password", "code")


@dataclass
class Form:
    """Fields as typed, and what is wrong with them: field name (or "" for the whole) → sentence."""

    data: FormData = field(default_factory=FormData)
    errors: dict[str, str] = field(default_factory=dict)
    defaults: dict[str, str] = field(default_factory=dict)

    def text(self, name: str) -> str:
        """The field without blanks around it; "" where it is missing."""
        value = self.data.get(name)
        return value.strip().replace("\r\n", "\n") if isinstance(value, str) else ""

    def secret(self, name: str) -> str:
        """The field exactly as typed."""
        value = self.data.get(name)
        return value if isinstance(value, str) else ""

    def all(self, name: str) -> list[str]:
        """Every value of a field that may come several times."""
        return [value for value in self.data.getlist(name) if isinstance(value, str)]

    def ticked(self, name: str) -> bool:
        """Whether a box is ticked."""
        return self.text(name) == "yes"

    def upload(self, name: str) -> tuple[str, bytes]:
        """Name and bytes of a file; ("", b"") where none was chosen."""
        value = self.data.get(name)
        if not isinstance(value, UploadFile) or not value.filename:
            return "", b""
        return value.filename, value.file.read()

    def uploads(self, name: str) -> list[tuple[str, BinaryIO]]:
        """Names and streams of the files that were chosen."""
        chosen = (value for value in self.data.getlist(name) if isinstance(value, UploadFile))
        return [(value.filename, value.file) for value in chosen if value.filename]

    def required(self, name: str, sentence: str) -> str:
        """The field; notes the sentence as its trouble where it is empty."""
        value = self.text(name)
        if not value:
            self.errors[name] = sentence
        return value

    def day(self, name: str, what: str) -> date | None:
        """The field as a date; ``None``, with its trouble noted, where it is none."""
        try:
            return date.fromisoformat(self.text(name))
        except ValueError:
            self.errors[name] = f"Give {what} as a date, such as 2026-11-22."
            return None

    def shown(self, name: str) -> str:
        """What to show in the field: never a password."""
        if name in _SECRET:
            return ""
        return self.text(name) if name in self.data else self.defaults.get(name, "")

    def chosen(self, name: str, value: str) -> bool:
        """Whether a box or radio of a field is to be shown as chosen."""
        if self.data:
            return value in self.all(name)
        return value in self.defaults.get(name, "").split()

    @contextmanager
    def telling(self, name: str = "") -> Iterator[None]:
        """Notes trouble that a person can act on as that of the field; what was begun inside is rolled back."""
        try:
            yield
        except SafeStatsError as error:
            self.errors[name] = str(error)
        except Problem as problem:
            if problem.document.status >= 500 or problem.document.code == "role-not-permitted":
                raise
            self.errors[name] = problem.document.detail


def form_token(request: Request, visit_secret: str = "") -> str:
    """What a form of this visit carries; worthless without the cookie that it is made from."""
    secret = cookies.read(request, cookies.SESSION) or cookies.read(request, cookies.VISIT) or visit_secret
    return hmac.new(secret.encode(), b"safestats console form", hashlib.sha256).hexdigest() if secret else ""


async def _posted(request: Request) -> Form:
    return await read_posted(request, most_files=1)


async def read_posted(request: Request, most_files: int) -> Form:
    """What a page of ours posted, with at most so many files; raises ``Problem`` where it is not ours."""
    _refuse_other_sites(request)
    data = await request.form(max_files=most_files, max_fields=MOST_FIELDS, max_part_size=LONGEST_FIELD)
    if not all(_is_plain(value) for value in data.values() if isinstance(value, str)):
        raise _forged()
    sent, wanted = data.get(TOKEN_FIELD), form_token(request)
    if not wanted or not isinstance(sent, str) or not hmac.compare_digest(sent.encode(), wanted.encode()):
        raise _forged()
    return Form(data)


PostedDep = Annotated[Form, Depends(_posted)]


def _refuse_other_sites(request: Request) -> None:
    """By what the browser says of the sender. Our pages send no referrer, so that an origin may be “null”."""
    site = request.headers.get("sec-fetch-site")
    origin = request.headers.get("origin", "null")
    if site is not None and site != "same-origin":
        raise _forged()
    if origin != "null" and _host_of(origin) != request.headers.get("host"):
        raise _forged()


def _host_of(origin: str) -> str:
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return ""


def _is_plain(text: str) -> bool:
    """Whether a store can keep the text: no browser sends NUL or half a character."""
    return not any(letter == "\0" or "\ud800" <= letter <= "\udfff" for letter in text)


def _forged() -> Problem:
    return Problem(
        403,
        "form-not-ours",
        "This form is out of date",
        "The form did not come from this page, or you have signed in anew since: go back, reload it and send it again.",
    )
