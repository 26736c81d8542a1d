"""For every NHS number and every text: none survives, and the time grows with the text."""

from __future__ import annotations

import time
from functools import cache

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safestats.sync_server.screening.columns import judge
from safestats.sync_server.screening.numbers import is_nhs_number, nhs_numbers_among
from safestats.sync_server.screening.values import blanked, identifiers_in, normal

pytestmark = pytest.mark.engineless


@st.composite
def nhs_numbers(draw: st.DrawFn) -> str:
    """Every number with a right check digit, but those of one figure throughout, which are fillers."""
    stem = draw(st.integers(0, 999_999_999).map("{:09d}".format))
    number = next((stem + str(check) for check in range(10) if is_nhs_number(stem + str(check))), "")
    return number or "9434765919"


_SPACES = st.sampled_from(["", " ", "-", "  ", "\u00a0", " - ", "/", ".", "\u2011", "\u2013"])
# Whatever stands around it, but figures (or what is one by another name): of a longer number it is no number.
_AROUND = st.text(st.characters(exclude_categories=["Cs", "Nd", "No", "Nl"]), max_size=40)


def _figures(text: str) -> str:
    return "".join(letter for letter in normal(text) if letter.isascii() and letter.isdigit())


@given(nhs_numbers(), _SPACES, _AROUND, _AROUND)
@settings(max_examples=400, deadline=None)
def test_no_nhs_number_survives_in_any_text(number: str, space: str, before: str, after: str) -> None:
    text = f"{before}{number[:3]}{space}{number[3:6]}{space}{number[6:]}{after}"
    if _figures(before + after):
        return
    left, counts = blanked(text)
    assert counts
    assert number not in _figures(left)
    assert blanked(left) == (left, {})


@given(nhs_numbers(), _AROUND)
@settings(max_examples=100, deadline=None)
def test_none_survives_in_a_column_of_text(number: str, around: str) -> None:
    if _figures(around):
        return
    texts = pl.Series([f"hit {around} {number}", "kicked outside the station", "bottled in the park", "unknown place"])
    judged = judge("Description", texts, texts.unique(), True, frozenset())
    left = texts.replace(judged.changes)
    assert number not in "".join(_figures(text) for text in left)


@given(st.lists(st.integers(0, 10**10 - 1).map("{:010d}".format), min_size=1, max_size=50))
def test_counting_at_once_is_counting_one_by_one(numbers: list[str]) -> None:
    assert nhs_numbers_among(pl.Series(numbers)) == sum(map(is_nhs_number, numbers))


@given(st.text(max_size=300))
@settings(max_examples=300, deadline=None)
def test_any_text_is_taken_and_what_is_left_holds_nothing(text: str) -> None:
    left, counts = blanked(text)
    assert (left == text) == (not counts)
    assert not identifiers_in(normal(left))


@cache
def _seconds(pattern: str, length: int) -> float:
    text = (pattern * (length // len(pattern) + 1))[:length]
    best = 60.0
    for _ in range(3):
        begun = time.process_time()
        identifiers_in(text)
        best = min(best, time.process_time() - begun)
    return best


@pytest.mark.parametrize(
    "pattern",
    ["a", "1", "1 ", "@", "a@", "a.", "a.b@c.", "Mr ", "Mr Smith ", "John ", "12 High ", "flat 1 ", "lives at ",
     "943 476 ", "0207 ",
     "dob ", "dob 1/", "nhs ", "+44 ", "1a-2b ", "A1 ", "(", "-", "\u200b", "e\u0301", "12 a b c d street "],
)  # fmt: skip
def test_time_grows_no_faster_than_the_text(pattern: str) -> None:
    short, long = _seconds(pattern, 8_000), _seconds(pattern, 64_000)
    # Eight times the text: sixteen times the time leaves room for a busy machine, sixty-four would be its square.
    assert long < 16 * short + 0.05
