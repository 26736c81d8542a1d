"""Tables of ranks, as they are kept with a release."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import LargeBinary, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from ..database import Base
from ..instants import UtcDateTime


class RankTable(Base):
    """How often each count occurs among a borough's postcodes: of a release, for everybody whose rights are these.

    ``first`` and ``last`` are the months that were counted, ``band`` a listed band's name, ``left_out`` what of the
    rows was not counted; ``content`` is ``Ranks.packed``. It goes with the release, or goes over to the next one where
    that left its months as they are. With the borough ``""`` it tells how many rows have no place.
    """

    __tablename__ = "rank_table"
    __table_args__ = (
        UniqueConstraint(
            *("dataset", "release", "rights", "borough", "first", "last", "band", "left_out"),
            name="uq_rank_table_question",
        ),
    )

    rank_table_id: Mapped[int] = mapped_column(primary_key=True)
    dataset: Mapped[str] = mapped_column(String(32))
    release: Mapped[int]
    rights: Mapped[str] = mapped_column(String(64))
    borough: Mapped[str] = mapped_column(String(16))
    first: Mapped[str] = mapped_column(String(7))
    last: Mapped[str] = mapped_column(String(7))
    band: Mapped[str] = mapped_column(String(32))
    left_out: Mapped[str] = mapped_column(String(200))
    content: Mapped[bytes] = mapped_column(LargeBinary)
    made_at: Mapped[datetime] = mapped_column(UtcDateTime)
