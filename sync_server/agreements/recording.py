"""How the work on agreements is audited."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..audit.log import EventType, Outcome
from .models import Agreement

if TYPE_CHECKING:
    from ..services import Services


def record(
    services: Services,
    actor: str,
    event: EventType,
    agreement: Agreement,
    details: Mapping[str, Any] | None = None,
    *,
    reason: str = "",
    outcome: Outcome = Outcome.OK,
) -> None:
    """One event about an agreement; raises ``AuditUnavailable`` where it cannot be kept."""
    services.audit.record(
        event,
        actor=actor,
        organisation=agreement.organisation.code,
        agreement=agreement.reference,
        dataset=agreement.dataset,
        filter=dict(details or {}),
        reason=reason,
        outcome=outcome,
    )
