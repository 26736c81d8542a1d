"""Delimited text: its encoding, its delimiter, its rows.

Pieces in which every line has all columns and no quotation mark are taken apart by Polars at once, other lines
without quotation marks one by one; the few others by Python's reader.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections import Counter
from collections.abc import Iterator

import numpy as np
import polars as pl
from polars.exceptions import ComputeError

from ..errors import SafeStatsError
from ..progress import Between, unwatched
from .bounds import MOST_COLUMNS, Bounds, too_wide
from .headers import SEARCHED_ROWS, KnownHeaders, header_at
from .raw_tables import RawTable, TornRow

_DELIMITERS = (",", ";", "\t")
_UNCLOSED = "quotation marks that do not close"
# No text that is worth loading holds this separator of units.
_WHOLE_LINE = "\x1f"
_PIECE = 16_000_000
_HEAD = 200_000  # bytes in which the header is looked for
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def read_text_table(
    name: str,
    data: bytes,
    known: KnownHeaders,
    bounds: Bounds,
    header_row: int = 0,
    between: Between = unwatched,
) -> RawTable:
    """The one table of a delimited text file; raises ``SafeStatsError`` where it is no text."""
    # Plain ASCII, as it mostly is, need not be decoded to be known as text.
    plain = data.isascii() and b"\0" not in data
    text, notes = (data[:_HEAD].decode("ascii"), []) if plain else decoded(name, data)
    between()
    head = text[:_HEAD].replace("\r\n", "\n").replace("\r", "\n").split("\n")[: 2 * SEARCHED_ROWS]
    declared = head[0].strip().strip('"').casefold() if head else ""
    skipped = 1 if declared.startswith("sep=") and len(declared) == len("sep=;") else 0
    delimiter = declared[4] if skipped else _delimiter(head, known)
    first = [(line, row) for line, row, trouble in _records(io.StringIO("\n".join(head)), delimiter) if not trouble]
    first = [(line, row) for line, row in first if line > skipped][:SEARCHED_ROWS]
    if any(len(row) > MOST_COLUMNS for _, row in first):
        raise too_wide(name)
    at = next((n for n, (line, _) in enumerate(first) if line == header_row), None) if header_row else None
    if at is None:
        at = header_at([row for _, row in first], known)
    if at is None:
        return RawTable.from_rows(name, (), (), notes=notes)
    header_line, header = first[at]
    above = tuple(cell.strip() for _, row in first[:at] for cell in row if cell.strip())
    header = [cell.strip() for cell in header]
    # What is UTF-8 already need not be made so again: a year's file is large.
    remade = notes or data.startswith(_UTF16)
    raw = text.encode() if remade else data.removeprefix(codecs.BOM_UTF8)
    del text
    bounds.take(name, max(_count(raw, b"\n"), _count(raw, b"\r")) + 1, len(header))
    cells, lines, torn = _body(name, raw, delimiter, header_line, len(header), between)
    return RawTable(name, "", tuple(header), cells, lines, tuple(notes), tuple(torn), above)


def decoded(name: str, data: bytes) -> tuple[str, list[str]]:
    """The text of a file, and what is to be told of its encoding."""
    if data.startswith(_UTF16):
        try:
            return data.decode("utf-16"), []
        except UnicodeDecodeError as error:
            raise SafeStatsError(
                f"{name} is cut off in the middle of a letter: ask the supplier for it again."
            ) from error
    if b"\0" in data:
        raise SafeStatsError(f"{name} is no text: it holds bytes that no CSV file has.")
    try:
        return data.decode("utf-8-sig"), []
    except UnicodeDecodeError:
        pass
    try:
        text = data.decode("cp1252")
    except UnicodeDecodeError as error:
        raise SafeStatsError(f"{name} is neither UTF-8 nor Windows-1252 text: ask the supplier for UTF-8.") from error
    return text, [f"{name} is not UTF-8; it was read as Windows-1252."]


def _delimiter(head: list[str], known: KnownHeaders) -> str:
    """The one by which most headers are known; where none is, by which most lines have equally many columns."""

    def merit(delimiter: str) -> tuple[int, int, int]:
        rows = [row for _, row, trouble in _records(io.StringIO("\n".join(head)), delimiter) if not trouble]
        if max(map(len, rows), default=0) > MOST_COLUMNS:
            return 0, len(rows), MOST_COLUMNS
        widths = Counter(len(row) for row in rows if len(row) > 1)
        width, alike = max(widths.items(), key=lambda item: (item[1], item[0]), default=(0, 0))
        return max((known.among(row) for row in rows[:SEARCHED_ROWS]), default=0), alike, width

    return max(_DELIMITERS, key=merit)


def _records(text: io.StringIO, delimiter: str) -> Iterator[tuple[int, list[str], str]]:
    """(first line, values, trouble) of each row that is not blank."""
    reader = csv.reader(text, delimiter=delimiter, strict=True)
    while True:
        line = reader.line_num + 1
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error:
            yield line, [], _UNCLOSED
            continue
        if any(value.strip() for value in row):
            yield line, row, ""


def _body(
    name: str, data: bytes, delimiter: str, header_line: int, width: int, between: Between
) -> tuple[pl.DataFrame, pl.Series, list[TornRow]]:
    """Cells, line numbers and torn rows of all that stands below the header, piece by piece: a year's text taken apart
    at once would fill the memory."""
    returns = b"\r" in data and _count(data, b"\r") != data.count(b"\r\n")
    strange = returns or _WHOLE_LINE.encode() in data
    start = 0
    for _ in range(header_line):
        start = data.find(b"\n", start) + 1 or len(data)
    pieces: list[tuple[pl.DataFrame, pl.Series]] = []
    torn: list[TornRow] = []
    number = header_line
    while start < len(data) and not strange:
        between()
        end = data.rfind(b"\n", start, start + _PIECE) + 1 or data.find(b"\n", start) + 1 or len(data)
        piece = data[start:end]
        taken = _piece(name, piece, delimiter, number, width, torn)
        if taken is None:
            strange = True
            break
        pieces.append(taken)
        number += _count(piece, b"\n")
        start = end
    # A value that spans lines, or line ends of another kind, are for Python's own reader.
    if strange:
        return _slow_body(name, io.StringIO(data.decode(), newline=""), delimiter, header_line, width)
    none = pl.DataFrame(schema={str(at): pl.String for at in range(width)})
    cells = pl.concat([none, *(cells for cells, _ in pieces)], rechunk=True)
    lines = pl.concat([pl.Series("line", [], dtype=pl.Int64), *(lines for _, lines in pieces)])
    return cells, lines, sorted(torn, key=lambda row: row.line)


def _piece(
    name: str, data: bytes, delimiter: str, before: int, width: int, torn: list[TornRow]
) -> tuple[pl.DataFrame, pl.Series] | None:
    """The cells and line numbers of whole lines, ``before`` lines of which others stand; ``None`` where a value that
    is quoted does not end in its line."""
    cells = _whole(data, delimiter, width)
    if cells is not None:
        return cells, pl.int_range(before + 1, before + 1 + len(cells), eager=True).alias("line")
    frame = _lines(data).with_row_index("number", offset=before + 1).filter(pl.col("line").is_not_null())
    frame = frame.with_columns(
        pl.col("number").cast(pl.Int64),
        pl.col("line").str.count_matches('"', literal=True).alias("quotes"),
        (pl.col("line").str.count_matches(delimiter, literal=True) + 1).alias("width"),
    )
    if frame.select((pl.col("quotes") % 2 == 1).any()).item():
        return None
    frame = frame.filter(pl.col("line").str.strip_chars(f" {delimiter}\t") != "")
    plain = frame.filter(pl.col("quotes") == 0)
    torn += [
        TornRow(name, line, _misfit(found, width))
        for line, found in plain.filter(pl.col("width") != width).select("number", "width").iter_rows()
    ]
    whole = plain.filter(pl.col("width") == width)
    rest = whole.get_column("line").str.join("\n").item().encode()
    cells, lines = _split(rest, delimiter, width), whole.get_column("number")
    rows: list[list[str]] = []
    numbers: list[int] = []
    for number, line in frame.filter(pl.col("quotes") > 0).select("number", "line").iter_rows():
        for _, row, trouble in _records(io.StringIO(line), delimiter):
            if trouble or len(row) != width:
                torn.append(TornRow(name, number, trouble or _misfit(len(row), width)))
            else:
                rows.append(row)
                numbers.append(number)
    if rows:
        both = pl.concat([cells, RawTable.from_rows(name, [""] * width, rows).cells])
        order = pl.concat([lines, pl.Series(numbers, dtype=pl.Int64)])
        both = both.with_columns(order.alias("line")).sort("line")
        cells, lines = both.drop("line"), both.get_column("line")
    return cells, lines.alias("line")


def _whole(data: bytes, delimiter: str, width: int) -> pl.DataFrame | None:
    """The cells of lines that are rows each, as they mostly are; else ``None``.

    Where no line is too long and there are as many delimiters as all lines should have, none is too short.
    """
    lines = _count(data, b"\n")
    if width < 2 or b'"' in data or not data.endswith(b"\n"):
        return None
    if _count(data, delimiter.encode()) != lines * (width - 1):
        return None
    try:
        cells = _split(data, delimiter, width)
    except ComputeError:  # a line is too long
        return None
    empty = cells
    for name in cells.columns:
        if empty.is_empty():
            break
        empty = empty.filter(pl.col(name).str.strip_chars() == "")
    return cells if len(cells) == lines and empty.is_empty() else None


def _count(data: bytes, byte: bytes) -> int:
    """How often a byte stands there: ``bytes.count`` takes three times as long."""
    return int(np.count_nonzero(np.frombuffer(data, np.uint8) == byte[0])) if byte in data else 0


def _lines(data: bytes) -> pl.DataFrame:
    return pl.read_csv(
        io.BytesIO(data),
        separator=_WHOLE_LINE,
        quote_char=None,
        has_header=False,
        new_columns=["line"],
        infer_schema=False,
    )


def _split(rows: bytes, delimiter: str, width: int) -> pl.DataFrame:
    names = [str(at) for at in range(width)]
    if not rows:
        return pl.DataFrame(schema=dict.fromkeys(names, pl.String))
    return pl.read_csv(
        rows,
        separator=delimiter,
        quote_char=None,
        has_header=False,
        schema=dict.fromkeys(names, pl.String),
        empty_string_is_null=False,
    )


def _slow_body(
    name: str, text: io.StringIO, delimiter: str, header_line: int, width: int
) -> tuple[pl.DataFrame, pl.Series, list[TornRow]]:
    """Where a value may span lines."""
    rows: list[list[str]] = []
    lines: list[int] = []
    torn: list[TornRow] = []
    for line, row, trouble in _records(text, delimiter):
        if line <= header_line:
            continue
        if trouble or len(row) != width:
            torn.append(TornRow(name, line, trouble or _misfit(len(row), width)))
            continue
        rows.append(row)
        lines.append(line)
    table = RawTable.from_rows(name, [""] * width, rows, lines)
    return table.cells, table.lines, torn


def _misfit(found: int, width: int) -> str:
    if found < width:
        return f"cut off: {found} of {width} columns"
    return f"too long: {found} columns, not {width}"
