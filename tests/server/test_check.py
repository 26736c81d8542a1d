"""Checking a place: every figure beside brute force on real files, whose rights open what, and what leaves."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import math
import subprocess
import zipfile
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import openpyxl
import pyogrio
import pytest
import shapely
from convertbng.cutil import convert_bng
from PIL import Image
from safestats.shared.cell_key import perturbed
from safestats.shared.disclosure import Rules, publishable
from safestats.shared.ring_answer import RingAnswer
from safestats.shared.rings import Band, OwnBand
from safestats.shared.windows import Window
from safestats.sync_server.agreements import service as agreements
from safestats.sync_server.agreements.models import Agreement, Precision, Use
from safestats.sync_server.audit.log import COMMAND_LINE
from safestats.sync_server.check import batches
from safestats.sync_server.check.answering import answer_around
from safestats.sync_server.check.models import CheckBatch
from safestats.sync_server.check.places import place_of
from safestats.sync_server.check.planning import parts_of, permitted_scopes
from safestats.sync_server.check.question import Question
from safestats.sync_server.check.reading import read_counted
from safestats.sync_server.check.report import ReportKind, report_on, reported_answer
from safestats.sync_server.errors import SafeStatsError
from safestats.sync_server.house_style.service import Look, set_style
from safestats.sync_server.identity.service import find_organisation
from safestats.sync_server.instants import london_today, now
from safestats.sync_server.printing import printed
from safestats.sync_server.problems import Problem
from safestats.sync_server.ranks.building import build_ranks, question_of
from safestats.sync_server.ranks.models import RankTable
from safestats.sync_server.ranks.tables import find_ranks
from safestats.sync_server.services import Services, open_services
from safestats.sync_server.settings import Part
from safestats.tests.server import check_rig, console_rig
from safestats.tests.server.check_rig import CHEAPSIDE, CITY_FILES, FIRE_FILES, subject_of
from safestats.tests.server.console_rig import Console, Page, Visitor
from safestats.tests.server.engines import databases_of_a_test, settings_for
from safestats.tests.server.ingest_rig import REAL, load_street, publish_now, street_row
from safestats.tests.server.real_rig import csv_rows, fire_rows
from sqlalchemy import select, update

pytestmark = pytest.mark.skipif(not REAL.is_dir(), reason=f"the real files are not in {REAL}")
NOW, BEFORE = Window("2022-09", "2023-08"), Window("2021-09", "2022-08")
RADII = (100, 250, 500)
RESOURCES = Path(check_rig.__file__).parents[2] / "resources"
BOUNDARIES = RESOURCES / "boundaries" / "london-lsoa-2011.gpkg"
PLACES = (CHEAPSIDE, "EC2R 8AH", "EC4M 8AD")


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    with databases_of_a_test():
        settings = settings_for(tmp_path_factory.mktemp("check") / "server")
        check_rig.make_server(settings, {"colp": CITY_FILES, "lfb": FIRE_FILES})
        with console_rig.running(settings) as running:
            yield running


@pytest.fixture
def services(console: Console) -> Services:
    return console.services


@pytest.fixture(scope="module")
def city() -> list[tuple[str, str, int, int]]:
    """Month, category and place of each incident of the files that counts as the City's: what the grants show."""
    meta, table = pyogrio.read_arrow(BOUNDARIES, layer="lsoa", columns=["code", "borough_code"])
    boroughs = table["borough_code"].to_pylist()
    borough_of = dict(zip(table["code"].to_pylist(), boroughs, strict=True))
    tree = shapely.STRtree(shapely.from_wkb(table.column(meta["geometry_name"]).to_pylist()))
    found, seen = [], set()
    for row in (row for path in CITY_FILES for row in csv_rows(path)):
        told = tuple(row[name] for name in ("Crime ID", "Month", "Crime type", "Location", "Longitude", "Latitude"))
        if not row["Longitude"] or (row["Crime ID"] and told in seen):
            continue
        seen.add(told)
        easting, northing = convert_bng(np.array([float(row["Longitude"])]), np.array([float(row["Latitude"])]))
        x, y = int(np.rint(easting[0])), int(np.rint(northing[0]))
        # The supplier's own code counts, where the edition has it.
        borough = borough_of.get(row["LSOA code"]) or boroughs[tree.nearest(shapely.Point(x, y))]
        if borough == check_rig.CITY_CODE:
            found.append((row["Month"], row["Crime type"], x, y))
    return found


