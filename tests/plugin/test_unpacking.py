"""What arrives is unpacked on the way; what does not unpack to the announced content is found out."""

from __future__ import annotations

import gzip
import hashlib
import os
import random
import threading
from pathlib import Path

import pytest
from safestats.qgis_plugin.core.geopackage import UnprovedError
from safestats.qgis_plugin.core.unpacking import Unpacking

CONTENT = random.Random(1).randbytes(3_000_000) + bytes(5_000_000)
PACKED = gzip.compress(CONTENT, 1)
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def target(tmp_path: Path) -> Path:
    path = tmp_path / "content"
    path.touch()
    return path


def unpack(target: Path, packed: bytes, block: int = 1_000_000, size: int = len(CONTENT), sha256: str = DIGEST) -> None:
    with Unpacking(target, size, sha256) as unpacking:
        for at in range(0, len(packed), block):
            unpacking.take(packed[at : at + block])


@pytest.mark.parametrize("block", [977, 1_000_000, len(PACKED)])
def test_blocks_of_any_length_give_the_content(target: Path, block: int) -> None:
    unpack(target, PACKED, block)
    assert target.read_bytes() == CONTENT


def test_content_that_was_not_announced_is_only_unpacked(target: Path) -> None:
    unpack(target, PACKED, size=0, sha256="")
    assert target.read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("packed", "size", "sha256", "words"),
    [
        (PACKED[:-1], len(CONTENT), DIGEST, "not the announced one"),
        (PACKED, len(CONTENT), "0" * 64, "not the announced one"),
        (PACKED, len(CONTENT) - 1, DIGEST, "larger than announced"),
        (b"", len(CONTENT), DIGEST, "not the announced one"),
        (b"no gzip at all", len(CONTENT), DIGEST, "cannot be unpacked"),
    ],
)
def test_anything_else_is_refused(target: Path, packed: bytes, size: int, sha256: str, words: str) -> None:
    with pytest.raises(UnprovedError, match=words):
        unpack(target, packed, size=size, sha256=sha256)


def test_a_disk_that_takes_no_more_is_told_where_the_bytes_come_from(tmp_path: Path) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("no /dev/full here")
    with pytest.raises(OSError, match=os.strerror(28)):
        unpack(full, PACKED)


def test_trouble_elsewhere_ends_the_thread_and_is_the_trouble_told(target: Path) -> None:
    with pytest.raises(KeyError), Unpacking(target, len(CONTENT), DIGEST) as unpacking:
        unpacking.take(PACKED[:1000])
        raise KeyError
    assert not [thread for thread in threading.enumerate() if thread.name == "safestats-unpack"]
