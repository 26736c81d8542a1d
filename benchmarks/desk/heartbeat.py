"""A timer in QGIS's event loop, which tells how long the window ever kept anybody waiting."""

from __future__ import annotations

import time

from qgis.PyQt.QtCore import Qt, QTimer

BEAT_MS = 5


class Heartbeat:
    """``longest`` is the longest time, in seconds, between two of its beats."""

    def __init__(self) -> None:
        self.longest = 0.0
        self._last = time.perf_counter()
        self._timer = QTimer()
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.setInterval(BEAT_MS)
        self._timer.timeout.connect(self._beat)
        self._timer.start()

    def stop(self) -> float:
        """The longest time, up to now."""
        self._beat()
        self._timer.stop()
        return self.longest

    def _beat(self) -> None:
        now = time.perf_counter()
        self.longest = max(self.longest, now - self._last)
        self._last = now
