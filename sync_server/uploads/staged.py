"""The deliveries that are staged for a release, for pages: whose, which files, how many rows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from ..ingest.models import Delivery
from .models import Upload


@dataclass(frozen=True)
class StagedDelivery:
    """One delivery; ``upload`` is the number of the upload that it came by, if it did."""

    delivery: int
    upload: int | None
    files: str
    site: str
    loaded_at: datetime
    accepted: int


def staged_deliveries(session: Session, dataset: str, release: int) -> list[StagedDelivery]:
    """Those of a release, in the order in which they were loaded."""
    found = session.execute(
        select(Delivery, Upload.job_id)
        .outerjoin(Upload, Upload.delivery_id == Delivery.delivery_id)
        .where(Delivery.dataset == dataset, Delivery.release == release)
        .order_by(Delivery.delivery_id)
    )
    return [
        StagedDelivery(
            one.delivery_id,
            upload,
            ", ".join(file["name"] for file in one.files) or "no file",
            one.site,
            one.loaded_at,
            one.accepted,
        )
        for one, upload in found
    ]
