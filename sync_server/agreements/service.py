"""Making, changing and explaining agreements. The caller audits."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import select
from sqlalchemy.orm import Session

from ...shared.areas import LONDON, OUTSIDE, UNPLACED
from ..datasets.areas import AreaIndex
from ..datasets.definitions import DatasetDefinition, FieldGroup
from ..errors import SafeStatsError
from ..identity.models import Organisation, User
from .models import Agreement, AgreementState, Grant, GrantArea, Precision, Use
from .scope import GrantProfile, Refusal, Scope, Subject, scope

FINEST_GRID_M = 10
COARSEST_GRID_M = 10_000
WIDEST_EDGE_M = 20_000
MOST_MONTHS = 1_200

_REFERENCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9./-]{0,63}")
_MONTH = re.compile(r"[12]\d{3}-(0[1-9]|1[0-2])", re.ASCII)


@dataclass(frozen=True)
class GrantTerms:
    """A grant as asked for: area codes as typed, ``edge_m`` metres around them, months ``YYYY-MM`` or ""."""

    areas: tuple[str, ...]
    groups: tuple[FieldGroup, ...]
    precision: Precision
    grid_m: int = 0
    edge_m: float = 0
    from_month: str = ""
    to_month: str = ""
    last_months: int = 0
    uses: frozenset[Use] = frozenset(Use)


@dataclass(frozen=True)
class Explanation:
    """What a person sees of a dataset and why: lines to read, and the scope or the refusal behind them."""

    lines: tuple[str, ...]
    scope: Scope | None
    refusal: Refusal | None


def add_agreement(
    session: Session,
    definitions: Mapping[str, DatasetDefinition],
    reference: str,
    organisation: Organisation,
    dataset: str,
    starts: date,
    ends: date,
) -> Agreement:
    """A draft, which gives no access; raises ``SafeStatsError`` where something does not fit."""
    if not _REFERENCE.fullmatch(reference):
        raise SafeStatsError(
            f"“{reference}” is no reference: use up to 64 letters, digits, hyphens, stops and slashes."
        )
    if session.scalar(select(Agreement).where(Agreement.reference == reference)):
        raise SafeStatsError(f"There is an agreement {reference} already.")
    if dataset not in definitions:
        raise SafeStatsError(f"There is no dataset “{dataset}”; there are: {', '.join(sorted(definitions))}.")
    if ends < starts:
        raise SafeStatsError(f"The agreement would end ({ends}) before it starts ({starts}).")
    agreement = Agreement(
        reference=reference,
        organisation_id=organisation.id,
        dataset=dataset,
        starts=starts,
        ends=ends,
        state=AgreementState.DRAFT,
    )
    session.add(agreement)
    session.flush()
    return agreement


def add_grant(session: Session, areas: AreaIndex, agreement: Agreement, terms: GrantTerms) -> Grant:
    """Append a grant to a draft, its areas resolved to codes once and for all; raises ``SafeStatsError``."""
    if agreement.state != AgreementState.DRAFT:
        raise SafeStatsError(
            f"Agreement {agreement.reference} is {agreement.state}: "
            "only a draft can be given grants; make a new agreement."
        )
    _check(terms)
    grant = Grant(
        position=len(agreement.grants) + 1,
        groups=" ".join(group for group in FieldGroup if group in terms.groups),
        precision=terms.precision,
        grid_m=terms.grid_m if terms.precision == Precision.GRID else 0,
        from_month=terms.from_month,
        to_month=terms.to_month,
        last_months=terms.last_months,
        may_view=Use.VIEW in terms.uses,
        may_sync=Use.SYNC in terms.uses,
        may_export=Use.EXPORT in terms.uses,
        may_publish=Use.PUBLISH in terms.uses,
        areas=[GrantArea(code=code) for code in resolve_areas(areas, terms.areas, terms.edge_m)],
    )
    agreement.grants.append(grant)
    session.flush()
    return grant


def resolve_areas(areas: AreaIndex, requested: Iterable[str], edge_m: float = 0) -> tuple[str, ...]:
    """The codes that a grant keeps, sorted; raises ``SafeStatsError`` for a code that is not loaded.

    ``london`` becomes its boroughs; an edge becomes the LSOAs of other boroughs within ``edge_m`` metres.
    """
    codes: set[str] = set()
    for code in requested:
        if code == LONDON:
            codes.update(areas.boroughs)
        elif code in areas.boroughs or code in areas.lsoas or code in (UNPLACED, OUTSIDE):
            codes.add(code)
        else:
            raise SafeStatsError(
                f"“{code}” is no area of the loaded edition ({areas.edition}): "
                f"give a borough's or an LSOA's code, {LONDON}, {UNPLACED} or {OUTSIDE}."
            )
    if not codes:
        raise SafeStatsError("A grant needs at least one area.")
    if edge_m:
        near = areas.near(sorted(codes), edge_m)
        codes.update(code for code in near if areas.lsoas[code].borough_code not in codes)
    return tuple(sorted(codes))


def activate(session: Session, agreement: Agreement, today: date) -> None:
    """Put a draft or suspended agreement in force; raises ``SafeStatsError`` where it cannot be."""
    if agreement.state not in (AgreementState.DRAFT, AgreementState.SUSPENDED):
        raise SafeStatsError(f"Agreement {agreement.reference} is {agreement.state} and cannot be activated.")
    if not agreement.grants:
        raise SafeStatsError(f"Agreement {agreement.reference} grants nothing yet: use “safestats agreement grant”.")
    if agreement.ends < today:
        raise SafeStatsError(f"Agreement {agreement.reference} ended on {agreement.ends}: make a new one.")
    active = session.scalar(
        select(Agreement).where(
            Agreement.organisation_id == agreement.organisation_id,
            Agreement.dataset == agreement.dataset,
            Agreement.state == AgreementState.ACTIVE,
        )
    )
    if active is not None:
        if active.ends >= today:
            raise SafeStatsError(
                f"{agreement.organisation.name} has the active agreement {active.reference} "
                f"on “{agreement.dataset}”: end it first."
            )
        active.state = AgreementState.ENDED
        session.flush()
    agreement.state = AgreementState.ACTIVE
    agreement.signed_on = agreement.signed_on or today


def suspend(agreement: Agreement) -> None:
    """Refuse access from now on, until activated again; raises ``SafeStatsError`` unless active."""
    if agreement.state != AgreementState.ACTIVE:
        raise SafeStatsError(f"Agreement {agreement.reference} is {agreement.state}: only an active one is suspended.")
    agreement.state = AgreementState.SUSPENDED


def end_agreement(agreement: Agreement, today: date) -> None:
    """End it for good, today at the latest; raises ``SafeStatsError`` where it has ended."""
    if agreement.state == AgreementState.ENDED:
        raise SafeStatsError(f"Agreement {agreement.reference} has ended already.")
    agreement.state = AgreementState.ENDED
    agreement.ends = max(agreement.starts, min(agreement.ends, today))


def find_agreement(session: Session, reference: str) -> Agreement:
    """The agreement of that reference; raises ``SafeStatsError``."""
    agreement = session.scalar(select(Agreement).where(Agreement.reference == reference))
    if agreement is None:
        raise SafeStatsError(f"There is no agreement {reference}: see “safestats agreement list”.")
    return agreement


def agreements(session: Session) -> Sequence[Agreement]:
    """All agreements by reference."""
    return session.scalars(select(Agreement).order_by(Agreement.reference)).all()


def explain(
    session: Session,
    user: User,
    dataset: str,
    definitions: Mapping[str, DatasetDefinition],
    areas: AreaIndex,
    use: Use,
    today: date,
) -> Explanation:
    """What the person would see today, decided by ``scope`` itself, in sentences."""
    who = f"{user.display_name} ({user.username}, {user.organisation.name})"
    if not user.active:
        return Explanation((f"{who} cannot sign in: the account is inactive.",), None, None)
    subject = Subject(user.id, user.username, user.organisation_id, user.organisation.code, user.role, "", "", "")
    try:
        seen = scope(session, subject, dataset, definitions, use, today)
    except Refusal as refusal:
        line = f"{who} may not {use.value} “{dataset}”: {refusal.reason} ({refusal.code})"
        return Explanation((line,), None, refusal)
    lines = [
        f"{who} may {use.value} {seen.definition.title} under agreement {seen.agreement} until {seen.until}, "
        f"at release {seen.release}.",
        f"Layer columns: {', '.join(field.name for field in seen.columns)}. Geometry: {seen.geometry}.",
        "A row is seen through the first of these that covers it:",
    ]
    for position, grant in enumerate(seen.grants, start=1):
        lines.append(
            f"  {position}. {describe_grant(grant, areas)}" + ("" if seen.gives(grant) else " — hides its rows")
        )
    return Explanation(tuple(lines), seen, None)


def describe_grant(grant: GrantProfile, areas: AreaIndex) -> str:
    """A grant in words."""
    boroughs = [code for code in grant.areas if code in areas.boroughs]
    lsoas = [code for code in grant.areas if code.startswith("E01")]
    places = [areas.boroughs[code] for code in boroughs]
    if areas.boroughs and len(boroughs) == len(areas.boroughs):
        places = [f"all {len(boroughs)} boroughs"]
    if lsoas:
        places.append(f"{len(lsoas)} LSOAs")
    places += [code for code in grant.areas if code not in boroughs and code not in lsoas]
    months = "all months"
    if grant.from_month or grant.to_month:
        months = f"{grant.from_month or 'the first month'} to {grant.to_month or 'the newest'}"
    how = {
        Precision.POINT: "points as supplied",
        Precision.GRID: f"points snapped to a {grant.grid_m} m grid",
        Precision.AREA: "no coordinates",
    }[grant.shown_precision]
    uses = ", ".join(use for use in Use if use in grant.uses)
    groups = ", ".join(grant.groups)
    return f"{', '.join(places)}; {months}; fields {groups}; {how}; to {uses}"


def _check(terms: GrantTerms) -> None:
    if FieldGroup.CORE not in terms.groups:
        raise SafeStatsError("A grant includes the core fields: without them a row says nothing.")
    if not terms.uses:
        raise SafeStatsError("A grant permits at least one use.")
    if terms.precision == Precision.GRID and not FINEST_GRID_M <= terms.grid_m <= COARSEST_GRID_M:
        raise SafeStatsError(f"A grid needs a cell of {FINEST_GRID_M} to {COARSEST_GRID_M} metres (--grid-m).")
    if terms.precision != Precision.AREA and FieldGroup.LOCATION not in terms.groups:
        raise SafeStatsError(
            f"Precision “{terms.precision}” needs the location fields: grant them, or choose precision “area”."
        )
    if not 0 <= terms.edge_m <= WIDEST_EDGE_M:
        raise SafeStatsError(f"An edge is 0 to {WIDEST_EDGE_M / 1000:g} km wide: for more, name the areas.")
    if not 0 <= terms.last_months <= MOST_MONTHS:
        raise SafeStatsError(f"The last months are 0 (all of them) to {MOST_MONTHS}.")
    for month in (terms.from_month, terms.to_month):
        if month and not _MONTH.fullmatch(month):
            raise SafeStatsError(f"“{month}” is no month: write it as 2026-11.")
    if terms.from_month and terms.to_month and terms.to_month < terms.from_month:
        raise SafeStatsError(f"The months end ({terms.to_month}) before they start ({terms.from_month}).")
