"""Which deliveries still count: a rollback takes back what came after the release that it goes back to."""

from __future__ import annotations

from sqlalchemy import ColumnElement, and_, false, or_, select
from sqlalchemy.orm import Session

from ..ingest.models import Delivery
from .models import Release, ReleaseState
from .releases import newest_release


def taken_back(session: Session, dataset: str) -> ColumnElement[bool]:
    """For a query of deliveries: whether the visible content of the dataset is without this one.

    From the visible release downwards, every rollback on the way leaves out the releases between itself and the one
    whose content it has. What came after it counts again. A delivery that changed no row (a zero return, say) bears
    the number of the release that comes next, which may be the rollback: what came before that was staged goes, too.
    """
    rollbacks = session.scalars(
        select(Release)
        .where(Release.dataset == dataset, Release.state == ReleaseState.PUBLISHED, Release.content_of.is_not(None))
        .order_by(Release.number.desc())
    )
    left_out: list[ColumnElement[bool]] = []
    content: int | None = None
    for rollback in rollbacks:
        if content is not None and rollback.number > content:
            continue  # itself taken back
        content = rollback.content_of
        left_out.append(and_(Delivery.release > content, Delivery.release < rollback.number))
        left_out.append(and_(Delivery.release == rollback.number, Delivery.loaded_at < rollback.staged_at))
    return or_(false(), *left_out)


def waiting(session: Session, dataset: str) -> ColumnElement[bool]:
    """For a query of deliveries: whether this one is staged, so that nobody sees it yet."""
    staged = newest_release(session, dataset, ReleaseState.STAGED)
    return false() if staged is None or staged.content_of is not None else Delivery.release == staged.number
