"""What is measured of deliveries, who owed them, how good they are held to be, and what suppliers are told."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from safestats.sync_server.datasets.definitions import read_definitions
from safestats.sync_server.errors import SafeStatsError
from safestats.sync_server.ingest.report import DeliveryReport
from safestats.sync_server.ingest.service import load
from safestats.sync_server.problems import Problem
from safestats.sync_server.publishing.rollback import discard_staged, stage_rollback
from safestats.sync_server.quality.card import Card, feedback_card
from safestats.sync_server.quality.measuring import Part, ReturnMeasure
from safestats.sync_server.quality.models import MeasuredReturn
from safestats.sync_server.quality.rating import Rating, change_of, rate
from safestats.sync_server.quality.register import (
    Register,
    Standing,
    due_day,
    earlier,
    last_period,
    later,
    read_register,
)
from safestats.sync_server.quality.rendering import card_html, card_pdf, percent
from safestats.sync_server.quality.standards import Level, Measure, Standards
from safestats.sync_server.services import Services
from safestats.sync_server.settings import PACKAGE_ROOT
from safestats.tests.server.engines import databases_of_a_test, settings_for
from safestats.tests.server.ingest_rig import held, publish_now
from safestats.tests.server.quality_rig import (
    CROYDON,
    EALING,
    HILLINGDON,
    LAST,
    LATE,
    MONTHS,
    TODAY,
    load_returns,
    make_returns,
    make_server,
)
from sqlalchemy import func, select

# Made above the database: one engine will do in every commit, the other is for `make test-slow`.
pytestmark = pytest.mark.above_engines

RESOURCES = PACKAGE_ROOT / "resources"
STANDARDS = Standards.read(RESOURCES)
ALL = [f"2025-{month:02d}" for month in MONTHS]
HEADER = "Arrival Date,Arrival Time,Assault Date,Assault Time,Assault Method,Location Description\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("returns")
    make_returns(made)
    return made


Loaded = tuple[Services, dict[tuple[str, str], DeliveryReport]]


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory, folder: Path) -> Iterator[Loaded]:
    """Nothing that these tests do changes it."""
    with databases_of_a_test():
        services = make_server(settings_for(tmp_path_factory.mktemp("quality") / "server"))
        yield services, load_returns(services, folder)
        services.close()


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Services]:
    services = make_server(settings_for(tmp_path / "server"))
    yield services
    services.close()


def register_of(
    services: Services, months: list[str], today: date = TODAY, dataset: str = "istv", visible_only: bool = False
) -> Register:
    with services.database.read() as session:
        return read_register(services, session, services.definition(dataset), months, today, visible_only)


def card_of(services: Services, site: str, month: str, today: date = TODAY) -> Card:
    with services.database.read() as session:
        return feedback_card(services, session, "istv", site, month, today)


def load_csv(
    services: Services, path: Path, *rows: str, month: int = 3, day: int = 10, site: str = "RJ122", **options: bool
) -> None:
    path.write_text(HEADER + "".join(f"{row}\n" for row in rows), encoding="utf-8")
    received = date(2025, month + 1, day)
    load(services, "istv", [path], site=site, today=TODAY, received_on=received, **options)


def rows_of(number: int, month: int = 3) -> list[str]:
    return [f"{1 + n % 28:02d}/{month:02d}/2025,10:{n:02d},{1 + n % 28:02d}/{month:02d}/2025,09:00,fist,Oxford Street"
            for n in range(number)]  # fmt: skip


def test_who_sent_nothing_is_missing_and_who_had_nothing_says_so(loaded: Loaded) -> None:
    register = register_of(loaded[0], ALL)
    zero, missing, full = (register.at(EALING, month) for month in ("2025-02", "2025-08", "2025-03"))
    assert (zero.standing, zero.word) == (Standing.ZERO, "Zero return")
    assert zero.measure is not None and zero.measure.rows_in == 0 and zero.days_late == 0
    assert (missing.standing, missing.word, missing.measure, missing.rating) == (
        Standing.MISSING, "Missing", None, None,
    )  # fmt: skip
    assert full.standing == Standing.RECEIVED and full.measure is not None and full.measure.accepted > 0
    # A hospital of the register that never sent anything owes every month since the first that anybody sent.
    assert {one.standing for one in register.of_site("RJ122")} == {Standing.MISSING}
    assert register.counted("2025-08", Standing.MISSING) == len(register.sites) - 2
    assert register.counted("2025-02", Standing.ZERO) == 1


def test_nothing_is_expected_before_the_first_month_nor_missing_before_its_day(loaded: Loaded) -> None:
    months = ["2024-12", LAST, "2025-10", "2025-11"]
    register = register_of(loaded[0], months, date(2025, 11, 15))
    assert register.at("RJ122", "2024-12").standing == Standing.NOT_EXPECTED
    # Due today is not yet late; the day after it is missing.
    assert register.at("RJ122", "2025-10").standing == Standing.AWAITED
    assert register_of(loaded[0], months, date(2025, 11, 16)).at("RJ122", "2025-10").standing == Standing.MISSING
    assert register.at("RJ122", "2025-11").due == date(2025, 12, 15)


def test_a_late_return_is_so_many_days_late(loaded: Loaded) -> None:
    register = register_of(loaded[0], ALL)
    late = register.at(HILLINGDON, LAST)
    assert late.days_late == LATE and late.rating is not None
    assert late.rating.punctuality == Level.RED and late.level == Level.RED and "Received late" in late.rating.reasons
    assert register.at(HILLINGDON, "2025-08").days_late == 0
    assert f"{LATE} days late" in card_of(loaded[0], HILLINGDON, LAST).verdict


def test_what_was_due_before_deliveries_began_is_neither_late_nor_on_time(fresh: Services, tmp_path: Path) -> None:
    load_csv(fresh, tmp_path / "synthetic-2025-03.csv", *rows_of(12), month=3, day=10)
    load_csv(fresh, tmp_path / "synthetic-2025-01.csv", *rows_of(12, 1), month=3, day=20)
    register = register_of(fresh, ["2025-01", "2025-02", "2025-03"])
    assert register.at("RJ122", "2025-01").days_late is None and register.at("RJ122", "2025-03").days_late == 0
    told = card_of(fresh, "RJ122", "2025-01").verdict
    assert "received on 20 April 2025; it was due on 15 February 2025, before anything" in told
    # But what did not come in between is missing all the same.
    assert register.at("RJ122", "2025-02").standing == Standing.MISSING


def test_completeness_equals_a_count_by_hand(loaded: Loaded) -> None:
    services, reports = loaded
    rows = [row for row in held(services, "istv") if row.site == HILLINGDON and row.return_month == "2025-05"]
    measure = register_of(services, ALL).at(HILLINGDON, "2025-05").measure
    assert measure is not None and measure.accepted == len(rows) > 10
    assert measure.rows_in == reports[HILLINGDON, "2025-05"].rows_in
    parts = measure.parts
    assert parts[Measure.DATE] == Part(sum(row.occurred_on is not None for row in rows), len(rows))
    assert parts[Measure.TIME] == Part(sum(row.occurred_time is not None for row in rows), len(rows))
    assert parts[Measure.TIME].count < len(rows)  # many of Hillingdon's are told in words
    assert parts[Measure.CATEGORY].count == sum(row.method not in (None, "Unknown") for row in rows)
    homes = sum(row.geo_level == "Home (no place is looked for)" for row in rows)
    assert parts[Measure.POINT] == Part(sum(row.easting is not None for row in rows), len(rows) - homes)
    assert sum(measure.levels.values()) == len(rows) and sum(measure.methods.values()) == len(rows)
    assert measure.levels["Home (no place is looked for)"] == homes


def test_every_row_of_every_delivery_is_in_some_months_measure(loaded: Loaded) -> None:
    for report in loaded[1].values():
        measures = [ReturnMeasure.from_json(one) for one in report.quality["returns"]]
        assert sum(one.rows_in for one in measures) == report.rows_in
        assert sum(one.accepted for one in measures) == report.accepted


def test_a_jump_is_seen_against_the_former_months(loaded: Loaded) -> None:
    rating = register_of(loaded[0], ALL).at(CROYDON, LAST).rating
    assert rating is not None and rating.change.mean is not None and rating.change.share is not None
    assert rating.change.months == len(MONTHS) - 1
    before = [loaded[1][CROYDON, month].accepted for month in ALL[:-1]]
    assert rating.change.mean == pytest.approx(sum(before) / len(before))
    assert rating.change.share > 1 and rating.change.level == Level.RED
    # A jump is asked about; it makes nobody poor by itself.
    assert rating.level == Level.AMBER and "Change against former months" in rating.reasons
    assert "whole month" in " ".join(card_of(loaded[0], CROYDON, LAST).steps)


def test_few_former_months_are_no_mean_and_small_ones_no_per_cent() -> None:
    assert change_of(100, [10] * 5, STANDARDS).mean is None
    assert change_of(100, [10] * 6, STANDARDS).mean == 10 and change_of(100, [10] * 6, STANDARDS).share is None
    # A zero return is a month; one that is missing is none, and is not given here.
    assert change_of(30, [40, 40, 40, 40, 40, 0], STANDARDS).mean == pytest.approx(33.3, abs=0.1)
    assert change_of(0, [40] * 6, STANDARDS).share == -1


def measured(accepted: int, rejected: int = 0, **parts: tuple[int, int]) -> ReturnMeasure:
    named = {Measure(name): Part(*numbers) for name, numbers in parts.items()}
    named[Measure.REJECTED] = Part(rejected, accepted + rejected)
    return ReturnMeasure("X", "2025-03", accepted, 0, {"no date": rejected} if rejected else {}, named)


def rated(measure: ReturnMeasure, late: int | None = 0, former: tuple[int, ...] = ()) -> Rating:
    return rate(measure, late, former, STANDARDS)


@pytest.mark.parametrize(
    ("measure", "late", "former", "level"),
    [
        (measured(100, date=(95, 100)), 0, (), Level.GREEN),
        (measured(100, date=(94, 100)), 0, (), Level.AMBER),
        (measured(100, date=(84, 100)), 0, (), Level.RED),
        (measured(100, time=(10, 100)), 0, (), Level.AMBER),  # no key measure
        (measured(100, impossible=(2, 100)), 0, (), Level.AMBER),
        (measured(100), 1, (), Level.AMBER),
        (measured(100), 8, (), Level.RED),
        (measured(100), None, (), Level.GREEN),
        (measured(94, 6), 0, (), Level.RED),
        (measured(9, date=(1, 9)), None, (), Level.UNRATED),  # too few to say
        (measured(0, 3), None, (), Level.RED),  # however few: nothing of it could be used
        (measured(0), 0, (40,) * 6, Level.AMBER),  # a zero return where there used to be forty
        (measured(0), 0, (), Level.UNRATED),
        (measured(9, date=(9, 9)), 0, (), Level.UNRATED),  # to be on time alone makes it no good one
    ],
)
def test_a_return_is_as_good_as_its_weightiest_trouble(
    measure: ReturnMeasure, late: int | None, former: tuple[int, ...], level: Level
) -> None:
    assert rated(measure, late, former).level == level


def test_times_that_cannot_be_and_rows_that_come_late(fresh: Services, tmp_path: Path) -> None:
    rows = [
        *rows_of(12),
        "15/03/2025,10:00,16/03/2025,09:00,fist,Oxford Street",  # the day after
        "15/03/2025,10:00,15/03/2025,11:00,fist,Oxford Street",  # an hour after
        "20/03/2025,10:00,13/03/2025,11:00,fist,Oxford Street",  # a week before
        "20/03/2025,10:00,14/03/2025,11:00,fist,Oxford Street",
        "20/03/2025,10:00,,,spoon,Oxford Street",
    ]
    load_csv(fresh, tmp_path / "synthetic-2025-03.csv", *rows)
    measure = register_of(fresh, ["2025-03"]).at("RJ122", "2025-03").measure
    assert measure is not None
    assert measure.parts[Measure.IMPOSSIBLE] == Part(2, 16) and measure.parts[Measure.LATE_RECORDS] == Part(1, 16)
    assert measure.parts[Measure.UNMAPPED] == Part(1, 17) and measure.parts[Measure.DATE] == Part(16, 17)


def test_a_month_sent_again_takes_the_place_of_the_first_but_keeps_its_day(fresh: Services, tmp_path: Path) -> None:
    path = tmp_path / "synthetic-2025-03.csv"
    load_csv(fresh, path, *rows_of(20), day=12)
    load_csv(fresh, path, *rows_of(19), day=28)
    one = register_of(fresh, ["2025-03"]).at("RJ122", "2025-03")
    assert one.measure is not None and one.measure.accepted == 19
    assert one.received_on == date(2025, 4, 12) and one.days_late == 0
    # The same file once more changes nothing.
    with fresh.database.read() as session:
        before = session.scalar(select(func.count()).select_from(MeasuredReturn))
    load_csv(fresh, path, *rows_of(19), day=29)
    with fresh.database.read() as session:
        assert session.scalar(select(func.count()).select_from(MeasuredReturn)) == before == 2


def test_what_is_discarded_was_never_received(fresh: Services, tmp_path: Path) -> None:
    load_csv(fresh, tmp_path / "synthetic-2025-03.csv", *rows_of(12))
    discard_staged(fresh, fresh.definition("istv"))
    with fresh.database.read() as session:
        assert session.scalar(select(func.count()).select_from(MeasuredReturn)) == 0


def test_what_was_rolled_back_counts_no_more_until_it_is_sent_again(fresh: Services, tmp_path: Path) -> None:
    march, april, may = (tmp_path / f"synthetic-2025-{month:02d}.csv" for month in (3, 4, 5))
    months = ["2025-03", "2025-04", "2025-05"]

    def standings(visible_only: bool = False) -> list[Standing]:
        register = register_of(fresh, months, visible_only=visible_only)
        return [one.standing for one in register.of_site("RJ122")]

    def roll_back(target: int | None = None) -> None:
        stage_rollback(fresh, fresh.definition("istv"), target)
        publish_now(fresh, "istv")

    load_csv(fresh, march, *rows_of(12))
    publish_now(fresh, "istv")
    load_csv(fresh, april, *rows_of(12, 4), month=4)
    # What is staged came, and is in no pack before it is published.
    assert standings() == [Standing.RECEIVED, Standing.RECEIVED, Standing.MISSING]
    assert standings(visible_only=True) == [Standing.RECEIVED, Standing.UNPUBLISHED, Standing.MISSING]
    publish_now(fresh, "istv")
    load_csv(fresh, may, month=5)  # a zero return: nothing is staged by it
    assert standings(visible_only=True) == standings() == [Standing.RECEIVED, Standing.RECEIVED, Standing.ZERO]
    stage_rollback(fresh, fresh.definition("istv"))
    assert standings() == [Standing.RECEIVED, Standing.RECEIVED, Standing.ZERO]  # before it is published nothing goes
    publish_now(fresh, "istv")
    assert standings() == [Standing.RECEIVED, Standing.TAKEN_BACK, Standing.TAKEN_BACK]
    april_now = register_of(fresh, months).at("RJ122", "2025-04")
    assert april_now.measure is None and april_now.rating is None and april_now.received_on == date(2025, 5, 10)
    card = card_of(fresh, "RJ122", "2025-04")
    assert "has taken it back since" in card.verdict and "again" in card.steps[0] and "Taken back" in card_html(card)
    # The same again counts again, the zero return too; and so does what a later rollback brings back.
    load_csv(fresh, may, month=5)
    assert standings() == [Standing.RECEIVED, Standing.TAKEN_BACK, Standing.ZERO]
    load_csv(fresh, april, *rows_of(12, 4), month=4)
    publish_now(fresh, "istv")
    assert standings(visible_only=True) == [Standing.RECEIVED, Standing.RECEIVED, Standing.ZERO]
    roll_back(1)
    assert standings() == [Standing.RECEIVED, Standing.TAKEN_BACK, Standing.TAKEN_BACK]
    roll_back(2)
    assert standings()[:2] == [Standing.RECEIVED, Standing.RECEIVED]


def test_a_single_old_return_makes_nobody_owe_the_months_since(fresh: Services, tmp_path: Path) -> None:
    months = ["2025-03", "2025-06", "2025-09"]
    for number, site in enumerate((EALING, HILLINGDON, CROYDON)):
        (tmp_path / site).mkdir()
        rows = rows_of(12 + number, 9)
        load_csv(fresh, tmp_path / site / "synthetic-2025-09.csv", *rows, month=9, site=site)
    load_csv(fresh, tmp_path / "synthetic-2025-03.csv", *rows_of(12), month=9, day=20, site=CROYDON)
    register = register_of(fresh, months)
    assert register.first == "2025-09"
    assert [one.standing for one in register.of_site(EALING)][:2] == [Standing.NOT_EXPECTED] * 2
    assert not register.counted("2025-06", Standing.MISSING)
    old = register.at(CROYDON, "2025-03")
    assert old.standing == Standing.RECEIVED and old.days_late is None and not old.expected
    assert "it was not owed" in card_of(fresh, CROYDON, "2025-03").verdict
    # And it makes no month whole that nobody else sent.
    assert register.returns("2025-03") == Part(0, 0) and not register.whole("2025-03")


def test_records_as_they_come_add_up(fresh: Services) -> None:
    first = measured(10, 1, date=(9, 10))
    later_ones = ReturnMeasure("X", "2025-03", 2, 1, {"no date": 2}, {Measure.DATE: Part(2, 2)}, addition=True)
    both = first + later_ones
    assert (both.accepted, both.duplicates, both.rejected) == (12, 1, {"no date": 3})
    assert both.parts[Measure.DATE] == Part(11, 12)
    assert ReturnMeasure.from_json(both.to_json()) == both


def test_a_card_tells_what_to_do(loaded: Loaded) -> None:
    card = card_of(loaded[0], CROYDON, "2025-05")
    html = card_html(card)
    assert "Croydon University Hospital" in html and "Synthetic data" in html
    # What nobody may send is named by its header, never by a value.
    assert any("“Age”" in step and "“Sex”" in step for step in card.steps)
    assert "Send the return of September 2025 by" not in html  # that day is over
    assert "Send the return of October 2025 by 15 November 2025." in card.steps
    assert len(card.trend) == 13 and card.trend[-1].month == "2025-05"
    missing = card_of(loaded[0], EALING, "2025-08")
    assert "is missing" in missing.verdict and "zero return" in missing.steps[0]
    assert "rows came" not in card_html(missing)
    zero = card_of(loaded[0], EALING, "2025-02")
    assert zero.verdict.startswith("A zero return of February 2025") and "missing" not in zero.verdict.lower()


def test_a_card_as_document_is_read_by_machines(loaded: Loaded, tmp_path: Path) -> None:
    path = tmp_path / "card.pdf"
    path.write_bytes(card_pdf(card_of(loaded[0], HILLINGDON, LAST)))
    text = subprocess.run(["pdftotext", "-layout", path, "-"], capture_output=True, text=True, check=True).stdout
    for words in ("Hillingdon Hospital", "What to do next", "Time known", "Received late".lower(), "Synthetic data"):
        assert words in text, words
    told = subprocess.run(["pdfinfo", path], capture_output=True, text=True, check=True).stdout
    assert "Tagged:          yes" in told and "A4" in told


def test_no_card_for_a_site_or_a_month_that_is_not(loaded: Loaded) -> None:
    with pytest.raises(Problem) as refused:
        card_of(loaded[0], "NOWHERE", LAST)
    assert refused.value.document.status == 404
    with pytest.raises(SafeStatsError, match="has not begun"):
        card_of(loaded[0], EALING, "2025-12")


def test_datasets_without_sites_have_a_register_of_one(fresh: Services, tmp_path: Path) -> None:
    register = register_of(fresh, ["2025-03"], dataset="mps")
    assert [site.code for site in register.sites] == [""]
    assert register.at("", "2025-03").standing == Standing.NOT_EXPECTED  # nothing has ever come


def test_due_days_and_months() -> None:
    definitions = read_definitions(RESOURCES / "datasets")
    assert due_day(definitions["istv"], "2025-12") == date(2026, 1, 15)
    assert due_day(definitions["mps"], "2025-11") == date(2026, 2, 7)
    assert due_day(definitions["rnli"], "2025-12") is None
    # Of a quarter its last month is owed, and no other.
    quarterly = definitions["ndtms"]
    assert [due_day(quarterly, f"2025-{month}") for month in ("07", "08", "10")] == [None, None, None]
    assert due_day(quarterly, "2025-09") == date(2025, 12, 28)
    assert [last_period(quarterly, month) for month in ("2025-09", "2025-11", "2026-02")] == [
        "2025-09",
        "2025-09",
        "2025-12",
    ]
    assert (earlier("2025-01", 1), later("2025-12", 1), later("2025-01", 25)) == ("2024-12", "2026-01", "2027-02")


def test_the_standards_say_what_is_wrong_with_them(tmp_path: Path) -> None:
    assert all(standard.why and standard.advice for standard in STANDARDS.measures.values())
    text = (RESOURCES / "quality.toml").read_text(encoding="utf-8")
    for change, told in (
        (text.replace('code = "date"', 'code = "dates"'), "dates"),
        (text.replace("green = 0.95\namber = 0.85\nkey = true", "green = 0.85\namber = 0.95\nkey = true", 1), "date"),
        (text.replace("least_rows", "leastrows"), "least_rows"),
        (text.replace("least_returns", "leastreturns"), "least_returns"),
        (text[: text.index('[[standards]]\ncode = "change"')], "change"),
    ):
        (tmp_path / "quality.toml").write_text(change, encoding="utf-8")
        with pytest.raises(SafeStatsError, match=told):
            Standards.read(tmp_path)


def test_a_share_never_claims_all_or_nothing() -> None:
    told = [percent(share).replace("\N{NO-BREAK SPACE}", " ") for share in (0, 0.001, 0.5, 0.999, 1, None)]
    assert told == ["0 %", "under 1 %", "50 %", "over 99 %", "100 %", "–"]
