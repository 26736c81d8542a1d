"""Replacing and deleting files that other programs hold open, as Windows refuses it."""

from __future__ import annotations

import ast
import os
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from safestats.qgis_plugin.core import replacing
from safestats.qgis_plugin.core.desk import Desk
from safestats.qgis_plugin.core.errors import LocalCopyTrouble
from safestats.qgis_plugin.core.local_store import STATE, LocalStore
from safestats.qgis_plugin.core.pull import pull_layer
from safestats.qgis_plugin.core.replacing import delete, held_open, put_in_place, write_in_place
from safestats.tests.plugin.test_local_store import committed

NOW = datetime.now(timezone.utc)
SHARING_VIOLATION = 32
ACCESS_DENIED = 5


class Windows:
    """Files that another program holds open: names ending in one of ``held`` can be neither replaced nor deleted."""

    def __init__(self) -> None:
        self.held: set[str] = set()
        self.refused: list[str] = []

    def check(self, *paths: os.PathLike[str] | str) -> None:
        for path in map(os.fspath, paths):
            if any(path.endswith(end) for end in self.held):
                self.refused.append(path)
                error = PermissionError(13, "The process cannot access the file", path)
                error.winerror = SHARING_VIOLATION
                raise error

    def let_go(self, after_s: float) -> threading.Timer:
        timer = threading.Timer(after_s, self.held.clear)
        timer.start()
        return timer


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> Iterator[Windows]:
    """The system refuses as Windows does; what pathlib and the plugin call is the system's own."""
    windows, replace, unlink = Windows(), os.replace, os.unlink

    def replace_there(source, target, **options) -> None:
        windows.check(source, target)
        replace(source, target, **options)

    def unlink_there(path, **options) -> None:
        windows.check(path)
        unlink(path, **options)

    monkeypatch.setattr(os, "replace", replace_there)
    monkeypatch.setattr(os, "unlink", unlink_there)
    monkeypatch.setattr(replacing, "PATIENCE_S", 0.6)
    yield windows
    windows.held.clear()


def test_a_scanner_that_looks_at_a_new_file_for_a_moment_is_waited_for(windows: Windows, tmp_path: Path) -> None:
    (tmp_path / "new").write_bytes(b"new")
    (tmp_path / "old").write_bytes(b"old")
    windows.held = {"new"}
    timer = windows.let_go(0.2)
    put_in_place(tmp_path / "new", tmp_path / "old")
    timer.join()
    assert (tmp_path / "old").read_bytes() == b"new" and not (tmp_path / "new").exists()
    assert len(windows.refused) > 1


def test_what_is_held_for_long_stays_as_it_was_and_is_told(windows: Windows, tmp_path: Path) -> None:
    (tmp_path / "old").write_bytes(b"old")
    windows.held = {"old"}
    with pytest.raises(PermissionError) as caught:
        write_in_place(tmp_path / "old", b"new")
    assert held_open(caught.value) and (tmp_path / "old").read_bytes() == b"old"
    windows.held.clear()
    write_in_place(tmp_path / "old", b"new")
    assert (tmp_path / "old").read_bytes() == b"new" and list(tmp_path.iterdir()) == [tmp_path / "old"]


def test_other_trouble_is_not_waited_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tries: list[int] = []

    def denied(*_arguments, **_options) -> None:
        tries.append(1)
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "replace", denied)
    monkeypatch.setattr(os, "unlink", denied)
    with pytest.raises(PermissionError):
        put_in_place(tmp_path / "new", tmp_path / "old")
    assert not delete(tmp_path / "old", 5.0) and len(tries) == 2


