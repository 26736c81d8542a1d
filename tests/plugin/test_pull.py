"""Pulls from a real server: whole, unchanged, updated by months; stopped anywhere; never half a copy."""

from __future__ import annotations

import errno
import itertools
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from osgeo import ogr
from safestats.qgis_plugin.core import pull_plan
from safestats.qgis_plugin.core.errors import (
    AgreementRefused,
    Cancelled,
    LocalCopyTrouble,
    PluginTooOld,
    ServerTrouble,
    SessionEnded,
    WrongDigest,
)
from safestats.qgis_plugin.core.local_store import AccountStore, Changes, LocalCopy, LocalStore
from safestats.qgis_plugin.core.pull import PullKind, PullResult, pull_layer
from safestats.qgis_plugin.core.transport import Transport

SEEDS = itertools.count(100)


class Edited:
    """A transport whose manifests are changed on the way, as a server of another mind would send them."""

    def __init__(self, transport: Transport, **changes: Any) -> None:
        self._transport = transport
        self._changes = changes

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def get_json(self, path: str, **options: Any) -> dict[str, Any]:
        return {**self._transport.get_json(path, **options), **self._changes}


@pytest.fixture
def transport(qgis_app, live_server) -> Transport:
    """ada's, with an active session."""
    return live_server.connect("ada")


@pytest.fixture
def account(store: LocalStore) -> AccountStore:
    return store.account("https://server", "ada")


def publish_changes(live_server) -> None:
    """September with other incidents, and October with some more; August stays."""
    seed = next(SEEDS)
    live_server.publish(("2025-09", 100 + seed, seed), ("2025-10", 50, seed + 1000))


def pulled(transport: Any, account: AccountStore, cancelled=lambda: False) -> PullResult:
    return pull_layer(transport, account, "colp", lambda *_: None, cancelled)


def rows_of(copy: LocalCopy) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(copy.path)) as connection:
        return connection.execute("SELECT * FROM colp ORDER BY fid").fetchall()


def assert_told(result: PullResult, former: LocalCopy, rows_before: list[tuple[Any, ...]]) -> None:
    """The changes that the copy tells are those between the rows of before and of now."""
    before, now = ({row[0]: row[1:] for row in rows} for rows in (rows_before, rows_of(result.copy)))
    both = before.keys() & now.keys()
    assert result.copy.changes == Changes(
        since=former.pulled_at,
        added=len(now.keys() - both),
        changed=sum(1 for fid in both if before[fid] != now[fid]),
        withdrawn=len(before.keys() - both),
        rights_changed=False,
    )
    assert len(now) - len(before) == result.copy.changes.added - result.copy.changes.withdrawn != 0


def assert_sound(copy: LocalCopy) -> None:
    """GDAL finds as many rows as announced, and finds them by place too."""
    source = ogr.Open(str(copy.path))
    layer = source.GetLayer(0)
    assert layer.GetFeatureCount() == copy.manifest.rows == len(rows_of(copy))
    west, east, south, north = layer.GetExtent()
    layer.SetSpatialFilterRect(west - 1, south - 1, (west + east) / 2, north + 1)
    inside = sum(1 for feature in layer if feature.geometry().GetX() <= (west + east) / 2)
    assert inside == layer.GetFeatureCount() > 0


def test_the_first_pull_is_the_whole_layer(transport: Transport, account: AccountStore) -> None:
    told: list[tuple[str, float, float]] = []
    result = pull_layer(transport, account, "colp", lambda *how_far: told.append(how_far), lambda: False)
    manifest = result.copy.manifest
    assert result.kind is PullKind.WHOLE
    assert result.downloaded == manifest.snapshot.size
    assert_sound(result.copy)
    with closing(sqlite3.connect(result.copy.path)) as connection:
        names = [row[1] for row in connection.execute("PRAGMA table_info(colp)")]
    assert set(names) == {"fid", "geom", *(column.name for column in manifest.columns)}
    assert ("Downloading", manifest.snapshot.size, manifest.snapshot.size) in told
    assert set(result.copy.categories) == {row[names.index("category")] for row in rows_of(result.copy)}


def test_a_copy_is_readable_by_its_owner_only(transport: Transport, account: AccountStore) -> None:
    copy = pulled(transport, account).copy
    files = list(copy.path.parent.iterdir())
    assert {path.suffix for path in files} == {".gpkg", ".json"}  # nothing is left of the download
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
    assert {path.stat().st_mode & 0o777 for path in list(copy.path.parents)[:3]} == {0o700}


def test_nothing_new_downloads_nothing(transport: Transport, account: AccountStore) -> None:
    first = pulled(transport, account)
    again = pulled(transport, account)
    assert (again.kind, again.downloaded) == (PullKind.UNCHANGED, 0)
    assert again.copy.path == first.copy.path
    assert account.copy("colp") == again.copy


