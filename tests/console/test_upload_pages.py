"""A publisher at a browser loads files: the page follows the job, the report shows the map, and is for everybody."""

from __future__ import annotations

from pathlib import Path

from safestats.tests.console.browser_rig import Browsers, Person
from safestats.tests.console.test_console_access import too_wide, violations
from safestats.tests.server.ingest_rig import BRIGHTON, street_csv, street_row
from safestats.tests.server.supplies_rig import istv_csv


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


def test_several_hospitals_and_what_their_release_would_change(browsers: Browsers, tmp_path: Path) -> None:
    person = browsers.person()
    person.sign_in("gla.admin")
    files = []
    for name, rows in (("R1H12", 2), ("RLH again", 3), ("Ealing Hospital", 2), ("march", 2)):
        files.append(tmp_path / f"synthetic {name} 2026-03.csv")
        files[-1].write_bytes(istv_csv(*["Mare Street"] * rows))
    page = person.open("/console/uploads")
    page.locator("#dataset").select_option("istv")
    page.locator("#files").set_input_files(files)
    person.press("Load")
    page.get_by_text("All have ended: 4 rows accepted, 0 rejected; 2 files were not loaded.").wait_for()
    assert page.get_by_role("cell", name="Ealing Hospital (R1K04)").is_visible()
    assert page.get_by_text("was not recognised: neither its name").is_visible()
    assert page.get_by_text("were sent together and both hold the return of R1H12 for 2026-03").is_visible()
    fits(person)

    page.get_by_role("link", name="See what release 1 would change").click()
    # The worker counts when it has nothing else to do.
    while not page.get_by_text("4 added, 0 changed, 0 withdrawn").count():
        assert page.get_by_text("is still counting").count()
        page.wait_for_timeout(300)
        page.reload()
    fits(person)
    page.get_by_role("link", name="All changes of release 1").click()
    page.get_by_role("link", name="2026-03").click()
    assert page.get_by_role("heading", name="By borough in 2026-03").is_visible()
    fits(person)
    assert not person.problems


def fits(person: Person) -> None:
    """The page is for everybody, wide and narrow."""
    assert not violations(person)
    person.page.set_viewport_size({"width": 320, "height": 700})
    assert not too_wide(person) and not violations(person)
    person.page.set_viewport_size({"width": 1280, "height": 900})
