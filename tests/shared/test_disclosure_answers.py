"""Answers around drawn places, made public: nothing exact is left, and all that was published together tells little."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from datetime import date
from functools import cache
from typing import Any

import numpy as np
import pytest
from safestats.shared.change import change
from safestats.shared.disclosure import (
    GROUPED,
    NotPublishableError,
    Rules,
    crowded,
    publishable,
    published_cells,
    published_surface,
    smallest_bandwidth_m,
)
from safestats.shared.published_rows import published_ring_table
from safestats.shared.ring_answer import AnswerRow, DatasetAnswer, Place, RingAnswer, RingFigure
from safestats.shared.rings import FIXED_RADII, Band, OwnBand
from safestats.shared.windows import Window, trend

YEAR = Window("2025-01", "2025-12")
CATEGORIES = ("assault", "burglary", "damage", "theft", "robbery")


def drawn(seed: int, before: bool = True, band: Band = Band.ALL) -> RingAnswer:
    """An answer counted from incidents that lie in one of three rings, in a month, at an hour, of a category."""
    draw = random.Random(seed)
    many = draw.choice([6, 25, 80, 400, 2000])
    weights = [draw.choice([1, 1, 3, 30]) for _ in CATEGORIES]
    incidents = [
        (
            draw.choices((0, 1, 2), (1, 4, 12))[0],
            draw.randrange(36),
            draw.choice([None, *range(24), *range(17, 24)]),
            draw.randrange(7),
            draw.choices(CATEGORIES, weights)[0],
        )
        for _ in range(many)
    ]

    def inside(hour: int | None) -> bool:
        return band is Band.ALL or (hour is not None and (hour >= 18 or hour < 6))

    def row(category: str | None) -> AnswerRow:
        figures = []
        for ring, radius in enumerate(FIXED_RADII):
            held = [i for i in incidents if i[0] <= ring and inside(i[2]) and category in (None, i[4])]
            now = sum(i[1] >= 24 for i in held)
            past = sum(12 <= i[1] < 24 for i in held)
            figures.append(
                RingFigure(
                    radius, now, past if before else None, change(now, past), now / 0.5, 0.5, 93.7, "exact words"
                )
            )
        return AnswerRow("las", "Ambulance", category, category or "All", band, tuple(figures))

    of_year = [i for i in incidents if i[1] >= 24]
    hours = [[sum(i[2] == hour and i[3] == day for i in of_year) for hour in range(24)] for day in range(7)]
    dataset = DatasetAnswer(
        code="las",
        title="Ambulance",
        rows=(row(None), *sorted(map(row, CATEGORIES), key=lambda one: -(one.figures[-1].count or 0))),
        hours=tuple(map(tuple, hours)),
        trend=tuple(sum(i[1] == month for i in incidents) for month in range(36)),
        coarse=(3, 0, many // 3),
        newest=YEAR.last,
        attribution="",
        notes=("3 incidents have no hour.", "Places are as callers told them."),
        unplaced=draw.choice([0, 2, 31]),
        unknown_hour=sum(i[2] is None for i in of_year),
        largest_stack=draw.choice([None, 1, 9]),
    )
    place = Place("NW1 8QP", 529_000, 184_000, "", postcode="NW1 8QP")
    before_window = YEAR.before() if before else None
    return RingAnswer(
        place,
        FIXED_RADII,
        YEAR,
        before_window,
        trend(YEAR.last),
        "everything",
        (dataset,),
        "All are counted.",
        date(2026, 2, 1),
        notes=("2 datasets are left out.",),
    )


def counts_in(value: Any) -> Iterator[int]:
    """Every whole number of an answer's dataset that is a count."""
    if is_dataclass(value) and not isinstance(value, type):
        for one in fields(value):
            if one.name not in ("radius_m", "weekdays", "hour_step", "trend_step"):
                yield from counts_in(getattr(value, one.name))
    elif isinstance(value, tuple):
        for part in value:
            yield from counts_in(part)
    elif isinstance(value, int) and not isinstance(value, bool):
        yield value


