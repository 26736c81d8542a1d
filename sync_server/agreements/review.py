"""Where an agreement stands today, and which are to be reviewed soon."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from .models import Agreement, AgreementState

WARN_DAYS = (90, 30, 0)


class Standing(StrEnum):
    """An agreement's state as the calendar has it."""

    DRAFT = "draft"
    SIGNED = "signed"
    NOT_STARTED = "not started"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    EXPIRED = "expired"
    ENDED = "ended"


@dataclass(frozen=True)
class ReviewNotice:
    """An agreement whose review, or whose end, is near or past; ``warning`` is the narrowest of 90, 30, 0 days."""

    reference: str
    organisation: str
    dataset: str
    due_on: date
    days: int  # until then; negative: overdue
    warning: int
    ends: bool  # what comes is the agreement's end, not a review

    @property
    def sentence(self) -> str:
        """For people."""
        what = "ends" if self.ends else "is to be reviewed"
        when = f"in {self.days} days, on" if self.days > 1 else {1: "tomorrow,", 0: "today,"}.get(self.days, "since")
        if self.days < 0:
            what = "ran out" if self.ends else "is overdue for review"
            when = "on" if self.ends else "since"
        return f"Agreement {self.reference} {what} {when} {self.due_on:%-d %B %Y}."


def standing(agreement: Agreement, today: date) -> Standing:
    """Active, yet before its first day or past its last one, it gives no access."""
    if agreement.state == AgreementState.ACTIVE:
        if agreement.ends < today:
            return Standing.EXPIRED
        if agreement.starts > today:
            return Standing.NOT_STARTED
    return Standing(agreement.state)


def in_force(session: Session, dataset: str, today: date) -> int:
    """How many active agreements on the dataset have not run out."""
    wanted = select(func.count()).where(
        Agreement.dataset == dataset, Agreement.state == AgreementState.ACTIVE, Agreement.ends >= today
    )
    return session.scalar(wanted) or 0


def agreements_in_force(session: Session, organisation_id: int, today: date) -> dict[str, str]:
    """The references of an organisation's agreements in force, by their datasets."""
    found = session.execute(
        select(Agreement.dataset, Agreement.reference)
        .where(
            Agreement.organisation_id == organisation_id,
            Agreement.state == AgreementState.ACTIVE,
            Agreement.starts <= today,
            Agreement.ends >= today,
        )
        .order_by(Agreement.ends, Agreement.id)  # the last one is the one that ``scope`` takes
    )
    return {one.dataset: one.reference for one in found}


def due_for_review(session: Session, today: date) -> list[ReviewNotice]:
    """Of active and suspended agreements, what is due within 90 days or overdue, the most urgent first."""
    horizon = today + timedelta(days=max(WARN_DAYS))
    live = session.scalars(
        select(Agreement)
        .where(Agreement.state.in_((AgreementState.ACTIVE, AgreementState.SUSPENDED)))
        .order_by(Agreement.reference)
    )
    notices = []
    for agreement in live:
        for due_on, ends in ((agreement.review_on, False), (agreement.ends, True)):
            if due_on is None or due_on > horizon:
                continue
            days = (due_on - today).days
            warning = min(limit for limit in WARN_DAYS if days <= limit)
            code = agreement.organisation.code
            notices.append(ReviewNotice(agreement.reference, code, agreement.dataset, due_on, days, warning, ends))
    return sorted(notices, key=lambda notice: (notice.due_on, notice.reference, notice.ends))
