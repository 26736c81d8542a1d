"""Months that are held, and those that never came."""

from __future__ import annotations

import pytest
from safestats.shared.held_months import HeldMonths
from safestats.shared.windows import Window

YEAR, BEFORE = Window("2025-01", "2025-12"), Window("2024-01", "2024-12")
BOTH = (*BEFORE.months, *YEAR.months)


def without(*missing: str) -> HeldMonths:
    return HeldMonths.of("2020-01", "2029-12", tuple(month for month in BOTH if month not in missing))


def test_data_of_one_supplier_hold_every_month_between() -> None:
    held = HeldMonths.of("2024-02", "2025-11")
    assert [month for month in BOTH if not held.holds(month)] == ["2024-01", "2025-12"]
    assert held.gap_words(YEAR).startswith("Held for February 2024 to November 2025 only")
    assert not held.compares(YEAR, BEFORE) and HeldMonths.of("2024-01", "2025-11").compares(YEAR, BEFORE)
    assert HeldMonths.of("2025-01", "2025-12").gap_words(YEAR) == ""


def test_returns_tell_the_months_and_not_the_rows() -> None:
    held = without("2025-12", "2025-05")
    assert (held.first, held.newest) == ("2024-01", "2025-11")
    assert not held.holds("2025-05") and held.holds("2025-06")
    assert held.gap_words(YEAR).startswith("Nothing was returned for May 2025, December 2025: ")
    assert held.gap_words(BEFORE) == ""


@pytest.mark.parametrize("missing", ["2024-07", "2025-07"])
def test_years_with_a_month_that_was_not_returned_are_not_compared(missing: str) -> None:
    assert without().compares(YEAR, BEFORE)
    assert not without(missing).compares(YEAR, BEFORE)


def test_months_that_follow_each_other_are_told_as_a_span_and_many_by_their_number() -> None:
    assert "for March 2025 to May 2025: " in without("2025-03", "2025-04", "2025-05").gap_words(YEAR)
    assert "for 5 of the 12 months: " in without(*YEAR.months[1:11:2]).gap_words(YEAR)


def test_a_window_of_which_nothing_was_returned_is_none() -> None:
    assert not without(*YEAR.months[:-1], "2025-12").any_of(YEAR) and without("2025-12").any_of(YEAR)
