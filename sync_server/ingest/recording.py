"""Writes a delivery down: the release that it is staged for, what it brought, and its rows that were not taken."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import polars as pl
from sqlalchemy import func, insert, not_, select
from sqlalchemy.orm import Session

from ..datasets.definitions import DatasetDefinition, Within
from ..errors import SafeStatsError
from ..instants import now
from ..publishing.models import Release, ReleaseState
from ..publishing.taken_back import taken_back
from .models import Delivery, Fate, RejectedRow
from .pipeline import rejected_records
from .report import DeliveryReport
from .tables import TornRow


def next_release(session: Session, dataset: str) -> int:
    """The number of the release that a delivery is staged for: the one after the newest that was published."""
    published = select(func.max(Release.number)).where(
        Release.dataset == dataset, Release.state == ReleaseState.PUBLISHED
    )
    return 1 + (session.scalar(published) or 0)


def refuse_mixture(session: Session, definition: DatasetDefinition, synthetic: bool) -> None:
    """Raises ``SafeStatsError`` unless what is held is of the same kind as the delivery, and known again alike."""
    dataset, within = definition.code, definition.identity.within
    last = session.scalar(
        select(Delivery).where(Delivery.dataset == dataset).order_by(Delivery.delivery_id.desc()).limit(1)
    )
    if last is None:
        return
    if last.synthetic != synthetic:
        kinds = ("real", "synthetic")
        raise SafeStatsError(
            f"{dataset} holds {kinds[last.synthetic]} incidents and this delivery is {kinds[synthetic]}: "
            "load it into another server folder."
        )
    before = last.report.get("identity_within", Within.MONTH)
    if before != within:
        raise SafeStatsError(
            f"{dataset} holds incidents that are known again within the {before}, and is now declared to know them "
            f"within the {within}, so every incident would be taken for a new one: load all its files into a new "
            "server folder."
        )


def refuse_beside_rollback(session: Session, dataset: str, number: int) -> None:
    """Raises ``SafeStatsError`` where the release that is to be staged is a rollback that waits."""
    staged = session.get(Release, (dataset, number))
    if staged is not None and staged.content_of is not None:
        raise SafeStatsError(
            f"Release {number} of {dataset}, a rollback to release {staged.content_of}, waits to be published: publish "
            f"it or drop it with “safestats discard {dataset}”, then load."
        )


def stage_release(session: Session, dataset: str, number: int, synthetic: bool) -> None:
    """The release is staged, from now."""
    release = session.get(Release, (dataset, number))
    instant = now()
    if release is None:
        session.add(
            Release(
                dataset=dataset,
                number=number,
                state=ReleaseState.STAGED,
                staged_at=instant,
                synthetic=synthetic,
            )
        )
    else:
        release.staged_at = instant
    session.flush()


def loaded_before(session: Session, report: DeliveryReport) -> bool:
    """Whether an earlier delivery brought the same files, and was not taken back since."""
    digests = {file["sha256"] for file in report.files}
    counting = not_(taken_back(session, report.dataset))
    earlier = session.scalars(select(Delivery.files).where(Delivery.dataset == report.dataset, counting))
    return any(digests <= {file["sha256"] for file in files} for files in earlier)


def record_delivery(
    session: Session,
    report: DeliveryReport,
    release: int,
    torn: Sequence[TornRow],
    bad: Sequence[pl.DataFrame],
    duplicates: pl.DataFrame,
    washed_of_recalled: Callable[[list[dict[str, str]]], list[dict[str, str]]],
) -> int:
    """The delivery and the rows of it that were not taken; returns its id."""
    delivery = Delivery(
        dataset=report.dataset,
        site=report.site,
        release=release,
        loaded_at=now(),
        synthetic=report.synthetic,
        area_edition=report.area_edition,
        files=report.files,
        rows_in=report.rows_in,
        accepted=report.accepted,
        rejected=report.rejected.total(),
        duplicates=report.duplicates,
        left=report.left.total(),
        report=report.to_json(),
    )
    session.add(delivery)
    session.flush()
    kept: list[dict[str, Any]] = [_kept(Fate.REJECTED, one.file, one.line, one.reason, {}) for one in torn]
    for frame in bad:
        places = frame.select("file", "line", "reason").iter_rows()
        kept += [
            _kept(Fate.REJECTED, file, line, reason, content)
            for (file, line, reason), content in zip(places, washed_of_recalled(rejected_records(frame)), strict=True)
        ]
    # A duplicate's content is that of the row that was taken, or what the supplier corrected.
    kept += [_kept(Fate.DUPLICATE, file, line, reason, {}) for file, line, reason in duplicates.iter_rows()]
    for row in kept:
        row["delivery_id"] = delivery.delivery_id
    if kept:
        session.execute(insert(RejectedRow), kept)
    return delivery.delivery_id


def _kept(fate: Fate, file: str, line: int, reason: str, content: dict[str, str]) -> dict[str, Any]:
    return {"fate": fate, "file": file, "line": line, "reason": reason, "content": content}
