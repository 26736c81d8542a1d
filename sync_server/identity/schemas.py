"""What the session routes take and give."""

from __future__ import annotations

from pydantic import BaseModel, Field


class SignInRequest(BaseModel):
    """A user name and a password."""

    username: str = Field(max_length=200)
    password: str = Field(max_length=1000)


class AcceptRequest(BaseModel):
    """The conditions that were read, by version and digest, and the purpose of the session."""

    conditions_version: str = Field(max_length=32)
    conditions_sha256: str = Field(max_length=64)
    purpose: str = Field(default="", max_length=64)
    purpose_detail: str = Field(default="", max_length=500)


class UserAnswer(BaseModel):
    """Who is signed in."""

    username: str
    display_name: str
    organisation: str


class ConditionsAnswer(BaseModel):
    """The conditions to accept, in Markdown."""

    version: str
    sha256: str
    text: str


class PurposeAnswer(BaseModel):
    """A purpose to choose; ``advice`` says where to ask instead of one that is not allowed."""

    code: str
    title: str
    description: str
    allowed: bool
    advice: str


class PendingAnswer(BaseModel):
    """A session that waits for the conditions to be accepted."""

    token: str
    state: str
    user: UserAnswer
    conditions: ConditionsAnswer
    purposes: list[PurposeAnswer]
    expires_at: str


class ActiveAnswer(BaseModel):
    """A session that may ask for data."""

    token: str
    state: str
    user: UserAnswer
    purpose: str
    expires_at: str
    idle_minutes: int


class StateAnswer(BaseModel):
    """The state of a session; ``idle_until`` moves on with work."""

    state: str
    user: UserAnswer
    purpose: str
    conditions_version: str
    expires_at: str
    idle_until: str
