"""Workbooks (XLSX, XLS): cells as they are meant, merged cells filled, formulas by their values."""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from typing import Any

from python_calamine import CalamineError, CalamineSheet, CalamineWorkbook, PasswordError, load_workbook

from ..errors import SafeStatsError
from .headers import SEARCHED_ROWS, KnownHeaders, header_at
from .raw_tables import RawTable

_ERRORS = ("#N/A", "#REF!", "#VALUE!", "#DIV/0!", "#NAME?", "#NUM!", "#NULL!")
_MOST_CELLS = 30_000_000
_DAY_SECONDS = 86_400


def read_workbook(name: str, data: bytes, known: KnownHeaders, header_row: int = 0, sheet: str = "") -> list[RawTable]:
    """The sheets that have cells, in their order, or only the one that is wanted."""
    try:
        workbook = load_workbook(io.BytesIO(data))
    except PasswordError as error:
        raise SafeStatsError(
            f"{name} is locked with a password: ask the supplier to send it without one, by a protected way."
        ) from error
    except (CalamineError, OSError, ValueError) as error:
        raise SafeStatsError(
            f"{name} is a damaged workbook, or none: ask the supplier to save and send it again."
        ) from error
    wanted = [n for n in workbook.sheet_names if not sheet or n.strip().casefold() == sheet.strip().casefold()]
    if not wanted:
        raise SafeStatsError(
            f"{name} has no sheet “{sheet}”; it has {', '.join(f'“{n}”' for n in workbook.sheet_names[:10])}: "
            "change the saved mapping, or ask the supplier."
        )
    tables = [_table(name, workbook, title, known, header_row) for title in wanted]
    return [table for table in tables if table is not None]


def _table(name: str, workbook: CalamineWorkbook, title: str, known: KnownHeaders, header_row: int) -> RawTable | None:
    try:
        sheet = workbook.get_sheet_by_name(title)
        if sheet.total_height * sheet.total_width > _MOST_CELLS:
            raise SafeStatsError(f"{name}, sheet “{title}” is larger than any delivery can be: ask for smaller files.")
        values = sheet.to_python(skip_empty_area=False)
    except (CalamineError, OSError, ValueError) as error:
        raise SafeStatsError(
            f"{name}, sheet “{title}” cannot be read: ask the supplier to save and send it again."
        ) from error
    grid = [[cell_text(value) for value in row] for row in values]
    at = _fill_merged(sheet, grid, known, header_row)
    if at is None:
        return None
    header = [" ".join(cell.split()) for cell in grid[at]]
    rows, lines = [], []
    for number, row in enumerate(grid[at + 1 :], start=at + 2):
        if any(row):
            rows.append(row)
            lines.append(number)
    above = list(dict.fromkeys(cell.strip() for row in grid[:at] for cell in row if cell.strip()))
    return RawTable.from_rows(name, header, rows, lines, sheet=title, above=above)


def _fill_merged(sheet: CalamineSheet, grid: list[list[str]], known: KnownHeaders, header_row: int) -> int | None:
    """Fill what a merged cell covers, downwards everywhere and across in headers; returns the header's index.

    A heading over several headers ("Incident" over "Date" and "Time") becomes part of them.
    """
    ranges = _merged(sheet)
    for (top, left), (bottom, _) in ranges:
        for row in range(top + 1, min(bottom + 1, len(grid))):
            if left < len(grid[row]):
                grid[row][left] = grid[top][left]
    at = header_at(grid[: max(SEARCHED_ROWS, header_row)], known, header_row)
    if at is None or at >= len(grid):
        return None
    for (top, left), (bottom, right) in ranges:
        if right == left or bottom >= at or bottom < at - 1 or right - left + 1 >= len(grid[at]):
            continue
        heading = grid[top][left]
        for column in range(left, min(right + 1, len(grid[at]))):
            if grid[at][column] and heading and KnownHeaders((grid[at][column],)).among([heading]) == 0:
                joined = f"{heading} {grid[at][column]}"
                grid[at][column] = joined
    return at


def _merged(sheet: CalamineSheet) -> Sequence[tuple[tuple[int, int], tuple[int, int]]]:
    return sheet.merged_cell_ranges or ()


def cell_text(value: Any) -> str:
    """A cell as text: dates as 2026-03-05, instants as 2026-03-05 23:10:00, whole numbers without a point."""
    if isinstance(value, str):
        text = value.strip()
        return "" if text in _ERRORS else text
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    if isinstance(value, datetime):
        value = _to_the_second(value)
        # A time of day is written as an instant of Excel's first day.
        if value.year < 1901:
            return value.strftime("%H:%M:%S")
        return value.strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, time):
        return value.replace(microsecond=0).isoformat()
    if isinstance(value, timedelta):
        seconds = round(value.total_seconds()) % _DAY_SECONDS
        return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
    return "" if value is None else str(value)


def _to_the_second(value: datetime) -> datetime:
    """Fractions of a day are not exact: the nearest second is meant."""
    return (value + timedelta(microseconds=500_000)).replace(microsecond=0)
