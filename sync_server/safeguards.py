"""Headers that every answer has unless it has its own: no sniffing, no framing, no keeping, no plain HTTP."""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_A_YEAR_OF_TLS = "max-age=31536000; includeSubDomains"


class Safeguards:
    """Adds them; ``encrypted``: the server's public address is one of HTTPS, whatever comes in between."""

    def __init__(self, app: ASGIApp, encrypted: bool) -> None:
        self._app = app
        self._encrypted = encrypted

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and its answer with the headers."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _ALWAYS.items():
                    headers.setdefault(name, value)
                if self._encrypted or scope["scheme"] == "https":
                    headers.setdefault("Strict-Transport-Security", _A_YEAR_OF_TLS)
            await send(message)

        await self._app(scope, receive, guarded)
