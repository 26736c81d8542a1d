"""Real months of the Met's and of the fire brigade, moved in by a plan; the old counts are made with json and csv."""

from __future__ import annotations

import csv
import json
import zipfile
from collections import Counter
from pathlib import Path

import pytest
from safestats.sync_server.audit.log import COMMAND_LINE
from safestats.sync_server.migration.comparing import Verdict, compare
from safestats.sync_server.services import open_services
from safestats.sync_server.settings import Part
from safestats.tests.server.ingest_rig import REAL
from safestats.tests.server.migrate_rig import Exports, empty_server

# Made above the database: one engine will do in every commit, the other is for `make test-slow`.
pytestmark = pytest.mark.above_engines

MET = [REAL / "police_met_wards_api" / f"2017-{month:02d}.zip" for month in (1, 2, 3)]
FIRE = [REAL / "lfb" / f"2017-{month:02d}-lfb-incidents.csv" for month in (1, 2, 3)]
PLAN = """[plan]
name = "real"
publish = "no"
[[load]]
dataset = "mps"
files = ["met/*.zip"]
[[load]]
dataset = "lfb"
files = ["lfb/*.csv"]
[compare]
old_counts = "counts.csv"
old_counts_include = []
"""


def met_counts(path: Path) -> Counter[tuple[str, str]]:
    """The force's own ids of each month, each once, however many wards' answers hold it."""
    with zipfile.ZipFile(path) as archive:
        entries = [entry for name in archive.namelist() for entry in json.loads(archive.read(name) or b"[]")]
    own = {(entry["month"], entry["id"]) for entry in entries if entry["location_type"] == "Force"}
    return Counter(("mps", month) for month, _ in own)


def fire_counts(paths: list[Path]) -> Counter[tuple[str, str]]:
    """Incident numbers by the month of the call."""
    months: dict[str, str] = {}
    for path in paths:
        with path.open(encoding="utf-8-sig", newline="") as file:
            for row in csv.DictReader(file):
                day = row["date_of_call"]
                months[row["incident_number"]] = f"{day[6:10]}-{day[3:5]}" if "/" in day else day[:7]
    return Counter(("lfb", month) for month in months.values())


@pytest.mark.skipif(not all(path.exists() for path in (*MET, *FIRE)), reason="the real data are not on this machine")
@pytest.mark.parametrize("months", [1, pytest.param(3, marks=pytest.mark.slow)])
def test_real_months_are_moved_in_and_counts_are_those_of_a_few_lines(tmp_path: Path, months: int) -> None:
    met_files, fire_files = MET[:months], FIRE[:months]
    exports = Exports(tmp_path / "exports")
    for folder, paths in (("met", met_files), ("lfb", fire_files)):
        (exports.folder / folder).mkdir(parents=True)
        for path in paths:
            (exports.folder / folder / path.name).symlink_to(path)
    counts = sum((met_counts(path) for path in met_files), fire_counts(fire_files))
    lines = [f"{dataset},{month},all,{count}" for (dataset, month), count in sorted(counts.items())]
    exports.write("counts.csv", "\n".join(["dataset,month,borough,count", *lines]) + "\n")
    exports.write("plan.toml", PLAN)
    services = open_services(empty_server(tmp_path / "server"), Part.PUBLISHER)
    outcome, told = exports.run(services)
    assert (outcome.set_aside, outcome.files) == (0, 2 * months), str(told)
    compared = compare(services, COMMAND_LINE, exports.plan)
    services.close()
    assert {(month.dataset, month.month) for month in compared.months} == set(counts)
    assert {month.verdict for month in compared.months} == {Verdict.SAME}, [
        (month.month, month.old, month.new, month.left_out) for month in compared.months
    ]
    met = [month for month in compared.months if month.dataset == "mps"]
    # A border's double is a duplicate, a railway's row is left: each is told, none is taken off the counts.
    assert all(month.left_out.duplicates > 1000 for month in met)
    assert sum(month.left_out.left for month in met) > 1000
