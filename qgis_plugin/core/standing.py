"""How a local copy stands to what the server says of its dataset now (an entry of ``GET /v1/layers``)."""

from __future__ import annotations

from enum import Enum
from typing import Any

from .errors import AgreementRefused
from .local_store import LocalCopy

# Refusals that end the right to hold a copy. A layer that is merely not published keeps its copy until it lapses.
_ENDING = {
    *("no-agreement", "agreement-ended", "agreement-suspended", "agreement-not-started", "use-not-granted"),
    *("aggregates-only", "purpose-not-agreed", "role-without-data", "role-not-permitted"),
}
_TERMS = "terms-"  # a supplier's, whichever of them it is
AGGREGATES_ONLY = "aggregates-only"


class Standing(Enum):
    """What is to be done about a copy."""

    CURRENT = "current"
    NEWER = "newer"  # there is a newer release
    RIGHTS_CHANGED = "rights-changed"  # the copy may hold what is no longer permitted, or lack what is
    ENDED = "ended"  # there is no right to hold it, or other rights whose files are still to be made


def standing(entry: dict[str, Any], copy: LocalCopy) -> Standing:
    """The standing of ``copy``. A server that does not tell release or fingerprint says nothing about them."""
    if not entry["permitted"]:
        return Standing.ENDED if _ends(str(entry.get("reason_code", ""))) else Standing.CURRENT
    if entry.get("preparing") and entry.get("rights") and copy.manifest.rights:
        return Standing.CURRENT if entry["rights"] == copy.manifest.rights else Standing.ENDED
    if entry.get("fingerprint") and entry["fingerprint"] != copy.manifest.fingerprint:
        return Standing.RIGHTS_CHANGED
    if int(entry.get("release") or 0) > copy.manifest.release:
        return Standing.NEWER
    return Standing.CURRENT


def entry_of(copy: LocalCopy) -> dict[str, Any]:
    """What a list of the server would say of the dataset, as far as its copy tells it; ``offline`` marks it."""
    manifest = copy.manifest
    return {
        "dataset": manifest.dataset,
        "title": manifest.title,
        "supplier": "",
        "description": "",
        "permitted": True,
        "preparing": False,
        "reason": "",
        "rows": manifest.rows,
        "size": copy.path.stat().st_size,
        "newest": manifest.newest_period,
        "precision": "",
        "agreement": manifest.agreement,
        "agreement_until": manifest.agreement_until,
        "uses": list(copy.uses) if copy.uses is not None else None,
        "offline": True,
    }


def ends_the_right(error: Exception) -> bool:
    """Whether a refusal means that the copy must go."""
    return isinstance(error, AgreementRefused) and _ends(error.code)


def _ends(code: str) -> bool:
    return code in _ENDING or code.startswith(_TERMS)