def ask(services: Services, who: str, where: str, preset: int = 0, **asked: object) -> RingAnswer:
    question = Question(place_of(services, where), services.presets[preset], **asked)  # type: ignore[arg-type]
    with services.database.read() as session:
        return answer_around(services, session, subject_of(services, who), question).answer


def refusal(services: Services, who: str, where: str, **asked: object) -> Problem:
    with pytest.raises(Problem) as caught:
        ask(services, who, where, **asked)
    return caught.value


# ---------------------------------------------------------------------- figures


@pytest.mark.parametrize("where", PLACES)
def test_every_figure_is_brute_force(services: Services, city: list, where: str) -> None:
    answer = ask(services, "city.analyst", where, datasets=("colp",))
    assert (answer.now, answer.before) == (NOW, BEFORE)
    (dataset,) = answer.datasets
    place = answer.place
    expected: dict[str | None, list[list[int]]] = {}
    trend: Counter[str] = Counter()
    for month, category, x, y in city:
        away = math.dist((x, y), (place.easting, place.northing))
        if away <= RADII[-1]:
            trend[month] += 1
        for window, held in ((NOW, 0), (BEFORE, 1)):
            if window.covers(month) and away <= RADII[-1]:
                for key in (None, category):
                    counts = expected.setdefault(key, [[0, 0, 0], [0, 0, 0]])[held]
                    for ring, radius in enumerate(RADII):
                        counts[ring] += away <= radius
    found = {row.category: [[f.count for f in row.figures], [f.before for f in row.figures]] for row in dataset.rows}
    assert found == expected and len(found) > 8
    assert dict(zip(answer.trend.months, dataset.trend, strict=True)) == {
        month: trend[month] if month >= "2021-09" else None for month in answer.trend.months
    }
    for row in dataset.rows:
        for figure in row.figures:
            whole = math.pi * (figure.radius_m / 1000) ** 2
            assert figure.covered_km2 <= whole * (1 + 1e-9)
            assert figure.rate_per_km2 == pytest.approx(figure.count / figure.covered_km2)
    if "All rings lie within" in answer.boundary_note:
        assert dataset.rows[0].figures[-1].covered_km2 == pytest.approx(math.pi / 4)


def test_times_of_day_are_brute_force(services: Services) -> None:
    rows = {number: row for path in FIRE_FILES for number, row in fire_rows(path).items()}
    own = OwnBand(20, 1, frozenset({4}))
    for preset, bands in ((1, ()), (2, ()), (3, ()), (0, (own,))):
        answer = ask(services, "city.records", CHEAPSIDE, preset, datasets=("lfb",), bands=bands)
        place, counted = answer.place, Counter[tuple[str | None, int]]()
        week = Counter[tuple[int, int]]()
        for day, _time, hour, group, *_rest, x, y in rows.values():
            away = math.dist((x, y), (place.easting, place.northing))
            if away <= 500:
                week[day.weekday(), hour] += 1
            if _in_band(preset if not bands else 4, day, hour):
                for radius in RADII:
                    if away <= radius:
                        counted[None, radius] += 1
                        counted[group, radius] += 1
        (dataset,) = answer.datasets
        found = {
            (row.category, figure.radius_m): figure.count
            for row in dataset.rows
            for figure in row.figures
            if figure.count
        }
        assert found == counted and counted[None, 500] > 0
        assert dataset.hours is not None
        assert {(d, h): n for d, row in enumerate(dataset.hours) for h, n in enumerate(row) if n} == week


def _in_band(number: int, day: date, hour: int) -> bool:
    evening = (day - timedelta(hour < 6)).weekday()
    return {
        1: hour >= 18 or hour < 6,
        2: hour >= 22 or hour < 3,
        3: (hour >= 18 or hour < 6) and evening in (4, 5),
        4: (hour >= 20 and day.weekday() == 4) or (hour < 2 and day.weekday() == 5),
    }[number]


