"""A back-catalogue moved in: whole, in pieces, with a killed process, with files in trouble; old counts against new."""

from __future__ import annotations

import csv
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from safestats.sync_server.agreements.models import Agreement, AgreementState, Signature
from safestats.sync_server.audit.log import COMMAND_LINE, EventType
from safestats.sync_server.datasets.incidents import incident_table
from safestats.sync_server.identity.models import AccountLink, Organisation, User
from safestats.sync_server.ingest.models import Delivery
from safestats.sync_server.ingest.report import DeliveryReport
from safestats.sync_server.ingest.service import load
from safestats.sync_server.migration import loading, service
from safestats.sync_server.migration.comparing import Verdict, compare
from safestats.sync_server.migration.comparison_report import lines, to_csv, to_html
from safestats.sync_server.migration.ledger import Ledger
from safestats.sync_server.migration.models import MigrationFile, MigrationStep, StepKind, StepState
from safestats.sync_server.publishing.models import Release, ReleaseState
from safestats.sync_server.services import Services, open_services
from safestats.sync_server.settings import Part, Settings
from safestats.tests.server.engines import copied, environment
from safestats.tests.server.ingest_rig import held, releases, street_row
from safestats.tests.server.migrate_rig import COMPARE, Exports, Told, empty_server, exports_in, months_of
from sqlalchemy import func, select

PROGRAM = [sys.executable, "-m", "safestats.sync_server.cli", "migrate"]
# What a load gives a row by itself, in whatever order files come.
OF_THE_LOAD = ("row_id", "delivery_id", "geometry")


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return empty_server(tmp_path_factory.mktemp("empty") / "server")


@pytest.fixture
def services(empty: Settings, tmp_path: Path) -> Iterator[Services]:
    opened = open_services(copied(empty, tmp_path / "server"), Part.PUBLISHER)
    yield opened
    opened.close()


@pytest.fixture
def exports(tmp_path: Path, empty: Settings) -> Exports:
    made = exports_in(tmp_path / "exports", empty.resources_dir)
    for month in months_of(2015, 3):
        made.month(month)
    return made


def rows_of(services: Services, dataset: str = "colp") -> list[tuple]:
    """Every row version without what depends on the order of loads."""
    table = incident_table(services.definitions[dataset])
    columns = [column for column in table.c if column.name not in OF_THE_LOAD]
    with services.database.read() as session:
        return sorted(map(tuple, session.execute(select(*columns))), key=repr)


def events(services: Services, event: EventType) -> list[dict]:
    return [found.body for found in services.audit.events() if found.body["event"] == event]


def test_a_plan_moves_everything_in_and_publishes_once(services: Services, exports: Exports) -> None:
    outcome, told = exports.run(services)
    assert (outcome.set_aside, outcome.rows, outcome.files) == (0, 60, 3)
    assert len(held(services, "colp")) == 60
    assert releases(services, "colp") == [(1, ReleaseState.PUBLISHED)]
    with services.database.read() as session:
        camden = session.scalars(select(Organisation).where(Organisation.code == "camden")).one()
        assert [area.code for area in camden.areas] == ["E09000007"]
        assert camden.remit  # the register's, for the list tells none
    assert "3 files with 60 rows were loaded" in str(told)
    assert "rows a second" in str(told)
    (begun,) = events(services, EventType.MIGRATION_RUN)
    assert begun["filter"] == {"plan": "former-portal", "sha256": exports.plan.sha256}


@pytest.mark.above_engines
def test_the_same_plan_again_does_nothing_more(services: Services, exports: Exports) -> None:
    exports.run(services)
    before = rows_of(services)
    with services.database.read() as session:
        counted = [session.scalar(select(func.count()).select_from(kind)) for kind in (Delivery, User, Agreement)]
    outcome, told = exports.run(services)
    assert (outcome.set_aside, outcome.rows, outcome.files) == (0, 0, 0)
    assert "3 files were loaded before" in str(told)
    assert rows_of(services) == before
    assert releases(services, "colp") == [(1, ReleaseState.PUBLISHED)]
    with services.database.read() as session:
        assert counted == [
            session.scalar(select(func.count()).select_from(kind)) for kind in (Delivery, User, Agreement)
        ]


