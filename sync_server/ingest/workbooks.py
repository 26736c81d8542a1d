"""Workbooks (XLSX, XLS): cells as they are meant, merged cells filled, formulas by their values."""

from __future__ import annotations

import io
from collections.abc import Sequence

from python_calamine import CalamineError, CalamineWorkbook, PasswordError, load_workbook

from ..errors import SafeStatsError
from ..screening.names import shown_sheet
from .bounds import Bounds
from .cells import cell_text
from .headers import SEARCHED_ROWS, KnownHeaders, header_at
from .old_workbooks import Range, locked, read_old_workbook
from .raw_tables import RawTable
from .sheet_parts import measured_workbook

_MERGED_BEYOND = 2_000_000  # whole columns are merged at times


def read_workbook(
    name: str, data: bytes, known: KnownHeaders, bounds: Bounds, header_row: int = 0, sheet: str = ""
) -> list[RawTable]:
    """The sheets that have cells, in their order, or only the one that is wanted."""
    fit, area = measured_workbook(name, data)
    try:
        workbook = load_workbook(io.BytesIO(fit))
    except PasswordError as error:
        raise locked(name) from error
    except (CalamineError, OSError, ValueError) as error:
        raise SafeStatsError(
            f"{name} is a damaged workbook, or none: ask the supplier to save and send it again."
        ) from error
    tables = []
    for at, shown in _wanted(name, workbook.sheet_names, sheet):
        grid, merged = _cells(name, workbook, at, shown, bounds)
        area -= sum(map(len, grid))
        if area < 0:
            raise SafeStatsError(f"{name} has several sheets of one part: ask the supplier to save and send it again.")
        tables.append(_table(name, shown, grid, merged, known, header_row))
    return [table for table in tables if table is not None]


def read_old(
    name: str, data: bytes, known: KnownHeaders, bounds: Bounds, header_row: int = 0, sheet: str = ""
) -> list[RawTable]:
    """As ``read_workbook``, of a workbook of the old format."""
    sheets = read_old_workbook(name, data, bounds)
    tables = []
    for at, shown in _wanted(name, [each.title for each in sheets], sheet):
        tables.append(_table(name, shown, sheets[at].grid, sheets[at].merged, known, header_row))
    return [table for table in tables if table is not None]


def _wanted(name: str, titles: Sequence[str], sheet: str) -> list[tuple[int, str]]:
    """The sheets that are wanted, by their positions, and what to call them before people."""
    shown = [shown_sheet(title, number) for number, title in enumerate(titles, start=1)]
    key = sheet.strip().casefold()
    wanted = [(at, shown[at]) for at, title in enumerate(titles) if not key or title.strip().casefold() == key]
    if not wanted:
        raise SafeStatsError(
            f"{name} has no sheet “{sheet}”; it has {', '.join(f'“{title}”' for title in shown[:10])}: "
            "change the saved mapping, or ask the supplier."
        )
    return wanted


def _cells(
    name: str, workbook: CalamineWorkbook, at: int, shown: str, bounds: Bounds
) -> tuple[list[list[str]], Sequence[Range]]:
    try:
        sheet = workbook.get_sheet_by_index(at)
        bounds.take(f"{name}, sheet “{shown}”", sheet.total_height, sheet.total_width)
        values = sheet.to_python(skip_empty_area=False)
    except (CalamineError, OSError, ValueError) as error:
        raise SafeStatsError(
            f"{name}, sheet “{shown}” cannot be read: ask the supplier to save and send it again."
        ) from error
    return [[cell_text(value) for value in row] for row in values], sheet.merged_cell_ranges or ()


def _table(
    name: str, shown: str, grid: list[list[str]], merged: Sequence[Range], known: KnownHeaders, header_row: int
) -> RawTable | None:
    if sum(bottom - top for (top, _), (bottom, _) in merged) > sum(map(len, grid)) + _MERGED_BEYOND:
        raise SafeStatsError(f"{name}, sheet “{shown}” has more merged cells than cells: ask for it without them.")
    at = _fill_merged(merged, grid, known, header_row)
    if at is None:
        return None
    header = [" ".join(cell.split()) for cell in grid[at]]
    rows, lines = [], []
    for number, row in enumerate(grid[at + 1 :], start=at + 2):
        if any(row):
            rows.append(row)
            lines.append(number)
    above = list(dict.fromkeys(cell.strip() for row in grid[:at] for cell in row if cell.strip()))
    return RawTable.from_rows(name, header, rows, lines, sheet=shown, above=above)


def _fill_merged(ranges: Sequence[Range], grid: list[list[str]], known: KnownHeaders, header_row: int) -> int | None:
    """Fill what a merged cell covers, downwards everywhere and across in headers; returns the header's index.

    A heading over several headers ("Incident" over "Date" and "Time") becomes part of them.
    """
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
