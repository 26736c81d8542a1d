"""Files that go at once: written over, then unlinked.

Whoever is being sent one gets other bytes from then on, and fails to prove them. What a disk keeps beneath
(wear levelling, snapshots of the file system) is for the disk's encryption.
"""

from __future__ import annotations

import os
from pathlib import Path

_PIECE = 1 << 20


def shred(path: Path) -> None:
    """Write over a file and unlink it; whether it is there does not matter."""
    try:
        with path.open("r+b") as file:
            left = os.fstat(file.fileno()).st_size
            while left > 0:
                left -= file.write(bytes(min(left, _PIECE)))
            file.flush()
            os.fsync(file.fileno())
    except FileNotFoundError:
        return
    path.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
