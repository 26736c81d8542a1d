"""JSON: a list of records, or an object that holds one; members within members are named by a dotted path."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from ..errors import SafeStatsError
from .bounds import MOST_KEYS, Bounds
from .raw_tables import RawTable

_DEEPEST = 8


def looks_like_json(data: bytes) -> bool:
    """Whether the first letter of a text is one that begins a JSON list or object."""
    return data.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in (b"[", b"{")


@dataclass(frozen=True)
class JsonList:
    """The records of one file, and what stood beside them."""

    name: str
    entries: list[dict[str, Any]]
    above: tuple[str, ...] = ()


def read_json_list(shown: str, data: bytes, bounds: Bounds) -> JsonList:
    """The records in a JSON text, called ``shown`` before people; raises ``SafeStatsError``."""
    # There is no value without one of these before it; those within texts are few.
    bounds.take_values(shown, sum(data.count(mark) for mark in (b",", b"[", b"{")))
    try:
        document = json.loads(data)
        if b"\\ud" in data.lower():
            json.dumps(document, ensure_ascii=False).encode()  # half a surrogate pair is no text
    except (ValueError, RecursionError) as error:
        raise SafeStatsError(f"{shown} is cut off or no JSON: ask for it again.") from error
    if isinstance(document, dict):
        lists = {key: value for key, value in document.items() if isinstance(value, list)}
        if len(lists) != 1:
            raise SafeStatsError(f"{shown} holds no list of incidents.")
        beside = tuple(f"{key}: {value}" for key, value in document.items() if isinstance(value, str | int | float))
        entries = next(iter(lists.values()))
    else:
        entries, beside = document, ()
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise SafeStatsError(f"{shown} holds no list of incidents.")
    return JsonList(shown, entries, beside)


@dataclass
class _Key:
    """What stands under one key, by the numbers of the records, and the keys within."""

    within: dict[str, _Key] = field(default_factory=dict)
    rows: list[int] = field(default_factory=list)
    values: list[Any] = field(default_factory=list)
    holds_objects: bool = False
    holds_others: bool = False

    @property
    def is_column(self) -> bool:
        return self.holds_others or not self.holds_objects


class _Columns:
    """Takes records apart, each once."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._root = _Key()
        self._keys = 0
        self.texts: dict[str, list[str]] = {}
        self.nested: set[str] = set()

    def take(self, entries: Sequence[dict[str, Any]], bounds: Bounds) -> None:
        """Fill ``texts`` and ``nested``; raises ``SafeStatsError`` where there are more keys than a table has."""
        for row, entry in enumerate(entries):
            self._take_apart(self._root, row, entry, 0)
        bounds.take(self._file, len(entries), self._keys)
        self._lay_out(self._root, "", len(entries), 0)

    def _take_apart(self, into: _Key, row: int, entry: dict[str, Any], depth: int) -> None:
        for name, value in entry.items():
            key = into.within.get(name)
            if key is None:
                key = into.within[name] = _Key()
                self._keys += 1
                if self._keys > MOST_KEYS:
                    raise SafeStatsError(
                        f"{self._file} has records with more than {MOST_KEYS} different keys, which no list of "
                        "incidents has: ask for records that all have the same keys."
                    )
            if value is None:
                continue
            if isinstance(value, dict):
                if value and depth < _DEEPEST:
                    self._take_apart(key, row, value, depth + 1)
                key.holds_objects |= bool(value)
            else:
                key.holds_others = True
            key.rows.append(row)
            key.values.append(value)

    def _lay_out(self, keys: _Key, prefix: str, length: int, depth: int) -> None:
        for name, key in keys.within.items():
            path = prefix + name
            if key.holds_objects and depth < _DEEPEST:
                self._lay_out(key, f"{path}.", length, depth + 1)
                self.nested.add(path)
            if not key.is_column:
                continue
            texts = [""] * length
            for row, value in zip(key.rows, key.values, strict=True):
                if isinstance(value, list | dict):
                    self.nested.add(path)
                    texts[row] = json.dumps(value, ensure_ascii=False) if value else ""
                else:
                    texts[row] = str(value)
            self.texts[path] = texts


def json_table(
    file: str, lists: Sequence[JsonList], bounds: Bounds, members: bool, notes: Sequence[str] = ()
) -> RawTable:
    """All lists as one table. ``members`` tells that they are the members of the zip file ``file``."""
    entries = [entry for each in lists for entry in each.entries]
    columns = _Columns(file)
    columns.take(entries, bounds)
    lines = [line for each in lists for line in range(1, len(each.entries) + 1)]
    files = [each.name for each in lists for _ in each.entries] if members else None
    return RawTable(
        file,
        "",
        tuple(columns.texts),
        pl.DataFrame(
            {str(at): pl.Series(str(at), texts, dtype=pl.String) for at, texts in enumerate(columns.texts.values())}
        ),
        pl.Series("line", lines, dtype=pl.Int64),
        tuple(notes),
        above=tuple(text for each in lists for text in each.above),
        files=None if files is None else pl.Series("file", files, dtype=pl.String),
        nested=frozenset(columns.nested),
        sparse=True,
    )
