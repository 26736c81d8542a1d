"""Hospital months that never came: told as gaps, though incidents of them came late with another month's return."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import openpyxl
import pytest
from safestats.shared.ring_answer import DatasetAnswer, RingAnswer
from safestats.sync_server.agreements.models import Use
from safestats.sync_server.agreements.scope import opened_scope
from safestats.sync_server.analysis.cell_answers import fixed_windows
from safestats.sync_server.check.answering import answer_around
from safestats.sync_server.check.drawing import trend_chart
from safestats.sync_server.check.places import place_of
from safestats.sync_server.check.planning import parts_of
from safestats.sync_server.check.question import Question
from safestats.sync_server.check.report import ReportKind, reported_answer
from safestats.sync_server.ingest.service import load
from safestats.sync_server.instants import london_today
from safestats.sync_server.needs.counting import months_of
from safestats.sync_server.needs.model import NOTHING_HELD, Mode
from safestats.sync_server.needs.pack import needs_pack
from safestats.sync_server.needs.question import Question as PackQuestion
from safestats.sync_server.needs.question import reader_for
from safestats.sync_server.needs.rendering import pack_html, pack_pdf
from safestats.sync_server.needs.workbook import pack_workbook
from safestats.sync_server.publishing.models import Release
from safestats.sync_server.services import Services, open_services
from safestats.sync_server.settings import Part
from safestats.sync_server.sync.service import manifest
from safestats.tests.server import check_rig
from safestats.tests.server.check_rig import CHEAPSIDE, agree, subject_of
from safestats.tests.server.engines import databases_of_a_test, settings_for
from safestats.tests.server.ingest_rig import publish_now
from safestats.tests.server.supplies_rig import ISTV_HEADER, LONDON_HOSPITAL, csv_of

# Made above the database: one engine will do in every commit, the other is for `make test-slow`.
pytestmark = pytest.mark.above_engines

RETURNED = tuple(f"2025-{month:02d}" for month in range(1, 10) if month != 5)  # May never came
NEVER = "2025-05"


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    with databases_of_a_test():
        folder = tmp_path_factory.mktemp("returns")
        settings = settings_for(folder / "server")
        check_rig.make_server(settings, {})
        opened = open_services(settings, Part.PUBLISHER)
        agree(opened, "CITY-ISTV", "city", "istv")
        agree(opened, "RECORDS-ISTV", "city-records", "istv", officer_records=True)
        for month in RETURNED:
            deliver(opened, folder, month)
        publish_now(opened, "istv")
        yield opened
        opened.close()


def deliver(services: Services, folder: Path, month: str) -> None:
    """A month's return: an arrival a day, the first of somebody who was hurt on the last day of the month before."""
    first = date.fromisoformat(f"{month}-01")
    eve = first - timedelta(days=1)
    rows = [(f"{first:%d/%m/%Y} 09:00", f"{eve:%d/%m/%Y} 23:30", "fists", "Public house", "Cheapside EC2V 6AA")]
    for day in range(2, 22):
        told = f"{first.replace(day=day):%d/%m/%Y}"
        rows.append((f"{told} 22:40", f"{told} 21:{day:02d}", "fists", "Public house", "Cheapside EC2V 6AA"))
    file = folder / f"returns-{month}.csv"
    file.write_bytes(csv_of(ISTV_HEADER, list(rows)))
    load(services, "istv", [file], site=LONDON_HOSPITAL, today=london_today())


def answer_of(services: Services, who: str) -> RingAnswer:
    question = Question(place_of(services, CHEAPSIDE), services.presets[0])
    with services.database.read() as session:
        return answer_around(services, session, subject_of(services, who), question).answer


def hospitals(answer: RingAnswer) -> DatasetAnswer:
    (found,) = answer.datasets
    return found


def test_the_rows_alone_would_tell_the_month_as_held(services: Services) -> None:
    with services.database.read() as session:
        release = session.get_one(Release, ("istv", 1))
        assert NEVER in release.periods


