"""Trouble told as RFC 9457 problem documents."""

from __future__ import annotations

from typing import Any

from ..shared.problems import ProblemDocument


class Problem(Exception):  # noqa: N818 - the name of the RFC
    """Raise it anywhere in a request: the caller gets its document."""

    def __init__(self, status: int, code: str, title: str, detail: str, **extra: Any) -> None:
        super().__init__(detail)
        self.document = ProblemDocument(status, code, title, detail, extra)
