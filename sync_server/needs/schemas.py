"""What is asked and answered of needs-assessment packs."""

from __future__ import annotations

from pydantic import BaseModel, Field

from .model import Mode
from .models import NeedsRequest


class PackRequest(BaseModel):
    """A pack of a borough, told by its name or code."""

    borough: str = Field(max_length=60)
    mode: Mode


class PackAnswer(BaseModel):
    """A pack that was asked for: ``waiting``, ``running``, ``done`` with its files' SHA-256 by name, or ``failed``."""

    token: str
    state: str
    message: str
    files: dict[str, str]

    @classmethod
    def of(cls, request: NeedsRequest) -> PackAnswer:
        """As it stands."""
        return cls(token=request.token, state=request.state, message=request.message, files=request.files)
