"""Gunzips a download in a thread of its own while the next bytes are on their way, and proves what comes out."""

from __future__ import annotations

import hashlib
import queue
import threading
import zlib
from pathlib import Path
from types import TracebackType

from .geopackage import UnprovedError

_PIECE_BYTES = 1024 * 1024
_WAITING_BLOCKS = 2  # a block is a proved chunk of a download
_LOOK_S = 0.2


class Unpacking:
    """A context: ``take`` gets the packed bytes in order, ``target`` (which exists) has the content on leaving.

    ``size`` and ``sha256`` are the content's where they were announced, else 0 and "". ``take`` and leaving raise
    ``UnprovedError`` where the bytes do not unpack to what was announced, and ``OSError``.
    """

    def __init__(self, target: Path, size: int, sha256: str) -> None:
        self._target = target
        self._size = size
        self._sha256 = sha256
        self._blocks: queue.Queue[bytes | None] = queue.Queue(_WAITING_BLOCKS)
        self._abandoned = threading.Event()
        self._trouble: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="safestats-unpack", daemon=True)

    def __enter__(self) -> Unpacking:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._abandoned.set()
        self._put(None)
        self._thread.join()
        if kind is None and self._trouble is not None:
            raise self._trouble

    def take(self, block: bytes) -> None:
        """The next bytes; waits where unpacking is behind."""
        self._put(block)
        if self._trouble is not None:
            raise self._trouble

    def _put(self, block: bytes | None) -> None:
        while self._thread.is_alive():
            try:
                self._blocks.put(block, timeout=_LOOK_S)
            except queue.Full:
                continue
            return

    def _run(self) -> None:
        try:
            self._unpack()
        except zlib.error as error:
            self._trouble = UnprovedError(f"it cannot be unpacked: {error}")
        except BaseException as error:  # told where the bytes come from
            self._trouble = error

    def _unpack(self) -> None:
        unzip = zlib.decompressobj(16 + zlib.MAX_WBITS)
        digest = hashlib.sha256()
        with self._target.open("r+b") as file:
            while (block := self._blocks.get()) is not None:
                while block:
                    if self._abandoned.is_set():
                        return
                    # In pieces: a small file may unpack into more than the memory holds.
                    content = unzip.decompress(block, _PIECE_BYTES)
                    digest.update(content)
                    file.write(content)
                    if self._size and file.tell() > self._size:
                        raise UnprovedError("the unpacked file is larger than announced")
                    block = unzip.unconsumed_tail
            content = unzip.flush()
            digest.update(content)
            file.write(content)
        if self._abandoned.is_set():
            return
        if not unzip.eof or (self._sha256 and digest.hexdigest() != self._sha256):
            raise UnprovedError("the unpacked file is not the announced one")