@pytest.mark.parametrize("threshold", [5, 8])
def test_nothing_exact_is_left(threshold: int) -> None:
    for seed, before, band in itertools.product(range(25), (True, False), (Band.ALL, Band.EVENING_AND_NIGHT)):
        exact = drawn(seed, before, band)
        made = publishable(exact, Rules(thresholds={"las": threshold}))
        (dataset,) = made.datasets
        assert made.public and made.notes == () and dataset.notes == ("Places are as callers told them.",)
        # 5 is what few incidents without an hour are told as.
        assert all(n == 0 or (n >= threshold and n % 5 == 0) for n in counts_in(replace(dataset, unknown_hour=0)))
        assert dataset.unknown_hour % 5 == 0
        for row in dataset.rows:
            for figure in row.figures:
                assert (figure.count is None) == (figure.mark in ("*", f"<{threshold}")) != (figure.mark == "")
                assert (figure.before is None) == (figure.before_mark != "" or not before)
                assert figure.rate_per_km2 == (None if figure.count is None else figure.count / 0.5)
                told = figure.count is not None and figure.before is not None and figure.before >= 20
                assert figure.change == (change(figure.count, figure.before) if told else None)
                assert (figure.share_below, figure.sentence) == (None, "")
        outer = [row.figures[-1].count or 0 for row in dataset.by_category() if row.category != GROUPED]
        assert outer == sorted(outer, reverse=True)
        total = exact.datasets[0].rows[0].figures[-1].count or 0
        assert total < threshold or dataset.rows[0].figures[-1].mark != f"<{threshold}"


def test_charts_are_told_in_blocks_that_add_up_to_nothing_small() -> None:
    shapes = set()
    for seed in range(60):
        (exact,), (made,) = drawn(seed).datasets, publishable(drawn(seed), Rules()).datasets
        shapes.add((made.hour_step, len(made.weekdays), made.hours is None))
        if made.hours is not None:
            assert exact.hours is not None
            blocks, shown = [], []
            for group in made.weekdays:
                for start in range(0, 24, made.hour_step):
                    span = range(start, start + made.hour_step)
                    cells = {made.hours[day][hour] for day in group for hour in span}
                    assert len(cells) == 1
                    shown.append(cells.pop())
                    blocks.append(sum(exact.hours[day][hour] or 0 for day in group for hour in span))
            _look(blocks, shown, sum(blocks) + exact.unknown_hour, exact.unknown_hour)
        if made.trend_step and any(count is not None for count in made.trend):
            for year in range(3):
                part = slice(12 * year, 12 * year + 12)
                step = made.trend_step
                months = exact.trend[part]
                blocks = [sum(count or 0 for count in months[at : at + step]) for at in range(0, 12, step)]
                shown = list(made.trend[part][::step])
                _look(blocks, shown, sum(blocks) if year else 10**6, 0)
    assert len(shapes) >= 3


