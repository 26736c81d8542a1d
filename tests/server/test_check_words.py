"""How a check is told: what was altered at random never reads as exact, and nothing public stands around a point."""

from __future__ import annotations

import io
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import openpyxl
import pytest
import shapely
from safestats.shared.ring_answer import AnswerRow, DatasetAnswer, RingFigure
from safestats.shared.rings import Band
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

POINT = "532365, 181215"  # some metres from the postcode's
ASKED = "A public report is made around a postcode"
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
        load_street(services, settings.data_dir / "a.csv", *many, *few, street_row("before", month="2021-09"))
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
    assert "22 incidents within 500 m" in page.text and "≈" not in page.text
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
    assert "22" in report(visitor, page, "operational")
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
