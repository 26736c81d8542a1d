"""What a publisher does in a month without a shell: places decided rows, sees what is staged, is told why not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from safestats.sync_server.geocoding import review
from safestats.tests.server.engines import databases_of_a_test, settings_for
from safestats.tests.server.supplies_rig import LONDON_HOSPITAL, istv_csv
from safestats.tests.server.upload_rig import Uploads, month, running

# Made above the database: one engine will do in every commit, the other is for `make test-slow`.
pytestmark = pytest.mark.above_engines


@pytest.fixture(scope="module")
def uploads(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Uploads]:
    with databases_of_a_test(), running(settings_for(tmp_path_factory.mktemp("month") / "server")) as found:
        yield found


def test_decided_rows_are_placed_and_published_from_the_pages(uploads: Uploads) -> None:
    visitor = uploads.console.as_("gla.publisher")
    data = istv_csv("High Street", "High Street", "Mare Street")
    uploads.loaded(("synthetic-2026-03.csv", data), dataset="istv", site=LONDON_HOSPITAL)
    visitor.send(visitor.get("/console/releases/istv"), "/console/releases/istv/publish")
    uploads.work()
    assert "/console/places/again/istv" not in visitor.get("/console/places").forms
    with uploads.services.database.read() as session:
        one = next(one for one in review.waiting_texts(session) if one.text == "high street")
    address = f"/console/places/{one.review_id}"
    page = visitor.send(visitor.get(address), address, meaning="candidate:0")
    assert "Place the waiting rows now" in page.text
    page = visitor.send(page, "/console/places/again/istv")
    assert page.path == "/console/releases/istv" and "places the rows that wait" in page.text
    uploads.work()
    page = visitor.get(page.path)
    assert "2 rows are placed as was decided, and staged" in page.text
    visitor.send(page, "/console/releases/istv/publish")
    uploads.work()
    assert "Release 2, newest month" in visitor.get(page.path).text
    assert "/console/places/again/istv" not in visitor.get("/console/places").forms


def test_what_is_staged_together_is_listed_and_going_back_waits_in_words(uploads: Uploads) -> None:
    visitor = uploads.console.as_("gla.publisher")
    for name in ("2023-05", "2023-06"):
        uploads.loaded((f"{name}.csv", month(name, 2)))
        visitor.send(visitor.get("/console/releases/colp"), "/console/releases/colp/publish")
        uploads.work()
    back = "/console/releases/colp/rollback/1"
    page = visitor.get("/console/releases/colp")
    assert back in page.links and "You cannot go back" not in page.text
    first = uploads.loaded(("july.csv", month("2023-07", 3)))
    second = uploads.loaded(("august.csv", month("2023-08", 1)))
    page = visitor.get("/console/releases/colp")
    assert back not in page.links and "Go back to this release 1" in page.text
    assert (
        "You cannot go back to an earlier release while release 3 is staged: publish it or drop it first" in page.text
    )
    assert {f"/console/uploads/{one.number}" for one in (first, second)} <= set(page.links)
    page = visitor.get(f"/console/uploads/{second.number}")
    assert "july.csv" in page.text and f"/console/uploads/{first.number}" in page.links
    assert "Months here are those of the incidents" in page.text
