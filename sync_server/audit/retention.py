"""Retention: sealed batches older than the agreed time are archived, proved, and only then removed.

The seals stay. The chain goes on from the head of the last removed batch, and an event that tells of the archive and
its digest stands in the chain before anything goes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from ..errors import SafeStatsError
from ..instants import iso
from .archive import CONTENTS_FILE, Contents, check_archive, write_archive
from .canonical import digest
from .events import EventType
from .export import previous_head
from .log import AuditLog
from .seals import Seal

_MONTH = timedelta(days=30.4375)


@dataclass(frozen=True)
class Retired:
    """What went: the events of ``contents``, now in ``folder`` alone."""

    folder: Path
    contents: Contents
    removed: int


def retire(
    audit: AuditLog,
    keep_months: int,
    at: datetime,
    folder: Path,
    actor: str,
    remove: Callable[[int], int] | None = None,
) -> Retired | None:
    """Archive and remove the sealed batches that are older than ``keep_months`` at ``at``; None: there are none.

    The newest batch always stays. ``remove`` takes events away up to a number (on PostgreSQL only the tables' owner
    can; else the audit's own store). Raises ``SafeStatsError`` where the audit does not hold, or the archive does
    not prove itself: then nothing is removed.
    """
    if keep_months < 1:
        raise SafeStatsError("No time is set for which events are kept: set SAFESTATS_AUDIT_KEEP_MONTHS first.")
    audit.seal()
    result = audit.verify()
    if not result.ok:
        raise SafeStatsError(f"Nothing is archived, for the audit is not intact. {result.message}")
    first = next(audit.store.events()).number
    limit = iso(at - keep_months * _MONTH)
    seals = [stored for stored in audit.store.seals() if Seal.read(stored).last >= first]
    old = [stored for stored in seals[:-1] if Seal.read(stored).at < limit]
    if not old:
        return None
    last = Seal.read(old[-1]).last
    place = folder / f"events-{first}-to-{last}"
    if place.exists():
        raise SafeStatsError(f"{place} is there already: move it away, or check it and remove it.")
    keyring = audit.sealing.keyring
    contents = write_archive(place, audit.store.events(first - 1, last), old, previous_head(audit, first), keyring)
    try:
        check_archive(place, keyring.public_keys())
    except ValueError as error:
        raise SafeStatsError(f"Nothing is removed, for the archive could not be read back: {error}.") from error
    audit.record(
        EventType.AUDIT_RETENTION,
        actor=actor,
        filter={
            "until": last,
            "seals": [Seal.read(stored).number for stored in old],
            "sha256": digest((place / CONTENTS_FILE).read_text(encoding="utf-8")),
        },
    )
    audit.seal()  # that it was archived is beyond dispute before anything goes
    return Retired(place, contents, (remove or audit.store.remove)(last))
