"""Monthly packs: under whose agreement, with which counts, what is masked, and how they look to machines."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from fastapi.testclient import TestClient
from playwright.sync_api import sync_playwright
from safestats.sync_server.agreements import service
from safestats.sync_server.agreements.opened import Refusal
from safestats.sync_server.agreements.profiles import Profile
from safestats.sync_server.app import create_app
from safestats.sync_server.audit.log import COMMAND_LINE
from safestats.sync_server.errors import SafeStatsError
from safestats.sync_server.geocoding.hospitals import HOSPITALS_FILE, hospitals_file
from safestats.sync_server.identity.models import Role
from safestats.sync_server.identity.service import find_organisation, find_user
from safestats.sync_server.identity.subject import Subject
from safestats.sync_server.problems import Problem
from safestats.sync_server.quality.charts import class_ranges
from safestats.sync_server.quality.counting import Publisher
from safestats.sync_server.quality.measuring import Part
from safestats.sync_server.quality.pack import Pack
from safestats.sync_server.quality.pack_counts import no_change_told
from safestats.sync_server.quality.packs import monthly_pack
from safestats.sync_server.quality.register import Standing
from safestats.sync_server.quality.rendering import pack_html, pack_pdf
from safestats.sync_server.services import Services
from safestats.tests.server.console_rig import CAMDEN, HACKNEY, Console
from safestats.tests.server.engines import databases_of_a_test, environment, settings_for
from safestats.tests.server.ingest_rig import held, publish_now
from safestats.tests.server.quality_rig import (
    CROYDON,
    EALING,
    HILLINGDON,
    LAST,
    MONTHS,
    SITES,
    THRESHOLD,
    agree,
    load_returns,
    make_returns,
    make_server,
)

# Made above the database: one engine will do in every commit, the other is for `make test-slow`.
pytestmark = pytest.mark.above_engines

CHROMIUM = shutil.which("chromium")
CROYDONS = "E09000008"
YEAR = [f"2025-{month:02d}" for month in MONTHS]  # all there is
SAFESTATS = Path(__file__).resolve().parents[2] / ".venvs" / "server" / "bin" / "safestats"


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    """Published, with an agreement of the GLA on all London, and of Camden on its own."""
    with databases_of_a_test():
        folder = tmp_path_factory.mktemp("packs")
        make_returns(folder)
        opened = make_server(settings_for(folder / "server"))
        load_returns(opened, folder)
        agree(opened, "gla", Profile.PAN_LONDON)
        agree(opened, "camden", Profile.BOROUGH)
        publish_now(opened, "istv")
        yield opened
        opened.close()


def person(services: Services, username: str) -> Subject:
    with services.database.read() as session:
        user = find_user(session, username)
        return Subject(
            user_id=user.id,
            username=username,
            organisation_id=user.organisation_id,
            organisation=user.organisation.code,
            role=Role(user.role),
            session_id="s",
            purpose="needs-assessment",
            conditions_version="2026-11",
            organisation_name=user.organisation.name,
        )


def london(services: Services, asking: Subject | None = None, organisation: str = "gla", month: str = LAST) -> Pack:
    return monthly_pack(services, asking, "istv", month, organisation, "html")


def of_borough(services: Services, code: str, asking: Subject | None = None, organisation: str = "gla") -> Pack:
    return monthly_pack(services, asking, "istv", LAST, organisation, "html", code)


def published(number: int) -> int | None:
    return Publisher(THRESHOLD).one(number)


def test_the_counts_are_those_of_the_rows_masked_and_rounded(services: Services) -> None:
    pack = london(services)
    rows = [row for row in held(services, "istv") if row.return_month in YEAR]
    assert pack.of_year == published(len(rows))
    assert pack.of_month == published(sum(row.return_month == LAST for row in rows))
    for month in pack.trend:
        expected = sum(row.return_month == month.month for row in rows)
        assert month.count == (published(expected) if month.open else None), month
    for line in pack.boroughs:
        expected = sum(row.borough_code == line.code for row in rows)
        # Beside a single masked one, another is masked too.
        assert line.count in (published(expected), None), line
        assert expected >= THRESHOLD or line.count in (0, None)
    mix = {line.label: line.count for line in pack.categories}
    assert mix["Part of the body"] == published(sum(row.method == "Part of the body" for row in rows))
    known = [row for row in rows if row.weekday and row.hour is not None]
    assert pack.timed == published(len(known))
    assert pack.nowhere == published(sum(row.borough_code is None for row in rows))


def numbers_of(pack: Pack) -> list[int | None]:
    lines = (
        *pack.categories, *pack.categories_of_month, *pack.kinds, *pack.sites, *pack.boroughs, *pack.weekdays,
        *pack.bands,
    )  # fmt: skip
    cells = [cell for row in pack.hours for cell in row]
    single = [pack.of_month, pack.of_month_before, pack.of_year, pack.nowhere, pack.timed]
    return [*(line.count for line in lines), *cells, *single, *(one.count for one in pack.trend),
            *pack.quality_rows.values()]  # fmt: skip


def test_no_count_of_a_pack_is_small_or_exact(services: Services) -> None:
    for pack in (london(services), of_borough(services, CAMDEN), of_borough(services, CROYDONS)):
        numbers = numbers_of(pack)
        assert None in numbers
        assert all(number is None or number == 0 or (number >= THRESHOLD and number % 5 == 0) for number in numbers)


def test_a_masked_count_is_not_told_by_its_neighbours() -> None:
    shown, total = Publisher(THRESHOLD).column([3, 20, 40])
    assert shown == [None, None, 40] and total == 65
    shown, total = Publisher(THRESHOLD).column([3, 0])
    assert shown == [None, 0] and total is None
    assert Publisher(THRESHOLD).column([]) == ([], 0)


def test_quality_stands_beside_the_counts_and_missing_is_no_zero(services: Services) -> None:
    pack = london(services)
    by_site = {one.site.code: one for one in pack.quality}
    assert by_site["RJ122"].standing == Standing.MISSING and "RJ122" not in pack.quality_rows
    assert by_site[HILLINGDON].days_late and pack.quality_rows[CROYDON]
    february = london(services, month="2025-02")
    zero = next(one for one in february.quality if one.site.code == EALING)
    assert zero.standing == Standing.ZERO and february.quality_rows[EALING] == 0
    html = pack_html(february)
    assert "Zero return" in html and "Missing" in html
    assert february.counted[Standing.ZERO] == 1
    assert pack.missing_in_year == 9 * (len(by_site) - 3) + 1  # who never sent, and Ealing's August


@contextmanager
def three_hospitals(services: Services) -> Iterator[None]:
    """The register names only those that send."""
    supplied = hospitals_file(services.settings.data_dir, services.settings.resources_dir)
    header, *lines = supplied.read_text(encoding="utf-8").splitlines()
    loaded = services.settings.data_dir / HOSPITALS_FILE
    loaded.parent.mkdir(exist_ok=True)
    loaded.write_text("\n".join([header, *(line for line in lines if line.startswith(SITES))]), encoding="utf-8")
    try:
        yield
    finally:
        loaded.unlink()


def words_of(pack: Pack) -> str:
    return " ".join(re.sub(r"<(?!strong|/strong)[^>]+>", " ", pack_html(pack)).split())


def test_of_few_returns_no_number_is_told(services: Services) -> None:
    for pack in (london(services), of_borough(services, CAMDEN)):
        hospitals = len(pack.quality)
        assert pack.returns_of_month == Part(3, hospitals) and not pack.month_whole and not pack.year_whole
        assert pack.change is None and pack.change_of_year is None and pack.months_here == 0
        told = words_of(pack)
        assert f"<strong>–</strong> in September 2025 3 of {hospitals} returns came: the number is not known" in told
        of_year = f"{pack.returns_of_year.count} of {pack.returns_of_year.of} returns"
        assert f"<strong>–</strong> in twelve months {of_year} came: the number is not known" in told
        assert pack.borough or f"Only {of_year} expected in the twelve months came." in told
        # None of few is not none: no bar of it, and no 0.
        none = replace(pack, trend=[replace(month, count=0) for month in pack.trend])
        chart = re.search(r'aria-label="(Incidents by month: [^"]+)"', pack_html(none))
        assert chart is not None and "not known" in chart[1] and "5 0" not in chart[1]
        assert "September 2025 not known" in chart[1] and ">unknown</text>" in pack_html(none)
        assert ", of some returns alone" in pack_html(pack)


def test_a_number_is_told_where_nearly_all_returns_came_and_why_there_is_no_change(services: Services) -> None:
    with three_hospitals(services):
        pack = london(services)
        august = london(services, month="2025-08")
    assert pack.returns_of_month == Part(3, 3) and pack.month_whole and pack.year_whole
    told = words_of(pack)
    why = "no change is told: September 2024 is not whole here"
    assert f"<strong>{pack.of_month:,}</strong> in September 2025 {why}" in told
    assert f"<strong>{pack.of_year:,}</strong> in the twelve months, of which 8 are whole here" in told
    assert "no change is told: the twelve months before are not whole here" in told
    # Ealing's August is missing: two of three are too few.
    assert august.returns_of_month == Part(2, 3) and not august.month_whole
    assert "2 of 3 returns came: the number is not known" in words_of(august)
    assert [month.month for month in pack.trend if month.whole] == [month for month in YEAR if month != "2025-08"]


def test_why_no_change_is_told() -> None:
    assert no_change_told(True, 0.5, "it is not whole") == ""
    assert no_change_told(True, None, "it is not whole") == "no change is told: fewer than 20 to compare"
    assert no_change_told(False, None, "it is not whole") == "no change is told: it is not whole"


def test_a_boroughs_own_people_get_their_boroughs_pack(services: Services) -> None:
    analyst = person(services, "camden.analyst")
    pack = of_borough(services, CAMDEN, analyst, "camden")
    rows = [row for row in held(services, "istv") if row.return_month in YEAR and row.borough_code == CAMDEN]
    assert pack.of_year == published(len(rows)) and pack.borough == "Camden"
    # The same as who sees all London finds.
    assert numbers_of(of_borough(services, CAMDEN)) == numbers_of(pack)
    event = [one.body for one in services.audit.events()][-2]
    assert (event["event"], event["actor"], event["agreement"]) == ("pack.make", analyst.user_id, "DSA-CAMDEN-ISTV")
    assert event["filter"] == {"pack": "borough", "month": LAST, "area": CAMDEN, "format": "html"}
    assert (event["rows"], event["purpose"]) == (len(rows), "needs-assessment")


def refusal(services: Services, asking: Subject | None, organisation: str, code: str = "") -> str:
    before = len(list(services.audit.events()))
    with pytest.raises(Problem) as refused:
        if code:
            of_borough(services, code, asking, organisation)
        else:
            london(services, asking, organisation)
    told = [one.body for one in services.audit.events()][before:]
    assert all(one["event"] == "pack.make" and one["outcome"] == "refused" for one in told)
    return refused.value.document.code


def test_who_may_not_is_refused_and_told_why(services: Services) -> None:
    analyst, officer = person(services, "camden.analyst"), person(services, "camden.officer")
    team, admin = person(services, "gla.publisher"), person(services, "gla.admin")
    # Not its borough, not all London, not another organisation's.
    assert refusal(services, analyst, "camden", HACKNEY) == "pack-not-covered"
    assert refusal(services, analyst, "camden") == "pack-not-covered"
    assert refusal(services, analyst, "gla") == "role-not-permitted"
    assert refusal(services, officer, "camden", CAMDEN) == "role-not-permitted"
    assert refusal(services, person(services, "gla.auditor"), "gla") == "role-not-permitted"
    # Who gives out access does not use it.
    assert refusal(services, admin, "gla") == "role-not-permitted"
    # The team makes packs for organisations, as far as their agreements go and no further.
    assert of_borough(services, CAMDEN, team, "camden").borough == "Camden"
    assert refusal(services, team, "camden") == "pack-not-covered"
    assert refusal(services, team, "hackney", HACKNEY) == "no-agreement"
    assert refusal(services, None, "hackney", HACKNEY) == "no-agreement"


def test_a_suspended_agreement_makes_no_pack(services: Services) -> None:
    reference = "DSA-CAMDEN-ISTV"
    with services.database.write() as session:
        service.suspend(services, session, COMMAND_LINE, service.find_agreement(session, reference), "Under review")
    try:
        with pytest.raises(Refusal, match="suspended"):
            of_borough(services, CAMDEN, None, "camden")
    finally:
        with services.database.write() as session:
            service.resume(services, session, COMMAND_LINE, service.find_agreement(session, reference))


def test_an_agreement_that_forgot_the_purpose_of_packs_is_asked_first(services: Services) -> None:
    with services.database.write() as session:
        agreement = service.find_agreement(session, "DSA-CAMDEN-ISTV")
        agreement.purposes = "research"
    try:
        assert refusal(services, person(services, "gla.publisher"), "camden", CAMDEN) == "purpose-not-agreed"
    finally:
        with services.database.write() as session:
            service.find_agreement(session, "DSA-CAMDEN-ISTV").purposes = ""


def test_what_makes_no_pack_is_said_in_a_sentence(services: Services) -> None:
    with pytest.raises(SafeStatsError, match="numbers by borough"):
        monthly_pack(services, None, "ndtms", LAST, "gla", "html")
    with pytest.raises(SafeStatsError, match="is not over"):
        london(services, month="2999-01")
    with pytest.raises(SafeStatsError, match="There is no borough"):
        of_borough(services, "E09009999")
    with pytest.raises(SafeStatsError, match="no organisation"):
        london(services, organisation="nobody")


def test_the_documents_say_what_they_must(services: Services, tmp_path: Path) -> None:
    for name, pack, pages in (("london", london(services), 5), ("borough", of_borough(services, CAMDEN), 1)):
        path = tmp_path / f"{name}.pdf"
        path.write_bytes(pack_pdf(pack))
        text = subprocess.run(["pdftotext", "-layout", path, "-"], capture_output=True, text=True, check=True).stdout
        told = subprocess.run(["pdfinfo", path], capture_output=True, text=True, check=True).stdout
        assert int(re.search(r"Pages:\s+(\d+)", told)[1]) <= pages and "Tagged:          yes" in told  # type: ignore[index]
        flat = " ".join(text.split())
        for words in (
            "Synthetic data", "nothing in this pack happened", "Counts below 8 are masked", "September 2025",
            "Source: NHS hospitals", "Open Government Licence", "n = ", "Month by month",
            "under agreement DSA-GLA-ISTV",
        ):  # fmt: skip
            assert words in flat, (name, words)


def test_the_map_has_a_class_for_every_borough() -> None:
    classes = class_ranges([10, 15, 15, 20, 40, 100])
    assert classes[0].first == 10 and classes[-1].last == 100 and len({one.colour for one in classes}) == len(classes)
    assert all(sum(one.first <= value <= one.last for one in classes) == 1 for value in (10, 15, 20, 40, 100))
    assert class_ranges([]) == [] and len(class_ranges([5, 5, 5])) == 1


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed.")
def test_packs_are_accessible_and_fit_a_phone(services: Services, tmp_path: Path) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for name, pack in (("london", london(services)), ("borough", of_borough(services, CAMDEN))):
            path = tmp_path / f"{name}.html"
            path.write_text(pack_html(pack), encoding="utf-8")
            page = browser.new_page()
            page.goto(path.as_uri())
            found = Axe().run(page)
            assert found.violations_count == 0, found.generate_report()
            page.set_viewport_size({"width": 320, "height": 640})
            assert page.evaluate("document.documentElement.scrollWidth") <= 320, name
        browser.close()


def test_the_commands_write_files(services: Services, tmp_path: Path) -> None:
    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [SAFESTATS, "quality", *words], capture_output=True, text=True, env=environment(services.settings)
        )

    made = run(
        "borough", "istv", "--for", "camden", "--month", LAST, "--format", "pdf", "--out", str(tmp_path / "b.pdf")
    )
    assert made.returncode == 0, made.stderr
    assert (tmp_path / "b.pdf").read_bytes().startswith(b"%PDF")
    register = run("register", "istv", "--month", "2025-08")
    assert re.search(rf"{EALING}.*Missing", register.stdout), register.stderr
    card = run("card", "istv", EALING, "--month", "2025-02")
    assert "A zero return of February 2025" in card.stdout
    refused = run("pack", "istv", "--for", "hackney", "--month", LAST)
    assert refused.returncode == 1 and refused.stderr.count("\n") == 1
    assert "Hackney has no agreement on Assaults" in refused.stderr and "Your" not in refused.stderr
    unnamed = run("borough", "istv", "--for", "gla", "--month", LAST)
    assert unnamed.returncode == 1 and "gla serves no boroughs: name the one" in unnamed.stderr
    assert len(unnamed.stderr) < 200
    named = run("borough", "istv", "camden", "--for", "gla", "--month", LAST)
    assert "in Camden</h1>" in named.stdout, named.stderr


def test_the_console_shows_the_register_and_makes_packs(services: Services) -> None:
    app = create_app(services.settings)
    with TestClient(app):
        console = Console(app, app.state.services)
        team = console.as_("gla.publisher")
        page = team.get(f"/console/quality?dataset=istv&month={LAST}&months=6")
        assert page.status == 200 and "Missing" in page.text and "missing for September 2025" in page.text
        # The newest month is beside the names, where it is seen at any width.
        assert re.findall(r'<th scope="col">(\w{3} \d\d)</th>', page.response.text)[:2] == ["Sep 25", "Aug 25"]
        links = [link for link in page.links if "/quality/card?" in link]
        assert [link[-7:] for link in links[:6]] == [f"2025-{month:02d}" for month in range(9, 3, -1)]
        card = next(link for link in page.links if f"site={EALING}&month=2025-08" in link)
        assert "is missing" in team.get(card).text
        answer = team.client.get(card.replace("/card?", "/card.pdf?"))
        assert answer.headers["content-type"] == "application/pdf" and answer.content.startswith(b"%PDF")
        wanted = {"dataset": "istv", "month": LAST, "area": CAMDEN, "organisation": "camden", "ending": "html"}
        answer = team.client.get("/console/packs/make", params=wanted)
        assert answer.status_code == 200 and "attachment" in answer.headers["content-disposition"]
        assert "Community Safety Partnership pack" in answer.text
        # An analyst's pack is its own organisation's, whatever the address says.
        analyst = console.as_("camden.analyst")
        assert analyst.client.get("/console/packs/make", params={**wanted, "organisation": "gla"}).status_code == 200
        refused = analyst.client.get("/console/packs/make", params={**wanted, "area": "london"})
        assert refused.status_code == 403 and "does not open the records of all London" in refused.text
        unasked = team.client.get("/console/packs/make", params={**wanted, "organisation": ""})
        assert unasked.status_code == 422 and "Choose the organisation" in unasked.text
        for path in (f"/console/quality/card?dataset=istv&site=NOWHERE&month={LAST}", "/console/quality?dataset=no"):
            assert team.get(path).status == 404
        assert analyst.get(f"/console/quality/card?dataset=istv&site={EALING}&month={LAST}").status == 403


def test_a_person_of_another_organisation_is_no_reader(services: Services) -> None:
    stranger = replace(person(services, "hackney.analyst"), purpose="violence-reduction")
    with services.database.read() as session:
        assert find_organisation(session, "hackney").areas
    assert refusal(services, stranger, "hackney", HACKNEY) == "no-agreement"
    assert refusal(services, stranger, "camden", CAMDEN) == "role-not-permitted"
