"""Whether the database heeds the list of recalls: one that was restored from an older backup does not."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from ..errors import SafeStatsError
from ..services import Services
from .list_file import Listed, ListFile
from .models import Recall, RecallState


def unheeded(services: Services, session: Session) -> Sequence[Listed]:
    """The listed recalls whose incidents the database may still hold."""
    listed = ListFile(services.settings.never_load_path).read()
    if not listed:
        return []
    heeded = set(session.scalars(select(Recall.recall_id).where(Recall.state != RecallState.ASKED)))
    return [entry for entry in listed if entry.recall_id not in heeded]


def refuse_unheeded(services: Services, session: Session) -> None:
    """Raises ``SafeStatsError`` where the database may hold what was recalled."""
    waiting = unheeded(services, session)
    if waiting:
        several = "recalls are" if len(waiting) > 1 else "recall is"
        raise SafeStatsError(
            f"{len(waiting):,} {several} not carried out in this database, which may be an older one that was "
            "restored: run “safestats recall --again” first."
        )
