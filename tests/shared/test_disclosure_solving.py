"""A reader who works everything out: every whole table that fits what is published, found by trying them all."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass, replace

from hypothesis import given, settings
from hypothesis import strategies as st
from safestats.shared.disclosure import published_table
from safestats.shared.published_rows import Counted, PublishedCell, grouped, published_ring_table
from safestats.shared.small_counts import ANYTHING, Possible
from safestats.shared.solvable import RingTable

MOST = 34  # no count of these worlds is larger


@dataclass(frozen=True)
class Reader:
    """Holds a published table of two rings and knows the rules. Independent of how the table was made."""

    rows: tuple[tuple[PublishedCell, ...], ...]
    totals: tuple[PublishedCell, ...]
    largest: int

    def fits(self, cell: PublishedCell, wiped: bool = False) -> set[int]:
        """The counts that may stand behind a cell."""
        if cell.count is not None:
            return {n for n in range(MOST + 1) if self.shown(n) == cell.count}
        if cell.mark == f"<{self.largest + 1}":
            return set(range(1, self.largest + 1))
        assert cell.mark == "*"
        return set(range(MOST + 1)) if wiped else set(range(self.largest + 1, MOST + 1))

    def shown(self, count: int) -> int | None:
        if 0 < count <= self.largest:
            return None
        return 0 if not count else max(5, 5 * ((count + 2) // 5))

    def solutions(self) -> dict[tuple[int, int], set[tuple[int, int]]]:
        """For each row, and the totals as row −1, the pairs (inner, outer) that some whole table has there."""
        pairs = []
        for number, row in enumerate([*self.rows, self.totals]):
            of_totals = number == len(self.rows)
            wiped = [of_totals or all(other[ring].mark == "*" for other in self.rows) for ring in (0, 1)]
            inner, outer = (self.fits(cell, gone) for cell, gone in zip(row, wiped))
            pairs.append({(a, b) for a in inner for b in outer if a <= b})
        *of_rows, of_totals = pairs
        if not of_rows:
            return {-1: of_totals}
        before: list[set[tuple[int, int]]] = [{(0, 0)}]
        for one in of_rows:
            before.append(_sums(before[-1], one))
        after: list[set[tuple[int, int]]] = [of_totals]
        for one in reversed(of_rows):
            after.append({(a - c, b - d) for (a, b) in after[-1] for (c, d) in one if 0 <= a - c <= b - d})
        after.reverse()
        found = {}
        for number, one in enumerate(of_rows):
            found[number] = {
                (c, d) for (c, d) in one if any((a + c, b + d) in after[number + 1] for (a, b) in before[number])
            }
        found[-1] = before[-1] & of_totals
        return found


def _sums(some: Iterable[tuple[int, int]], others: set[tuple[int, int]]) -> set[tuple[int, int]]:
    return {(a + c, b + d) for (a, b) in some for (c, d) in others if b + d <= MOST}


rows_of_two_rings = st.lists(
    st.tuples(st.integers(0, 7), st.integers(0, 7)).map(lambda step: (step[0], step[0] + step[1])),
    min_size=1,
    max_size=3,
).filter(lambda rows: sum(row[1] for row in rows) <= MOST - 3)


@settings(max_examples=300, deadline=None)
@given(rows=rows_of_two_rings, largest=st.sampled_from([4, 7]))
def test_no_small_count_of_a_table_can_be_narrowed(rows: list[tuple[int, int]], largest: int) -> None:
    totals = tuple(sum(row[ring] for row in rows) for ring in (0, 1))
    groups = [g.now for g in grouped([Counted(str(n), row, None) for n, row in enumerate(rows)], totals, largest)]
    made = published_ring_table(groups, totals, largest)
    reader = Reader(made.rows, made.totals, largest)
    solutions = reader.solutions()
    for number, exact in [*enumerate(groups), (-1, totals)]:
        cells = made.totals if number == -1 else made.rows[number]
        assert tuple(exact) in solutions[number]
        for ring, (count, cell) in enumerate(zip(exact, cells)):
            assert cell.count is None or cell.count == reader.shown(count)
            if cell.mark.startswith("<"):
                assert 0 < count <= largest
                assert {pair[ring] for pair in solutions[number]} == set(range(1, largest + 1))
        if 0 < exact[1] - exact[0] <= largest:
            assert len({outer - inner for inner, outer in solutions[number]}) >= 4


def test_without_more_than_masking_a_table_is_solved() -> None:
    """Why the calculation is there: two rows that lost two each, and a total that gained two, leave one answer."""
    rows = [(12, 12), (12, 12), (4, 4)]
    naive = [[PublishedCell(10)] * 2, [PublishedCell(10)] * 2, [PublishedCell(None, "<5")] * 2]
    reader = Reader(tuple(map(tuple, naive)), (PublishedCell(30), PublishedCell(30)), 4)
    assert {inner for inner, _ in reader.solutions()[2]} == {4}
    made = published_ring_table(rows, (28, 28), 4)
    assert "*" in {cell.mark for row in made.rows for cell in row}


@settings(max_examples=200, deadline=None)
@given(rows=rows_of_two_rings)
def test_bounds_by_flows_are_those_of_all_tables(rows: list[tuple[int, int]]) -> None:
    totals = [sum(row[ring] for row in rows) for ring in (0, 1)]
    largest = 4
    blank = Reader((), (), largest)

    def cell(count: int) -> PublishedCell:
        shown = blank.shown(count)
        return PublishedCell(shown, "<5" if shown is None else "")

    reader = Reader(tuple(tuple(map(cell, row)) for row in rows), tuple(map(cell, totals)), largest)
    known = [[_hull(reader.fits(one)) for one in row] for row in reader.rows]
    table = RingTable(rows, known, [_hull(reader.fits(one)) for one in reader.totals])
    for number, pairs in reader.solutions().items():
        for ring in (0, 1):
            assert table.cell(number, ring, ANYTHING) == _hull({pair[ring] for pair in pairs})
        assert table.between(number, 1, ANYTHING) == _hull({outer - inner for inner, outer in pairs})


def _hull(counts: set[int]) -> Possible:
    return Possible(min(counts), max(counts))


@settings(max_examples=200, deadline=None)
@given(counts=st.lists(st.integers(0, 9), min_size=1, max_size=5), largest=st.sampled_from([4, 7]))
def test_no_column_gives_a_small_count_away(counts: list[int], largest: int) -> None:
    table = published_table([[count] for count in counts], largest)
    fits = Reader((), (), largest)
    shown = [row[0] for row in table.rows]
    total = range(MOST * 2) if table.totals[0] is None else [n for n in range(99) if fits.shown(n) == table.totals[0]]
    # Withheld counts bear one mark here: any of them may be small.
    options = [
        range(1, largest + 9) if one is None else [n for n in range(99) if fits.shown(n) == one] for one in shown
    ]
    for number, count in enumerate(counts):
        if not 0 < count <= largest:
            continue
        assert shown[number] is None
        others = {0}
        for place, option in enumerate(options):
            if place != number:
                others = {a + b for a, b in itertools.product(others, option)}
        assert all(any(value + other in total for other in others) for value in range(1, largest + 1))


def test_small_categories_stand_together() -> None:
    plain = [Counted(name, (3, 20, 40), (3, 20, 30)) for name in "abc"]
    few = [Counted("d", (0, 5, 12), None), Counted("e", (0, 2, 20), None), Counted("f", (0, 0, 1), None)]
    together = [g.categories for g in grouped([*plain, *few], (9, 67, 153), 4)]
    assert together == [("a",), ("b",), ("c",), ("d",), ("e", "f")]
    # A group that is small itself takes the smallest of the others, and so does one that is a single category.
    alone = [*plain, few[0], few[2]]
    assert [g.categories for g in grouped(alone, (9, 65, 133), 4)] == [("a",), ("b",), ("c",), ("d", "f")]
    # Where hardly any row is left, and in a ring whose total is small, only the outermost ring decides.
    assert [g.categories for g in grouped([*plain[:2], *few[:2]], (6, 47, 112), 4)] == [(name,) for name in "abed"]
    assert len(grouped([*plain, *few[:2]], (3, 4, 152), 4)) == 5
    # What was small the year before is small; where nothing would stand alone there are no groups.
    assert grouped([plain[0], replace(plain[1], before=(0, 0, 2))], (3, 25, 80), 4) == []


def test_a_sensitive_category_never_stands_alone() -> None:
    rows = [Counted(name, (20, 60), (20, 60)) for name in "abc"]
    (first, second) = grouped(rows, (60, 180), 4, sensitive={"b"})
    assert first.categories == ("a",) and set(second.categories) == {"b", "c"}
    assert grouped([Counted("b", (20, 60), None)], (20, 60), 4, sensitive={"b"}) == []
    assert len(grouped(rows, (60, 180), 4, most_rows=2)) == 2
