"""From a file's tables to rows under targets: recognised, screened, stripped of what is no row."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import polars as pl

from ..datasets.definitions import DatasetDefinition
from ..errors import SafeStatsError
from ..progress import Between, unwatched
from ..screening.marks import TEMPLATE_SHEETS
from ..screening.names import refuse_identifying_names
from ..screening.tables import screen_table, screen_unread, title_of
from .mappings import Mapping
from .moments import months_in
from .raw_tables import RawTable, TornRow
from .recognition import OWNER, SHOWN_HEADER, all_headers, choose, columns_of, expected_headers
from .source import SourceFile
from .tables import read_tables

_NIL = re.compile(
    r"\W*(?:(?:a |an )?(?:nil|zero|no|0)[ -]+(?:return|assaults?|incidents?|attend\w*|cases?|data|records?|"
    r"activity)\b.*|nil|nothing to (?:report|declare|return)\b.*|none (?:to report|this month)\b.*)\W*",
    re.IGNORECASE,
)
_FOOTER = re.compile(
    r"\W*(?:grand |sub)?(?:totals?|sum|count|signed|prepared|produced|printed|end of|notes?|source|contact|page|n ?=|"
    r"official)\b.*",
    re.IGNORECASE,
)
_LEAST_COLUMNS_ABOVE_A_FOOTER = 4
_MOSTLY_ENOUGH = 1000  # rows at the end, among which those of a footer are


@dataclass
class RawRows:
    """All rows of one file. ``frame`` has ``file``, ``line``, ``owner`` and the mapping's targets, all text but
    ``line``; ``dropped`` counts the filled values of columns that are not agreed, ``blanked`` what was taken out of
    texts."""

    mapping: Mapping
    frame: pl.DataFrame = field(repr=False)
    torn: list[TornRow] = field(default_factory=list)
    dropped: Counter[str] = field(default_factory=Counter)
    blanked: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)
    months: list[str] = field(default_factory=list)  # that the file's name and its titles name
    zero_return: str = ""  # the month of a file without rows


def read_rows(
    source: SourceFile,
    definition: DatasetDefinition,
    mappings: Sequence[Mapping],
    saved: Mapping | None = None,
    between: Between = unwatched,
) -> RawRows:
    """The rows of a file under the saved mapping, else under the one of the dataset that its headers call for.

    Raises ``SafeStatsError`` where it cannot be read, is of another kind, or tells who somebody is.
    """
    refuse_identifying_names([source.path.name])
    candidates = candidates_of(definition, mappings, saved)
    header_row, sheet = (saved.header_row, saved.sheet) if saved else (0, "")
    tables = read_tables(source, all_headers(candidates), header_row, sheet, between)
    return rows_of(source.name, tables, definition, mappings, saved, between)


def candidates_of(
    definition: DatasetDefinition, mappings: Sequence[Mapping], saved: Mapping | None = None
) -> list[Mapping]:
    """The mappings that a file of the dataset may be read by."""
    return [saved] if saved else [mapping for mapping in mappings if definition.code in mapping.datasets]


def rows_of(
    name: str,
    tables: Sequence[RawTable],
    definition: DatasetDefinition,
    mappings: Sequence[Mapping],
    saved: Mapping | None = None,
    between: Between = unwatched,
) -> RawRows:
    """As ``read_rows``, of tables that were read from the file of that name."""
    candidates = candidates_of(definition, mappings, saved)
    fitting, beside = _fitting(tables, definition, candidates, mappings)
    if not fitting:
        nil = _nil_file(name, tables, definition, candidates)
        if nil is not None:
            return nil
        if not tables:
            raise SafeStatsError(f"{name} has no table: ask the supplier to send it again.")
        # The sentence of the one that comes nearest.
        choose(max(tables, key=len), definition.code, candidates, mappings)
    for table in beside:
        screen_unread(table, definition)
    parts = [_rows_of(table, mapping, definition, between) for table, mapping in fitting]
    rows = _together(parts)
    rows.notes += [
        f"{title_of(table)} holds no table of this kind and was left out."
        for table in beside
        if len(tables) > 1 and table.sheet not in TEMPLATE_SHEETS
    ]
    for table, _ in fitting:
        rows.months += [month for text in table.above for month in months_in(text) if month not in rows.months]
    rows.months += [month for month in months_in(name) if month not in rows.months]
    if rows.frame.is_empty() and not rows.torn:
        _note_zero_return(rows, name)
    return rows


def _fitting(
    tables: Iterable[RawTable],
    definition: DatasetDefinition,
    candidates: Sequence[Mapping],
    mappings: Sequence[Mapping],
) -> tuple[list[tuple[RawTable, Mapping]], list[RawTable]]:
    """Tables with their mapping, and those that have none."""
    fitting, beside = [], []
    for table in tables:
        try:
            fitting.append((table, choose(table, definition.code, candidates, mappings)))
        except SafeStatsError:
            beside.append(table)
    return fitting, beside


def _rows_of(table: RawTable, mapping: Mapping, definition: DatasetDefinition, between: Between) -> RawRows:
    """Screened first: what follows may look at cells."""
    before = columns_of(table, mapping)
    screened = screen_table(table, expected_headers(table, mapping), definition, between)
    table, notes = screened.table, list(table.notes)
    columns = columns_of(table, mapping)
    table, below = _without_what_is_no_row(table, sorted(columns.targets.values()))
    if below:
        notes.append(f"{table.title}: {below} row(s) of totals, signatures or “nil return” are no incidents: left out.")
    files = table.files if table.files is not None else pl.Series([table.file] * len(table), dtype=pl.String)
    frame = pl.DataFrame(
        {
            "file": files.alias("file")
            if not table.sheet
            else pl.Series([_place(table)] * len(table), dtype=pl.String),
            "line": table.lines,
            **{target: table.column(at) for target, at in columns.targets.items()},
        }
    )
    rows = RawRows(mapping, frame, list(table.torn), blanked=screened.blanked, notes=notes)
    for what, positions in columns.dropped.items():
        rows.dropped[what] += sum(int((table.column(at).str.strip_chars() != "").sum()) for at in positions)
    if any(screened.dropped.values()) or before.strange:
        shown = [_shown(name) for name in screened.dropped]
        if shown:
            rows.notes.append(f"{table.title} has columns that are not agreed, which were dropped: {', '.join(shown)}.")
        for name, number in screened.dropped.items():
            if number:
                rows.dropped[name] += number
    return rows


def _place(table: RawTable) -> str:
    return f"{table.file}/{table.sheet}"


def _shown(name: str) -> str:
    text = name.removeprefix("the column ")
    return text if text.startswith("“") else text[:SHOWN_HEADER]


def _without_what_is_no_row(table: RawTable, positions: Sequence[int]) -> tuple[RawTable, int]:
    """Without totals and signatures at the end, and without rows that say that there is none."""
    if not len(table) or not table.header:
        return table, 0
    drop: set[int] = set()
    last = len(table) - 1
    first = max(0, len(table) - _MOSTLY_ENOUGH)
    filled = _filled(table.cells[first:])
    at = last
    while at >= 0 and len(table.header) >= _LEAST_COLUMNS_ABOVE_A_FOOTER:
        if at < first:
            first, filled = 0, _filled(table.cells)
        if filled[at - first] > 2:
            break
        texts = [cell for cell in table.cells.row(at) if cell.strip()]
        if not _FOOTER.fullmatch(texts[0]):
            break
        drop.add(at)
        at -= 1
    for at, number in enumerate(_filled(table.cells.head(5))):
        if number <= 2 and any(_NIL.fullmatch(cell.strip()) for cell in table.cells.row(at) if cell.strip()):
            drop.add(at)
    if not drop:
        return table, 0
    keep = pl.Series([at not in drop for at in range(len(table))])
    return table.only(keep), len(drop)


def _filled(cells: pl.DataFrame) -> pl.Series:
    """How many cells of each row hold something."""
    return cells.select(pl.sum_horizontal(pl.all().str.strip_chars() != "").alias("filled")).to_series()


def _nil_file(
    name: str, tables: Sequence[RawTable], definition: DatasetDefinition, candidates: Sequence[Mapping]
) -> RawRows | None:
    """A file that only says that there is nothing."""
    texts = [text for table in tables for text in (*table.header, *table.above) if text.strip()]
    texts += [cell for table in tables if len(table) <= 5 for row in table.rows for cell in row if cell.strip()]
    if not candidates or sum(len(table) for table in tables) > 5 or not any(_NIL.fullmatch(text) for text in texts):
        return None
    for table in tables:
        screen_table(table, (), definition)
    rows = RawRows(candidates[0], empty_frame(candidates[0]))
    rows.months = list(dict.fromkeys(month for text in (*texts, name) for month in months_in(text)))
    _note_zero_return(rows, name)
    return rows


def empty_frame(mapping: Mapping) -> pl.DataFrame:
    """No rows under a mapping's targets."""
    targets = {source.target: pl.String for source in mapping.sources}
    return pl.DataFrame(schema={"file": pl.String, "line": pl.Int64, OWNER: pl.String, **targets})


def _together(parts: Sequence[RawRows]) -> RawRows:
    """All tables of a file as one. Sheets of one workbook are filled in the same way: the first one's mapping holds."""
    first = parts[0]
    if len(parts) == 1:
        return first
    rows = RawRows(first.mapping, pl.concat([part.frame for part in parts], how="diagonal"))
    for part in parts:
        rows.torn += part.torn
        rows.dropped += part.dropped
        rows.blanked += part.blanked
        rows.notes += part.notes
    return rows


def _note_zero_return(rows: RawRows, name: str) -> None:
    month = rows.months[0] if len(set(rows.months)) == 1 else (months_in(name) or [""])[0]
    rows.zero_return = month
    told = f"a return of no incidents in {month}" if month else "no incidents; its name has no month"
    rows.notes.append(f"{name} has no rows: {told}.")
