"""What the routes of sessions and links take and give."""

from __future__ import annotations

from pydantic import BaseModel, Field


class SignInRequest(BaseModel):
    """A user name and a password; ``client`` names the program and computer, for the list of one's own sessions."""

    username: str = Field(max_length=200)
    password: str = Field(max_length=1000)
    client: str = Field(default="", max_length=200)


class CodeRequest(BaseModel):
    """A code of the authenticator, or a recovery code."""

    code: str = Field(max_length=64)


class PurposeRequest(BaseModel):
    """The purpose of the session; one of a person's own words has them in ``purpose_detail``."""

    purpose: str = Field(default="", max_length=64)
    purpose_detail: str = Field(default="", max_length=500)


class AcceptRequest(PurposeRequest):
    """The conditions that were read, by version and digest, and the purpose of the session."""

    conditions_version: str = Field(max_length=32)
    conditions_sha256: str = Field(max_length=64)


class OidcStartRequest(BaseModel):
    """Whose sign-in to use (an organisation's code); a desk that listens on loopback names its port."""

    organisation: str = Field(max_length=32)
    loopback_port: int | None = Field(default=None, ge=1024, le=65535)


class OidcFinishRequest(BaseModel):
    """The handle of ``start`` and the one-time code that the browser showed or brought."""

    handle: str = Field(max_length=64)
    code: str = Field(max_length=64)
    client: str = Field(default="", max_length=200)


class NewPasswordRequest(BaseModel):
    """A password to set by a link."""

    password: str = Field(max_length=1000)


class ResetRequest(BaseModel):
    """Whose password is forgotten."""

    username: str = Field(max_length=200)


class UserAnswer(BaseModel):
    """Who is signed in."""

    username: str
    display_name: str
    organisation: str
    role: str


class ConditionsAnswer(BaseModel):
    """The conditions to accept, in Markdown."""

    version: str
    sha256: str
    text: str


class PurposeAnswer(BaseModel):
    """A purpose to choose; ``advice`` says where to ask instead of one that is not allowed.

    One that is ``held`` is described in ``purpose_detail`` and waits for the SafeStats team's approval.
    """

    code: str
    title: str
    description: str
    allowed: bool
    advice: str
    held: bool


class StepAnswer(BaseModel):
    """A session that waits for its next step: the second factor, or the conditions to be accepted."""

    token: str
    state: str
    user: UserAnswer
    conditions: ConditionsAnswer | None
    purposes: list[PurposeAnswer]
    expires_at: str


class EnrolmentAnswer(BaseModel):
    """A secret for the authenticator, as text and as the address that its QR code holds."""

    secret: str
    otpauth_uri: str


class EnrolledAnswer(StepAnswer):
    """The session goes on; the recovery codes are told this once."""

    recovery_codes: list[str]


class RecoveryCodesAnswer(BaseModel):
    """New recovery codes, told this once."""

    recovery_codes: list[str]


class ChoiceAnswer(BaseModel):
    """The conditions in force, and the purposes that this person may choose from."""

    conditions: ConditionsAnswer
    purposes: list[PurposeAnswer]


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


class OwnSessionAnswer(BaseModel):
    """One of the person's sessions; ``address`` is where it was opened from."""

    id: str
    created_at: str
    last_used_at: str
    client: str
    address: str
    channel: str
    current: bool


class OwnSessionsAnswer(BaseModel):
    """The person's sessions that have not ended, the newest first."""

    sessions: list[OwnSessionAnswer]


class OidcStartAnswer(BaseModel):
    """Where the browser goes, and the handle to finish with, which is the client's secret."""

    authorisation_url: str
    handle: str
