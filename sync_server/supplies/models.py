"""Receipts: what came, by which door, and what became of it. They outlive the deliveries that they tell of."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, BigInteger, Boolean, Index, String, Text, UniqueConstraint, false
from sqlalchemy.orm import Mapped, mapped_column

from ..database import Base
from ..instants import UtcDateTime


class Door(StrEnum):
    """How it came."""

    PAGE = "page"  # the supplier's page of the console
    API = "api"
    FOLDER = "folder"  # the watched one


class Kind(StrEnum):
    """What it is."""

    FILES = "files"
    RECORDS = "records"  # added to what is held; they withdraw nothing
    ZERO_RETURN = "zero-return"  # a month without incidents


class State(StrEnum):
    """A receipt waits, is being loaded, and ends in one of two ways."""

    WAITING = "waiting"
    LOADING = "loading"
    ACCEPTED = "accepted"  # loaded: the counts tell which rows
    REFUSED = "refused"  # nothing of it was kept; ``refusal`` says why


OPEN_STATES = (State.WAITING, State.LOADING)


class Receipt(Base):
    """One supply. No member holds a value of it: ``files`` has names, sizes and digests, ``rows`` lines and reasons."""

    __tablename__ = "supply_receipt"
    __table_args__ = (
        UniqueConstraint("organisation", "dataset", "site", "idempotency"),
        Index(None, "dataset", "site"),
        Index(None, "state"),
    )

    receipt_id: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[str] = mapped_column(String(16), unique=True)  # random: what the supplier knows it by
    organisation: Mapped[str] = mapped_column(String(64))  # its code; "" for the team's own doors
    dataset: Mapped[str] = mapped_column(String(32))
    site: Mapped[str] = mapped_column(String(64), default="")
    door: Mapped[Door] = mapped_column(String(16))
    kind: Mapped[Kind] = mapped_column(String(16))
    actor: Mapped[str] = mapped_column(String(64))
    state: Mapped[State] = mapped_column(String(16), default=State.WAITING)
    received_at: Mapped[datetime] = mapped_column(UtcDateTime)
    started_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    files: Mapped[list[dict[str, Any]]] = mapped_column(JSON)  # as they are kept until they are loaded
    size: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str] = mapped_column(String(64))  # of everything that was sent
    idempotency: Mapped[str | None] = mapped_column(String(64))  # SHA-256 of the sender's key, as long as it is kept
    month: Mapped[str] = mapped_column(String(7), default="")  # of a zero return
    synthetic: Mapped[bool | None] = mapped_column(Boolean)
    refusal: Mapped[str] = mapped_column(Text, default="")
    rows_in: Mapped[int] = mapped_column(default=0)
    accepted: Mapped[int] = mapped_column(default=0)
    rejected: Mapped[int] = mapped_column(default=0)
    duplicates: Mapped[int] = mapped_column(default=0)
    left: Mapped[int] = mapped_column(default=0)  # rows that belong to another dataset
    withdrawn_for_good: Mapped[int] = mapped_column(default=0)
    report: Mapped[dict[str, Any]] = mapped_column(JSON)  # months, reasons, notes, what was dropped
    rows: Mapped[list[dict[str, Any]]] = mapped_column(JSON)  # the first of those that were not taken
    delivery_id: Mapped[int | None]  # no foreign key: the delivery may go
    release: Mapped[int | None]  # that it was staged for
    published_at_once: Mapped[bool] = mapped_column(Boolean, default=False, server_default=false())

    @property
    def open(self) -> bool:
        """Whether something is still to happen to it."""
        return self.state in OPEN_STATES
