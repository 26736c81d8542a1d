"""The folder of local copies: validity, leftovers, names that a server might send, and where it may not be."""

from __future__ import annotations

import json
import os
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from qgis.PyQt.QtCore import QLockFile
from safestats.qgis_plugin.core.errors import LocalCopyTrouble
from safestats.qgis_plugin.core.in_use import InUse
from safestats.qgis_plugin.core.local_store import STATE, AccountStore, LocalCopy, LocalStore, instant
from safestats.qgis_plugin.core.private_folder import refuse_remote
from safestats.shared.manifest import Manifest

NOW = datetime.now(timezone.utc)


def manifest(valid_until: str) -> Manifest:
    return Manifest(
        dataset="colp",
        title="City incidents",
        layer_name="colp",
        definition_version=1,
        release=3,
        published_at="2025-10-01T00:00:00Z",
        fingerprint="f",
        geometry="point",
        columns=(),
        rows=0,
        first_period="",
        newest_period="",
        slices=(),
        snapshot=None,
        attribution="",
        caveats=(),
        synthetic=True,
        agreement="DSA",
        agreement_until="2099-12-31",
        valid_until=valid_until,
        area_edition="",
        colour="#000000",
        category_field="category",
    )


def committed(account: AccountStore, valid_until: datetime, content: bytes = b"data") -> LocalCopy:
    part = account.part("colp", "colp.gpkg")
    part.write_bytes(content)
    return account.commit("colp", part, manifest(valid_until.isoformat()), ("a", "b"), None)


@pytest.fixture
def account(store: LocalStore) -> AccountStore:
    return store.account("https://server", "ada")


def test_a_copy_is_found_again(store: LocalStore, account: AccountStore) -> None:
    copy = committed(account, NOW + timedelta(days=1))
    assert store.account("https://server", "ada").valid_copy("colp") == copy
    assert store.account("https://server", "bob").copy("colp") is None
    assert store.account("https://other", "ada").copy("colp") is None


def test_a_lapsed_copy_is_refused_with_its_date_and_deleted(store: LocalStore, account: AccountStore) -> None:
    copy = committed(account, datetime(2025, 3, 31, 23, 0, tzinfo=timezone.utc))
    with pytest.raises(LocalCopyTrouble, match="valid until 31 March 2025"):
        account.valid_copy("colp")
    assert store.remove_lapsed(NOW) == [copy.path.parent]
    assert not copy.path.exists()
    with pytest.raises(LocalCopyTrouble, match="pull it first"):
        account.valid_copy("colp")


def test_a_copy_that_another_qgis_renews_is_left_alone(store: LocalStore, account: AccountStore) -> None:
    copy = committed(account, NOW - timedelta(days=1))
    with account.lock("colp"):
        assert store.remove_lapsed(NOW) == []
    assert copy.path.exists()


def test_files_that_no_state_names_go_at_the_next_start(store: LocalStore, account: AccountStore) -> None:
    former = committed(account, NOW + timedelta(days=1), b"former")
    copy = committed(account, NOW + timedelta(days=1), b"newer")
    assert former.path.exists()  # something may have it open still
    store.remove_lapsed(NOW)
    assert not former.path.exists()
    assert account.valid_copy("colp").path.read_bytes() == b"newer" == copy.path.read_bytes()


@pytest.mark.parametrize("state", ["", "{", "[]", '{"state_version": 2}', '{"state_version": 1, "file": "../x"}'])
def test_an_unreadable_state_is_no_copy(account: AccountStore, state: str) -> None:
    copy = committed(account, NOW + timedelta(days=1))
    (copy.path.parent / "state.json").write_text(state)
    assert account.copy("colp") is None


def test_the_state_is_whole_json_with_the_manifest(account: AccountStore) -> None:
    copy = committed(account, NOW + timedelta(days=1))
    document = json.loads((copy.path.parent / "state.json").read_text())
    assert Manifest.from_json(document["manifest"]) == copy.manifest
    assert document["file"] == copy.path.name


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/b", "a\\b", "/etc/passwd", "a..b", ".hidden", "x" * 200])
def test_no_name_leads_out_of_the_folder(account: AccountStore, name: str) -> None:
    with pytest.raises(LocalCopyTrouble):
        account.part(name, "file")
    with pytest.raises(LocalCopyTrouble):
        account.part("colp", name)


def test_parts_are_the_owners_only_whatever_the_umask(account: AccountStore) -> None:
    before = os.umask(0)
    try:
        part = account.part("colp", "file")
    finally:
        os.umask(before)
    assert part.stat().st_mode & 0o777 == 0o600
    assert {path.stat().st_mode & 0o777 for path in list(part.parents)[:3]} == {0o700}


