"""How a check is told: what was altered at random never reads as exact, and nothing public stands around a point."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import openpyxl
import pytest
import shapely
from playwright.sync_api import sync_playwright
from safestats.shared.change import change
from safestats.shared.ring_answer import AnswerRow, DatasetAnswer, RingFigure
from safestats.shared.rings import Band
from safestats.sync_server import console as console_module
from safestats.sync_server.analysis.models import CellAnswer
from safestats.sync_server.check import batches, wording
from safestats.sync_server.check.models import CheckBatch
from safestats.sync_server.check.report import ReportKind
from safestats.sync_server.services import open_services
from safestats.sync_server.settings import Part
from safestats.tests.server import check_rig, console_rig
from safestats.tests.server.check_rig import CHEAPSIDE, subject_of
from safestats.tests.server.console_rig import Console, Page, Visitor
from safestats.tests.server.engines import databases_of_a_test, settings_for
from safestats.tests.server.ingest_rig import load_street, publish_now, street_row

# Made above the database: one engine will do in every commit, the other is for `make test-slow`.
pytestmark = pytest.mark.above_engines

POINT = "532365, 181215"  # some metres from the postcode's
ASKED = "A public report is made around a postcode"
CHROMIUM = shutil.which("chromium")
STYLE = Path(console_module.__file__).parent / "static" / "console.css"
SHARED_KEYS = {"month": "2023-08", "place": ("-0.0935", "51.5140")}


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    with databases_of_a_test():
        settings = settings_for(tmp_path_factory.mktemp("words") / "server")
        check_rig.make_server(settings, {})
        services = open_services(settings, Part.PUBLISHER)
        check_rig.agree(services, "CITY-COLP", "city", "colp")
        check_rig.agree(services, "RECORDS-COLP", "city-records", "colp", officer_records=True)
        many = [street_row(str(n), category="Robbery", **SHARED_KEYS) for n in range(20)]
        few = [street_row(f"d{n}", category="Drugs", **SHARED_KEYS) for n in range(2)]
        # So many that no total is altered below one of its parts by chance.
        more = [street_row(f"m{n}", category="Burglary", **SHARED_KEYS) for n in range(20)]
        load_street(services, settings.data_dir / "a.csv", *many, *few, *more, street_row("before", month="2021-09"))
        publish_now(services, "colp")
        services.close()
        with console_rig.running(settings) as running:
            yield running


def result(visitor: Visitor, where: str) -> Page:
    page = visitor.send(visitor.get("/check"), "/console/check/place", where=where)
    return visitor.send(page, "/console/check/result", preset="everything", dataset=["colp"])


def report(visitor: Visitor, page: Page, kind: str) -> str:
    sent = visitor.send(page, "/console/check/report", kind=kind, dataset=["colp"])
    assert sent.response.headers["content-type"] == "application/pdf", sent.text
    pdf = subprocess.run(["pdftotext", "-layout", "-", "-"], input=sent.response.content, capture_output=True)
    return " ".join(pdf.stdout.decode().split())


def figure(count: int | None, before: int | None) -> RingFigure:
    return RingFigure(100, count, before, None, None if count is None else count / 0.03, 0.03)


def test_altered_counts_are_told_as_about() -> None:
    def told(count: int, perturbed: bool) -> list[str]:
        row = AnswerRow("d", "D", None, "All", Band.ALL, (figure(count, 5),))
        data = DatasetAnswer("d", "D", (row,), None, (), (), "2023-08", "", perturbed=perturbed)
        return wording.sentences(data)

    assert told(0, True) == ["0 or a few incidents within 100 m."]
    assert told(10, True) == ["About 10 incidents within 100 m."]
    assert told(0, False) == ["0 incidents within 100 m."]
    assert [wording.count_words(count, about=True) for count in (0, 1_010, None)] == ["≈\xa00", "≈\xa01,010", "–"]
    assert wording.count_words(None, "<5", about=True) == "<5"
    assert wording.rate_words(figure(30, None), about=True) == "≈\xa01,000"


def test_the_sentence_says_what_the_table_says() -> None:
    one = RingFigure(100, 5, 180, change(5, 180), 1.0, 0.03)
    row = AnswerRow("d", "D", None, "All", Band.ALL, (one,))
    (told,) = wording.sentences(DatasetAnswer("d", "D", (row,), None, (), (), "2023-08", "", perturbed=True))
    assert wording.change_words(one.change) == "\N{MINUS SIGN}97\xa0%"
    assert told == (
        "About 5 incidents within 100 m. There were about 180 in the 12 months before: fewer than chance explains, "
        "though how many fewer is known only roughly."
    )


def test_a_total_below_a_category_is_told_so_beside_it(console: Console) -> None:
    officer, services, place = console.as_("city.officer"), console.services, "EC2R 8AH"
    said = "altered at random: parts and total need not agree"
    assert said not in result(officer, place).text
    with services.database.write() as session:
        # The answers that were kept, as chance may have them.
        for kept in session.query(CellAnswer):
            counts = {True: [0, 10, 30], False: [10, 10, 25]}
            whole = [{**row, "counts": counts[row["every"]]} for row in kept.rows if row["every"]]
            kept.rows = [
                one
                for row in whole
                for one in (row, {**row, "every": False, "category": "Robbery", "counts": counts[False]})
            ]
    page = result(officer, place)
    assert "All incidents " + said in page.text
    assert f"0 or a few incidents within 100 m. {said.capitalize()}." in page.text
    first, *_others = re.findall(r"<strong>≈\s0</strong></td>(.*?)</tr>", page.response.text, re.DOTALL)
    cells = [" ".join(re.sub("<.*?>", " ", cell).split()) for cell in re.findall("<td.*?</td>", first, re.DOTALL)]
    # Before and change, neither rate nor rank; then the next ring's, which is no smaller than its parts.
    assert cells[:5] == ["≈ 0", "–", "–", "–", "≈ 10"] and cells[7].startswith("≈ ")
    for kind in ("public", "operational"):
        assert said in report(officer, page, kind)


def test_who_only_counts_reads_so_on_the_page_and_in_each_report(console: Console) -> None:
    officer = console.as_("city.officer")
    page = result(officer, CHEAPSIDE)
    assert len(re.findall(r"(?:About \d+|0 or a few) incidents within \d+ m", page.text)) == 3
    assert not re.search(r"(?<!About )\b\d+ incidents within", page.text)
    assert re.search(r"≈ \d+ .*≈ \d+", page.text) and "“≈ 0” is 0 or a few" in page.text
    assert "Counts are perturbed and rounded to 5, 0 may be a few" in page.text
    for kind in ("public", "operational"):
        told = report(officer, page, kind)
        assert not re.search(r"(?<!About )\b\d+ incidents within", told)
        assert "Counts are perturbed and rounded to 5, 0 may be a few" in told and "≈ 0" in told
        # Nothing of it is exact, and nothing of it withheld.
        assert "Small numbers are shown as they are" not in told and "Small counts are withheld" not in told
        assert ("Not for publication" in told) == (kind == "operational")


def test_what_is_exact_or_withheld_is_told_as_before(console: Console) -> None:
    visitor = console.as_("city.records")
    page = result(visitor, CHEAPSIDE)
    assert "42 incidents within 500 m" in page.text and "≈" not in page.text
    operational, public = (report(visitor, page, kind) for kind in ("operational", "public"))
    assert "Small numbers are shown as they are. Keep it" in operational
    assert "Small counts are withheld" in public
    for told in (operational, public):
        assert "≈" not in told and "perturbed" not in told


def test_a_public_report_needs_a_postcode(console: Console) -> None:
    visitor = console.as_("city.records")
    page = result(visitor, POINT)
    assert page.status == 200 and "incidents within 250 m" in page.text
    refused = visitor.send(page, "/console/check/report", kind="public", dataset=["colp"])
    assert refused.status == 422 and ASKED in refused.text
    assert "42" in report(visitor, page, "operational")
    event = next(one for one in reversed(console.events()) if one["event"] == "check.report")
    assert event["filter"]["kind"] == "operational"


def test_points_of_a_public_list_are_rejected_by_their_line(console: Console) -> None:
    services = console.services
    subject, preset = subject_of(services, "city.records"), services.presets[0]
    easting, northing = POINT.split(", ")
    content = f"name,postcode,easting,northing\nA,{CHEAPSIDE},,\nB,,{easting},{northing}\n".encode()
    for kind, rejected in ((ReportKind.PUBLIC, [(3, "B")]), (ReportKind.OPERATIONAL, [])):
        number = batches.request_batch(services, subject, "a.csv", content, preset, kind, False)
        assert batches.answer_next(services, lambda: True)
        with services.database.read() as session:
            batch = batches.find_batch(services, session, subject, number)
            path = batches.file_of(services, session, subject, number, batches.WORKBOOK)
        assert [(one.line, one.name) for one in batch.rejected] == rejected
        assert all(one.sentence.startswith(ASKED) for one in batch.rejected)
        book = openpyxl.load_workbook(io.BytesIO(Path(path).read_bytes()))
        assert len(list(book["Not searched"].values)) == 1 + len(rejected)


# ---------------------------------------------------------------------- what is offered


def test_who_only_counts_is_offered_postcodes_alone(console: Console) -> None:
    visitor = console.as_("city.officer")
    start = visitor.get("/console/check")
    assert "530000" not in start.text and "postcode nearest to the point" in start.text
    refused = visitor.send(start, "/console/check/place", where=POINT)
    assert refused.status == 422 and "answered around postcodes: type the postcode" in refused.text
    empty = visitor.send(start, "/console/check/place", where="")
    assert "Type a postcode, such as E16 1ZE." in empty.text and "530000" not in empty.text
    # The map's last click takes the postcode whose dot is nearest.
    easting, northing = POINT.split(", ")
    at = {"map_easting": easting, "map_northing": northing, "map_zoom": "4"}
    page = visitor.send(start, "/console/check/map", move="middle", **at)
    ground = console.services.ground
    near = ground.postcode_near(int(easting), int(northing), 300)
    assert near and page.forms["/console/check/result"]["where"] == near
    own = min(
        ground.postcodes_in(shapely.box(0, 0, 700_000, 700_000)),
        key=lambda one: (one[0] - int(easting)) ** 2 + (one[1] - int(northing)) ** 2,
    )
    assert own[2] == near
    in_a_park = {"map_easting": "520300", "map_northing": "172900", "map_zoom": "4"}  # Richmond Park
    page = visitor.send(start, "/console/check/map", move="middle", **in_a_park)
    assert "No postcode lies within 300 m of that point" in page.text and "/console/check/map" in page.forms
    with_records = console.as_("city.records").get("/console/check")
    assert "530000, 180000" in with_records.text


def test_a_public_report_is_not_offered_where_it_would_be_refused(console: Console) -> None:
    visitor = console.as_("city.records")
    page = result(visitor, POINT)
    assert "Operational report (PDF)" in page.text and "Public report (PDF)" not in page.text
    assert "A public report is made around a postcode" in page.text
    assert "Public report (PDF)" in result(visitor, CHEAPSIDE).text


def test_the_public_report_is_the_button_that_stands_out(console: Console) -> None:
    for who in ("city.officer", "city.records"):
        text = result(console.as_(who), CHEAPSIDE).response.text
        assert re.search(r"<button>Public report \(PDF\)</button>", text)
        assert re.search(r'<button class="second">Operational report \(PDF\)</button>', text)
        assert text.index("Public report (PDF)") < text.index("Operational report (PDF)")


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed.")
def test_the_table_fits_the_page_and_scrolls_on_a_phone(console: Console, tmp_path: Path) -> None:
    text = result(console.as_("city.officer"), CHEAPSIDE).response.text
    style = f"<style>{STYLE.read_text(encoding='utf-8')}</style>"
    # The columns of the months before, and the widest figures that a table holds.
    wide = """() => {
        for (const table of document.querySelectorAll("table.rings")) {
            const all = ["≈\xa01,810", "≈\xa01,795", "+146\xa0%<br><small>−99\xa0% to +270\xa0%</small>"];
            all.push("≈\xa02,310", "89\xa0%");
            for (const ring of table.tHead.rows[0].querySelectorAll("th")) ring.colSpan = 5;
            const heads = ["Now", "Before", "Change", "Per km²", "Rank"];
            const cells = (words, tag) => [0, 1, 2].map(() => words.map((word, at) =>
                `<${tag} class="figure${at ? "" : " ring"}">${word}</${tag}>`).join("")).join("");
            table.tHead.rows[1].innerHTML = "<th>Incidents</th>" + cells(heads, "th");
            table.tBodies[0].innerHTML = ["All incidents", "Violence and sexual offences"].map(
                label => `<tr><th scope="row">${label}</th>${cells(all, "td")}</tr>`).join("");
        }
    }"""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.set_content(text.replace("</head>", f"{style}</head>"))
        page.evaluate(wide)
        page.locator(".scroll").first.screenshot(path=tmp_path / "wide.png")
        room = "() => { const at = document.querySelector('.scroll'); return [at.scrollWidth, at.clientWidth]; }"
        needed, there = page.evaluate(room)
        assert needed <= there
        page.set_viewport_size({"width": 320, "height": 640})
        page.locator(".scroll").first.screenshot(path=tmp_path / "phone.png")
        needed, there = page.evaluate(room)
        assert needed > there and page.evaluate("document.documentElement.scrollWidth") <= 320
        # What is cut off shows that more follows.
        assert "gradient" in page.evaluate(
            "getComputedStyle(document.querySelector('.scroll:has(table.rings)')).backgroundImage"
        )
        browser.close()


def test_the_sign_in_names_what_each_role_gets(console: Console) -> None:
    page = console.visitor().get("/console/sign-in").text
    for role in ("Licensing officers", "Analysts", "Administrators", "Suppliers", "Auditors", "The SafeStats team"):
        assert role in page
    assert "what happened around premises, and a report" in page


# ---------------------------------------------------------------------- lists


def test_rows_with_both_go_by_their_postcode_in_public_and_by_their_point_for_own_use(console: Console) -> None:
    services = console.services
    easting, northing = POINT.split(", ")
    content = f"name,postcode,easting,northing\nA,{CHEAPSIDE},{easting},{northing}\n".encode()
    for who, kind, label in (
        ("city.records", ReportKind.PUBLIC, CHEAPSIDE),
        ("city.records", ReportKind.OPERATIONAL, POINT),
        ("city.officer", ReportKind.OPERATIONAL, CHEAPSIDE),
    ):
        subject = subject_of(services, who)
        number = batches.request_batch(services, subject, "a.csv", content, services.presets[0], kind, False)
        with services.database.read() as session:
            assert [place["label"] for *_, place in session.get_one(CheckBatch, number).premises] == [label]
        assert batches.answer_next(services, lambda: True)


def test_a_workbook_tells_altered_counts_as_about(console: Console) -> None:
    services = console.services
    content = f"name,postcode\nA,{CHEAPSIDE}\n".encode()
    told = {}
    for who, kind in (("city.officer", ReportKind.OPERATIONAL), ("city.records", ReportKind.OPERATIONAL)):
        subject = subject_of(services, who)
        number = batches.request_batch(services, subject, "a.csv", content, services.presets[0], kind, False)
        assert batches.answer_next(services, lambda: True)
        with services.database.read() as session:
            path = batches.file_of(services, session, subject, number, batches.WORKBOOK)
        sheet = openpyxl.load_workbook(path)["All incidents"]
        heads = [cell.value for cell in sheet[1]]
        row = sheet[2]
        count = row[heads.index("500 m: count")]
        assert isinstance(count.value, int)
        told[who] = (row[heads.index("Counts are")].value, count.number_format)
    assert told["city.officer"] == ("≈ altered: 0 is 0 or a few", '"≈ "#,##0')
    assert told["city.records"] == ("exact", "General")
