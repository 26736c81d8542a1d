"""How things stand with each dataset, for the SafeStats team."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ..agreements.review import in_force
from ..datasets.incidents import changes_by_period, rows_by_period
from ..ingest.models import Delivery, Fate, RejectedRow
from ..services import Services
from .models import Artefact, Release, ReleaseState


@dataclass(frozen=True)
class DatasetStatus:
    """One dataset. ``release`` is the visible one (0: none), with its ``rows`` and ``newest`` month.

    ``added`` and ``closed`` are the row versions that the ``staged`` release, if any, begins and ends; ``size``
    is that of the files, in bytes.
    """

    dataset: str
    title: str
    release: int
    synthetic: bool
    rows: int
    newest: str
    staged: int
    added: int
    closed: int
    rejected: int
    files: int
    size: int
    agreements: int


def dataset_statuses(services: Services, today: date) -> list[DatasetStatus]:
    """Every declared dataset, in the order of their codes."""
    with services.database.read() as session:
        return [_status(services, session, dataset, today) for dataset in sorted(services.definitions)]


def _status(services: Services, session: Session, dataset: str, today: date) -> DatasetStatus:
    definition = services.definitions[dataset]
    newest: dict[str, Release] = {
        release.state: release
        for release in session.scalars(select(Release).where(Release.dataset == dataset).order_by(Release.number))
    }
    visible, staged = newest.get(ReleaseState.PUBLISHED), newest.get(ReleaseState.STAGED)
    counts = session.execute(rows_by_period(definition, visible.number)).all() if visible else []
    changes = session.execute(changes_by_period(definition, staged.number)).all() if staged else []
    files = session.execute(
        select(func.count(), func.coalesce(func.sum(Artefact.size), 0)).where(Artefact.dataset == dataset)
    ).one()
    rejected = session.scalar(
        select(func.count())
        .select_from(RejectedRow)
        .join(Delivery, Delivery.delivery_id == RejectedRow.delivery_id)
        .where(Delivery.dataset == dataset, RejectedRow.fate == Fate.REJECTED)
    )
    return DatasetStatus(
        dataset=dataset,
        title=definition.title,
        release=visible.number if visible else 0,
        synthetic=any(release.synthetic for release in newest.values()),
        rows=sum(row.rows for row in counts),
        newest=max((row.period for row in counts), default=""),
        staged=staged.number if staged else 0,
        added=sum(row.added for row in changes),
        closed=sum(row.closed for row in changes),
        rejected=rejected or 0,
        files=files[0],
        size=int(files[1]),  # PostgreSQL sums whole numbers to decimals
        agreements=in_force(session, dataset, today),
    )
