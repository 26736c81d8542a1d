"""Carrying the audit off: events, seals and public keys as files that prove themselves."""

from __future__ import annotations

from pathlib import Path

from ..errors import SafeStatsError
from .archive import Contents, write_archive
from .canonical import START
from .events import EventType
from .log import AuditLog


def export_events(audit: AuditLog, folder: Path, actor: str, after: int = 0) -> Contents:
    """Everything after the event ``after``, sealed first, into a new folder; recorded.

    Raises ``SafeStatsError`` where the folder exists, the audit cannot be sealed, or nothing is there to export.
    """
    if folder.exists():
        raise SafeStatsError(f"{folder} is there already: name a new folder.")
    audit.seal()
    head, _ = audit.store.head()
    first = next(audit.store.events(), None)
    if first is None or after >= head:
        raise SafeStatsError("There is no event to be exported: name a smaller number with --after.")
    before = audit.store.event(after) if after else None
    if after and before is None:
        raise SafeStatsError(f"Event {after} is not in the audit: events before {first.number} were archived.")
    if before is None:
        previous = previous_head(audit, first.number)
    else:
        previous = before.hash
    contents = write_archive(
        folder, audit.store.events(after, head), audit.store.seals(), previous, audit.sealing.keyring
    )
    audit.record(
        EventType.AUDIT_EXPORTED,
        actor=actor,
        filter={"first": contents.first, "last": contents.last, "sha256": contents.events_sha256},
    )
    return contents


def previous_head(audit: AuditLog, first: int) -> str:
    """The hash before the event ``first``, which is the first of all or the first after a sealed batch."""
    from .seals import Seal

    if first == 1:
        return START
    return next(seal.head for seal in map(Seal.read, audit.store.seals()) if seal.last == first - 1)
