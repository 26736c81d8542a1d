"""Needs-assessment packs: their figures, whose agreements open them, what leaves, and how they look to machines."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from openpyxl import load_workbook
from PIL import Image
from playwright.sync_api import sync_playwright
from safestats.shared.change import change
from safestats.sync_server.agreements import service
from safestats.sync_server.audit.log import COMMAND_LINE
from safestats.sync_server.errors import SafeStatsError
from safestats.sync_server.identity.models import Role
from safestats.sync_server.identity.service import find_user
from safestats.sync_server.identity.subject import Subject
from safestats.sync_server.needs.denominators import load_denominators
from safestats.sync_server.needs.making import Made, make_files
from safestats.sync_server.needs.model import Mode, NeedsPack, Service
from safestats.sync_server.needs.models import Kind
from safestats.sync_server.needs.pack import needs_pack
from safestats.sync_server.needs.question import Question, reader_for
from safestats.sync_server.needs.rendering import pack_html
from safestats.sync_server.needs.tables import all_tables, beside
from safestats.sync_server.needs.workbook import pack_workbook
from safestats.sync_server.problems import Problem
from safestats.sync_server.services import Services, open_services
from safestats.sync_server.settings import Part
from safestats.tests.server import console_rig
from safestats.tests.server.engines import databases_of_a_test, settings_for
from safestats.tests.server.needs_rig import (
    CAMDEN,
    CITY,
    HACKNEY,
    RESIDENTS,
    TODAY,
    denominators_csv,
    load_world,
)
from sqlalchemy import text

CHROMIUM = shutil.which("chromium")
NOW, BEFORE = ("2025-01", "2025-12"), ("2024-01", "2024-12")
THRESHOLD = 5


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    with databases_of_a_test():
        folder = tmp_path_factory.mktemp("needs")
        settings = settings_for(folder / "server")
        console_rig.make_server(settings)
        opened = open_services(settings, Part.PUBLISHER)
        load_world(opened, folder)
        yield opened
        opened.close()


@pytest.fixture
def residents(services: Services, tmp_path: Path) -> Iterator[None]:
    """Denominators, for a test."""
    rows = [("residents", "mid-2024", "ONS", "borough", code, value) for code, value in RESIDENTS.items()]
    lsoas = [code for code, one in services.areas.lsoas.items() if one.borough_code == CAMDEN]
    rows += [("residents", "mid-2024", "ONS", "lsoa", code, 1600) for code in lsoas]
    rows.append(("licensed-premises", "2025", "The register", "borough", CAMDEN, 1250))
    load_denominators(services, denominators_csv(tmp_path / "d.csv", rows), {})
    yield
    with services.database.write() as session:
        session.execute(text("DELETE FROM denominator"))
        session.execute(text("DELETE FROM denominator_edition"))


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


def pack_of(
    services: Services, borough: str = CAMDEN, mode: Mode = Mode.OPERATIONAL, organisation: str = "gla",
    asking: Subject | None = None,
) -> NeedsPack:  # fmt: skip
    question = Question(borough, mode, organisation)
    with services.database.read() as session:
        return needs_pack(services, session, reader_for(services, session, asking, question), question, TODAY)


def pages_of(pdf: Path) -> str:
    facts = subprocess.run(["pdfinfo", str(pdf)], capture_output=True, check=True, text=True).stdout
    return re.search(r"Pages:\s+(\d+)", facts)[1]  # type: ignore[index]


def of(pack: NeedsPack, code: str) -> Service:
    return next(one for one in pack.services if one.definition.code == code)


def counted(services: Services, dataset: str, by: str, between: tuple[str, str], borough: str = CAMDEN) -> Counter:
    """Straight from the table."""
    asked = text(
        f"SELECT {by}, count(*) FROM incident_{dataset} WHERE to_release IS NULL AND borough_code = :borough "
        f"AND month BETWEEN :first AND :last GROUP BY {by}"
    )
    with services.database.read() as session:
        if not services.database.embedded:  # past the net of the areas
            session.execute(text("SET LOCAL row_security = on"))
        found = session.execute(asked, {"borough": borough, "first": between[0], "last": between[1]}).all()
    return Counter({tuple(row[:-1]): row[-1] for row in found})


def test_every_figure_equals_that_of_sql(services: Services) -> None:
    pack = pack_of(services)
    assert [one.definition.code for one in pack.services] == ["las", "mps"] and pack.borough == "Camden"
    for code in ("mps", "las"):
        one = of(pack, code)
        category = one.definition.category_field
        now, before = (counted(services, code, category, window) for window in (NOW, BEFORE))
        assert one.now.count == now.total() > 100
        assert {line.label: line.now.count for line in one.categories if line.now.count} == {
            name: number for (name,), number in now.items()
        }
        months = counted(services, code, "month", ("2023-01", "2025-12"))
        assert {month: told.count for month, told in one.months.items() if told.count is not None} == {
            month: number for (month,), number in months.items()
        }
        lsoas = counted(services, code, "lsoa_code", NOW)
        assert {line.code: line.count.count for line in one.lsoas if line.count.count} == {
            name: number for (name,), number in lsoas.items() if name
        }
        assert len(one.lsoas) == sum(lsoa.borough_code == CAMDEN for lsoa in services.areas.lsoas.values())
        assert one.no_lsoa.count == lsoas[(None,)]
        if code == "mps":
            assert one.before.count == before.total() and one.change == change(now.total(), before.total())
            for line in one.categories:
                assert line.before.count == before[(line.label,)]
                assert line.change == change(now[(line.label,)], before[(line.label,)])
            for month, total in one.rolling.items():
                first = f"{int(month[:4]) - 1}-{int(month[5:]) + 1:02d}" if month[5:] != "12" else f"{month[:4]}-01"
                assert total == counted(services, code, "borough_code", (first, month)).total()
            assert len(one.rolling) == 25 and one.week is None
            shares = [line.cumulative for line in one.categories]
            assert shares[-1] == 1 and shares == sorted(shares)  # type: ignore[type-var]
        else:
            assert one.before.count is None and one.change is None and "not held in full" in one.no_change
            week = one.week
            assert week is not None and week.step == 1
            names = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
            hours = counted(services, code, "weekday, hour", NOW)
            for day, row in enumerate(week.cells):
                for hour, told in enumerate(row):
                    assert told.count == hours[(names[day], hour)]
            assert week.unknown.count == sum(number for (day, hour), number in hours.items() if None in (day, hour))
        others = counted(services, code, "month", NOW, HACKNEY).total()
        assert next(line for line in one.boroughs if line.code == HACKNEY).count.count == others
        # London is what its boroughs come to; the services stand beside each other and have no sum.
        assert one.london is not None and one.london.name == "London"
        assert one.london.count.count == sum(line.count.count or 0 for line in one.boroughs)


def test_rates_are_those_by_hand_and_name_their_edition(services: Services, residents: None) -> None:
    pack = pack_of(services)
    one = of(pack, "mps")
    number = counted(services, "mps", "month", NOW).total()
    assert one.own.rates[Kind.RESIDENTS] == pytest.approx(number / 210_000 * 1000)
    assert one.own.rates[Kind.PREMISES] == pytest.approx(number / 1250 * 100)
    lsoa = one.lsoas[0]
    assert lsoa.rates[Kind.RESIDENTS] == pytest.approx((lsoa.count.count or 0) / 1600 * 1000)
    city = next(line for line in one.boroughs if line.code == CITY)
    assert city.few_residents and city.rates[Kind.RESIDENTS] == pytest.approx((city.count.count or 0) / 8.6)
    assert not one.own.few_residents
    # Of the other boroughs no residents are loaded: they have no rate, and nor has London.
    assert all(not line.rates for line in one.boroughs if line.code not in RESIDENTS)
    assert one.london is not None and Kind.RESIDENTS not in one.london.rates
    html = pack_html(pack)
    # Beside each table of rates, whatever sheet of the workbook it stands alone on.
    rated = [table for table in all_tables(pack) if any(title.title.startswith("Per ") for title in table.columns)]
    assert len(rated) > 2 and all("residents, mid-2024" in table.note for table in rated)
    assert "residents, mid-2024" in html and "† Fewer than 50,000 residents" in html


@pytest.mark.above_engines
def test_without_a_denominator_there_is_no_rate(services: Services) -> None:
    for mode in Mode:
        pack = pack_of(services, mode=mode)
        assert all(not line.rates for one in pack.services for line in (*one.boroughs, *one.lsoas))
        html = pack_html(pack)
        assert "No rate is told: no residents are loaded to divide by." in html
        assert "per 1,000" not in html and "Per 1,000" not in html


def test_numbers_of_treatment_are_a_table_and_never_a_sum(services: Services) -> None:
    (one,) = pack_of(services).numbers
    assert one.definition.code == "ndtms" and one.month == "2025-12"
    found = counted(services, "ndtms", "measure, substance, count, withheld", (one.month, one.month))
    exact = {(measure, substance): None if withheld else count for measure, substance, count, withheld in found}
    assert {(line.measure, line.category): line.now.count for line in one.lines} == exact
    assert all(
        line.now.words == "withheld by the supplier" for line in one.lines if exact[line.measure, line.category] is None
    )


SMALL = re.compile(r"(?<![\d.,–-])[1-4](?![\d.,:])")


def numbers_of(pack: NeedsPack) -> Iterator[int | None]:
    for one in pack.services:
        yield from (one.now.count, one.before.count, one.no_lsoa.count, *one.rolling.values())
        yield from (told.count for told in one.months.values())
        yield from (told.count for line in one.categories for told in (line.now, line.before))
        yield from (line.count.count for line in (*one.lsoas, *one.boroughs))
        if one.week:
            yield from (told.count for row in one.week.cells for told in row)
            yield one.week.unknown.count
        if one.places:
            yield from (one.places.exact.count, one.places.coarse.count, one.places.none.count)
    for part in pack.numbers:
        yield from (told.count for line in part.lines for told in (line.now, line.before))


@pytest.mark.above_engines
@pytest.mark.parametrize("borough", [CAMDEN, HACKNEY, CITY])
def test_no_small_or_exact_number_leaves_in_public(services: Services, residents: None, borough: str) -> None:
    pack = pack_of(services, borough, Mode.PUBLIC)
    numbers = list(numbers_of(pack))
    assert None in numbers
    assert all(number is None or number % 5 == 0 for number in numbers)
    book = load_workbook(BytesIO(pack_workbook(pack)))
    for sheet in book.worksheets[1:]:
        if sheet.title == "Denominators":
            continue
        headings = [cell.value for cell in sheet[3]]
        for row in sheet.iter_rows(min_row=4):
            for heading, cell in zip(headings, row, strict=True):
                counts = cell.number_format == "#,##0" and "held" not in str(heading)
                if counts and isinstance(cell.value, int | float):
                    assert cell.value % 5 == 0, (sheet.title, cell.coordinate, cell.value)
    # What the charts say aloud.
    for spoken in re.findall(r'aria-label="([^"]*: [^"]*)"', pack_html(pack)):
        told = re.sub(r"in \d+ months|\(\d+ categories\)|&lt;5|\d\d–\d\d|\d+\.\d", "", spoken)
        assert not SMALL.search(told), spoken


@pytest.mark.above_engines
def test_rates_in_public_come_from_rounded_counts(services: Services, residents: None) -> None:
    one = of(pack_of(services, mode=Mode.PUBLIC), "mps")
    assert one.now.count is not None and one.now.count % 5 == 0
    assert one.own.rates[Kind.RESIDENTS] == pytest.approx(one.now.count / 210)
    assert one.change == change(one.now.count, one.before.count or 0)


@pytest.mark.above_engines
def test_what_may_be_recorded_twice_is_said(services: Services) -> None:
    html = " ".join(pack_html(pack_of(services)).split())
    assert "What may be recorded twice" in html and "One assault may be a crime of the police" in html
    assert "They are not added up" in html and "The services’ months beside each other" in html


def refusal(services: Services, question: Question, asking: Subject | None = None) -> str:
    before = len(list(services.audit.events()))
    with pytest.raises(Problem) as refused:
        make_files(services, asking, question, TODAY)
    (told,) = [one.body for one in services.audit.events()][before:]
    assert told["event"] == "needs.make" and told["outcome"] == "refused"
    return refused.value.document.code


def test_a_borough_outside_the_agreement_is_refused(services: Services) -> None:
    analyst = person(services, "camden.analyst")
    assert refusal(services, Question(HACKNEY, Mode.PUBLIC, "camden"), analyst) == "pack-not-covered"
    assert refusal(services, Question(HACKNEY, Mode.OPERATIONAL, "camden"), analyst) == "pack-not-covered"
    with pytest.raises(Problem, match="role does not permit"):
        make_files(services, analyst, Question(CAMDEN, Mode.PUBLIC, "gla"), TODAY)
    with pytest.raises(Problem, match="role does not permit"):
        make_files(services, person(services, "camden.officer"), Question(CAMDEN, Mode.PUBLIC, "camden"), TODAY)
    with pytest.raises(SafeStatsError, match="There is no borough"):
        make_files(services, analyst, Question("Atlantis", Mode.PUBLIC, "camden"), TODAY)


def test_a_borough_has_its_own_and_no_comparison_that_its_agreement_does_not_open(services: Services) -> None:
    pack = pack_of(services, "Camden", asking=person(services, "camden.analyst"), organisation="camden")
    one = of(pack, "mps")
    assert one.now.count == of(pack_of(services), "mps").now.count
    assert [line.code for line in one.boroughs] == [CAMDEN] and one.london is None
    assert "no other borough’s records" in one.no_comparison
    assert {left.code for left in pack.left_out} >= {"las", "ndtms", "colp"}
    assert "no agreement on" in next(left.why for left in pack.left_out if left.code == "las")


@pytest.mark.above_engines
def test_the_purpose_is_one_that_is_allowed(services: Services) -> None:
    for purpose, said in (("enforcement", "Ask the police"), ("nonsense", "is no purpose of a pack")):
        with pytest.raises(SafeStatsError, match=said):
            make_files(services, None, Question(CAMDEN, Mode.PUBLIC, "gla", purpose), TODAY)


@pytest.mark.above_engines
def test_what_left_is_audited_with_its_digests(services: Services) -> None:
    before = len(list(services.audit.events()))
    made = make_files(services, None, Question("Camden", Mode.OPERATIONAL, "gla", "research"), TODAY)
    events = [one.body for one in services.audit.events()][before:]
    assert [event["dataset"] for event in events] == ["las", "mps", "ndtms"]
    for event in events:
        assert event["event"] == "needs.make" and event["actor"] == COMMAND_LINE and event["purpose"] == "research"
        assert event["filter"]["area"] == CAMDEN and event["filter"]["mode"] == "operational"
        assert event["filter"]["files"] == {
            name: hashlib.sha256(content).hexdigest() for name, content in made.contents.items()
        }
    assert len({event["filter"]["pack"] for event in events}) == 1
    assert events[1]["rows"] == counted(services, "mps", "month", NOW).total()


def test_a_suspended_agreement_leaves_its_dataset_out(services: Services) -> None:
    reference = "DSA-GLA-LAS"
    with services.database.write() as session:
        service.suspend(services, session, COMMAND_LINE, service.find_agreement(session, reference), "Under review")
    try:
        pack = pack_of(services)
        assert [one.definition.code for one in pack.services] == ["mps"]
        assert any(left.code == "las" and "suspended" in left.why for left in pack.left_out)
    finally:
        with services.database.write() as session:
            service.resume(services, session, COMMAND_LINE, service.find_agreement(session, reference))


@pytest.fixture(scope="module")
def files(services: Services) -> dict[Mode, Made]:
    return {mode: make_files(services, None, Question(CAMDEN, mode, "gla"), TODAY) for mode in Mode}


@pytest.mark.above_engines
def test_the_pdf_is_tagged_and_marked_on_every_page(files: dict[Mode, Made], tmp_path: Path) -> None:
    for mode, made in files.items():
        path = tmp_path / f"{mode}.pdf"
        path.write_bytes(next(content for name, content in made.contents.items() if name.endswith("pdf")))
        told = subprocess.run(["pdfinfo", path], capture_output=True, text=True, check=True).stdout
        pages = int(re.search(r"Pages:\s+(\d+)", told)[1])  # type: ignore[index]
        assert "Tagged:          yes" in told
        for number in range(1, pages + 1):
            page = ["pdftotext", "-layout", "-f", str(number), "-l", str(number), path, "-"]
            shown = subprocess.run(page, capture_output=True, text=True, check=True).stdout
            lines = [line.strip() for line in shown.splitlines() if line.strip()]
            assert mode.marking in lines[0] and any(mode.marking in line for line in lines[-2:]), (mode, number)
            assert (mode is Mode.OPERATIONAL) == ("OFFICIAL-SENSITIVE" in shown)


@pytest.mark.above_engines
@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed.")
def test_no_page_but_the_last_is_nearly_empty(files: dict[Mode, Made], tmp_path: Path) -> None:
    for made in files.values():
        (name,) = (name for name in made.contents if name.endswith(".pdf"))
        (tmp_path / name).write_bytes(made.contents[name])
        for page in range(1, int(pages_of(tmp_path / name))):
            picture = tmp_path / "page.png"
            command = ["pdftoppm", "-r", "20", "-gray", "-png", "-singlefile", "-f", str(page), "-l", str(page)]
            subprocess.run([*command, tmp_path / name, tmp_path / "page"], check=True)
            ink = np.asarray(Image.open(picture)) < 200
            rows = np.flatnonzero(ink[: int(ink.shape[0] * 0.93)].any(axis=1))  # without the foot
            assert rows.max() > 0.4 * ink.shape[0], (name, page)


@pytest.mark.above_engines
def test_months_that_tell_nothing_have_no_line(services: Services) -> None:
    pack = pack_of(services, CITY, Mode.PUBLIC)
    table = beside(pack)
    assert 0 < len(table.rows) < 36
    for row in table.rows:
        assert any(told is not None and told.words not in ("–", "↑") for told in row[1:]), row
    # Every month that tells something has one.
    told = {month for one in pack.services for month, count in one.months.items() if count.words not in ("–", "↑")}
    assert len(table.rows) == len(told)


@pytest.mark.above_engines
def test_packs_are_accessible_and_fit_a_phone(files: dict[Mode, Made], tmp_path: Path) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for mode, made in files.items():
            path = tmp_path / f"{mode}.html"
            path.write_bytes(next(content for name, content in made.contents.items() if name.endswith("html")))
            page = browser.new_page()
            page.goto(path.as_uri())
            found = Axe().run(page)
            assert found.violations_count == 0, found.generate_report()
            page.set_viewport_size({"width": 320, "height": 640})
            assert page.evaluate("document.documentElement.scrollWidth") <= 320, mode
