"""JSON: a list of records, or an object that holds one; members within members are named by a dotted path."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from ..errors import SafeStatsError
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


def read_json_list(shown: str, data: bytes) -> JsonList:
    """The records in a JSON text, called ``shown`` before people; raises ``SafeStatsError``."""
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
class _Columns:
    texts: dict[str, list[str]] = field(default_factory=dict)
    nested: set[str] = field(default_factory=set)


def json_table(file: str, lists: Sequence[JsonList], members: bool, notes: Sequence[str] = ()) -> RawTable:
    """All lists as one table. ``members`` tells that they are the members of the zip file ``file``."""
    entries = [entry for each in lists for entry in each.entries]
    columns = _Columns()
    _take_apart(entries, "", columns, 0)
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


def _take_apart(entries: list[dict[str, Any]], prefix: str, columns: _Columns, depth: int) -> None:
    for name in dict.fromkeys(name for entry in entries for name in entry):
        path = prefix + str(name)
        values = [entry.get(name) for entry in entries]
        objects = [value if isinstance(value, dict) else {} for value in values]
        if any(objects) and depth < _DEEPEST:
            _take_apart(objects, f"{path}.", columns, depth + 1)
            columns.nested.add(path)
        if all(value is None or isinstance(value, dict) for value in values) and any(objects):
            continue
        texts = []
        for value in values:
            if isinstance(value, list | dict):
                columns.nested.add(path)
                texts.append(json.dumps(value, ensure_ascii=False) if value else "")
            else:
                texts.append("" if value is None else str(value))
        columns.texts[path] = texts
