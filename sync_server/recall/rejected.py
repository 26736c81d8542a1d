"""What suppliers' rejected rows held, washed out where it may be of a recalled incident. Line and reason stay."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from ..datasets.definitions import DatasetDefinition, Within
from ..ingest.identity import identities_of_id
from ..ingest.models import Delivery, RejectedRow
from ..services import Services
from .models import Recall
from .never_load import ids_listed

_CHUNK = 500


def wash_rejected(
    services: Services,
    session: Session,
    definition: DatasetDefinition,
    recall: Recall,
    listed: Collection[str],
    months: Sequence[str],
) -> int:
    """Forget the content of rejected rows that bear a recalled incident's id, or no id in a delivery of its months.

    Of a whole release that of all its deliveries' rows, of what is too old that of deliveries of nothing younger.
    Returns how many rows were washed.
    """
    id_field = definition.identity.id_field or ""
    rows = session.execute(
        select(RejectedRow.rejected_row_id, RejectedRow.delivery_id, RejectedRow.content)
        .join(Delivery, Delivery.delivery_id == RejectedRow.delivery_id)
        .where(Delivery.dataset == definition.code)
    ).all()
    rows = [row for row in rows if row.content]
    if not rows:
        return 0
    deliveries = {
        delivery.delivery_id: delivery
        for delivery in session.scalars(select(Delivery).where(Delivery.dataset == definition.code))
    }
    recalled = ids_listed(services.keys, definition, [row.content for row in rows], listed)
    recalled |= _ids_of(services, definition, {row.content.get(id_field, "") for row in rows} - {""}, listed, months)
    gone = []
    for row in rows:
        delivery = deliveries[row.delivery_id]
        told = delivery.report.get("months", [])
        if recall.before_month:
            wash = bool(told) and max(told) < recall.before_month
        else:
            name = row.content.get(id_field, "")
            wash = name in recalled or (not name and (not told or not set(months).isdisjoint([*told, ""])))
            wash = wash or (recall.of_release is not None and delivery.release == recall.of_release)
        if wash:
            gone.append(row.rejected_row_id)
    for start in range(0, len(gone), _CHUNK):
        chunk = gone[start : start + _CHUNK]
        session.execute(update(RejectedRow).where(RejectedRow.rejected_row_id.in_(chunk)).values(content={}))
    return len(gone)


def _ids_of(
    services: Services, definition: DatasetDefinition, ids: set[str], listed: Collection[str], months: Sequence[str]
) -> set[str]:
    """Those of the ids that make a listed identity in one of the months."""
    names = sorted(ids)
    within = [""] if definition.identity.within == Within.DATASET else months
    wanted = set(listed)
    return {
        name
        for month in within
        for name, identity in zip(
            names,
            identities_of_id(services.keys, definition.code, month, [(name, "") for name in names]),
            strict=True,
        )
        if identity in wanted
    }
