"""Which passwords are taken."""

from __future__ import annotations

import time
from contextlib import suppress

import pytest
from safestats.sync_server.identity.strength import LONGEST, WeakPasswordError, check_strength

pytestmark = pytest.mark.engineless

ABOUT = ("nina.newcomer", "Nina Newcomer", "nina@camden.gov.uk", "London Borough of Camden", "camden", "safestats")


@pytest.mark.parametrize(
    "password", ["correct horse battery staple", "three random words", "vJ7#qPz0!mXw2", "ü" * 3 + "Wörterbücherfresser"]
)
def test_a_strong_one_is_taken(password: str) -> None:
    check_strength(password, ABOUT)


@pytest.mark.parametrize(
    "password",
    [
        "elevenchars",
        "x" * (LONGEST + 1),
        "aaaaaaaaaaaaaaaa",
        "password12345",
        "qwertyuiopasdf",
        "nina.newcomer",
        "Nina Newcomer 2026",
        "londonboroughofcamden",
        "safestats-camden-1",
    ],
)
def test_a_weak_one_is_refused_with_what_to_do(password: str) -> None:
    with pytest.raises(WeakPasswordError) as refused:
        check_strength(password, ABOUT)
    sentence = str(refused.value)
    assert ("characters" in sentence) or ("four or more words" in sentence)
    assert password not in sentence


def test_what_is_known_of_the_owner_counts() -> None:
    check_strength("Nina Newcomer 2026", ())
    with pytest.raises(WeakPasswordError):
        check_strength("Nina Newcomer 2026", ABOUT)


def test_a_hostile_password_takes_no_time() -> None:
    start = time.perf_counter()
    for hostile in ("a1B2" * 32, "password" * 16, "\N{GRINNING FACE}" * LONGEST, "0123456789" * 12):
        with suppress(WeakPasswordError):
            check_strength(hostile, ABOUT)
    assert time.perf_counter() - start < 3
