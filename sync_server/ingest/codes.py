"""What suppliers write for a code: labels, national codes, their own words."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any


def code_key(text: str) -> str:
    """Values are compared by their words alone, without regard to case and punctuation; a "*" stays one."""
    key = " ".join(re.sub(r"[^\w*]+|_+", " ", text.casefold()).split())
    return key.lstrip("0") or "0" if key.isdecimal() else key or text.strip()


_ABOUT_THE_LIST = ("assumed", "note")


@dataclass(frozen=True)
class CodeMap:
    """Texts that mean a code, exactly or by a pattern with "*"; of several patterns the first one that fits."""

    exact: Mapping[str, str] = field(default_factory=dict)
    patterns: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, entries: Mapping[str, Any]) -> CodeMap:
        """From text → code, or from code → list of texts; lists of several standards may be tables of their own."""
        pairs = list(_pairs(entries))
        return cls(
            {code_key(text): code for text, code in pairs if "*" not in text},
            tuple((code_key(text), code) for text, code in pairs if "*" in text),
        )

    @property
    def codes(self) -> set[str]:
        """Every code that it leads to."""
        return {*self.exact.values(), *(code for _, code in self.patterns)}

    def before(self, other: CodeMap) -> CodeMap:
        """Both, of which this one holds where they differ."""
        return CodeMap({**other.exact, **self.exact}, self.patterns + other.patterns)

    def find(self, text: str) -> str | None:
        """The code of a text, ``None`` where it has none."""
        key = code_key(text)
        code = self.exact.get(key)
        if code is not None:
            return code
        return next((code for pattern, code in self.patterns if fnmatchcase(key, pattern)), None)


def _pairs(entries: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in entries.items():
        if name in _ABOUT_THE_LIST:
            continue
        if isinstance(value, dict):
            yield from _pairs(value)
        elif isinstance(value, list):
            yield from ((text, name) for text in value)
        else:
            yield name, str(value)
