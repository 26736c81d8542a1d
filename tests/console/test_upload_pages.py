"""A publisher at a browser loads files: the page follows the job, the report shows the map, and is for everybody."""

from __future__ import annotations

from pathlib import Path

from safestats.tests.console.browser_rig import Browsers
from safestats.tests.console.test_console_access import too_wide, violations
from safestats.tests.server.ingest_rig import BRIGHTON, street_csv, street_row


def test_from_files_to_a_release(browsers: Browsers, tmp_path: Path) -> None:
    person = browsers.person()
    person.sign_in("gla.publisher")
    rows = [street_row(f"a{n}", month="2025-05") for n in range(30)]
    rows += [street_row("far", month="2025-05", place=BRIGHTON), street_row("bad", month="2025-05", category="Sorcery")]
    files = [
        street_csv(tmp_path / "synthetic-may.csv", *rows),
        street_csv(tmp_path / "synthetic-june.csv", street_row("b", month="2025-06", lsoa="E01001095")),
    ]
    page = person.open("/console/uploads")
    assert not violations(person)
    page.locator("#dataset").select_option("colp")
    page.locator("#files").set_input_files(files)
    person.press("Load")
    # It follows the load without anybody doing anything.
    page.get_by_role("button", name="Publish release 1").wait_for()
    assert "33 rows = 32 accepted + 1 rejected" in page.locator("main").inner_text()
    assert page.locator("figure.map svg[role=img]").count() == 1
    assert not violations(person)
    page.locator("summary").click()
    assert page.get_by_role("cell", name="category in no code list", exact=True).is_visible()
    page.set_viewport_size({"width": 320, "height": 700})
    assert not too_wide(person) and not violations(person)
    page.set_viewport_size({"width": 1280, "height": 900})
    person.press("Publish release 1")
    page.get_by_text("It is visible to those").wait_for()
    assert not person.problems
