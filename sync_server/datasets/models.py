"""Areas, by edition: the LSOAs and boroughs to which incidents are assigned and which agreements name."""

from __future__ import annotations

from enum import StrEnum

from sqlalchemy import ForeignKey, Index, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from ..database import Base


class AreaLevel(StrEnum):
    """Kinds of area."""

    LSOA = "lsoa"
    BOROUGH = "borough"
    WARD = "ward"  # figures are told by them; no incident bears a ward's code


class AreaEdition(Base):
    """One set of boundaries. Figures differ by edition, so its code is named beside them."""

    __tablename__ = "area_edition"

    code: Mapped[str] = mapped_column(String(32), primary_key=True)
    title: Mapped[str]
    attribution: Mapped[str]


class Area(Base):
    """One area: ``parent`` is an LSOA's borough, ``shape`` a polygon in EPSG:27700 as WKB."""

    __tablename__ = "area"
    __table_args__ = (Index(None, "edition", "level"),)

    edition: Mapped[str] = mapped_column(ForeignKey("area_edition.code"), primary_key=True)
    code: Mapped[str] = mapped_column(String(16), primary_key=True)
    level: Mapped[AreaLevel] = mapped_column(String(16))
    name: Mapped[str]
    parent: Mapped[str | None] = mapped_column(String(16))
    shape: Mapped[bytes] = mapped_column(LargeBinary)
