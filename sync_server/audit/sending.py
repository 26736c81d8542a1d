"""Files that are sent with their outcome recorded: whether every byte left, or the connection broke."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from fastapi.concurrency import run_in_threadpool
from fastapi.responses import FileResponse
from starlette.types import Message, Receive, Scope, Send

from .store import AuditUnavailable

logger = logging.getLogger(__name__)

# Whether every byte was handed over, and how many were.
Ended = Callable[[bool, int], Any]


class AuditedFileResponse(FileResponse):
    """A file, whole or by range; ``ended`` is called when sending has ended, however it did."""

    def __init__(self, *arguments: Any, ended: Ended, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._ended = ended

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it; the bytes that left are on their way before the outcome is recorded."""
        # Whoever sends a file by its path on our behalf does not tell how far it came.
        extensions = {**scope.get("extensions", {})}
        extensions.pop("http.response.pathsend", None)
        promised, sent = 0, 0

        async def counted(message: Message) -> None:
            nonlocal promised, sent
            if message["type"] == "http.response.start":
                headers = dict(message["headers"])
                promised = int(headers.get(b"content-length", 0))
            await send(message)
            sent += len(message.get("body", b""))

        try:
            await super().__call__({**scope, "extensions": extensions}, receive, counted)
        finally:
            try:
                await run_in_threadpool(self._ended, sent == promised, sent)
            except AuditUnavailable:
                # The bytes have left; that they were to leave is recorded. The next request is refused.
                logger.error("The outcome of sending %s could not be recorded.", self.path)
