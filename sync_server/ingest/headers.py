"""How headers are compared, and which row of a sheet is the header."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from fnmatch import fnmatchcase

# Title rows, logos and notes stand above a header, but never this many.
SEARCHED_ROWS = 30
_LEAST_KNOWN = 2


def header_key(header: str) -> str:
    """Headers are compared by their letters and digits alone, without regard to case; a "*" stays one."""
    return re.sub(r"[^\w*]|_", "", header.casefold()) or header.strip().casefold()


def matches(key: str, pattern: str) -> bool:
    """Whether a header's key is that of a pattern, in which "*" stands for anything."""
    return key == pattern if "*" not in pattern else fnmatchcase(key, pattern)


class KnownHeaders:
    """The headers that anybody knows, to be recognised in a row."""

    def __init__(self, headers: Collection[str]) -> None:
        """``headers`` may hold wildcards."""
        keys = {header_key(header) for header in headers}
        self._exact = {key for key in keys if "*" not in key}
        self._patterns = [key for key in keys if "*" in key]

    def among(self, row: Sequence[str]) -> int:
        """How many different cells of a row are known headers."""
        keys = {header_key(cell) for cell in row if cell.strip()}
        return sum(1 for key in keys if key in self._exact or any(fnmatchcase(key, p) for p in self._patterns))


def header_at(rows: Sequence[Sequence[str]], known: KnownHeaders, told: int = 0) -> int | None:
    """The index of the header among the first rows of a table; ``None`` where no row is filled.

    The row in which most headers are known; where hardly any is, the first with a second filled cell, for titles
    stand alone.
    """
    if told:
        return told - 1 if told <= len(rows) else None
    searched = rows[:SEARCHED_ROWS]
    found = [known.among(row) for row in searched]
    if found and max(found) >= _LEAST_KNOWN:
        return found.index(max(found))
    filled = [len({cell.strip() for cell in row if cell.strip()}) for row in searched]
    for least in (2, 1):
        for at, number in enumerate(filled):
            if number >= least:
                return at
    return None