def city_postcodes() -> list[tuple[int, int]]:
    """The City's postcodes with a position of their own, from the file."""
    table = pyogrio.read_arrow(BOUNDARIES, layer="lsoa", read_geometry=False)[1]
    pairs = zip(table["code"].to_pylist(), table["borough_code"].to_pylist(), strict=True)
    lsoas = {code for code, borough in pairs if borough == check_rig.CITY_CODE}
    with gzip.open(RESOURCES / "postcodes" / "postcodes.csv.gz", "rt") as file:
        rows = list(csv.DictReader(file))
    return [(int(r["easting"]), int(r["northing"])) for r in rows if r["lsoa"] in lsoas and int(r["quality"]) < 60]


def test_ranks_are_of_all_postcodes_one_by_one(services: Services, city: list) -> None:
    answer = ask(services, "city.records", CHEAPSIDE, datasets=("colp",))
    in_now = [row for row in city if NOW.covers(row[0])]
    places = np.array([(x, y) for _m, _c, x, y in in_now], np.int64)
    categories = np.array([category for _m, category, _x, _y in in_now])
    postcodes = city_postcodes()
    assert len(postcodes) > 1_500
    for row in answer.rows[:4]:
        own = places if row.category is None else places[categories == row.category]
        for figure in row.figures:
            fewer = 0
            for x, y in postcodes:
                inside = (own[:, 0] - x) ** 2 + (own[:, 1] - y) ** 2 <= figure.radius_m**2
                fewer += int(inside.sum()) < (figure.count or 0)
            assert figure.share_below == pytest.approx(100 * fewer / len(postcodes))
            assert figure.sentence.endswith("postcodes in the City of London")


def test_ranks_of_counts_are_of_what_would_be_answered(services: Services) -> None:
    subject = subject_of(services, "city.officer")
    postcodes = city_postcodes()
    with services.database.read() as session:
        (scope,), _ = permitted_scopes(services, session, subject, Use.VIEW, ("colp",))
        (part,) = parts_of(session, scope)
        assert part.counted
        leave_out = part.leave_out(services.presets[0])
        rows, records = read_counted(session, part, NOW, leave_out, services.keys.cell_secret)
        ranks = find_ranks(session, question_of(part, NOW, Band.ALL, leave_out), check_rig.CITY_CODE)
    assert ranks is not None and ranks.postcodes == len(postcodes)
    answers: Counter[int] = Counter()
    for x, y in postcodes:
        inside = (rows.eastings - x) ** 2 + (rows.northings - y) ** 2 <= 250**2
        answers[int(perturbed([inside], records, scope.threshold)[0])] += 1
    told = ranks.of(None, 250)
    assert dict(zip(told.counts, told.postcodes, strict=True)) == answers


def test_a_new_release_takes_the_tables_over_or_makes_them_anew(tmp_path: Path) -> None:
    """Where only other months changed nothing is counted again; where a row of the year came, all of it is."""
    with databases_of_a_test():
        settings = settings_for(tmp_path / "server")
        check_rig.make_server(settings, {})
        with closing(open_services(settings, Part.PUBLISHER)) as services:
            check_rig.agree(services, "CITY-COLP", "city", "colp")
            spot = {"place": ("-0.0935", "51.5140"), "category": "Robbery"}
            load_street(services, tmp_path / "a.csv", *(street_row(month=m, **spot) for m in NOW.months))
            publish_now(services, "colp")
            assert build_ranks(services, london_today()) > 0
            assert build_ranks(services, london_today()) == 0

            load_street(services, tmp_path / "b.csv", street_row(month="2020-01", **spot))
            publish_now(services, "colp")
            assert build_ranks(services, london_today()) == 0
            first = ask(services, "city.analyst", CHEAPSIDE)
            assert first.rows[0].figures[2].share_below is not None

            load_street(services, tmp_path / "c.csv", *(street_row(n, month="2023-08", **spot) for n in ("", "b")))
            publish_now(services, "colp")
            # Not those of the release before: there is no rank until they are made.
            assert ask(services, "city.analyst", CHEAPSIDE).rows[0].figures[2].share_below is None
            assert build_ranks(services, london_today()) > 0
            with services.database.read() as session:
                assert set(session.scalars(select(RankTable.release))) == {3}


