"""Pages by key: the next page begins after the last row, so that no row is passed over or given twice."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, and_, or_

from ..analysis.visible import BadValue, VisibleRows
from ..datasets.definitions import Field, FieldType
from ..problems import Problem

_MOST_KEYS = 4
_LONGEST = 4_096
_LARGEST_REAL = 1e300
_KINDS: dict[FieldType, tuple[type, ...]] = {
    FieldType.TEXT: (str,),
    FieldType.INTEGER: (int,),
    FieldType.REAL: (int, float),
    FieldType.DATE: (str,),
    FieldType.BOOLEAN: (int,),
}


@dataclass(frozen=True)
class SortKey:
    """A property to sort by; rows that do not show it come last either way."""

    name: str
    descending: bool


@dataclass(frozen=True)
class Cursor:
    """Where the next page begins: after the row of those values and that ``fid``."""

    release: int
    matched: int
    values: tuple[Any, ...]
    fid: int


class ReleaseChanged(Problem):
    """New data came in between two pages."""

    def __init__(self) -> None:
        super().__init__(
            409,
            "release-changed",
            "The data have changed",
            "This layer was published anew since its first page was given: ask for it again from the beginning.",
        )


def parse_sort(text: str) -> tuple[SortKey, ...]:
    """``+month,-category`` as keys; raises ``BadValue``."""
    keys = []
    for part in text.split(","):
        # In an address a plus sign that is not escaped is a blank.
        sign, name = (part[0], part[1:]) if part[:1] in ("+", "-", " ") else ("+", part)
        keys.append(SortKey(name, sign == "-"))
    names = [key.name for key in keys]
    if not all(names) or len(set(names)) != len(names) or len(names) > _MOST_KEYS:
        raise BadValue("sortby", f"up to {_MOST_KEYS} different properties with commas between, each after + or -")
    return tuple(keys)


def ordering(rows: VisibleRows, sort: Sequence[SortKey]) -> list[ColumnElement[Any]]:
    """What to order by; raises ``UnknownProperty``."""
    columns = [(rows.column(key.name), key.descending) for key in sort]
    ordered = [(column.desc() if descending else column.asc()).nulls_last() for column, descending in columns]
    return [*ordered, rows.fid]


def after(rows: VisibleRows, sort: Sequence[SortKey], cursor: Cursor) -> ColumnElement[bool]:
    """Rows that come after the cursor's."""
    beyond: ColumnElement[bool] = rows.fid > cursor.fid
    for key, value in reversed(list(zip(sort, cursor.values, strict=True))):
        column = rows.column(key.name)
        if value is None:
            beyond = and_(column.is_(None), beyond)
        else:
            further = column < value if key.descending else column > value
            beyond = or_(further, column.is_(None), and_(column == value, beyond))
    return beyond


def write_cursor(cursor: Cursor, question: Sequence[tuple[str, str]]) -> str:
    """The cursor as text, good for this question only."""
    values = [value.isoformat() if isinstance(value, date) else value for value in cursor.values]
    members = [_digest(question), cursor.release, cursor.matched, values, cursor.fid]
    packed = json.dumps(members, ensure_ascii=False, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(packed).decode().rstrip("=")


def read_cursor(text: str, question: Sequence[tuple[str, str]], fields: Sequence[Field]) -> Cursor:
    """The cursor of a question sorted by the fields; raises ``BadValue``: it may be anybody's invention."""
    try:
        if len(text) > _LONGEST or not text.isascii():
            raise ValueError
        digest, release, matched, values, fid = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        if digest != _digest(question) or len(values) != len(fields):
            raise ValueError
        for number in (release, matched, fid):
            if type(number) is not int or not 0 <= number < 2**63:
                raise ValueError
        typed = tuple(_typed(field, value) for field, value in zip(fields, values, strict=True))
    except (ValueError, TypeError, RecursionError, binascii.Error):
        raise BadValue("cursor", "take the “next” link as it was given") from None
    return Cursor(release, matched, typed, fid)


def _typed(field: Field, value: Any) -> Any:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, _KINDS[field.type]):
        raise ValueError
    if isinstance(value, str):
        value.encode()  # a lone surrogate is no text
        if "\0" in value:
            raise ValueError
        return date.fromisoformat(value) if field.type == FieldType.DATE else value
    assert isinstance(value, int | float)
    if not abs(value) < (_LARGEST_REAL if field.type == FieldType.REAL else 2**31):
        raise ValueError
    return value


def _digest(question: Sequence[tuple[str, str]]) -> str:
    return hashlib.sha256(json.dumps(list(question)).encode()).hexdigest()[:16]
