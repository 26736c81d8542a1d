"""The bytes of an event or a seal, and the hashes that bind each to the one before it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

START = "0" * 64  # what the first event and the first seal are bound to


def canonical(members: Mapping[str, Any]) -> str:
    """The one text of these members: JSON with its names in order and without blanks."""
    return json.dumps(members, ensure_ascii=False, sort_keys=True, separators=(",", ":"), default=str)


def link(previous: str, text: str) -> str:
    """The hash of an event whose predecessor has the hash ``previous``."""
    return hashlib.sha256(previous.encode() + text.encode()).hexdigest()


def digest(text: str) -> str:
    """SHA-256 of a text, in hexadecimal digits."""
    return hashlib.sha256(text.encode()).hexdigest()
