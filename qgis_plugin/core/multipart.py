"""A form with files on its way to the server: read from the disk piece by piece, never held in memory as a whole."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType

from .errors import Cancelled

Sent = Callable[[int, int], None]


class MultipartForm:
    """The body of a ``multipart/form-data`` request with one file, for ``requests`` to stream.

    ``sent(done, total)`` hears how many bytes have been asked for. Once ``cancelled()`` is true, reading raises
    ``Cancelled``: what was sent is no whole form, and the server keeps nothing of it.
    """

    def __init__(
        self, fields: Mapping[str, str], name: str, file: Path, sent: Sent, cancelled: Callable[[], bool]
    ) -> None:
        self._boundary = secrets.token_hex(16)
        head = "".join(
            f'--{self._boundary}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'
            for key, value in fields.items()
        )
        head += (
            f'--{self._boundary}\r\nContent-Disposition: form-data; name="{name}"; filename="{_quoted(file.name)}"\r\n'
            "Content-Type: application/octet-stream\r\n\r\n"
        )
        self._parts = [head.encode("utf-8"), b"", f"\r\n--{self._boundary}--\r\n".encode()]
        self._file = file.open("rb")
        self._total = len(self._parts[0]) + file.stat().st_size + len(self._parts[2])
        self._done = 0
        self._sent = sent
        self._cancelled = cancelled

    def __enter__(self) -> MultipartForm:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._file.close()

    def __len__(self) -> int:
        return self._total

    @property
    def content_type(self) -> str:
        """The header that tells where one field ends."""
        return f"multipart/form-data; boundary={self._boundary}"

    def read(self, size: int = -1) -> bytes:
        """The next bytes, at most so many; none at the end."""
        if self._cancelled():
            raise Cancelled
        if size < 0:
            size = self._total
        block = self._take(0, size) or self._file.read(size) or self._take(2, size)
        self._done += len(block)
        self._sent(self._done, self._total)
        return block

    def _take(self, part: int, size: int) -> bytes:
        block, self._parts[part] = self._parts[part][:size], self._parts[part][size:]
        return block


def _quoted(name: str) -> str:
    return name.replace("\\", "_").replace('"', "_").replace("\r", "_").replace("\n", "_")
