"""The console's cookies: for this host alone, out of reach of scripts and of other sites.

Where the connection is encrypted their names say so (``__Host-``), and the browser takes them from nobody else. On
plain HTTP to one's own machine there are no such names. The API takes no cookie, whatever its path.
"""

from __future__ import annotations

from fastapi import Request, Response

SESSION = "safestats_session"
VISIT = "safestats_visit"
NOTICE = "safestats_notice"
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def read(request: Request, cookie: str) -> str:
    """The cookie's value; "" where it was not sent."""
    return request.cookies.get(_name(request, cookie), "")


def write(request: Request, answer: Response, cookie: str, value: str) -> None:
    """Give the browser the cookie, until it is closed."""
    answer.set_cookie(
        _name(request, cookie), value, path="/", httponly=True, samesite="strict", secure=is_secure(request)
    )


def remove(request: Request, answer: Response, cookie: str) -> None:
    """Take the cookie back."""
    name = _name(request, cookie)
    answer.delete_cookie(name, path="/", httponly=True, samesite="strict", secure=is_secure(request))


def is_secure(request: Request) -> bool:
    """Whether the browser's connection is encrypted: always, but on one's own machine (a proxy may stand between)."""
    return not (request.url.scheme == "http" and request.url.hostname in _LOOPBACK)


def _name(request: Request, cookie: str) -> str:
    return f"__Host-{cookie}" if is_secure(request) else cookie
