"""Lists in pages: each begins after the key of the last row before it, so that rows which come or go shift nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from .visits import with_query

ROWS = 50

Row = TypeVar("Row")


@dataclass(frozen=True)
class Page(Generic[Row]):
    """Some rows; ``next`` and ``first`` are addresses of other pages, "" where there is none."""

    rows: list[Row]
    next: str
    first: str


def page_of(
    rows: Iterable[Row], key: Callable[[Row], str], after: str, address: str, filters: Mapping[str, str]
) -> Page[Row]:
    """The rows, sorted by their key, that come after it; the filters are kept in the addresses."""
    left = [row for row in sorted(rows, key=key) if key(row) > after]
    shown = left[:ROWS]
    further = with_query(address, {**filters, "after": key(shown[-1])}) if len(left) > ROWS else ""
    return Page(shown, further, with_query(address, filters) if after else "")
