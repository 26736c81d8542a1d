"""How fast one session may make the audit grow: a flood of requests must not become a flood of events."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

WINDOW_SECONDS = 60


class Pace:
    """``per_minute`` points for each session and minute, counted in this process."""

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_minute = per_minute
        self._clock = clock
        self._lock = threading.Lock()
        self._window = -1
        self._spent: dict[str, int] = {}

    def permits(self, session: str, points: int) -> bool:
        """Whether the session may spend so many points now; what is refused costs nothing."""
        with self._lock:
            window = int(self._clock() // WINDOW_SECONDS)
            if window != self._window:
                self._window, self._spent = window, {}
            spent = self._spent.get(session, 0) + points
            if spent > self._per_minute:
                return False
            self._spent[session] = spent
            return True