@pytest.mark.above_engines
def test_what_was_amended_since_stays_amended(services: Services, exports: Exports) -> None:
    exports.run(services)
    with services.database.write() as session:
        session.scalars(select(Organisation).where(Organisation.code == "camden")).one().name = "Camden Council"
    exports.run(services)
    with services.database.read() as session:
        assert session.scalars(select(Organisation.name).where(Organisation.code == "camden")).one() == "Camden Council"


@pytest.mark.above_engines
def test_people_have_no_password_and_no_letter_until_they_are_invited(services: Services, exports: Exports) -> None:
    exports.run(services)
    outbox = services.settings.outbox_dir
    with services.database.read() as session:
        people = {user.email: user for user in session.scalars(select(User))}
        assert session.scalar(select(func.count()).select_from(AccountLink)) == 0
    assert set(people) == {"jo.bloggs@camden.example", "ada@gla.example"}
    assert {user.password_hash for user in people.values()} == {""}
    assert people["jo.bloggs@camden.example"].role == "analyst"
    assert not outbox.exists()
    # One organisation first, then the rest; nobody twice.
    assert service.invite(services, COMMAND_LINE, exports.plan, Told(), "camden").added == 1
    assert service.invite(services, COMMAND_LINE, exports.plan, Told()).added == 1
    assert service.invite(services, COMMAND_LINE, exports.plan, Told()).added == 0
    assert len(list(outbox.glob("*.eml"))) == 2
    assert len(events(services, EventType.USER_INVITED)) == 2
    # The records name people by their opaque ids alone.
    for step in Ledger(services.database, "former-portal").steps():
        assert "bloggs" not in f"{step.subject}{step.sentence}{step.report}".casefold()


@pytest.mark.above_engines
def test_signatures_of_papers_are_told_as_such_and_none_is_made_up(services: Services, exports: Exports) -> None:
    _, told = exports.run(services)
    with services.database.read() as session:
        agreements = {one.reference: one for one in session.scalars(select(Agreement))}
        signatures = session.scalars(select(Signature).order_by(Signature.id)).all()
    # One whose second party's signature is not in the list waits; one that has ended is left out.
    assert {reference: one.state for reference, one in agreements.items()} == {
        "DSA-1": AgreementState.ACTIVE,
        "DSA-2": AgreementState.DRAFT,
    }
    assert [(one.party, one.signed_by, str(one.signed_on), one.paper) for one in signatures] == [
        ("London Borough of Camden", "A. Director", "2019-12-02", "GLA/2019/17"),
        ("Metropolis", "B. Mayor", "2019-12-09", "GLA/2019/17"),
        ("Greater London Authority", "A. Director", "2019-12-02", "GLA/2019/18"),
    ]
    assert "still to sign: Metropolis" in str(told)
    assert "DSA-0: ended on 2019-12-31" in str(told)
    papers = [event["filter"]["paper"] for event in events(services, EventType.AGREEMENT_SIGNED)]
    assert papers == ["GLA/2019/17", "GLA/2019/17", "GLA/2019/18"]


@pytest.mark.above_engines
def test_a_file_in_trouble_is_set_aside_and_taken_when_it_is_mended(services: Services, exports: Exports) -> None:
    torn = exports.folder / "colp" / "2015-02-street.csv"
    sound = torn.read_text(encoding="utf-8")
    torn.write_text("", encoding="utf-8")
    outcome, told = exports.run(services)
    assert (outcome.set_aside, outcome.files) == (1, 2)
    assert "colp/2015-02-street.csv: SET ASIDE" in str(told)
    assert len(held(services, "colp")) == 40
    ledger = Ledger(services.database, "former-portal")
    (aside,) = ledger.files(StepState.SET_ASIDE)
    assert (aside.name, bool(aside.sentence)) == ("colp/2015-02-street.csv", True)
    torn.write_text(sound, encoding="utf-8")
    outcome, _ = exports.run(services)
    assert (outcome.set_aside, outcome.files) == (0, 1)
    assert len(held(services, "colp")) == 60
    assert not ledger.files(StepState.SET_ASIDE)
    assert {step.state for step in ledger.steps(StepKind.LOAD)} == {StepState.DONE}


