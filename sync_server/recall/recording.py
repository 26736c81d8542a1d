"""Recalls written down: in the database, in the list that outlives it, and from that list in a restored database."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from ..audit.log import EventType
from ..instants import now
from ..progress import ReportsProgress
from ..publishing.models import ReleaseState
from ..publishing.releases import newest_release
from ..publishing.short_writes import in_a_write
from ..services import Services
from .heeding import refuse_unheeded
from .list_file import Listed, ListFile
from .models import NeverLoad, Recall, RecallKind, RecallState
from .planning import Extent


def asked_for(dataset: str, extent: Extent, actor: str, *, kind: RecallKind, reason: str, may_return: bool) -> Recall:
    """A recall of the extent as it is asked for now; not written yet."""
    return Recall(
        recall_id=secrets.token_hex(8),
        dataset=dataset,
        kind=kind,
        reason=reason,
        may_return=may_return,
        asked_by=actor,
        asked_at=now(),
        incidents=extent.incidents,
        versions=extent.versions,
        months=sorted(extent.months),
        agreements=extent.agreements,
        first_release=extent.first_release,
        state=RecallState.ASKED,
    )


def ask(services: Services, entry: Recall, identities: Sequence[str], progress: ReportsProgress) -> None:
    """Write it down, audited; raises ``SafeStatsError`` where the list names what was not carried out yet."""

    def write(session: Session) -> None:
        refuse_unheeded(services, session)
        _write_down(session, entry, identities)
        services.audit.record(
            EventType.RECALL_ASKED,
            actor=entry.asked_by,
            dataset=entry.dataset,
            filter={
                "recall": entry.recall_id,
                "kind": str(entry.kind),
                **({"release": entry.of_release} if entry.of_release else {}),
                "months": entry.months,
            },
            rows=entry.versions,
            once=f"recall:{entry.recall_id}:asked",
        )

    in_a_write(services.database, write, lambda: progress(f"Recalling from {entry.dataset}", 0, 1), entry.dataset)


def _write_down(session: Session, entry: Recall, identities: Sequence[str]) -> None:
    session.add(entry)
    session.flush()
    listed = [{"recall_id": entry.recall_id, "dataset": entry.dataset, "identity": each} for each in identities]
    if listed:
        session.execute(insert(NeverLoad), listed)


def put_on_list(services: Services, entry: Recall) -> None:
    """Put it on the list that outlives the database, unless it is there; what is merely old needs no list."""
    file = ListFile(services.settings.never_load_path)
    if entry.kind == RecallKind.RETENTION or any(each.recall_id == entry.recall_id for each in file.read()):
        return
    with services.database.read() as session:
        identities = session.scalars(
            select(NeverLoad.identity).where(NeverLoad.recall_id == entry.recall_id).order_by(NeverLoad.identity)
        ).all()
        visible = newest_release(session, entry.dataset, ReleaseState.PUBLISHED)
    file.append(Listed.of(entry, identities, visible.number + 1 if visible else 0))


def take_over(services: Services, listed: Listed, progress: ReportsProgress) -> None:
    """Write down in a restored database what the list names and it does not know."""
    entry = listed.recall()

    def write(session: Session) -> None:
        _write_down(session, entry, listed.identities)

    in_a_write(services.database, write, lambda: progress(f"Recalling from {entry.dataset}", 0, 1), entry.dataset)
