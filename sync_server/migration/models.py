"""How far a plan has come: its steps and the files that they took."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, BigInteger, Float, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from ..database import Base
from ..instants import UtcDateTime


class StepKind(StrEnum):
    """What a step moves in."""

    ORGANISATION = "organisation"
    PERSON = "person"
    TERMS = "terms"
    AGREEMENT = "agreement"
    LOAD = "load"
    PUBLISH = "publish"
    INVITATION = "invitation"


class StepState(StrEnum):
    """How a step ended; one that was broken off has left nothing and is not here."""

    DONE = "done"
    SET_ASIDE = "set-aside"


class MigrationStep(Base):
    """One step of a plan, as it ended last. ``subject`` names what it is about, people by their opaque ids."""

    __tablename__ = "migration_step"
    __table_args__ = (Index(None, "plan", "kind"),)

    migration_step_id: Mapped[int] = mapped_column(primary_key=True)
    plan: Mapped[str] = mapped_column(String(64))
    kind: Mapped[str] = mapped_column(String(16))
    subject: Mapped[str] = mapped_column(String)
    state: Mapped[str] = mapped_column(String(16))
    sentence: Mapped[str] = mapped_column(Text, default="")  # what came of it, or what is wrong
    report: Mapped[dict[str, Any]] = mapped_column(JSON)  # of a load what its receipt says
    seconds: Mapped[float] = mapped_column(Float, default=0.0)
    ended_at: Mapped[datetime] = mapped_column(UtcDateTime)


class MigrationFile(Base):
    """A file of a plan by what it held when it was taken, or set aside with a sentence."""

    __tablename__ = "migration_file"
    __table_args__ = (UniqueConstraint("plan", "dataset", "site", "name"), Index(None, "migration_step_id"))

    migration_file_id: Mapped[int] = mapped_column(primary_key=True)
    migration_step_id: Mapped[int] = mapped_column(ForeignKey("migration_step.migration_step_id"))
    plan: Mapped[str] = mapped_column(String(64))
    dataset: Mapped[str] = mapped_column(String(32))
    site: Mapped[str] = mapped_column(String(64), default="")
    name: Mapped[str] = mapped_column(String)  # its path in the plan's folder
    size: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str] = mapped_column(String(64))
    state: Mapped[str] = mapped_column(String(16))
    sentence: Mapped[str] = mapped_column(Text, default="")

    step: Mapped[MigrationStep] = relationship()
