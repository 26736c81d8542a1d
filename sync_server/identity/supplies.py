"""What a supplier, a person or a machine, sees: its own deliveries of its own dataset and site, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session

from ..audit.log import EventType
from ..ingest.models import Delivery
from ..instants import now
from ..problems import Problem
from ..services import Services
from .machine_keys import PREFIX, find_key
from .models import Role
from .permissions import not_permitted
from .refusals import audited_refusals
from .sessions import find_session, subject_at_work, subject_of
from .subject import Subject

MOST = 200


@dataclass(frozen=True)
class Supplier:
    """Who asks: a supplier's person or machine, bound to (dataset, site) pairs."""

    actor: str  # opaque: the user's id, or the key's
    organisation: str
    organisation_name: str
    sites: tuple[tuple[str, str], ...]
    session_id: str = ""


def supplier_of(services: Services, token: str, path: str) -> Supplier:
    """The supplier behind a machine key or a supplier's session; raises ``Problem`` 401, or 403 for other roles.

    ``path`` is what was asked for: a refusal is recorded with it.
    """
    if token.startswith(PREFIX):
        entry = find_key(services, token)
        home = entry.organisation
        return Supplier(entry.id, home.code, home.name, ((entry.dataset, entry.site),))
    with services.database.read() as session:
        found = find_session(session, token, services.settings)
        with audited_refusals(services.audit, path, subject_of(found.sign_in)):
            return of_subject(subject_at_work(services.database, session, found, services.settings))


def of_subject(subject: Subject) -> Supplier:
    """The supplier that a person is; raises ``Problem`` 403 for another role."""
    if subject.role != Role.SUPPLIER:
        raise not_permitted()
    return Supplier(subject.user_id, subject.organisation, subject.organisation_name, subject.sites, subject.session_id)


def refuse_others(services: Services, supplier: Supplier, dataset: str, site: str) -> None:
    """Raises ``Problem`` 404, recorded, unless the dataset and site are the supplier's own and the dataset is there."""
    if (dataset, site) in supplier.sites and dataset in services.definitions:
        return
    services.audit.record(
        EventType.SUPPLIES_READ,
        actor=supplier.actor,
        organisation=supplier.organisation,
        outcome="refused",
        reason="no-such-supply",
        session=supplier.session_id,
        once=once_a_minute(supplier, ()),
    )
    raise not_own()


def not_own() -> Problem:
    """The answer for what is another's, and for what does not exist."""
    detail = "You have no dataset and site of that name: “/v1/supplier” tells which are yours."
    return Problem(404, "no-such-supply", "Not one of yours", detail)


def once_a_minute(supplier: Supplier, wanted: Sequence[tuple[str, str]]) -> str | None:
    """A machine has no session that is held to a pace: what it asks again within the minute is no event."""
    if supplier.session_id:
        return None
    minute = int(now().timestamp()) // 60
    return f"supplies:{supplier.actor}:{'/'.join(wanted[0]) if wanted else ''}:{minute}"


def deliveries(
    services: Services, session: Session, supplier: Supplier, dataset: str | None = None, site: str | None = None
) -> Sequence[Delivery]:
    """The supplier's own deliveries, the newest first; raises ``Problem`` 404 for what is not its own.

    Whether another's dataset or site exists cannot be told from the answer.
    """
    wanted = [
        pair for pair in supplier.sites if (dataset is None or pair[0] == dataset) and (site is None or pair[1] == site)
    ]
    services.audit.record(
        EventType.SUPPLIES_READ,
        actor=supplier.actor,
        organisation=supplier.organisation,
        # Of what is not its own only that it was asked for, not what somebody typed.
        dataset=wanted[0][0] if wanted else "",
        filter={"site": wanted[0][1]} if wanted else {},
        outcome="ok" if wanted else "refused",
        reason="" if wanted else "no-such-supply",
        session=supplier.session_id,
        once=once_a_minute(supplier, wanted),
    )
    if not wanted:
        raise not_own()
    own = or_(*(and_(Delivery.dataset == d, Delivery.site == s) for d, s in wanted))
    return session.scalars(
        select(Delivery).where(own).order_by(Delivery.loaded_at.desc(), Delivery.delivery_id.desc()).limit(MOST)
    ).all()
