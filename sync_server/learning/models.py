"""Case studies: what somebody did about a problem, told so that others may learn from it."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import JSON, ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from ..database import Base
from ..identity.models import Organisation, User
from ..instants import UtcDateTime


class Stage(StrEnum):
    """The stage of problem-solving (SARA) that a case study tells of."""

    SCANNING = "scanning"
    ANALYSIS = "analysis"
    RESPONSE = "response"
    ASSESSMENT = "assessment"


class StudyState(StrEnum):
    """How far a case study has come; only what is ``SHOWN`` is read by others than its author and the team."""

    WAITING = "waiting"
    SHOWN = "shown"
    RETURNED = "returned"
    WITHDRAWN = "withdrawn"


class CaseStudy(Base):
    """Plain texts. ``version`` counts what was sent in, so that what is approved is what was read."""

    __tablename__ = "case_study"
    __table_args__ = (Index(None, "state"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    # Whose work it is: the author's at the time of writing.
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    author_id: Mapped[str] = mapped_column(ForeignKey("user_account.id"))
    title: Mapped[str] = mapped_column(String(150))
    problem: Mapped[str] = mapped_column(Text)
    datasets: Mapped[list[str]] = mapped_column(JSON)
    stage: Mapped[str] = mapped_column(String(16))
    method: Mapped[str] = mapped_column(Text)
    result: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(String(16))
    version: Mapped[int]
    sent_at: Mapped[datetime] = mapped_column(UtcDateTime)
    # Of the newest decision: an approval, a return or a withdrawal.
    decided_by: Mapped[str | None] = mapped_column(ForeignKey("user_account.id"))
    decided_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    reason: Mapped[str] = mapped_column(Text, default="")

    organisation: Mapped[Organisation] = relationship()
    author: Mapped[User] = relationship(foreign_keys=[author_id])