# ---------------------------------------------------------------------- rights


def test_an_officer_with_counts_only_gets_perturbed_answers(services: Services) -> None:
    counted = ask(services, "city.officer", CHEAPSIDE, datasets=("colp",))
    exact = ask(services, "city.records", CHEAPSIDE, datasets=("colp",))
    (dataset,) = counted.datasets
    assert dataset.hours is None and set(dataset.trend) == {None}
    assert "only counted for you" in dataset.notes[0]
    counts = [figure.count for row in dataset.rows for figure in row.figures]
    assert all(count % 5 == 0 for count in counts) and any(counts)
    assert counts != [figure.count for row in exact.rows for figure in row.figures]
    again = ask(services, "city.officer", CHEAPSIDE, datasets=("colp",))
    assert again.rows == counted.rows
    # Not at a point, nor at other distances or hours.
    for asked in ({"radii": (60, 120)}, {"bands": (OwnBand(1, 2),)}):
        problem = refusal(services, "city.officer", CHEAPSIDE, **asked)
        assert "only counted for you" in problem.document.detail
    assert "around a postcode" in refusal(services, "city.officer", "532125, 181238").document.detail


def test_who_has_no_agreement_is_told(services: Services) -> None:
    assert refusal(services, "barnet.officer", CHEAPSIDE).document.detail == (
        "Your organisation has no agreement in force on any dataset with places: ask the SafeStats team for one."
    )
    # Hackney's is on another dataset, of which nothing was published.
    assert "published yet" in refusal(services, "hackney.analyst", CHEAPSIDE).document.detail or "no agreement" in (
        refusal(services, "hackney.analyst", CHEAPSIDE).document.detail
    )


def test_rows_that_are_shown_by_area_alone_are_left_out_and_said(tmp_path: Path) -> None:
    settings = settings_for(tmp_path / "server")
    check_rig.make_server(settings, {"colp": CITY_FILES[-1:]})
    services = open_services(settings, Part.PUBLISHER)
    load_street(services, tmp_path / "btp.csv", street_row(force="btp"), dataset="btp")
    publish_now(services, "btp")
    check_rig.agree(services, "CITY-BTP", "city", "btp", precision=Precision.AREA)
    build_ranks(services, london_today())
    answer = ask(services, "city.analyst", CHEAPSIDE)
    assert [one.code for one in answer.datasets] == ["colp"]
    assert any("by area, without their places" in note for note in answer.notes)
    services.close()


def test_a_suspended_agreement_tells_nothing_at_once(services: Services) -> None:
    assert len(ask(services, "city.records", CHEAPSIDE).datasets) == 1

    def agreement(session):  # type: ignore[no-untyped-def]
        return session.scalars(select(Agreement).where(Agreement.reference == "RECORDS-COLP")).one()

    with services.database.write() as session:
        agreements.suspend(services, session, COMMAND_LINE, agreement(session), "A laptop was lost.")
    problem = refusal(services, "city.records", CHEAPSIDE, datasets=("colp",))
    assert problem.document.code == "agreement-suspended" and "A laptop was lost" in problem.document.detail
    with services.database.write() as session:
        agreements.resume(services, session, COMMAND_LINE, agreement(session))


