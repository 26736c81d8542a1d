"""Every page of the console under axe-core, at a phone's width, and by the keyboard alone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from safestats.tests.console.browser_rig import Browsers, Person

PAGES = (
    "",
    "/account",
    "/account/second-factor",
    "/organisations",
    "/house-style",
    "/organisations/camden",
    "/organisations/new",
    "/organisations/camden/change",
    "/organisations/camden/close",
    "/people",
    "/people?name=nobody-of-that-name",
    "/people/invite",
    "/usage?organisation=camden",
    "/agreements",
    "/agreements/new",
    "/agreements/DSA-CAMDEN-BTP",
    "/agreements/DSA-CAMDEN-BTP/schedule",
    "/agreements/DSA-CAMDEN-BTP/explain?username=camden.analyst",
    "/agreements/DSA-CAMDEN-BTP/sign",
    "/agreements/DSA-CAMDEN-BTP/suspend",
    "/agreements/DSA-CAMDEN-BTP/grants/new",
    "/agreements/DSA-CAMDEN-BTP/grants/profile",
    "/terms",
    "/conditions-of-use",
    "/conditions-of-use/new",
    "/purposes",
    "/releases",
    "/releases/btp",
    "/releases/btp/rollback/1",
    "/supplies",
    "/quality",
    "/case-studies",
    "/case-studies/new",
    "/audit",
    "/audit?text=nothing-of-that-kind",
    "/audit/events/1",
    "/audit/seals",
    "/oversight",
    "/nothing",
)
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}


@pytest.fixture(scope="module")
def team(browsers: Browsers) -> Iterator[Person]:
    person = browsers.person()
    person.sign_in("gla.admin")
    yield person


def violations(person: Person) -> list[str]:
    """What axe-core finds on the page, each with its first place."""
    found = Axe().run(person.page, options=RULES).response["violations"]
    return [f"{one['id']}: {one['nodes'][0]['html'][:200]}" for one in found]


def too_wide(person: Person) -> bool:
    """Whether the page, not only a table within it, has to be scrolled sideways."""
    return bool(person.page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"))


def test_axe_finds_nothing_on_any_page(team: Person) -> None:
    found = {}
    for path in PAGES:
        team.open(f"/console{path}")
        assert team.page.locator("h1").count() == 1, path
        if trouble := violations(team):
            found[path] = trouble
    assert not found


def test_no_page_is_wider_than_a_phone(team: Person) -> None:
    team.page.set_viewport_size({"width": 320, "height": 640})
    wide = []
    for path in PAGES:
        team.open(f"/console{path}")
        if too_wide(team):
            wide.append(path)
    team.page.set_viewport_size({"width": 1280, "height": 900})
    assert not wide


def test_axe_finds_nothing_on_the_way_in(browsers: Browsers) -> None:
    person = browsers.person()
    found = []
    for path in ("/sign-in", "/forgotten", "/single-sign-on", "/link/none"):
        person.open(f"/console{path}")
        found += violations(person)
    person.open("/console/sign-in")
    person.press("Sign in")
    assert person.page.locator("#password").get_attribute("aria-invalid") == "true"
    found += violations(person)
    person.fill(username="gla.publisher", password="three random words")
    person.press("Sign in")
    found += violations(person)
    person.press("Begin")
    found += violations(person)
    person.secret = person.page.locator("dl code").inner_text()
    person.fill(code=person.code())
    person.press("Confirm")
    found += violations(person)
    person.press("I have kept them: go on")
    found += violations(person)
    assert not found


def test_signing_in_by_the_keyboard_alone(browsers: Browsers) -> None:
    person = browsers.person(reduced_motion="reduce")
    page = person.open("/console/sign-in")
    page.keyboard.press("Tab")
    assert page.locator(":focus").inner_text() == "Skip to the main content"
    assert page.locator(":focus").bounding_box()["width"] > 50  # type: ignore[index]
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.locator(":focus").get_attribute("id") == "username"
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.type("camden.admin")
    page.keyboard.press("Tab")
    page.keyboard.type("three random words")
    page.keyboard.press("Enter")
    page.wait_for_url("**/console/conditions")
    page.locator("input[name=purpose]").first.focus()
    page.keyboard.press("Space")
    page.keyboard.press("Enter")
    page.wait_for_url("**/console")
    assert page.get_by_role("heading", name="Overview").is_visible()


def test_it_works_without_scripts(browsers: Browsers) -> None:
    person = browsers.person(java_script_enabled=False)
    person.sign_in("hackney.admin")
    person.open("/console/people")
    person.fill(name="analyst")
    person.press("Show")
    assert person.page.locator("tbody tr").count() == 1
