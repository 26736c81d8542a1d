"""Recall: incidents withdrawn for good, step by step; each step can be broken off anywhere and taken again.

1. It is written down, in the database and in the list that outlives it.
2. One transaction erases every version, what is staged, rejected rows' content and what waits for review, and makes a
   new release visible: from its commit on nobody is shown the incidents or may pull a file that held them.
3. Those files are written over and removed, and made anew without the incidents.
4. The database's own files are rewritten, so that no byte is left of what was deleted in them.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from ..audit.log import COMMAND_LINE, EventType
from ..datasets.definitions import DatasetDefinition
from ..datasets.erasing import erase_before, erase_versions, versions_before, versions_of
from ..errors import SafeStatsError
from ..geocoding.review import leave
from ..instants import london_today, now
from ..progress import ReportsProgress, silent
from ..publishing.artefact_store import ArtefactStore
from ..publishing.models import Artefact, JobKind
from ..publishing.service import publish_in_turn
from ..publishing.short_writes import in_a_write
from ..publishing.withdrawing import show_without
from ..services import Services, open_database
from ..settings import Part
from .choosing import Named
from .heeding import unheeded
from .models import NeverLoad, Recall, RecallKind, RecallState
from .never_load import is_mark
from .planning import old_deliveries, plan, retention_plan
from .recording import ask, asked_for, put_on_list, take_over
from .rejected import wash_rejected
from .shredding import shred
from .waiting import drop_waiting

_SHORTEST_REASON = 10


def recall(
    services: Services,
    dataset: str,
    named: Named,
    reason: str,
    may_return: bool = False,
    progress: ReportsProgress = silent,
    actor: str = COMMAND_LINE,
    today: date | None = None,
) -> Recall:
    """Withdraw incidents for good and see it through; what an earlier run left open is finished first.

    ``may_return``: the supplier will send them anew, corrected, and they may be loaded then. Raises
    ``SafeStatsError`` where nothing of it is held, without a reason, and where the last step cannot be done yet.
    """
    if len(reason.strip()) < _SHORTEST_REASON:
        raise SafeStatsError("Say why in a sentence (--reason), without naming anybody: the report will show it.")
    store = ArtefactStore(services.settings.artefacts_dir)
    with store.building(lambda: progress("Waiting for another builder", 0, 1)):
        _finish_open(services, store, progress, today)
        planned = plan(services, dataset, named)
        entry = asked_for(dataset, planned.extent, actor, kind=named.kind, reason=reason.strip(), may_return=may_return)
        entry.of_release = named.release
        ask(services, entry, [*planned.chosen.identities, *planned.chosen.marks], progress)
        return _finish(services, store, entry.recall_id, progress, today)


def again(services: Services, progress: ReportsProgress = silent, today: date | None = None) -> Sequence[Recall]:
    """Finish what was broken off, and carry out anew what the list names and the database does not know; returns
    what was done. Raises ``SafeStatsError`` where the last step cannot be done yet."""
    store = ArtefactStore(services.settings.artefacts_dir)
    with store.building(lambda: progress("Waiting for another builder", 0, 1)):
        return _finish_open(services, store, progress, today)


def open_recalls(services: Services, session: Session) -> bool:
    """Whether something is to be done ``again``."""
    waits = session.scalar(select(Recall.recall_id).where(Recall.state != RecallState.DONE).limit(1))
    return waits is not None or bool(unheeded(services, session))


def retain(
    services: Services,
    dataset: str,
    progress: ReportsProgress = silent,
    actor: str = COMMAND_LINE,
    today: date | None = None,
) -> Recall | None:
    """Take out what is older than its dataset may be kept; ``None`` where nothing is. Raises as ``recall``."""
    if not retention_plan(services, dataset, today)[1].versions:
        return None
    store = ArtefactStore(services.settings.artefacts_dir)
    with store.building(lambda: progress("Waiting for another builder", 0, 1)):
        _finish_open(services, store, progress, today)
        first, extent = retention_plan(services, dataset, today)
        if not extent.versions:
            return None
        why = f"Older than the {services.definition(dataset).retention_months} months that are kept."
        entry = asked_for(dataset, extent, actor, kind=RecallKind.RETENTION, reason=why, may_return=True)
        entry.before_month = first
        ask(services, entry, [], progress)
        return _finish(services, store, entry.recall_id, progress, today)


def _finish_open(
    services: Services, store: ArtefactStore, progress: ReportsProgress, today: date | None
) -> list[Recall]:
    with services.database.read() as session:
        missing = [entry for entry in unheeded(services, session) if session.get(Recall, entry.recall_id) is None]
    for listed in missing:
        take_over(services, listed, progress)
    with services.database.read() as session:
        waiting = session.scalars(select(Recall).where(Recall.state != RecallState.DONE).order_by(Recall.asked_at))
        names = [(entry.recall_id, entry.dataset) for entry in waiting]
    return [
        _finish(services, store, name, progress, today) for name, dataset in names if dataset in services.definitions
    ]


def _finish(
    services: Services, store: ArtefactStore, recall_id: str, progress: ReportsProgress, today: date | None
) -> Recall:
    """Do what is left of a recall; only while ``store.building()``."""
    with services.database.read() as session:
        entry = session.get_one(Recall, recall_id)
    definition = services.definition(entry.dataset)
    today = today or london_today()
    step = f"Recalling from {entry.dataset}"

    def between() -> None:
        progress(step, 0, 4)

    if entry.state == RecallState.ASKED:
        put_on_list(services, entry)
        progress(step, 1, 4)
        in_a_write(
            services.database,
            lambda session: _erase(services, session, definition, recall_id, today),
            between,
            entry.dataset,
        )
    progress(step, 2, 4)
    with services.database.read() as session:
        recorded = set(session.scalars(select(Artefact.name)))
    for name in store.names() - recorded:
        shred(store.path(name))
    if _state(services, recall_id) == RecallState.ERASED:
        publish_in_turn(services, store, entry.dataset, JobKind.BUILD, progress, today, entry.asked_by)
        _move_on(services, recall_id, RecallState.REBUILT)
    progress(step, 3, 4)
    if _state(services, recall_id) == RecallState.REBUILT:
        _rewrite_files(services, definition)
        _done(services, recall_id)
    progress(step, 4, 4)
    with services.database.read() as session:
        return session.get_one(Recall, recall_id)


def _erase(services: Services, session: Session, definition: DatasetDefinition, recall_id: str, today: date) -> None:
    entry = session.get_one(Recall, recall_id)
    if entry.state != RecallState.ASKED:
        return
    if entry.kind == RecallKind.RETENTION:
        listed: list[str] = []
        deliveries = old_deliveries(session, entry.dataset, entry.before_month)
        months, waiting = set(entry.months), set()
        for version in versions_before(session, definition, entry.before_month, deliveries):
            months.add(version.period)
            if definition.free_text:
                waiting.add(version.identity)
        erase_before(session, definition, entry.before_month, deliveries)
        leave(session, entry.dataset, sorted(waiting))
    else:
        listed = list(session.scalars(select(NeverLoad.identity).where(NeverLoad.recall_id == recall_id)))
        identities = [each for each in listed if not is_mark(each)]
        held = versions_of(session, definition, identities)
        months = {version.period for version in held} | set(entry.months)
        erase_versions(session, definition, identities)
        leave(session, entry.dataset, identities)
        drop_waiting(services, session, entry.dataset)
    wash_rejected(services, session, definition, entry, listed, sorted(months))
    entry.release = show_without(session, services, definition, months, entry.release, today, entry.asked_by)
    entry.months = sorted(months)
    entry.state, entry.erased_at = RecallState.ERASED, now()


def _rewrite_files(services: Services, definition: DatasetDefinition) -> None:
    """Let the database write its files anew; raises ``SafeStatsError`` where that cannot be done now."""
    settings = services.settings
    if settings.embedded:
        services.spatial.rewrite(services.database, definition)
        return
    if not settings.url(Part.OWNER):
        raise SafeStatsError(
            "The incidents are gone for everybody, but the database's own files may still hold their bytes, and only "
            "its owner may rewrite them: set SAFESTATS_OWNER_URL and run “safestats recall --again”."
        )
    owner = open_database(settings, Part.OWNER)
    try:
        services.spatial.rewrite(owner, definition)
    finally:
        owner.engine.dispose()


def _done(services: Services, recall_id: str) -> None:
    def done(session: Session) -> None:
        entry = session.get_one(Recall, recall_id)
        entry.state, entry.done_at = RecallState.DONE, now()
        services.audit.record(
            EventType.RECALL_DONE,
            actor=entry.asked_by,
            dataset=entry.dataset,
            filter={"recall": recall_id, "release": entry.release},
            rows=entry.versions,
            once=f"recall:{recall_id}:done",
        )

    in_a_write(services.database, done, lambda: None)


def _move_on(services: Services, recall_id: str, state: RecallState) -> None:
    def move(session: Session) -> None:
        session.execute(update(Recall).where(Recall.recall_id == recall_id).values(state=state))

    in_a_write(services.database, move, lambda: None)


def _state(services: Services, recall_id: str) -> RecallState:
    with services.database.read() as session:
        return RecallState(session.get_one(Recall, recall_id).state)
