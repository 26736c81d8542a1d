"""What a line, a disk, a certificate or a session can do to a pull: told plainly, and paid for once."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from safestats.qgis_plugin.core import download
from safestats.qgis_plugin.core.errors import CertificateTrouble, DeskError, LocalCopyTrouble, SessionEnded, WrongDigest
from safestats.qgis_plugin.core.local_store import AccountStore
from safestats.qgis_plugin.core.network import QgisNetwork
from safestats.qgis_plugin.core.pull import PullResult, pull_layer
from safestats.qgis_plugin.core.transport import Transport
from safestats.shared.manifest import Manifest
from safestats.tests.end_to_end.bad_line import MeddlingLine
from safestats.tests.end_to_end.fault_stage import CHUNK_BYTES, DATASET, Stage, token_of
from safestats.tests.end_to_end.rig import Analyst, LiveServer, ServerFolder
from safestats.tests.end_to_end.soundness import faults_of, rows_digest

pytestmark = pytest.mark.timeout(900)  # whoever comes first prepares the stage, on a busy machine too

PIECE_BYTES = 64 * 1024  # a transport hands on what came in pieces of so much
HEADS_BYTES = 20_000  # manifest and heads


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same small chunks as the stage's server was made with."""
    monkeypatch.setattr(download, "CHUNK_BYTES", CHUNK_BYTES)


@pytest.fixture
def line(stage: Stage) -> Iterator[MeddlingLine]:
    """The way to the stage's server."""
    line = MeddlingLine(stage.server)
    yield line
    line.close()


def pull(transport, account: AccountStore, progress=lambda *_: None) -> PullResult:
    return pull_layer(transport, account, DATASET, progress, lambda: False)


def snapshot_of(transport):
    found = Manifest.from_json(transport.get_json(f"/v1/layers/{DATASET}/manifest")).snapshot
    assert found is not None
    return found


class Flip:
    """Turns a byte of a file over, the first so many times that it passes."""

    def __init__(self, place: int, times: int) -> None:
        self.place, self.left = place, times

    def __call__(self, offset: int, block: bytes) -> bytes:
        at = self.place - offset
        if not (0 <= at < len(block) and self.left):
            return block
        self.left -= 1
        return block[:at] + bytes([block[at] ^ 1]) + block[at + 1 :]


