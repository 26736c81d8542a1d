"""Problem documents (RFC 9457): the one form in which the server tells trouble and the plugin reads it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

MEDIA_TYPE = "application/problem+json"


@dataclass(frozen=True)
class ProblemDocument:
    """One problem: a stable ``code`` for programs, a ``detail`` sentence for people, the HTTP ``status``."""

    status: int
    code: str
    title: str
    detail: str
    extra: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The document as RFC 9457 members; ``type`` is a URN made of the code."""
        return {
            **self.extra,
            "type": f"urn:safestats:problem:{self.code}",
            "code": self.code,
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
        }

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> ProblemDocument:
        """Read a document; raises ``KeyError`` where ``code``, ``status`` or ``detail`` is missing."""
        known = {"type", "code", "title", "status", "detail"}
        return cls(
            status=int(document["status"]),
            code=str(document["code"]),
            title=str(document.get("title", "")),
            detail=str(document["detail"]),
            extra={key: value for key, value in document.items() if key not in known},
        )