def test_without_a_whole_file_the_months_make_the_same_copy(
    transport: Transport, account: AccountStore, tmp_path: Path
) -> None:
    whole = pulled(transport, account).copy
    other = LocalStore(tmp_path / "other").account("https://server", "ada")
    built = pulled(Edited(transport, snapshot=None), other).copy
    assert rows_of(built) == rows_of(whole)
    assert_sound(built)


def test_an_update_fetches_what_changed_and_equals_a_fresh_copy(
    transport: Transport, account: AccountStore, tmp_path: Path, live_server, monkeypatch
) -> None:
    former = pulled(transport, account).copy
    rows = rows_of(former)
    publish_changes(live_server)
    monkeypatch.setattr(pull_plan, "_BYTES_PER_SECOND", 1)  # a line so slow that the fewest bytes win
    result = pulled(transport, account)
    assert result.kind is PullKind.UPDATED
    changed = [month for month in result.copy.manifest.slices if month.period != "2025-08"]
    assert result.downloaded == sum(month.size for month in changed)
    assert_sound(result.copy)
    assert_told(result, former, rows)

    fresh = pulled(transport, LocalStore(tmp_path / "fresh").account("https://server", "ada")).copy
    assert rows_of(result.copy) == rows_of(fresh)
    # A copy in use is never written: the former one is as it was, until nothing needs it.
    assert rows_of(former) == rows != rows_of(fresh)
    account.discard_superseded("colp")
    assert not former.path.exists() and result.copy.path.exists()


def test_what_changed_is_told_of_a_whole_file_too_and_kept(
    transport: Transport, account: AccountStore, live_server, monkeypatch
) -> None:
    first = pulled(transport, account)
    assert first.copy.changes is None
    rows = rows_of(first.copy)
    publish_changes(live_server)
    monkeypatch.setattr(pull_plan, "_ROWS_PER_SECOND_PROVED", 0.001)  # a desk so slow that the whole file wins
    result = pulled(transport, account)
    assert result.kind is PullKind.WHOLE
    assert_told(result, first.copy, rows)
    assert account.copy("colp") == result.copy
    again = pulled(transport, account)
    assert again.kind is PullKind.UNCHANGED
    assert again.copy.changes == result.copy.changes


def test_a_copy_that_was_damaged_since_is_replaced_by_a_whole_one(
    transport: Transport, account: AccountStore, tmp_path: Path, live_server, monkeypatch
) -> None:
    former = pulled(transport, account).copy
    publish_changes(live_server)
    monkeypatch.setattr(pull_plan, "_BYTES_PER_SECOND", 1)
    with closing(sqlite3.connect(former.path)) as connection:
        (page,) = connection.execute(
            "SELECT rootpage FROM sqlite_master WHERE name = 'rtree_colp_geom_rowid'"
        ).fetchone()
    with former.path.open("r+b") as file:
        file.seek((page - 1) * 4096)
        file.write(b"\xff" * 4096)
    result = pulled(transport, account)
    assert result.kind is PullKind.WHOLE
    assert_sound(result.copy)
    fresh = pulled(transport, LocalStore(tmp_path / "fresh").account("https://server", "ada")).copy
    assert rows_of(result.copy) == rows_of(fresh)


def test_a_pull_goes_on_from_the_file_that_was_complete(
    transport: Transport, account: AccountStore, live_server, monkeypatch
) -> None:
    pulled(transport, account)
    publish_changes(live_server)
    monkeypatch.setattr(pull_plan, "_BYTES_PER_SECOND", 1)
    stages: list[float] = []

    def stop_after_the_first_file(stage: str, done: float, total: float) -> None:
        stages.append(done)
        if stage == "Downloading" and done and len(set(stages)) > 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pull_layer(transport, account, "colp", stop_after_the_first_file, lambda: False)
    kept = {path.name.removesuffix(".gz.part"): path.stat().st_size for path in _parts(account) if path.stat().st_size}
    result = pulled(transport, account)
    sizes = {month.name: month.size for month in result.copy.manifest.slices}
    complete = [name for name, size in kept.items() if sizes.get(name) == size]
    assert complete
    changed = [month for month in result.copy.manifest.slices if month.period != "2025-08"]
    assert result.downloaded == sum(month.size for month in changed if month.name not in complete)
    assert not _parts(account)


def _parts(account: AccountStore) -> list[Path]:
    return [path for path in (account.folder / "colp").glob("*.part") if path.name.endswith(".gz.part")]


