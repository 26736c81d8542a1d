"""The hospitals' synthetic workbooks: the same every time, labelled, messy as documented, with the truth apart."""

from __future__ import annotations

import csv
import hashlib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from safestats.sync_server.ingest.source import SourceFile
from safestats.sync_server.ingest.tables import read_tables
from safestats.sync_server.sample.city import build_city
from safestats.sync_server.sample.hospital_styles import STYLES
from safestats.sync_server.sample.hospitals import TRUTH_HEADER, make_hospitals, write_correction, write_identifying
from safestats.sync_server.settings import Settings

pytestmark = pytest.mark.engineless

RESOURCES = Settings().resources_dir
MONTHS = (1, 2, 3)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hospitals")
    make_hospitals(folder, RESOURCES, 2025, MONTHS, rows_a_month=30)
    return folder


def truth_of(made: Path, code: str, period: str) -> list[dict[str, str]]:
    return csv_rows(made / "truth" / "istv" / code / f"synthetic-{code}-{period}.csv")


def csv_rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_twenty_eight_hospitals_each_with_habits_of_its_own() -> None:
    assert len(STYLES) == 28 == len({style.code for style in STYLES}) == len({style.note for style in STYLES})
    # What is sent differs by more than the name.
    habits = [{**vars(style), "code": "", "name": "", "postcode": "", "note": ""} for style in STYLES]
    assert all(habits.count(habit) == 1 for habit in habits)


def test_the_hospitals_are_those_of_the_register() -> None:
    with (RESOURCES / "hospitals" / "hospitals.csv").open(encoding="utf-8", newline="") as file:
        register = {row["code"]: row for row in csv.DictReader(file)}
    assert {style.code for style in STYLES} == set(register)
    assert {style.code: style.postcode for style in STYLES} == {code: row["postcode"] for code, row in register.items()}
    assert {style.name for style in STYLES} == {row["name"].replace("’", "'") for row in register.values()}


def test_every_return_is_there_labelled_and_its_truth_apart(made: Path) -> None:
    files = sorted((made / "istv").rglob("*.*"))
    assert len(files) == 28 * len(MONTHS) and all(path.name.startswith("synthetic-") for path in files)
    kinds = Counter(path.suffix for path in files)
    assert kinds == {".xlsx": 24 * 3, ".csv": 3 * 3, ".json": 3}
    truths = sorted((made / "truth").rglob("*.csv"))
    assert {path.stem for path in truths} == {path.stem for path in files}
    assert not list((made / "istv").rglob("*truth*"))


def test_every_row_of_the_truth_stands_where_it_says(made: Path) -> None:
    for style in STYLES:
        path = next((made / "istv" / style.code).glob("*-2025-03.*"))
        tables = read_tables(SourceFile.read(path), header_row=2 if style.grouped else 0)
        cells = {
            (table.sheet, line): row
            for table in tables
            for line, row in zip(table.lines, table.rows, strict=True)
            if table.sheet != "Notes"
        }
        truth = truth_of(made, style.code, "2025-03")
        places = {(row["sheet"], int(row["line"])): row for row in truth}
        assert len(places) == len(truth) and tuple(truth[0]) == TRUTH_HEADER
        assert places.keys() <= cells.keys() and len(cells) - len(places) == (2 if style.footer else 0)
        for at, row in places.items():
            told = row["text"].upper() if style.upper else row["text"]
            assert told == "" or told in cells[at], (path.name, at)


def test_the_words_allow_most_dates_and_places(made: Path) -> None:
    rows = [row for style in STYLES for row in truth_of(made, style.code, "2025-03")]
    assert len(rows) > 700
    assert 0.95 < sum(bool(row["occurred_on"]) for row in rows) / len(rows) < 1
    assert sum(bool(row["occurred_time"]) for row in rows) < sum(bool(row["occurred_on"]) for row in rows)
    assert all(row["arrived_on"] and row["arrived_time"] for row in rows)
    levels = Counter(row["level"] for row in rows)
    every = {"postcode", "street", "venue", "station", "park", "sector", "town", "borough", "home", "none"}
    assert set(levels) == every and levels["postcode"] > 150 and levels["street"] > 100
    for row in rows:
        assert bool(row["easting"]) == (row["level"] in ("postcode", "station", "street", "venue", "park"))
        assert (row["level"] == "home") == (row["location_type"] == "home")
    # A patient of the Royal London was hurt elsewhere, as the domain has it.
    london = {row["borough_code"] for row in truth_of(made, "R1H12", "2025-03")} - {""}
    assert len(london) > 5


def test_a_seed_makes_the_same_bytes(made: Path, tmp_path: Path) -> None:
    make_hospitals(tmp_path, RESOURCES, 2025, (1, 2), rows_a_month=30)
    for path in sorted((tmp_path / "istv").rglob("*.*")):
        same = made / path.relative_to(tmp_path)
        assert hashlib.sha256(path.read_bytes()).digest() == hashlib.sha256(same.read_bytes()).digest(), path.name


def test_a_corrected_month_differs_by_what_it_says(made: Path, tmp_path: Path) -> None:
    city = build_city(RESOURCES, np.random.default_rng(1))
    path = write_correction(tmp_path, tmp_path / "truth", city, RESOURCES, 2025, 3, 1, 30)
    assert path.name == "synthetic-RJ611-2025-03-corrected.xlsx"
    known = ("arrived_on", "arrived_time", "occurred_on", "occurred_time", "method", "location_type", "text", "level")
    first = Counter(tuple(row[name] for name in known) for row in truth_of(made, "RJ611", "2025-03"))
    second = Counter(
        tuple(row[name] for name in known) for row in csv_rows(tmp_path / "truth" / "RJ611" / f"{path.stem}.csv")
    )
    assert (first - second).total() == 3 and (second - first).total() == 4


def test_the_workbook_that_must_be_stopped_bears_no_real_persons_data(tmp_path: Path) -> None:
    (table,) = read_tables(SourceFile.read(write_identifying(tmp_path, 2025, 3)))
    assert {"Patient Postcode", "DOB", "NHS Number"} <= set(table.header)
    # The postcode of no fixed abode, and a number of the range kept for tests.
    assert {row[4] for row in table.rows} == {"ZZ99 3VZ"} and {row[6][:3] for row in table.rows} == {"999"}
