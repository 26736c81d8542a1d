"""The text of a layer's own filter: what a person and the audit are told of it, and what stays in no file."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterator
from typing import Any

from ...shared.manifest import FID_COLUMN
from .analysis_error import AnalysisError
from .periods import DaySpan
from .sentences import say, translated

SINGLE_ROWS = f'"{FID_COLUMN}" …'  # stands for a filter of single rows where it must not be kept; it is no SQL
_NAMES_ROWS = re.compile(rf"\b({FID_COLUMN}|rowid|_rowid_|oid)\b|[$@]id\b", re.IGNORECASE)
# Words that a column's name is made of where it tells days, parts of days, or weeks.
_OF_DAYS = frozenset(
    {
        "date", "datetime", "day", "days", "dayofweek", "dow", "hour", "hours", "minute", "minutes", "time",
        "timestamp", "week", "weekday", "weekdays",
    }
)  # fmt: skip
_NUMBER = "incident_number"  # the Fire Brigade's ends with the day
_NAME_WORDS = re.compile(r"[\W_]+|(?<=[a-z])(?=[A-Z])")
_OF_LIST = "value"  # as a list in JSON calls its members
_LONG_FILTER = 200  # characters that a reader is shown
_LONG_AUDITED = 600  # characters that the audit keeps; the columns and the digest are of the whole
_MOST_COLUMNS = 40
# As SQLite takes a text to pieces; what is not ended goes to the end.
_PART = re.compile(
    r"(?P<gap>\s+|--[^\n]*|/\*.*?(?:\*/|\Z))"
    r"|(?P<text>[xX]?'[^']*(?:''[^']*)*(?:'|\Z))"
    r'|(?P<name>"[^"]*(?:""[^"]*)*(?:"|\Z)|`[^`]*(?:``[^`]*)*(?:`|\Z)|\[[^]]*(?:\]|\Z))'
    r"|(?P<number>(?:0[xX][0-9a-fA-F]+|\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?)\w*)"
    r"|(?P<word>[^\W\d]\w*|[$@:#]\w+)"
    r"|(?P<sign>.)",
    re.DOTALL,
)
_SPAN = re.compile(
    r"""("month" BETWEEN '[\d-]+' AND '[\d-]+' AND )?"occurred_on" BETWEEN '(?P<first>[\d-]+)' AND '(?P<last>[\d-]+)'"""
    r"(?=$| AND )"
)
_EVENING = re.compile(r""""occurred_on" <= '(?P<last>[\d-]+)'\) OR""")
_LIST = re.compile(r"\?(?: ?, ?\?)+")
_WORDS = frozenset(
    {
        "all", "and", "as", "asc", "between", "blob", "by", "case", "cast", "collate", "desc", "distinct", "else",
        "end", "escape", "except", "exists", "false", "from", "glob", "group", "having", "in", "integer", "intersect",
        "is", "isnull", "join", "like", "limit", "match", "nocase", "not", "notnull", "null", "numeric", "on", "or",
        "order", "real", "regexp", "select", "text", "then", "true", "union", "using", "when", "where", "with",
    }
)  # fmt: skip


def names_rows(subset: str) -> bool:
    """Whether a filter picks single rows, as one made of a drawn shape or of wards does; others may have their numbers
    in the next copy."""
    return _NAMES_ROWS.search(subset) is not None


def names_days(subset: str, moments: Collection[str] = ()) -> bool:
    """Whether a filter names a column that tells days or hours: one of ``moments``, or one that is called so."""
    known = {name.lower() for name in moments}
    if any(name.lower() in known or _tells_days(name) for name in columns_of(subset)):
        return True
    return any(kind == "text" and _bare(part).lower() in known for kind, part in _parts(subset))  # of QGIS's functions


def _tells_days(name: str) -> bool:
    words = [word.lower() for word in _NAME_WORDS.split(name)]
    of_day = not _OF_DAYS.isdisjoint(words) or (len(words) > 1 and words[-1] in ("on", "at"))
    return of_day or name.lower() == _NUMBER


def days_of(subset: str) -> DaySpan | None:
    """The days of a filter that the explore dock made of them; ``None`` of any other filter."""
    found = _SPAN.match(subset)
    depth = 0
    for kind, part in _parts(subset[found.end() :] if found else ""):
        depth += {"(": 1, ")": -1}.get(part, 0) if kind == "sign" else 0
        if depth < 0 or (depth == 0 and kind == "word" and part.lower() == "or"):
            return None  # somebody went on by hand: these days are not all
    night = _EVENING.search(subset)  # hours through midnight reach into the day after the last one
    try:
        return DaySpan(found["first"], night["last"] if night else found["last"]) if found else None
    except AnalysisError:
        return None


def filter_words(subset: str) -> str:
    """A layer's filter for who works with it: without comments, cut where it is long, and no list of rows."""
    if not names_rows(subset):
        told = "".join(" " if kind == "gap" else part for kind, part in _parts(subset)).strip()
        return told if len(told) <= _LONG_FILTER else f"{told[:_LONG_FILTER]} …"
    if {name.lower() for name in columns_of(subset)} <= {FID_COLUMN, _OF_LIST} or subset == SINGLE_ROWS:
        return translated("single rows, as a shape or wards pick them")
    return say("single rows, by {filter}", filter=_cut(_without_values(subset, None), _LONG_FILTER))


