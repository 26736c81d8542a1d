"""How fast a move goes, and how long it will take at that."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

_MINUTE, _HOUR = 60, 3600


@dataclass
class Pace:
    """Counts what was done since it was made; ``total`` is what there is to do, in bytes of files."""

    total: int
    clock: Callable[[], float] = time.monotonic
    bytes_done: int = 0
    rows_done: int = 0
    _began: float = field(init=False)

    def __post_init__(self) -> None:
        self._began = self.clock()

    def add(self, size: int, rows: int) -> None:
        """Count a batch that is done (or set aside: then it is behind us as well)."""
        self.bytes_done += size
        self.rows_done += rows

    @property
    def rows_a_second(self) -> float:
        """Rows a second since the beginning."""
        return self.rows_done / max(self.clock() - self._began, 1e-9)

    @property
    def seconds_left(self) -> float | None:
        """How long the rest takes if it goes on as it went; None before the first batch."""
        if not self.bytes_done:
            return None
        return (self.clock() - self._began) * max(self.total - self.bytes_done, 0) / self.bytes_done

    def sentence(self) -> str:
        """Both in words."""
        share = 100 * self.bytes_done / self.total if self.total else 100
        left = self.seconds_left
        told = f", about {in_words(left)} left" if left is not None and self.bytes_done < self.total else ""
        return f"{share:.0f} % of this run, {self.rows_a_second:,.0f} rows a second{told}"


def in_words(seconds: float) -> str:
    """A length of time as one says it."""
    if seconds < _MINUTE:
        return f"{seconds:.0f} s"
    if seconds < _HOUR:
        return f"{seconds / _MINUTE:.0f} min"
    hours, rest = divmod(round(seconds / _MINUTE), _MINUTE)
    return f"{hours} h {rest:02d} min"
