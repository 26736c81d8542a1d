"""From a delivery to what people see: how long it took, and whose delivery is late."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ..audit.events import EventType, Outcome
from ..audit.log import AuditLog
from ..audit.store import Criteria
from ..datasets.definitions import DatasetDefinition
from ..ingest.models import Delivery
from ..instants import LONDON
from .periods import month_of
from .usage import events_that

# The first word of a definition's cadence → days between deliveries; some grace, for months are not alike.
_CADENCES = {"daily": 1, "weekly": 7, "monthly": 31, "quarterly": 92, "yearly": 366}
_GRACE = 0.25


@dataclass(frozen=True)
class Publication:
    """A release that became visible. ``received`` is when the first of its loads was made; None: a rollback."""

    dataset: str
    release: int
    received: datetime | None
    visible: datetime

    @property
    def took(self) -> timedelta | None:
        """From the one to the other."""
        return None if self.received is None else self.visible - self.received


@dataclass(frozen=True)
class LateDelivery:
    """A dataset of which a delivery is due. ``last`` is the day of the newest one; None: there was none."""

    dataset: str
    supplier: str
    cadence: str
    last: date | None
    due: date | None
    days: int


def publications(audit: AuditLog, months: Iterable[str]) -> list[Publication]:
    """Releases that became visible in these months, in order of time."""
    wanted = set(months)
    loads = events_that(audit, Criteria(event=EventType.DATASET_LOADED, outcome=Outcome.OK))
    shown = events_that(audit, Criteria(event=EventType.DATASET_PUBLISHED, outcome=Outcome.OK))
    waiting: dict[str, datetime] = {}
    found = []
    for event in sorted((*loads, *shown), key=lambda event: event.number):
        dataset, at = event.body["dataset"], datetime.fromisoformat(event.body["at"])
        if event.body["event"] == EventType.DATASET_LOADED:
            waiting.setdefault(dataset, at)
            continue
        received = waiting.pop(dataset, None)
        if month_of(event.body["at"]) in wanted:
            found.append(Publication(dataset, int(event.body["filter"].get("release", 0)), received, at))
    return found


def late_deliveries(session: Session, definitions: Mapping[str, DatasetDefinition], today: date) -> list[LateDelivery]:
    """Datasets whose supplier should have delivered again, the latest first. A cadence in other words is not judged."""
    newest = {
        dataset: at.astimezone(LONDON).date()
        for dataset, at in session.execute(
            select(Delivery.dataset, func.max(Delivery.loaded_at)).group_by(Delivery.dataset)
        )
    }
    late = []
    for code, definition in definitions.items():
        days = _CADENCES.get(definition.cadence.partition(",")[0].strip().partition(" ")[0])
        last = newest.get(code)
        if days is None:
            continue
        due = None if last is None else last + timedelta(days=days + max(1, round(days * _GRACE)))
        if due is None or due < today:
            overdue = 0 if due is None else (today - due).days
            late.append(LateDelivery(code, definition.supplier, definition.cadence, last, due, overdue))
    return sorted(late, key=lambda one: (one.due or date.min, one.dataset))
