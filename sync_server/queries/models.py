"""Saved queries: a definition each, of one person, perhaps shared with the organisation."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from ..database import Base
from ..instants import UtcDateTime


class SavedQuery(Base):
    """It holds no rows and no counts; whoever runs it does so with their own rights."""

    __tablename__ = "saved_query"
    __table_args__ = (Index(None, "organisation_id"),)

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    # Where it was saved: a person who moves on leaves it there.
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    user_id: Mapped[str] = mapped_column(ForeignKey("user_account.id"))
    name: Mapped[str] = mapped_column(String(100))
    dataset: Mapped[str] = mapped_column(String(32))
    definition: Mapped[dict[str, Any]] = mapped_column(JSON)
    shared: Mapped[bool] = mapped_column(default=False)
    changed_at: Mapped[datetime] = mapped_column(UtcDateTime)
