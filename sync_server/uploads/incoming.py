"""Files that came over the network and wait to be loaded: ``data_dir/incoming/<token>/<name>``, for the server alone.

Nothing here looks into a file. Who keeps one forgets it when its load has ended, whichever way; what a crash left
behind is tidied away.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import shutil
import time
from collections.abc import Collection
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

from ..errors import SafeStatsError

LEFTOVER_SECONDS = 24 * 3600
LONGEST_NAME = 120
_PIECE = 1 << 20
_TOKEN = re.compile(r"[0-9a-f]{32}")
_UNFIT = re.compile(r"[\x00-\x1f\x7f-\x9f/\\:*?\"<>|\u202a-\u202e\u2066-\u2069\ud800-\udfff]+")


class TooLargeError(SafeStatsError):
    """A file is larger than its door takes."""


@dataclass(frozen=True)
class IncomingFile:
    """A file that waits. ``token`` is random; ``name`` is the sender's, without folders and what no disk takes."""

    token: str
    name: str
    size: int
    sha256: str

    def to_json(self) -> dict[str, Any]:
        """For a column of the one who must remember it."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> IncomingFile:
        """The file of such a column."""
        return cls(**document)


class Incoming:
    """The folder of waiting files."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, stream: BinaryIO, name: str, most_bytes: int) -> IncomingFile:
        """Write a stream to the disk and tell its size and SHA-256.

        Raises ``SafeStatsError`` where it is empty and ``TooLargeError`` where it has more bytes than that: nothing
        is left of it then.
        """
        token, name = secrets.token_hex(16), fit_name(name)
        folder = self._folder / token
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder.mkdir(mode=0o700)
        digest, size = hashlib.sha256(), 0
        try:
            with os.fdopen(os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                while piece := stream.read(_PIECE):
                    size += len(piece)
                    if size > most_bytes:
                        raise TooLargeError(
                            f"{name} is larger than {most_bytes / 1e6:,.0f} MB: send it in parts, or ask the SafeStats "
                            "team to load it."
                        )
                    digest.update(piece)
                    file.write(piece)
                file.flush()
                os.fsync(file.fileno())
            if not size:
                raise SafeStatsError(f"{name} is empty: send the file itself.")
        except BaseException:
            self.forget(token)
            raise
        return IncomingFile(token, name, size, digest.hexdigest())

    def path(self, file: IncomingFile) -> Path:
        """Where it lies, under the sender's name; it is there until it is forgotten."""
        return self._folder / _checked(file.token) / fit_name(file.name)

    def forget(self, token: str) -> None:
        """Delete a file; whether it was there does not matter."""
        shutil.rmtree(self._folder / _checked(token), ignore_errors=True)

    def tidy(self, named: Collection[str], older_than_seconds: float = LEFTOVER_SECONDS) -> int:
        """Delete what is older and whose token nobody names; returns how many files went."""
        if not self._folder.is_dir():
            return 0
        limit, removed = time.time() - older_than_seconds, 0
        for folder in self._folder.iterdir():
            try:
                old = folder.stat().st_mtime < limit
            except FileNotFoundError:
                continue  # forgotten this moment
            if old and folder.name not in named and _TOKEN.fullmatch(folder.name):
                self.forget(folder.name)
                removed += 1
        return removed


def fit_name(name: str) -> str:
    """A sender's file name as one that every disk takes; its ending stays."""
    name = _UNFIT.sub("_", re.split(r"[/\\]", name)[-1]).strip(" .")
    stem, dot, ending = name.rpartition(".")
    if dot and len(ending) <= 8:
        name = f"{stem[: LONGEST_NAME - 9]}.{ending}"
    # A disk counts bytes: a name of 120 letters may have more than it takes.
    while len(name.encode()) > 240:
        name = name[1:]
    return name[:LONGEST_NAME] or "file"


def _checked(token: str) -> str:
    if not _TOKEN.fullmatch(token):
        raise ValueError("This is no token of a waiting file.")
    return token
