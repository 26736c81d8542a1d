"""What a file would come to under a mapping: looked at before it is saved, and stored nowhere."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from typing import Any

import polars as pl

from ..datasets.definitions import BUILT_IN_FIELDS, DatasetDefinition, Field
from ..errors import SafeStatsError
from ..geocoding.places import Places, place_described
from ..screening.headers import identifying_header
from ..screening.tables import screen_table
from ..services import Services
from .mappings import Mapping, PlaceKind
from .pipeline import PlacesDescribed, prepare
from .raw_tables import RawTable
from .recognition import all_headers, assigned, missing_headers, suggestions
from .rows import candidates_of, rows_of
from .source import SYNTHETIC_MARK, SourceFile
from .tables import read_tables

ROWS_SHOWN = 20
_ROWS_CARRIED = 100
_VALUES_SHOWN = 20
_LONGEST_CELL = 120
_PLACED_IN = "borough"  # what came of where it was, beside what was written


@dataclass(frozen=True)
class PreviewColumn:
    """One column of the file: where it leads, and what it may be meant for where it leads nowhere."""

    header: str
    target: str
    suggested: str


@dataclass(frozen=True)
class PreviewRow:
    """One row as it would be taken; ``reason`` tells why it would not."""

    line: int
    values: tuple[str, ...]
    reason: str


@dataclass(frozen=True)
class Preview:
    """What came of the first rows."""

    columns: tuple[PreviewColumn, ...]
    missing: tuple[str, ...]  # targets that the mapping must have and finds no column for
    names: tuple[str, ...]  # what the fields of ``PreviewRow.values`` are called
    rows: tuple[PreviewRow, ...]
    taken: int
    rejected: Counter[str]
    unmapped: dict[str, list[tuple[str, int]]]  # field → values in no code list
    strange: dict[str, int]  # field → how many rows have a value in no code list, be it listed or not
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Sample:
    """The first rows of a file, screened, that go to and fro between page and server: nothing of it is kept here."""

    name: str
    table: RawTable

    def to_text(self) -> str:
        """For a hidden field."""
        return json.dumps(
            {
                "name": self.name,
                "sheet": self.table.sheet,
                "header": self.table.header,
                "above": self.table.above,
                "lines": self.table.lines.to_list(),
                "rows": self.table.rows,
            },
            ensure_ascii=False,
        )

    @classmethod
    def of_text(cls, text: str) -> Sample:
        """What ``to_text`` gave; raises ``SafeStatsError`` where it is something else."""
        try:
            parts: dict[str, Any] = json.loads(text)
            rows = [[str(cell) for cell in row][: len(parts["header"])] for row in parts["rows"]]
            if any(len(row) != len(parts["header"]) for row in rows) or len(rows) != len(parts["lines"]):
                raise ValueError("rows that are no table")
            table = RawTable.from_rows(
                str(parts["name"]),
                [str(cell) for cell in parts["header"]],
                rows,
                [int(line) for line in parts["lines"]],
                sheet=str(parts["sheet"]),
                above=[str(cell) for cell in parts["above"]],
            )
        except (ValueError, KeyError, TypeError) as error:
            raise SafeStatsError("The rows of the file were lost on the way: choose the file again.") from error
        return cls(table.file, table)


def take_sample(
    source: SourceFile, definition: DatasetDefinition, mappings: Sequence[Mapping], mapping: Mapping
) -> Sample:
    """The first rows of the table that fits best, screened. Columns that tell who somebody is stop it."""
    candidates = candidates_of(definition, mappings, mapping)
    tables = read_tables(source, all_headers(candidates), mapping.header_row, mapping.sheet)
    if not tables:
        raise SafeStatsError(f"{source.name} has no table.")
    best = min(tables, key=lambda table: (len(missing_headers(table, mapping)), -len(table)))
    # All columns may be wanted yet, but for those that nobody may have.
    plain = [header for header in best.header if identifying_header(header, mapping.knows(header)) is None]
    screened = screen_table(best, plain, definition).table.head(_ROWS_CARRIED)
    short = screened.cells.with_columns(pl.all().str.slice(0, _LONGEST_CELL))
    return Sample(source.name, replace(screened, cells=short, files=None, torn=(), notes=()))


def preview(
    services: Services,
    definition: DatasetDefinition,
    sample: Sample,
    mappings: Sequence[Mapping],
    mapping: Mapping,
    site: str,
    today: date,
) -> Preview:
    """What the sample comes to under the mapping."""
    table = sample.table
    led = {at: target for target, at in assigned(table, mapping).items()}
    suggested = suggestions(table, mapping)
    columns = tuple(
        PreviewColumn(header, led.get(at, ""), suggested.get(at, "")) for at, header in enumerate(table.header)
    )
    missing = tuple(source.target for source in missing_headers(table, mapping))
    if missing:
        return Preview(columns, missing, (), (), 0, Counter(), {}, {}, ())
    raw = rows_of(sample.name, [table], definition, mappings, mapping)
    with services.database.read() as session:
        place: PlacesDescribed | None = None
        if mapping.placing.kind == PlaceKind.DESCRIBED:
            places = Places.open(services, session, definition.code, synthetic=SYNTHETIC_MARK in sample.name.casefold())
            place = partial(place_described, places=places)
        prepared = prepare(raw, definition, services.areas, today, sample.name, site or "?", place)
    fields = [
        field
        for field in (*definition.fields, *BUILT_IN_FIELDS)
        if field.name in {*led.values(), _PLACED_IN} and field.name in prepared.good.columns
    ]
    rows = [
        _shown(row, fields, reason)
        for frame, reason in ((prepared.good, ""), (prepared.bad, "reason"))
        for row in frame.iter_rows(named=True)
    ]
    rows.sort(key=lambda row: row.line)
    return Preview(
        columns,
        (),
        tuple(field.alias for field in fields),
        tuple(rows[:ROWS_SHOWN]),
        len(prepared.good),
        prepared.counts.rejected,
        {name: values.most_common(_VALUES_SHOWN) for name, values in prepared.counts.unmapped_values.items()},
        dict(prepared.counts.unmapped),
        (*raw.notes, *prepared.notes),
    )


def _shown(row: dict[str, Any], fields: Sequence[Field], reason: str) -> PreviewRow:
    """The row with its values as people read them; ``reason`` names the column that says what is wrong, if any."""
    values = [row.get(field.name) for field in fields]
    told = (
        "" if value is None else field.codes.get(str(value), str(value))
        for field, value in zip(fields, values, strict=True)
    )
    return PreviewRow(row["line"], tuple(told), row[reason] if reason else "")
