"""The menu: what a role may look at, in the order of the work."""

from __future__ import annotations

from dataclasses import dataclass

from ..identity.permissions import Permission, permitted
from ..identity.subject import Subject


@dataclass(frozen=True)
class MenuEntry:
    """A page of the menu; ``current`` where it, or one below it, is being looked at."""

    title: str
    address: str
    current: bool


_PAGES: tuple[tuple[str, str, Permission | None], ...] = (
    ("Overview", "/console", None),
    ("Check a place", "/console/check", Permission.USE_DATA),
    ("Organisations", "/console/organisations", Permission.SEE_ORGANISATIONS),
    ("People", "/console/people", Permission.SEE_PEOPLE),
    ("Use", "/console/usage", Permission.SEE_USAGE),
    ("House style", "/console/house-style", Permission.SET_HOUSE_STYLE),
    ("Agreements", "/console/agreements", Permission.SEE_AGREEMENTS),
    ("Suppliers’ terms", "/console/terms", Permission.SEE_ORGANISATIONS),
    ("Conditions of use", "/console/conditions-of-use", Permission.SEE_CONDITIONS),
    ("Purposes", "/console/purposes", Permission.SEE_DECISIONS),
    ("Releases", "/console/releases", Permission.SEE_RELEASES),
    ("Uploads", "/console/uploads", Permission.MANAGE_RELEASES),
    ("Mappings", "/console/mappings", Permission.MANAGE_RELEASES),
    ("Places to look at", "/console/places", Permission.REVIEW_PLACES),
    ("Supplies", "/console/supplies", Permission.SEE_SUPPLIES),
    ("Quality", "/console/quality", Permission.SEE_QUALITY),
    ("Monthly packs", "/console/packs", Permission.MAKE_PACKS),
    ("Needs assessment", "/console/needs", Permission.MAKE_PACKS),
    ("Case studies", "/console/case-studies", None),
    ("Recalls", "/console/recall", Permission.READ_AUDIT),
    ("Audit", "/console/audit", Permission.READ_AUDIT),
    ("Oversight", "/console/oversight", Permission.READ_OVERSIGHT),
)


def menu_for(subject: Subject | None, path: str) -> list[MenuEntry]:
    """What the person may choose from; nothing before the session is active."""
    if subject is None:
        return []
    allowed = permitted(subject.role)
    return [
        MenuEntry(title, address, path == address or (address != "/console" and path.startswith(f"{address}/")))
        for title, address, permission in _PAGES
        if permission is None or permission in allowed
    ]
