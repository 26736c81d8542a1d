"""Years in the life of a local copy: what arrives month by month, is corrected, taken back, granted and withdrawn.

After every step the copy that was updated all along is, row for row, what somebody gets who pulls for the first time.
"""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from safestats.qgis_plugin.core.errors import AgreementRefused
from safestats.qgis_plugin.core.local_store import LocalStore
from safestats.qgis_plugin.core.pull import PullKind, PullResult, pull_layer
from safestats.tests.commands import SUPPLIERS_TERMS, agreement, ended, organisation
from safestats.tests.end_to_end.rig import DATASETS, REAL, ROOT, Analyst, LiveServer, ServerFolder, loading, thinned
from safestats.tests.end_to_end.soundness import faults_of, row_digests, rows_digest

FIGURES = ROOT / "build" / "faults"
EVERYTHING = "--areas london,unplaced,outside --fields core,area,location,place --precision point"
REAL_MONTHS = {
    "mps": "police_met_wards_api/*.zip",
    "colp": "police_city_of_london/*.csv",
    "btp": "police_btp/*.csv",
    "lfb": "lfb/*-lfb-incidents.csv",
    "rnli": "rnli/*-launches.csv",
}


class Office:
    """A server, and an analyst of the GLA whose copy of one dataset is pulled again after each step.

    ``settings``: further ones of the server's, by the names of the environment.
    """

    def __init__(self, folder: Path, dataset: str, grant: str = EVERYTHING, **settings: str) -> None:
        self.dataset = dataset
        self._folder = folder
        self.server = LiveServer(ServerFolder(folder / "server"))
        self.server.folder.initialise(
            SUPPLIERS_TERMS,
            organisation("gla", "Greater London Authority"),
            "user add ann --org gla --password-stdin",
            *agreement("DSA-1", "gla", dataset, grant),
        )
        self.server.folder.settings.update(settings)
        self.server.start()
        self.analyst = Analyst(folder, self.server.url, "ann").begin()
        self._rows: dict[int, bytes] = {}
        self._shape: tuple = ()
        self.steps: list[dict] = []

    def agree(self, reference: str, grant: str) -> None:
        """Put an agreement in force."""
        self.server.folder.run(*agreement(reference, "gla", self.dataset, grant))

    def bring(self, *files: Path) -> PullResult:
        """Load and publish, and pull."""
        self.server.folder.run(loading(self.dataset, files), f"publish {self.dataset}")
        return self.pull()

    def pull(self) -> PullResult:
        """Update the copy, and hold it and what it tells of the changes against a first pull and the copy before."""
        begun = time.monotonic()
        copies = self.analyst.desk.copies
        result = pull_layer(self.analyst.desk.transport, copies, self.dataset, lambda *_: None, lambda: False)
        copies.discard_superseded(self.dataset)
        seconds = time.monotonic() - begun
        fresh = LocalStore(self._folder / "fresh").account(self.server.url, "ann")
        whole = pull_layer(self.analyst.desk.transport, fresh, self.dataset, lambda *_: None, lambda: False)
        assert rows_digest(result.copy.path) == rows_digest(whole.copy.path)
        assert faults_of(result.copy.path) == []
        shutil.rmtree(self._folder / "fresh")

        rows, shape = row_digests(result.copy.path), result.copy.manifest.columns
        if self._rows and result.kind is not PullKind.UNCHANGED and shape == self._shape:
            changes = result.copy.changes
            assert changes is not None
            both = rows.keys() & self._rows.keys()
            found = (len(rows.keys() - both), sum(rows[fid] != self._rows[fid] for fid in both))
            gone = len(self._rows.keys() - both)
            assert (changes.added, changes.changed, changes.withdrawn) == (*found, gone)
            assert changes.added - changes.withdrawn == len(rows) - len(self._rows)
        elif result.kind is PullKind.UNCHANGED:
            assert rows == self._rows
        self._rows, self._shape = rows, shape
        self.steps.append({"rows": len(rows), "kind": result.kind.value, "seconds": round(seconds, 2)})
        return result

    def close(self) -> None:
        """Go home."""
        self.analyst.leave()
        self.server.stop()


@pytest.fixture
def office(qgis_app, tmp_path: Path) -> Iterator:
    """Opens offices; they close at the end."""
    offices: list[Office] = []

    def open_(dataset: str) -> Office:
        folder = tmp_path / dataset
        folder.mkdir()
        offices.append(Office(folder, dataset))
        return offices[-1]

    yield open_
    for each in offices:
        each.close()


def real(pattern: str) -> list[Path]:
    """The real files of a pattern, in the order of their names; skips where there are none."""
    found = sorted(REAL.glob(pattern))
    if not found:
        pytest.skip(f"the real files are not in {REAL}: {pattern} is missing")
    return found


def test_months_corrections_and_a_rollback_of_a_sample(office, sample: Path, tmp_path: Path) -> None:
    city = office("colp")
    months = sorted((sample / "colp").iterdir())
    assert city.bring(*months[:2]).kind is PullKind.WHOLE
    first = rows_digest(city.bring(months[2]).copy.path)
    thin = thinned(months[1], tmp_path / "changed")
    corrected = city.bring(thin)
    assert corrected.copy.changes.withdrawn > 0 and rows_digest(corrected.copy.path) != first

    city.server.folder.run("rollback colp")
    back = city.pull()
    assert rows_digest(back.copy.path) == first
    assert back.copy.manifest.release > corrected.copy.manifest.release
    assert back.copy.changes.added == corrected.copy.changes.withdrawn


