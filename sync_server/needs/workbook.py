"""Every table of a pack as a workbook."""

from __future__ import annotations

import io
import math

from openpyxl import Workbook
from openpyxl.styles import Alignment, Font, PatternFill
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.worksheet import Worksheet

from ...shared.change import RateChange
from .model import NeedsPack, Told
from .tables import Cell, Shown, Table, all_tables, basis

_HEAD = PatternFill("solid", fgColor="DCE6F1")
_FORMATS = {Shown.NUMBER: "#,##0", Shown.SHARE: "0%", Shown.RATE: "#,##0.0", Shown.TEXT: "@"}
_WRAP = Alignment(wrap_text=True, vertical="top")


def pack_workbook(pack: NeedsPack) -> bytes:
    """A sheet of what it is, then one a table."""
    book = Workbook()
    book.properties.creator = "SafeStats"
    book.properties.title = f"{pack.title}: {pack.borough}"
    first = book.active
    first.title = "About"
    lines = [
        pack.mode.marking,
        f"{pack.title}: {pack.borough}",
        *(["Synthetic data: nothing in it happened."] if pack.synthetic else []),
        f"Made for {pack.organisation}; purpose: {pack.purpose}.",
        *basis(pack),
        *pack.attribution,
        *(f"Not in it: {one.title}. {one.why}" for one in pack.left_out),
        f"Made on {pack.made:%-d %B %Y}.",
    ]
    for number, line in enumerate(lines, start=1):
        first.cell(number, 1, line).alignment = _WRAP
    first.column_dimensions["A"].width = 110
    for number in (1, 2):
        first.cell(number, 1).font = Font(bold=True, size=14)
    for table in all_tables(pack):
        _sheet(book.create_sheet(table.name[:31]), table, pack.mode.marking)
    for sheet in book:
        sheet.oddHeader.center.text = sheet.oddFooter.center.text = pack.mode.marking
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def _sheet(sheet: Worksheet, table: Table, marking: str) -> None:
    sheet.append([f"{table.title} ({marking})"])
    sheet["A1"].font = Font(bold=True)
    sheet.append([table.note])
    sheet.append([column.title for column in table.columns])
    for cell in sheet[3]:
        cell.font, cell.fill, cell.alignment = Font(bold=True), _HEAD, _WRAP
    for row in table.rows:
        sheet.append([_plain(value) for value in row])
        for cell, column in zip(sheet[sheet.max_row], table.columns, strict=True):
            cell.number_format = _FORMATS[column.shown]
            if isinstance(cell.value, str):
                cell.data_type = "s"  # never a formula
            if isinstance(cell.value, str) and column.shown is not Shown.TEXT:
                cell.alignment = Alignment(horizontal="right")
    for number, column in enumerate(table.columns, start=1):
        sheet.column_dimensions[get_column_letter(number)].width = 34 if column.shown is Shown.TEXT else 14
    sheet.freeze_panes = "B4"


def _plain(value: Cell) -> str | int | float | None:
    if isinstance(value, Told):
        return value.count if value.count is not None and value.months == 1 else value.words
    if isinstance(value, float):
        return None if math.isinf(value) else round(value, 4)
    assert not isinstance(value, RateChange)  # a table holds its bounds
    return value
