"""Answers to questions about rows that are only counted: worked out once a release, and kept."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from ..database import Base
from ..instants import UtcDateTime


class CellAnswer(Base):
    """The perturbed counts around one place, or (at 0, 0) of boroughs.

    They are of a release, told to everybody whose rights to count have this digest. ``first`` and ``last`` are the
    months of the window, ``left_out`` what the question left out. Nothing exact is in it. It goes when another release
    is published.
    """

    __tablename__ = "cell_answer"
    __table_args__ = (
        UniqueConstraint(
            *("dataset", "release", "rights", "easting", "northing", "first", "last", "left_out"),
            name="uq_cell_answer_question",
        ),
    )

    cell_answer_id: Mapped[int] = mapped_column(primary_key=True)
    dataset: Mapped[str] = mapped_column(String(32))
    release: Mapped[int]
    rights: Mapped[str] = mapped_column(String(64))
    easting: Mapped[int]
    northing: Mapped[int]
    first: Mapped[str] = mapped_column(String(7))
    last: Mapped[str] = mapped_column(String(7))
    left_out: Mapped[str] = mapped_column(String(200))
    rows: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    answered_at: Mapped[datetime] = mapped_column(UtcDateTime)
