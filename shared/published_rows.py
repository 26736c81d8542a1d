"""A table of categories by rings for the public: grouped, rounded, and withheld until nothing small can be solved."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from .small_counts import (
    ANYTHING,
    ROUNDING,
    UNBOUNDED,
    WITHHELD,
    Masking,
    Possible,
    PublishedCount,
    is_small,
    largest_masked,
    possible,
    published_count,
    small_mark,
)
from .solvable import RingTable

_TOTAL = -1
_ENOUGH = 4  # rows that make a table


@dataclass(frozen=True)
class Counted:
    """Exact counts of one category within each ring, inner first: of the period and, where held, of the one before."""

    category: str
    now: tuple[int, ...]
    before: tuple[int, ...] | None


@dataclass(frozen=True)
class Group:
    """Categories that are published as one row; one that stands alone is a group of itself."""

    categories: tuple[str, ...]
    now: tuple[int, ...]
    before: tuple[int, ...] | None

    @property
    def single(self) -> bool:
        """Whether it is one category."""
        return len(self.categories) == 1


@dataclass(frozen=True)
class PublishedCell:
    """A count as it is published; ``mark`` is what is printed where it is withheld, else empty."""

    count: PublishedCount
    mark: str = ""


@dataclass(frozen=True)
class PublishedRings:
    """Cells by row and ring, and those of the totals."""

    rows: tuple[tuple[PublishedCell, ...], ...]
    totals: tuple[PublishedCell, ...]


def grouped(
    rows: Sequence[Counted],
    totals: Sequence[int],
    sensitivity: Masking,
    sensitive: Collection[str] = (),
    most_rows: int | None = None,
) -> list[Group]:
    """The categories in groups: those that stand alone first, most in the outermost ring first, then the rest as one.

    A category stands alone where it is not sensitive and small at most in the innermost ring, and in rings whose
    ``totals`` are small themselves; where hardly any is left so, its outermost count decides alone. The rest takes the
    smallest of the others until its own outermost counts are not small and it is more than one category, so that it
    cannot be told apart as what is missing. Where nothing would be left there are no groups: only the total is
    published. Categories without any incident are left out.
    """
    held = [row for row in rows if row.now[-1] or (row.before is not None and row.before[-1])]
    held.sort(key=lambda row: (-row.now[-1], row.category))
    told = [ring for ring in range(1, len(totals)) if not is_small(totals[ring], sensitivity)]
    for rings in (told, []):
        alone = [
            row
            for row in held
            if row.category not in sensitive
            and not _too_small([row], sensitivity)
            and not any(is_small(row.now[ring], sensitivity) for ring in rings)
        ]
        rest = [row for row in held if row not in alone]
        if most_rows is not None and len(alone) + bool(rest) > most_rows:
            alone, cut = alone[: max(most_rows - 1, 0)], alone[max(most_rows - 1, 0) :]
            rest = cut + rest
        while rest and alone and (len(rest) == 1 or _too_small(rest, sensitivity)):
            rest = [alone.pop(), *rest]
        groups = [*(_group([row]) for row in alone), *([_group(rest)] if rest else [])] if alone else []
        if len(groups) >= _ENOUGH:
            break
    return groups


def _too_small(rows: Sequence[Counted], sensitivity: Masking) -> bool:
    summed = _group(rows)
    counts = [summed.now[-1], *(() if summed.before is None else summed.before[-1:])]
    return any(is_small(count, sensitivity) for count in counts) or not summed.now[-1]


def _group(rows: Sequence[Counted]) -> Group:
    before = [row.before for row in rows if row.before is not None]
    return Group(
        categories=tuple(row.category for row in rows),
        now=tuple(map(sum, zip(*(row.now for row in rows)))),
        before=tuple(map(sum, zip(*before))) if len(before) == len(rows) else None,
    )


def published_ring_table(
    rows: Sequence[Sequence[int]], totals: Sequence[int], sensitivity: Masking, outermost: Possible = ANYTHING
) -> PublishedRings:
    """Cumulative counts of rows by ring (inner first) and of all of them, as they may be published together.

    ``totals`` may be more than the rows add up to. ``outermost``: what else is published of the last total, charts
    for instance. Every count that is printed as small could be any small count, and what lies between two rings, where
    it is small, any of four counts at least.
    """
    return _Withholding(rows, totals, sensitivity, outermost).done()


class _Withholding:
    """Withholds until nothing small can be solved."""

    def __init__(
        self, rows: Sequence[Sequence[int]], totals: Sequence[int], sensitivity: Masking, outermost: Possible
    ) -> None:
        self._sensitivity = sensitivity
        self._largest = largest_masked(sensitivity)
        self._printed = len(rows)
        rest = tuple(total - sum(row[ring] for row in rows) for ring, total in enumerate(totals))
        # What no row shows is a row that nobody sees; it is there only where there is something of it.
        self._rows = [tuple(row) for row in rows] + ([rest] if any(rest) else [])
        self._totals = tuple(totals)
        self._marks: dict[tuple[int, int], str] = {}
        self._known = {cell: possible(self._count(cell), sensitivity) for cell in self._cells()}
        self._known.update({(self._printed, ring): ANYTHING for ring in range(len(totals)) if self._has_rest})
        last = (_TOTAL, len(totals) - 1)
        self._charts = outermost
        self._known[last] = self._known[last].also(outermost)
        for cell in self._cells():
            if is_small(self._count(cell), sensitivity):
                self._marks[cell] = small_mark(sensitivity)

    def done(self) -> PublishedRings:
        for ring, total in enumerate(self._totals):
            if is_small(total, self._sensitivity):
                # Zeros too: how many rows are left over would tell how the few are shared out.
                self._withhold((row, ring) for row in range(self._printed))
        while (trouble := next(self._solved(), None)) is not None:
            self._cure(trouble)
        rings = range(len(self._totals))
        return PublishedRings(
            rows=tuple(tuple(self._cell((row, ring)) for ring in rings) for row in range(self._printed)),
            totals=tuple(self._cell((_TOTAL, ring)) for ring in rings),
        )

    @property
    def _has_rest(self) -> bool:
        return len(self._rows) > self._printed

    def _cells(self) -> list[tuple[int, int]]:
        rings = range(len(self._totals))
        return [(row, ring) for row in (*range(self._printed), _TOTAL) for ring in rings]

    def _count(self, cell: tuple[int, int]) -> int:
        row, ring = cell
        return self._totals[ring] if row == _TOTAL else self._rows[row][ring]

    def _cell(self, cell: tuple[int, int]) -> PublishedCell:
        mark = self._marks.get(cell, "")
        return PublishedCell(None, mark) if mark else PublishedCell(published_count(self._count(cell), self._largest))

    def _solved(self) -> Iterator[tuple[int, int]]:
        """Cells of which too much can be solved."""
        table = self._table()
        return (cell for cell in self._cells() if self._is_solved(table, cell))

    def _is_solved(self, table: RingTable, cell: tuple[int, int]) -> bool:
        """Whether its count, printed as small, or what lies between it and the next inner ring is narrowed too far."""
        row, ring = cell
        if self._marks.get(cell, WITHHELD) != WITHHELD:
            every = Possible(1, self._largest)
            if not _spans(table.cell(row, ring, every), every):
                return True
        between = self._count(cell) - self._count((row, ring - 1)) if ring else 0
        if not is_small(between, self._sensitivity):
            return False
        spread = min(self._largest, ROUNDING - 1) - 1
        found = table.between(row, ring, Possible(max(between - spread, 0), between + spread))
        return found.high - found.low < spread

    def _table(self) -> RingTable:
        rings = range(len(self._totals))
        known = [[self._known[row, ring] for ring in rings] for row in range(len(self._rows))]
        return RingTable(self._rows, known, [self._known[_TOTAL, ring] for ring in rings])

    def _cure(self, solved: tuple[int, int]) -> None:
        """Withhold what is enough: one more row's cell, else a ring of all rows; where nothing is, the next of these.

        Totals go last, and inner rings before outer ones.
        """
        row, ring = solved
        rings = [*range(ring, -1, -1), *range(ring + 1, len(self._totals))]
        near = [cell for cell in self._cells() if cell[0] != _TOTAL and (cell[1] == ring or cell[0] == row)]
        single = sorted((cell for cell in near if self._is_shown(cell)), key=lambda cell: (self._count(cell), cell))
        whole = [[(number, r) for number in range(self._printed)] for r in rings]
        totals = [[(_TOTAL, r)] for r in rings]
        before = dict(self._known)
        for cell in single:
            self._known[cell] = Possible(self._largest + 1, UNBOUNDED)
            if not self._is_solved(self._table(), solved):
                self._marks[cell] = WITHHELD
                return
            self._known[cell] = before[cell]
        open_ones = [
            cells for cells in (*whole, *totals) if any(self._known[cell] != self._least(cell) for cell in cells)
        ]
        for cells in open_ones:
            self._known.update({cell: self._least(cell) for cell in cells})
            if not self._is_solved(self._table(), solved):
                break
            self._known.update({cell: before[cell] for cell in cells})
        else:
            if not open_ones:
                raise AssertionError("Everything is withheld and still something can be solved.")
            cells = open_ones[0]
        self._withhold(cells)

    def _is_shown(self, cell: tuple[int, int]) -> bool:
        return cell not in self._marks and self._count(cell) > 0

    def _least(self, cell: tuple[int, int]) -> Possible:
        """What remains known of a cell that is withheld altogether."""
        return self._charts if cell == (_TOTAL, len(self._totals) - 1) else ANYTHING

    def _withhold(self, cells: Iterable[tuple[int, int]]) -> None:
        for cell in cells:
            self._marks[cell], self._known[cell] = WITHHELD, self._least(cell)


def _spans(found: Possible, wanted: Possible) -> bool:
    return found.low <= wanted.low and found.high >= wanted.high
