"""Organisations, their people, their sign-ins, and the conditions of use that each sign-in accepts."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import Boolean, ForeignKey, String, Text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from ..database import Base
from ..instants import UtcDateTime


class Role(StrEnum):
    """What a person does in SafeStats."""

    ANALYST = "analyst"
    LICENSING_OFFICER = "licensing-officer"
    ORGANISATION_ADMIN = "organisation-admin"
    TEAM = "team"


class SignInState(StrEnum):
    """A sign-in is pending until the conditions are accepted and a purpose is chosen."""

    PENDING = "pending"
    ACTIVE = "active"
    ENDED = "ended"


class Organisation(Base):
    """An organisation that may hold agreements."""

    __tablename__ = "organisation"

    id: Mapped[int] = mapped_column(primary_key=True)
    code: Mapped[str] = mapped_column(String(32), unique=True)
    name: Mapped[str] = mapped_column(String, unique=True)


class User(Base):
    """A person. ``id`` is random and says nothing: the audit and the logs name people by it alone."""

    __tablename__ = "user_account"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    username: Mapped[str] = mapped_column(String(64), unique=True)
    display_name: Mapped[str] = mapped_column(String)
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    role: Mapped[str] = mapped_column(String(32))
    password_hash: Mapped[str] = mapped_column(String)
    active: Mapped[bool] = mapped_column(Boolean, default=True)

    organisation: Mapped[Organisation] = relationship(lazy="joined", innerjoin=True)


class SignIn(Base):
    """One sign-in. Of its token only the SHA-256 is kept."""

    __tablename__ = "sign_in"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("user_account.id"))
    state: Mapped[str] = mapped_column(String(8), default=SignInState.PENDING)
    conditions_version: Mapped[str] = mapped_column(String(32), default="")
    conditions_sha256: Mapped[str] = mapped_column(String(64), default="")
    purpose: Mapped[str] = mapped_column(String(32), default="")
    purpose_detail: Mapped[str] = mapped_column(String, default="")
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    accepted_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_used_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)

    user: Mapped[User] = relationship(lazy="joined", innerjoin=True)


class ConditionsOfUse(Base):
    """A published version of the conditions of use; the newest is the one to accept."""

    __tablename__ = "conditions_of_use"

    version: Mapped[str] = mapped_column(String(32), primary_key=True)
    text: Mapped[str] = mapped_column(Text)
    sha256: Mapped[str] = mapped_column(String(64))
    published_at: Mapped[datetime] = mapped_column(UtcDateTime)
