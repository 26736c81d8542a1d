"""Texts that no store takes: a NUL character, half of a surrogate pair. They are turned away at the door."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import unquote

from fastapi import Request

from .problems import Problem


async def require_plain_text(request: Request) -> None:
    """Raises ``Problem`` 422 where the address or the body holds such a text."""
    if request.headers.get("content-type", "").startswith("multipart/"):
        return  # files; they have their own reader
    body = await request.body()
    # Either can only come as an escape, or as itself.
    suspicious = b"\0" in body or b"\\u" in body or b"%00" in body
    if "\0" in unquote(str(request.url)) or (suspicious and _unfit(body)):
        raise Problem(
            422,
            "invalid-request",
            "The request is not valid",
            "A text holds a character that is none: NUL, or half of a pair.",
        )


def _unfit(body: bytes) -> bool:
    if b"\0" in body or b"%00" in body:
        return True
    try:
        return _holds_unfit(json.loads(body))
    except (ValueError, RecursionError):
        return False  # no JSON: whoever reads it says so


def _holds_unfit(value: Any) -> bool:
    if isinstance(value, str):
        return "\0" in value or any("\ud800" <= character <= "\udfff" for character in value)
    if isinstance(value, dict):
        return any(_holds_unfit(part) for part in (*value, *value.values()))
    return isinstance(value, list) and any(map(_holds_unfit, value))
