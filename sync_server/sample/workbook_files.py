"""Tables as files that hospitals send: XLSX workbooks, delimited text, JSON. The same rows give the same bytes."""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile
from collections.abc import Sequence
from datetime import date, datetime, time

from openpyxl import Workbook
from openpyxl.styles import Font
from openpyxl.worksheet.worksheet import Worksheet

from .hospital_styles import Style
from .hospital_words import Cell

_ZIP_DATE = (1980, 1, 1, 0, 0, 0)
_STAMPED = re.compile(rb"(<dcterms:(created|modified)[^>]*>)[^<]*(<)")


def workbook_bytes(
    style: Style, headers: Sequence[str], rows: Sequence[Sequence[Cell]], period: str
) -> tuple[bytes, list[tuple[str, int]]]:
    """An XLSX file, and (sheet, row number) of each row."""
    workbook = Workbook()
    workbook.remove(workbook.active)
    if style.cover:
        cover = workbook.create_sheet("Notes")
        cover["A1"] = "SYNTHETIC DATA - made up"
        cover["A2"] = "Please see the data sheet. Contact the informatics team with any question."
    places: list[tuple[str, int]] = []
    share = -(-len(rows) // len(style.sheets))
    for number, title in enumerate(style.sheets):
        sheet = workbook.create_sheet(title)
        part = rows[number * share : (number + 1) * share]
        first = _write_head(sheet, style, headers, period)
        for row in part:
            sheet.append([None if value == "" else value for value in row])
            _format(sheet, sheet.max_row)
        places += [(title, first + offset) for offset in range(len(part))]
        if style.merged_days and part:
            _merge_equal(sheet, first, [row[0] for row in part])
        if style.footer and part:
            sheet.append([])
            sheet.cell(first + len(part) + 1, 1, f"Total: {len(part)}")
            sheet.cell(first + len(part) + 2, 1, "Signed off by the department's data lead")
    saved = io.BytesIO()
    workbook.save(saved)
    return _without_instants(saved.getvalue()), places


def text_bytes(style: Style, headers: Sequence[str], rows: Sequence[Sequence[Cell]]) -> tuple[bytes, list[int]]:
    """A delimited file, and the line of each row."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter=style.separator, lineterminator="\r\n")
    writer.writerow(headers)
    writer.writerows(rows)
    return text.getvalue().encode(style.encoding), list(range(2, len(rows) + 2))


def json_bytes(headers: Sequence[str], rows: Sequence[Sequence[Cell]]) -> tuple[bytes, list[int]]:
    """A JSON list of objects, and the ordinal of each, from 1."""
    entries = [{header: value for header, value in zip(headers, row, strict=True) if value != ""} for row in rows]
    return json.dumps(entries, indent=1, ensure_ascii=False).encode(), list(range(1, len(rows) + 1))


def _write_head(sheet: Worksheet, style: Style, headers: Sequence[str], period: str) -> int:
    """Titles and header; returns the number of the first row below them."""
    for number, title in enumerate(style.titles):
        sheet.append([title])
        if number == 0:
            sheet.merge_cells(start_row=1, start_column=1, end_row=1, end_column=len(headers))
    if style.titles:
        sheet.append([f"SYNTHETIC DATA. Reporting period: {period}"])
        sheet.append([])
    if style.grouped:
        sheet.append(["Arrival", None, "Incident", None])
        row = sheet.max_row
        sheet.merge_cells(start_row=row, start_column=1, end_row=row, end_column=2)
        sheet.merge_cells(start_row=row, start_column=3, end_row=row, end_column=4)
    # An appended blank row is none: the header's own number is counted.
    at = sheet._current_row + 1
    for column, header in enumerate(headers, start=1):
        cell = sheet.cell(at, column, header if header.strip() else None)
        cell.font = Font(bold=True)
    sheet._current_row = at
    return at + 1


def _format(sheet: Worksheet, row: int) -> None:
    for cell in sheet[row]:
        if isinstance(cell.value, datetime):
            cell.number_format = "dd/mm/yyyy hh:mm"
        elif isinstance(cell.value, date):
            cell.number_format = "dd/mm/yyyy"
        elif isinstance(cell.value, time):
            cell.number_format = "hh:mm"


def _merge_equal(sheet: Worksheet, first: int, values: Sequence[Cell]) -> None:
    start = 0
    for at in range(1, len(values) + 1):
        if at == len(values) or values[at] != values[start]:
            if at - start > 1:
                sheet.merge_cells(start_row=first + start, start_column=1, end_row=first + at - 1, end_column=1)
            start = at


def _without_instants(data: bytes) -> bytes:
    """The same workbook whenever it is made."""
    again = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as made, zipfile.ZipFile(again, "w", zipfile.ZIP_DEFLATED) as kept:
        for name in made.namelist():
            content = made.read(name)
            if name == "docProps/core.xml":
                content = _STAMPED.sub(rb"\g<1>1980-01-01T00:00:00Z\g<3>", content)
            entry = zipfile.ZipInfo(name, _ZIP_DATE)
            entry.compress_type = zipfile.ZIP_DEFLATED
            kept.writestr(entry, content)
    return again.getvalue()
