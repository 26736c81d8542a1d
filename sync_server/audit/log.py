"""The audit: what the other parts record by, and read.

Each event is canonical JSON, kept as text; its hash is SHA-256 over the hash before it and its bytes. Events are on
disk before ``record`` returns, in a transaction of their own: a refusal outlives the request that is rolled back.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from ..instants import iso, now
from ..problems import Problem
from .events import COMMAND_LINE, WORKER, EventType, Outcome
from .pace import WINDOW_SECONDS, Pace
from .sealing import Sealing, seal_with_patience
from .seals import SealFolder
from .signing import PublicKey
from .store import AuditStore, AuditUnavailable, StoredEvent, last_sealed
from .verification import VerifyResult, read_heads, verify

__all__ = ["COMMAND_LINE", "WORKER", "AuditLog", "AuditUnavailable", "Event", "EventType", "Outcome"]

logger = logging.getLogger(__name__)

# What tells a caller nothing, or the same again, is what floods are made of.
_CHEAP_POINTS, _DEAR_POINTS = 1, 10
# They come of what was permitted before, or are recorded once a minute anyway.
_UNPACED = (EventType.DELIVERY_ENDED, EventType.ACCESS_REFUSED)


class TooManyRequests(Problem):
    """The session makes the audit grow faster than any work would."""

    def __init__(self) -> None:
        super().__init__(
            429,
            "too-many-requests",
            "Too many requests",
            "Your session asks too much in too short a time: wait a minute, then go on.",
        )


@dataclass(frozen=True)
class Event:
    """One recorded event: its number in the chain and its members."""

    number: int
    body: dict[str, Any]

    @classmethod
    def read(cls, stored: StoredEvent) -> Event:
        """The event as its members."""
        return cls(stored.number, json.loads(stored.body))


@dataclass(frozen=True)
class SealStanding:
    """The numbers of the newest seal and of the newest exported one; ``unsealed_since``: the first event without."""

    newest: int
    exported: int
    unsealed_since: datetime | None


class AuditLog:
    """The audit on a store. A session may record ``points_per_minute``: 10 for a refusal or a listing, else 1."""

    def __init__(
        self, store: AuditStore, sealing: Sealing, points_per_minute: int, old_heads: Path | None = None
    ) -> None:
        self.store = store
        self.sealing = sealing
        self._old_heads = old_heads
        self._pace = Pace(points_per_minute)

    def record(self, event: EventType, **members: Any) -> bool:
        """Append an event, durably, before returning; takes what ``intent`` takes.

        With ``once``, an event with that key is recorded a single time: False tells that it was there already.
        Raises ``AuditUnavailable`` where it cannot be kept, ``TooManyRequests`` where the session floods the audit.
        """
        return self._keep(event, **members)[1]

    def intent(self, event: EventType, **members: Any) -> int:
        """``record`` what is about to leave; its number, for ``outcome``. With ``once``, that of the first time."""
        return self._keep(event, **members)[0]

    def outcome(
        self,
        of: int,
        *,
        completed: bool,
        part: str = "",
        rows: int | None = None,
        bytes: int | None = None,
        reason: str = "",
    ) -> bool:
        """How sending went that was recorded as event ``of``; recorded once for each ``part`` (a file) of it.

        Raises ``AuditUnavailable``, and ``ValueError`` where there is no such event.
        """
        intended = self.store.event(of)
        if intended is None:
            raise ValueError(f"There is no event {of} whose outcome could be recorded.")
        members = json.loads(intended.body)
        outcome = Outcome.OK if completed else Outcome.BROKEN_OFF
        return self.record(
            EventType.DELIVERY_ENDED,
            **{name: members[name] for name in _OF_THE_INTENT},
            filter={**({"part": part} if part else {}), **({} if bytes is None else {"bytes": bytes})},
            rows=rows,
            outcome=outcome,
            reason=reason,
            of=of,
            once=f"outcome:{of}:{part}:{outcome}",
        )

    def events(self, last: int | None = None) -> Iterator[Event]:
        """The events in order; only the ``last`` so many, where given."""
        after = 0 if last is None else self.store.head()[0] - last
        for stored in self.store.events(after=max(after, 0)):
            yield Event.read(stored)

    def seal(self) -> int:
        """Seal what is not sealed and export the seals; how many seals that took.

        Raises ``AuditKeyError``, ``AuditBrokenError``, ``AuditUnavailable``, ``OSError`` (of the export).
        """
        if self.store.head()[0] == 0:
            return 0
        made = self.sealing.unannounced_key()
        if made is not None:
            self.announce(made, actor=WORKER)
        sealed = self.sealing.seal()
        self.sealing.export()
        return sealed

    def sealed_until(self) -> int:
        """The number of the last event under a seal; 0: none is sealed."""
        return last_sealed(self.store.newest_seal())

    def standing(self) -> SealStanding:
        """How far sealing and exporting have come. Raises ``AuditUnavailable``, ``OSError``."""
        newest = self.store.newest_seal()
        waiting = next(self.store.events(after=last_sealed(newest)), None)
        exported = self.sealing.folder.newest()
        return SealStanding(
            newest.number if newest else 0, exported, datetime.fromisoformat(waiting.at) if waiting else None
        )

    def rotate_key(self, actor: str) -> PublicKey:
        """Sign with a new key from now on; that it is the right one is the last thing that the former key seals.

        Where the former key is lost, the new one seals at once: verifiers must be handed it. Raises as ``seal``.
        """
        keyring = self.sealing.keyring
        public, waiting = keyring.prepare()
        self.announce(public, actor)
        if keyring.exists():
            self.seal()
        keyring.take_over(waiting)
        self.seal()
        return public

    def announce(self, key: PublicKey, actor: str) -> None:
        """Record that seals are signed by this key from now on."""
        self.record(
            EventType.AUDIT_KEY, actor=actor, filter={"key": key.id, "public_key": key.raw.hex()}, once=f"key:{key.id}"
        )

    def verify(self, folder: SealFolder | None = None, keys: Mapping[str, PublicKey] | None = None) -> VerifyResult:
        """Prove the chain against the exported seals (of ``folder``, else of this audit's own) and public keys.

        Raises ``AuditUnavailable``, ``AuditKeyError``.
        """
        exported = (folder or self.sealing.folder).read()
        trusted = self.sealing.keyring.public_keys() if keys is None else keys
        heads = read_heads(self._old_heads) if self._old_heads else {}
        return verify(self.store, exported, trusted, heads)

    def close(self) -> None:
        """Seal what can be sealed, and let go of what is open."""
        seal_with_patience(self)
        self.store.close()

    def _keep(
        self,
        event: EventType,
        *,
        actor: str,
        organisation: str = "",
        agreement: str = "",
        conditions: str = "",
        purpose: str = "",
        dataset: str = "",
        filter: Mapping[str, Any] | None = None,
        rows: int | None = None,
        outcome: str = Outcome.OK,
        reason: str = "",
        session: str = "",
        once: str | None = None,
        reported_at: str = "",
        of: int | None = None,
    ) -> tuple[int, bool]:
        """``reported_at`` marks an event as told by the client, at the client's time; ``of`` names another event."""
        body: dict[str, Any] = {
            "at": iso(now()),
            "event": str(event),
            "actor": actor,
            "organisation": organisation,
            "agreement": agreement,
            "conditions": conditions,
            "purpose": purpose,
            "dataset": dataset,
            "filter": dict(filter or {}),
            "rows": rows,
            "outcome": str(outcome),
            "reason": reason,
            "session": session,
        }
        if reported_at:
            body["reported_at"] = reported_at
        if of is not None:
            body["of"] = of
        try:
            if session and event not in _UNPACED:
                self._spend(body)
            return self.store.append(body, once)
        except AuditUnavailable as error:
            logger.error("The audit cannot be written: %s", error.__cause__)
            raise

    def _spend(self, body: Mapping[str, Any]) -> None:
        dear = body["outcome"] == Outcome.REFUSED or body["event"] == EventType.LAYERS_LISTED
        if self._pace.permits(body["session"], _DEAR_POINTS if dear else _CHEAP_POINTS):
            return
        throttled = {
            **body,
            "event": str(EventType.SESSION_THROTTLED),
            "filter": {"event": body["event"]},
            "rows": None,
            "outcome": str(Outcome.REFUSED),
            "reason": "too-many-requests",
        }
        throttled.pop("reported_at", None)
        minute = int(time.time() // WINDOW_SECONDS)
        self.store.append(throttled, f"throttle:{body['session']}:{minute}")
        raise TooManyRequests


_OF_THE_INTENT = ("actor", "organisation", "agreement", "conditions", "purpose", "dataset", "session")
