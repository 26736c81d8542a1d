"""What a recall tells: what went, and who held it and has not synced since. As a page, a table and CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from ..audit.log import COMMAND_LINE, EventType
from ..errors import SafeStatsError
from ..services import Services
from .holders import Holder, Since, holders
from .models import Recall, RecallState
from .planning import Plan

SINCE = {
    Since.NOTHING: "not since",
    Since.MANIFEST: "was told, and fetched nothing yet",
    Since.PULL: "began to fetch",
    Since.SYNCED: "yes",
}
_COLUMNS = (
    "organisation", "person", "agreement", "rights show it", "pulls", "readings online", "last on", "last release",
    "synced since", "on", "copy lapses by", "sessions",
)  # fmt: skip
_STATES = {
    RecallState.ASKED: "asked for, not begun",
    RecallState.ERASED: "gone for everybody; files are being made anew",
    RecallState.REBUILT: "gone for everybody; the database’s own files are still to be rewritten",
    RecallState.DONE: "done",
}


@dataclass(frozen=True)
class RecallReport:
    """One recall, and its holders; those whose copies are outstanding come first."""

    recall: Recall
    holders: list[Holder]

    @property
    def outstanding(self) -> int:
        """How many may still have a copy with it."""
        return sum(holder.outstanding for holder in self.holders)


def state_in_words(recall: Recall) -> str:
    """How far it has come."""
    return _STATES[RecallState(recall.state)]


def recalls(session: Session) -> Sequence[Recall]:
    """All of them, the newest first."""
    return session.scalars(select(Recall).order_by(Recall.asked_at.desc())).all()


def report(services: Services, recall_id: str, reader: str = COMMAND_LINE) -> RecallReport:
    """The report on one; that it was read is recorded. Raises ``SafeStatsError`` where there is none of that id."""
    with services.database.read() as session:
        entry = session.get(Recall, recall_id)
    if entry is None:
        raise SafeStatsError(f"There is no recall {recall_id}: “safestats recalls” lists them.")
    services.audit.record(
        EventType.RECALL_READ, actor=reader, dataset=entry.dataset, filter={"recall": entry.recall_id}
    )
    release = entry.release if entry.state != RecallState.ASKED else 0
    return RecallReport(
        entry,
        holders(services.audit, entry.dataset, entry.first_release, release, entry.agreements, _lease(services)),
    )


def holders_of(services: Services, plan: Plan) -> list[Holder]:
    """Who holds what would go."""
    extent = plan.extent
    return holders(services.audit, plan.dataset, extent.first_release, 0, extent.agreements, _lease(services))


def table(found: Sequence[Holder]) -> tuple[list[str], list[list[str]]]:
    """Headings, and a row for each holder."""
    words = {True: "yes", False: "no", None: "not known"}
    rows = [
        [
            holder.organisation,
            holder.actor,
            holder.agreement,
            words[holder.shown],
            str(holder.pulls),
            str(holder.read),
            holder.last_at[:10],
            str(holder.last_release or ""),
            SINCE[holder.since],
            holder.since_at[:10],
            holder.lapses if holder.outstanding else "",
            " ".join(holder.sessions),
        ]
        for holder in found
    ]
    return list(_COLUMNS), rows


def as_csv(found: Sequence[Holder]) -> str:
    """The same as CSV."""
    headings, rows = table(found)
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(headings)
    writer.writerows(rows)
    return text.getvalue()


def _lease(services: Services) -> timedelta:
    return timedelta(days=services.settings.lease_days)
