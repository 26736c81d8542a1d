"""How a change is told in words, and totals that show less than one of their parts."""

from __future__ import annotations

import pytest
from safestats.shared.change import change
from safestats.shared.ring_answer import AnswerRow, DatasetAnswer, RingFigure
from safestats.shared.rings import Band

RANKED = "about as many as most postcodes in Camden"


def figure(count: int, before: int | None = None, radius: int = 100) -> RingFigure:
    made = None if before is None else change(count, before)
    return RingFigure(radius, count, before, made, count / 0.03, 0.03, 40.0, RANKED)


@pytest.mark.parametrize(
    ("now", "before", "told"),
    [
        (5, 180, "fewer than chance explains, though how many fewer is known only roughly"),
        (9, 0, "more than chance explains, though how many more is known only roughly"),
        (100, 180, "fewer than chance explains"),
        (180, 100, "more than chance explains"),
        (9, 8, "the numbers are too small to tell a change"),
        (10, 9, "that may be chance"),
        (9, 14, "that may be chance"),
        (100, 105, "that may be chance"),
        (0, 0, "the numbers are too small to tell a change"),
        (5, None, ""),
    ],
)
def test_the_words_of_a_change_never_contradict_its_interval(now: int, before: int | None, told: str) -> None:
    assert figure(now, before).change_told == told
    assert figure(now, before).too_few == ("too small" in told)


def test_every_small_change_is_told_as_its_interval_has_it() -> None:
    for now in range(25):
        for before in range(25):
            one = figure(now, before)
            assert one.change is not None
            assert one.change.certain == ("than chance explains" in one.change_told), (now, before)
            assert not one.too_few or max(now, before) < 10


def altered(*rows: tuple[str | None, Band, tuple[int, ...]], perturbed: bool = True) -> DatasetAnswer:
    made = tuple(
        AnswerRow("d", "D", category, category or "All", band, tuple(map(figure, counts, (None,) * 2, (100, 250))))
        for category, band, counts in rows
    )
    return DatasetAnswer("d", "D", made, None, (), (), "2025-01", "", perturbed=perturbed)


def test_a_total_below_one_of_its_parts_has_no_rate_and_no_rank() -> None:
    rows = (
        (None, Band.ALL, (0, 20)),
        ("theft", Band.ALL, (10, 20)),
        (None, Band.LATE_NIGHT, (5, 5)),
        ("theft", Band.LATE_NIGHT, (5, 0)),
    )
    dataset = altered(*rows)
    told = dataset.without_odd_totals()
    odd = told.rows[0].figures[0]
    assert (odd.count, odd.below_part, odd.rate_per_km2, odd.share_below, odd.sentence) == (0, True, None, None, "")
    # The other ring, the other hours, and the parts are as they were; so are counts that are exact.
    assert told.rows[0].figures[1:] == dataset.rows[0].figures[1:] and told.rows[1:] == dataset.rows[1:]
    exact = altered(*rows, perturbed=False)
    assert exact.without_odd_totals() == exact
