"""What is published gives no small number away, neither shown nor by subtraction."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from safestats.shared.disclosure import (
    Sensitivity,
    published_change,
    published_count,
    published_share,
    published_table,
    published_words,
)
from safestats.shared.furniture import FurnitureItem, missing, refusal, required


@pytest.mark.parametrize(
    ("count", "shown"), [(0, "0"), (1, "<5"), (4, "<5"), (5, "5"), (7, "5"), (8, "10"), (1003, "1,005")]
)
def test_counts(count, shown):
    assert published_words(published_count(count)) == shown


def test_health_masks_up_to_seven():
    assert published_words(published_count(7, Sensitivity.HEALTH), Sensitivity.HEALTH) == "<8"
    assert published_count(8, Sensitivity.HEALTH) == 10


def test_a_single_masked_count_takes_another_with_it():
    table = published_table([[3, 20], [40, 30], [10, 0]])
    assert [row[0] for row in table.rows] == [None, 40, None]
    assert table.totals == (55, 50)


def test_a_masked_count_alone_in_its_column_takes_the_total():
    table = published_table([[3], [0]])
    assert table.rows == ((None,), (0,))
    assert table.totals == (None,)


@given(st.lists(st.integers(0, 60), min_size=1, max_size=8))
def test_no_column_can_be_solved(counts):
    table = published_table([[count] for count in counts])
    masked = [counts[i] for i, row in enumerate(table.rows) if row[0] is None]
    assert all(row[0] is None or row[0] == 0 or row[0] % 5 == 0 for row in table.rows)
    if any(0 < count < 5 for count in counts):
        assert len(masked) >= 2 or table.totals[0] is None


def test_percentages_and_changes_come_from_what_is_shown():
    assert published_share(25, 100) == 0.25
    assert published_share(None, 100) is None
    assert published_change(30, 20) == pytest.approx(0.5)
    assert published_change(30, 15) is None
    assert published_change(None, 100) is None


def test_furniture():
    everything = set(FurnitureItem)
    assert missing(everything, synthetic=True) == ()
    assert missing(everything - {FurnitureItem.SYNTHETIC_LABEL}, synthetic=False) == ()
    assert missing(everything - {FurnitureItem.SYNTHETIC_LABEL}, synthetic=True) == (FurnitureItem.SYNTHETIC_LABEL,)
    assert len(required(synthetic=False)) == len(FurnitureItem) - 1
    for item in FurnitureItem:
        assert missing(everything - {item}, synthetic=True) == (item,)
        assert item.words in refusal([item])
    assert refusal([FurnitureItem.SOURCE]) == (
        "Not exported: the source line is missing from the page. Put it back, then export again."
    )
    assert refusal([FurnitureItem.TITLE, FurnitureItem.SOURCE]).startswith(
        "Not exported: the title and the source line are missing"
    )
