"""A file as a supplier sent it: its bytes and what they are known by."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import SafeStatsError
from ..screening.names import shown_file

SYNTHETIC_MARK = "synthetic"  # made-up files bear it in their names


@dataclass(frozen=True)
class SourceFile:
    """A file as it came."""

    path: Path = field(repr=False)  # its name may show somebody: ``name`` is what may be told
    data: bytes = field(repr=False)
    sha256: str
    number: int = 1  # among those that came together

    @classmethod
    def read(cls, path: Path, number: int = 1) -> SourceFile:
        """The file's bytes; raises ``SafeStatsError`` where they cannot be had."""
        try:
            data = path.read_bytes()
        except OSError as error:
            raise SafeStatsError(f"{path} cannot be read: {error.strerror}.") from error
        return cls.of(path, data, number)

    @classmethod
    def of(cls, path: Path, data: bytes, number: int = 1) -> SourceFile:
        """Bytes that came in another way than from the disk, under a name."""
        return cls(path, data, hashlib.sha256(data).hexdigest(), number)

    @property
    def name(self) -> str:
        """What to call it, before people and in what is stored: its own name unless that shows somebody."""
        return shown_file(self.path.name, self.number)
