"""The oversight report for the Steering Group: what was used, by whom, for what, and what waits for a decision."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ..agreements.models import Agreement, AgreementState
from ..agreements.review import ReviewNotice, Standing, due_for_review, standing
from ..audit.events import EventType, Outcome
from ..audit.log import AuditLog, Event
from ..audit.store import Criteria
from ..datasets.definitions import DatasetDefinition
from ..identity.models import Organisation, PurposeRequest, RequestState, Role, SteeringDecision, User
from ..identity.purposes import Purpose
from ..instants import LONDON, london_today, now
from ..publishing.models import Release, ReleaseState
from ..services import Services
from .periods import bounds, month_of
from .publishing_times import LateDelivery, Publication, late_deliveries, publications
from .usage import OF_SIGNING_IN, USES, Usage, events_that, is_use, usage_by, usage_of

DORMANT_DAYS = 90
_MAY_USE_DATA = (Role.ANALYST, Role.LICENSING_OFFICER, Role.ORGANISATION_ADMIN)


@dataclass(frozen=True)
class Basis:
    """What the figures rest on: ``events`` of the audit, from the number ``first`` to ``last``, and its seals.

    ``kept_since`` is when the oldest event that is still here was recorded.
    """

    made_at: datetime
    events: int
    first: int
    last: int
    sealed_until: int
    kept_since: str


@dataclass(frozen=True)
class Adoption:
    """Organisations in the register, with an agreement in force, and seen in the period; the same of people."""

    organisations: int
    with_agreement: int
    organisations_active: int
    users: int
    users_active: int


@dataclass(frozen=True)
class DormantAgreement:
    """An agreement in force that nobody used for ``DORMANT_DAYS``; ``last_use`` None: never, as far as is known."""

    reference: str
    organisation: str
    dataset: str
    in_force_since: date
    last_use: date | None


@dataclass(frozen=True)
class HeldPurpose:
    """Somebody of the organisation asked for a purpose in words of their own, and waits."""

    number: int
    organisation: str
    requested_on: date


@dataclass(frozen=True)
class Decision:
    """A decision of the Steering Group that is in force."""

    reference: str
    purpose: str
    organisation: str
    decided_on: date
    valid_until: date


@dataclass(frozen=True)
class OversightReport:
    """Use in ``months``, from the audit; agreements, adoption, deliveries and decisions as they are today."""

    months: tuple[str, ...]
    today: date
    basis: Basis
    synthetic: bool
    total: Usage
    by_month: Mapping[str, Usage]
    by_organisation: Mapping[str, Usage]
    by_dataset: Mapping[str, Usage]
    by_purpose: Mapping[str, Usage]
    refusals: Mapping[str, int]
    adoption: Adoption
    reviews: Sequence[ReviewNotice]
    dormant: Sequence[DormantAgreement]
    publications: Sequence[Publication]
    late: Sequence[LateDelivery]
    held_purposes: Sequence[HeldPurpose]
    decisions: Sequence[Decision]
    names: Names


@dataclass(frozen=True)
class Names:
    """Codes → what people call them."""

    organisations: Mapping[str, str]
    datasets: Mapping[str, str]
    purposes: Mapping[str, str]

    @classmethod
    def read(cls, session: Session, definitions: Mapping[str, DatasetDefinition], purposes: Sequence[Purpose]) -> Names:
        """As they are today."""
        return cls(
            organisations={o.code: o.name for o in session.scalars(select(Organisation))},
            datasets={code: definition.title for code, definition in definitions.items()},
            purposes={purpose.code: purpose.title for purpose in purposes},
        )

    def purpose(self, code: str) -> str:
        """A purpose's title; one in a person's own words is not told."""
        return "Other, approved in own words" if code.startswith("other-") else self.purposes.get(code, code)


def oversight(services: Services, months: Sequence[str]) -> OversightReport:
    """The report on these months (``2026-11``), which follow each other.

    Raises ``AuditUnavailable`` where the audit cannot be read.
    """
    today = london_today()
    events = period_events(services.audit, months)
    used = [event for event in events if is_use(event)]
    of_people = [event for event in events if is_use(event) or event.body["event"] in OF_SIGNING_IN]
    by_month = usage_by(events, lambda event: month_of(event.body["at"]))
    with services.database.read() as session:
        total = usage_of(events)
        return OversightReport(
            months=tuple(sorted(months)),
            today=today,
            basis=basis_of(services.audit, events),
            synthetic=is_synthetic(session, services.definitions),
            total=total,
            by_month={month: by_month.get(month, usage_of([])) for month in sorted(months)},
            by_organisation=usage_by(of_people, lambda event: event.body["organisation"]),
            by_dataset=usage_by(used, lambda event: event.body["dataset"]),
            by_purpose=usage_by(used, lambda event: event.body["purpose"]),
            refusals=refusals_by_reason(events),
            adoption=_adoption(session, events, today),
            reviews=due_for_review(session, today),
            dormant=_dormant(session, services.audit, today),
            publications=publications(services.audit, months),
            late=late_deliveries(session, services.definitions, today),
            held_purposes=_held(session),
            decisions=_decisions(session, today),
            names=Names.read(session, services.definitions, services.purposes),
        )


def period_events(audit: AuditLog, months: Sequence[str], dataset: str = "") -> list[Event]:
    """The events of the months, in order."""
    since, until = bounds(months)
    return list(events_that(audit, Criteria(since=since, until=until, dataset=dataset)))[::-1]


def basis_of(audit: AuditLog, events: Sequence[Event]) -> Basis:
    """What figures of these events rest on."""
    oldest = next(audit.store.events(), None)
    return Basis(
        made_at=now(),
        events=len(events),
        first=events[0].number if events else 0,
        last=events[-1].number if events else 0,
        sealed_until=audit.sealed_until(),
        kept_since=oldest.at if oldest else "",
    )


def is_synthetic(session: Session, datasets: Sequence[str] | Mapping[str, object]) -> bool:
    """Whether anything of the datasets that people see was made up."""
    return bool(
        session.scalar(
            select(func.count())
            .select_from(Release)
            .where(
                Release.dataset.in_(list(datasets)),
                Release.state == ReleaseState.PUBLISHED,
                Release.synthetic.is_(True),
            )
        )
    )


def refusals_by_reason(events: Sequence[Event]) -> dict[str, int]:
    """Reason → how often, the most frequent first."""
    reasons = Counter(
        event.body["reason"]
        for event in events
        if event.body["outcome"] == Outcome.REFUSED and event.body["event"] not in OF_SIGNING_IN
    )
    return dict(sorted(reasons.items(), key=lambda item: (-item[1], item[0])))


def _adoption(session: Session, events: Sequence[Event], today: date) -> Adoption:
    in_force = {
        a.organisation.code for a in session.scalars(select(Agreement)) if standing(a, today) == Standing.ACTIVE
    }
    registered = set(session.scalars(select(Organisation.code).where(Organisation.active)))
    people = set(
        session.scalars(
            select(User.id)
            .join(Organisation, Organisation.id == User.organisation_id)
            .where(User.active, Organisation.active, User.role.in_(_MAY_USE_DATA))
        )
    )
    seen = [event.body for event in events if event.body["event"] == EventType.SIGN_IN]
    seen = [body for body in seen if body["outcome"] == Outcome.OK]
    return Adoption(
        organisations=len(registered),
        with_agreement=len(in_force & registered),
        organisations_active=len({body["organisation"] for body in seen} & registered),
        users=len(people),
        users_active=len({body["actor"] for body in seen} & people),
    )


def _dormant(session: Session, audit: AuditLog, today: date) -> list[DormantAgreement]:
    found = []
    for agreement in session.scalars(
        select(Agreement).where(Agreement.state == AgreementState.ACTIVE).order_by(Agreement.reference)
    ):
        if standing(agreement, today) != Standing.ACTIVE:
            continue
        since = (
            max(agreement.starts, agreement.state_since.astimezone(LONDON).date()) if agreement.state_since else None
        )
        since = since or agreement.starts
        last = _last_use(audit, agreement.organisation.code, agreement.dataset)
        if max(since, last or since) < today - timedelta(days=DORMANT_DAYS):
            code = agreement.organisation.code
            found.append(DormantAgreement(agreement.reference, code, agreement.dataset, since, last))
    return found


def _last_use(audit: AuditLog, organisation: str, dataset: str) -> date | None:
    criteria = Criteria(organisation=organisation, dataset=dataset, outcome=Outcome.OK)
    for event in events_that(audit, criteria):
        if event.body["event"] in USES:
            return datetime.fromisoformat(event.body["at"]).astimezone(LONDON).date()
    return None


def _held(session: Session) -> list[HeldPurpose]:
    waiting = session.scalars(
        select(PurposeRequest)
        .where(PurposeRequest.state == RequestState.HELD)
        .order_by(PurposeRequest.requested_at, PurposeRequest.id)
    )
    return [
        HeldPurpose(one.id, one.user.organisation.code, one.requested_at.astimezone(LONDON).date()) for one in waiting
    ]


def _decisions(session: Session, today: date) -> list[Decision]:
    decided = session.scalars(
        select(SteeringDecision)
        .where(SteeringDecision.valid_until >= today, SteeringDecision.withdrawn_at.is_(None))
        .order_by(SteeringDecision.decided_on, SteeringDecision.id)
    )
    return [
        Decision(
            one.reference,
            one.purpose,
            one.organisation.code if one.organisation else "",
            one.decided_on,
            one.valid_until,
        )
        for one in decided
    ]
