"""What was delivered, and which rows of it were not taken."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from ..database import Base
from ..identity.models import Organisation
from ..instants import UtcDateTime


class Fate(StrEnum):
    """Why a row was not taken."""

    REJECTED = "rejected"  # unusable
    DUPLICATE = "duplicate"  # the same identity a second time in one delivery


class Delivery(Base):
    """One load that changed something. ``report`` holds every count that the loader was told."""

    __tablename__ = "delivery"
    __table_args__ = (Index(None, "dataset"),)

    delivery_id: Mapped[int] = mapped_column(primary_key=True)
    dataset: Mapped[str] = mapped_column(String(32))
    site: Mapped[str] = mapped_column(String(64), default="")  # of a supplier with several, say, hospitals
    release: Mapped[int]  # the release that it was staged for
    loaded_at: Mapped[datetime] = mapped_column(UtcDateTime)
    synthetic: Mapped[bool]
    area_edition: Mapped[str] = mapped_column(String(32))
    files: Mapped[list[dict[str, Any]]] = mapped_column(JSON)  # name, size, sha256
    rows_in: Mapped[int]
    accepted: Mapped[int]
    rejected: Mapped[int]
    duplicates: Mapped[int]
    left: Mapped[int]  # rows that belong to another dataset
    report: Mapped[dict[str, Any]] = mapped_column(JSON)


class RejectedRow(Base):
    """A row that was not taken: where it stood, why, and what of it may be kept (never screened columns)."""

    __tablename__ = "rejected_row"
    __table_args__ = (Index(None, "delivery_id"),)

    rejected_row_id: Mapped[int] = mapped_column(primary_key=True)
    delivery_id: Mapped[int] = mapped_column(ForeignKey("delivery.delivery_id", ondelete="CASCADE"))
    fate: Mapped[Fate] = mapped_column(String(16))
    file: Mapped[str]
    line: Mapped[int]  # the line of a CSV file, the ordinal in a JSON list
    reason: Mapped[str]
    content: Mapped[dict[str, str]] = mapped_column(JSON)


class SavedMapping(Base):
    """How a supplier's site fills its files in: a mapping document, one version after another."""

    __tablename__ = "saved_mapping"
    __table_args__ = (UniqueConstraint("organisation_id", "dataset", "site", "version"),)

    saved_mapping_id: Mapped[int] = mapped_column(primary_key=True)
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    dataset: Mapped[str] = mapped_column(String(32))
    site: Mapped[str] = mapped_column(String(64), default="")
    version: Mapped[int]
    document: Mapped[str] = mapped_column(Text)  # TOML, as in resources/mappings
    made_by: Mapped[str] = mapped_column(String(64))
    made_at: Mapped[datetime] = mapped_column(UtcDateTime)

    organisation: Mapped[Organisation] = relationship(lazy="selectin")
