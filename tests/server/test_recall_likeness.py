"""By what a recalled incident is known again."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from safestats.sync_server.datasets.definitions import read_definitions
from safestats.sync_server.keys import Keys
from safestats.sync_server.recall.likeness import Likenesses, canonical, telling_fields

pytestmark = pytest.mark.engineless

RESOURCES = Path(__file__).resolve().parents[2] / "resources"
DEFINITIONS = read_definitions(RESOURCES / "datasets")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ABC-1", "abc-1."), ("ABC-1", "abc\u20101"), ("ABC-1", "a\u200bbc1"), ("Straße 1", "STRASSE1"),
        ("é", "e\u0301"), ("１２", "12"), ("ﬁ", "FI"),
    ],
)  # fmt: skip
def test_spellings_of_one_id(one: str, other: str) -> None:
    assert canonical(one) == canonical(other) != ""


def test_ids_that_differ_stay_different_and_signs_are_none() -> None:
    assert canonical("ABC-1") != canonical("ABC-2") and canonical("—·\u200b") == ""


def test_what_a_minute_does_not_tell_the_place_does() -> None:
    assert telling_fields(DEFINITIONS["mps"]) == DEFINITIONS["mps"].identity.stable
    assert set(telling_fields(DEFINITIONS["lfb"])) >= {"occurred_on", "occurred_time", "easting", "northing"}


def test_a_row_of_which_half_is_unknown_is_like_nothing(tmp_path: Path) -> None:
    likenesses = Likenesses(Keys.open(tmp_path / "keys.json"), DEFINITIONS["mps"])
    assert likenesses.columns == ("period", "category", "street", "easting", "northing")
    told, same, unknown, month = likenesses.marks(
        [
            ("2023-05", "Robbery", "High Street", 530000, 180000),
            ("2023-05", "robbery", "HIGH  STREET.", 530000, 180000),
            ("2023-05", "Robbery", "No location", None, None),
            ("2023-06", "Robbery", "High Street", 530000, 180000),
        ]
    )
    assert told == same != month and told.startswith("like:") and unknown == ""
    day = Likenesses(likenesses.keys, DEFINITIONS["las"]).marks([("2026-03", date(2026, 3, 20), "10:00", "x", 1, 2)])
    assert day[0] != ""
