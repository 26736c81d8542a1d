"""A file as a supplier sent it: its bytes and what they are known by."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import SafeStatsError

SYNTHETIC_MARK = "synthetic"  # made-up files bear it in their names


@dataclass(frozen=True)
class SourceFile:
    """A file as it came."""

    path: Path
    data: bytes = field(repr=False)  # a repr shows no cell
    sha256: str

    @classmethod
    def read(cls, path: Path) -> SourceFile:
        """The file's bytes; raises ``SafeStatsError`` where they cannot be had."""
        try:
            data = path.read_bytes()
        except OSError as error:
            raise SafeStatsError(f"{path} cannot be read: {error.strerror}.") from error
        return cls.of(path, data)

    @classmethod
    def of(cls, path: Path, data: bytes) -> SourceFile:
        """Bytes that came in another way than from the disk, under a name."""
        return cls(path, data, hashlib.sha256(data).hexdigest())

    @property
    def name(self) -> str:
        """The name without its folder."""
        return self.path.name
