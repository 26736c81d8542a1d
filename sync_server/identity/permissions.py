"""Who may do what: a fixed table of roles, asked before anything else is."""

from __future__ import annotations

from enum import StrEnum

from ..problems import Problem
from .models import Role
from .subject import Subject


class Permission(StrEnum):
    """Something that a role may do. What an agreement opens is not decided here."""

    USE_DATA = "use-data"  # ask for incident data at all
    SEE_PEOPLE = "see-people"
    INVITE_PEOPLE = "invite-people"
    MANAGE_PEOPLE = "manage-people"  # deactivate, change a role, end sessions, reset a second factor
    SEE_USAGE = "see-usage"
    SEE_ORGANISATIONS = "see-organisations"
    MANAGE_ORGANISATIONS = "manage-organisations"
    SET_HOUSE_STYLE = "set-house-style"  # how the pages of one's own organisation look
    SEE_AGREEMENTS = "see-agreements"
    MANAGE_AGREEMENTS = "manage-agreements"
    SEE_CONDITIONS = "see-conditions"
    PUBLISH_CONDITIONS = "publish-conditions"
    SEE_DECISIONS = "see-decisions"
    DECIDE_PURPOSES = "decide-purposes"
    RECORD_DECISIONS = "record-decisions"  # of the Steering Group
    SEE_RELEASES = "see-releases"
    MANAGE_RELEASES = "manage-releases"
    REVIEW_PLACES = "review-places"  # say what descriptions of places mean
    SEE_SUPPLIES = "see-supplies"  # deliveries, a supplier's own only
    SEND_SUPPLIES = "send-supplies"  # to one's own dataset and site
    MANAGE_KEYS = "manage-keys"
    SEE_QUALITY = "see-quality"  # of every supplier's deliveries
    MAKE_PACKS = "make-packs"  # monthly ones, of one's own organisation; the team's, for any
    WRITE_CASE_STUDIES = "write-case-studies"  # one's own; they are read by everybody once they are approved
    APPROVE_CASE_STUDIES = "approve-case-studies"  # another's
    READ_AUDIT = "read-audit"
    READ_OVERSIGHT = "read-oversight"


P = Permission
_SEEING = frozenset(
    {
        P.SEE_PEOPLE,
        P.SEE_USAGE,
        P.SEE_ORGANISATIONS,
        P.SEE_AGREEMENTS,
        P.SEE_CONDITIONS,
        P.SEE_DECISIONS,
        P.SEE_RELEASES,
        P.SEE_SUPPLIES,
        P.SEE_QUALITY,
        P.READ_OVERSIGHT,
    }
)
_PERMITTED: dict[Role, frozenset[Permission]] = {
    Role.ANALYST: frozenset({P.USE_DATA, P.MAKE_PACKS, P.WRITE_CASE_STUDIES}),
    Role.LICENSING_OFFICER: frozenset({P.USE_DATA}),
    # Its own organisation only: see ``require_organisation``.
    Role.ORGANISATION_ADMIN: frozenset(
        {
            P.USE_DATA,
            P.MAKE_PACKS,
            P.WRITE_CASE_STUDIES,
            P.SEE_PEOPLE,
            P.INVITE_PEOPLE,
            P.MANAGE_PEOPLE,
            P.SEE_USAGE,
            P.SET_HOUSE_STYLE,
            P.SEE_AGREEMENTS,
            P.SEE_CONDITIONS,
        }
    ),
    Role.PUBLISHER: _SEEING
    | {
        P.MAKE_PACKS,
        P.WRITE_CASE_STUDIES,
        P.APPROVE_CASE_STUDIES,
        P.MANAGE_AGREEMENTS,
        P.PUBLISH_CONDITIONS,
        P.DECIDE_PURPOSES,
        P.MANAGE_RELEASES,
        P.REVIEW_PLACES,
        P.MANAGE_KEYS,
    },
    # Everything but data: who gives out access does not use it.
    Role.SYSTEM_ADMIN: frozenset(Permission) - {P.USE_DATA, P.MAKE_PACKS, P.SEND_SUPPLIES},
    Role.AUDITOR: _SEEING | {P.READ_AUDIT},
    Role.SUPPLIER: frozenset({P.SEE_SUPPLIES, P.SEND_SUPPLIES}),
}
# The SafeStats team and its auditors see every organisation; the others their own.
_EVERYWHERE = frozenset({Role.PUBLISHER, Role.SYSTEM_ADMIN, Role.AUDITOR})
# What an organisation's administrator may make somebody.
INVITABLE = (Role.ANALYST, Role.LICENSING_OFFICER, Role.ORGANISATION_ADMIN)
# Who can change what others may see, or read what everybody did, proves twice who they are.
NEEDS_SECOND_FACTOR = frozenset({Role.PUBLISHER, Role.SYSTEM_ADMIN, Role.AUDITOR})


def permitted(role: Role) -> frozenset[Permission]:
    """All that a role may do."""
    return _PERMITTED[role]


def require(subject: Subject, permission: Permission) -> None:
    """Raises the ``Problem`` 403 ``role-not-permitted`` unless the subject's role has the permission."""
    if permission not in permitted(subject.role):
        raise not_permitted()


def sees_all(role: Role) -> bool:
    """Whether what the role sees is not narrowed to its own organisation."""
    return role in _EVERYWHERE


def require_organisation(subject: Subject, permission: Permission, organisation_id: int) -> None:
    """As ``require``, for something of one organisation: an administrator's permission ends at its own."""
    require(subject, permission)
    if not sees_all(subject.role) and subject.organisation_id != organisation_id:
        raise not_permitted()


def not_permitted() -> Problem:
    """The answer to a role that may not."""
    return Problem(
        403,
        "role-not-permitted",
        "Not open to your role",
        "Your role does not permit this: if you need it for your work, ask the SafeStats team.",
    )