def test_a_wrong_byte_costs_one_chunk(stage: Stage, line: MeddlingLine, small_chunks, tmp_path: Path) -> None:
    transport = stage.connect(line.url)
    size = snapshot_of(transport).size
    for number in (0, 3, size // CHUNK_BYTES):
        account = stage.begin("first", tmp_path / str(number))
        line.forget()
        line.meddle = Flip(min(number * CHUNK_BYTES + 1234, size - 1), 1)
        result = pull(transport, account)
        assert line.begun == [0, number * CHUNK_BYTES]
        assert result.downloaded <= size + CHUNK_BYTES + PIECE_BYTES
        assert rows_digest(result.copy.path) == stage.new
        assert faults_of(result.copy.path) == []


def test_a_byte_that_is_wrong_twice_is_told_and_what_was_right_is_kept(
    stage: Stage, line: MeddlingLine, small_chunks, tmp_path: Path
) -> None:
    transport = stage.connect(line.url)
    account = stage.begin("whole", tmp_path)
    former = account.copy(DATASET)
    line.meddle = Flip(5 * CHUNK_BYTES + 7, 2)
    with pytest.raises(WrongDigest, match="is not what was published.*twice.*try another network"):
        pull(transport, account)
    assert line.begun == [0, 5 * CHUNK_BYTES]
    assert account.copy(DATASET) == former and rows_digest(former.path) == stage.old["whole"]
    line.forget()
    result = pull(transport, account)  # the third time it passes untouched
    assert line.begun == [5 * CHUNK_BYTES]
    assert line.carried <= snapshot_of(transport).size - 5 * CHUNK_BYTES + HEADS_BYTES
    assert rows_digest(result.copy.path) == stage.new


def test_a_session_that_ends_in_mid_pull_goes_on_after_signing_in_again(
    stage: Stage, line: MeddlingLine, small_chunks, tmp_path: Path
) -> None:
    transport = stage.connect(line.url)
    account = stage.begin("whole", tmp_path)
    former = account.copy(DATASET)
    flip = Flip(4 * CHUNK_BYTES + 7, 1)
    other_way = Transport(stage.server.url, QgisNetwork(), "0.1.0")
    other_way.use_token(token_of(transport))

    def end_the_session(offset: int, block: bytes) -> bytes:
        passed = flip(offset, block)
        if passed != block:  # the chunk has to be asked for anew, and now nobody is signed in
            other_way.delete("/v1/session")
        return passed

    line.meddle = end_the_session
    with pytest.raises(SessionEnded) as ended:
        pull(transport, account)
    assert "sign in again" in ended.value.sentence.lower()
    assert account.copy(DATASET) == former and rows_digest(former.path) == stage.old["whole"]

    again = stage.connect(line.url)
    line.forget()
    result = pull(again, account)
    assert line.begun == [4 * CHUNK_BYTES]
    assert rows_digest(result.copy.path) == stage.new


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own; ``resize`` it."""
    folder = tmp_path / "disk"
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", folder], capture_output=True, check=False)
    if done.returncode:
        pytest.skip("a small disk of its own needs the right to mount one (run as root)")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def resize(disk: Path, size: int) -> None:
    subprocess.run(["mount", "-o", f"remount,size={size}", disk], check=True)


@pytest.mark.parametrize("name", ["first", "whole", "months"])
def test_a_disk_too_small_is_told_as_full(stage: Stage, small_chunks, small_disk: Path, name: str) -> None:
    transport = stage.connect()
    said, size = set(), 0
    while True:
        for path in small_disk.iterdir():
            shutil.rmtree(path)
        resize(small_disk, 64 << 20)
        account = stage.begin(name, small_disk / "copies")
        used = sum(path.stat().st_blocks * 512 for path in small_disk.rglob("*"))
        resize(small_disk, max(used + size, 4096))
        try:
            result = pull(transport, account)
            break
        except DeskError as trouble:
            said.add(trouble.sentence)
            assert_full(trouble, stage, account, name)
        size = max(4096, size * 5 // 4)
    assert said and rows_digest(result.copy.path) == stage.new
    assert size > 100_000


@pytest.mark.parametrize("name", ["first", "whole", "months"])
def test_a_disk_that_fills_up_in_mid_pull_is_told_as_one(
    stage: Stage, small_chunks, small_disk: Path, tmp_path: Path, name: str
) -> None:
    transport = stage.connect() if name != "months" else MonthsOnly(stage.connect())
    ballast = small_disk / "ballast"
    for fills_at in range(1, 200):
        shutil.rmtree(small_disk / "copies", ignore_errors=True)
        account = stage.begin(name, small_disk / "copies")
        told = 0

        def fill(*_: object, fills_at=fills_at) -> None:
            nonlocal told
            told += 1
            if told == fills_at:
                # Some pages are left, another number each time.
                free = os.statvfs(small_disk).f_bavail - fills_at % 7
                with ballast.open("wb") as file:
                    os.posix_fallocate(file.fileno(), 0, free * os.statvfs(small_disk).f_frsize)

        try:
            result = pull(transport, account, fill)
        except DeskError as trouble:
            assert_full(trouble, stage, account, name)
            ballast.unlink()
            result = pull(transport, account)
        else:
            ballast.unlink(missing_ok=True)
        assert rows_digest(result.copy.path) == stage.new
        assert faults_of(result.copy.path) == []
        if told < fills_at:
            break
    assert fills_at > 3


class MonthsOnly:
    """The transport to a server whose whole-layer file is not there yet."""

    def __init__(self, transport) -> None:
        self._transport = transport

    def __getattr__(self, name: str):
        return getattr(self._transport, name)

    def get_json(self, *args, **options) -> dict:
        return {**self._transport.get_json(*args, **options), "snapshot": None}


def assert_full(trouble: DeskError, stage: Stage, account: AccountStore, name: str) -> None:
    assert isinstance(trouble, LocalCopyTrouble), trouble.sentence
    assert "disk is full" in trouble.sentence or "not enough room" in trouble.sentence, trouble.sentence
    assert "Free some space, then pull again" in trouble.sentence
    former = account.copy(DATASET)
    assert (rows_digest(former.path) if former else "") == stage.old[name]


def test_a_certificate_that_nobody_trusts_is_told_and_nothing_is_sent(stage: Stage, qgis_app, tmp_path: Path) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("there is no openssl to make a certificate with")
    certificate, key = tmp_path / "own.pem", tmp_path / "own.key"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
        + ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate],
        check=True,
        capture_output=True,
    )
    folder = ServerFolder(tmp_path / "server").initialise()
    server = LiveServer(folder, (certificate, key))
    server.start()
    analyst = Analyst(tmp_path, server.url, "somebody")
    try:
        before = folder.events()
        with pytest.raises(CertificateTrouble) as refused:
            analyst.sign_in()
        assert "was refused: nobody that QGIS trusts has signed it. Nothing was sent." in refused.value.sentence
        assert folder.events() == before
    finally:
        analyst.leave()
        server.stop()
