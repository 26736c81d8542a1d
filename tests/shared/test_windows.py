"""Months are counted whole, compared like with like, and complete only when they are."""

from __future__ import annotations

from datetime import date

import pytest
from safestats.shared.windows import (
    Window,
    common_end,
    comparison,
    month_number,
    month_of,
    month_words,
    newest_full_month,
    trend,
)


def test_twelve_months_and_the_twelve_before_across_years():
    assert comparison("2025-12") == (Window("2025-01", "2025-12"), Window("2024-01", "2024-12"))
    assert comparison("2025-02") == (Window("2024-03", "2025-02"), Window("2023-03", "2024-02"))
    assert all(len(window.months) == 12 for window in comparison("2024-02"))


def test_the_trend_is_three_years():
    months = trend("2025-01").months
    assert (months[0], months[-1], len(months), len(set(months))) == ("2022-02", "2025-01", 36, 36)


@pytest.mark.parametrize(
    ("month", "day", "today", "full"),
    [
        ("2025-05", None, date(2025, 7, 2), "2025-05"),  # published by the month
        ("2025-07", None, date(2025, 7, 31), "2025-06"),  # the month is not over today
        ("2025-07", None, date(2025, 8, 1), "2025-07"),
        ("2025-09", None, date(2025, 7, 2), "2025-06"),  # ahead of the clock
        ("2025-06", date(2025, 6, 29), date(2025, 7, 2), "2025-05"),  # a day is missing
        ("2025-06", date(2025, 6, 30), date(2025, 7, 1), "2025-06"),
        ("2024-02", date(2024, 2, 28), date(2024, 3, 2), "2024-01"),  # a leap year
        ("2024-02", date(2024, 2, 29), date(2024, 3, 2), "2024-02"),
        ("2025-01", date(2025, 1, 5), date(2025, 1, 6), "2024-12"),
        ("2025-07", date(2025, 6, 30), date(2025, 8, 2), "2025-06"),  # days stop before the month named
    ],
)
def test_the_newest_full_month(month, day, today, full):
    assert newest_full_month(month, day, today) == full


def test_datasets_end_together_but_for_those_of_another_time():
    assert common_end(["2025-12", "2025-10", "2025-11"]) == "2025-10"
    assert common_end(["2025-12", "2025-07"]) == "2025-07"
    assert common_end(["2025-12", "2025-06"]) == "2025-12"  # six months behind
    assert common_end(["2025-12", "2017-06"]) == "2025-12"
    with pytest.raises(ValueError, match="None of the datasets is dated"):
        common_end([])


def test_months_are_told_apart_from_anything_else():
    assert month_words("2025-03") == "March 2025"
    assert [month_of(month_number(month)) for month in ("0001-01", "2024-12", "9999-12")] == [
        "0001-01",
        "2024-12",
        "9999-12",
    ]
    for text in ("2025-13", "2025-1", "2025-00", "March", "", "2025-01-01", "２０２５-01"):
        with pytest.raises(ValueError, match="is no month"):
            month_number(text)


def test_a_window_covers_its_ends_and_no_empty_month():
    window = Window("2025-02", "2025-04")
    assert [window.covers(m) for m in ("2025-01", "2025-02", "2025-04", "2025-05", "")] == [
        False,
        True,
        True,
        False,
        False,
    ]
    assert window.before() == Window("2024-11", "2025-01")
    assert window.label == "February 2025 to April 2025" and Window("2025-02", "2025-02").label == "February 2025"
    with pytest.raises(ValueError, match="choose a later end"):
        Window("2025-04", "2025-03")
