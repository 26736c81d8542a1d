"""A seal: what is signed about a batch of events, and the files that carry seals to another host."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from .canonical import canonical, digest
from .signing import PublicKey
from .store import StoredSeal

SEALS_PER_FILE = 1000
_FILE = re.compile(r"seals-\d{6,}\.jsonl")


@dataclass(frozen=True)
class Seal:
    """The events ``first`` to ``last``, ``count`` of them, end with the hash ``head``.

    ``previous`` is the digest of the seal before it, so that a seal vouches for all that came before; ``key`` names
    the key that signed it, ``at`` is when.
    """

    number: int
    first: int
    last: int
    count: int
    head: str
    at: str
    previous: str
    key: str

    @property
    def text(self) -> str:
        """What is signed."""
        return canonical(asdict(self))

    @classmethod
    def read(cls, stored: StoredSeal) -> Seal:
        """The seal that was stored; raises ``ValueError`` where it is none, or not in its one form."""
        try:
            seal = cls(**json.loads(stored.body))
        except (TypeError, ValueError) as error:
            raise ValueError("is no seal") from error
        numbers = (seal.number, seal.first, seal.last, seal.count)
        texts = (seal.head, seal.at, seal.previous, seal.key)
        whole = all(type(value) is int for value in numbers) and all(type(value) is str for value in texts)
        if not whole or seal.text != stored.body:
            raise ValueError("is no seal")
        return seal


def seal_digest(stored: StoredSeal) -> str:
    """By which the next seal names this one."""
    return digest(stored.body)


@dataclass(frozen=True)
class FolderContent:
    """Number → seal (of two with a number the first counts), and what in the files is no seal.

    A line may have been cut off by a crash: it is the beginning of the line after it, which was written whole
    later, or it is the last one (``torn``: file and line).
    """

    seals: dict[int, StoredSeal]
    trouble: list[str]
    torn: list[tuple[str, str]]


class SealFolder:
    """Seals as files of a thousand lines each, to be kept where the audit's host cannot rewrite them."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def newest(self) -> int:
        """The number of the newest seal that is there whole; 0: none."""
        for file in reversed(self._files()):
            numbers = [stored.number for stored, _ in _lines(file) if stored is not None]
            if numbers:
                return max(numbers)
        return 0

    def add(self, seals: Iterable[StoredSeal], keys: Iterable[PublicKey]) -> None:
        """Append the seals, durably, and put the public keys beside them; raises ``OSError``."""
        self.path.mkdir(parents=True, exist_ok=True)
        for key in keys:
            if not (file := self.path / f"{key.id}.pem").exists():
                file.write_bytes(key.pem)
        for stored in seals:
            path = self.path / f"seals-{(stored.number - 1) // SEALS_PER_FILE:06d}.jsonl"
            # A line that was cut off stays a line of its own.
            torn = path.exists() and path.read_bytes()[-1:] not in (b"", b"\n")
            with path.open("a", encoding="utf-8") as out:
                out.write(("\n" if torn else "") + as_line(stored))
                out.flush()
                os.fsync(out.fileno())

    def read(self) -> FolderContent:
        """What the files tell; nothing where there is no such folder."""
        content = FolderContent({}, [], [])
        for file in self._files():
            lines = list(_lines(file))
            for index, (stored, line) in enumerate(lines):
                if stored is not None:
                    if content.seals.setdefault(stored.number, stored) != stored:
                        content.trouble.append(
                            f"Line {index + 1} of {file.name} tells otherwise of seal {stored.number}."
                        )
                elif index + 1 == len(lines):
                    content.torn.append((file.name, line))
                elif not lines[index + 1][1].startswith(line):
                    content.trouble.append(f"Line {index + 1} of {file.name} is no seal.")
        return content

    def _files(self) -> list[Path]:
        if not self.path.is_dir():
            return []
        return sorted(path for path in self.path.iterdir() if _FILE.fullmatch(path.name))


def as_line(stored: StoredSeal) -> str:
    """A seal as a line of a file."""
    return canonical({"number": stored.number, "body": stored.body, "signature": stored.signature}) + "\n"


def _lines(file: Path) -> Iterator[tuple[StoredSeal | None, str]]:
    for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
        yield seal_of_line(line), line


def seal_of_line(line: str) -> StoredSeal | None:
    """The seal of a line; None where it is none."""
    try:
        stored = StoredSeal(**json.loads(line))
        return stored if as_line(stored) == line + "\n" and isinstance(stored.number, int) else None
    except (TypeError, ValueError):
        return None
