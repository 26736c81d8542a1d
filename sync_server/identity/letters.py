"""The texts of the mails about accounts."""

from __future__ import annotations

from datetime import datetime

from ..instants import LONDON
from .models import LinkKind, Role, User

_ROLES = {
    Role.ANALYST: "an analyst",
    Role.LICENSING_OFFICER: "a licensing officer",
    Role.ORGANISATION_ADMIN: "your organisation's administrator",
    Role.PUBLISHER: "a publisher",
    Role.SYSTEM_ADMIN: "a system administrator",
    Role.AUDITOR: "an auditor",
    Role.SUPPLIER: "a supplier of data",
}


def link_letter(kind: LinkKind, user: User, address: str, expires_at: datetime) -> tuple[str, str]:
    """Subject and text of the mail with a link."""
    until = f"{expires_at.astimezone(LONDON):%-d %B %Y, %H:%M}"
    if kind == LinkKind.INVITATION:
        return "Your SafeStats account", (
            f"Dear {user.display_name},\n\n"
            f"you have been invited to SafeStats as {_ROLES[Role(user.role)]} of {user.organisation.name}.\n"
            f"Your user name is {user.username}. Choose your password here:\n\n{address}\n\n"
            f"The link works once, until {until} (London time). If it has expired, ask for another.\n"
            "If you did not expect this, ignore it: without the link nobody can use the account.\n"
        )
    return "Your SafeStats password", (
        f"Dear {user.display_name},\n\n"
        f"somebody asked for a new password for your SafeStats account. Choose it here:\n\n{address}\n\n"
        f"The link works once, until {until} (London time). Your present password stays in use until then.\n"
        "If it was not you, ignore this mail, and tell the SafeStats team if it happens again.\n"
    )


def password_changed_letter(user: User) -> tuple[str, str]:
    """Subject and text of the mail that tells of a changed password."""
    return "Your SafeStats password was changed", (
        f"Dear {user.display_name},\n\n"
        "the password of your SafeStats account was changed by a link that was sent to this address. All sessions\n"
        "have ended. If it was not you, tell the SafeStats team at once.\n"
    )
