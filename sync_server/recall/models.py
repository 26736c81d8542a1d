"""What was taken out for good, why, and how far that has come; and what is never to be loaded again."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import JSON, ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from ..database import Base
from ..instants import UtcDateTime


class RecallKind(StrEnum):
    """What was asked for."""

    RELEASE = "release"  # every incident of which a release brought a version
    ROWS = "rows"  # incidents that were named
    RETENTION = "retention"  # what is older than its dataset may be kept


class RecallState(StrEnum):
    """How far it has come; each step can be taken again."""

    ASKED = "asked"  # written down, nothing is gone
    ERASED = "erased"  # gone from tables, releases and what may be pulled; the files follow
    REBUILT = "rebuilt"  # published files are made anew without it; the database's own files may hold its bytes
    DONE = "done"


class Recall(Base):
    """One withdrawal for good. It tells how much of what months went and who could see it, nothing of the content.

    ``first_release`` is the first that showed it (0: none did), ``release`` the new one without it. ``agreements``
    are those that were in force when it was asked for, and whether their rights opened some of it.
    """

    __tablename__ = "recall"
    __table_args__ = (Index(None, "dataset"),)

    recall_id: Mapped[str] = mapped_column(String(32), primary_key=True)
    dataset: Mapped[str] = mapped_column(String(32))
    kind: Mapped[RecallKind] = mapped_column(String(16))
    of_release: Mapped[int | None]
    before_month: Mapped[str] = mapped_column(String(7), default="")
    reason: Mapped[str] = mapped_column(Text)
    may_return: Mapped[bool] = mapped_column(default=False)
    asked_by: Mapped[str] = mapped_column(String(64))
    asked_at: Mapped[datetime] = mapped_column(UtcDateTime)
    incidents: Mapped[int]
    versions: Mapped[int]
    months: Mapped[list[str]] = mapped_column(JSON)
    agreements: Mapped[dict[str, bool]] = mapped_column(JSON)
    first_release: Mapped[int]
    state: Mapped[RecallState] = mapped_column(String(16))
    release: Mapped[int] = mapped_column(default=0)
    erased_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    done_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class NeverLoad(Base):
    """A keyed identity that a recall names, or the keyed mark of a supplier's id or of a likeness: see ``Marks`` and
    ``Likenesses``."""

    __tablename__ = "never_load"
    __table_args__ = (Index(None, "dataset", "identity"),)

    recall_id: Mapped[str] = mapped_column(ForeignKey("recall.recall_id"), primary_key=True)
    identity: Mapped[str] = mapped_column(String(64), primary_key=True)
    dataset: Mapped[str] = mapped_column(String(32))
