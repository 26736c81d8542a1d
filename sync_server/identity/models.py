"""Organisations, their people and machines, how these sign in, and what they agree to when they do."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum

from sqlalchemy import Boolean, ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from ..database import Base
from ..instants import UtcDateTime


class Role(StrEnum):
    """What a person does in SafeStats."""

    ANALYST = "analyst"
    LICENSING_OFFICER = "licensing-officer"
    ORGANISATION_ADMIN = "organisation-admin"
    PUBLISHER = "publisher"
    SYSTEM_ADMIN = "system-admin"
    AUDITOR = "auditor"
    SUPPLIER = "supplier"


class Channel(StrEnum):
    """Where a session is used: a token of one is worth nothing on the other."""

    DESK = "desk"
    CONSOLE = "console"


class SignInState(StrEnum):
    """Two steps before work: the second factor where there is one, then the conditions and a purpose."""

    SECOND_FACTOR = "second-factor"
    ENROLMENT = "enrolment"  # the role needs a second factor and the person has none yet
    PENDING = "pending"
    ACTIVE = "active"
    ENDED = "ended"


class LinkKind(StrEnum):
    """What a link in a mail is for."""

    INVITATION = "invitation"
    RESET = "reset"


class RequestState(StrEnum):
    """A purpose in a person's own words waits for a decision."""

    HELD = "held"
    APPROVED = "approved"
    REFUSED = "refused"


class Organisation(Base):
    """An organisation that may hold agreements. Without a ``remit`` (its duty in law) it can have none."""

    __tablename__ = "organisation"

    id: Mapped[int] = mapped_column(primary_key=True)
    code: Mapped[str] = mapped_column(String(32), unique=True)
    name: Mapped[str] = mapped_column(String, unique=True)
    kind: Mapped[str] = mapped_column(String(32), default="")
    remit: Mapped[str] = mapped_column(Text, default="")
    active: Mapped[bool] = mapped_column(Boolean, default=True)
    # Single sign-on: where its people sign in, as whom this server asks, and with what (sealed), if anything.
    oidc_issuer: Mapped[str] = mapped_column(String, default="")
    oidc_client_id: Mapped[str] = mapped_column(String, default="")
    oidc_client_secret: Mapped[str] = mapped_column(Text, default="")

    areas: Mapped[list[OrganisationArea]] = relationship(
        lazy="selectin", order_by="OrganisationArea.code", cascade="all, delete-orphan"
    )


class OrganisationArea(Base):
    """An area (by its code) that an organisation serves."""

    __tablename__ = "organisation_area"

    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"), primary_key=True)
    code: Mapped[str] = mapped_column(String(16), primary_key=True)


class User(Base):
    """A person. ``id`` is random and says nothing: the audit and the logs name people by it alone."""

    __tablename__ = "user_account"
    __table_args__ = (Index("uq_user_account_email", "email", unique=True),)

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    username: Mapped[str] = mapped_column(String(64), unique=True)
    display_name: Mapped[str] = mapped_column(String)
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    role: Mapped[str] = mapped_column(String(32))
    password_hash: Mapped[str] = mapped_column(String)  # "" until the invitation is taken up
    active: Mapped[bool] = mapped_column(Boolean, default=True)
    email: Mapped[str | None] = mapped_column(String(254))  # small letters
    created_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_sign_in_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    # A sealed secret counts once it is confirmed; a step (30 s) is used once.
    totp_secret: Mapped[str] = mapped_column(String, default="")
    totp_confirmed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    totp_last_step: Mapped[int] = mapped_column(default=0)
    # Who they are at their organisation's identity provider, once they have signed in there.
    oidc_subject: Mapped[str] = mapped_column(String(255), default="")
    sso_only: Mapped[bool] = mapped_column(Boolean, default=False)

    organisation: Mapped[Organisation] = relationship(lazy="joined", innerjoin=True)
    sites: Mapped[list[UserSite]] = relationship(lazy="selectin", cascade="all, delete-orphan")

    @property
    def has_second_factor(self) -> bool:
        """Whether a second factor is asked of them."""
        return bool(self.totp_secret) and self.totp_confirmed_at is not None


class UserSite(Base):
    """What a supplier's person may see: deliveries of one site of a dataset ("" = where it has no sites)."""

    __tablename__ = "user_site"

    user_id: Mapped[str] = mapped_column(ForeignKey("user_account.id"), primary_key=True)
    dataset: Mapped[str] = mapped_column(String(32), primary_key=True)
    site: Mapped[str] = mapped_column(String(64), primary_key=True)