def test_a_month_that_was_not_returned_is_a_gap_and_not_a_number(services: Services) -> None:
    answer = answer_of(services, "city.records")
    told, months = hospitals(answer), answer.trend.months
    assert answer.now.last == RETURNED[-1]
    held = {month for month, count in zip(months, told.trend, strict=True) if count is not None}
    assert held == set(RETURNED)
    # Of June one came with July's return; April's came with that of May, which never came.
    assert told.trend[months.index("2025-06")] == 21 and told.trend[months.index("2025-04")] == 20
    gap = next(note for note in told.notes if "Nothing was returned" in note)
    assert gap == told.gap and "October 2024 to December 2024, May 2025:" in gap
    assert not answer.compared and answer.compared_words.startswith("not compared: October 2023")


def test_a_public_report_tells_the_gap_too(services: Services) -> None:
    question = Question(place_of(services, CHEAPSIDE), services.presets[0])
    with services.database.read() as session:
        who = subject_of(services, "city.records")
        answered = reported_answer(services, session, who, question, ReportKind.PUBLIC)
    told = hospitals(answered.answer)
    assert any("May 2025" in note for note in told.notes)
    chart = trend_chart(told, answered.answer.trend, answered.held["istv"], "<8")
    assert "<8" not in chart.split("September 2025")[0].split("January 2025")[0]  # nothing before was held


def test_who_only_counts_is_told_the_same(services: Services) -> None:
    told = hospitals(answer_of(services, "city.officer"))
    assert told.perturbed and "May 2025" in told.gap and told.gap in told.notes


def test_the_desk_the_packs_and_the_fixed_questions_hear_of_the_same_months(services: Services) -> None:
    who = subject_of(services, "city.analyst")
    with services.database.read() as session:
        permitted = opened_scope(session, who, "istv", services.definitions, Use.VIEW)
        (part,) = parts_of(session, permitted)
        months = months_of(session, permitted, london_today())
        windows = fixed_windows(session, permitted, london_today())
        assert manifest(services, session, who, "istv").returned == RETURNED
    assert part.held.returned == RETURNED
    assert months is not None and months.held == set(RETURNED)
    assert windows[0].last == RETURNED[-1]


def test_a_pack_tells_the_hospitals_with_their_gap(services: Services) -> None:
    who = subject_of(services, "city.analyst")
    question = PackQuestion(check_rig.CITY_CODE, Mode.OPERATIONAL, "city")
    with services.database.read() as session:
        pack = needs_pack(services, session, reader_for(services, session, who, question), question, london_today())
    (told,) = pack.services
    assert told.definition.code == "istv" and told.held == 8 and not told.whole
    # All of the year's rows: 8 returns of 21, but for the first, whose assault lies in the month before.
    assert told.now.count == 8 * 21 - 1 + (told.now_window.first <= "2024-12")
    assert told.months[NEVER] is NOTHING_HELD and told.months["2025-06"].count == 21
    assert told.before is NOTHING_HELD and told.change is None
    html = pack_html(pack)
    assert "Assaults treated in emergency departments" in html and "returns alone" in html
    book = openpyxl.load_workbook(io.BytesIO(pack_workbook(pack)))
    months = {row[0]: row[1] for row in book["Months"].values}
    assert "Jun 2025" in months and "May 2025" not in months
    assert pack_pdf(pack).startswith(b"%PDF-")


def test_an_old_return_that_comes_at_last_is_no_gap_any_more(services: Services, tmp_path: Path) -> None:
    deliver(services, tmp_path, NEVER)
    assert "May 2025" in hospitals(answer_of(services, "city.records")).gap  # nobody sees what is staged
    publish_now(services, "istv")
    answer = answer_of(services, "city.records")
    assert "May 2025" not in hospitals(answer).gap
    assert hospitals(answer).trend[answer.trend.months.index(NEVER)] == 21