def test_agreements_that_become_narrower_wider_and_end(office, sample: Path) -> None:
    city = office("colp")
    city.bring(*sorted((sample / "colp").iterdir())[:3])
    rights(city)


def test_a_definition_that_changes_its_meaning_makes_everybody_pull_anew(office, sample: Path, tmp_path: Path) -> None:
    rail = office("btp")
    former = rail.bring(*sorted((sample / "btp").iterdir())[:2]).copy
    resources = tmp_path / "resources"
    shutil.copytree(ROOT / "resources", resources)
    definition = resources / "datasets" / "btp.toml"
    text = definition.read_text(encoding="utf-8")
    version = former.manifest.definition_version
    definition.write_text(text.replace(f"version = {version}", f"version = {version + 1}"), encoding="utf-8")
    assert definition.read_text(encoding="utf-8") != text

    rail.server.stop()
    rail.server.folder.settings["SAFESTATS_RESOURCES_DIR"] = str(resources)
    rail.server.start()
    rail.server.folder.run("init", "publish btp")
    result = rail.pull()
    assert result.kind is not PullKind.UNCHANGED
    assert result.copy.manifest.definition_version == version + 1
    assert {month.name for month in result.copy.manifest.slices}.isdisjoint(m.name for m in former.manifest.slices)


def rights(city: Office) -> None:
    """Another agreement shows fewer rows and columns, a third more again, and the last one ends."""
    all_ = city.pull().copy
    for number, (former, grant) in enumerate(
        (
            ("DSA-1", "--areas E09000001 --fields core,area --precision area"),
            ("DSA-N0", "--areas E09000001 --edge-km 1 --fields core,area,location --precision grid --grid-m 250"),
            ("DSA-N1", EVERYTHING),
        )
    ):
        city.server.folder.run(ended(former))
        with pytest.raises(AgreementRefused, match="ended"):
            city.pull()
        city.agree(f"DSA-N{number}", grant)
        city.server.folder.run(f"publish {city.dataset}")
        result = city.pull()
        assert result.copy.manifest.fingerprint != all_.manifest.fingerprint or number == 2
    assert rows_digest(result.copy.path) == rows_digest_of(all_, city)
    city.server.folder.run(ended("DSA-N2"))
    with pytest.raises(AgreementRefused, match="ended"):
        city.pull()
    assert rows_digest(city.analyst.desk.copies.copy(city.dataset).path) == rows_digest(result.copy.path)


def rows_digest_of(former, city: Office) -> str:
    """That of a copy whose file may be gone by now: of the one that now holds the same slices."""
    copy = city.analyst.desk.copies.copy(city.dataset)
    assert {s.name for s in copy.manifest.slices} == {s.name for s in former.manifest.slices}
    return rows_digest(copy.path)


@pytest.mark.slow
@pytest.mark.timeout(1500)
@pytest.mark.parametrize("dataset", DATASETS)
def test_every_real_month_as_it_arrives(office, dataset: str) -> None:
    files = real(REAL_MONTHS[dataset])
    desk = office(dataset)
    begun = time.monotonic()
    seen: set[str] = set()
    for file in files:
        result = desk.bring(file)
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        if digest in seen:  # the same file under another name
            assert result.kind is PullKind.UNCHANGED
        seen.add(digest)
    again = desk.bring(files[-1])
    assert again.kind is PullKind.UNCHANGED
    FIGURES.mkdir(parents=True, exist_ok=True)
    figures = {"seconds": round(time.monotonic() - begun), "steps": desk.steps}
    (FIGURES / f"months-{dataset}.json").write_text(json.dumps(figures, indent=1), encoding="utf-8")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_citys_earlier_revision_and_then_the_later_one(office) -> None:
    earlier = real("police_city_of_london/earlier_revision/*.csv")
    later = [REAL / "police_city_of_london" / path.name for path in earlier]
    city = office("colp")
    before = city.bring(*earlier).copy
    kept = rows_digest(before.path)
    for old, new in zip(earlier, later):
        gone, come = apart(old, new)
        result = city.bring(new)
        if not gone and not come:
            assert result.kind is PullKind.UNCHANGED
            continue
        changes = result.copy.changes
        assert changes.added + changes.changed == sum(come.values())
        assert changes.withdrawn + changes.changed == sum(gone.values())
    last = city.pull().copy
    city.server.folder.run(f"rollback colp --to {before.manifest.release}")
    assert rows_digest(city.pull().copy.path) == kept
    city.server.folder.run(f"rollback colp --to {last.manifest.release}")
    city.pull()
    rights(city)


def apart(old: Path, new: Path) -> tuple[Counter, Counter]:
    """Rows that only the old, and that only the new file has, outcomes left out."""
    both = []
    for path in (old, new):
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = [{**row, "Last outcome category": ""} for row in csv.DictReader(file)]
        both.append(Counter(tuple(row.values()) for row in rows))
    return both[0] - both[1], both[1] - both[0]
