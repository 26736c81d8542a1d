"""``safestats check`` tells what a load would make of a file, and changes nothing."""

from __future__ import annotations

import hashlib
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import date
from pathlib import Path

import pytest
from safestats.sync_server.errors import SafeStatsError
from safestats.sync_server.geocoding import review
from safestats.sync_server.ingest.service import load
from safestats.sync_server.ingest.source import SourceFile
from safestats.sync_server.quality.models import MeasuredReturn
from safestats.sync_server.screening.check import CheckReport, check, dataset_of
from safestats.sync_server.services import Services
from safestats.tests.server.engines import ON_POSTGIS, empty_database, environment, settings_for
from safestats.tests.server.ingest_rig import STREET_HEADER, open_prepared, street_csv, street_row
from safestats.tests.server.supplies_rig import ISTV_HEADER, LONDON_HOSPITAL, csv_of
from sqlalchemy import select

# Made above the database: one engine will do in every commit, the other is for `make test-slow`.
pytestmark = pytest.mark.above_engines

TODAY = date(2026, 4, 2)


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    settings = settings_for(tmp_path_factory.mktemp("check") / "server")
    opened = open_prepared(settings)
    yield opened
    opened.close()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "2023-05-street.csv"


def checked(services: Services, *files: Path, dataset: str = "colp") -> CheckReport:
    return check(services, dataset, [SourceFile.read(path) for path in files], today=TODAY)


def test_it_counts_as_the_load_does_that_follows(services: Services, file: Path) -> None:
    rows = [street_row(f"a{n}", street=f"On or near Lane {n}; tel 07700 900{n:03d}") for n in range(8)]
    bad = [street_row("b", month="2023-13"), street_row("c", category="Time travel"), "torn,2023-05"]
    street_csv(file, *rows, rows[0], *bad, street_row("d", force="btp"))
    told = checked(services, file)
    report = load(services, "colp", [file], today=TODAY)
    assert (told.rows_in, told.accepted, told.duplicates) == (report.rows_in, report.accepted, report.duplicates)
    assert (told.rejected, told.left, told.blanked) == (report.rejected, report.left, report.blanked)
    assert (told.dropped, told.months, told.notes) == (report.dropped, report.months, report.notes)
    assert told.taken and report.blanked.total() == 9
    assert {(row.line, row.reason.split(":")[0]) for row in told.rows} == {
        (11, "a date that does not exist"),
        (12, "category in no code list"),
        (13, "cut off"),
    }
    assert "This would be taken as colp: 8 rows of 13 of 2023-05." in told.sentences()


def test_dates_and_places_that_are_not_known_are_counted(services: Services, tmp_path: Path) -> None:
    rows = [
        ("01/03/2026 23:40", "unknown", "fists", "Street", "Tower Hill Station"),
        ("02/03/2026 23:40", "02/03/2026 22:00", "fists", "Street", "High Street"),
        ("03/03/2026 23:40", "03/03/2026 22:00", "fists", "Street", "somewhere or other"),
        ("04/03/2026 23:40", "04/03/2026 22:00", "fists", "Home", ""),
    ]
    file = tmp_path / "synthetic-2026-03.csv"
    file.write_bytes(csv_of(ISTV_HEADER, rows))
    told = check(services, "istv", [SourceFile.read(file)], LONDON_HOSPITAL, today=TODAY)
    report = load(services, "istv", [file], today=TODAY, site=LONDON_HOSPITAL)
    assert (told.accepted, told.undated, told.unplaced, told.to_review) == (4, 1, 2, 1), told.sentences()
    with services.database.read() as session:
        waiting = review.waiting_texts(session)
        (returned,) = session.scalars(select(MeasuredReturn).where(MeasuredReturn.dataset == "istv"))
    assert told.accepted == report.accepted and told.to_review == sum(one.rows for one in waiting)
    parts = returned.measures["parts"]
    assert (parts["date"], parts["place"]) == ([3, 4], [2, 4])
    sentences = told.sentences()
    assert "1 row would be taken without a date, which is not known." in sentences
    assert "1 row would wait until the SafeStats team has looked at the place’s words." in sentences
    assert told.to_json()["unplaced"] == 2


def test_what_would_be_refused_is_told_with_its_column(services: Services, file: Path) -> None:
    street_csv(file, street_row("a") + "x", header=STREET_HEADER.replace("Context", "Victim DOB"))
    told = checked(services, file)
    assert not told.taken and "the column “Victim DOB”" in told.refusal
    assert told.sentences()[0].startswith("This would be refused: ")
    assert told.to_json()["taken"] is False


def test_two_files_of_one_month_are_refused(services: Services, tmp_path: Path) -> None:
    files = [street_csv(tmp_path / f"2023-05-{n}.csv", street_row(f"x{n}")) for n in (1, 2)]
    assert "both hold the same month" in checked(services, *files).refusal


def test_a_question_that_is_wrong_itself_is_refused(services: Services, file: Path) -> None:
    with pytest.raises(SafeStatsError, match="There is no dataset"):
        checked(services, street_csv(file, street_row("a")), dataset="nobody")
    with pytest.raises(SafeStatsError, match="may be a file of btp or colp or mps"):
        dataset_of(services, SourceFile.read(street_csv(file, street_row("a"))))
    with pytest.raises(SafeStatsError, match="No file was named"):
        check(services, "colp", [])


def _digests(folder: Path) -> dict[str, str]:
    """Of every file of the server, what waits beside its databases written into them."""
    for path in folder.glob("*.sqlite"):
        with closing(sqlite3.connect(path)) as database:
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.endswith(("-wal", "-shm"))
    }


def _command(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "safestats.sync_server.cli", "check", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=250, check=False)


def test_the_command_ends_with_1_where_a_file_would_be_refused_and_changes_no_byte(
    services: Services, file: Path, tmp_path: Path
) -> None:
    asked = environment(services.settings)
    street_csv(file, street_row("a"))
    _command(asked, str(file), "--dataset", "colp")  # whatever ends a server's work seals what was audited until then
    before = _digests(services.settings.data_dir)
    good = _command(asked, str(file), "--dataset", "colp")
    assert (good.returncode, good.stderr) == (0, "")
    assert "1 row of 1 of 2023-05" in good.stdout and "nothing was changed" in good.stdout
    names = street_csv(tmp_path / "names.csv", street_row("a") + "x", header=STREET_HEADER.replace("Context", "Name"))
    refused = _command(asked, str(names), "--dataset", "colp")
    assert refused.returncode == 1 and "the column “Name”" in refused.stdout
    assert _digests(services.settings.data_dir) == before


@pytest.mark.skipif(ON_POSTGIS, reason="the throw-away server is an embedded one")
def test_a_supplier_needs_no_server(file: Path, tmp_path: Path) -> None:
    street_csv(file, street_row("a"))
    asked = environment(empty_database(tmp_path / "nowhere"))
    ran = _command(asked, str(file), "--dataset", "colp")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert not (tmp_path / "nowhere").exists()
