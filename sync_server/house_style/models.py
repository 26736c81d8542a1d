"""The house style of an organisation: one row each, none where nobody has set one."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from ..database import Base
from ..instants import UtcDateTime


class HouseStyle(Base):
    """Empty texts stand for the plugin's own; ``logo`` is a PNG without anything but the picture."""

    __tablename__ = "house_style"

    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"), primary_key=True, autoincrement=False)
    colour: Mapped[str] = mapped_column(String(7), default="")
    font: Mapped[str] = mapped_column(String(100), default="")
    logo: Mapped[bytes] = mapped_column(LargeBinary, default=b"")
    logo_words: Mapped[str] = mapped_column(String(200), default="")
    # The organisation's own tile service (WMTS), never a third party's.
    map_address: Mapped[str] = mapped_column(String(500), default="")
    map_layer: Mapped[str] = mapped_column(String(200), default="")
    map_matrix_set: Mapped[str] = mapped_column(String(200), default="")
    map_format: Mapped[str] = mapped_column(String(50), default="")
    map_attribution: Mapped[str] = mapped_column(String(500), default="")
    changed_at: Mapped[datetime] = mapped_column(UtcDateTime)
