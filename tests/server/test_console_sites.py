"""Sites are chosen by their names wherever a person tells one in the console."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from safestats.sync_server.console.sites import chosen_supplies
from safestats.sync_server.identity.service import find_user
from safestats.sync_server.settings import PACKAGE_ROOT
from safestats.sync_server.supplies.sites import known_sites
from safestats.tests.server.console_rig import Page
from safestats.tests.server.engines import settings_for
from safestats.tests.server.supplies_rig import LONDON_HOSPITAL, WHIPPS, Doors, doors_on

# Made above the database: one engine will do in every commit, the other is for `make test-slow`.
pytestmark = pytest.mark.above_engines

NAMED = f"The Royal London Hospital ({LONDON_HOSPITAL})"


@pytest.fixture(scope="module")
def doors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Doors]:
    with doors_on(settings_for(tmp_path_factory.mktemp("sites") / "server")) as made:
        yield made


def boxes(page: Page) -> dict[str, bool]:
    """Every supply to choose from, and whether it is ticked."""
    found = re.findall(r'<input type="checkbox"[^>]*name="supplies" value="([^"]*)"( checked)?', page.response.text)
    return {value: bool(ticked) for value, ticked in found}


@pytest.mark.parametrize("address", ["/console/uploads", "/console/mappings", "/console/supplies"])
def test_a_site_is_one_of_the_register(doors: Doors, address: str) -> None:
    html = doors.console.as_("gla.admin").get(address).response.text
    assert f'<option value="{LONDON_HOSPITAL}">{NAMED}</option>' in html
    assert '<input id="site"' not in html


def test_a_site_that_is_in_no_register_is_kept_where_it_was_named(doors: Doors) -> None:
    html = doors.console.as_("gla.publisher").get("/console/mappings?dataset=istv&site=RZZ99").response.text
    assert '<option value="RZZ99" selected>RZZ99</option>' in html
    doors.key("istv", "NEW01")
    with doors.publisher.database.read() as session:
        sites = known_sites(doors.publisher, session, doors.publisher.definition("istv"))
    assert list(sites)[-1] == "NEW01" and sites[LONDON_HOSPITAL] in NAMED


def test_a_supplier_is_given_what_it_delivers(doors: Doors) -> None:
    admin = doors.console.as_("gla.admin")
    page = admin.get("/console/people/invite")
    offered = boxes(page)
    assert {"las/", f"istv/{LONDON_HOSPITAL}", f"istv/{WHIPPS}"} <= set(offered) and "istv/" not in offered
    page = admin.send(
        page,
        "/console/people/invite",
        organisation="hospital",
        email="new@example.org",
        username="new.clerk",
        display_name="New Clerk",
        role="supplier",
        supplies=[f"istv/{LONDON_HOSPITAL}", "las/"],
    )
    assert page.path.startswith("/console/people/"), page.text
    with doors.publisher.database.read() as session:
        person = find_user(session, "new.clerk")
        assert {(one.dataset, one.site) for one in person.sites} == {("istv", LONDON_HOSPITAL), ("las", "")}
    assert {value for value, ticked in boxes(page).items() if ticked} == {f"istv/{LONDON_HOSPITAL}", "las/"}
    page = admin.send(page, f"{page.path}/role", role="supplier", supplies=[f"istv/{WHIPPS}"])
    with doors.publisher.database.read() as session:
        assert [(one.dataset, one.site) for one in find_user(session, "new.clerk").sites] == [("istv", WHIPPS)]


def test_where_no_register_lists_them_a_site_can_be_typed(tmp_path: Path) -> None:
    resources = tmp_path / "resources"
    shutil.copytree(PACKAGE_ROOT / "resources", resources)
    file = resources / "datasets/istv.toml"
    file.write_text(re.sub(r"(?m)^register = .*$", "", file.read_text("utf-8")), encoding="utf-8")
    settings = settings_for(tmp_path / "server")
    with doors_on(settings.model_copy(update={"resources_dir": resources})) as made:
        admin = made.console.as_("gla.admin")
        assert '<input id="site" name="site" list="site-list"' in admin.get("/console/uploads").response.text
        assert 'name="other_supplies"' in admin.get("/console/people/invite").response.text
    assert chosen_supplies(["las/", "istv/NEW 2", "", "btp"]) == [("las", ""), ("istv", "NEW 2"), ("btp", "")]
