"""The life of agreements: drafted, signed, in force, suspended, ended, amended.

Every function that changes something takes the services, the session of one transaction and the ``actor`` (an opaque
user id, or ``COMMAND_LINE``), audits, and raises ``SafeStatsError`` in one sentence where it may not be.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from ..audit.log import EventType, Outcome
from ..errors import SafeStatsError
from ..identity.models import Organisation
from ..instants import london_today, now
from .grants import check_excess, require_draft, unsign
from .models import (
    Agreement,
    AgreementState,
    ContactRole,
    Grant,
    GrantArea,
    Signature,
)
from .recording import record
from .schedule import Schedule, schedule_of
from .terms import ceiling_on

if TYPE_CHECKING:
    from ..services import Services
from .details import Details, details_of, one_line, write_details

_REFERENCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9./-]{0,63}")
_VERSION = re.compile(r"\.v\d+$")

# Where each state may go; the rest is refused.
_NEXT: dict[AgreementState, frozenset[AgreementState]] = {
    AgreementState.DRAFT: frozenset({AgreementState.SIGNED, AgreementState.ENDED}),
    AgreementState.SIGNED: frozenset({AgreementState.DRAFT, AgreementState.ACTIVE, AgreementState.ENDED}),
    AgreementState.ACTIVE: frozenset({AgreementState.SUSPENDED, AgreementState.ENDED}),
    AgreementState.SUSPENDED: frozenset({AgreementState.ACTIVE, AgreementState.ENDED}),
    AgreementState.ENDED: frozenset(),
}


def draft(
    services: Services,
    session: Session,
    actor: str,
    reference: str,
    organisation: Organisation,
    dataset: str,
    starts: date,
    ends: date,
    details: Details | None = None,
) -> Agreement:
    """A draft, which gives no access."""
    if not _REFERENCE.fullmatch(reference):
        raise SafeStatsError(
            f"“{reference}” is no reference: use up to 64 letters, digits, hyphens, stops and slashes."
        )
    if session.scalar(select(Agreement.id).where(Agreement.reference == reference)):
        raise SafeStatsError(f"There is an agreement {reference} already.")
    services.definition(dataset)
    check_remit(organisation)
    ceiling = ceiling_on(session, dataset, london_today())
    agreement = Agreement(
        reference=reference,
        organisation=organisation,
        dataset=dataset,
        starts=starts,
        ends=ends,
        state=AgreementState.DRAFT,
        state_since=now(),
    )
    check_excess(ceiling, agreement, ())
    write_details(services, agreement, details or Details(), starts, ends)
    session.add(agreement)
    session.flush()
    record(services, actor, EventType.AGREEMENT_ADDED, agreement, _summary(agreement))
    return agreement


def change(
    services: Services,
    session: Session,
    actor: str,
    agreement: Agreement,
    details: Details,
    starts: date | None = None,
    ends: date | None = None,
) -> None:
    """Give a draft other details, and dates where told; what was signed of it is void."""
    require_draft(agreement)
    write_details(services, agreement, details, starts or agreement.starts, ends or agreement.ends, session)
    unsign(agreement)
    session.flush()
    record(services, actor, EventType.AGREEMENT_CHANGED, agreement, _summary(agreement))


def amend(services: Services, session: Session, actor: str, agreement: Agreement, reference: str = "") -> Agreement:
    """A new draft that says what the agreement says, to be changed, signed and activated in its place.

    Until then the old one holds. Its reference is the old one's with ``.v2``, ``.v3`` … unless told.
    """
    if agreement.state not in (AgreementState.ACTIVE, AgreementState.SUSPENDED):
        raise SafeStatsError(
            f"Agreement {agreement.reference} is {agreement.state}: only one that is active or suspended is amended."
        )
    version = agreement.version + 1
    successor = draft(
        services,
        session,
        actor,
        reference or f"{_VERSION.sub('', agreement.reference)}.v{version}",
        agreement.organisation,
        agreement.dataset,
        agreement.starts,
        agreement.ends,
        details_of(agreement),
    )
    successor.version, successor.predecessor = version, agreement.reference
    successor.grants = [_copied(grant) for grant in agreement.grants]
    session.flush()
    record(services, actor, EventType.AGREEMENT_CHANGED, successor, {"amends": agreement.reference})
    return successor


def schedule(services: Services, session: Session, agreement: Agreement, today: date | None = None) -> Schedule:
    """What the parties are to sign, as the agreement and the supplier's terms stand; nothing is recorded."""
    definition = services.definition(agreement.dataset)
    ceiling = ceiling_on(session, agreement.dataset, today or london_today())
    return schedule_of(agreement, definition, services.areas, ceiling, services.purposes)


