"""Work that several ask for at once is done once: the others wait for what comes of it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Any, TypeVar

_T = TypeVar("_T")


class OneAtATime:
    """What goes on in this process, by key; nothing is remembered once it is done."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: dict[Hashable, Future[Any]] = {}

    def result(self, key: Hashable, work: Callable[[], _T]) -> _T:
        """What ``work`` gives, or what it gives to whoever began it with this key; what it raises, all raise."""
        with self._lock:
            running = self._running.get(key)
            mine: Future[_T] = Future()
            if running is None:
                self._running[key] = mine
        if running is not None:
            waited: _T = running.result()
            return waited
        try:
            made = work()
        except BaseException as error:
            mine.set_exception(error)
            raise
        else:
            mine.set_result(made)
            return made
        finally:
            with self._lock:
                del self._running[key]
