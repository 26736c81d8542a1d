"""A supplier's person at a browser: checks, sends, reads the receipt and the feedback, and sees nobody else's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from openpyxl import load_workbook
from safestats.sync_server.identity.models import Role
from safestats.sync_server.identity.service import add_user, find_organisation
from safestats.tests.server.console_rig import PASSWORD, Page, Visitor
from safestats.tests.server.engines import settings_for
from safestats.tests.server.ingest_rig import held
from safestats.tests.server.supplies_rig import (
    ISTV_HEADER,
    LAS_HEADER,
    LONDON_HOSPITAL,
    NHS_NUMBER,
    WHIPPS,
    Doors,
    csv_of,
    doors_on,
    istv_csv,
    las_csv,
    las_record,
)

# Made above the database: one engine will do in every commit, the other is for `make test-slow`.
pytestmark = pytest.mark.above_engines

SEND, ZERO = "/console/supplies/send", "/console/supplies/zero-return"
ROYAL = f"istv/{LONDON_HOSPITAL}"


@pytest.fixture
def doors(tmp_path: Path) -> Iterator[Doors]:
    """With a clerk of the ambulance service, and one of a hospital's two sites."""
    with doors_on(settings_for(tmp_path / "server")) as made:
        with made.publisher.database.write() as session:
            home = find_organisation(session, "hospital")
            of = {"lea.las": [("las", "")], "ann.clerk": [("istv", LONDON_HOSPITAL), ("istv", WHIPPS)]}
            for name, sites in of.items():
                passwords = made.publisher.passwords
                add_user(session, passwords, name, home, name, Role.SUPPLIER, PASSWORD, f"{name}@example.org", sites)
        yield made


def send(visitor: Visitor, data: bytes, name: str = "2026-03.csv", act: str = "send", **typed: str) -> Page:
    page = visitor.get("/console/supplies")
    return visitor.send(page, SEND, files={"files": (name, data)}, act=act, **typed)


def test_a_clerk_sends_a_file_and_reads_its_receipt(doors: Doors) -> None:
    lea = doors.console.as_("lea.las")
    page = send(lea, csv_of(LAS_HEADER, [las_record(1), las_record(2, Call_Date="31/02/2026")]))
    assert page.path.startswith("/console/supplies/receipts/") and "waits for its turn" in page.text
    assert page.response.headers["Refresh"] == "3" and "Refresh" not in lea.get(page.path).response.headers
    assert doors.load_all() == 1
    page = lea.get(page.path)
    assert "1 of 2 rows were taken; 1 could not be" in page.text and "2 = 1 accepted + 1 rejected" in page.text
    assert "31/02" not in page.text and "Rows that were not taken" in page.text
    assert page.response.headers.get("Refresh") is None
    own = lea.get("/console/supplies")
    assert page.path in own.links and "SafeStats team loaded" not in own.text
    # Not another supplier's, but the team's to see.
    for other in ("ann.clerk", "hospital.clerk"):
        assert doors.console.as_(other).get(page.path).status == 404
    assert "1 of 2 rows were taken" in doors.console.as_("gla.publisher").get(page.path).text
    assert doors.console.as_("camden.analyst").get(page.path).status in (403, 404)


def test_checking_first_keeps_nothing(doors: Doors) -> None:
    lea = doors.console.as_("lea.las")
    good = send(lea, las_csv(1, 2), act="check")
    assert good.status == 200 and "it would be taken" in good.text and "2 rows of 2" in good.text
    bad = send(lea, csv_of((*LAS_HEADER, "NHS Number"), [{**las_record(1), "NHS Number": NHS_NUMBER}]), act="check")
    assert "it would be refused" in bad.text and NHS_NUMBER not in bad.text
    assert doors.waiting == [] and doors.load_all() == 0 and "Nothing was sent yet" in bad.text


