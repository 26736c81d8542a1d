"""Where events and seals are kept: what the two engines' stores have in common.

A store knows nothing of what an event means. It numbers events without a gap, one writer at a time over all
processes, each in a short transaction of its own: what is recorded stays, whatever becomes of the request.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from typing import Any, Protocol

from ..errors import SafeStatsError
from ..problems import Problem
from .canonical import canonical, link

# Members that stand beside the body too, so that a search needs no JSON; verification proves them equal.
COPIED = ("at", "event", "actor", "organisation", "dataset", "outcome")


class AuditUnavailable(Problem):
    """The audit cannot be read or written at the moment, so nothing is given out."""

    def __init__(self) -> None:
        super().__init__(
            503,
            "audit-unavailable",
            "The audit cannot be written",
            "The server cannot keep its audit at the moment, so it gives out no data: tell the SafeStats team.",
        )


@dataclass(frozen=True)
class StoredEvent:
    """An event as it is kept. ``body`` is its canonical text, ``hash`` binds it to the event before it."""

    number: int
    once: str | None
    at: str
    event: str
    actor: str
    organisation: str
    dataset: str
    outcome: str
    body: str
    hash: str

    @classmethod
    def chained(cls, number: int, previous: str, once: str | None, members: Mapping[str, Any]) -> StoredEvent:
        """The event of these members after the one with the hash ``previous``."""
        body = canonical({"number": number, "once": once, **members})
        copies = {name: str(members[name]) for name in COPIED}
        return cls(number=number, once=once, body=body, hash=link(previous, body), **copies)


@dataclass(frozen=True)
class StoredSeal:
    """A seal as it is kept: canonical text, and the Ed25519 signature of it in hexadecimal digits."""

    number: int
    body: str
    signature: str


@dataclass(frozen=True)
class Criteria:
    """Which events are wanted: by exact members, by time (``since`` <= at < ``until``), by a text somewhere in them."""

    actor: str = ""
    organisation: str = ""
    dataset: str = ""
    event: str = ""
    outcome: str = ""
    since: str = ""
    until: str = ""
    text: str = ""


def last_sealed(seal: StoredSeal | None) -> int:
    """The number of the last event under the seal, 0 where there is none; raises ``SafeStatsError``."""
    try:
        return 0 if seal is None else int(json.loads(seal.body)["last"])
    except (ValueError, KeyError, TypeError) as error:
        raise SafeStatsError("The newest seal is damaged: run “safestats audit verify”.") from error


# Given the newest seal and the events after it, in order: the next seal, or none.
MakesSeal = Callable[[StoredSeal | None, Sequence[StoredEvent]], StoredSeal | None]


class AuditStore(Protocol):
    """Events and seals on one engine. Every method raises ``AuditUnavailable`` where the engine fails."""

    def append(self, members: Mapping[str, Any], once: str | None) -> tuple[int, bool]:
        """Keep an event durably; its number, and whether it is new (False: ``once`` was there already)."""

    def head(self) -> tuple[int, str]:
        """Number and hash of the newest event; (0, START) where there is none."""

    def event(self, number: int) -> StoredEvent | None:
        """The event of that number."""

    def events(self, after: int = 0, until: int | None = None) -> Iterator[StoredEvent]:
        """The events with ``after`` < number <= ``until``, in order, without holding them all in memory."""

    def search(self, criteria: Criteria, before: int | None, limit: int) -> list[StoredEvent]:
        """The newest ``limit`` events that meet the criteria and have a number below ``before``, newest first."""

    def seals(self, after: int = 0) -> Iterator[StoredSeal]:
        """The seals with a number above ``after``, in order."""

    def newest_seal(self) -> StoredSeal | None:
        """The newest seal."""

    def seal(self, make: MakesSeal, at_most: int) -> StoredSeal | None:
        """Keep what ``make`` makes of the newest seal and the next ``at_most`` events, while nobody else writes."""

    def remove(self, until: int) -> int:
        """Take away the events up to that number, for retention alone; how many went. Needs the owner's rights."""

    def close(self) -> None:
        """Let go of what is open."""


@dataclass(frozen=True)
class Statements:
    """The SQL that both engines share, on their names of the two tables."""

    event_table: str
    seal_table: str

    _columns = ", ".join(field.name for field in fields(StoredEvent))
    _values = ", ".join(f":{field.name}" for field in fields(StoredEvent))

    @property
    def head(self) -> str:
        return f"SELECT number, hash FROM {self.event_table} ORDER BY number DESC LIMIT 1"

    @property
    def once(self) -> str:
        return f"SELECT number FROM {self.event_table} WHERE once = :once"

    @property
    def insert_event(self) -> str:
        return f"INSERT INTO {self.event_table} ({self._columns}) VALUES ({self._values})"

    @property
    def event(self) -> str:
        return f"SELECT {self._columns} FROM {self.event_table} WHERE number = :number"

    def events(self, limited: bool = False) -> str:
        """The events between two numbers in order, ``limited`` to a number of them."""
        return (
            f"SELECT {self._columns} FROM {self.event_table} "
            f"WHERE number > :after AND number <= :until ORDER BY number{' LIMIT :limit' if limited else ''}"
        )

    def search(self, criteria: Criteria) -> str:
        """What meets the criteria that are given, newest first, below the number ``:before``."""
        conditions = ["number < :before"]
        conditions += [f"{name} = :{name}" for name in COPIED if name != "at" and getattr(criteria, name)]
        if criteria.since:
            conditions.append("at >= :since")
        if criteria.until:
            conditions.append("at < :until")
        if criteria.text:
            conditions.append("lower(body) LIKE :text ESCAPE '!'")
        return (
            f"SELECT {self._columns} FROM {self.event_table} "
            f"WHERE {' AND '.join(conditions)} ORDER BY number DESC LIMIT :limit"
        )

    @property
    def seals(self) -> str:
        return f"SELECT number, body, signature FROM {self.seal_table} WHERE number > :after ORDER BY number"

    @property
    def newest_seal(self) -> str:
        return f"SELECT number, body, signature FROM {self.seal_table} ORDER BY number DESC LIMIT 1"

    @property
    def insert_seal(self) -> str:
        return f"INSERT INTO {self.seal_table} (number, body, signature) VALUES (:number, :body, :signature)"

    @property
    def remove(self) -> str:
        return f"DELETE FROM {self.event_table} WHERE number <= :until"


ALL = 2**62  # above every number


def parameters(criteria: Criteria, before: int | None, limit: int) -> dict[str, Any]:
    """What ``Statements.search`` needs to know."""
    given: dict[str, Any] = {name: value for name, value in vars(criteria).items() if value and name != "text"}
    if criteria.text:
        # As it stands in the body: JSON escapes quotation marks and control characters.
        text = canonical({"": criteria.text})[5:-2].lower()
        given["text"] = f"%{text.replace('!', '!!').replace('%', '!%').replace('_', '!_')}%"
    return {**given, "before": ALL if before is None else before, "limit": limit}


def row_of(stored: StoredEvent | StoredSeal) -> dict[str, Any]:
    """The columns of what is to be inserted."""
    return dict(zip((field.name for field in fields(stored)), astuple(stored), strict=True))
