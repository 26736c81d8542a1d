"""The hospitals' synthetic workbooks: the same every time, labelled, messy as documented, with the truth apart."""

from __future__ import annotations

import csv
import hashlib
from collections import Counter
from pathlib import Path

import pytest
from safestats.sync_server.ingest.source import SourceFile
from safestats.sync_server.ingest.tables import read_tables
from safestats.sync_server.sample.hospital_styles import STYLES
from safestats.sync_server.sample.hospitals import TRUTH_HEADER, make_hospitals
from safestats.sync_server.settings import Settings

RESOURCES = Settings().resources_dir
MONTHS = (1, 2, 3)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hospitals")
    make_hospitals(folder, RESOURCES, 2025, MONTHS, rows_a_month=30)
    return folder


def truth_of(made: Path, code: str, period: str) -> list[dict[str, str]]:
    with (made / "truth" / "istv" / code / f"synthetic-{code}-{period}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_twenty_eight_hospitals_each_with_habits_of_its_own() -> None:
    assert len(STYLES) == 28 == len({style.code for style in STYLES}) == len({style.note for style in STYLES})
    # What is sent differs by more than the name.
    habits = [{**vars(style), "code": "", "name": "", "postcode": "", "note": ""} for style in STYLES]
    assert all(habits.count(habit) == 1 for habit in habits)


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
    assert set(levels) >= {"postcode", "sector", "borough", "home", "none"} and levels["postcode"] > 250
    for row in rows:
        assert bool(row["easting"]) == (row["level"] in ("postcode", "station", "street", "venue", "junction", "park"))
        assert (row["level"] == "home") == (row["location_type"] == "home")
    # A patient of the Royal London was hurt elsewhere, as the domain has it.
    london = {row["borough_code"] for row in truth_of(made, "R1H12", "2025-03")} - {""}
    assert len(london) > 5


def test_a_seed_makes_the_same_bytes(made: Path, tmp_path: Path) -> None:
    make_hospitals(tmp_path, RESOURCES, 2025, (1, 2), rows_a_month=30)
    for path in sorted((tmp_path / "istv").rglob("*.*")):
        same = made / path.relative_to(tmp_path)
        assert hashlib.sha256(path.read_bytes()).digest() == hashlib.sha256(same.read_bytes()).digest(), path.name
