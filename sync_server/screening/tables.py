"""The screening of one table: stops it, or gives it back without what is not agreed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field, replace

from ..datasets.definitions import DatasetDefinition
from ..errors import SafeStatsError
from ..ingest.headers import header_key, matches
from ..ingest.raw_tables import RawTable
from .columns import judge
from .headers import Identifier, identifying_header
from .persons import is_like_a_person
from .values import blanked, identifiers_in, normal

_SHOWN = 40


@dataclass(frozen=True)
class Screened:
    """A table that may be read on. Its repr shows no cell."""

    table: RawTable = field(repr=False)  # without columns that are not agreed, and with identifying values blanked
    dropped: Counter[str] = field(default_factory=Counter)  # filled values not agreed, by header
    blanked: Counter[str] = field(default_factory=Counter)  # identifying values in text, by kind and header


def screen_table(table: RawTable, expected_headers: Collection[str], definition: DatasetDefinition) -> Screened:
    """The table without what the platform must not hold.

    ``expected_headers`` are all that the mappings in question know: targets, owners, dropped and ignored ones. Raises
    ``SafeStatsError``, which names the column and never a value, where one tells who somebody is.
    """
    agreed = _agreed(table, expected_headers)
    codes = frozenset(text.casefold() for one in definition.fields for pair in one.codes.items() for text in pair)
    _refuse_name_of_file(table)
    names = [_shown(header, at, agreed[at]) for at, header in enumerate(table.header)]
    # All headers before the first cell: they say most, and at once.
    for at, header in enumerate(table.header):
        found = identifying_header(header, agreed[at])
        if found is not None:
            raise refusal(table, names[at], found)
    dropped: Counter[str] = Counter()
    emptied: Counter[str] = Counter()
    unwanted: list[int] = []
    screened = table
    for at, header in enumerate(table.header):
        texts = table.column(at)
        judged = judge(header, texts, agreed[at], codes)
        if judged.stops is not None:
            raise refusal(table, names[at], judged.stops)
        if not agreed[at]:
            unwanted.append(at)
            dropped[names[at]] += int((texts.str.strip_chars() != "").sum())
        elif judged.changes:
            screened = screened.with_column(at, texts.replace(judged.changes))
            for kind, number in judged.counts.items():
                emptied[f"{kind} in {names[at]}"] += number
    screened = replace(screened, above=tuple(blanked(text)[0] for text in table.above)).without(unwanted)
    return Screened(screened, dropped, emptied)


def _agreed(table: RawTable, expected_headers: Collection[str]) -> list[bool]:
    """Of each column whether some mapping knows it."""
    expected = {header_key(header) for header in expected_headers}
    patterns = [key for key in expected if "*" in key]
    keys = [header_key(header) for header in table.header]
    return [key in expected or any(matches(key, pattern) for pattern in patterns) for key in keys]


def refusal(table: RawTable, column: str, found: Identifier) -> SafeStatsError:
    """The sentence with which a file stops."""
    return SafeStatsError(
        f"{_title(table)} has {column}, which tells who somebody is ({found}): nothing of the file was kept; ask the "
        "supplier for a file without it."
    )


def _title(table: RawTable) -> str:
    """The table's name, which may bear a person's as well."""
    sheet = (
        "" if not table.sheet else (f", sheet “{table.sheet}”," if _harmless(table.sheet) else ", one of whose sheets")
    )
    return f"{table.file}{sheet}"


def _refuse_name_of_file(table: RawTable) -> None:
    if any(one.certain for one in identifiers_in(normal(table.file.replace("_", " ")))):
        raise SafeStatsError(
            "The file's own name tells who somebody is: nothing of it was kept; ask for it under another name."
        )


def _shown(header: str, at: int, agreed: bool) -> str:
    """How a sentence names a column. In a file without a header row the first row's values stand there."""
    text = " ".join(header.split())
    if text and (agreed or _harmless(text)):
        return f"the column “{text[:_SHOWN]}”"
    return f"column {at + 1}"


def _harmless(text: str) -> bool:
    plain = normal(text)
    return not identifiers_in(plain) and (identifying_header(plain) is not None or not is_like_a_person(plain))
