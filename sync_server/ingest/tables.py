"""From a supplier's file to its tables, whatever its kind. The bytes tell the kind, the name does not.

What cannot be read stops the file with one sentence (``SafeStatsError``); torn rows are set aside.
"""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum

from ..errors import SafeStatsError
from ..progress import Between, unwatched
from .archives import check_bounds, is_packed, is_xlsx, members
from .bounds import Bounds
from .headers import KnownHeaders
from .json_files import JsonList, json_table, looks_like_json, read_json_list
from .raw_tables import RawTable, TornRow
from .source import SourceFile
from .text_files import read_text_table
from .workbooks import read_old, read_workbook

__all__ = ["RawTable", "SourceFile", "TornRow", "kind_of", "read_tables"]

_OLE = bytes.fromhex("d0cf11e0a1b11ae1")
_PDF = b"%PDF"
_SHOWN = 3


class FileKind(StrEnum):
    """Kinds of file, as people call them."""

    CSV = "CSV file"
    XLSX = "XLSX workbook"
    XLS = "XLS workbook"
    JSON = "JSON file"
    ZIP = "zip file"


def kind_of(name: str, data: bytes) -> FileKind:
    """What a file is, by its bytes; raises ``SafeStatsError`` where it is nothing that can be read."""
    if is_packed(data):
        if is_xlsx(data):
            return FileKind.XLSX
        if name.casefold().endswith((".xlsx", ".xlsm")):
            raise SafeStatsError(f"{name} is no XLSX workbook, or a damaged one: ask the supplier to send it again.")
        if name.casefold().endswith((".docx", ".odt", ".ods", ".pptx")):
            raise SafeStatsError(f"{name} is neither a workbook nor a CSV file: ask the supplier for one of these.")
        return FileKind.ZIP
    if data.startswith(_OLE):
        return FileKind.XLS
    ending = name.casefold().rpartition(".")[2]
    if ending == "zip":
        raise SafeStatsError(f"{name} is no zip file, or a damaged one: ask the supplier to send it again.")
    if data.startswith(_PDF):
        raise SafeStatsError(f"{name} is a PDF: ask the supplier for the workbook or the CSV file that it was made of.")
    if ending in ("xlsx", "xlsm", "xls") and b"\0" in data[:4096] and not data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise SafeStatsError(f"{name} is no workbook, or a damaged one: ask the supplier to send it again.")
    return FileKind.JSON if looks_like_json(data) else FileKind.CSV


def read_tables(
    source: SourceFile,
    known_headers: Collection[str] = (),
    header_row: int = 0,
    sheet: str = "",
    between: Between = unwatched,
) -> list[RawTable]:
    """The tables of a file, in its order.

    ``known_headers`` are those that mappings and the screen know: the row that has most of them is the header. A
    ``header_row`` (counted from 1) settles it. ``sheet`` names the only one wanted of a workbook. JSON lists of one
    zip file are one table.
    """
    if not source.data or source.data.isspace():
        raise SafeStatsError(f"{source.name} is empty: ask the supplier to send it again.")
    known, bounds = KnownHeaders(known_headers), Bounds()
    if kind_of(source.name, source.data) != FileKind.ZIP:
        return _of_one(source.name, source.data, known, bounds, header_row, sheet, between)
    tables: list[RawTable] = []
    lists: list[JsonList] = []
    empty: list[str] = []
    strange: list[str] = []
    for name, data in members(source.name, source.data):
        between()
        shown = f"{source.name}/{name}"
        if not data.strip():
            empty.append(name)
        elif looks_like_json(data):
            lists.append(read_json_list(f"{source.name}: {name}", data, bounds))
            lists[-1] = JsonList(shown, lists[-1].entries, lists[-1].above)
        elif name.casefold().endswith((".csv", ".txt", ".tsv", ".xlsx", ".xlsm", ".xls")):
            tables += _of_one(shown, data, known, bounds, header_row, sheet, between)
        elif name.casefold().endswith(".json"):
            read_json_list(f"{source.name}: {name}", data, bounds)
        else:
            strange.append(name)
    notes = []
    if empty:
        notes.append(
            f"{source.name}: {len(empty)} file(s) without a single byte were taken as empty lists: {_some(empty)}."
        )
    if strange:
        notes.append(f"{source.name}: {len(strange)} file(s) of other kinds were left out: {_some(strange)}.")
    if lists or not tables:
        if not lists and not empty:
            raise SafeStatsError(f"{source.name} holds no file that can be read: ask the supplier to send it again.")
        tables.append(json_table(source.name, lists, bounds, members=True, notes=notes))
    return tables


def _of_one(
    name: str, data: bytes, known: KnownHeaders, bounds: Bounds, header_row: int, sheet: str, between: Between
) -> list[RawTable]:
    kind = kind_of(name, data)
    if kind == FileKind.XLSX:
        check_bounds(name, data, "workbook")
        return read_workbook(name, data, known, bounds, header_row, sheet)
    if kind == FileKind.XLS:
        return read_old(name, data, known, bounds, header_row, sheet)
    if kind == FileKind.JSON:
        return [json_table(name, [read_json_list(name, data, bounds)], bounds, members=False)]
    return [read_text_table(name, data, known, bounds, header_row, between)]


def _some(names: list[str]) -> str:
    return ", ".join(names[:_SHOWN]) + ("…" if len(names) > _SHOWN else "")