def columns_of(subset: str, known: Collection[str] | None = None) -> tuple[str, ...]:
    """The columns that a filter names, of those ``known``; where these are not told, whatever may be one."""
    found: dict[str, str] = {}
    parts = [part for part in _parts(subset) if part[0] != "gap"]
    for at, (kind, part) in enumerate(parts):
        called = at + 1 < len(parts) and parts[at + 1][1] == "("
        if kind == "text" and at and parts[at - 1][1] == ".":
            kind = "name"  # as SQLite takes it there
        if kind == "name" or (kind == "word" and not called and part.lower() not in _WORDS):
            name = _bare(part) if kind == "name" else part
            if known is None or _is_known(name, known):
                found.setdefault(name.lower(), name)
    return tuple(found.values())


def audited_filter(subset: str, known: Collection[str]) -> dict[str, Any]:
    """What the audit notes of a filter: its columns, its text without values or comments, and the digest of the whole.

    The digest tells whether two runs had the same filter, and proves a text that somebody hands in.
    """
    if not subset:
        return {}
    columns = columns_of(subset, {*known, FID_COLUMN})
    return {
        "filter": _cut(_without_values(subset, {*known, FID_COLUMN}), _LONG_AUDITED),
        "filter_columns": list(columns[:_MOST_COLUMNS]),
        "filter_sha256": hashlib.sha256(subset.encode(errors="replace")).hexdigest(),
        "filter_length": len(subset),
    }


def _parts(subset: str) -> Iterator[tuple[str, str]]:
    for found in _PART.finditer(subset):
        yield found.lastgroup or "sign", found[0]


def _without_values(subset: str, known: Collection[str] | None) -> str:
    told = []
    for kind, part in _parts(subset):
        if kind == "gap":
            part = " "
        elif kind in ("text", "number"):
            part = "?"
        elif kind == "name" and known is not None and not _is_known(_bare(part), known):
            part = "?"  # SQLite takes a name that is no column for a text
        told.append(part)
    words = re.sub(" +", " ", "".join(told)).strip()
    return _LIST.sub("?, …", words)


def _bare(name: str) -> str:
    return name[1:-1] if len(name) > 1 else name


def _is_known(name: str, known: Collection[str]) -> bool:
    return name.lower() in {one.lower() for one in known} or _NAMES_ROWS.fullmatch(name) is not None


def _cut(words: str, longest: int) -> str:
    return words if len(words) <= longest else f"{words[:longest]} …"
