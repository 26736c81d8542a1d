"""Files that wait to be loaded."""

from __future__ import annotations

import hashlib
import os
import stat
from io import BytesIO
from pathlib import Path

import pytest
from safestats.sync_server.errors import SafeStatsError
from safestats.sync_server.uploads.incoming import Incoming, IncomingFile, TooLargeError, fit_name

pytestmark = pytest.mark.engineless


def test_a_kept_file_is_for_the_server_alone_until_it_is_forgotten(tmp_path: Path) -> None:
    incoming = Incoming(tmp_path / "incoming")
    data = b"a,b\n1,2\n" * 200_000
    file = incoming.keep(BytesIO(data), "..\\Docs/2026-09 return.csv", len(data))
    assert (file.name, file.size, file.sha256) == ("2026-09 return.csv", len(data), hashlib.sha256(data).hexdigest())
    path = incoming.path(IncomingFile.from_json(file.to_json()))
    assert path.read_bytes() == data and path.name == file.name
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert {stat.S_IMODE(folder.stat().st_mode) for folder in (path.parent, path.parent.parent)} == {0o700}
    incoming.forget(file.token)
    incoming.forget(file.token)
    assert list((tmp_path / "incoming").iterdir()) == []


@pytest.mark.parametrize(("data", "error"), [(b"", SafeStatsError), (b"12345", TooLargeError)])
def test_a_refused_file_leaves_nothing(tmp_path: Path, data: bytes, error: type[Exception]) -> None:
    incoming = Incoming(tmp_path)
    with pytest.raises(error, match=r"return\.csv is"):
        incoming.keep(BytesIO(data), "return.csv", 4)
    assert list(tmp_path.iterdir()) == []


def test_leftovers_go_and_what_is_named_stays(tmp_path: Path) -> None:
    incoming = Incoming(tmp_path)
    old, named, new = (incoming.keep(BytesIO(b"x"), "x.csv", 9) for _ in range(3))
    (tmp_path / "not-ours").mkdir()
    for token in (old.token, named.token, "not-ours"):
        os.utime(tmp_path / token, (0, 0))
    assert incoming.tidy({named.token}) == 1
    assert {folder.name for folder in tmp_path.iterdir()} == {named.token, new.token, "not-ours"}


def test_a_token_leads_nowhere_else(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no token"):
        Incoming(tmp_path / "incoming").forget("..")


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("../../etc/passwd", "passwd"),
        ("a\0b\n.csv", "a_b_.csv"),
        ("a\u202efdp\u2066.csv", "a_fdp_.csv"),
        ("..", "file"),
        ("", "file"),
        ("x" * 400 + ".xlsx", "x" * 111 + ".xlsx"),
        ("Ä" * 200, None),
    ],
)
def test_names_fit_any_disk(tmp_path: Path, sent: str, kept: str | None) -> None:
    name = fit_name(sent)
    assert kept is None or name == kept
    assert fit_name(name) == name
    (tmp_path / name).write_bytes(b"")
    assert [path.name for path in tmp_path.iterdir()] == [name]
