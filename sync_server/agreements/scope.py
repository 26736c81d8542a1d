"""Who may use what, until when: ``scope`` answers for one person, or refuses with the reason.

``scope`` always asks the primary database. What it returns is plain data: ``readable`` makes the SELECT of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date

from sqlalchemy import func, select
from sqlalchemy.orm import Session, joinedload, lazyload, selectinload

from ..datasets.definitions import DatasetDefinition, FieldGroup, Geometry
from ..identity.models import Organisation, Role
from ..identity.permissions import Permission, permitted
from ..identity.subject import Subject
from ..instants import london_today
from ..publishing.models import Release, ReleaseState
from .ceiling import Ceiling
from .models import Agreement, AgreementState, Grant, GrantArea, Precision, Use
from .months import months_back
from .opened import GrantProfile, Refusal, Scope
from .terms import ceiling_on

_OF_PLACES = (FieldGroup.LOCATION, FieldGroup.PLACE)
_OTHER = "other"
_IN_FORCE_ONCE = (AgreementState.ACTIVE, AgreementState.SUSPENDED, AgreementState.ENDED)
# Of the organisation its own columns are enough.
_BARE = joinedload(Agreement.organisation).options(lazyload("*"))
# An edge has hundreds of areas: their codes are read as they are, not as objects.
_AREAS_APART = joinedload(Agreement.grants).lazyload(Grant.areas)


def scope(
    session: Session,
    subject: Subject,
    dataset_code: str,
    definitions: Mapping[str, DatasetDefinition],
    use: Use = Use.SYNC,
    today: date | None = None,
) -> Scope:
    """What the subject may use of a dataset today (London's date), row by row; raises ``Refusal`` with the reason."""
    opened = opened_scope(session, subject, dataset_code, definitions, use, today)
    opened.require_rows()
    return opened


def countable_scope(
    session: Session,
    subject: Subject,
    dataset_code: str,
    definitions: Mapping[str, DatasetDefinition],
    today: date | None = None,
) -> Scope:
    """What the subject may have counted of a dataset today, for ``readable.countable``; raises ``Refusal``."""
    opened = opened_scope(session, subject, dataset_code, definitions, Use.VIEW, today)
    opened.require_counts()
    return opened


def opened_scope(
    session: Session,
    subject: Subject,
    dataset_code: str,
    definitions: Mapping[str, DatasetDefinition],
    use: Use = Use.SYNC,
    today: date | None = None,
) -> Scope:
    """What the agreement in force holds for the subject, even where that is nothing for this use.

    Raises ``Refusal`` where the role, the agreement, its purposes or the supplier's terms stand against it.
    """
    today = today or london_today()
    definition = definitions.get(dataset_code)
    if definition is None:
        raise Refusal("unknown-dataset", "There is no dataset of that name.", status=404)
    if Permission.USE_DATA not in permitted(subject.role):
        raise Refusal(
            "role-without-data",
            "Incidents are for analysts, licensing officers and administrators of organisations with an agreement: "
            "your role sees none.",
        )
    agreement = _agreement(session, subject, dataset_code, definition.title, today)
    _check_purpose(agreement, subject)
    ceiling = ceiling_on(session, dataset_code, today)
    if ceiling is not None:
        check_ceiling(ceiling, agreement.organisation, definition.title, today)
    release = _published_release(session, dataset_code)
    officer = subject.role == Role.LICENSING_OFFICER
    areas = _codes(session, [agreement.id])
    return scope_of(agreement, definition, release, use, today, ceiling, areas, officer=officer)


def live_scopes(
    session: Session, dataset_code: str, definitions: Mapping[str, DatasetDefinition], today: date
) -> list[Scope]:
    """The scopes, at the published release (or 0), of the agreements that permit sync, by their references.

    Of those in force, and of those signed that are not yet: their layers are ready on their first day, and one that
    amends another takes its place without a pause. Where licensing officers are shown fewer rows than others, theirs
    is a scope of its own.
    """
    release = _published_release(session, dataset_code)
    definition = definitions[dataset_code]
    ceiling = ceiling_on(session, dataset_code, today)
    agreements = session.scalars(
        select(Agreement)
        .where(
            Agreement.dataset == dataset_code,
            Agreement.state.in_((AgreementState.ACTIVE, AgreementState.SIGNED)),
            Agreement.ends >= today,
        )
        .options(_BARE, selectinload(Agreement.grants).lazyload(Grant.areas))
        .order_by(Agreement.reference)
    ).all()
    areas = _codes(session, [agreement.id for agreement in agreements])
    scopes: list[Scope] = []
    for agreement in agreements:
        for officer in (False, True):
            found = scope_of(agreement, definition, release, Use.SYNC, today, ceiling, areas, officer=officer)
            if found.gives_rows and found not in scopes[-1:]:
                scopes.append(found)
    return scopes


def scopes_in_force(
    session: Session, definitions: Mapping[str, DatasetDefinition], today: date, use: Use
) -> Iterator[list[Scope]]:
    """For each organisation, and for its licensing officers, the scopes whose rows may at least be counted."""
    agreements = session.scalars(
        select(Agreement)
        .where(Agreement.state == AgreementState.ACTIVE, Agreement.starts <= today, Agreement.ends >= today)
        .options(_BARE, selectinload(Agreement.grants).lazyload(Grant.areas))
        .order_by(Agreement.reference)
    ).all()
    known = [agreement for agreement in agreements if agreement.dataset in definitions]
    areas = _codes(session, [agreement.id for agreement in known])
    ceilings = {code: ceiling_on(session, code, today) for code in {agreement.dataset for agreement in known}}
    releases = {code: _published_release(session, code) for code in ceilings}
    for organisation in sorted({agreement.organisation_id for agreement in known}):
        for officer in (False, True):
            scopes = [
                scope_of(
                    agreement,
                    definitions[agreement.dataset],
                    releases[agreement.dataset],
                    use,
                    today,
                    ceilings[agreement.dataset],
                    areas,
                    officer=officer,
                )
                for agreement in known
                if agreement.organisation_id == organisation
            ]
            yield [scope for scope in scopes if scope.gives_counts]


def scope_of(
    agreement: Agreement,
    definition: DatasetDefinition,
    release: int,
    use: Use,
    today: date,
    ceiling: Ceiling | None,
    areas: Mapping[int, tuple[str, ...]],
    *,
    officer: bool = False,
) -> Scope:
    """The agreement's grants under the supplier's terms as a scope, for a licensing ``officer`` or for others.

    ``areas`` are the codes of each grant, by its id, sorted. Whether the agreement is in force is the caller's
    question. Terms that are not in force, or do not admit the organisation, leave grants that permit nothing.
    """
    grants = [profile_of(grant, today, areas.get(grant.id, ())) for grant in agreement.grants]
    until, threshold, version = agreement.ends, definition.suppression_threshold, None
    if officer:
        grants = [grant if grant.officer_records else grant.only_counted() for grant in grants]
    if definition.geometry == Geometry.COUNTS:
        # Whatever was signed: numbers of an area lie nowhere.
        grants = [replace(grant, groups=tuple(g for g in grant.groups if g not in _OF_PLACES)) for grant in grants]
    if ceiling is not None:
        grants = [ceiling.clip(grant, today) for grant in grants]
        organisation = agreement.organisation
        if not ceiling.in_force(today) or not ceiling.admits(organisation.code, organisation.kind):
            grants = [replace(grant, uses=frozenset()) for grant in grants]
        until = min(until, ceiling.ends or until)
        threshold, version = max(threshold, ceiling.suppression_threshold), ceiling.version
    return Scope(definition, tuple(grants), agreement.reference, until, release, use, threshold, version)


def check_ceiling(ceiling: Ceiling, organisation: Organisation, title: str, today: date) -> None:
    """Raises ``Refusal`` where the supplier's terms give the organisation nothing today."""
    ask = "Ask the SafeStats team."
    if today < ceiling.starts:
        reason = f"The supplier's terms on {title} start on {ceiling.starts:%-d %B %Y}. {ask}"
        raise Refusal("terms-not-in-force", reason)
    if ceiling.ends is not None and ceiling.ends < today:
        raise Refusal("terms-not-in-force", f"The supplier's terms on {title} ended on {ceiling.ends:%-d %B %Y}. {ask}")
    if not ceiling.admits(organisation.code, organisation.kind):
        reason = f"The supplier's terms on {title} do not permit it to be given to {organisation.name}. {ask}"
        raise Refusal("not-a-recipient", reason)


def profile_of(grant: Grant, today: date, areas: tuple[str, ...] | None = None) -> GrantProfile:
    """The grant as signed, before role and supplier's terms. ``areas``: its codes, where they are read already."""
    from_month = grant.from_month
    if grant.last_months:
        # The current month is the last of them.
        from_month = max(from_month, months_back(f"{today:%Y-%m}", grant.last_months - 1))
    return GrantProfile(
        areas=tuple(sorted(area.code for area in grant.areas)) if areas is None else areas,
        groups=tuple(group for group in FieldGroup if group in grant.groups.split()),
        precision=Precision(grant.precision),
        grid_m=grant.grid_m,
        from_month=from_month,
        to_month=grant.to_month,
        uses=grant.uses,
        officer_records=bool(grant.officer_records),
    )


def _codes(session: Session, agreement_ids: Sequence[int]) -> dict[int, tuple[str, ...]]:
    """The area codes of each grant of the agreements, by the grant's id."""
    rows = session.execute(
        select(GrantArea.grant_id, GrantArea.code)
        .join(Grant, Grant.id == GrantArea.grant_id)
        .where(Grant.agreement_id.in_(agreement_ids))
    )
    found: dict[int, list[str]] = {}
    for grant_id, code in rows:
        found.setdefault(grant_id, []).append(code)
    return {grant_id: tuple(sorted(codes)) for grant_id, codes in found.items()}


def _check_purpose(agreement: Agreement, subject: Subject) -> None:
    """An agreement that lists purposes is for these alone. One approved in a person's own words counts as “other”."""
    purpose = _OTHER if subject.purpose.startswith(f"{_OTHER}-") else subject.purpose
    agreed = agreement.purposes.split()
    if agreed and purpose not in agreed:
        raise Refusal(
            "purpose-not-agreed",
            f"Agreement {agreement.reference} is not for the purpose of this session: choose another purpose, "
            "or ask the SafeStats team to have the agreement amended.",
        )


def _published_release(session: Session, dataset_code: str) -> int:
    newest = session.scalar(
        select(func.max(Release.number)).where(Release.dataset == dataset_code, Release.state == ReleaseState.PUBLISHED)
    )
    return newest or 0


def _agreement(session: Session, subject: Subject, dataset_code: str, title: str, today: date) -> Agreement:
    """The organisation's agreement in force; raises the ``Refusal`` that tells most about why there is none."""
    agreements = list(
        session.scalars(
            select(Agreement)
            .where(
                Agreement.organisation_id == subject.organisation_id,
                Agreement.dataset == dataset_code,
                Agreement.state.in_(_IN_FORCE_ONCE),
            )
            .options(_BARE, _AREAS_APART)
            .order_by(Agreement.ends.desc(), Agreement.id.desc())
        ).unique()
    )
    for agreement in agreements:
        if agreement.state == AgreementState.ACTIVE and agreement.starts <= today <= agreement.ends:
            return agreement
    ask = "Ask the SafeStats team."
    for agreement in agreements:
        if agreement.state == AgreementState.SUSPENDED:
            why = f" ({agreement.state_reason.rstrip('.')})" if agreement.state_reason else ""
            raise Refusal("agreement-suspended", f"Agreement {agreement.reference} on {title} is suspended{why}. {ask}")
    for agreement in agreements:
        if agreement.state == AgreementState.ACTIVE and agreement.starts > today:
            raise Refusal(
                "agreement-not-started",
                f"Agreement {agreement.reference} on {title} starts on {agreement.starts:%-d %B %Y}.",
            )
    for agreement in agreements:
        raise Refusal(
            "agreement-ended",
            f"Agreement {agreement.reference} on {title} ended on {agreement.ends:%-d %B %Y}. {ask}",
        )
    raise Refusal("no-agreement", f"Your organisation has no agreement on {title}. {ask}")
