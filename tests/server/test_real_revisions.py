"""The City's months, downloaded a year apart: outcomes are not held, any other difference changes exactly its row."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from safestats.sync_server.ingest.service import load
from safestats.sync_server.services import Services
from safestats.tests.server.ingest_rig import REAL, held, publish_now, releases
from safestats.tests.server.real_rig import csv_rows, real_server, slices, visible

EARLIER = sorted((REAL / "police_city_of_london" / "earlier_revision").glob("*.csv"))
LATER = [REAL / "police_city_of_london" / path.name for path in EARLIER]
OUTCOME = "Last outcome category"
_HELD = ("Crime ID", "Month", "Longitude", "Latitude", "Location", "LSOA code", "Crime type")

pytestmark = pytest.mark.skipif(not REAL.is_dir(), reason=f"the real files are not in {REAL}")


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    services = real_server(tmp_path / "server")
    load(services, "colp", EARLIER)
    publish_now(services, "colp")
    yield services
    services.close()


def incidents(path: Path) -> Counter[tuple[str, ...]]:
    """What is held of a file, without the doubles: one Crime ID with one content is one incident."""
    rows = Counter(tuple(row[name] for name in _HELD) for row in csv_rows(path))
    return Counter({row: 1 if row[0] else number for row, number in rows.items()})


def state(services: Services) -> tuple:
    return held(services, "colp"), releases(services, "colp"), slices(services, "colp")


def shown(services: Services, month: str) -> dict[int, tuple]:
    columns = ("fid", "category", "street", "x", "y", "lsoa_code")
    return {row[0]: row[1:] for row in visible(services, "colp", *columns, period=month)}


def test_outcomes_alone_change_nothing(services: Services, tmp_path: Path) -> None:
    """The earlier rows with the later outcomes, all six months."""
    files, changed = [], 0
    for earlier, later in zip(EARLIER, LATER, strict=True):
        since = {row["Crime ID"]: row[OUTCOME] for row in csv_rows(later)}
        rows = list(csv_rows(earlier))
        for row in rows:
            outcome = since.get(row["Crime ID"], row[OUTCOME])
            changed += outcome != row[OUTCOME]
            row[OUTCOME] = outcome
        files.append(tmp_path / earlier.name)
        with files[-1].open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows(rows)
    assert changed > 300
    before = state(services)
    report = load(services, "colp", files)
    publish_now(services, "colp")
    assert (report.release, report.unchanged) == (None, report.accepted)
    assert state(services) == before


@pytest.mark.parametrize("number", range(6))
def test_any_other_difference_changes_exactly_its_row(services: Services, number: int) -> None:
    month = EARLIER[number].name[:7]
    before, after = incidents(EARLIER[number]), incidents(LATER[number])
    gone, come = before - after, after - before
    corrected = {row[0] for row in gone} & {row[0] for row in come}
    assert gone and "" not in corrected
    assert all(number == 1 for number in (gone + come).values())
    former, kept = shown(services, month), slices(services, "colp")
    report = load(services, "colp", [LATER[number]])
    publish_now(services, "colp")
    assert report.changed == len(corrected)
    assert (report.withdrawn, report.added) == (len(gone) - len(corrected), len(come) - len(corrected))
    now = shown(services, month)
    # Row for row: the same feature ids but for incidents gone and come, other content under the corrected ones.
    differing = {fid for fid in former.keys() & now.keys() if former[fid] != now[fid]}
    assert len(differing) == len(corrected)
    assert len(former.keys() - now.keys()) == report.withdrawn and len(now.keys() - former.keys()) == report.added
    named = {row[4].removeprefix("On or near").strip() or None for row in come}
    assert {now[fid][1] for fid in differing | (now.keys() - former.keys())} == named
    # Of the slices only the month's is another one.
    assert {period for period, name in slices(services, "colp").items() if kept[period] != name} == {month}
    again = state(services)
    load(services, "colp", [LATER[number]])
    publish_now(services, "colp")
    assert state(services) == again