def sign(
    services: Services,
    session: Session,
    actor: str,
    agreement: Agreement,
    signed_by: str,
    party: str = "",
    signed_on: date | None = None,
    sha256: str = "",
    today: date | None = None,
    paper: str = "",
) -> Schedule:
    """Record that a person signed the schedule for a party (the organisation, unless named).

    ``sha256`` is what stands on the paper, where that is to be checked. ``paper`` is the reference of an agreement
    that was signed elsewhere, before there was a schedule, and is taken over: it is told as such. The agreement is
    signed when every party has signed the same schedule; signatures under another text are void.
    """
    today = today or london_today()
    signed_on = signed_on or today
    _hold(session, agreement)
    require_draft(agreement)
    _refuse_unready(services, session, agreement, today)
    names = [known.name for known in agreement.parties]
    party = party or next(iter(names), "")
    if party not in names:
        raise SafeStatsError(f"“{party}” is no party of {agreement.reference}; there are: {', '.join(names)}.")
    if signed_on > today:
        raise SafeStatsError(f"Nobody has signed on {signed_on} yet: give the day on which it was signed.")
    current = schedule(services, session, agreement, today)
    if sha256 and sha256 != current.sha256:
        raise SafeStatsError(
            f"What was signed is not what {agreement.reference} says now (its schedule has the SHA-256 "
            f"{current.sha256}): have the schedule signed anew."
        )
    if agreement.schedule_sha256 != current.sha256:
        unsign(agreement)
    kept = [signature for signature in agreement.signatures if signature.party != party]
    agreement.signatures[:] = kept
    session.flush()
    agreement.signatures.append(
        Signature(
            party=party,
            signed_by=one_line(signed_by, "The name of who signed"),
            signed_on=signed_on,
            schedule_sha256=current.sha256,
            paper=one_line(paper, "The reference of the paper") if paper else "",
            recorded_by=actor,
            recorded_at=now(),
        )
    )
    agreement.schedule, agreement.schedule_sha256 = current.text, current.sha256
    if {signature.party for signature in agreement.signatures} >= set(names):
        agreement.signed_on = max(signature.signed_on for signature in agreement.signatures)
        _move(agreement, AgreementState.SIGNED)
    session.flush()
    signed = {"party": party, "signed_on": str(signed_on), "schedule": current.sha256}
    if paper:
        signed["paper"] = paper
    record(services, actor, EventType.AGREEMENT_SIGNED, agreement, signed)
    return current


def redraft(services: Services, session: Session, actor: str, agreement: Agreement) -> None:
    """Make a signed agreement, not yet in force, a draft again; its signatures are void."""
    _hold(session, agreement)
    if agreement.state != AgreementState.SIGNED:
        raise SafeStatsError(f"Agreement {agreement.reference} is {agreement.state}: only a signed one is redrafted.")
    unsign(agreement)
    _move(agreement, AgreementState.DRAFT)
    session.flush()
    record(services, actor, EventType.AGREEMENT_CHANGED, agreement, {"state": agreement.state})


def activate(services: Services, session: Session, actor: str, agreement: Agreement, today: date | None = None) -> None:
    """Put a signed agreement in force. One that amends another takes its place in the same step."""
    today = today or london_today()
    _hold(session, agreement)
    try:
        former = _activated(services, session, agreement, today)
    except SafeStatsError as error:
        refused = {"why": str(error)}
        event = EventType.AGREEMENT_ACTIVATED
        record(services, actor, event, agreement, refused, reason="not-ready", outcome=Outcome.REFUSED)
        raise
    if former is not None:
        former.ends = max(former.starts, min(former.ends, today))
        reason = f"Replaced by {agreement.reference}." if agreement.predecessor == former.reference else "Run out."
        _move(former, AgreementState.ENDED, reason)
        # One is active at a time, to the database too.
        session.flush()
        record(services, actor, EventType.AGREEMENT_ENDED, former, reason=reason)
    _move(agreement, AgreementState.ACTIVE)
    session.flush()
    details = {"schedule": agreement.schedule_sha256, "replaces": former.reference if former else ""}
    record(services, actor, EventType.AGREEMENT_ACTIVATED, agreement, details)


