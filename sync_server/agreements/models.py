"""Data Sharing Agreements, their ordered grants, and the areas of each grant."""

from __future__ import annotations

from datetime import date
from enum import StrEnum

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Date,
    ForeignKey,
    Index,
    Integer,
    String,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from ..database import Base
from ..identity.models import Organisation


class AgreementState(StrEnum):
    """The life of an agreement; only an active one gives access."""

    DRAFT = "draft"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    ENDED = "ended"


class Precision(StrEnum):
    """How exactly a grant shows where something happened."""

    POINT = "point"
    GRID = "grid"  # the middle of a square cell
    AREA = "area"  # no coordinates


class Use(StrEnum):
    """What a grant permits to do with the rows."""

    VIEW = "view"
    SYNC = "sync"
    EXPORT = "export"
    PUBLISH = "publish"


class Agreement(Base):
    """One organisation's agreement on one dataset. It holds from ``starts`` to ``ends``, both included."""

    __tablename__ = "agreement"
    __table_args__ = (
        Index(
            "uq_agreement_one_active",
            "organisation_id",
            "dataset",
            unique=True,
            sqlite_where=text("state = 'active'"),
            postgresql_where=text("state = 'active'"),
        ),
        CheckConstraint("starts <= ends", name="ck_agreement_dates"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    reference: Mapped[str] = mapped_column(String(64), unique=True)
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    dataset: Mapped[str] = mapped_column(String(32))
    starts: Mapped[date] = mapped_column(Date)
    ends: Mapped[date] = mapped_column(Date)
    state: Mapped[str] = mapped_column(String(16), default=AgreementState.DRAFT)
    signed_on: Mapped[date | None] = mapped_column(Date)

    organisation: Mapped[Organisation] = relationship(lazy="joined", innerjoin=True)
    grants: Mapped[list[Grant]] = relationship(
        back_populates="agreement", order_by="Grant.position", cascade="all, delete-orphan"
    )


class Grant(Base):
    """Fields, places, months and precision that an agreement permits; the first that covers a row shows it."""

    __tablename__ = "agreement_grant"
    __table_args__ = (UniqueConstraint("agreement_id", "position"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    agreement_id: Mapped[int] = mapped_column(ForeignKey("agreement.id"))
    position: Mapped[int] = mapped_column(Integer)
    groups: Mapped[str] = mapped_column(String)  # names of field groups, separated by blanks
    precision: Mapped[str] = mapped_column(String(8))
    grid_m: Mapped[int] = mapped_column(Integer, default=0)
    from_month: Mapped[str] = mapped_column(String(7), default="")
    to_month: Mapped[str] = mapped_column(String(7), default="")
    last_months: Mapped[int] = mapped_column(Integer, default=0)
    may_view: Mapped[bool] = mapped_column(Boolean, default=False)
    may_sync: Mapped[bool] = mapped_column(Boolean, default=False)
    may_export: Mapped[bool] = mapped_column(Boolean, default=False)
    may_publish: Mapped[bool] = mapped_column(Boolean, default=False)

    agreement: Mapped[Agreement] = relationship(back_populates="grants")
    areas: Mapped[list[GrantArea]] = relationship(cascade="all, delete-orphan", order_by="GrantArea.code")

    @property
    def uses(self) -> frozenset[Use]:
        """What may be done with the rows."""
        permitted = {
            Use.VIEW: self.may_view,
            Use.SYNC: self.may_sync,
            Use.EXPORT: self.may_export,
            Use.PUBLISH: self.may_publish,
        }
        return frozenset(use for use, may in permitted.items() if may)


class GrantArea(Base):
    """One area code of a grant: a borough's, an LSOA's, ``unplaced`` or ``outside``."""

    __tablename__ = "grant_area"

    grant_id: Mapped[int] = mapped_column(ForeignKey("agreement_grant.id"), primary_key=True)
    code: Mapped[str] = mapped_column(String(16), primary_key=True)
