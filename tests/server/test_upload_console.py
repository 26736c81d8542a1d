"""The console's pages of uploads: from the form to the report, the comparison and the release."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from safestats.sync_server.uploads import service
from safestats.tests.server.console_rig import Page, Visitor
from safestats.tests.server.engines import databases_of_a_test, settings_for
from safestats.tests.server.ingest_rig import BRIGHTON, held, street_row
from safestats.tests.server.upload_rig import Uploads, month, running, street

# Made above the database: one engine will do in every commit, the other is for `make test-slow`.
pytestmark = pytest.mark.above_engines


@pytest.fixture(scope="module")
def uploads(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Uploads]:
    with databases_of_a_test(), running(settings_for(tmp_path_factory.mktemp("console") / "server")) as found:
        yield found


def send(visitor: Visitor, *files: tuple[str, bytes], **typed: str) -> Page:
    """Files chosen in the form."""
    form = visitor.get("/console/uploads").forms["/console/uploads"]
    chosen = [("files", (name, data, "text/csv")) for name, data in files] or [("files", ("", b""))]
    answer = visitor.client.post(
        "/console/uploads", data={**form, **typed}, files=chosen, headers={"Sec-Fetch-Site": "same-origin"}
    )
    return Page.read(answer)


def test_from_the_form_to_the_release_and_back(uploads: Uploads) -> None:
    visitor = uploads.console.as_("gla.publisher")
    rows = [street_row(f"a{n}", month="2023-05") for n in range(4)]
    strange = street_row("bad", month="2023-05", category="<b>Sorcery</b>")
    page = send(visitor, ("may.csv", street(*rows, strange)), ("june.csv", month("2023-06", 2)), dataset="colp")
    assert page.status == 200 and "Waiting" in page.text and "It waits for its turn" in page.text
    assert page.response.headers["Refresh"] == str(3) and "No worker lives" in page.text
    still = visitor.get(page.path)
    assert "Refresh" not in still.response.headers and f"{page.path}?follow=yes" in still.links

    uploads.work()
    report = visitor.get(page.path + "?follow=yes")
    assert "Refresh" not in report.response.headers
    assert "7 rows = 6 accepted + 1 rejected + 0 duplicates + 0 left to other datasets" in report.text
    assert "Category in no code list 1" in report.text and "may.csv 6 category in no code list" in report.text
    assert "2023-05 0 4 +4" in report.text and "Camden 0 6 +6" in report.text
    assert "most lie in Camden (6)" in report.response.text and "<b>Sorcery" not in report.response.text
    done = visitor.send(report, f"{page.path}/publish")
    assert "Publishing" in done.text
    uploads.work()
    assert "It is visible" in visitor.get(page.path).text

    # What would withdraw most of a month asks for a tick.
    refused = send(visitor, ("may.csv", month("2023-05", 1)), dataset="colp")
    uploads.work()
    refused = visitor.get(refused.path)
    assert "Failed" in refused.text and "accept the withdrawals" in refused.text
    assert "/console/uploads?dataset=colp" in refused.links
    moved = street(rows and street_row("a0", month="2023-05"), street_row("b", month="2023-05", place=BRIGHTON))
    page = send(visitor, ("may.csv", moved), dataset="colp", accept_withdrawals="yes")
    uploads.work()
    page = visitor.get(page.path)
    assert "3 withdrawn" in page.text and "Camden 4 1 −3" in page.text and "Outside London 0 1 +1" in page.text
    asked = visitor.get(f"{page.path}/discard")
    dropped = visitor.send(asked, f"{page.path}/discard")
    uploads.work()
    assert "Discarded" in visitor.get(dropped.path).text
    assert len(held(uploads.worker, "colp")) == 6
    assert "Load" in visitor.get("/console/releases/colp").text


def test_what_is_missing_is_told_beside_its_field(uploads: Uploads) -> None:
    visitor = uploads.console.as_("gla.admin")
    page = send(visitor)
    assert page.status == 422 and "Choose the dataset" in page.text and "Choose at least one file" in page.text
    page = send(visitor, ("a.csv", b""), dataset="colp")
    assert page.status == 422 and "a.csv is empty" in page.text
    page = send(visitor, ("a.csv", b"x"), dataset="colp", site="tower")
    assert page.status == 422 and "has no sites" in page.text
    assert send(visitor, ("a.csv", b"x"), dataset="nothing").status == 404
    assert not uploads.waiting


def test_a_waiting_load_is_cancelled(uploads: Uploads) -> None:
    visitor = uploads.console.as_("gla.publisher")
    page = send(visitor, ("a.csv", month("2023-07", 1)), dataset="colp")
    cancelled = visitor.send(page, f"{page.path}/discard")
    assert "Cancelled" in cancelled.text and not uploads.waiting
    page = send(visitor, ("a.csv", month("2023-07", 1)), dataset="colp")
    release = visitor.get("/console/releases/colp")
    visitor.send(release, "/console/releases/colp/cancel")
    assert "Cancelled" in visitor.get(page.path).text and not uploads.waiting
    again = Page.read(
        visitor.client.post(
            f"{page.path}/discard",
            data=page.forms[f"{page.path}/discard"],
            headers={"Sec-Fetch-Site": "same-origin"},
        )
    )
    assert again.status == 409


def test_others_find_nothing_and_leave_no_file(uploads: Uploads) -> None:
    number = uploads.receive(("a.csv", month("2023-08", 1)))
    for username in ("gla.auditor", "hospital.clerk", "camden.admin", "camden.analyst"):
        visitor = uploads.console.as_(username)
        assert visitor.get(f"/console/uploads/{number}").status == 403
        token = visitor.get("/console/account").forms["/console/sign-out"]
        sent = visitor.client.post(
            "/console/uploads",
            data={**token, "dataset": "colp"},
            files={"files": ("a.csv", b"x")},
            headers={"Sec-Fetch-Site": "same-origin"},
        )
        assert sent.status_code == 403
    assert uploads.console.as_("gla.publisher").get(f"/console/uploads/{number + 1}").status == 404
    assert len(uploads.waiting) == 1
    service.discard(uploads.services, uploads.publisher, number)


def test_a_form_of_another_site_is_not_taken(uploads: Uploads) -> None:
    visitor = uploads.console.as_("gla.publisher")
    sent = visitor.client.post("/console/uploads", data={"dataset": "colp"}, files={"files": ("a.csv", b"x")})
    assert sent.status_code == 403 and not uploads.waiting
