"""Delimited text: its encoding, its delimiter, its rows."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Iterator
from typing import Any

from ..errors import SafeStatsError
from .raw_tables import RawTable, TornRow


def read_text_table(name: str, data: bytes, known_headers: Collection[str], header_row: int) -> RawTable:
    """The one table of a CSV file."""
    text, notes = decoded(name, data)
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    header = [cell.strip() for cell in next(_rows(reader), (0, [], ""))[1]]
    rows: list[list[str]] = []
    lines: list[int] = []
    torn: list[TornRow] = []
    for line, row, trouble in _rows(reader):
        if not trouble and len(row) < len(header):
            trouble = f"cut off: {len(row)} of {len(header)} columns"
        elif not trouble and len(row) > len(header):
            trouble = f"too long: {len(row)} columns, not {len(header)}"
        if trouble:
            torn.append(TornRow(name, line, trouble))
            continue
        rows.append(row)
        lines.append(line)
    return RawTable.from_rows(name, header, rows, lines, notes=notes, torn=torn)


def decoded(name: str, data: bytes) -> tuple[str, list[str]]:
    """The text of a file, and what is to be told of its encoding."""
    try:
        return data.decode("utf-8-sig"), []
    except UnicodeDecodeError:
        pass
    try:
        text = data.decode("cp1252")
    except UnicodeDecodeError as error:
        raise SafeStatsError(f"{name} is neither UTF-8 nor Windows-1252 text: ask the supplier for UTF-8.") from error
    return text, [f"{name} is not UTF-8; it was read as Windows-1252."]


def _rows(reader: Any) -> Iterator[tuple[int, list[str], str]]:
    """(first line, values, trouble) of each row that is not blank."""
    while True:
        line = reader.line_num + 1
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error:
            yield line, [], "quotation marks that do not close"
            continue
        if any(value.strip() for value in row):
            yield line, row, ""