def suspend(services: Services, session: Session, actor: str, agreement: Agreement, reason: str) -> None:
    """Refuse access from the next request on, until resumed."""
    reason = one_line(reason, "The reason for suspending an agreement")
    _hold(session, agreement)
    if agreement.state != AgreementState.ACTIVE:
        raise SafeStatsError(f"Agreement {agreement.reference} is {agreement.state}: only an active one is suspended.")
    _move(agreement, AgreementState.SUSPENDED, reason)
    session.flush()
    record(services, actor, EventType.AGREEMENT_SUSPENDED, agreement, reason=reason)


def resume(services: Services, session: Session, actor: str, agreement: Agreement, today: date | None = None) -> None:
    """Put a suspended agreement in force again."""
    today = today or london_today()
    _hold(session, agreement)
    if agreement.state != AgreementState.SUSPENDED:
        raise SafeStatsError(f"Agreement {agreement.reference} is {agreement.state}: only a suspended one is resumed.")
    check_remit(agreement.organisation)
    if agreement.ends < today:
        raise SafeStatsError(f"Agreement {agreement.reference} ended on {agreement.ends}: make a new one.")
    other = _active(session, agreement)
    if other is not None:
        raise SafeStatsError(
            f"{agreement.organisation.name} has the active agreement {other.reference} on “{agreement.dataset}”: "
            "end that first."
        )
    _move(agreement, AgreementState.ACTIVE)
    session.flush()
    record(services, actor, EventType.AGREEMENT_RESUMED, agreement)


def end(
    services: Services, session: Session, actor: str, agreement: Agreement, reason: str, today: date | None = None
) -> None:
    """End it for good, today at the latest; a draft is dropped in this way too."""
    reason = one_line(reason, "The reason for ending an agreement")
    _hold(session, agreement)
    if agreement.state == AgreementState.ENDED:
        raise SafeStatsError(f"Agreement {agreement.reference} has ended already.")
    agreement.ends = max(agreement.starts, min(agreement.ends, today or london_today()))
    _move(agreement, AgreementState.ENDED, reason)
    session.flush()
    record(services, actor, EventType.AGREEMENT_ENDED, agreement, reason=reason)


def unready(services: Services, session: Session, agreement: Agreement, today: date | None = None) -> list[str]:
    """What is missing before the agreement can be signed, in words; nothing where it can be."""
    today = today or london_today()
    missing = []
    if not agreement.grants:
        missing.append("it grants nothing yet")
    if not agreement.lawful_basis:
        missing.append("it names no lawful basis")
    if all(contact.role != ContactRole.DATA_PROTECTION for contact in agreement.contacts):
        missing.append("it names no data protection contact")
    if agreement.review_on is None:
        missing.append("it has no review date")
    if not agreement.parties:
        missing.append("it names no parties")
    if agreement.ends < today:
        missing.append(f"it ended on {agreement.ends}")
    ceiling = ceiling_on(session, agreement.dataset, today)
    if ceiling is None:
        missing.append(f"no supplier's terms on “{agreement.dataset}” are recorded (safestats terms load)")
    elif ceiling.ends is not None and ceiling.ends < today:
        missing.append(f"the supplier's terms on “{agreement.dataset}” ended on {ceiling.ends}")
    return missing


def find_agreement(session: Session, reference: str) -> Agreement:
    """The agreement of that reference; raises ``SafeStatsError``."""
    agreement = session.scalar(select(Agreement).where(Agreement.reference == reference))
    if agreement is None:
        raise SafeStatsError(f"There is no agreement {reference}: see “safestats agreement list”.")
    return agreement


def agreements(session: Session, organisation_id: int | None = None) -> Sequence[Agreement]:
    """All agreements by reference, or those of one organisation."""
    wanted = select(Agreement).order_by(Agreement.reference)
    if organisation_id is not None:
        wanted = wanted.where(Agreement.organisation_id == organisation_id)
    return session.scalars(wanted).all()


