"""The list of what was recalled, in a file of its own: a database that is restored from a backup is held to it.

A line of JSON for each recall, appended and on the disk before anything is erased. It holds keyed identities and
marks, counts and months; no content, and nothing that tells without the installation's keys.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from ..errors import SafeStatsError
from ..instants import iso
from .models import Recall, RecallKind, RecallState

# Of a recall, what the list holds as the database does.
_AS_THEY_ARE = (
    *("recall_id", "dataset", "of_release", "reason", "may_return", "asked_by"),
    *("incidents", "versions", "months", "agreements", "first_release"),
)


@dataclass(frozen=True)
class Listed:
    """One recall of rows. ``release`` is the least number of the release without them."""

    recall_id: str
    dataset: str
    kind: str
    of_release: int | None
    reason: str
    may_return: bool
    asked_by: str
    asked_at: str
    incidents: int
    versions: int
    months: list[str]
    agreements: dict[str, bool]
    first_release: int
    release: int
    identities: list[str]

    @classmethod
    def of(cls, entry: Recall, identities: Iterable[str], release: int) -> Listed:
        """The recall as it is to outlive the database."""
        return cls(
            **{name: getattr(entry, name) for name in _AS_THEY_ARE},
            kind=str(entry.kind),
            asked_at=iso(entry.asked_at),
            release=release,
            identities=list(identities),
        )

    def recall(self) -> Recall:
        """The recall as it was asked for, to be carried out again."""
        return Recall(
            **{name: getattr(self, name) for name in _AS_THEY_ARE},
            kind=RecallKind(self.kind),
            asked_at=datetime.fromisoformat(self.asked_at),
            release=self.release,
            state=RecallState.ASKED,
        )


@dataclass(frozen=True)
class ListFile:
    """The file at ``path``."""

    path: Path

    def read(self) -> list[Listed]:
        """What it lists, each recall once; a line that a crash cut off does not count: nothing was erased then.

        Raises ``SafeStatsError`` where it cannot be read.
        """
        try:
            lines = self.path.read_text(encoding="utf-8").split("\n")[:-1]
            listed = [Listed(**json.loads(line)) for line in lines]
        except FileNotFoundError:
            return []
        except (OSError, ValueError, TypeError) as error:
            raise SafeStatsError(
                f"The list of recalled incidents {self.path} cannot be read: restore it from its backup."
            ) from error
        return list({entry.recall_id: entry for entry in listed}.values())

    def append(self, entry: Listed) -> None:
        """Add a recall; it is on the disk when this returns."""
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        document: dict[str, Any] = asdict(entry)
        handle = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        with os.fdopen(handle, "r+b") as file:
            # After the last whole line: what a crash left of another goes.
            content = file.read()
            file.seek(content.rfind(b"\n") + 1)
            file.write(json.dumps(document, separators=(",", ":")).encode() + b"\n")
            file.truncate()
            file.flush()
            os.fsync(file.fileno())
        folder = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
