"""The one place where a file is put in the place of another, or deleted.

Windows refuses both while another program has one of the files open: a virus scanner or an indexer for a moment, a
viewer or another QGIS for long. A moment is waited for.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

PATIENCE_S = 2.0
_FIRST_WAIT_S = 0.01
# ERROR_ACCESS_DENIED, ERROR_SHARING_VIOLATION, ERROR_LOCK_VIOLATION, ERROR_USER_MAPPED_FILE
_HELD_OPEN = {5, 32, 33, 1224}


def put_in_place(new: Path, final: Path) -> None:
    """``new`` takes the place and the name of ``final``, in one step. Raises ``OSError``: then ``final`` is untouched.

    Call it off the GUI thread: it may wait for ``PATIENCE_S``.
    """
    until, wait_s = time.monotonic() + PATIENCE_S, _FIRST_WAIT_S
    while True:
        try:
            new.replace(final)
            return
        except OSError as error:
            if not held_open(error) or time.monotonic() > until:
                raise
            time.sleep(wait_s)
            wait_s *= 2


def write_in_place(final: Path, content: bytes, beside: str = "part") -> None:
    """``final``, owner-only, has ``content``: whole and flushed to the disk, or as before. Raises ``OSError``.

    ``beside`` ends the name of the file that is written first.
    """
    new = final.with_name(f"{final.name}.{beside}")
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    put_in_place(new, final)


def delete(path: Path, patience_s: float = 0.0) -> bool:
    """Whether ``path`` is gone. Where it is held open it stays, after ``patience_s`` of tries: delete it later."""
    until, wait_s = time.monotonic() + patience_s, _FIRST_WAIT_S
    while True:
        try:
            path.unlink()
            return True
        except FileNotFoundError:
            return True
        except OSError as error:
            if not held_open(error) or time.monotonic() >= until:
                return False
            time.sleep(wait_s)
            wait_s *= 2


def held_open(error: OSError) -> bool:
    """Whether another program has the file open, as Windows tells it."""
    return getattr(error, "winerror", None) in _HELD_OPEN


def flush(path: Path) -> None:
    """Put the file's content on the disk."""
    handle = os.open(path, os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def flush_folder(path: Path) -> None:
    """Put the names in the folder on the disk."""
    if os.name == "nt":
        return  # Windows has no handle on a folder; its rename is durable by itself
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
