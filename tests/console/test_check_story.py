"""A licensing officer's first visit, from the invitation to the report, in a real browser; and one with records.

With SAFESTATS_PICTURES=1 the pictures of the officers' guide are made anew, from synthetic data.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from safestats.sync_server.sample.service import make_sample
from safestats.sync_server.settings import Settings
from safestats.tests.console.browser_rig import CHROMIUM, Browsers, Person, chromium, served
from safestats.tests.console.test_console_access import too_wide, violations
from safestats.tests.server import check_rig
from safestats.tests.server.check_rig import CHEAPSIDE
from safestats.tests.server.console_rig import letters, link_of
from safestats.tests.server.engines import settings_for

IMAGES = Path(__file__).resolve().parents[2] / "docs" / "images"
NEW_PASSWORD = "violet otter climbs a ladder"
MOST_SECONDS = 300  # from the link to the report
PHONE, DESK = {"width": 320, "height": 700}, {"width": 1280, "height": 900}


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    folder = tmp_path_factory.mktemp("check")
    settings = settings_for(folder / "server")
    files: dict[str, list[Path]] = {"colp": [], "lfb": []}
    for year in (2024, 2025):
        make_sample(folder / str(year), settings.resources_dir, year=year, seed=year, scale=0.2)
        for dataset, found in files.items():
            found += sorted((folder / str(year) / dataset).glob("*.csv"))
    check_rig.make_server(settings, files)
    with served(settings) as running:
        yield running


@pytest.fixture(scope="module")
def browsers(live: Settings) -> Iterator[Browsers]:
    if not CHROMIUM.exists():
        pytest.skip(f"there is no {CHROMIUM}: scripts/setup.sh installs it")
    with chromium(live.address) as running:
        yield running


class Looking:
    """Looks at each page: at a desk and on a phone, under axe-core; and takes its picture."""

    def __init__(self, person: Person) -> None:
        self._person = person
        self.seconds = 0.0  # that looking took, not the person

    def __call__(self, name: str, height: int = 1100) -> None:
        started = time.monotonic()
        page = self._person.page
        assert not violations(self._person), name
        page.set_viewport_size(PHONE)
        assert not too_wide(self._person) and not violations(self._person), name
        page.set_viewport_size(DESK)
        take(page.screenshot(full_page=True), name, height)
        self.seconds += time.monotonic() - started


def take(picture: bytes, name: str, height: int) -> None:
    """Keep a picture of the guide, where that is asked for."""
    if os.environ.get("SAFESTATS_PICTURES") == "1":
        path = IMAGES / f"check-{name}.png"
        path.write_bytes(picture)
        small = ["-crop", f"1280x{height}+0+0", "+repage", "-strip", "+dither", "-colors", "48"]
        subprocess.run(["mogrify", *small, "-define", "png:format=png8", str(path)], check=True)


def picture_of(pdf: Path) -> bytes:
    command = ["pdftoppm", "-r", "80", "-png", "-singlefile", str(pdf)]
    return subprocess.run(command, capture_output=True, check=True).stdout


def download(person: Person, button: str, to: Path) -> Path:
    with person.page.expect_download() as found:
        person.page.get_by_role("button", name=button, exact=True).click()
    found.value.save_as(to)
    return to


def test_from_the_invitation_to_the_report(browsers: Browsers, live: Settings, tmp_path: Path) -> None:
    admin = browsers.person()
    admin.sign_in("city.admin")
    admin.open("/console/people/invite")
    admin.fill(email="lo@example.org", username="lou.officer", display_name="Lou Officer")
    admin.page.locator("#role").select_option("licensing-officer")
    admin.press("Send the invitation")

    lou = browsers.person()
    look, page, started = Looking(lou), lou.page, time.monotonic()
    lou.open(link_of(letters(live.outbox_dir)[-1]))
    look("password")
    lou.fill(password=NEW_PASSWORD, password_again=NEW_PASSWORD)
    lou.press("Set the password")
    lou.fill(username="lou.officer", password=NEW_PASSWORD)
    look("sign-in")
    lou.press("Sign in")
    page.locator("input[name=purpose][value=licence-application]").check()
    look("conditions", 1700)
    lou.press("Accept the conditions and go on")
    page.locator("#main").get_by_role("link", name="Check a place").click()
    look("start", 1000)

    # What is typed wrongly is told, and kept.
    lou.fill(where="EC2V 6ZZ")
    lou.press("Find the place")
    assert "is not a live postcode" in page.locator(".notice.trouble").inner_text()
    assert page.locator("#where").input_value() == "EC2V 6ZZ"
    look("wrong", 700)
    lou.fill(where=CHEAPSIDE.lower())
    lou.press("Find the place")
    assert "City of London" in page.locator("dl.facts").inner_text()
    page.get_by_label("Everything").check()
    look("pin")
    lou.press("Yes: show what happened here")
    told = page.locator("main").inner_text()
    assert "only counted for you" in told and "in 10 postcodes in the City of London" in told
    assert page.locator("figure.map svg[role=img]").count() == 1
    look("result", 1500)
    pdf = download(lou, "Public report (PDF)", tmp_path / "public.pdf")
    took = time.monotonic() - started - look.seconds
    assert pdf.read_bytes().startswith(b"%PDF-") and took < MOST_SECONDS
    take(picture_of(pdf), "report", 1100)

    # By the map alone: five points on it.
    lou.open("/check")
    for step in range(5):
        assert page.locator("input[type=image]").bounding_box()["width"] == 280  # type: ignore[index]
        page.locator("input[type=image]").click(position={"x": 155, "y": 125})
        page.wait_for_load_state()
        if step == 2:
            look("map", 700)
    assert "Is this the place?" in page.locator("h1").inner_text()
    # Without a mouse: the picture's own keys lead closer, too.
    lou.open("/check")
    page.locator("input[type=image]").focus()
    with page.expect_navigation():  # a key's page loads later than the key is let go
        page.keyboard.press("Enter")
    assert "Choose the place" in page.locator("h1").inner_text()
    for person in (admin, lou):
        assert not [problem for problem in person.problems if "422" not in problem]


def test_with_records_and_a_list(browsers: Browsers, tmp_path: Path) -> None:
    rae = browsers.person()
    rae.sign_in("city.records")
    look, page = Looking(rae), rae.page
    rae.open("/check")
    rae.fill(where=CHEAPSIDE)
    rae.press("Find the place")
    page.get_by_label("Alcohol hours, domestic abuse excluded").check()
    page.locator("summary").click()
    look("records-pin", 1500)
    rae.press("Yes: show what happened here")
    assert page.locator("figure.chart svg[role=img]").count() == 3  # two trends, and the Brigade's week
    look("records-result", 1500)
    pdf = download(rae, "Operational report (PDF)", tmp_path / "operational.pdf")
    take(picture_of(pdf), "report-operational", 1100)
    rae.press("List the incidents")
    look("incidents", 800)

    rae.open("/console/check/premises")
    file = tmp_path / "premises.csv"
    file.write_text(f"name,reference,postcode\nThe Anchor,L1,{CHEAPSIDE}\nThe Bell,L2,EC2R 8AH\nGone,L3,EC2V 6ZZ\n")
    page.locator("#list").set_input_files(file)
    page.get_by_label("With a report").check()
    look("list", 1000)
    rae.press("Answer the list")
    page.get_by_role("link", name="Workbook (XLSX)").wait_for()
    assert "2 premises are answered; 1 row was not searched" in page.locator("main").inner_text()
    look("list-done", 900)
    with page.expect_download() as found:
        page.get_by_role("link", name="Reports (zip of PDFs)").click()
    assert found.value.suggested_filename == "safestats-reports.zip"
    assert not [problem for problem in rae.problems if "422" not in problem]
