"""A report of six datasets: one page, whatever is told on it."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from safestats.shared.change import change
from safestats.shared.ring_answer import AnswerRow, RingFigure
from safestats.sync_server.agreements.models import Precision
from safestats.sync_server.check.places import place_of
from safestats.sync_server.check.question import Answered, Question
from safestats.sync_server.check.report import ReportKind, render, reported_answer
from safestats.sync_server.identity.subject import Subject
from safestats.sync_server.ingest.service import load
from safestats.sync_server.instants import london_today
from safestats.sync_server.ranks.building import build_ranks
from safestats.sync_server.sample.service import make_sample
from safestats.sync_server.services import Services, open_services
from safestats.sync_server.settings import Part
from safestats.tests.server import check_rig
from safestats.tests.server.check_rig import CHEAPSIDE, agree, subject_of
from safestats.tests.server.engines import databases_of_a_test, settings_for
from safestats.tests.server.ingest_rig import publish_now

# Made above the database: one engine will do in every commit, the other is for `make test-slow`.
pytestmark = pytest.mark.above_engines

DATASETS = ("mps", "colp", "btp", "lfb", "las", "tfl")


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    with databases_of_a_test():
        folder = tmp_path_factory.mktemp("six")
        settings = settings_for(folder / "server")
        make_sample(folder / "sample", settings.resources_dir, 2025, 1, 0.2)
        check_rig.make_server(settings, {})
        opened = open_services(settings, Part.PUBLISHER)
        for dataset in DATASETS:
            finest = {"precision": Precision.GRID, "grid_m": 100} if dataset == "las" else {}
            agree(opened, f"CITY-{dataset}", "city", dataset, **finest)
            agree(opened, f"RECORDS-{dataset}", "city-records", dataset, officer_records=True, **finest)
            load(opened, dataset, sorted((folder / "sample" / dataset).iterdir()))
            publish_now(opened, dataset)
        build_ranks(opened, london_today())
        yield opened
        opened.close()


def answered_for(services: Services, who: str, kind: ReportKind, preset: int) -> tuple[Subject, Answered]:
    question = Question(place_of(services, CHEAPSIDE), services.presets[preset])
    subject = subject_of(services, who)
    with services.database.read() as session:
        return subject, reported_answer(services, session, subject, question, kind)


def words_of(content: bytes, folder: Path) -> list[str]:
    """The text of each page."""
    (folder / "report.pdf").write_bytes(content)
    command = ["pdftotext", "-layout", str(folder / "report.pdf"), "-"]
    told = subprocess.run(command, capture_output=True, check=True, text=True).stdout
    return told.split("\f")[:-1]


def with_a_year_before(answered: Answered) -> Answered:
    """As if the year before had been held, too, with other counts."""

    def figure(one: RingFigure) -> RingFigure:
        then = (one.count or 0) * 2 + 7
        return replace(one, before=then, change=change(one.count or 0, then))

    def row(one: AnswerRow) -> AnswerRow:
        return replace(one, figures=tuple(map(figure, one.figures)))

    datasets = tuple(replace(one, rows=tuple(map(row, one.rows))) for one in answered.answer.datasets)
    return replace(answered, answer=replace(answered.answer, datasets=datasets))


@pytest.mark.parametrize(
    ("who", "kind", "preset"),
    [
        ("city.records", ReportKind.OPERATIONAL, 1),
        ("city.records", ReportKind.PUBLIC, 0),
        ("city.officer", ReportKind.PUBLIC, 0),
    ],
)
def test_a_report_of_six_datasets_is_one_page_with_categories(
    services: Services, who: str, kind: ReportKind, preset: int, tmp_path: Path
) -> None:
    subject, answered = answered_for(services, who, kind, preset)
    answer = answered.answer
    assert [one.code for one in answer.datasets] and len(answer.datasets) == len(DATASETS)
    with services.database.read() as session:
        (page,) = words_of(render(services, session, subject, answered, kind), tmp_path)
    for one in answer.datasets:
        assert one.title in page
        categories = one.by_category()
        assert not categories or categories[0].label in page
    # What no dataset is compared with has no columns, and the page does not name it as if it were.
    assert "not compared: January 2024 to December 2024 is not held in full" in " ".join(page.split())
    assert not re.search(r"\bbefore +change\b", page)
    # What several share is told once.
    shared = [note for note in answer.datasets[0].notes if all(note in one.notes for one in answer.datasets)]
    assert shared
    for note in shared:
        assert " ".join(page.split()).count(note[:30]) == 1
    assert page.count("public sector information licensed") == 1


def test_two_years_of_six_datasets_are_one_page_with_the_change(services: Services, tmp_path: Path) -> None:
    subject, answered = answered_for(services, "city.records", ReportKind.OPERATIONAL, 0)
    with services.database.read() as session:
        content = render(services, session, subject, with_a_year_before(answered), ReportKind.OPERATIONAL)
    (page,) = words_of(content, tmp_path)
    assert len(re.findall(r"\bbefore +change\b", page)) == 3 and "compared with January 2024" in page
    # The largest dataset's largest category has a row.
    assert answered.answer.datasets[1].by_category()[0].label in page