def test_the_public_report_is_the_published_answer(services: Services) -> None:
    question = Question(place_of(services, CHEAPSIDE), services.presets[0], datasets=("colp",))
    with services.database.read() as session:
        told = reported_answer(
            services, session, subject_of(services, "city.analyst"), question, ReportKind.PUBLIC
        ).answer
    exact = ask(services, "city.analyst", CHEAPSIDE, datasets=("colp",))
    wanted = publishable(exact, Rules(thresholds={"colp": services.definitions["colp"].suppression_threshold}))
    assert told.public

    def figures(answer: RingAnswer) -> list:
        return [(row.label, [(f.count, f.mark, f.before, f.before_mark) for f in row.figures]) for row in answer.rows]

    assert figures(told) == figures(wanted)
    assert all(f.share_below is None for row in told.rows for f in row.figures)
    with services.database.read() as session:
        altered = reported_answer(
            services, session, subject_of(services, "city.officer"), question, ReportKind.PUBLIC
        ).answer
    asked = ask(services, "city.officer", CHEAPSIDE, datasets=("colp",))
    # What was perturbed for those who only count is never told exactly to them, in public neither.
    assert {f.count for row in altered.rows for f in row.figures} <= {
        f.count for row in asked.rows for f in row.figures
    }


# ---------------------------------------------------------------------- trouble


@pytest.mark.above_engines
@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("", "No postcode was given"),
        ("EC2V", "only part of a postcode"),
        ("EC2V 6ZZ", "is not a live postcode"),
        ("M1 1AE", "outside London"),
        ("EC2V 6A!A!A", "is not a UK postcode"),
        ("460000, 110000", "none of its incidents|lies outside the area"),
        ("100000, 100000", "far outside London"),
        ("HA0 1AB", "lies outside the area whose incidents your agreements open"),
    ],
)
def test_a_bad_place_is_told_in_a_sentence(services: Services, typed: str, told: str) -> None:
    with pytest.raises(Problem, match=told) as caught:
        ask(services, "city.analyst", typed)
    assert caught.value.document.detail.count(". ") <= 1


@pytest.mark.above_engines
def test_imputed_and_edge_places_are_told(services: Services) -> None:
    with gzip.open(services.settings.resources_dir / "postcodes" / "postcodes.csv.gz", "rt") as file:
        rows = list(csv.DictReader(file))
    imputed = next(row["postcode"] for row in rows if row["quality"] == "50")
    assert "imputed" in place_of(services, imputed).warning
    coarse = next(row["postcode"] for row in rows if row["quality"] == "60")
    with pytest.raises(Problem, match="too coarse"):
        place_of(services, coarse)
    # Bishopsgate's end, at Hackney.
    answer = ask(services, "city.records", "533350, 182000", datasets=("colp",))
    (dataset,) = answer.datasets
    assert "across the boundary" in answer.boundary_note or "no London borough" in answer.boundary_note
    assert any("covers only part of the ring" in note for note in dataset.notes)
    assert dataset.rows[0].figures[-1].covered_km2 < math.pi / 4


# ---------------------------------------------------------------------- pages


def steps(visitor: Visitor, where: str = CHEAPSIDE, **typed: object) -> Page:
    page = visitor.send(visitor.get("/check"), "/console/check/place", where=where)
    assert page.status == 200, page.text
    chosen = {"preset": "everything", "dataset": ["colp", "lfb"], **typed}
    return visitor.send(page, "/console/check/result", **chosen)


@pytest.mark.above_engines
def test_from_postcode_to_pdf(console: Console) -> None:
    visitor = console.as_("city.records")
    page = steps(visitor)
    assert "617 incidents within 250 m: more than around 7 in 10 postcodes in the City of London" in page.text
    assert "London Fire Brigade incidents is left out" in page.text
    answer = console.events()[-1]
    assert answer["event"] == "check.answer" and answer["filter"]["postcode"] == CHEAPSIDE
    pdfs = {}
    for kind in ("operational", "public"):
        sent = visitor.send(page, "/console/check/report", kind=kind, dataset=["colp", "lfb"])
        assert sent.response.headers["content-type"] == "application/pdf"
        pdfs[kind] = sent.response.content
        event = console.events()[-1]
        assert (event["event"], event["filter"]["kind"]) == ("check.report", kind)
        assert event["filter"]["sha256"] == hashlib.sha256(sent.response.content).hexdigest()
        info = subprocess.run(["pdfinfo", "-"], input=sent.response.content, capture_output=True, check=True).stdout
        facts = dict(line.split(":", 1) for line in info.decode().splitlines() if ":" in line)
        assert (facts["Pages"].strip(), facts["Tagged"].strip()) == ("1", "yes") and "A4" in facts["Page size"]
    texts = {kind: _text(pdf) for kind, pdf in pdfs.items()}
    assert "exempt session" in texts["operational"] and "2,113" in texts["operational"]
    assert "2,115" in texts["public"] and "2,113" not in texts["public"] and "exempt" not in texts["public"]
    listed = visitor.send(page, "/console/check/incidents", dataset=["colp"])
    assert "2,113 incidents, of which the nearest 500 are listed" in listed.text
    assert console.events()[-1]["event"] == "check.list"


