"""What a reader of a public pack can work out, over drawn worlds, from what is printed and nothing else.

The attacker here knows the rules and every number that is shown: it reads printed counts back into ranges, puts
together all that is known of a year's total, and asks which values are left for each count that is printed as small.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from safestats.sync_server.needs.model import Told
from safestats.sync_server.needs.release import Exact, Released, exact_release, public_release

# Made above the database: one engine will do in every commit, the other is for `make test-slow`.
pytestmark = pytest.mark.above_engines

MANY = 10**9
Range = tuple[int, int]


def drawn(world: random.Random) -> Exact:
    """A dataset of a borough: large or tiny, even or in a few cells, its second year held or not."""
    size = world.choice([0, 3, 8, 20, 60, 200, 900])
    rows = [_row(world) for _ in range(world.randrange(size + 1))]
    older = [_row(world) for _ in range(world.randrange(size + 1))]
    oldest = [_row(world) for _ in range(world.randrange(size + 1))]
    held = world.random() < 0.8
    months = [[sum(row[0] == month for row in year) for month in range(12)] for year in (oldest, older, rows)]
    by_month: list[int | None] = [count for year in months for count in year]
    if not held:
        for at in range(world.randrange(1, 24)):
            by_month[at] = None
        by_month[23] = None
    timed = world.random() < 0.7
    lsoas = world.choice([3, 12, 60])
    by_lsoa = {f"E{number}": sum(row[2] % lsoas == number for row in rows) for number in range(lsoas)}
    hours: dict[tuple[int, int], int] = {}
    for row in rows:
        if row[3] is not None:
            hours[row[3]] = hours.get(row[3], 0) + 1
    exact = sum(row[2] % 5 > 0 for row in rows)
    none = sum(row[2] == 0 for row in rows)
    return Exact(
        by_month=by_month,
        now=_by(rows),
        before=_by(older) if held else None,
        by_lsoa={**by_lsoa, "": 0},
        by_hour=hours if timed else None,
        places=(exact, len(rows) - exact - none, none) if world.random() < 0.7 else None,
    )


def _row(world: random.Random) -> tuple[int, str, int, tuple[int, int] | None]:
    hour = (int(world.triangular(0, 7, 5)), int(world.triangular(0, 24, 22))) if world.random() < 0.97 else None
    return world.randrange(12), f"kind {int(world.expovariate(0.6))}", int(world.expovariate(0.15)), hour


def _by(rows: Sequence[tuple]) -> dict[str, int]:
    names = [row[1] for row in rows]
    return {name: names.count(name) for name in set(names)}


def read_back(told: Told, threshold: int) -> Range:
    """What a reader knows of the count behind."""
    if told.count is not None:
        return (0, 0) if told.count == 0 else (max(threshold, told.count - 2), told.count + 2)
    return (1, threshold - 1) if told.mark.startswith("<") else (threshold, MANY)


def columns_of(released: Released, threshold: int) -> tuple[list[list[Range]], list[list[Range]]]:
    """All that adds up to the year, and to the year before."""

    def read(shown: Sequence[Told]) -> list[Range]:
        return [read_back(told, threshold) for told in shown]

    def year(number: int) -> list[list[Range]]:
        block = list(reversed(released.by_month))[number * 12 : number * 12 + 12 : released.step]
        return [read([told for told in block if told is not None])] if None not in block else []

    now = year(0)
    if released.categories:
        now.append(read([line[1] for line in released.categories]))
    if released.by_lsoa:
        now.append(read(list(released.by_lsoa.values())))
    if released.week:
        now.append(read([told for row in released.week.cells for told in row] + [released.week.unknown]))
    if released.places:
        now.append(read([released.places.exact, released.places.coarse, released.places.none]))
    before = year(1) if released.before is not None else []
    if released.categories and all(line[2] is not None for line in released.categories):
        before.append(read([line[2] for line in released.categories if line[2] is not None]))
    return now, before


def assert_nothing_small_is_narrowed(total: Told, columns: list[list[Range]], threshold: int) -> int:
    """Each small count could be any small count; returns how many there are."""
    low, high = read_back(total, threshold)
    for column in columns:
        low, high = max(low, sum(part[0] for part in column)), min(high, sum(part[1] for part in column))
    assert low <= high
    small = 0
    for column in columns:
        least, most = sum(part[0] for part in column), sum(part[1] for part in column)
        for part in column:
            if part == (1, threshold - 1):
                small += 1
                rest_least, rest_most = least - part[0], most - part[1]
                for value in range(1, threshold):
                    # Some total that is possible leaves a possible rest.
                    assert max(low - value, rest_least) <= min(high - value, rest_most), (value, column, (low, high))
    return small


@pytest.mark.parametrize("threshold", [5, 8])
def test_no_small_count_can_be_worked_out(threshold: int) -> None:
    small = told = 0
    for seed in range(400):
        exact = drawn(random.Random(seed))
        released = public_release(exact, threshold)
        # What is read back holds of the truth.
        low, high = read_back(released.now, threshold)
        assert low <= exact.of_now <= high
        now, before = columns_of(released, threshold)
        small += assert_nothing_small_is_narrowed(released.now, now, threshold)
        if released.before is not None:
            small += assert_nothing_small_is_narrowed(released.before, before, threshold)
        told += len(now)
    assert small > 500 and told > 400  # neither is everything withheld, nor nothing


def test_the_attacker_can_succeed() -> None:
    """Counts that are masked one by one fall to it: 2 beside 20 and 40, and the rounded total of these."""
    with pytest.raises(AssertionError):
        assert_nothing_small_is_narrowed(Told(60), [[(1, 4), (20, 20), (40, 40)]], 5)
    shown = public_release(Exact([None] * 24 + [0] * 11 + [62], {"a": 2, "b": 20, "c": 40}, None, {}, None, None), 5)
    assert [line[0] for line in shown.categories] == ["c", "Other (2 categories)"]


def test_categories_that_are_sensitive_have_no_line_of_their_own() -> None:
    exact = Exact([None] * 24 + [10] * 12, {"Theft": 60, "Sexual": 40, "Drugs": 20}, None, {}, None, None)
    labels = [line[0] for line in public_release(exact, 5, {"Sexual"}).categories]
    assert labels == ["Theft", "Other (2 categories)"]
    assert [line[0] for line in exact_release(exact).categories] == ["Theft", "Sexual", "Drugs"]


def test_few_in_all_are_told_as_few_and_no_more() -> None:
    exact = Exact(
        [None] * 24 + [1, 2] + [0] * 10, {"Theft": 2, "Drugs": 1}, None, {"E1": 3, "": 0}, {(0, 1): 3}, (3, 0, 0)
    )
    released = public_release(exact, 5)
    assert released.now.words == "<5" and not released.categories and not released.by_lsoa
    assert released.week is None and released.places is None and set(released.by_month) == {None}
