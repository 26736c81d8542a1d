"""Denominators by edition, and packs that were asked for."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKeyConstraint, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from ..database import Base
from ..instants import UtcDateTime


class Kind(StrEnum):
    """What incidents may be divided by."""

    RESIDENTS = "residents"
    WORKDAY = "workday"
    PREMISES = "licensed-premises"

    @property
    def words(self) -> str:
        """For people."""
        return {"residents": "residents", "workday": "workday population", "licensed-premises": "licensed premises"}[
            self.value
        ]

    @property
    def per(self) -> int:
        """Of how many of them a rate is told."""
        return 100 if self is Kind.PREMISES else 1000


class Level(StrEnum):
    """Of what areas."""

    BOROUGH = "borough"
    WARD = "ward"
    LSOA = "lsoa"


class DenominatorEdition(Base):
    """One edition of one kind; it is replaced as a whole. ``year`` is the one that its name holds."""

    __tablename__ = "denominator_edition"

    kind: Mapped[str] = mapped_column(String(24), primary_key=True)
    edition: Mapped[str] = mapped_column(String(60), primary_key=True)
    year: Mapped[int]
    source: Mapped[str] = mapped_column(String(300))
    sha256: Mapped[str] = mapped_column(String(64))  # of the file
    loaded_at: Mapped[datetime] = mapped_column(UtcDateTime)


class Denominator(Base):
    """The number of one area."""

    __tablename__ = "denominator"
    __table_args__ = (
        ForeignKeyConstraint(["kind", "edition"], ["denominator_edition.kind", "denominator_edition.edition"]),
    )

    kind: Mapped[str] = mapped_column(String(24), primary_key=True)
    edition: Mapped[str] = mapped_column(String(60), primary_key=True)
    level: Mapped[str] = mapped_column(String(16), primary_key=True)
    code: Mapped[str] = mapped_column(String(16), primary_key=True)
    value: Mapped[int] = mapped_column(BigInteger)


class RequestState(StrEnum):
    """A pack waits to be made, is being made, is made, or failed."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class NeedsRequest(Base):
    """A pack that somebody asked for on the web: made by the worker, fetched by that person alone.

    ``subject`` is who asked, in the session that asked; ``asked`` the question and, once it is made, the
    ``agreements`` that opened what is in it, by dataset. Files lie under ``token``.
    """

    __tablename__ = "needs_request"
    __table_args__ = (Index(None, "state"),)

    token: Mapped[str] = mapped_column(String(32), primary_key=True)
    user_id: Mapped[str] = mapped_column(String(32))
    subject: Mapped[dict[str, Any]] = mapped_column(JSON)
    asked: Mapped[dict[str, Any]] = mapped_column(JSON)
    state: Mapped[str] = mapped_column(String(16), default=RequestState.WAITING)
    message: Mapped[str] = mapped_column(default="")
    files: Mapped[dict[str, str]] = mapped_column(JSON, default=dict)  # SHA-256 by name
    requested_at: Mapped[datetime] = mapped_column(UtcDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
