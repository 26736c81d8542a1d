"""Twenty-eight hospitals' workbooks go in with no hand editing, and come out as their clerks meant."""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from datetime import date
from math import hypot, inf
from pathlib import Path
from typing import Any

import pytest
from safestats.sync_server.datasets.areas import AreaIndex
from safestats.sync_server.datasets.incidents import incident_table
from safestats.sync_server.errors import SafeStatsError
from safestats.sync_server.geocoding.levels import POINT_LEVELS
from safestats.sync_server.ingest.models import RejectedRow
from safestats.sync_server.ingest.service import load
from safestats.sync_server.sample.hospitals import make_hospitals
from safestats.sync_server.services import Services
from safestats.sync_server.settings import PACKAGE_ROOT
from safestats.tests.server.engines import settings_for
from safestats.tests.server.ingest_rig import open_prepared
from sqlalchemy import select

TODAY = date(2026, 1, 1)
HOSPITALS = 28
SURE = 80
Truth = dict[tuple[str, int], dict[str, str]]


@pytest.fixture(scope="module")
def returns(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A month in which everybody sends, and the one before it."""
    folder = tmp_path_factory.mktemp("returns")
    make_hospitals(folder, PACKAGE_ROOT / "resources", 2025, [3, 4], rows_a_month=25)
    return folder


@pytest.fixture
def services(tmp_path: Path) -> Services:
    settings = settings_for(tmp_path / "server")
    opened = open_prepared(settings)
    assert isinstance(opened.areas, AreaIndex)
    return opened


def truth_of(returns: Path, file: Path) -> list[dict[str, str]]:
    with (returns / "truth" / "istv" / file.parent.name / f"{file.stem}.csv").open(encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def compare_places(truth: list[dict[str, str]], held: list[Any]) -> Counter[str]:
    """How many places were meant and found, and of the sure ones were wrong.

    Rows bear no line: one is compared with those of the same days, and taken for the nearest to what was meant.
    """
    of_days: dict[tuple[str, str], list[Any]] = defaultdict(list)
    for row in held:
        of_days[str(row.arrived_on or ""), str(row.occurred_on or "")].append(row)
    told: Counter[str] = Counter()
    for meant in sorted(truth, key=lambda row: row["level"] not in POINT_LEVELS):
        rows = of_days[meant["arrived_on"], meant["occurred_on"]]
        if not rows:
            continue
        if meant["level"] not in POINT_LEVELS:
            rows.pop(next((index for index, row in enumerate(rows) if row.easting is None), 0))
            continue
        place = float(meant["easting"]), float(meant["northing"])
        row = min(rows, key=lambda row: hypot(row.easting - place[0], row.northing - place[1]) if row.easting else inf)
        rows.remove(row)
        told["meant"] += 1
        if row.easting is None:
            continue
        found = hypot(row.easting - place[0], row.northing - place[1]) <= max(250, row.precision_m)
        told["found"] += found
        told["of another borough"] += row.borough_code != meant["borough_code"]
        if row.confidence > SURE:
            told["sure"] += 1
            told["sure and wrong"] += not found
    for rows in of_days.values():
        extra = [row for row in rows if row.easting is not None and row.confidence > SURE]
        told["sure"] += len(extra)
        told["sure and wrong"] += len(extra)
    return told


def sent(returns: Path, month: str) -> list[Path]:
    return sorted((returns / "istv").glob(f"*/*-{month}.*"))


@pytest.mark.above_engines
def test_every_return_goes_in_and_says_what_was_meant(returns: Path, services: Services) -> None:
    files = sent(returns, "2025-03")
    assert len(files) == HOSPITALS
    labels = {field.name: field.codes for field in services.definitions["istv"].fields}
    right: Counter[str] = Counter()
    table = incident_table(services.definitions["istv"])
    places: Counter[str] = Counter()
    rows = 0
    for file in files:
        site = file.parent.name
        report = load(services, "istv", [file], today=TODAY, site=site)
        truth = truth_of(returns, file)
        assert report.returns == [[site, "2025-03"]] and report.synthetic
        assert report.rows_in == report.accepted + report.rejected.total() + report.duplicates
        assert report.rows_in == len(truth), file.name
        with services.database.read() as session:
            held = session.execute(select(table).where(table.c.site == site, table.c.to_release.is_(None))).all()
        assert len(held) == report.accepted
        # Rows bear no line: as many of each meaning as there should be.
        for name in ("arrived_on", "occurred_on", "occurred_time", "method", "location_type"):
            meant = Counter(
                labels[name][row[name]] if labels.get(name) and row[name] else row[name] or None for row in truth
            )
            found = Counter(None if (value := getattr(row, name)) is None else str(value) for row in held)
            right[name] += (meant & found).total()
        rows += len(truth)
        places += compare_places(truth, list(held))
    assert right["occurred_on"] >= 0.99 * rows and right["arrived_on"] >= 0.99 * rows
    assert right["method"] >= 0.97 * rows and right["location_type"] >= 0.97 * rows
    assert places["meant"] > 250 and places["found"] >= 0.95 * places["meant"], places
    assert places["sure"] > 200 and places["sure and wrong"] <= 0.01 * places["sure"], places
    assert places["of another borough"] <= 0.01 * places["meant"], places


@pytest.mark.above_engines
def test_an_assault_in_camden_treated_in_tower_hamlets_is_camdens(services: Services, tmp_path: Path) -> None:
    file = tmp_path / "synthetic-2025-03.csv"
    file.write_text(
        "Arrival Date,Arrival Time,Assault Date,Assault Time,Assault Method,Location Description\n"
        "13/03/2025,10:00,13/03/2025,09:00,fist,outside Camden Town station\n"
        "14/03/2025,10:00,14/03/2025,09:00,fist,Camden Town station then The Royal London Hospital\n"
    )
    load(services, "istv", [file], today=TODAY, site="R1H12")
    table = incident_table(services.definitions["istv"])
    with services.database.read() as session:
        held = session.execute(select(table.c.borough, table.c.geo_level).order_by(table.c.occurred_on)).all()
    assert [tuple(row) for row in held] == [("Camden", "Station")] * 2


def test_a_hospitals_delivery_replaces_that_hospitals_month_only(returns: Path, services: Services) -> None:
    one, other = (returns / "istv" / site for site in ("RJ122", "RJZ01"))
    march = next(one.glob("*-2025-03.*"))
    first = load(services, "istv", [march], today=TODAY, site="RJ122")
    load(services, "istv", [next(other.glob("*-2025-03.*"))], today=TODAY, site="RJZ01")
    april = load(services, "istv", [next(one.glob("*-2025-04.*"))], today=TODAY, site="RJ122")
    assert april.withdrawn == 0 and april.added == april.accepted
    again = load(services, "istv", [march], today=TODAY, site="RJ122")
    assert (again.added, again.changed, again.withdrawn) == (0, 0, 0) and again.unchanged == first.accepted
    # The month before once more: nothing of it changes.
    both = sorted((returns / "istv" / "R1K01").iterdir())
    load(services, "istv", [both[0]], today=TODAY, site="R1K01")
    second = load(services, "istv", [both[1]], today=TODAY, site="R1K01")
    assert second.withdrawn == 0 and second.unchanged > 0 and len(second.returns) == 2


def test_a_corrected_month_withdraws_and_adds(services: Services, tmp_path: Path) -> None:
    header = "Arrival Date,Arrival Time,Assault Date,Assault Time,Assault Method,Location Description\n"
    rows = [f"{day:02d}/03/2025,10:00,{day:02d}/03/2025,09:00,fist,Oxford Street\n" for day in range(10, 30)]
    file = tmp_path / "synthetic-2025-03.csv"
    file.write_text(header + "".join(rows))
    load(services, "istv", [file], today=TODAY, site="X")
    file.write_text(header + "".join(rows[1:]) + "30/03/2025,10:00,30/03/2025,09:00,knife,Oxford Street\n")
    report = load(services, "istv", [file], today=TODAY, site="X")
    assert (report.added, report.withdrawn, report.unchanged) == (1, 1, 19)
    # An empty return of a month that was full is a mistake until somebody says that it is none.
    file.write_text(header)
    with pytest.raises(SafeStatsError, match="lacks 20 of the 20 incidents"):
        load(services, "istv", [file], today=TODAY, site="X")
    report = load(services, "istv", [file], today=TODAY, site="X", accept_withdrawals=True)
    assert report.withdrawn == 20 and report.returns == [["X", "2025-03"]]


@pytest.mark.above_engines
@pytest.mark.parametrize("text", ["Arrival Date,Assault Date,Assault Method\nNIL RETURN,,\n", "Nil return\n"])
def test_a_row_that_says_that_there_is_nothing(services: Services, tmp_path: Path, text: str) -> None:
    file = tmp_path / "synthetic-2025-03.csv"
    file.write_text(text)
    report = load(services, "istv", [file], today=TODAY, site="X")
    assert report.rows_in == 0 and report.returns == [["X", "2025-03"]]
    assert any("a return of no incidents in 2025-03" in note for note in report.notes)


@pytest.mark.above_engines
def test_a_return_of_another_site_is_not_taken(services: Services, tmp_path: Path) -> None:
    file = tmp_path / "synthetic-2025-03.csv"
    file.write_text("Site Code,Arrival Date,Assault Date,Assault Method\nY,13/03/2025,13/03/2025,fist\n")
    assert load(services, "istv", [file], today=TODAY, site="X").rejected == {"of another site": 1}
    assert load(services, "istv", [file], today=TODAY).returns == [["Y", "2025-03"]]
    file.write_text("Arrival Date,Assault Date,Assault Method\n13/03/2025,13/03/2025,fist\n")
    with pytest.raises(SafeStatsError, match="tells which site it is of: say so with --site"):
        load(services, "istv", [file], today=TODAY)


@pytest.mark.above_engines
def test_a_column_nobody_may_have_stops_the_file_and_free_text_is_kept_nowhere(
    services: Services, tmp_path: Path
) -> None:
    file = tmp_path / "synthetic-2025-03.csv"
    header = "Arrival Date,Assault Date,Assault Method,Location Description"
    file.write_text(f"{header},NHS Number\n13/03/2025,13/03/2025,fist,x,9434765919\n")
    with pytest.raises(SafeStatsError, match="NHS Number") as raised:
        load(services, "istv", [file], today=TODAY, site="X")
    assert "9434765919" not in str(raised.value)
    file.write_text(f"{header}\n31/02/2025,13/03/2025,fist,behind the bins at Foo\n")
    assert load(services, "istv", [file], today=TODAY, site="X").rejected == {
        "a date of arrival that does not exist": 1
    }
    with services.database.read() as session:
        (kept,) = session.scalars(select(RejectedRow))
    assert kept.content == {"arrived_on": "31/02/2025", "occurred_on": "13/03/2025", "method": "fist"}
