"""Where the rows of a receipt are told to be: as they really are after later deliveries and rollbacks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from safestats.sync_server.publishing.rollback import discard_staged, stage_rollback
from safestats.tests.server.engines import settings_for
from safestats.tests.server.ingest_rig import publish_now
from safestats.tests.server.supplies_rig import LONDON_HOSPITAL, Doors, doors_on, istv_csv, las_csv

# Made above the database: one engine will do in every commit, the other is for `make test-slow`.
pytestmark = pytest.mark.above_engines


@pytest.fixture
def doors(tmp_path: Path) -> Iterator[Doors]:
    with doors_on(settings_for(tmp_path / "server")) as made:
        yield made


def standing(doors: Doors, receipt: dict, headers: dict[str, str] | None = None) -> str:
    return doors.receipt(receipt["receipt"], headers)["standing"]


def test_what_changes_nothing_is_unchanged_and_never_dropped(doors: Doors) -> None:
    royal = doors.key("istv", LONDON_HOSPITAL)
    nothing = doors.loaded(doors.post("zero-returns", royal, json={"month": "2026-03"}), royal)
    assert (nothing["state"], nothing["standing"]) == ("accepted", "unchanged")
    doors.loaded(doors.send(las_csv(1, 2)))
    again = doors.loaded(doors.send(las_csv(2, 1), name="other.csv"))
    assert (again["accepted"], again["standing"]) == (2, "unchanged")
    discard_staged(doors.publisher, doors.publisher.definition("las"))
    assert standing(doors, again) == "unchanged"


def test_a_return_that_was_corrected_is_told_as_replaced(doors: Doors) -> None:
    royal = doors.key("istv", LONDON_HOSPITAL)
    first = doors.loaded(doors.send(istv_csv(*["Camden High Street"] * 6), headers=royal), royal)
    publish_now(doors.publisher, "istv")
    assert standing(doors, first, royal) == "published"
    second = doors.loaded(doors.send(istv_csv(*["Camden High Street"] * 7), "b.csv", headers=royal), royal)
    # What people see is the first one still.
    assert (standing(doors, first, royal), standing(doors, second, royal)) == ("published", "staged")
    publish_now(doors.publisher, "istv")
    assert (standing(doors, first, royal), standing(doors, second, royal)) == ("replaced", "published")
    another = doors.loaded(doors.send(istv_csv("Mare Street", month="2026-04"), "c.csv", headers=royal), royal)
    publish_now(doors.publisher, "istv")
    assert (standing(doors, second, royal), standing(doors, another, royal)) == ("published", "published")
    page = doors.console.as_("gla.publisher").get(f"/console/supplies/receipts/{first['receipt']}")
    assert "replaced by a later delivery of the same month" in page.text and "are visible" not in page.text


def test_what_a_rollback_took_back_is_not_told_to_be_visible(doors: Doors) -> None:
    first = doors.loaded(doors.send(las_csv(1)))
    publish_now(doors.publisher, "las")
    second = doors.loaded(doors.send(las_csv(7, Call_Date="20/04/2026"), "b.csv"))
    publish_now(doors.publisher, "las")
    definition = doors.publisher.definition("las")
    stage_rollback(doors.publisher, definition, 1)
    assert standing(doors, second) == "published"
    publish_now(doors.publisher, "las")
    assert (standing(doors, first), standing(doors, second)) == ("published", "taken-back")
    page = doors.console.as_("gla.publisher").get(f"/console/supplies/receipts/{second['receipt']}")
    assert "taken back by a rollback" in page.text and "They are visible" not in page.text
    # And forth again.
    stage_rollback(doors.publisher, definition, 2)
    publish_now(doors.publisher, "las")
    assert (standing(doors, first), standing(doors, second)) == ("published", "published")
