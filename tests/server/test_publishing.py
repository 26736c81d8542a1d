"""Publishing: what is built, what is shared and reused, and what stays when something fails."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest
from safestats.sync_server.agreements.models import AgreementState
from safestats.sync_server.agreements.scope import live_scopes
from safestats.sync_server.errors import SafeStatsError
from safestats.sync_server.instants import now
from safestats.sync_server.publishing.models import Artefact, LayerSlice, Release
from safestats.sync_server.publishing.service import build_missing, publish
from safestats.sync_server.publishing.status import dataset_statuses
from safestats.sync_server.sync.layer import Layer, LayerPreparing, published_layer
from safestats.tests.server.sync_rig import CAMDEN, CITY, DATASET, Incident, Rig, incidents, open_geopackage
from sqlalchemy import select

GLA = {"areas": (CAMDEN, CITY, "unplaced")}
CAMDEN_ONLY = {"areas": (CAMDEN,), "groups": "core area", "precision": "area"}


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    made = Rig.make(tmp_path / "server")
    for code in ("camden", "city", "gla", "tfl"):
        made.organisation(code)
    return made


def visible_release(rig: Rig) -> int:
    with rig.services.database.read() as session:
        releases = session.scalars(select(Release).where(Release.dataset == DATASET))
        return max((release.number for release in releases if release.state == "published"), default=0)


def artefacts(rig: Rig) -> dict[str, Artefact]:
    with rig.services.database.read() as session:
        return {artefact.name: artefact for artefact in session.scalars(select(Artefact))}


def test_nothing_loaded_nothing_published(rig: Rig) -> None:
    report = publish(rig.services, DATASET)
    assert (report.release, report.published) == (0, False)
    assert rig.store.names() == set()


def test_an_unknown_dataset_is_named(rig: Rig) -> None:
    with pytest.raises(SafeStatsError, match="no dataset “trams”.*mps"):
        publish(rig.services, "trams")


def test_a_staged_release_becomes_visible_with_its_files(rig: Rig) -> None:
    rig.agree("gla", GLA)
    rig.stage(*incidents())
    assert visible_release(rig) == 0
    steps: list[tuple[int, int]] = []
    report = publish(rig.services, DATASET, lambda _step, done, total: steps.append((done, total)))
    assert (report.release, report.published, report.rows, report.layers) == (1, True, 11, 1)
    assert (report.slices_built, report.snapshots_built) == (3, 1)  # two months and the undated rows
    assert visible_release(rig) == 1
    assert rig.store.names() == set(artefacts(rig))
    assert (3, 3) in steps and (1, 1) in steps  # the months, then the whole layer
    again = publish(rig.services, DATASET)
    assert (again.release, again.published, again.slices_built, again.snapshots_built) == (1, False, 0, 0)


def test_published_files_are_the_servers_own(rig: Rig) -> None:
    rig.agree("gla", GLA)
    rig.stage(*incidents())
    publish(rig.services, DATASET)
    assert rig.store.folder.stat().st_mode & 0o077 == 0
    assert {rig.store.path(name).stat().st_mode & 0o777 for name in rig.store.names()} == {0o600}


def test_equal_rights_share_their_files(rig: Rig) -> None:
    rig.agree("gla", GLA)
    rig.stage(*incidents())
    publish(rig.services, DATASET)
    before = artefacts(rig)
    rig.agree("tfl", GLA)
    report = build_missing(rig.services, DATASET)
    assert (report.layers, report.slices_built, report.snapshots_built) == (1, 0, 0)
    assert set(artefacts(rig)) == set(before)


def test_the_same_rows_have_the_same_names_and_bytes_anywhere(rig: Rig, tmp_path: Path) -> None:
    rig.agree("gla", GLA)
    rig.stage(*incidents())
    publish(rig.services, DATASET)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "keys.json").write_bytes(rig.services.settings.keys_path.read_bytes())
    other = Rig.make(elsewhere)
    other.organisation("gla")
    other.agree("gla", GLA)
    other.stage(*reversed(incidents()))  # the order of loading is no matter
    publish(other.services, DATASET)
    names = rig.store.names()
    assert names == other.store.names()
    assert all(rig.store.path(name).read_bytes() == other.store.path(name).read_bytes() for name in names)


def test_only_months_that_changed_get_new_files(rig: Rig) -> None:
    rig.agree("gla", GLA)
    rig.agree("camden", CAMDEN_ONLY)
    rig.stage(*incidents())
    publish(rig.services, DATASET)
    before = {name: rig.store.path(name).stat().st_ino for name in rig.store.names()}
    rig.stage(Incident(20, CITY, "2025-02"), withdrawn=(7,))
    report = publish(rig.services, DATASET)
    # The GLA's February and its snapshot are new; Camden's rows of February are as they were.
    assert (report.release, report.slices_built, report.snapshots_built) == (2, 1, 1)
    assert report.slices_reused == 5
    new = rig.store.names() - set(before)
    assert sorted(artefacts(rig)[name].kind for name in new) == ["slice", "snapshot"]
    assert all(rig.store.path(name).stat().st_ino == inode for name, inode in before.items())


def test_a_new_month_keeps_the_old_ones(rig: Rig) -> None:
    rig.agree("gla", GLA)
    rig.stage(*incidents())
    publish(rig.services, DATASET)
    rig.stage(Incident(21, CAMDEN, "2025-03"))
    report = publish(rig.services, DATASET)
    assert (report.slices_built, report.slices_reused, report.snapshots_built) == (1, 3, 1)


def test_a_new_agreement_gets_its_files_and_nothing_staged_shows(rig: Rig, tmp_path: Path) -> None:
    rig.agree("gla", GLA)
    rig.stage(*incidents())
    publish(rig.services, DATASET)
    rig.stage(Incident(30, CAMDEN, "2025-02"))
    before = set(artefacts(rig))
    rig.agree("camden", CAMDEN_ONLY)
    report = build_missing(rig.services, DATASET)
    assert (report.release, report.published, report.slices_built, report.snapshots_built) == (1, False, 3, 1)
    assert visible_release(rig) == 1
    new = [a for a in artefacts(rig).values() if a.name not in before and a.kind == "snapshot"]
    packed = rig.store.path(new[0].name).read_bytes()
    expected = len([i for i in incidents() if i.borough == CAMDEN])
    rows = open_geopackage(packed, tmp_path).execute("SELECT count(*) FROM mps").fetchone()
    assert rows == (expected,)


def test_an_agreement_signed_while_files_are_built_gets_its_own(rig: Rig) -> None:
    rig.agree("gla", GLA)
    rig.stage(*incidents())
    signed = []

    def sign(_step: str, _done: int, _total: int) -> None:
        if not signed:
            signed.append(rig.agree("camden", CAMDEN_ONLY))

    report = publish(rig.services, DATASET, sign)
    assert (report.published, report.layers, report.snapshots_built) == (True, 2, 2)


def test_a_failure_half_way_leaves_the_old_release(rig: Rig) -> None:
    rig.agree("gla", GLA)
    rig.stage(*incidents())
    publish(rig.services, DATASET)
    before, files = artefacts(rig), rig.store.names()
    twin = Incident(40, CAMDEN, "2025-02")
    # January builds; the twins of February share a feature id and cannot stand in one table.
    rig.stage(Incident(41, CAMDEN, "2025-01"), twin, twin)
    with pytest.raises(SafeStatsError, match="2025-02 have the same feature id"):
        publish(rig.services, DATASET)
    assert visible_release(rig) == 1
    kept = set(artefacts(rig)) - set(before)
    assert rig.store.names() == files | kept and len(kept) == 1, "January is kept for the next try"
    build_missing(rig.services, DATASET)
    age(rig, timedelta(hours=48))
    build_missing(rig.services, DATASET)
    assert rig.store.names() == files, "what the failed run left is still there"
    with rig.services.database.read() as session:
        assert set(session.scalars(select(LayerSlice.release))) == {1}


def test_rows_loaded_meanwhile_stop_the_publishing(rig: Rig) -> None:
    rig.agree("gla", GLA)
    rig.stage(*incidents())
    loaded = []

    def load(step: str, done: int, _total: int) -> None:
        if not loaded and "months" in step and done == 1:
            loaded.append(rig.stage(Incident(50, CAMDEN, "2025-02")))

    with pytest.raises(SafeStatsError, match="staged rows of mps changed"):
        publish(rig.services, DATASET, load)
    assert visible_release(rig) == 0
    assert publish(rig.services, DATASET).rows == 12


def test_a_lost_file_is_made_again_as_it_was(rig: Rig) -> None:
    rig.agree("gla", GLA)
    rig.stage(*incidents())
    publish(rig.services, DATASET)
    for name in rig.store.names():
        path = rig.store.path(name)
        before = path.read_bytes()
        path.unlink()
        publish(rig.services, DATASET)
        assert path.read_bytes() == before


def test_files_go_48_hours_after_their_last_use(rig: Rig) -> None:
    reference = rig.agree("camden", CAMDEN_ONLY)
    rig.agree("gla", GLA)
    rig.stage(*incidents())
    publish(rig.services, DATASET)
    everything = rig.store.names()
    rig.set_state(reference, AgreementState.SUSPENDED)
    assert publish(rig.services, DATASET).files_removed == 0
    unused = {name for name, artefact in artefacts(rig).items() if artefact.unreferenced_since}
    assert len(unused) == 4
    age(rig, timedelta(hours=47))
    assert publish(rig.services, DATASET).files_removed == 0
    age(rig, timedelta(hours=1))
    assert publish(rig.services, DATASET).files_removed == 4
    assert rig.store.names() == everything - unused == set(artefacts(rig))
    rig.set_state(reference, AgreementState.ACTIVE)
    assert publish(rig.services, DATASET).slices_built == 3
    assert rig.store.names() == everything


def test_a_file_used_again_in_time_stays(rig: Rig) -> None:
    reference = rig.agree("camden", CAMDEN_ONLY)
    rig.stage(*incidents())
    publish(rig.services, DATASET)
    rig.set_state(reference, AgreementState.SUSPENDED)
    publish(rig.services, DATASET)
    rig.set_state(reference, AgreementState.ACTIVE)
    publish(rig.services, DATASET)
    age(rig, timedelta(hours=100))
    assert publish(rig.services, DATASET).files_removed == 0


def age(rig: Rig, by: timedelta) -> None:
    """Let the time since the last use pass."""
    with rig.services.database.write() as session:
        for artefact in session.scalars(select(Artefact).where(Artefact.unreferenced_since.is_not(None))):
            artefact.unreferenced_since -= by


def test_leftovers_of_a_killed_builder_go(rig: Rig) -> None:
    rig.agree("gla", GLA)
    rig.stage(*incidents())
    publish(rig.services, DATASET)
    part = rig.store.folder / "part-killed"
    part.mkdir()
    (part / "layer.gpkg").write_bytes(b"half")
    stray = rig.store.path("0" * 64)
    stray.write_bytes(b"in place, but never recorded")
    publish(rig.services, DATASET)
    assert not part.exists()
    assert not stray.exists()


def test_files_are_there_when_the_month_turns(rig: Rig) -> None:
    """Points for the last three months, areas for those before: when the month turns, one month changes."""
    today = now().date().replace(day=15)
    turned = (today + timedelta(days=31)).replace(day=1)
    turned_twice = (turned + timedelta(days=31)).replace(day=1)
    grants = {"areas": (CAMDEN,), "last_months": 3}, {"areas": (CAMDEN,), "precision": "area"}
    rig.agree("gla", *grants, starts=today - timedelta(days=30))
    months = [f"{today - timedelta(days=30 * back):%Y-%m}" for back in range(6)]
    rig.stage(*(Incident(number, CAMDEN, month) for number, month in enumerate(months, 1)))
    publish(rig.services, DATASET, today=today)
    with rig.services.database.read() as session:

        def layer(day: date) -> Layer:
            return published_layer(session, live_scopes(session, DATASET, rig.services.definitions, day)[0])

        now_shown, then_shown = layer(today), layer(turned)
        assert now_shown.snapshot and then_shown.snapshot
        differing = [
            key.period
            for (key, artefact), (_, other) in zip(now_shown.slices, then_shown.slices, strict=True)
            if artefact.name != other.name
        ]
        assert differing == [months[2]]
        with pytest.raises(LayerPreparing):
            layer(turned_twice)
    assert build_missing(rig.services, DATASET, today=turned).slices_built == 1


def test_status_tells_live_and_staged(rig: Rig) -> None:
    rig.agree("gla", GLA)
    rig.stage(*incidents())
    publish(rig.services, DATASET)
    rig.stage(Incident(60, CAMDEN, "2025-03"), withdrawn=(1, 2))
    statuses = {status.dataset: status for status in dataset_statuses(rig.services, now().date())}
    mps = statuses[DATASET]
    assert (mps.release, mps.rows, mps.newest, mps.staged, mps.added, mps.closed) == (1, 11, "2025-02", 2, 1, 2)
    assert (mps.files, mps.agreements, mps.synthetic) == (4, 1, True)
    assert mps.size == sum(rig.store.path(name).stat().st_size for name in rig.store.names())
    assert (statuses["btp"].release, statuses["btp"].rows) == (0, 0)


def test_publishing_is_audited(rig: Rig) -> None:
    rig.stage(*incidents())
    publish(rig.services, DATASET)
    bodies = [event.body for event in rig.services.audit.events() if event.body["event"] == "dataset.publish"]
    assert [(b["dataset"], b["filter"], b["rows"]) for b in bodies] == [(DATASET, {"release": 1}, 11)]