def test_trouble_is_told_in_plain_words(doors: Doors) -> None:
    lea = doors.console.as_("lea.las")
    page = lea.send(lea.get("/console/supplies"), SEND, act="send")
    assert page.status == 422 and "Choose at least one file" in page.text
    page = send(lea, csv_of((*LAS_HEADER, "Date of Birth"), [{**las_record(1), "Date of Birth": "14/07/1983"}]))
    doors.load_all()
    page = lea.get(page.path)
    assert "Nothing of it was taken" in page.text and "Date of Birth" in page.text and "14/07" not in page.text
    assert "What you sent was deleted" in page.text and doors.waiting == []
    assert "send a file without it" in page.text and "ask the supplier" not in page.text
    ann = doors.console.as_("ann.clerk")
    assert "Choose what it is of" in send(ann, istv_csv("Mare Street")).text
    assert "no dataset and site of that name" in send(ann, istv_csv("Mare Street"), supply="las/").text
    assert held(doors.publisher, "istv") == []


def test_feedback_is_of_the_months_of_the_returns_not_of_the_incidents(doors: Doors) -> None:
    ann = doors.console.as_("ann.clerk")
    rows = [
        ("01/03/2026 00:20", "28/02/2026 23:50", "fists", "Public house", "Mare Street"),
        ("14/03/2026 23:40", "14/03/2026 22:30", "fists", "Public house", "Mare Street"),
    ]
    page = send(ann, csv_of(ISTV_HEADER, rows), supply=ROYAL)
    doors.load_all()
    page = ann.get(page.path)
    assert "2 of 2 rows were taken" in page.text
    (feedback,) = [link for link in page.links if "feedback" in link]
    assert feedback.endswith("month=2026-03")


def test_a_return_of_no_incidents_for_anothers_site_is_not_taken_for_ones_own(doors: Doors) -> None:
    lea = doors.console.as_("lea.las")
    page = lea.get("/console/supplies")
    for other in (ROYAL, "las/X", "no/where"):
        answer = lea.send(page, ZERO, zero_supply=other, month="2026-03")
        assert answer.status == 404, other
        answer = send(lea, las_csv(1), supply=other)
        assert answer.status == 404, other
    assert doors.waiting == [] and doors.load_all() == 0
    assert lea.send(page, ZERO, month="2026-03").path.startswith("/console/supplies/receipts/")


def test_a_month_without_incidents_and_the_feedback_on_it(doors: Doors) -> None:
    ann = doors.console.as_("ann.clerk")
    page = ann.get("/console/supplies")
    assert "Choose the month" in ann.send(page, ZERO, zero_supply=ROYAL).text
    page = ann.send(page, ZERO, zero_supply=ROYAL, month="2026-03")
    doors.load_all()
    page = ann.get(page.path)
    assert "Noted: no incidents in 2026-03" in page.text
    (feedback,) = [link for link in page.links if "feedback" in link]
    card = ann.get(feedback)
    assert card.status == 200 and "Royal London" in card.text and "March 2026" in card.text
    for elsewhere in (feedback.replace("istv", "las"), feedback.replace("2026-03", "x")):
        assert ann.get(elsewhere).status == 404
    assert doors.console.as_("lea.las").get(feedback).status == 404
    assert doors.console.as_("gla.publisher").get(feedback).status == 403


def test_the_template_is_a_workbook_of_ones_own_dataset(doors: Doors, tmp_path: Path) -> None:
    lea = doors.console.as_("lea.las")
    answer = lea.get("/console/supplies/template/las.xlsx").response
    path = tmp_path / "las.xlsx"
    path.write_bytes(answer.content)
    assert "attachment" in answer.headers["Content-Disposition"] and load_workbook(path).sheetnames
    assert lea.get("/console/supplies/template/istv.xlsx").status == 404


def test_what_the_page_sends_needs_its_token_and_its_role(doors: Doors) -> None:
    lea, publisher = doors.console.as_("lea.las"), doors.console.as_("gla.publisher")
    assert lea.client.post(SEND, files={"files": ("a.csv", las_csv(1))}).status_code == 403
    token = publisher.get("/console/supplies").forms["/console/sign-out"]["form_token"]
    for action in (SEND, ZERO):
        answer = publisher.client.post(action, data={"form_token": token, "month": "2026-03"})
        assert answer.status_code == 403
    assert doors.waiting == []
