"""Receipts as suppliers and the team look at them: a supplier finds its own, and cannot tell another's from none."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, and_, false, func, or_, select
from sqlalchemy.orm import Session

from ..audit.log import EventType, Outcome
from ..datasets.definitions import DatasetDefinition
from ..datasets.definitions import Delivery as DeliveryMode
from ..identity.supplies import Supplier, once_a_minute
from ..ingest.models import Delivery
from ..instants import iso
from ..problems import Problem
from ..publishing.models import Release, ReleaseState
from ..services import Services
from .models import Kind, Receipt, State

MOST = 200


class Standing(StrEnum):
    """Where the accepted rows are now."""

    NOT_LOADED = "not-loaded"
    UNCHANGED = "unchanged"  # all that was sent was held already, or there was nothing to take
    STAGED = "staged"  # loaded, and not yet visible to anybody
    PUBLISHED = "published"
    REPLACED = "replaced"  # a later delivery was the whole of the same returns
    TAKEN_BACK = "taken-back"  # they were visible, and the team went back to a release before them
    DROPPED = "dropped"  # by the team, before they were published


def newest(session: Session, supplier: Supplier | None = None, most: int = MOST) -> Sequence[Receipt]:
    """The newest receipts first: the supplier's own, or without one all of them."""
    query = select(Receipt).order_by(Receipt.receipt_id.desc()).limit(most)
    return session.scalars(query if supplier is None else query.where(_own(supplier))).all()


def refused_since(session: Session, instant: datetime, supplier: Supplier | None = None) -> list[tuple[str, int]]:
    """(Dataset, how many supplies of it were refused since then): the supplier's own, or without one all of them."""
    query = select(Receipt.dataset, func.count()).where(Receipt.state == State.REFUSED, Receipt.finished_at >= instant)
    if supplier is not None:
        query = query.where(_own(supplier))
    return [(dataset, number) for dataset, number in session.execute(query.group_by(Receipt.dataset))]


def without_receipt(session: Session, deliveries: Sequence[Delivery]) -> list[Delivery]:
    """Those that came by none of the suppliers' doors."""
    ids = [delivery.delivery_id for delivery in deliveries]
    told = set(session.scalars(select(Receipt.delivery_id).where(Receipt.delivery_id.in_(ids))))
    return [delivery for delivery in deliveries if delivery.delivery_id not in told]


def find_receipt(services: Services, session: Session, supplier: Supplier, number: str) -> Receipt:
    """The supplier's receipt of that number; raises ``Problem`` 404 for another's as for one that there is not."""
    found = session.scalar(select(Receipt).where(Receipt.number == number, _own(supplier)))
    services.audit.record(
        EventType.SUPPLIES_READ,
        actor=supplier.actor,
        organisation=supplier.organisation,
        dataset=found.dataset if found else "",
        filter={"site": found.site, "receipt": found.number} if found else {},
        outcome=Outcome.OK if found else Outcome.REFUSED,
        reason="" if found else "no-such-receipt",
        session=supplier.session_id,
        once=once_a_minute(supplier, [(found.number, "")] if found else []),
    )
    if found is None:
        raise _none()
    return found


def receipt_of(session: Session, number: str) -> Receipt:
    """Any receipt, for the team; raises ``Problem`` 404."""
    found = session.scalar(select(Receipt).where(Receipt.number == number))
    if found is None:
        raise _none()
    return found


def standing_of(session: Session, receipt: Receipt, definitions: Mapping[str, DatasetDefinition]) -> Standing:
    """Where the rows of a receipt are now."""
    if receipt.state != State.ACCEPTED:
        return Standing.NOT_LOADED
    if receipt.delivery_id is None or receipt.release is None:
        return Standing.UNCHANGED
    delivery = session.get(Delivery, receipt.delivery_id)
    releases = {
        release.number: release
        for release in session.scalars(select(Release).where(Release.dataset == receipt.dataset))
    }
    own = releases.get(delivery.release) if delivery is not None else None
    if delivery is None or own is None:
        return Standing.DROPPED
    published = [number for number, release in releases.items() if release.state == ReleaseState.PUBLISHED]
    newest = own.number if own.state == ReleaseState.STAGED else max(published)
    holding = _deliveries_in(releases, newest)
    if own.number not in holding:
        return Standing.TAKEN_BACK
    if _is_replaced(session, delivery, holding, definitions.get(receipt.dataset)):
        return Standing.REPLACED
    return Standing.STAGED if own.state == ReleaseState.STAGED else Standing.PUBLISHED


