"""What sync remembers so that a repeated request leaves one trace."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import DateTime, String
from sqlalchemy.orm import Mapped, mapped_column

from ..database import Base


class Pull(Base):
    """A pull whose intent the audit holds: its further requests are not audited again."""

    __tablename__ = "pull"

    session_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    pull_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    dataset: Mapped[str] = mapped_column(String(16), primary_key=True)
    release: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    began_at: Mapped[datetime] = mapped_column(DateTime)


class ReportedEvent(Base):
    """An event that a desk reported and the audit holds."""

    __tablename__ = "reported_event"

    user_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    event_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    received_at: Mapped[datetime] = mapped_column(DateTime)
