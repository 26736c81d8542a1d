"""How many files are checked at once by one process: the others are asked to come back, and nobody waits in line."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from ..problems import Problem

CHECKS_AT_ONCE = 2
_RETRY_SECONDS = 20


class CheckTurns:
    """Counts the checks that go on in this process."""

    def __init__(self) -> None:
        self._turns = threading.BoundedSemaphore(CHECKS_AT_ONCE)

    @contextmanager
    def turn(self) -> Iterator[None]:
        """While entered, one more goes on; raises ``Problem`` 429 at once where enough do."""
        if not self._turns.acquire(blocking=False):
            raise Problem(
                429,
                "too-many-checks",
                "Too many checks at once",
                f"{CHECKS_AT_ONCE} checks of files go on: try again in {_RETRY_SECONDS} seconds.",
                retry_after=_RETRY_SECONDS,
            )
        try:
            yield
        finally:
            self._turns.release()