def _text(pdf: bytes) -> str:
    return subprocess.run(
        ["pdftotext", "-layout", "-", "-"], input=pdf, capture_output=True, check=True
    ).stdout.decode()


@pytest.mark.above_engines
def test_pages_hold_to_the_rights(console: Console) -> None:
    officer = console.as_("city.officer")
    page = steps(officer, radii="60", first_hour="1", last_hour="2")
    # What is not open to those who only count is not even asked.
    assert "within 250 m" in page.text and "/console/check/incidents" not in page.forms
    refused = officer.send(page, "/console/check/report", kind="public", dataset=["colp"])
    assert refused.response.headers["content-type"] == "application/pdf"
    forged = {**page.forms["/console/check/report"], "dataset": "colp"}
    answer = officer.client.post("/console/check/incidents", data=forged)
    assert "open counts to you, not records" in Page.read(answer).text
    event = console.events()[-1]
    assert (event["event"], event["outcome"], event["reason"]) == ("check.list", "refused", "aggregates-only")
    assert "no agreement in force" in console.as_("barnet.officer").get("/check").text
    for username in ("gla.publisher", "gla.auditor", "hospital.clerk"):
        assert console.as_(username).get("/console/check").status == 403


@pytest.mark.above_engines
def test_a_click_leads_to_the_pin(console: Console) -> None:
    visitor = console.as_("city.analyst")
    page = visitor.get("/console/check")
    for _ in range(4):
        page = visitor.send(page, "/console/check/map", **{"at.x": "140", "at.y": "140"})
    page = visitor.send(page, "/console/check/map", move="east")
    page = visitor.send(page, "/console/check/map", **{"at.x": "140", "at.y": "70"})
    # From the middle of London: 100 m east, and a quarter of 400 m up.
    assert "530100, 180100" in page.text and page.forms["/console/check/result"]["where"] == "530100, 180100"
    assert visitor.send(page, "/console/check/result", preset="everything", dataset=["colp"], radii="x").status == 422


@pytest.mark.above_engines
def test_a_report_bears_the_logo_and_fetches_nothing_else(services: Services, tmp_path: Path) -> None:
    picture = io.BytesIO()
    Image.new("RGB", (120, 40), (200, 30, 30)).save(picture, "PNG")
    with services.database.read() as session:
        organisation = find_organisation(session, "city").id
    admin = subject_of(services, "city.admin").user_id
    question = Question(place_of(services, CHEAPSIDE), services.presets[0], datasets=("colp",))

    def report() -> bytes:
        with services.database.read() as session:
            return report_on(
                services, session, subject_of(services, "city.analyst"), question, ReportKind.PUBLIC
            ).content

    plain = report()
    set_style(services, admin, organisation, Look(), picture.getvalue())
    try:
        assert _pictures(report()) == _pictures(plain) + 1
    finally:
        set_style(services, admin, organisation, Look(), None, without_logo=True)
    secret = tmp_path / "secret.png"
    secret.write_bytes(picture.getvalue())
    for address in (secret.as_uri(), "http://127.0.0.1:9/x.png", f"file://{secret}"):
        assert _pictures(printed(f'<html lang="en"><title>x</title><img alt="x" src="{address}">')) == 0


def _pictures(pdf: bytes) -> int:
    return pdf.count(b"/Subtype /Image") + pdf.count(b"/Subtype/Image")


