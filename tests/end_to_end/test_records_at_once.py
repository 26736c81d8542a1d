"""What is published as it happens: a record reaches an analyst within a minute, and costs its day alone."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest
from safestats.qgis_plugin.core.pull import PullKind
from safestats.tests.end_to_end.conftest import today
from safestats.tests.end_to_end.rig import ROOT
from safestats.tests.end_to_end.test_updates import Office

HEADER = (
    "IncidentNumber,DateOfCall,TimeOfCall,IncidentGroup,StopCodeDescription,SpecialServiceType,PropertyCategory,"
    "PropertyType,Easting_m,Northing_m,Easting_rounded,Northing_rounded,NumPumpsAttending"
)
OLD, OLDER = (today() - timedelta(days=back) for back in (120, 200))  # their months have long been closed


def calls(path: Path, day: date, numbers: range) -> Path:
    """A file of the fire brigade's, of calls on one day."""
    rows = [
        f"{number},{day},10:00:00,Fire,Primary Fire,,Dwelling,House,{528000 + number % 977},{184000 + number % 97},,,1"
        for number in numbers
    ]
    path.write_text("\n".join([HEADER, *rows, ""]), encoding="utf-8")
    return path


class Brigade(Office):
    """The fire brigade's dataset, published at once or by hand."""

    def __init__(self, folder: Path) -> None:
        self._resources = folder / "resources"
        shutil.copytree(ROOT / "resources", self._resources)
        self._say("at-once")
        super().__init__(folder, "lfb", SAFESTATS_RESOURCES_DIR=str(self._resources))

    def publishing(self, how: str) -> None:
        """Let the dataset's file say so."""
        self.server.stop()
        self._say(how)
        self.server.start()

    def _say(self, how: str) -> None:
        text = (ROOT / "resources" / "datasets" / "lfb.toml").read_text(encoding="utf-8")
        text = text.replace('delivery = "upserts"', f'delivery = "upserts"\npublish = "{how}"')
        (self._resources / "datasets" / "lfb.toml").write_text(text, encoding="utf-8")


@pytest.fixture
def brigade(qgis_app, tmp_path: Path) -> Iterator[Brigade]:
    opened = Brigade(tmp_path)
    yield opened
    opened.close()


def slices(result) -> dict[str, str]:
    return {one.period: one.name for one in result.copy.manifest.slices}


def test_a_record_arrives_within_a_minute_and_days_close_without_a_download(brigade: Brigade, tmp_path: Path) -> None:
    days = [today() - timedelta(days=back) for back in range(3)]
    files = [calls(tmp_path / "old.csv", OLD, range(3000)), calls(tmp_path / "older.csv", OLDER, range(5000, 5003))]
    files += [calls(tmp_path / f"{day}.csv", day, range(10_000 * n, 10_000 * n + 400)) for n, day in enumerate(days, 1)]
    first = brigade.bring(*files)
    old = [OLDER.isoformat()[:7], OLD.isoformat()[:7]]
    assert set(slices(first)) == {*old, *(day.isoformat() for day in days)}
    assert list(first.copy.manifest.snapshot.slices) == [slices(first)[month] for month in old]

    begun = time.monotonic()
    record = brigade.bring(calls(tmp_path / "record.csv", days[1], range(50_000, 50_001)))
    assert time.monotonic() - begun < 60
    assert record.kind is PullKind.UPDATED and record.copy.changes.added == 1
    changed = {period for period, name in slices(record).items() if name != slices(first).get(period)}
    assert changed == {days[1].isoformat()}
    (day,) = (one for one in record.copy.manifest.slices if one.period in changed)
    assert record.downloaded == day.size < 100_000

    # The days become months, as when a month closes: what is here already is not downloaded again.
    brigade.publishing("by-hand")
    closed = brigade.bring(calls(tmp_path / "late.csv", OLDER, range(60_000, 60_001)))
    months = {one.period: one for one in closed.copy.manifest.slices}
    assert all(len(period) == 7 for period in months)
    assert closed.downloaded == months[old[0]].size
    assert (closed.copy.changes.added, closed.copy.changes.withdrawn) == (1, 0)

    # A month is cut into days again, with one record more.
    brigade.publishing("at-once")
    cut = brigade.bring(calls(tmp_path / "more.csv", days[0], range(70_000, 70_001)))
    assert {period for period in slices(cut) if len(period) == 10} == {day.isoformat() for day in days}
    assert (cut.copy.changes.added, cut.copy.changes.withdrawn) == (1, 0)


def test_where_only_names_change_nothing_is_downloaded(brigade: Brigade, tmp_path: Path) -> None:
    day = today() - timedelta(days=1)
    other = tmp_path / "old.csv"
    brigade.bring(calls(tmp_path / "new.csv", day, range(10, 400)), calls(other, OLD, range(1000, 1003)))
    brigade.publishing("by-hand")
    # What comes and goes before it was published leaves every row as it was.
    brigade.bring(calls(other, OLD, range(2000, 2001)))
    brigade.server.folder.run("rollback lfb --to 1")
    before = brigade.analyst.desk.copies.copy("lfb")
    brigade.publishing("at-once")
    brigade.server.folder.run("rollback lfb --to 2")
    assert brigade.pull().downloaded > 0
    brigade.publishing("by-hand")
    brigade.server.folder.run("rollback lfb --to 1", "rollback lfb --to 2")
    closed = brigade.pull()
    assert closed.kind is PullKind.UNCHANGED and closed.downloaded == 0
    assert set(slices(closed)) == {day.isoformat()[:7], OLD.isoformat()[:7]}
    assert closed.copy.manifest.release > before.manifest.release
