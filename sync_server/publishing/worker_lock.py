"""Whether a publishing worker lives: it holds a lock, which goes with its process, however that ends."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_LOCK = "worker.lock"


@contextmanager
def sole_worker(data_dir: Path) -> Iterator[bool]:
    """Be the worker of a server's folder, until leaving; False tells that another one lives."""
    with (data_dir / _LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True


def worker_lives(data_dir: Path) -> bool:
    """Whether a worker lives that will do what is asked for."""
    with (data_dir / _LOCK).open("a") as lock:
        try:
            # Shared: two who ask at once do not take each other for a worker.
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def parent_lives(parent: int) -> bool:
    """Whether the process that started this one is still there."""
    return os.getppid() == parent