def _activated(services: Services, session: Session, agreement: Agreement, today: date) -> Agreement | None:
    """Raises ``SafeStatsError`` unless it can be put in force; the agreement that makes way for it, if any."""
    if agreement.state == AgreementState.SUSPENDED:
        raise SafeStatsError(f"Agreement {agreement.reference} is suspended: resume it.")
    if agreement.state != AgreementState.SIGNED:
        raise SafeStatsError(
            f"Agreement {agreement.reference} is {agreement.state}: only a signed one can be activated."
        )
    _refuse_unready(services, session, agreement, today)
    current = schedule(services, session, agreement, today).sha256
    signed = {signature.party: signature.schedule_sha256 for signature in agreement.signatures}
    if agreement.schedule_sha256 != current or any(signed.get(p.name) != current for p in agreement.parties):
        raise SafeStatsError(
            f"What was signed of {agreement.reference} is not what it says now: its grants or the supplier's terms "
            "have changed since. Redraft it and have the schedule signed anew."
        )
    active = _active(session, agreement)
    if active is None or active.ends < today:
        return active or _predecessor(session, agreement)
    if active.reference != agreement.predecessor:
        raise SafeStatsError(
            f"{agreement.organisation.name} has the active agreement {active.reference} on “{agreement.dataset}”: "
            "amend that one, or end it first."
        )
    if agreement.starts > today:
        raise SafeStatsError(
            f"Agreement {agreement.reference} starts on {agreement.starts} and {active.reference}, which it replaces, "
            "holds until then: activate it on that day."
        )
    return active


def _active(session: Session, agreement: Agreement) -> Agreement | None:
    return session.scalar(
        select(Agreement).where(
            Agreement.organisation_id == agreement.organisation_id,
            Agreement.dataset == agreement.dataset,
            Agreement.state == AgreementState.ACTIVE,
            Agreement.id != agreement.id,
        )
    )


def _predecessor(session: Session, agreement: Agreement) -> Agreement | None:
    """The suspended agreement that this one amends."""
    if not agreement.predecessor:
        return None
    former = find_agreement(session, agreement.predecessor)
    return former if former.state == AgreementState.SUSPENDED else None


def _refuse_unready(services: Services, session: Session, agreement: Agreement, today: date) -> None:
    check_remit(agreement.organisation)
    check_excess(ceiling_on(session, agreement.dataset, today), agreement, agreement.grants)
    if missing := unready(services, session, agreement, today):
        raise SafeStatsError(f"Agreement {agreement.reference} is not ready: {'; '.join(missing)}.")


def check_remit(organisation: Organisation) -> None:
    if not organisation.remit.strip():
        raise SafeStatsError(
            f"{organisation.name} has no remit under section 17 of the Crime and Disorder Act 1998 in the register: "
            "without one it is given no agreement."
        )


def _hold(session: Session, agreement: Agreement) -> None:
    """Wait for whoever else moves an agreement of the organisation on the dataset, and see what came of it."""
    theirs = (Agreement.organisation_id == agreement.organisation_id, Agreement.dataset == agreement.dataset)
    session.execute(select(Agreement.id).where(*theirs).order_by(Agreement.id).with_for_update())
    session.refresh(agreement, ["state", "schedule_sha256", "starts", "ends"])


def _move(agreement: Agreement, state: AgreementState, reason: str = "") -> None:
    if state not in _NEXT[AgreementState(agreement.state)]:
        raise SafeStatsError(f"Agreement {agreement.reference} is {agreement.state}: it cannot become {state}.")
    agreement.state, agreement.state_reason, agreement.state_since = state, reason, now()


def _copied(grant: Grant) -> Grant:
    return Grant(
        position=grant.position,
        groups=grant.groups,
        precision=grant.precision,
        grid_m=grant.grid_m,
        from_month=grant.from_month,
        to_month=grant.to_month,
        last_months=grant.last_months,
        may_view=grant.may_view,
        may_sync=grant.may_sync,
        may_export=grant.may_export,
        may_publish=grant.may_publish,
        officer_records=grant.officer_records,
        named_areas=grant.named_areas,
        edge_m=grant.edge_m,
        areas=[GrantArea(code=area.code) for area in grant.areas],
    )


def _summary(agreement: Agreement) -> dict[str, Any]:
    """What the audit keeps of an agreement's details: no contact's name."""
    return {
        "from": str(agreement.starts),
        "to": str(agreement.ends),
        "review": str(agreement.review_on),
        "purposes": agreement.purposes.split(),
        "parties": [party.name for party in agreement.parties],
    }
