"""How things stand with each dataset, for pages: told without reading an incident, which the application may not."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ..agreements.review import in_force
from ..audit.events import EventType
from ..audit.log import Event
from ..audit.store import Criteria
from ..datasets.periods import month_of
from ..ingest.models import Delivery, Fate, RejectedRow
from ..services import Services
from .models import Artefact, ReleaseState
from .releases import newest_release


@dataclass(frozen=True)
class DatasetStanding:
    """One dataset. ``release`` is the visible one (0: none), ``rows`` what the audit says it had when published.

    Of the ``staged`` release ``delivered`` rows were accepted, or it goes back to the content of ``content_of``.
    ``size`` is that of the files, in bytes.
    """

    dataset: str
    title: str
    release: int
    synthetic: bool
    rows: int | None
    newest: str
    staged: int
    delivered: int
    content_of: int | None
    rejected: int
    files: int
    size: int
    agreements: int


def dataset_standing(services: Services, session: Session, dataset: str, today: date) -> DatasetStanding:
    """That of a declared dataset."""
    visible = newest_release(session, dataset, ReleaseState.PUBLISHED)
    staged = newest_release(session, dataset, ReleaseState.STAGED)
    delivered = select(func.coalesce(func.sum(Delivery.accepted), 0)).where(Delivery.dataset == dataset)
    rejected = (
        select(func.count())
        .select_from(RejectedRow)
        .join(Delivery, Delivery.delivery_id == RejectedRow.delivery_id)
        .where(Delivery.dataset == dataset, RejectedRow.fate == Fate.REJECTED)
    )
    files, size = session.execute(
        select(func.count(), func.coalesce(func.sum(Artefact.size), 0)).where(Artefact.dataset == dataset)
    ).one()
    return DatasetStanding(
        dataset=dataset,
        title=services.definitions[dataset].title,
        release=visible.number if visible else 0,
        synthetic=any(release.synthetic for release in (visible, staged) if release),
        rows=_rows_published(services, dataset, visible.number) if visible else None,
        newest=month_of(max(visible.periods, default="")) if visible else "",
        staged=staged.number if staged else 0,
        delivered=int(session.scalar(delivered.where(Delivery.release == staged.number)) or 0) if staged else 0,
        content_of=staged.content_of if staged else None,
        rejected=session.scalar(rejected) or 0,
        files=files,
        size=int(size),
        agreements=in_force(session, dataset, today),
    )


def _rows_published(services: Services, dataset: str, release: int) -> int | None:
    wanted = Criteria(dataset=dataset, event=EventType.DATASET_PUBLISHED)
    for stored in services.audit.store.search(wanted, None, 1):
        body = Event.read(stored).body
        return body["rows"] if body["filter"].get("release") == release else None
    return None