def _deliveries_in(releases: Mapping[int, Release], number: int) -> set[int]:
    """The releases whose deliveries make up what a release holds: a rollback's are those of what it goes back to."""
    found: set[int] = set()
    while number > 0:
        release = releases.get(number)
        if release is not None and release.content_of is not None:
            number = release.content_of
            continue
        found.add(number)
        number -= 1
    return found


def _is_replaced(
    session: Session, delivery: Delivery, holding: Collection[int], definition: DatasetDefinition | None
) -> bool:
    """Whether later deliveries are the whole of all that this one was of."""
    own = _whole_of(delivery, definition)
    if not own:
        return False
    later = session.scalars(
        select(Delivery).where(
            Delivery.dataset == delivery.dataset,
            Delivery.delivery_id > delivery.delivery_id,
            Delivery.release.in_(holding),
        )
    )
    covered = [_whole_of(one, definition) for one in later if not one.report.get("additions")]
    return own <= frozenset[tuple[str, str]]().union(*covered)


def _whole_of(delivery: Delivery, definition: DatasetDefinition | None) -> frozenset[tuple[str, str]]:
    """(Site, month) of what a delivery stands for, where later ones take the place of it."""
    mode = None if definition is None else definition.delivery
    if mode == DeliveryMode.REPLACES_RETURN:
        return frozenset((site, month) for site, month in delivery.report.get("returns", ()))
    if mode == DeliveryMode.REPLACES:
        return frozenset(("", month) for month in delivery.report.get("months", ()))
    return frozenset()


def described(session: Session, receipt: Receipt, definitions: Mapping[str, DatasetDefinition]) -> dict[str, Any]:
    """A receipt as the API tells it."""
    told = receipt.report
    records = receipt.kind == Kind.RECORDS
    return {
        "receipt": receipt.number,
        "dataset": receipt.dataset,
        "site": receipt.site,
        "kind": str(receipt.kind),
        "door": str(receipt.door),
        "state": str(receipt.state),
        "standing": str(standing_of(session, receipt, definitions)),
        "received_at": iso(receipt.received_at),
        "finished_at": None if receipt.finished_at is None else iso(receipt.finished_at),
        "files": [{name: file[name] for name in ("name", "size", "sha256")} for file in receipt.files],
        "sha256": receipt.sha256,
        "size": receipt.size,
        "month": receipt.month,
        "rows_in": receipt.rows_in,
        "accepted": receipt.accepted,
        "rejected": receipt.rejected,
        "duplicates": receipt.duplicates,
        "left": receipt.left,
        "withdrawn_for_good": receipt.withdrawn_for_good,
        "months": told.get("months", []),
        "reasons": told.get("rejected", {}),
        "dropped": told.get("dropped", {}),
        "blanked": told.get("blanked", {}),
        "unmapped": told.get("unmapped", {}),
        "notes": told.get("notes", []),
        "errors": [
            {
                "file": row["file"],
                "line": row["line"],
                "index": row["line"] - 1 if records else None,
                "outcome": row["fate"],
                "reason": row["reason"],
            }
            for row in receipt.rows
        ],
        "refusal": receipt.refusal,
        "release": receipt.release,
        "published_at_once": receipt.published_at_once,
    }


def _own(supplier: Supplier) -> ColumnElement[bool]:
    sites = (and_(Receipt.dataset == dataset, Receipt.site == site) for dataset, site in supplier.sites)
    pairs = or_(false(), *sites)  # who has none has nothing
    # What the team took in for a supplier has no organisation.
    return and_(pairs, Receipt.organisation.in_((supplier.organisation, "")))


def _none() -> Problem:
    return Problem(404, "no-such-receipt", "No such receipt", "You have no receipt of this number.")
