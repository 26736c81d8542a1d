"""Who asks: a person in an active session, as plain data for whatever decides and audits."""

from __future__ import annotations

from dataclasses import dataclass

from .models import Channel, Role


@dataclass(frozen=True)
class Subject:
    """Who asks: a person in an active session. ``user_id`` and ``session_id`` are opaque."""

    user_id: str
    username: str
    organisation_id: int
    organisation: str
    role: Role
    session_id: str
    purpose: str
    conditions_version: str
    organisation_name: str = ""
    channel: Channel = Channel.DESK
    sites: tuple[tuple[str, str], ...] = ()  # a supplier's: (dataset, site)

    @property
    def audited(self) -> dict[str, str]:
        """Who asks, as an event of the audit tells it."""
        return {
            "actor": self.user_id,
            "organisation": self.organisation,
            "conditions": self.conditions_version,
            "purpose": self.purpose,
            "session": self.session_id,
        }
