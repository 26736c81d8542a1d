"""The parts of an XLSX workbook, measured before anything lays its cells out.

A reader of workbooks lays out every cell between the first and the last one that is filled: two cells in opposite
corners are 17 thousand million. What a sheet tells of its size may be wrong, so its cells are looked at.
"""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from collections.abc import Iterator
from typing import IO
from xml.parsers.expat import ExpatError, ParserCreate

from ..errors import SafeStatsError
from .bounds import Bounds

_CHUNK = 1 << 20
_SHEET_MARK = b"sheetData"
_KEPT = (".xml", ".rels")
_FILLED = frozenset({"v", "is", "t", "f"})
_OTHER_CODINGS = (b"\xff\xfe", b"\xfe\xff", b"\0", b"<\0")
# A reader makes room for as many strings, say, as it is told of.
_COUNT = re.compile(rb"""ount\s*=\s*["']([^"'<]{1,100})""")
_HARMLESS_COUNT = 10_000_000
_OVERLAP = 200
# Below this, emptiness costs nothing; above, one cell in so many must be filled.
_HARMLESS_AREA = 2_000_000
_LEAST_FILLED = 20


def measured_workbook(shown: str, data: bytes) -> tuple[bytes, int]:
    """The workbook with nothing in it but what was measured, for its reader, and how many cells its parts lay out,
    empty ones counted too; raises ``SafeStatsError``.

    It is packed anew, so that its reader cannot find another part in it than the one that was looked at.
    """
    kept, area = io.BytesIO(), 0
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive, zipfile.ZipFile(kept, "w", zipfile.ZIP_STORED) as packed:
            names: set[str] = set()
            for info in archive.infolist():
                name = info.filename.replace("\\", "/").casefold()
                if not (name.startswith(("xl/", "_rels/")) or name == "[content_types].xml"):
                    continue
                if not name.endswith(_KEPT):
                    continue
                if name in names:
                    raise _damaged(shown)
                names.add(name)
                with archive.open(info) as part:
                    if _is_sheet(shown, part, info.file_size):
                        part.seek(0)
                        area += _Sheet(shown).measure(part)
                    part.seek(0)
                    with packed.open(info.filename, "w") as copy:
                        for chunk in _chunks(part):
                            copy.write(chunk)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        raise _damaged(shown) from error
    return kept.getvalue(), area


def check_area(shown: str, rows: int, columns: int, filled: int) -> None:
    """Raises ``SafeStatsError`` where it is too large, or large and nearly empty."""
    Bounds().take(shown, rows, columns)
    if rows * columns > _HARMLESS_AREA and filled * _LEAST_FILLED < rows * columns:
        raise SafeStatsError(
            f"{shown}: a sheet reaches to row {rows:,} and column {columns:,} and is nearly all empty: ask "
            "for the workbook again, without what stands far below or far to the right."
        )


def _is_sheet(shown: str, part: IO[bytes], size: int) -> bool:
    """Whether there may be cells in a part; raises ``SafeStatsError`` where it tells of more than it can hold."""
    before, found = b"", False
    for chunk in _chunks(part):
        if not before and chunk.startswith(_OTHER_CODINGS):
            raise _damaged(shown)
        window = before + chunk
        found = found or _SHEET_MARK in window
        for told in _COUNT.findall(window):
            if b"&" in told or (told.strip().isdigit() and int(told) > max(size, _HARMLESS_COUNT)):
                raise _damaged(shown)
        before = chunk[-_OVERLAP:]
    return found


def _chunks(part: IO[bytes]) -> Iterator[bytes]:
    while chunk := part.read(_CHUNK):
        yield chunk


def _damaged(shown: str) -> SafeStatsError:
    return SafeStatsError(f"{shown} is a damaged workbook, or none: ask the supplier to save and send it again.")


class _Sheet:
    """Follows the cells of one sheet. A cell tells where it stands, or stands right of the one before."""

    def __init__(self, shown: str) -> None:
        self._shown = shown
        self._row = self._column = 0
        self._open = False
        self._rows = self._columns = self._filled = 0

    def measure(self, part: IO[bytes]) -> int:
        parser = ParserCreate("utf-8")  # whatever it declares: its reader takes it for that
        parser.StartElementHandler = self._begin
        parser.StartDoctypeDeclHandler = self._refuse_doctype
        try:
            for chunk in _chunks(part):
                parser.Parse(chunk, False)
            parser.Parse(b"", True)
        except ExpatError as error:
            raise _damaged(self._shown) from error
        check_area(self._shown, self._rows, self._columns, self._filled)
        return self._rows * self._columns

    def _begin(self, name: str, attributes: dict[str, str]) -> None:
        if ":" in name:
            name = name.rpartition(":")[2]
        if name == "c":
            told = attributes.get("r")
            if told is None:
                self._column += 1
            else:
                self._row, self._column = _place(told)
            self._open = True
        elif name in _FILLED:
            if self._open:
                self._open = False
                self._filled += 1
                self._rows = max(self._rows, self._row)
                self._columns = max(self._columns, self._column)
        elif name == "row":
            told = attributes.get("r")
            self._row = self._row + 1 if told is None else int(told)
            self._column = 0

    def _refuse_doctype(self, *_: object) -> None:
        raise _damaged(self._shown)


def _place(told: str) -> tuple[int, int]:
    """(row, column), from 1, of a cell called B7; raises ``ValueError``."""
    letters = told.rstrip("0123456789")
    if not letters.isascii() or not letters.isalpha() or len(letters) > 7:
        raise ValueError(told)
    column = 0
    for letter in letters.upper():
        column = 26 * column + ord(letter) - 64
    return int(told[len(letters) :]), column
