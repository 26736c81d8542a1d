"""Data Sharing Agreements, their ordered grants, and the areas of each grant."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Date,
    ForeignKey,
    Index,
    Integer,
    String,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from ..database import Base
from ..identity.models import Organisation
from ..instants import UtcDateTime


class AgreementState(StrEnum):
    """The life of an agreement; only an active one gives access."""

    DRAFT = "draft"
    SIGNED = "signed"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    ENDED = "ended"


class Precision(StrEnum):
    """How exactly a grant shows where something happened; from the finest to the coarsest."""

    POINT = "point"
    GRID = "grid"  # the middle of a square cell
    AREA = "area"  # no coordinates
    AGGREGATE = "aggregate"  # no rows: they are only counted, by fixed questions


class Use(StrEnum):
    """What a grant permits to do with the rows."""

    VIEW = "view"
    SYNC = "sync"
    EXPORT = "export"
    PUBLISH = "publish"


class ControllerStatus(StrEnum):
    """How a party answers for the data."""

    INDEPENDENT = "independent"
    JOINT = "joint"


class ContactRole(StrEnum):
    """What a contact of an agreement is for."""

    DATA_PROTECTION = "data-protection"
    OPERATIONAL = "operational"
    SECURITY = "security"


class Agreement(Base):
    """One organisation's agreement on one dataset. It holds from ``starts`` to ``ends``, both included.

    ``predecessor`` is the reference of the agreement that this one amends; ``schedule`` is the text that was signed.
    """

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
        Index("ix_agreement_organisation_id_dataset", "organisation_id", "dataset"),
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
    version: Mapped[int] = mapped_column(Integer, default=1)
    predecessor: Mapped[str] = mapped_column(String(64), default="")
    lawful_basis: Mapped[str] = mapped_column(Text, default="")
    purposes: Mapped[str] = mapped_column(Text, default="")  # codes separated by blanks; none listed: any purpose
    onward_sharing: Mapped[str] = mapped_column(Text, default="")
    retention: Mapped[str] = mapped_column(Text, default="")
    review_on: Mapped[date | None] = mapped_column(Date)
    schedule: Mapped[str] = mapped_column(Text, default="", deferred=True)
    schedule_sha256: Mapped[str] = mapped_column(String(64), default="")
    document_sha256: Mapped[str] = mapped_column(String(64), default="")
    document_name: Mapped[str] = mapped_column(String, default="")
    state_reason: Mapped[str] = mapped_column(Text, default="")  # why it was suspended or ended
    state_since: Mapped[datetime | None] = mapped_column(UtcDateTime)

    organisation: Mapped[Organisation] = relationship(lazy="joined", innerjoin=True)
    grants: Mapped[list[Grant]] = relationship(
        back_populates="agreement", order_by="Grant.position", cascade="all, delete-orphan"
    )
    parties: Mapped[list[Party]] = relationship(order_by="Party.position", cascade="all, delete-orphan")
    contacts: Mapped[list[Contact]] = relationship(order_by="Contact.id", cascade="all, delete-orphan")
    signatures: Mapped[list[Signature]] = relationship(order_by="Signature.id", cascade="all, delete-orphan")


class Party(Base):
    """A controller that is bound by an agreement and signs it; the organisation itself is the first."""

    __tablename__ = "agreement_party"
    __table_args__ = (UniqueConstraint("agreement_id", "name"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    agreement_id: Mapped[int] = mapped_column(ForeignKey("agreement.id"))
    position: Mapped[int] = mapped_column(Integer)
    name: Mapped[str] = mapped_column(String)
    status: Mapped[str] = mapped_column(String(16), default=ControllerStatus.INDEPENDENT)


class Contact(Base):
    """Whom to ask about an agreement."""

    __tablename__ = "agreement_contact"

    id: Mapped[int] = mapped_column(primary_key=True)
    agreement_id: Mapped[int] = mapped_column(ForeignKey("agreement.id"), index=True)
    role: Mapped[str] = mapped_column(String(16))
    name: Mapped[str] = mapped_column(String)
    email: Mapped[str] = mapped_column(String)


class Signature(Base):
    """Who signed which schedule for which party; ``recorded_by`` is the actor who says so.

    ``paper`` tells that it was an earlier paper that was signed, not the schedule, and which.
    """

    __tablename__ = "agreement_signature"
    __table_args__ = (UniqueConstraint("agreement_id", "party"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    agreement_id: Mapped[int] = mapped_column(ForeignKey("agreement.id"))
    party: Mapped[str] = mapped_column(String)
    signed_by: Mapped[str] = mapped_column(String)
    signed_on: Mapped[date] = mapped_column(Date)
    schedule_sha256: Mapped[str] = mapped_column(String(64))
    paper: Mapped[str] = mapped_column(String(200), default="")
    recorded_by: Mapped[str] = mapped_column(String(64))
    recorded_at: Mapped[datetime] = mapped_column(UtcDateTime)


class Grant(Base):
    """Fields, places, months and precision that an agreement permits; the first that covers a row shows it."""

    __tablename__ = "agreement_grant"
    __table_args__ = (UniqueConstraint("agreement_id", "position"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    agreement_id: Mapped[int] = mapped_column(ForeignKey("agreement.id"))
    position: Mapped[int] = mapped_column(Integer)
    groups: Mapped[str] = mapped_column(String)  # names of field groups, separated by blanks
    precision: Mapped[str] = mapped_column(String(16))
    grid_m: Mapped[int] = mapped_column(Integer, default=0)
    from_month: Mapped[str] = mapped_column(String(7), default="")
    to_month: Mapped[str] = mapped_column(String(7), default="")
    last_months: Mapped[int] = mapped_column(Integer, default=0)
    may_view: Mapped[bool] = mapped_column(Boolean, default=False)
    may_sync: Mapped[bool] = mapped_column(Boolean, default=False)
    may_export: Mapped[bool] = mapped_column(Boolean, default=False)
    may_publish: Mapped[bool] = mapped_column(Boolean, default=False)
    officer_records: Mapped[bool] = mapped_column(Boolean, default=False)  # else a licensing officer only counts
    # As asked for, for the words of the schedule; ``areas`` is what they came to.
    named_areas: Mapped[str] = mapped_column(Text, default="")
    edge_m: Mapped[int] = mapped_column(Integer, default=0)

    agreement: Mapped[Agreement] = relationship(back_populates="grants")
    areas: Mapped[list[GrantArea]] = relationship(
        lazy="selectin", cascade="all, delete-orphan", order_by="GrantArea.code"
    )

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


class SupplierTerms(Base):
    """A version of a supplier's terms on its dataset: the ceiling of every grant from ``starts`` to ``ends``."""

    __tablename__ = "supplier_terms"
    __table_args__ = (UniqueConstraint("dataset", "version"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    dataset: Mapped[str] = mapped_column(String(32))
    version: Mapped[int] = mapped_column(Integer)
    supplier: Mapped[str] = mapped_column(String)
    groups: Mapped[str] = mapped_column(String)  # names of field groups, separated by blanks
    precision: Mapped[str] = mapped_column(String(16))  # the finest that is allowed
    grid_m: Mapped[int] = mapped_column(Integer)
    uses: Mapped[str] = mapped_column(String)  # separated by blanks
    recipients: Mapped[str] = mapped_column(Text)  # kinds or codes of organisations, separated by blanks; none: any
    suppression_threshold: Mapped[int] = mapped_column(Integer)
    retention_months: Mapped[int] = mapped_column(Integer)  # 0: as long as the agreement lasts
    starts: Mapped[date] = mapped_column(Date)
    ends: Mapped[date | None] = mapped_column(Date)
    note: Mapped[str] = mapped_column(Text)
    sha256: Mapped[str] = mapped_column(String(64))
    loaded_by: Mapped[str] = mapped_column(String(64))
    loaded_at: Mapped[datetime] = mapped_column(UtcDateTime)