class RecoveryCode(Base):
    """One of the codes for a lost second factor. Of it only a keyed hash is kept."""

    __tablename__ = "recovery_code"

    user_id: Mapped[str] = mapped_column(ForeignKey("user_account.id"), primary_key=True)
    code_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class SignIn(Base):
    """One sign-in. Of its token only the SHA-256 is kept."""

    __tablename__ = "sign_in"
    __table_args__ = (Index(None, "user_id"), Index(None, "replaced_token_hash"))

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    # Of two acceptances of one pending session the later one is told what happened.
    replaced_token_hash: Mapped[str] = mapped_column(String(64), default="")
    user_id: Mapped[str] = mapped_column(ForeignKey("user_account.id"))
    state: Mapped[str] = mapped_column(String(16), default=SignInState.PENDING)
    channel: Mapped[str] = mapped_column(String(8), default=Channel.DESK)
    client: Mapped[str] = mapped_column(String(100), default="")
    address: Mapped[str] = mapped_column(String(64), default="")
    factor_failures: Mapped[int] = mapped_column(default=0)
    conditions_version: Mapped[str] = mapped_column(String(32), default="")
    conditions_sha256: Mapped[str] = mapped_column(String(64), default="")
    purpose: Mapped[str] = mapped_column(String(32), default="")
    purpose_detail: Mapped[str] = mapped_column(String, default="")
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    accepted_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_used_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)

    user: Mapped[User] = relationship(lazy="joined", innerjoin=True)


class AccountLink(Base):
    """A single-use link that sets a password. Of its token only the SHA-256 is kept; a newer one ends it."""

    __tablename__ = "account_link"
    __table_args__ = (Index(None, "user_id"),)

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("user_account.id"))
    kind: Mapped[str] = mapped_column(String(16))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    superseded_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    user: Mapped[User] = relationship(lazy="joined", innerjoin=True)


class MachineKey(Base):
    """A supplier's machine. ``prefix`` is the part that may be shown; of the whole only the SHA-256 is kept."""

    __tablename__ = "machine_key"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    prefix: Mapped[str] = mapped_column(String(16), unique=True)
    key_hash: Mapped[str] = mapped_column(String(64), unique=True)
    name: Mapped[str] = mapped_column(String(100))
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    dataset: Mapped[str] = mapped_column(String(32))
    site: Mapped[str] = mapped_column(String(64))
    created_by: Mapped[str] = mapped_column(String(32))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    organisation: Mapped[Organisation] = relationship(lazy="joined", innerjoin=True)


class OidcAttempt(Base):
    """A sign-in that is under way at an organisation's identity provider. Of its secrets only hashes are kept."""

    __tablename__ = "oidc_attempt"

    handle_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    state_hash: Mapped[str] = mapped_column(String(64), unique=True)
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    nonce: Mapped[str] = mapped_column(String(64))
    verifier: Mapped[str] = mapped_column(String)  # sealed
    loopback_port: Mapped[int | None]
    channel: Mapped[str] = mapped_column(String(8))
    # Set when the browser came back: who it was, and the one-time code for the one who began.
    user_id: Mapped[str | None] = mapped_column(ForeignKey("user_account.id"))
    code_hash: Mapped[str] = mapped_column(String(64), default="")
    failures: Mapped[int] = mapped_column(default=0)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class ConditionsOfUse(Base):
    """A published version of the conditions of use; the newest is the one to accept."""

    __tablename__ = "conditions_of_use"

    version: Mapped[str] = mapped_column(String(32), primary_key=True)
    text: Mapped[str] = mapped_column(Text)
    sha256: Mapped[str] = mapped_column(String(64))
    published_at: Mapped[datetime] = mapped_column(UtcDateTime)


class PurposeRequest(Base):
    """A purpose in a person's own words. Approved, its ``text`` is a purpose of that person until ``valid_until``."""

    __tablename__ = "purpose_request"
    __table_args__ = (Index(None, "user_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("user_account.id"))
    text: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(String(16), default=RequestState.HELD)
    requested_at: Mapped[datetime] = mapped_column(UtcDateTime)
    decided_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    decided_by: Mapped[str] = mapped_column(String(32), default="")
    reason: Mapped[str] = mapped_column(Text, default="")
    valid_until: Mapped[date | None]

    user: Mapped[User] = relationship(lazy="joined", innerjoin=True)


class SteeringDecision(Base):
    """The Steering Group's leave to use data for a purpose that is otherwise refused."""

    __tablename__ = "steering_decision"

    id: Mapped[int] = mapped_column(primary_key=True)
    reference: Mapped[str] = mapped_column(String(64), unique=True)
    purpose: Mapped[str] = mapped_column(String(32))
    organisation_id: Mapped[int | None] = mapped_column(ForeignKey("organisation.id"))  # None: every organisation
    decided_on: Mapped[date]
    valid_until: Mapped[date]
    summary: Mapped[str] = mapped_column(Text)
    recorded_by: Mapped[str] = mapped_column(String(32))
    recorded_at: Mapped[datetime] = mapped_column(UtcDateTime)
    withdrawn_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    organisation: Mapped[Organisation | None] = relationship(lazy="joined")