def test_a_file_that_is_open_is_deleted_later(windows: Windows, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    windows.held = {"file"}
    assert not delete(tmp_path / "file") and (tmp_path / "file").exists()
    timer = windows.let_go(0.1)
    assert delete(tmp_path / "file", 5.0) and not (tmp_path / "file").exists()
    timer.join()
    assert delete(tmp_path / "file")  # gone already


def test_only_what_windows_says_of_open_files_counts_as_held() -> None:
    assert not held_open(PermissionError(13, "Permission denied"))
    denied = PermissionError(13, "Access is denied")
    denied.winerror = ACCESS_DENIED  # a rename onto an open file
    assert held_open(denied)


def test_a_copy_is_committed_while_a_scanner_reads_its_file(windows: Windows, store: LocalStore) -> None:
    account = store.account("https://server", "ada")
    former = committed(account, NOW + timedelta(days=1))
    windows.held = {".gpkg.part", STATE}
    timer = windows.let_go(0.15)
    copy = committed(account, NOW + timedelta(days=1), b"newer")
    timer.join()
    assert account.copy("colp") == copy and copy.path.read_bytes() == b"newer" and former.path.exists()
    account.discard_superseded("colp")
    assert not former.path.exists()


def test_a_former_copy_that_is_open_goes_at_the_next_start(windows: Windows, store: LocalStore) -> None:
    account = store.account("https://server", "ada")
    former = committed(account, NOW + timedelta(days=1))
    copy = committed(account, NOW + timedelta(days=1), b"newer")
    windows.held = {former.path.name}
    account.discard_superseded("colp")
    assert former.path.exists() and account.copy("colp") == copy
    windows.held.clear()
    LocalStore(store.root).remove_lapsed(NOW)
    assert not former.path.exists() and copy.path.exists()


def test_a_copy_is_removed_although_its_file_is_open(windows: Windows, store: LocalStore) -> None:
    account = store.account("https://server", "ada")
    copy = committed(account, NOW + timedelta(days=1))
    windows.held = {copy.path.name}
    account.remove("colp")
    assert account.copy("colp") is None  # nothing names the file any more
    windows.held.clear()
    store.remove_lapsed(NOW)
    assert not copy.path.exists()


def test_a_state_that_another_qgis_reads_at_that_moment_is_removed_all_the_same(
    windows: Windows, store: LocalStore
) -> None:
    account = store.account("https://server", "ada")
    committed(account, NOW + timedelta(days=1))
    windows.held = {STATE}
    timer = windows.let_go(0.2)
    account.remove("colp")
    timer.join()
    assert account.copy("colp") is None


def test_a_pull_whose_file_is_held_open_says_who_may_hold_it(windows: Windows, desk: Desk, live_server) -> None:
    transport, account = live_server.connect("ada"), desk.store.account(live_server.url, "ada")
    windows.held = {"colp.gpkg.part"}
    with pytest.raises(LocalCopyTrouble) as caught:
        pull_layer(transport, account, "colp", lambda *_told: None, lambda: False)
    assert "another program holds a file open there (a virus scanner, a backup)" in caught.value.sentence
    windows.held.clear()
    assert pull_layer(transport, account, "colp", lambda *_told: None, lambda: False).copy.path.is_file()


PLUGIN = Path(replacing.__file__).parents[1]
OF_PATHS = {"rename", "unlink", "rmdir", "link_to", "hardlink_to"}
OF_MODULES = {("os", "replace"), ("os", "remove"), ("shutil", "move"), ("shutil", "rmtree"), ("os", "renames")}


def replacing_calls(source: str) -> list[int]:
    """The lines that replace, rename or delete something in the file system."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        called = node.func
        module = called.value.id if isinstance(called.value, ast.Name) else ""
        # A text's own replace has two arguments, that of a moment or a dataclass has names.
        of_path = called.attr == "replace" and len(node.args) == 1 and not node.keywords
        if of_path or called.attr in OF_PATHS or (module, called.attr) in OF_MODULES:
            found.append(node.lineno)
    return found


@pytest.mark.parametrize(
    "source",
    [
        "part.replace(path)",
        "self._part.unlink()",
        "part.unlink(missing_ok=True)",
        "Path(a).rename(b)",
        "os.replace(a, b)",
        "os.unlink(a)",
        "shutil.move(a, b)",
        "shutil.rmtree(a)",
    ],
)
def test_each_way_to_replace_or_delete_is_seen(source: str) -> None:
    assert replacing_calls(source) == [1]


@pytest.mark.parametrize("source", ['name.replace("a", "b")', "moment.replace(tzinfo=utc)", "replace(copy, path=p)"])
def test_what_only_looks_like_it_is_not(source: str) -> None:
    assert replacing_calls(source) == []


def test_one_module_replaces_and_deletes_files() -> None:
    """A folder of the system's own for what is temporary goes as a whole."""
    writers = {
        path.relative_to(PLUGIN).as_posix()
        for path in PLUGIN.rglob("*.py")
        if replacing_calls(path.read_text(encoding="utf-8"))
    }
    assert writers == {"core/replacing.py", "core/layer_rows.py"}
    assert len(replacing_calls((PLUGIN / "core/layer_rows.py").read_text(encoding="utf-8"))) == 1
