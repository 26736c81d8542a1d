"""The first page as the list of the month's work: for the team, and for a supplier."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from safestats.sync_server.geocoding import review
from safestats.sync_server.geocoding.models import DecisionKind
from safestats.sync_server.identity.models import UserSite
from safestats.sync_server.identity.service import find_user
from safestats.sync_server.ingest.models import Delivery
from safestats.sync_server.ingest.service import load
from safestats.sync_server.instants import london_today, now
from safestats.sync_server.oversight.periods import month_in_words
from safestats.sync_server.publishing.models import JobKind, JobState, PublishingJob
from safestats.sync_server.quality.register import due_day, earlier, last_period, last_whole_month
from safestats.tests.server.engines import settings_for
from safestats.tests.server.supplies_rig import LONDON_HOSPITAL, Doors, doors_on, istv_csv, las_csv
from sqlalchemy import update

# Made above the database: one engine will do in every commit, the other is for `make test-slow`.
pytestmark = pytest.mark.above_engines

NOTHING = "Nothing at the moment."


@pytest.fixture(scope="module")
def doors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Doors]:
    with doors_on(settings_for(tmp_path_factory.mktemp("overview") / "server")) as made:
        with made.publisher.database.write() as session:
            clerk = find_user(session, "hospital.clerk")
            session.add(UserSite(user_id=clerk.id, dataset="istv", site=LONDON_HOSPITAL))
        yield made


def newest_due(doors: Doors) -> str:
    today, definition = london_today(), doors.publisher.definition("istv")
    month = last_whole_month(today)
    due = due_day(definition, month)
    return month if due is not None and due < today else earlier(month, 1)


def test_a_supplier_with_nothing_to_do_is_told_so_and_else_what(doors: Doors) -> None:
    clerk = doors.console.as_("hospital.clerk")
    assert NOTHING in clerk.get("/console").text
    headers = doors.key("istv", LONDON_HOSPITAL)
    doors.loaded(doors.post("zero-returns", headers, json={"month": "2026-03"}), headers)
    month = month_in_words(newest_due(doors))
    page = clerk.get("/console")
    assert f"site {LONDON_HOSPITAL}: the return of {month} was due on" in page.text and NOTHING not in page.text
    assert "/console/supplies" in page.links
    doors.loaded(doors.post("zero-returns", headers, json={"month": newest_due(doors)}), headers)
    assert f"the return of {month} was due" not in clerk.get("/console").text
    doors.loaded(doors.send(b"What,Ever\n1,2\n", "x.csv", headers=headers), headers)
    assert "1 supply of yours refused in the last 7 days" in clerk.get("/console").text
    # Another's is another's.
    doors.loaded(doors.send(b"What,Ever\n1,2\n"))
    page = clerk.get("/console")
    assert "1 supply of yours" in page.text and "of yours refused" in page.text and "Ambulance" not in page.text


def test_the_team_finds_the_months_work(doors: Doors) -> None:
    headers = doors.key("istv", LONDON_HOSPITAL)
    doors.loaded(doors.send(las_csv(1, 2)))
    doors.loaded(doors.send(istv_csv("High Street", "High Street"), headers=headers), headers)
    with doors.publisher.database.write() as session:
        failed = {"dataset": "colp", "kind": JobKind.LOAD, "state": JobState.FAILED, "requested_at": now()}
        session.add_all(PublishingJob(**failed, finished_at=now(), message="x") for _ in range(2))
    page = doors.console.as_("gla.publisher").get("/console")
    month = month_in_words(newest_due(doors))
    for sentence, link in (
        (f"returns of {month} missing, due on", "/console/quality?dataset=istv"),
        ("release 1 is staged and not published", "/console/releases/las"),
        ("1 description of places waits for a decision", "/console/places"),
        ("2 uploads failed in the last 7 days", "/console/uploads"),
        ("refused in the last 7 days", "/console/supplies"),
    ):
        assert sentence in page.text and link in page.links, (sentence, page.text)
    with doors.publisher.database.read() as session:
        (one,) = review.waiting_texts(session)
    review.decide(doors.publisher, "somebody", one.review_id, DecisionKind.NO_PLACE)
    page = doors.console.as_("gla.admin").get("/console")
    assert "2 rows were decided on, to be placed anew" in page.text and "for a decision" not in page.text
    # Who may not look at places or uploads is not sent there.
    page = doors.console.as_("gla.auditor").get("/console")
    assert "staged and not published" in page.text and "placed anew" not in page.text
    assert NOTHING in doors.console.as_("camden.admin").get("/console").text


def test_a_quarter_that_is_missing_is_told_in_one_line(doors: Doors, tmp_path: Path) -> None:
    definition, today = doors.publisher.definition("ndtms"), london_today()
    quarter = last_period(definition, last_whole_month(today))
    while (due := due_day(definition, quarter)) is None or due >= today:
        quarter = earlier(quarter, 3)
    file = tmp_path / "ndtms.csv"
    row = f"E09000007,{earlier(quarter, 3)},,In treatment,Opiate,12"
    file.write_text(f"LA Code,Period End,Reporting Period,Measure,Substance Group,Number\n{row}\n", encoding="utf-8")
    load(doors.publisher, "ndtms", [file])
    with doors.publisher.database.write() as session:
        # Long ago: its delivery alone would be called late, too.
        session.execute(update(Delivery).where(Delivery.dataset == "ndtms").values(loaded_at=now() - timedelta(500)))
    text = doors.console.as_("gla.admin").get("/console").text
    assert f"{definition.title}: 1 return of {month_in_words(quarter)} missing, due on" in text
    assert f"the delivery of {definition.supplier} was due" not in text
    # What nothing ever came of owes no return, and is told as it was.
    never = doors.publisher.definition("tfl")
    assert f"{never.title}: the delivery of {never.supplier} has never come." in text
