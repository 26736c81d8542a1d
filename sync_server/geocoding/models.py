"""Texts of places that somebody must look at, the rows that wait for it, and what was decided, for the next load."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from ..database import Base
from ..instants import UtcDateTime


class DecisionKind(StrEnum):
    """What somebody said of a text."""

    CANDIDATE = "candidate"  # it is this one of the candidates
    POSTCODE = "postcode"  # it is at this postcode
    NO_PLACE = "no-place"  # it names no place


class PlaceReview(Base):
    """A normalised text that waits for a decision. It was screened before, and goes when it is decided."""

    __tablename__ = "place_review"
    __table_args__ = (UniqueConstraint("dataset", "site", "text"),)

    review_id: Mapped[int] = mapped_column(primary_key=True)
    dataset: Mapped[str] = mapped_column(String(32))
    site: Mapped[str] = mapped_column(String(64))
    text: Mapped[str] = mapped_column(String(200))
    candidates: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    first_seen: Mapped[datetime] = mapped_column(UtcDateTime)
    last_seen: Mapped[datetime] = mapped_column(UtcDateTime)


class PlaceWaiting(Base):
    """A row whose place is asked for: by its keyed identity, as the incidents are known."""

    __tablename__ = "place_waiting"
    __table_args__ = (Index(None, "review_id"),)

    dataset: Mapped[str] = mapped_column(String(32), primary_key=True)
    identity: Mapped[str] = mapped_column(String(64), primary_key=True)
    review_id: Mapped[int | None] = mapped_column(ForeignKey("place_review.review_id", ondelete="CASCADE"))
    # Set when the text is decided: the row is placed anew at the next load or by “safestats geocode again”.
    decision_id: Mapped[int | None] = mapped_column(ForeignKey("place_decision.decision_id", ondelete="CASCADE"))


class PlaceDecision(Base):
    """What a text means, for one site or (site "") for all of a dataset."""

    __tablename__ = "place_decision"
    __table_args__ = (UniqueConstraint("dataset", "site", "text"),)

    decision_id: Mapped[int] = mapped_column(primary_key=True)
    dataset: Mapped[str] = mapped_column(String(32))
    site: Mapped[str] = mapped_column(String(64))
    text: Mapped[str] = mapped_column(String(200))
    kind: Mapped[DecisionKind] = mapped_column(String(16))
    place: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    decided_by: Mapped[str] = mapped_column(String(64))
    decided_at: Mapped[datetime] = mapped_column(UtcDateTime)