def test_stopped_anywhere_the_former_copy_stands_and_the_next_pull_succeeds(
    transport: Transport, account: AccountStore, live_server, monkeypatch
) -> None:
    former = pulled(transport, account).copy
    rows = rows_of(former)
    publish_changes(live_server)
    monkeypatch.setattr(pull_plan, "_BYTES_PER_SECOND", 1)
    for stop_at in itertools.count(1):
        looks = itertools.count(1)
        try:
            result = pulled(transport, account, lambda looks=looks, stop_at=stop_at: next(looks) >= stop_at)
        except Cancelled:
            assert account.copy("colp") == former
            assert rows_of(former) == rows
        else:
            break
    assert stop_at > 3  # it does look
    assert account.copy("colp") == result.copy
    assert_sound(result.copy)


def test_whichever_write_fails_the_former_copy_or_the_new_one_stands(
    transport: Transport, account: AccountStore, live_server, monkeypatch
) -> None:
    former = pulled(transport, account).copy
    rows = rows_of(former)
    publish_changes(live_server)
    flush = os.fsync
    for fails_at in itertools.count(1):
        writes = itertools.count(1)

        def fsync(handle: int, writes=writes, fails_at=fails_at) -> None:
            if next(writes) == fails_at:
                raise OSError(errno.EIO, "Input/output error")
            flush(handle)

        with monkeypatch.context() as patched:
            patched.setattr(os, "fsync", fsync)
            try:
                pulled(transport, account)
                break
            except LocalCopyTrouble as trouble:
                assert "Input/output error" in trouble.sentence
        standing = account.copy("colp")
        assert standing is not None
        if standing == former:
            assert rows_of(former) == rows
        else:
            assert_sound(standing)
    assert fails_at > 4
    assert_sound(account.copy("colp"))
    assert rows_of(account.copy("colp")) != rows


def test_a_manifest_that_contradicts_the_data_changes_nothing(transport: Transport, account: AccountStore) -> None:
    former = pulled(transport, account).copy
    document = transport.get_json("/v1/layers/colp/manifest")
    wrong = Edited(transport, rows=document["rows"] + 1, columns=document["columns"][:-1])
    with pytest.raises(WrongDigest, match="does not add up"):
        pulled(wrong, account)
    assert account.copy("colp") == former
    assert [path.suffix for path in former.path.parent.iterdir() if path.suffix == ".part"] == []


def test_a_newer_manifest_asks_for_a_newer_plugin(transport: Transport, account: AccountStore) -> None:
    with pytest.raises(PluginTooOld):
        pulled(Edited(transport, api_version=2), account)


def test_a_pull_without_agreement_is_refused(qgis_app, live_server, account: AccountStore) -> None:
    with pytest.raises(AgreementRefused):
        pulled(live_server.connect("bob"), account)
    assert account.copy("colp") is None


def test_a_pull_after_signing_out_says_so(transport: Transport, account: AccountStore) -> None:
    transport.delete("/v1/session")
    with pytest.raises(SessionEnded):
        pulled(transport, account)


def test_two_at_once_wait_for_each_other(transport: Transport, account: AccountStore) -> None:
    with account.lock("colp"), pytest.raises(LocalCopyTrouble) as caught:
        pulled(transport, account)
    assert caught.value.code == "copy-busy"
    assert pulled(transport, account).kind is PullKind.WHOLE


def test_too_small_a_disk_is_told_before_anything_is_fetched(transport: Transport, account: AccountStore) -> None:
    document = transport.get_json("/v1/layers/colp/manifest")
    huge = Edited(transport, snapshot={**document["snapshot"], "file_size": 10**18}, slices=[])
    with pytest.raises(LocalCopyTrouble, match="not enough room"):
        pulled(huge, account)


@pytest.mark.parametrize(
    "lie",
    [
        {"dataset": "mps"},
        {"layer_name": "colp|option:x"},
        {"valid_until": "soon"},
        {"category_field": "colp", "columns": [{"name": 'a" || 1 || "', "alias": "", "type": "text"}]},
        {"slices": [{"name": "../../x", "size": 1, "sha256": "", "chunks": []}]},
    ],
)
def test_a_manifest_with_names_that_are_none_is_refused(transport: Transport, account: AccountStore, lie: dict) -> None:
    with pytest.raises(ServerTrouble, match="cannot be read"):
        pulled(Edited(transport, **lie), account)
    assert account.copy("colp") is None


def test_a_file_that_unpacks_into_more_than_announced_is_stopped(transport: Transport, account: AccountStore) -> None:
    document = transport.get_json("/v1/layers/colp/manifest")
    bomb = Edited(transport, snapshot={**document["snapshot"], "file_size": 1000}, slices=[])
    with pytest.raises(WrongDigest, match="larger than announced"):
        pulled(bomb, account)
