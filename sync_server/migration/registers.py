"""The lists of a plan: CSV files with a header, read row by row with their lines."""

from __future__ import annotations

import csv
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from pathlib import Path


@dataclass(frozen=True)
class Row:
    """A row: the text in each column ("" where there is none), and where it stands."""

    file: str
    line: int
    values: dict[str, str]

    def __getitem__(self, column: str) -> str:
        return self.values.get(column, "")

    @property
    def place(self) -> str:
        """Where it stands, to begin a sentence with."""
        return f"{self.file}, line {self.line}"


def read_rows(
    path: Path, needed: Collection[str], known: Collection[str], mistakes: list[str], refused: Collection[str] = ()
) -> list[Row]:
    """The rows of a CSV file; what is wrong with its form goes to ``mistakes``, and then there are none.

    A header that contains one of the words ``refused`` stops the file: what is under it is never imported.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        mistakes.append(f"{path} cannot be read: {error.strerror}.")
        return []
    except UnicodeDecodeError:
        mistakes.append(f"{path.name} is no UTF-8 text: save it as “CSV UTF-8”.")
        return []
    reader = csv.reader(text.splitlines(keepends=True), strict=True)
    found: list[Row] = []
    before = len(mistakes)
    try:
        headers = [_plain(cell) for cell in next(reader, [])]
        for header in headers:
            if any(word in header for word in refused):
                mistakes.append(f"{path.name}: the column “{header}” is never imported: take it out of the file.")
            elif header not in known:
                mistakes.append(f"{path.name}: the column “{header}” means nothing here; there are: {_list(known)}.")
        for column in needed:
            if column not in headers:
                mistakes.append(f"{path.name}: the column “{column}” is missing.")
        if len(set(headers)) < len(headers):
            mistakes.append(f"{path.name}: a column is there twice.")
        if len(mistakes) > before:
            return []
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) != len(headers):
                mistakes.append(
                    f"{path.name}, line {reader.line_num}: {len(cells)} values stand under {len(headers)} headers."
                )
                continue
            values = {header: cell.strip() for header, cell in zip(headers, cells, strict=True)}
            found.append(Row(path.name, reader.line_num, values))
    except csv.Error as error:
        mistakes.append(f"{path.name}, line {reader.line_num}: this is no CSV: {error}.")
    for row in found:
        mistakes += [f"{row.place}: “{column}” is empty." for column in needed if not row[column]]
    return found


def day_in(row: Row, column: str, mistakes: list[str]) -> date | None:
    """The day in a column, written 2026-11-22; None where there is none, or none that can be read."""
    if not row[column]:
        return None
    try:
        return date.fromisoformat(row[column])
    except ValueError:
        mistakes.append(f"{row.place}: “{row[column]}” in “{column}” is no day: write it as 2026-11-22.")
        return None


def words_of(text: str) -> tuple[str, ...]:
    """The parts of a cell that holds several, separated by semicolons."""
    return tuple(part.strip() for part in text.split(";") if part.strip())


def _plain(header: str) -> str:
    return "_".join(header.strip().casefold().replace("-", "_").split())


def _list(names: Collection[str]) -> str:
    return ", ".join(sorted(names))
