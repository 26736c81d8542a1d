"""A supplier's table as text, before anybody has decided what its columns mean."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace

import polars as pl


@dataclass(frozen=True)
class TornRow:
    """A row that could not be taken apart. Nothing of what it held is kept: where it stood is enough to find it."""

    file: str
    line: int
    reason: str


@dataclass(frozen=True)
class RawTable:
    """One table of one file. ``cells`` has a text column a header, named by its position ("0", "1", …), without
    nulls; ``lines`` tells where each row stood. ``above`` are the texts of title rows that stood over the header."""

    file: str
    sheet: str  # of a workbook, else ""
    header: tuple[str, ...]
    cells: pl.DataFrame = field(repr=False)
    lines: pl.Series
    notes: tuple[str, ...] = ()
    torn: tuple[TornRow, ...] = ()
    above: tuple[str, ...] = field(default=(), repr=False)
    files: pl.Series | None = None  # of each row, where they come from several members of one zip file
    nested: frozenset[str] = frozenset()  # headers under which lists stand instead of texts
    sparse: bool = False  # what is not said is left out, as in JSON: a missing column is an empty one

    @classmethod
    def from_rows(
        cls,
        file: str,
        header: Sequence[str],
        rows: Sequence[Sequence[str]],
        lines: Sequence[int] | None = None,
        sheet: str = "",
        notes: Sequence[str] = (),
        torn: Sequence[TornRow] = (),
        above: Sequence[str] = (),
    ) -> RawTable:
        """A table of rows that are as long as the header; unless told, they stand right below it."""
        columns = {str(at): pl.Series(str(at), [row[at] for row in rows], dtype=pl.String) for at in range(len(header))}
        numbers = range(2, len(rows) + 2) if lines is None else lines
        return cls(
            file,
            sheet,
            tuple(header),
            pl.DataFrame(columns),
            pl.Series("line", list(numbers), dtype=pl.Int64),
            tuple(notes),
            tuple(torn),
            tuple(above),
        )

    def __len__(self) -> int:
        """How many rows it has, those that are torn aside."""
        return len(self.lines)

    @property
    def title(self) -> str:
        """What to call it before people."""
        return f"{self.file}, sheet “{self.sheet}”" if self.sheet else self.file

    @property
    def rows(self) -> list[list[str]]:
        """The cells row by row: for small tables and previews; work on ``cells`` where there may be a million."""
        return [list(row) for row in self.cells.iter_rows()] if self.header else [[] for _ in self.lines]

    def column(self, at: int) -> pl.Series:
        """The texts of one column."""
        return self.cells.get_column(str(at))

    def without(self, positions: Collection[int]) -> RawTable:
        """The table without some columns; those that stay are numbered anew."""
        kept = [at for at in range(len(self.header)) if at not in positions]
        return replace(
            self,
            header=tuple(self.header[at] for at in kept),
            cells=pl.DataFrame({str(new): self.column(at) for new, at in enumerate(kept)}),
        )

    def with_column(self, at: int, texts: pl.Series) -> RawTable:
        """The table with other texts in one column."""
        return replace(self, cells=self.cells.with_columns(texts.alias(str(at))))

    def only(self, rows: pl.Series) -> RawTable:
        """The rows for which a series of booleans is true."""
        return replace(
            self,
            cells=self.cells.filter(rows),
            lines=self.lines.filter(rows),
            files=None if self.files is None else self.files.filter(rows),
        )

    def head(self, number: int) -> RawTable:
        """The first rows alone."""
        return self.only(pl.Series(range(len(self)), dtype=pl.Int64) < number)