def test_own_radii_and_hours_with_records(services: Services, city: list) -> None:
    answer = ask(services, "city.records", "532125, 181238", radii=(60, 333), datasets=("colp",))
    away = [math.dist((x, y), (532125, 181238)) for month, _c, x, y in city if NOW.covers(month)]
    assert [f.count for f in answer.rows[0].figures] == [sum(a <= 60 for a in away), sum(a <= 333 for a in away)]
    assert answer.rows[0].figures[0].share_below is None
    question = Question(answer.place, services.presets[0], (60, 333), datasets=("colp",))
    with services.database.read() as session, pytest.raises(Problem, match="100, 250 and 500 metres"):
        reported_answer(services, session, subject_of(services, "city.records"), question, ReportKind.PUBLIC)


# ---------------------------------------------------------------------- lists


LIST = (
    "Name,Licence,Postcode\nThe \x0bAnchor,L1,EC2V 6AA\n=cmd,L2,ec2r8ah\nNowhere,L3,EC2V 6ZZ\nFar,L4,HA0 1AB\nShort\n"
)


def test_a_list_is_answered_as_single_places_are(console: Console, services: Services) -> None:
    visitor = console.as_("city.analyst")
    page = visitor.get("/console/check/premises")
    files = {"list": ("premises.csv", LIST.encode(), "text/csv")}
    page = visitor.send(
        page, "/console/check/premises", files=files, preset="everything", kind="operational", reports="yes"
    )
    assert "0 of 3 premises are answered" in page.text
    number = int(page.path.rpartition("/")[2])
    assert batches.any_waits(services) and batches.answer_next(services, lambda: True)
    page = visitor.get(page.path)
    assert "2 premises are answered; 3 rows were not searched" in page.text
    assert "EC2V 6ZZ is not a live postcode" in page.text and "HA0 1AB lies outside the area" in page.text
    sent = visitor.client.get(f"{page.path}/premises.xlsx")
    event = console.events()[-1]
    assert event["event"] == "check.batch" and event["filter"]["file"] == "premises.xlsx"
    assert event["filter"]["sha256"] == hashlib.sha256(sent.content).hexdigest()
    book = openpyxl.load_workbook(io.BytesIO(sent.content))
    rows = list(book["All incidents"].values)
    assert [row[:4] for row in rows[1:]] == [(2, "The Anchor", "L1", "EC2V 6AA"), (3, "=cmd", "L2", "EC2R 8AH")]
    assert {cell.data_type for column in book["All incidents"].columns for cell in column} <= {"s", "n"}
    single = ask(services, "city.analyst", "EC2R 8AH").rows[0]
    at = {name: index for index, name in enumerate(rows[0])}
    for figure in single.figures:
        told = [rows[2][at[f"{figure.radius_m} m: {name}"]] for name in ("count", "count before", "rank %", "in words")]
        assert told == [figure.count, figure.before, math.floor(figure.share_below or 0), figure.sentence]
    assert [row[0] for row in list(book["Not searched"].values)[1:]] == [4, 5, 6]
    archive = zipfile.ZipFile(io.BytesIO(visitor.client.get(f"{page.path}/reports.zip").content))
    assert archive.namelist() == ["00002-The-Anchor-EC2V-6AA.pdf", "00003-cmd-EC2R-8AH.pdf"]
    assert "617" in _text(archive.read(archive.namelist()[0]))
    # For nobody else, and for a day.
    other = console.as_("city.records")
    for path in (page.path, f"{page.path}/premises.xlsx"):
        assert other.get(path).status == 404
        event = console.events()[-1]
        assert (event["event"], event["outcome"], event["filter"]) == ("check.batch", "refused", {"batch": number})
    # What was asked stays told when the list is gone.
    (asked,) = [event for event in console.events() if event.get("filter", {}).get("places")]
    assert (
        asked["filter"]["places"] == ["EC2V 6AA", "EC2R 8AH", "HA0 1AB"] and asked["filter"]["preset"] == "everything"
    )
    with services.database.write() as session:
        ended = now() - batches.KEPT
        session.execute(update(CheckBatch).where(CheckBatch.check_batch_id == number).values(finished_at=ended))
    assert visitor.get(f"{page.path}/premises.xlsx").status == 404
    batches.tidy(services)
    assert not list((services.settings.data_dir / "check-batches").iterdir())


