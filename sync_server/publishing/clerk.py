"""What may take long and no release waits for: lists of premises, packs, what releases change, ranks.

It is done beside publishing, in a thread of the worker, so that a record is published at once while a list of three
thousand premises is being answered.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy.exc import OperationalError

from ..check import batches as lists
from ..datasets.definitions import DefinitionError
from ..errors import SafeStatsError
from ..instants import london_today
from ..needs import requests as needs
from ..ranks.building import build_ranks
from ..services import Services
from .comparing import any_lacks, compare_next
from .fresh import with_fresh_definitions

logger = logging.getLogger(__name__)

RANK_SECONDS = 300  # between two looks for tables of ranks that are lacking, where nothing was published
_LOOK_SECONDS = 0.4


class Clerk:
    """``published()`` tells it that there is a release whose ranks are to be counted."""

    def __init__(self, services: Services, goes_on: Callable[[], bool]) -> None:
        self._services = services
        self._goes_on = goes_on
        self._over = threading.Event()
        self._ranks_wanted = threading.Event()
        self._ranks_wanted.set()

    def published(self) -> None:
        """Count ranks soon."""
        self._ranks_wanted.set()

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Work in a thread until the end of the block, which waits for what is under way to be broken off."""
        thread = threading.Thread(target=self._work, name="safestats-clerk", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join()

    def _wanted(self) -> bool:
        return not self._over.is_set() and self._goes_on()

    def _watched(self, step: str, done: int, total: int) -> None:
        if not self._wanted():
            raise _StoppedError

    def _work(self) -> None:
        ranked_at = time.monotonic()
        starts = True
        while self._wanted():
            try:
                if starts:
                    needs.fail_broken_off(self._services)
                    starts = False
                if self._do_one():
                    continue
                if self._ranks_wanted.is_set() or time.monotonic() - ranked_at >= RANK_SECONDS:
                    self._ranks_wanted.clear()
                    build_ranks(with_fresh_definitions(self._services), london_today(), self._watched)
                    ranked_at = time.monotonic()
                self._over.wait(_LOOK_SECONDS)
            except _StoppedError:
                return
            except (OperationalError, SafeStatsError, DefinitionError, OSError) as error:
                logger.error("Lists, packs and ranks wait: %s", error)
                self._over.wait(10 * _LOOK_SECONDS)
            except Exception:  # what one of them meets must not end the others
                logger.exception("Lists, packs and ranks wait")
                self._over.wait(10 * _LOOK_SECONDS)

    def _do_one(self) -> bool:
        """Whether there was something to do."""
        services = self._services
        if any_lacks(services):
            return compare_next(with_fresh_definitions(services))
        if needs.any_waits(services):
            return needs.make_next(with_fresh_definitions(services))
        return lists.any_waits(services) and lists.answer_next(with_fresh_definitions(services), self._wanted)


class _StoppedError(Exception):
    """The worker is to end."""