def _look(blocks: list[int], shown: list[int | None], total: int, unknown: int) -> None:
    """Whoever knows the rounded total cannot narrow a small block."""
    low = [1 if s is None else 0 if s == 0 else max(5, s - 2) for s in shown]
    high = [4 if s is None else 0 if s == 0 else s + 2 for s in shown]
    assert all(a <= b <= c for a, b, c in zip(low, blocks, high))
    told = (total + 2) // 5 * 5
    least, most = max(told - 2, 0 if total < 5 else 5), told + 2
    spare = (
        (0, 0) if unknown == 0 else (1, 4) if unknown < 5 else ((unknown + 2) // 5 * 5 - 2, (unknown + 2) // 5 * 5 + 2)
    )
    if total == 10**6:  # nothing is published of that year's total
        least, most = 0, 10**9
    for number, one in enumerate(shown):
        if one is None:
            others = (sum(low) - low[number], sum(high) - high[number])
            assert least - others[1] - spare[1] <= 1 and most - others[0] - spare[0] >= 4


def test_words_and_rows_follow_the_rules() -> None:
    exact = next(answer for answer in map(drawn, range(50)) if (answer.rows[0].figures[-1].count or 0) > 300)
    rules = Rules(
        sensitive={"las": frozenset({"assault"})}, standing=lambda row, radius, count: f"{row.label} {radius} {count}"
    )
    made = publishable(exact, rules)
    rows = {row.category: row for row in made.rows}
    assert "assault" not in rows and rows[GROUPED].label.startswith("Other (")
    assert {figure.sentence for figure in rows[GROUPED].figures} == {""}
    assert rows[None].figures[2].sentence == f"All 500 {rows[None].figures[2].count}"
    assert len(publishable(exact, Rules(most_rows=2)).datasets[0].by_category()) == 2
    # What the data themselves say holds besides.
    (dataset,) = exact.datasets
    own = replace(exact, datasets=(replace(dataset, threshold=8, sensitive=("theft",)),))
    strict = publishable(own, Rules(thresholds={"las": 5}))
    assert "theft" not in {row.category for row in strict.rows}
    assert strict == replace(publishable(own, Rules(thresholds={"las": 8})), datasets=strict.datasets)
    assert "<5" not in {figure.mark for row in strict.rows for figure in row.figures}


def test_only_the_fixed_questions_are_published() -> None:
    answer = drawn(1)
    (dataset,) = answer.datasets
    rows = tuple(replace(row, band=OwnBand(20, 2)) for row in dataset.rows)
    withheld = tuple(replace(row, figures=tuple(replace(f, count=None) for f in row.figures)) for row in dataset.rows)
    for other, words in (
        (replace(answer, radii=(50, 250, 500)), "100, 250 and 500 metres"),
        (replace(answer, place=replace(answer.place, postcode="")), "made around a postcode, .* enter one"),
        (replace(answer, now=Window("2025-02", "2025-12")), "12 whole months"),
        (replace(answer, before=Window("2024-06", "2025-05")), "12 whole months"),
        (replace(answer, datasets=(replace(dataset, rows=rows),)), "listed times of day"),
        (replace(answer, datasets=(replace(dataset, rows=withheld),)), "withheld already"),
        (publishable(answer, Rules()), "already"),
    ):
        with pytest.raises(NotPublishableError, match=words):
            publishable(other, Rules())


@cache
def published(totals: tuple[int, ...], largest: int) -> tuple[tuple[int | None, str], ...]:
    return tuple((cell.count, cell.mark) for cell in published_ring_table([], totals, largest).totals)


# Parts of a small world, and the rings of each publication as the parts that they hold.
TOGETHER = {
    "two dates": (6, 6, (((0, 2), (0, 1, 2, 3)), ((2, 4), (2, 3, 4, 5)))),
    "two bands": (4, 13, (((0, 2), (0, 1, 2, 3)), ((0,), (0, 1)))),
    "two dates and two bands": (6, 6, (((0, 1, 2, 3),), ((2, 3, 4, 5),), ((0, 2),), ((2, 4),))),
    "two neighbouring places": (5, 8, (((0, 1), (0, 1, 2, 3)), ((1, 2), (0, 1, 2, 4)))),
}


@pytest.mark.parametrize("largest", [4, 7])
@pytest.mark.parametrize("name", TOGETHER)
def test_publications_that_overlap_hardly_ever_solve_a_small_count(name: str, largest: int) -> None:
    """Every world of so many parts is tried: in how many is a small part the same in all that look alike?

    ``docs/disclosure.md`` says: in fewer than one of 1,000.
    """
    parts, most, publications = TOGETHER[name]
    alike: dict[Any, list[tuple[int, ...]]] = {}
    for world in itertools.product(range(most + 1), repeat=parts):
        seen = tuple(
            published(tuple(sum(world[part] for part in ring) for ring in rings), largest) for rings in publications
        )
        alike.setdefault(seen, []).append(world)
    small = solved = 0
    for worlds in alike.values():
        held = np.array(worlds)
        few = ((held >= 1) & (held <= largest)).sum(axis=0)
        small += int(few.sum())
        solved += int(few[held.min(axis=0) == held.max(axis=0)].sum())
    assert small > 10_000 and solved / small < 0.001


def test_maps_are_smooth_and_without_sparse_cells() -> None:
    assert [smallest_bandwidth_m(precision) for precision in (None, 0, 10, 50, 100, 400)] == [
        500,
        250,
        250,
        250,
        500,
        2000,
    ]
    surface = published_surface([[1.0, 2.0], [3.0, 0.0]], [[4, 5], [8, 0]])
    assert np.array_equal(surface, [[np.nan, 2.0], [3.0, 0.0]], equal_nan=True)
    assert np.isnan(published_surface([1.0], [7], 7)).all()
    with pytest.raises(ValueError, match="shape"):
        published_surface([1.0, 2.0], [7])
    assert np.array_equal(published_cells([0, 1, 4, 5, 8, 1003]), [0, np.nan, np.nan, 5, 10, 1005], equal_nan=True)
    with pytest.raises(ValueError, match="negative"):
        published_cells([-1])


def test_reports_that_crowd_are_told() -> None:
    draw = np.random.default_rng(3)
    centres = np.concatenate([draw.integers(0, 1_100, (90, 2)), draw.integers(5_000, 90_000, (200, 2))])
    near = (((centres[:, None] - centres[None]) ** 2).sum(axis=2) <= 500**2).sum(axis=1)
    assert np.array_equal(crowded(centres), near > 40) and 0 < (near > 40).sum() < 90
    assert np.array_equal(crowded(centres, most=10), near > 10)
    assert crowded(np.zeros((0, 2))).tolist() == []
