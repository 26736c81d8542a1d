"""What plugin and server call the parts of publishing a layer: kinds of columns, and the states of an upload."""

from __future__ import annotations

from enum import Enum


class Kind(str, Enum):
    """What a column must hold that leads to a target."""

    TEXT = "text"
    MONTH = "month"  # 2026-11
    DATE = "date"
    TIME = "time"
    INTEGER = "integer"
    CODE = "code"  # one of the codes, or its label

    def __str__(self) -> str:
        return self.value


class UploadState(str, Enum):
    """How it stands with an upload."""

    WAITING = "waiting"
    LOADING = "loading"
    FAILED = "failed"
    CANCELLED = "cancelled"
    UNCHANGED = "unchanged"  # all of it was held already
    STAGED = "staged"
    PUBLISHING = "publishing"
    PUBLISHED = "published"
    DISCARDING = "discarding"
    DISCARDED = "discarded"

    def __str__(self) -> str:
        return self.value


UNDER_WAY = (UploadState.WAITING, UploadState.LOADING, UploadState.PUBLISHING, UploadState.DISCARDING)
