"""Who held what was recalled, and who has not synced since: read from the audit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from ..audit.events import EventType, Outcome
from ..audit.log import AuditLog, Event
from ..audit.store import Criteria

_PAGE = 1000


class Since(StrEnum):
    """What somebody has asked for since the recall."""

    NOTHING = "nothing"
    MANIFEST = "manifest"  # was told that there is a new release
    PULL = "pull"  # asked for its files; not all of a file is known to have left
    SYNCED = "synced"  # files of it left whole, or there was nothing for them to fetch


@dataclass
class Holder:
    """A person (by opaque id) of an organisation to whom the rows went, or may have gone.

    ``shown``: the agreement's rights open some of the rows; ``None``: it was no longer in force at the recall, or was
    changed since the files went, and its rights of then are not known. ``read`` counts readings online. ``lapses``: a
    copy that stays away is unreadable by then.
    """

    organisation: str
    actor: str
    agreement: str
    shown: bool | None = None
    pulls: int = 0
    read: int = 0
    sessions: list[str] = field(default_factory=list)
    first_at: str = ""
    last_at: str = ""
    last_release: int = 0
    since: Since = Since.NOTHING
    since_at: str = ""
    lapses: str = ""

    @property
    def outstanding(self) -> bool:
        """Whether a copy with the rows may still lie somewhere."""
        return self.pulls > 0 and self.shown is not False and self.since != Since.SYNCED


def holders(
    audit: AuditLog,
    dataset: str,
    first_release: int,
    release: int,
    agreements: Mapping[str, bool],
    lease: timedelta,
) -> list[Holder]:
    """Whoever was sent files, or read rows, of a release from ``first_release`` on and before ``release`` (0: to now).

    ``agreements`` are those in force, and whether their rights open some of the rows. Those who hold outstanding copies
    come first. Raises ``AuditUnavailable``.
    """
    if not first_release:
        return []
    found: dict[tuple[str, str, str], Holder] = {}
    intents: dict[int, Holder] = {}
    until = _done_at(audit, dataset, release)
    for event in _events(audit, dataset, EventType.LAYER_PULL):
        number = int(event.body["filter"].get("release", 0))
        if number >= first_release and (not release or number < release):
            holder = _holder(found, event, agreements)
            holder.pulls += 1
            holder.last_release = max(holder.last_release, number)
            _seen(holder, event, lease)
    for event in _events(audit, dataset, EventType.ITEMS_READ):
        if (event.body["rows"] or 0) > 0 and (not until or event.body["at"] < until):
            holder = _holder(found, event, agreements)
            holder.read += 1
            _seen(holder, event, lease)
    changed = _last_changes(audit)
    for holder in found.values():
        if not holder.shown and changed.get(holder.agreement, "") > holder.first_at:
            holder.shown = None
    if release:
        by_actor: dict[str, list[Holder]] = {}
        for holder in found.values():
            by_actor.setdefault(holder.actor, []).append(holder)
        for kind, since in ((EventType.LAYER_MANIFEST, Since.MANIFEST), (EventType.LAYER_PULL, Since.PULL)):
            for event in _events(audit, dataset, kind):
                if int(event.body["filter"].get("release", 0)) < release:
                    continue
                for holder in by_actor.get(event.body["actor"], ()):
                    _came_back(holder, since, event.body["at"])
                    if since == Since.PULL:
                        intents[event.number] = holder
        for event in _events(audit, dataset, EventType.DELIVERY_ENDED):
            holder_of = intents.get(int(event.body.get("of", 0)))
            if holder_of is not None:
                for holder in by_actor[holder_of.actor]:
                    _came_back(holder, Since.SYNCED, event.body["at"])
    return sorted(found.values(), key=lambda one: (not one.outstanding, one.organisation, one.actor, one.agreement))


def _came_back(holder: Holder, since: Since, at: str) -> None:
    order = list(Since)
    # Where their rights show none of the rows, the manifest has named no other file: there is nothing to fetch.
    if since == Since.MANIFEST and holder.shown is False:
        since = Since.SYNCED
    if order.index(since) > order.index(holder.since):
        holder.since, holder.since_at = since, at


def _holder(found: dict[tuple[str, str, str], Holder], event: Event, agreements: Mapping[str, bool]) -> Holder:
    body = event.body
    key = (body["organisation"], body["actor"], body["agreement"])
    if key not in found:
        found[key] = Holder(*key, shown=agreements.get(key[2]))
    holder = found[key]
    if body["session"] and body["session"] not in holder.sessions:
        holder.sessions.append(body["session"])
    return holder


def _seen(holder: Holder, event: Event, lease: timedelta) -> None:
    holder.first_at = min(holder.first_at or event.body["at"], event.body["at"])
    if event.body["at"] > holder.last_at:
        holder.last_at = event.body["at"]
        holder.lapses = f"{datetime.fromisoformat(holder.last_at) + lease:%Y-%m-%d}"


def _done_at(audit: AuditLog, dataset: str, release: int) -> str:
    """When the release became visible; empty where it has not."""
    for event in _events(audit, dataset, EventType.DATASET_PUBLISHED):
        if event.body["filter"].get("release") == release:
            return str(event.body["at"])
    return ""


def _last_changes(audit: AuditLog) -> dict[str, str]:
    """When each agreement's grants were last changed."""
    changes: dict[str, str] = {}
    for kind in (EventType.AGREEMENT_CHANGED, EventType.AGREEMENT_GRANTED):
        for event in _events(audit, "", kind):
            name = event.body["agreement"]
            changes[name] = max(changes.get(name, ""), event.body["at"])
    return changes


def _events(audit: AuditLog, dataset: str, kind: EventType) -> Iterator[Event]:
    """The events of the kind that went well, of the dataset if one is given, newest first."""
    before: int | None = None
    wanted = Criteria(dataset=dataset, event=kind, outcome=Outcome.OK)
    while page := audit.store.search(wanted, before, _PAGE):
        yield from map(Event.read, page)
        before = page[-1].number