@pytest.mark.above_engines
def test_a_list_is_cancelled_and_bad_ones_are_told(console: Console, services: Services) -> None:
    visitor = console.as_("city.records")

    def send(content: bytes) -> Page:
        page = visitor.get("/console/check/premises")
        files = {"list": ("premises.csv", content, "text/csv")}
        return visitor.send(page, "/console/check/premises", files=files, preset="everything", kind="public")

    for content, told in (
        (b"name,street\nA,B\n", "has no column of places"),
        (b"postcode\n", "no premises below it"),
        (b"PK\x03\x04\0\0", "is no CSV"),
        (b"postcode\n" + b"EC2V 6AA\n" * 3_001, "more than 3,000 premises"),
        (b"postcode\nEC2V 6ZZ\n", "Line 2: EC2V 6ZZ is not a live postcode"),
    ):
        page = send(content)
        assert page.status == 422 and told in page.text, page.text
    page = send(b"postcode\n" + b"EC2V 6AA\n" * 20)
    looks = iter([True, True, False])
    assert batches.answer_next(services, lambda: next(looks, False))
    assert "of 20 premises" in visitor.get(page.path).text  # the worker ended: it is begun anew
    visitor.send(visitor.get(page.path), f"{page.path}/cancel")
    assert batches.answer_next(services, lambda: True) and not batches.any_waits(services)
    assert "The list was cancelled" in visitor.get(page.path).text


def test_a_list_does_not_outlive_its_rights(services: Services) -> None:
    subject = subject_of(services, "city.analyst")
    preset, content = services.presets[0], b"postcode\nEC2V 6AA\n"
    number = batches.request_batch(services, subject, "a.csv", content, preset, ReportKind.PUBLIC, False)
    stranger = replace(subject, user_id="somebody else")
    with services.database.read() as session, pytest.raises(Problem):
        batches.find_batch(services, session, stranger, number)
    with services.database.write() as session:
        found = {one.reference: one for one in session.scalars(select(Agreement))}
        for reference in ("CITY-COLP", "CITY-LFB"):
            agreements.suspend(services, session, COMMAND_LINE, found[reference], "A breach is looked into.")
    assert batches.answer_next(services, lambda: True)
    with services.database.read() as session:
        batch = batches.find_batch(services, session, subject, number)
    assert batch.state == batches.BatchState.FAILED and not batch.files
    with services.database.write() as session:
        for reference in ("CITY-COLP", "CITY-LFB"):
            held = session.scalars(select(Agreement).where(Agreement.reference == reference)).one()
            agreements.resume(services, session, COMMAND_LINE, held)
    # Nor do files that stand already.
    number = batches.request_batch(services, subject, "a.csv", content, preset, ReportKind.PUBLIC, False)
    assert batches.answer_next(services, lambda: True)
    with services.database.read() as session:
        assert batches.file_of(services, session, subject, number, "premises.xlsx").is_file()
    with services.database.write() as session:
        held = session.scalars(select(Agreement).where(Agreement.reference == "CITY-COLP")).one()
        agreements.suspend(services, session, COMMAND_LINE, held, "A breach is looked into.")
    with services.database.read() as session, pytest.raises(Problem, match="suspended"):
        batches.file_of(services, session, subject, number, "premises.xlsx")
    with services.database.write() as session:
        held = session.scalars(select(Agreement).where(Agreement.reference == "CITY-COLP")).one()
        agreements.resume(services, session, COMMAND_LINE, held)


@pytest.mark.above_engines
def test_public_lists_do_not_crowd_one_place(services: Services) -> None:
    subject, preset = subject_of(services, "city.analyst"), services.presets[0]
    content = b"postcode\n" + b"EC2V 6AA\n" * 41
    with pytest.raises(SafeStatsError, match="Line 2: More than 40 premises of the list lie within 500 m"):
        batches.request_batch(services, subject, "a.csv", content, preset, ReportKind.PUBLIC, False)
    assert batches.request_batch(services, subject, "a.csv", content, preset, ReportKind.OPERATIONAL, False)
