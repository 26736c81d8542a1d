"""Workbooks of the old format (XLS), read by a process of their own with bounded memory.

Their reader lays out every sheet as it opens the file, before anything can be asked: what is made to unfold ends that
process alone.
"""

from __future__ import annotations

import io
import json
import resource
import subprocess
import sys
from dataclasses import dataclass
from enum import StrEnum

from python_calamine import CalamineError, PasswordError, load_workbook

from ..errors import SafeStatsError
from .bounds import Bounds
from .cells import cell_text
from .sheet_parts import check_area

_MEMORY = 2_000_000_000
_SECONDS = 60
_CELL_BYTES = 6  # no cell takes less
_NAME = "\0"  # the process need not know what the file is called

Range = tuple[tuple[int, int], tuple[int, int]]


class _Trouble(StrEnum):
    LOCKED = "locked"
    DAMAGED = "damaged"


@dataclass(frozen=True)
class OldSheet:
    """A sheet's cells as text, and its merged ranges."""

    title: str
    grid: list[list[str]]
    merged: tuple[Range, ...]


def read_old_workbook(shown: str, data: bytes, bounds: Bounds) -> list[OldSheet]:
    """All sheets; raises ``SafeStatsError`` where it cannot be read within bounds."""
    command = [sys.executable, "-P", "-m", __name__]
    try:
        done = subprocess.run(command, input=data, capture_output=True, timeout=_SECONDS, check=False)
        told = json.loads(done.stdout) if done.returncode == 0 else {}
    except (subprocess.TimeoutExpired, ValueError):
        told = {}
    if told.get("trouble") == _Trouble.LOCKED:
        raise locked(shown)
    if told.get("trouble") == _Trouble.DAMAGED:
        raise SafeStatsError(f"{shown} is a damaged workbook, or none: ask the supplier to save and send it again.")
    if "refusal" in told:
        raise SafeStatsError(told["refusal"].replace(_NAME, shown, 1))
    if "sheets" not in told:
        raise SafeStatsError(
            f"{shown} cannot be read with the memory and time that a workbook gets: ask for it as XLSX, or smaller."
        )
    sheets = []
    for title, grid, merged in told["sheets"]:
        bounds.take(shown, len(grid), max(map(len, grid), default=0))
        sheets.append(OldSheet(title, grid, tuple((tuple(first), tuple(last)) for first, last in merged)))
    return sheets


def locked(shown: str) -> SafeStatsError:
    """The trouble of a workbook with a password."""
    return SafeStatsError(
        f"{shown} is locked with a password: ask the supplier to send it without one, by a protected way."
    )


def _read(data: bytes) -> dict[str, object]:
    try:
        workbook = load_workbook(io.BytesIO(data))
        sheets = []
        bounds = Bounds()
        for title in workbook.sheet_names:
            sheet = workbook.get_sheet_by_name(title)
            rows, columns = sheet.total_height, sheet.total_width
            bounds.take(_NAME, rows, columns)
            check_area(_NAME, rows, columns, len(data) // _CELL_BYTES)
            grid = [[cell_text(value) for value in row] for row in sheet.to_python(skip_empty_area=False)]
            sheets.append((title, grid, list(sheet.merged_cell_ranges or ())))
    except PasswordError:
        return {"trouble": _Trouble.LOCKED}
    except (CalamineError, OSError, ValueError):
        return {"trouble": _Trouble.DAMAGED}
    except SafeStatsError as error:
        return {"refusal": str(error)}
    return {"sheets": sheets}


def main() -> None:
    """Read a workbook from standard input and write its cells as JSON."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    json.dump(_read(sys.stdin.buffer.read()), sys.stdout)


if __name__ == "__main__":
    main()
