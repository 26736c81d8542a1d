"""Receipts as suppliers and the team look at them: a supplier finds its own, and cannot tell another's from none."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, and_, false, or_, select
from sqlalchemy.orm import Session

from ..audit.log import EventType, Outcome
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
    UNCHANGED = "unchanged"  # all that was sent was held already, and no delivery tells since when
    STAGED = "staged"  # loaded, and not yet visible to anybody
    PUBLISHED = "published"
    DROPPED = "dropped"  # by the team, before or after it was published


def newest(session: Session, supplier: Supplier | None = None, most: int = MOST) -> Sequence[Receipt]:
    """The newest receipts first: the supplier's own, or without one all of them."""
    query = select(Receipt).order_by(Receipt.receipt_id.desc()).limit(most)
    return session.scalars(query if supplier is None else query.where(_own(supplier))).all()


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


def standing_of(session: Session, receipt: Receipt) -> Standing:
    """Where the rows of a receipt are now."""
    if receipt.state != State.ACCEPTED:
        return Standing.NOT_LOADED
    if receipt.delivery_id is None:
        return Standing.UNCHANGED
    release = session.scalar(
        select(Release)
        .join(Delivery, and_(Delivery.dataset == Release.dataset, Delivery.release == Release.number))
        .where(Delivery.delivery_id == receipt.delivery_id)
    )
    if release is None:
        return Standing.DROPPED
    return Standing.PUBLISHED if release.state == ReleaseState.PUBLISHED else Standing.STAGED


def described(session: Session, receipt: Receipt) -> dict[str, Any]:
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
        "standing": str(standing_of(session, receipt)),
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
