"""Sealing: at most a minute after an event was recorded, its batch is signed and the seal carried off the host."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import SafeStatsError
from ..instants import iso, now
from .canonical import START, link
from .seals import Seal, SealFolder, seal_digest
from .signing import Keyring, PublicKey
from .store import AuditStore, AuditUnavailable, StoredEvent, StoredSeal

if TYPE_CHECKING:
    from .log import AuditLog

logger = logging.getLogger(__name__)

SEAL_EVERY_SECONDS = 45  # less than the minute that is promised
_EVENTS_AT_ONCE = 10_000  # what others wait for, if years of an older version are sealed


class AuditBrokenError(SafeStatsError):
    """The batch to be sealed was tampered with: nothing is signed."""


@dataclass(frozen=True)
class Sealing:
    """Seals the events of a store with the key of a keyring, and exports the seals to a folder."""

    store: AuditStore
    keyring: Keyring
    folder: SealFolder

    def unannounced_key(self) -> PublicKey | None:
        """The key that was made now, if this audit had never had one: it is to be recorded before it signs."""
        if self.keyring.exists() or next(self.store.seals(), None) is not None:
            return None
        return self.keyring.make()

    def seal(self) -> int:
        """Seal what is not sealed; how many seals that took.

        Raises ``AuditKeyError``, ``AuditBrokenError``, ``AuditUnavailable``.
        """
        made = 0
        while self.store.seal(self._make, _EVENTS_AT_ONCE) is not None:
            made += 1
        return made

    def export(self) -> int:
        """Bring the folder up to date; how many seals were written. Raises ``OSError``, ``AuditUnavailable``."""
        seals = list(self.store.seals(after=self.folder.newest()))
        if seals:
            self.folder.add(seals, self.keyring.public_keys().values())
        return len(seals)

    def _make(self, previous: StoredSeal | None, events: Sequence[StoredEvent]) -> StoredSeal | None:
        if not events:
            return None
        before = None if previous is None else Seal.read(previous)
        expected, head = (1, START) if before is None else (before.last + 1, before.head)
        for event in events:
            if event.number != expected or link(head, event.body) != event.hash:
                raise AuditBrokenError(
                    f"The audit is not sealed: event {expected} is missing or altered. Run “safestats audit verify”."
                )
            expected, head = expected + 1, event.hash
        private = self.keyring.private()
        seal = Seal(
            number=1 if before is None else before.number + 1,
            first=events[0].number,
            last=events[-1].number,
            count=len(events),
            head=head,
            at=iso(now()),
            previous=START if previous is None else seal_digest(previous),
            key=PublicKey(private.public_key()).id,
        )
        return StoredSeal(seal.number, seal.text, private.sign(seal.text.encode()).hex())


def seal_with_patience(audit: AuditLog) -> None:
    """Seal and export; what hinders it is logged, for it may be righted before the next time."""
    try:
        audit.seal()
    except (SafeStatsError, AuditUnavailable, OSError, ValueError) as error:
        logger.error("The audit could not be sealed or its seals exported: %s", error)


@contextmanager
def sealed_regularly(audit: AuditLog, every_seconds: float = SEAL_EVERY_SECONDS) -> Iterator[None]:
    """Seal at once, regularly while the block runs, and at its end; in a thread, for a worker may be long at a job."""
    stop = threading.Event()

    def run() -> None:
        seal_with_patience(audit)
        while not stop.wait(every_seconds):
            seal_with_patience(audit)

    thread = threading.Thread(target=run, name="sealing", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        seal_with_patience(audit)
