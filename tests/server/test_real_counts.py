"""Real files: what the loader counts must be what a few lines with csv, json and zipfile count."""

from __future__ import annotations

import csv
import hashlib
import json
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from safestats.sync_server.datasets.areas import load_supplied_areas
from safestats.sync_server.ingest.service import load
from safestats.sync_server.schema import create_schema
from safestats.sync_server.services import Services, open_services
from safestats.sync_server.settings import Part
from safestats.tests.server.engines import settings_for
from safestats.tests.server.ingest_rig import REAL, held

pytestmark = pytest.mark.skipif(not REAL.is_dir(), reason=f"the real files are not in {REAL}")


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    services = open_services(settings_for(tmp_path / "server"), Part.PUBLISHER)
    create_schema(services.database)
    with services.database.write() as session:
        load_supplied_areas(session, services.settings.resources_dir / "boundaries" / "london-lsoa-2011.gpkg")
    yield services
    services.close()


def rows_of(paths: list[Path]) -> Iterator[dict[str, str]]:
    """Rows of CSV files, each content once."""
    seen = set()
    for path in paths:
        digest = hashlib.sha256(path.read_bytes()).digest()
        if digest not in seen:
            seen.add(digest)
            with path.open(encoding="utf-8-sig", newline="") as file:
                yield from csv.DictReader(file)


def api_rows(paths: list[Path]) -> Iterator[dict]:
    for path in paths:
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                yield from json.loads(archive.read(name) or b"[]")


def check_met(services: Services, paths: list[Path]) -> None:
    rows = list(api_rows(paths))
    own = {row["id"]: row["category"] for row in rows if row["location_type"] == "Force"}
    rail = sum(1 for row in rows if row["location_type"] == "BTP")
    report = load(services, "mps", paths)
    assert report.rows_in == len(rows)
    assert report.left == {"btp": rail}
    assert report.accepted == len(own)
    assert report.duplicates == len(rows) - rail - len(own)
    assert report.rejected == {}
    by_category = Counter(row.category for row in held(services, "mps"))
    labels = services.definitions["mps"].field("category").codes
    assert by_category == Counter(labels[category] for category in own.values())


def test_a_month_of_the_met(services: Services) -> None:
    check_met(services, [REAL / "police_met_wards_api" / "2017-03.zip"])


@pytest.mark.slow
def test_a_year_of_the_met(services: Services) -> None:
    paths = sorted((REAL / "police_met_wards_api").glob("*.zip"))
    check_met(services, paths)
    again = load(services, "mps", paths)
    assert again.release is None and again.unchanged == 754_765


def test_the_city(services: Services) -> None:
    paths = sorted((REAL / "police_city_of_london").glob("*.csv"))
    rows = list(rows_of(paths))
    likeness = ("Crime ID", "Month", "Crime type", "Location", "Longitude", "Latitude")
    named = {tuple(row[name] for name in likeness) for row in rows if row["Crime ID"]}
    nameless = sum(1 for row in rows if not row["Crime ID"])
    report = load(services, "colp", paths)
    assert report.rows_in == len(rows)
    assert report.accepted == len(named) + nameless
    assert report.duplicates == len(rows) - len(named) - nameless
    # Of the accepted ones: a double without a place is no second unplaced incident.
    lost = {key for key in named if not key[4]}
    assert report.areas["unplaced"] == len(lost) + sum(1 for r in rows if not r["Crime ID"] and not r["Longitude"])
    assert load(services, "colp", paths).release is None


def test_an_earlier_revision_of_the_city_differs_in_few_rows(services: Services) -> None:
    """Outcomes, which is what changed most between the revisions, are not held."""
    earlier = sorted((REAL / "police_city_of_london" / "earlier_revision").glob("*.csv"))
    now = [REAL / "police_city_of_london" / path.name for path in earlier]
    first = load(services, "colp", earlier)
    second = load(services, "colp", now)
    assert second.unchanged + second.changed + second.added == second.accepted
    assert second.unchanged / first.accepted > 0.99


def test_the_railways_lose_no_incident_of_london(services: Services) -> None:
    paths = sorted((REAL / "police_btp").glob("*.csv"))
    rows = list(rows_of(paths))
    known = services.areas.lsoas
    report = load(services, "btp", paths)
    assert report.rows_in == len(rows) == 42_292
    assert report.duplicates == 0 and set(report.rejected) == {"outside London"}
    assert report.accepted + report.rejected["outside London"] == len(rows)
    assert report.areas["code"] == sum(1 for row in rows if row["LSOA code"] in known)
    # The generous box round London holds every accepted row; a small one inside it holds no rejected one.
    wide = sum(1 for r in rows if -0.52 < float(r["Longitude"]) < 0.34 and 51.28 < float(r["Latitude"]) < 51.70)
    inner = sum(1 for r in rows if -0.25 < float(r["Longitude"]) < 0.05 and 51.42 < float(r["Latitude"]) < 51.60)
    assert inner <= report.accepted <= wide
    assert any("taken once" in note for note in report.notes)


def test_the_fire_brigade(services: Services) -> None:
    paths = [*sorted((REAL / "lfb").glob("2017-*.csv")), REAL / "lfb" / "LFB Incident data.csv"]
    rows = list(rows_of(paths))
    report = load(services, "lfb", paths)
    assert (report.rows_in, report.accepted) == (len(rows), len(rows))
    incidents = held(services, "lfb")
    exact = sum(1 for row in rows if row.get("easting_m") or row.get("Easting_m"))
    assert sum(1 for row in incidents if row.location_method == "exact") == exact
    hours = Counter(int(row.get("hour_of_call") or row["HourOfCall"]) for row in rows)
    assert Counter(row.hour for row in incidents) == hours
    outside = sum(1 for row in rows if (row.get("frs") or row.get("FRS")) == "OverTheBorder")
    assert abs(report.areas["outside"] - outside) <= 2
    assert report.unmapped == {}
