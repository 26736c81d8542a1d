"""What each delivery held of a site's month, measured when it came in."""

from __future__ import annotations

from datetime import date
from typing import Any

from sqlalchemy import JSON, Date, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from ..database import Base


class MeasuredReturn(Base):
    """One site's month as one delivery held it. The newest one counts; it goes with its delivery."""

    __tablename__ = "measured_return"
    __table_args__ = (Index(None, "delivery_id"), Index(None, "dataset", "month"))

    measured_return_id: Mapped[int] = mapped_column(primary_key=True)
    delivery_id: Mapped[int] = mapped_column(ForeignKey("delivery.delivery_id", ondelete="CASCADE"))
    dataset: Mapped[str] = mapped_column(String(32))
    site: Mapped[str] = mapped_column(String(64), default="")
    month: Mapped[str] = mapped_column(String(7))  # that was reported
    received_on: Mapped[date] = mapped_column(Date)
    accepted: Mapped[int]
    measures: Mapped[dict[str, Any]] = mapped_column(JSON)  # a ReturnMeasure