@pytest.mark.above_engines
def test_trouble_that_nobody_foresaw_sets_a_file_aside_without_its_words(
    services: Services, exports: Exports, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_services: Services, _dataset: str, files: list[Path], *given: object, **told: object) -> DeliveryReport:
        if any("2015-02" in path.name for path in files):
            raise ValueError("could not convert 943 476 5919")  # as a library may put it, with what stood in a cell
        return load(_services, _dataset, files, *given, **told)  # type: ignore[arg-type]

    monkeypatch.setattr(loading, "load", broken)
    outcome, told = exports.run(services)
    assert (outcome.set_aside, outcome.files) == (1, 2)
    assert "2015-02-street.csv could not be read (ValueError): export it anew" in str(told)
    assert "943" not in str(told)
    assert "943" not in Ledger(services.database, "former-portal").files(StepState.SET_ASIDE)[0].sentence


@pytest.mark.above_engines
def test_a_file_after_later_ones_is_told_to_hold(services: Services, exports: Exports) -> None:
    exports.month("2015-02").rename(exports.folder / "kept.csv")
    exports.run(services)
    (exports.folder / "kept.csv").rename(exports.folder / "colp" / "2015-02-street.csv")
    _, told = exports.run(services)
    assert "It came after 1 file(s) that follow it in the plan" in str(told)


@pytest.mark.above_engines
def test_a_file_that_changed_is_loaded_again(services: Services, exports: Exports) -> None:
    exports.run(services)
    exports.month("2015-03", 22)
    outcome, _ = exports.run(services)
    assert (outcome.rows, outcome.files) == (22, 1)
    assert len(held(services, "colp")) == 62
    assert [number for number, _ in releases(services, "colp")] == [1, 2]


@pytest.mark.above_engines
def test_a_section_a_release_where_the_plan_says_so(services: Services, tmp_path: Path, empty: Settings) -> None:
    exports = exports_in(tmp_path / "sections", empty.resources_dir, head='publish = "sections"')
    for month in ("2015-01", "2016-01"):
        exports.month(month)
    plan = exports.folder / "plan.toml"
    text = plan.read_text(encoding="utf-8").replace("colp/*.csv", "colp/2015-*.csv")
    plan.write_text(text + '[[load]]\ndataset = "colp"\nfiles = ["colp/2016-*.csv"]\n', encoding="utf-8")
    exports.run(services)
    assert [number for number, _ in releases(services, "colp")] == [1, 2]
    with services.database.read() as session:
        steps = session.scalars(select(Release.number).where(Release.state == ReleaseState.PUBLISHED)).all()
    assert sorted(steps) == [1, 2]


def command(settings: Settings, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*PROGRAM, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(settings)
    )


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory, empty: Settings) -> Exports:
    exports = exports_in(tmp_path_factory.mktemp("large") / "exports", empty.resources_dir, head='publish = "no"')
    for month in months_of(2015, 4):
        exports.month(month, 4000)  # more than half of a batch: each is a batch of its own
    return exports


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, empty: Settings, large: Exports) -> dict:
    """What an undisturbed run leaves behind."""
    services = open_services(copied(empty, tmp_path_factory.mktemp("undisturbed") / "server"), Part.PUBLISHER)
    outcome, _ = large.run(services)
    assert (outcome.files, outcome.set_aside) == (4, 0)
    left = left_by(services)
    services.close()
    return left


def left_by(services: Services) -> dict:
    with services.database.read() as session:
        kinds = (Delivery, Release, User, Agreement, Signature, MigrationFile, MigrationStep)
        numbers = {kind.__name__: session.scalar(select(func.count()).select_from(kind)) for kind in kinds}
    return {"rows": rows_of(services), **numbers}


@pytest.mark.parametrize("sign", [signal.SIGKILL, pytest.param(signal.SIGINT, marks=pytest.mark.above_engines)])
def test_killed_half_way_and_run_again_it_is_as_if_it_had_not_been(
    empty: Settings, large: Exports, undisturbed: dict, tmp_path: Path, sign: signal.Signals
) -> None:
    broken = copied(empty, tmp_path / "broken")
    process = command(broken, str(large.folder / "plan.toml"))
    assert process.stdout and process.stderr
    for line in process.stdout:
        if "2015-02" in line:  # the second batch is through, the third is under way
            process.send_signal(sign)
            break
    process.stdout.read()
    assert process.wait(60) == (-signal.SIGKILL if sign == signal.SIGKILL else 130), process.stderr.read()
    again = open_services(broken, Part.PUBLISHER)
    done = {file.name for file in Ledger(again.database, "former-portal").files(StepState.DONE)}
    assert 2 <= len(done) < 4
    # What is written down as done is there, and nothing else is.
    assert len(held(again, "colp")) == 4000 * len(done)

    rest, _ = large.run(again)
    assert (rest.files, rest.set_aside) == (4 - len(done), 0)
    assert left_by(again) == undisturbed
    again.close()