@pytest.mark.parametrize("folder", ["OneDrive - Council", "Dropbox", "Google Drive", "Nextcloud"])
def test_a_folder_that_a_cloud_copies_is_refused(tmp_path: Path, folder: str) -> None:
    with pytest.raises(LocalCopyTrouble, match="copied to a cloud"):
        LocalStore(tmp_path / folder / "SafeStats").account("https://server", "ada").part("colp", "file")
    refuse_remote(tmp_path / "Documents")


def test_days_end_and_instants_are_read() -> None:
    assert instant("2026-03-31") == datetime(2026, 4, 1, tzinfo=timezone.utc)
    assert instant("2026-03-31T22:59:59Z") == datetime(2026, 3, 31, 22, 59, 59, tzinfo=timezone.utc)
    assert instant("2026-03-31T23:59:59+01:00") == datetime(2026, 3, 31, 22, 59, 59, tzinfo=timezone.utc)


def test_a_copy_whose_end_cannot_be_read_is_none(store: LocalStore, account: AccountStore) -> None:
    copy = committed(account, NOW + timedelta(days=1))
    state = copy.path.parent / "state.json"
    document = json.loads(state.read_text(encoding="utf-8"))
    document["manifest"]["valid_until"] = "soon"
    state.write_text(json.dumps(document), encoding="utf-8")
    assert account.copy("colp") is None
    assert store.remove_lapsed(NOW) == [copy.path.parent]
    assert not copy.path.exists()


def test_a_state_that_cannot_be_read_for_a_moment_costs_no_copy(account: AccountStore) -> None:
    copy = committed(account, NOW + timedelta(days=1))
    state = copy.path.parent / "state.json"
    whole = state.read_bytes()
    state.write_bytes(whole[:20])
    assert account.copy("colp") is None
    account.discard_superseded("colp")
    state.write_bytes(whole)
    assert account.copy("colp") == copy


@pytest.mark.parametrize("share", [0, 0.1, 0.3, 0.5, 0.7, 0.9])
def test_a_mark_or_a_lock_that_was_not_written_out_shuts_nobody_out(account: AccountStore, share: float) -> None:
    former = committed(account, NOW + timedelta(days=1))
    latest = committed(account, NOW + timedelta(days=1))
    # As a process leaves them that is killed between making the file and having written into it.
    lock = QLockFile(str(former.path.parent / "written"))
    assert lock.tryLock(0)
    content = (former.path.parent / "written").read_bytes()
    lock.unlock()
    content = content.replace(str(os.getpid()).encode(), b"4194303")  # of a process that is gone
    for name in (f"{former.path.name}.4711-ab.shown", "lock"):
        (former.path.parent / name).write_bytes(content[: int(share * len(content))])
    with account.lock("colp"):
        account.discard_superseded("colp")
    assert not former.path.exists() and latest.path.exists()
    assert not list(former.path.parent.glob("*.shown"))


def test_whoever_is_at_work_in_a_folder_takes_no_room(store: LocalStore, account: AccountStore) -> None:
    copy = committed(account, NOW + timedelta(days=1))
    marks = InUse()
    with account.lock("colp"):
        marks.show({copy.path})
        (held,) = store.holdings()
        assert held.size == sum((copy.path.parent / name).stat().st_size for name in (copy.path.name, STATE))
        marks.show(set())
        account.remove("colp")
        assert list(copy.path.parent.iterdir()) and store.holdings() == []


def test_a_folder_that_others_may_write_in_takes_and_loses_nothing(store: LocalStore, account: AccountStore) -> None:
    copy = committed(account, NOW - timedelta(days=1))
    copy.path.parent.chmod(0o777)
    with pytest.raises(LocalCopyTrouble, match="not yours alone"):
        account.part("colp", "x")
    assert store.remove_lapsed(NOW) == []
    assert copy.path.exists()


def test_a_link_is_followed_nowhere(store: LocalStore, account: AccountStore, tmp_path: Path) -> None:
    committed(account, NOW + timedelta(days=1))
    other = tmp_path / "documents"
    other.mkdir(mode=0o700)
    (other / "mine.gpkg").write_bytes(b"work")
    (account.folder / "evil").symlink_to(other)
    assert store.remove_lapsed(NOW) == []
    assert (other / "mine.gpkg").read_bytes() == b"work"
    (account.folder / "colp" / "aa.gz.part").symlink_to(other / "mine.gpkg")
    with pytest.raises(OSError, match="symbolic links"):
        account.fresh_part("colp", "aa.gz")
    assert (other / "mine.gpkg").read_bytes() == b"work"
