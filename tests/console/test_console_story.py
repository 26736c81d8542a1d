"""The console as it is used, in a real browser: from an invitation to an agreement, its suspension, and the audit."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from safestats.sync_server.settings import Settings
from safestats.tests.console.browser_rig import Browsers
from safestats.tests.server.console_rig import PASSWORD, letters, link_of

REFERENCE = "DSA-CAMDEN-MPS-2026"
EVENTS = (
    "user.invite",
    "link.use",
    "session.enrolment",
    "agreement.add",
    "agreement.grant",
    "agreement.sign",
    "agreement.document",
    "agreement.activate",
    "agreement.suspend",
    "conditions.publish",
    "session.accept",
    "layer.manifest",
)
NEW_PASSWORD = "violet otter climbs a ladder"


class Desk:
    """An analyst's desk, as far as it speaks to the server."""

    def __init__(self, address: str, username: str) -> None:
        self._address = address
        self._token = ""
        opened = self.ask("POST", "/v1/session", username=username, password=PASSWORD)[1]
        self._token = opened["token"]
        self.accept(opened["conditions"])

    def accept(self, conditions: dict[str, str]) -> None:
        """Accept the conditions; the session is active."""
        status, answer = self.ask(
            "POST",
            "/v1/session/accept",
            conditions_version=conditions["version"],
            conditions_sha256=conditions["sha256"],
            purpose="needs-assessment",
        )
        assert status == 200, answer
        self._token = answer["token"]

    def ask(self, method: str, path: str, **body: str) -> tuple[int, dict[str, Any]]:
        """Status and document of an answer."""
        headers = {"Content-Type": "application/json"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        data = json.dumps(body).encode() if body else None
        request = urllib.request.Request(self._address + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def refusal(self) -> str:
        """The code with which the layer of the story is refused at the moment."""
        return str(self.ask("GET", "/v1/layers/mps/manifest")[1].get("code", ""))


def test_from_an_invitation_to_the_oversight_report(browsers: Browsers, live: Settings, tmp_path: Path) -> None:
    analyst = Desk(live.address, "camden.analyst")
    assert analyst.refusal() == "no-agreement"

    # An administrator invites a publisher, who chooses a password, and sets up a second factor.
    administrator = browsers.person()
    administrator.sign_in("gla.admin")
    administrator.open("/console/people/invite")
    administrator.page.locator("#organisation").select_option("gla")
    administrator.fill(email="ada@example.org", username="ada.publisher", display_name="Ada Publisher")
    administrator.page.locator("#role").select_option("publisher")
    administrator.press("Send the invitation")
    assert "ada.publisher is invited" in administrator.page.locator(".notice").inner_text()

    ada = browsers.person()
    ada.open(link_of(letters(live.outbox_dir)[-1]))
    ada.fill(password=NEW_PASSWORD, password_again=NEW_PASSWORD)
    ada.press("Set the password")
    ada.sign_in("ada.publisher", NEW_PASSWORD)
    assert ada.secret, "a publisher needs a second factor"
    assert ada.page.get_by_role("heading", name="Overview").is_visible()

    # She writes an agreement, gives it its grants, has the schedule signed and puts it in force.
    ada.open("/console/agreements/new")
    ada.fill(reference=REFERENCE, lawful_basis="Public task: section 17 of the Crime and Disorder Act 1998.")
    ada.page.locator("#organisation").select_option("camden")
    ada.page.locator("#dataset").select_option("mps")
    ada.fill(contact_name="D. Officer", contact_email="dpo@example.org")
    ada.press("Draft it")
    ada.press("Use a profile")
    ada.page.get_by_label("Own areas: records of its own areas, counts of the rest of London").check()
    ada.press("Use it")
    assert ada.page.locator("table").first.locator("tbody tr").count() == 2
    assert analyst.refusal() == "no-agreement"

    ada.press("Read the schedule")
    digest = ada.page.locator("dl code").first.inner_text()
    assert "London Borough of Camden" in ada.page.locator("pre").inner_text()
    ada.open(f"/console/agreements/{REFERENCE}/sign")
    assert ada.page.locator("main code").first.inner_text() == digest
    paper = tmp_path / "signed.pdf"
    paper.write_bytes(b"%PDF-1.4\n% the signed schedule\n%%EOF\n")
    ada.page.locator("#party").select_option("London Borough of Camden")
    ada.fill(signed_by="A. Director, Chief Executive")
    ada.page.locator("#document").set_input_files(paper)
    ada.press("Record the signature")
    assert "Every party has signed" in ada.page.locator(".notice").first.inner_text()
    assert ada.page.get_by_role("link", name="signed.pdf").is_visible()
    with ada.page.expect_download() as download:
        ada.page.get_by_role("link", name="signed.pdf").click()
    assert Path(download.value.path()).read_bytes() == paper.read_bytes()
    ada.press("Activate")
    ada.press("Activate")
    assert f"{REFERENCE} is in force" in ada.page.locator(".notice").first.inner_text()
    # There is an agreement now; that nothing was published yet is another matter.
    assert analyst.refusal() == "not-published"

    # It is suspended: the analyst, who is signed in, is refused at the next request.
    ada.press("Suspend")
    ada.press("Suspend")
    assert "Give the reason." in ada.page.locator(".notice.trouble").inner_text()
    ada.fill(reason="A laptop was lost.")
    ada.press("Suspend")
    assert "A laptop was lost." in ada.page.locator("main").inner_text()
    assert analyst.refusal() == "agreement-suspended"

    # New conditions of use: every session accepts them before going on, the publisher's too.
    ada.open("/console/conditions-of-use/new")
    ada.fill(version="2027-01")
    ada.page.locator("#text").fill("# Conditions of use\n\n## 1. Prevention only\n\nBe **better**.")
    ada.press("Preview")
    assert ada.page.locator("main strong", has_text="better").is_visible()
    ada.press("Publish version 2027-01")
    assert "/console/conditions" in ada.page.url and "Be better." in ada.page.locator(".text").inner_text()
    assert analyst.refusal() == "conditions-changed"
    assert analyst.ask("GET", "/v1/session")[1]["state"] == "pending"
    analyst.accept(analyst.ask("GET", "/v1/session/conditions")[1]["conditions"])
    assert analyst.refusal() == "agreement-suspended"

    # All of it is in the audit, which an auditor searches and proves.
    auditor = browsers.person()
    auditor.sign_in("gla.auditor")
    auditor.open("/console/audit")
    seen = auditor.page.locator("table").inner_text()
    for event in EVENTS:
        if event not in seen:
            auditor.page.locator("#event").select_option(event)
            auditor.press("Search")
            assert event in auditor.page.locator("table").inner_text(), event
    auditor.page.locator("#event").select_option("agreement.suspend")
    auditor.fill(actor="ada.publisher")
    auditor.press("Search")
    rows = auditor.page.locator("tbody tr")
    assert rows.count() == 1 and REFERENCE in rows.inner_text()
    rows.get_by_role("link").click()
    assert "A laptop was lost." in auditor.page.locator("main").inner_text()
    auditor.open("/console/audit")
    auditor.press("Verify the chain")
    assert "Intact" in auditor.page.locator("h1").inner_text()

    # The oversight report, on the page and printed.
    auditor.open("/console/oversight")
    assert "SafeStats oversight report" in auditor.page.locator("main").inner_text()
    with auditor.page.expect_download() as download:
        auditor.page.get_by_role("link", name="PDF").click()
    assert Path(download.value.path()).read_bytes().startswith(b"%PDF-")
    assert auditor.page.pdf(format="A4").startswith(b"%PDF-")

    for person in (administrator, ada, auditor):
        # What a page refuses in a form is a 422, which the browser's console tells too; nothing else went wrong.
        assert not [problem for problem in person.problems if "422" not in problem]
