"""Random secrets that are handed out once, and the digests by which they are known again."""

from __future__ import annotations

import hashlib
import secrets

TOKEN_BYTES = 32


def new_token() -> str:
    """256 random bits, as letters that fit an address."""
    return secrets.token_urlsafe(TOKEN_BYTES)


def new_id() -> str:
    """An id that says nothing: 32 hexadecimal digits."""
    return secrets.token_hex(16)


def digest(token: str) -> str:
    """SHA-256 of a random secret, which is all that is kept of it."""
    return hashlib.sha256(token.encode()).hexdigest()
