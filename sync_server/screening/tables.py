"""The screening of one table: stops it, or gives it back without what is not agreed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Generic, Protocol, TypeVar

from ..datasets.definitions import DatasetDefinition
from ..errors import SafeStatsError
from .headers import Identifier, header_keys, identifying_header, header_key, shown


class Table(Protocol):
    """What screening needs of a table that was read: a dataclass of these members."""

    @property
    def file(self) -> str: ...
    @property
    def sheet(self) -> str: ...
    @property
    def header(self) -> list[str]: ...
    @property
    def rows(self) -> list[list[str]]: ...


T = TypeVar("T", bound=Table)


@dataclass(frozen=True)
class Screened(Generic[T]):
    """A table that may be read on. Its text never shows a cell."""

    table: T = field(repr=False)  # without columns that are not agreed, and with identifying values blanked
    dropped: Counter[str] = field(default_factory=Counter)  # filled values not agreed, by header
    blanked: Counter[str] = field(default_factory=Counter)  # identifying values inside text, by kind and header


def screen_table(table: T, expected_headers: Collection[str], definition: DatasetDefinition) -> Screened[T]:
    """The table without what the platform must not hold.

    ``expected_headers`` are all that the mappings in question know: targets, owners, dropped and ignored ones. Raises
    ``SafeStatsError``, which names the column and never a value, where one tells who somebody is.
    """
    expected = header_keys(expected_headers)
    kept: list[int] = []
    dropped: Counter[str] = Counter()
    for at, header in enumerate(table.header):
        agreed = header_key(header) in expected
        found = identifying_header(header, agreed)
        if found is not None:
            raise refusal(table, shown(header, at + 1), found)
        if agreed:
            kept.append(at)
        else:
            filled = sum(1 for row in table.rows if at < len(row) and row[at].strip())
            dropped[" ".join(header.split()) or f"column {at + 1}"] += filled
    return Screened(_only(table, kept), dropped)


def refusal(table: Table, column: str, found: Identifier) -> SafeStatsError:
    """The sentence with which a file stops."""
    where = f"{table.file}, sheet “{table.sheet}”," if table.sheet else table.file
    return SafeStatsError(
        f"{where} has {column}, which would tell who somebody is ({found}): nothing of the file was kept; ask the "
        "supplier for a file without it."
    )


def _only(table: T, kept: Sequence[int]) -> T:
    changes: dict[str, Any] = {
        "header": [table.header[at] for at in kept],
        "rows": [[row[at] for at in kept if at < len(row)] for row in table.rows],
    }
    return replace(table, **changes)  # type: ignore[type-var]
