"""Downloads that go on where they stopped, each 8 MB proved by its own digest."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from ...shared.manifest import CHUNK_BYTES, Artefact
from .errors import Cancelled, WrongDigest
from .transport import Transport

_TRIES_PER_CHUNK = 2


def fetch(
    transport: Transport,
    path: str,
    artefact: Artefact,
    part: Path,
    progress: Callable[[int], None],
    cancelled: Callable[[], bool],
) -> None:
    """Complete the file ``part`` to the bytes of ``artefact``; ``progress`` gets how many there are.

    Whole chunks that an earlier try left and that are right are kept. A wrong chunk is asked for once more,
    then raises ``WrongDigest``; ``part`` then ends before it. Raises ``ServerUnreachable`` and ``Cancelled``.
    """
    with part.open("r+b") as file:
        proved = _proved_length(file, artefact, cancelled)
        tries: dict[int, int] = {}
        while proved < artefact.size:
            tries[proved] = tries.get(proved, 0) + 1
            if tries[proved] > _TRIES_PER_CHUNK:
                raise _wrong(transport)
            progress(proved)
            proved = _receive(transport, path, artefact, file, proved, progress, cancelled)
        os.fsync(file.fileno())
        file.seek(0)
        whole = hashlib.sha256()
        while block := file.read(CHUNK_BYTES):
            _stop_if(cancelled)
            whole.update(block)
        if whole.hexdigest() != artefact.sha256:
            # Every chunk was as announced, so the announcement contradicts itself: nothing here is worth
            # keeping.
            file.truncate(0)
            raise _wrong(transport)
    progress(artefact.size)


def _proved_length(file: BinaryIO, artefact: Artefact, cancelled: Callable[[], bool]) -> int:
    """Cut ``file`` after the last of its leading chunks that are right; its length then."""
    length = 0
    for digest in artefact.chunks:
        _stop_if(cancelled)
        expected = min(CHUNK_BYTES, artefact.size - length)
        chunk = file.read(expected)
        if len(chunk) < expected or hashlib.sha256(chunk).hexdigest() != digest:
            break
        length += expected
    file.truncate(length)
    return length


def _receive(
    transport: Transport,
    path: str,
    artefact: Artefact,
    file: BinaryIO,
    offset: int,
    progress: Callable[[int], None],
    cancelled: Callable[[], bool],
) -> int:
    """Write what the server sends from ``offset`` on; the length that is proved when it ends or turns wrong."""
    with transport.download(path, offset, cancelled) as stream:
        written = proved = stream.start
        file.seek(written)
        file.truncate()
        digest = hashlib.sha256()
        for block in stream.blocks:
            while block:
                room = proved + CHUNK_BYTES - written
                piece, block = block[:room], block[room:]
                file.write(piece)
                digest.update(piece)
                written += len(piece)
                if written - proved == CHUNK_BYTES or written == artefact.size:
                    if not _right(artefact, proved, digest.hexdigest()):
                        file.truncate(proved)
                        return proved
                    proved, digest = written, hashlib.sha256()
            progress(written)
    if proved < artefact.size:
        # It ended early, in good order as far as HTTP can tell. What is proved stays for the next try.
        file.truncate(proved)
        raise transport.broken_off()
    return proved


def _right(artefact: Artefact, start: int, digest: str) -> bool:
    number = start // CHUNK_BYTES
    return number < len(artefact.chunks) and artefact.chunks[number] == digest


def _wrong(transport: Transport) -> WrongDigest:
    return WrongDigest(
        f"What arrived from {transport.host} is not what was published: its digest is wrong, twice. Nothing "
        "was changed. Something on the way alters the data: try another network, and tell the SafeStats team."
    )


def _stop_if(cancelled: Callable[[], bool]) -> None:
    if cancelled():
        raise Cancelled
