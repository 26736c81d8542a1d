"""Downloads that go on where they stopped, each 8 MB proved by its own digest."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from ...shared.manifest import CHUNK_BYTES, Artefact
from .errors import Cancelled, WrongDigest
from .transport import Transport

_TRIES_PER_CHUNK = 2


class Download:
    """One artefact on its way into the file ``part``, which holds proved chunks only.

    ``take`` gets the proved bytes in their order, those of an earlier try first; ``progress`` how many have come.
    """

    def __init__(
        self,
        transport: Transport,
        path: str,
        artefact: Artefact,
        take: Callable[[bytes], None],
        progress: Callable[[int], None],
        cancelled: Callable[[], bool],
    ) -> None:
        self._transport = transport
        self._path = path
        self._artefact = artefact
        self._take = take
        self._progress = progress
        self._cancelled = cancelled
        self._proved = 0
        self._whole = hashlib.sha256()
        self.received = 0  # bytes that came over the line, wrong ones too

    def fetch(self, part: Path) -> None:
        """Complete ``part`` to the bytes of the artefact.

        Whole chunks that an earlier try left and that are right are kept. A wrong chunk is asked for once more,
        then raises ``WrongDigest``. Raises ``ServerUnreachable`` and ``Cancelled``; what is proved then stays.
        """
        # Not flushed to the disk: what a power cut leaves of it is proved again.
        with part.open("r+b") as file:
            self._keep_proved(file)
            wrong: dict[int, int] = {}
            while self._proved < self._artefact.size:
                self._progress(self._proved)
                self._receive(file)
                if self._proved < self._artefact.size:  # the chunk that follows is wrong
                    wrong[self._proved] = wrong.get(self._proved, 0) + 1
                    if wrong[self._proved] == _TRIES_PER_CHUNK:
                        raise self._wrong()
            if self._whole.hexdigest() != self._artefact.sha256:
                # Every chunk was as announced, so the announcement contradicts itself: nothing here is worth
                # keeping.
                file.truncate(0)
                raise self._wrong()
        self._progress(self._artefact.size)

    def _keep_proved(self, file: BinaryIO) -> None:
        """Cut ``file`` after the last of its leading chunks that are right."""
        for digest in self._artefact.chunks:
            self._stop_if_cancelled()
            chunk = file.read(self._next_size())
            if len(chunk) < self._next_size() or hashlib.sha256(chunk).hexdigest() != digest:
                break
            self._accept(chunk)
        file.truncate(self._proved)

    def _receive(self, file: BinaryIO) -> None:
        """Write what the server sends after the proved bytes, until it ends or a chunk is wrong."""
        with self._transport.download(self._path, self._proved, self._cancelled) as stream:
            # A server that will not resume begins anew: what is here already is passed over.
            passing = self._proved - stream.start
            chunk = bytearray()
            for block in stream.blocks:
                self.received += len(block)
                passed = min(passing, len(block))
                passing -= passed
                rest = memoryview(block)[passed:]
                while rest:
                    room = self._next_size() - len(chunk)
                    if room <= 0:
                        return  # more than was announced
                    chunk += rest[:room]
                    rest = rest[room:]
                    if len(chunk) == self._next_size():
                        if not self._is_right(chunk):
                            return
                        file.seek(self._proved)
                        file.write(chunk)
                        self._accept(bytes(chunk))
                        chunk.clear()
                self._progress(self._proved + len(chunk))
        if self._proved < self._artefact.size:
            # It ended early, in good order as far as HTTP can tell. What is proved stays for the next try.
            raise self._transport.broken_off()

    def _accept(self, chunk: bytes) -> None:
        self._proved += len(chunk)
        self._whole.update(chunk)
        self._take(chunk)

    def _next_size(self) -> int:
        """How long the chunk after the proved bytes is; 0 at the end."""
        return min(CHUNK_BYTES, self._artefact.size - self._proved)

    def _is_right(self, chunk: bytearray) -> bool:
        number = self._proved // CHUNK_BYTES
        expected = self._artefact.chunks
        return number < len(expected) and expected[number] == hashlib.sha256(chunk).hexdigest()

    def _wrong(self) -> WrongDigest:
        return WrongDigest(
            f"What arrived from {self._transport.host} is not what was published: its digest is wrong, twice. Nothing "
            "was changed. Something on the way alters the data: try another network, and tell the SafeStats team."
        )

    def _stop_if_cancelled(self) -> None:
        if self._cancelled():
            raise Cancelled