def test_two_at_once_are_refused(services: Services, exports: Exports, tmp_path: Path) -> None:
    with (
        service._alone(services.settings.data_dir),
        pytest.raises(service.SafeStatsError, match="Another"),
    ):
        exports.run(services)


@pytest.mark.above_engines
def test_old_and_new_counts_are_compared_and_what_was_not_taken_explains(services: Services, exports: Exports) -> None:
    # Two that cannot be taken and one that is there twice, all in Camden's file of March.
    bad = [street_row("x", month="2015-03", category="Nonsense"), street_row("y", month="2015-03", category="")]
    exports.month("2015-03", 20, *bad, street_row("2015-03-1", month="2015-03"))
    counts = "dataset,month,borough,count\ncolp,2015-01,Camden,20\ncolp,2015-02,E09000007,27\ncolp,2015-03,Camden,23\n"
    exports.write("counts.csv", counts + "colp,2015-04,Camden,9\ncolp,2015-05,,1\n")
    plan = exports.folder / "plan.toml"
    plan.write_text(plan.read_text(encoding="utf-8") + COMPARE.format(more="tolerance_rows = 1"), encoding="utf-8")
    exports.run(services)
    compared = compare(services, COMMAND_LINE, exports.plan)
    assert [(m.month, m.old, m.new, m.unexplained, m.verdict) for m in compared.months] == [
        ("2015-01", 20, 20, 0, Verdict.SAME),
        ("2015-02", 27, 20, 7, Verdict.BEYOND),
        ("2015-03", 23, 20, 0, Verdict.EXPLAINED),
        ("2015-04", 9, 0, 9, Verdict.MISSING),
        ("2015-05", 1, 0, 1, Verdict.MISSING),
    ]
    assert [(p.month, p.name, p.verdict) for p in compared.places] == [
        ("2015-01", "Camden", Verdict.SAME),
        ("2015-02", "Camden", Verdict.BEYOND),
        ("2015-03", "Camden", Verdict.EXPLAINED),
    ]
    assert [month.month for month in compared.missing] == ["2015-04", "2015-05"]
    assert len(compared.beyond) == 4
    table = list(csv.DictReader(to_csv(compared).splitlines()))
    march = next(row for row in table if (row["month"], row["borough"]) == ("2015-03", "all"))
    assert (march["rejected"], march["duplicates"], march["difference"]) == ("2", "1", "-3")
    assert "Old against new counts" in to_html(compared)
    assert any("2 months are missing: colp 2015-04, colp 2015-05" in line for line in lines(compared))
    (counted,) = events(services, EventType.MIGRATION_COMPARED)
    assert counted["filter"]["datasets"] == ["colp"]


def test_a_command_compares_writes_its_files_and_its_status_tells(
    services: Services, exports: Exports, tmp_path: Path
) -> None:
    exports.write("counts.csv", "dataset,month,borough,count\ncolp,2015-01,all,20\ncolp,2015-02,all,21\n")
    plan = exports.folder / "plan.toml"
    text = plan.read_text(encoding="utf-8")
    plan.write_text(text + COMPARE.format(more="tolerance_percent = 1"), encoding="utf-8")
    exports.run(services)
    for tolerance, status in ((1, 2), (10, 0)):
        more = COMPARE.format(more=f"tolerance_percent = {tolerance}")
        plan.write_text(text + more, encoding="utf-8")
        process = command(services.settings, "compare", str(plan), "--output", str(tmp_path / "out"))
        said, wrong = process.communicate(timeout=60)
        assert process.returncode == status, said + wrong
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "former-portal-comparison.csv",
        "former-portal-comparison.html",
    ]
    process = command(services.settings, "status", str(plan))
    said, wrong = process.communicate(timeout=60)
    assert process.returncode == 0 and "load" in said, wrong
