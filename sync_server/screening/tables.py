"""The screening of one table: stops it, or gives it back without what is not agreed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import repeat

import polars as pl

from ..datasets.definitions import DatasetDefinition
from ..errors import SafeStatsError
from ..ingest.headers import header_key, matches
from ..ingest.raw_tables import RawTable
from ..progress import Between, unwatched
from .columns import judge
from .headers import Identifier, identifying_header
from .marks import EXAMPLE_MARK, TEMPLATE_SHEETS
from .names import harmless, refuse_identifying_names
from .values import blanked

_SHOWN = 40
_ROWS_OF_A_TABLE = 10
_AT_ONCE = 2  # columns: Polars lets other threads work meanwhile


@dataclass(frozen=True)
class Screened:
    """A table that may be read on. Its repr shows no cell."""

    table: RawTable = field(repr=False)  # without columns that are not agreed, and with identifying values blanked
    dropped: Counter[str] = field(default_factory=Counter)  # filled values not agreed, by header
    blanked: Counter[str] = field(default_factory=Counter)  # identifying values in text, by kind and header


def screen_table(
    table: RawTable,
    expected_headers: Collection[str],
    definition: DatasetDefinition,
    between: Between = unwatched,
) -> Screened:
    """The table without what the platform must not hold.

    ``expected_headers`` are all that the mappings in question know: targets, owners, dropped and ignored ones. Raises
    ``SafeStatsError``, which names the column and never a value, where one tells who somebody is.
    """
    agreed = _agreed(table, expected_headers)
    codes = frozenset(text.casefold() for one in definition.fields for pair in one.codes.items() for text in pair)
    refuse_identifying_names([table.file])
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        distinct = list(threads.map(pl.Series.unique, table.cells))
    _refuse_examples(table, distinct)
    names = [_shown(header, at, agreed[at]) for at, header in enumerate(table.header)]
    # All headers before the first cell: they say most, and at once.
    announced = {at: identifying_header(header, agreed[at]) for at, header in enumerate(table.header)}
    stops = {at: found for at, found in announced.items() if found is not None}
    if stops:
        raise _refusal(table, names, stops)
    judged = []
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        for one in threads.map(judge, table.header, table.cells, distinct, agreed, repeat(codes)):
            between()
            judged.append(one)
    stops = {at: one.stops for at, one in enumerate(judged) if one.stops is not None}
    if stops:
        raise _refusal(table, names, stops)
    dropped: Counter[str] = Counter()
    emptied: Counter[str] = Counter()
    unwanted: list[int] = []
    screened = replace(table, above=tuple(blanked(text)[0] for text in table.above))
    for at, one in enumerate(judged):
        if not agreed[at]:
            unwanted.append(at)
            filled = int((table.column(at).str.strip_chars() != "").sum())
            if filled or table.header[at].strip():
                dropped[names[at]] += filled
        elif one.changes:
            screened = screened.with_column(at, table.column(at).replace(one.changes))
            emptied.update({f"{kind} in {names[at]}": number for kind, number in one.counts.items()})
    return Screened(screened.without(unwanted), dropped, emptied)


def screen_unread(table: RawTable, definition: DatasetDefinition) -> None:
    """Look at a table that nobody is going to read: a sheet of patients beside the return stops the file as well.

    A few lines are a cover, which may say who made the file. Raises ``SafeStatsError`` as ``screen_table`` does.
    """
    if len(table) >= _ROWS_OF_A_TABLE and table.sheet not in TEMPLATE_SHEETS:
        screen_table(table, (), definition)


def _agreed(table: RawTable, expected_headers: Collection[str]) -> list[bool]:
    """Of each column whether some mapping knows it."""
    expected = {header_key(header) for header in expected_headers}
    patterns = [key for key in expected if "*" in key]
    keys = [header_key(header) for header in table.header]
    return [key in expected or any(matches(key, pattern) for pattern in patterns) for key in keys]


def _refusal(table: RawTable, names: list[str], stops: dict[int, Identifier]) -> SafeStatsError:
    """The sentence with which a file stops: its columns, never a value."""
    told = [f"{names[at]} ({found})" for at, found in stops.items()]
    columns = told[0] if len(told) == 1 else f"{', '.join(told[:-1])} and {told[-1]}"
    which = ("tells", "it") if len(told) == 1 else ("tell", "them")
    return SafeStatsError(
        f"{title_of(table)} has {columns}, which {which[0]} who somebody is: nothing of the file was kept; ask the "
        f"supplier for a file without {which[1]}."
    )


def title_of(table: RawTable) -> str:
    """The table's name, which may bear a person's as well."""
    if not table.sheet:
        return table.file
    return f"{table.file}, sheet “{table.sheet}”," if harmless(table.sheet) else f"A sheet of {table.file}"


def _refuse_examples(table: RawTable, distinct: Sequence[pl.Series]) -> None:
    if any((texts.str.strip_chars() == EXAMPLE_MARK).any() for texts in distinct):
        raise SafeStatsError(
            f"{title_of(table)} still has the example rows of the template, which are nobody's incidents: delete them "
            "and send the file again."
        )


def _shown(header: str, at: int, agreed: bool) -> str:
    """How a sentence names a column. In a file without a header row the first row's values stand there."""
    text = " ".join(header.split())
    if text and (agreed or harmless(text)):
        return f"the column “{text[:_SHOWN]}”"
    return f"column {at + 1}"
