"""The ordered grants of a draft: adding, moving, replacing, removing; each says what may be seen, where and how."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from sqlalchemy.orm import Session

from ...shared.areas import LONDON, OUTSIDE, UNPLACED
from ..audit.log import EventType
from ..datasets.definitions import FieldGroup
from ..errors import SafeStatsError
from ..instants import london_today
from .ceiling import Ceiling, precision_in_words
from .models import Agreement, AgreementState, Grant, GrantArea, Precision, Use
from .opened import GrantProfile
from .recording import record
from .terms import ceiling_on

if TYPE_CHECKING:
    from ..datasets.areas import AreaIndex
    from ..services import Services

FINEST_GRID_M = 10
COARSEST_GRID_M = 10_000
WIDEST_EDGE_M = 20_000
MOST_MONTHS = 1_200

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
    officer_records: bool = False


def add_grant(
    services: Services,
    session: Session,
    actor: str,
    agreement: Agreement,
    terms: GrantTerms,
    position: int | None = None,
    today: date | None = None,
) -> Grant:
    """Put a grant into a draft, last or at a position (from 1), its areas resolved to codes once and for all.

    Raises ``SafeStatsError`` where it does not fit, or goes beyond the supplier's terms.
    """
    number = len(agreement.grants) + 1 if position is None else position
    if not 1 <= number <= len(agreement.grants) + 1:
        raise SafeStatsError(f"There is no position {number}: a new grant goes to 1 to {len(agreement.grants) + 1}.")
    grant = _made(services, session, agreement, terms, today)
    ordered = [*agreement.grants[: number - 1], grant, *agreement.grants[number - 1 :]]
    _arrange(session, agreement, ordered)
    _record(services, actor, agreement, "added", grant)
    return grant


def replace_grant(
    services: Services,
    session: Session,
    actor: str,
    agreement: Agreement,
    position: int,
    terms: GrantTerms,
    today: date | None = None,
) -> Grant:
    """Put another grant in the place of one; raises ``SafeStatsError`` as ``add_grant`` does."""
    former = _at(agreement, position)
    grant = _made(services, session, agreement, terms, today)
    _arrange(session, agreement, [grant if other is former else other for other in agreement.grants])
    _record(services, actor, agreement, "replaced", grant)
    return grant


def move_grant(services: Services, session: Session, actor: str, agreement: Agreement, position: int, to: int) -> Grant:
    """Give a grant another position; raises ``SafeStatsError``."""
    require_draft(agreement)
    grant = _at(agreement, position)
    _at(agreement, to)
    others = [other for other in agreement.grants if other is not grant]
    _arrange(session, agreement, [*others[: to - 1], grant, *others[to - 1 :]])
    _record(services, actor, agreement, f"moved from {position}", grant)
    return grant


def remove_grant(services: Services, session: Session, actor: str, agreement: Agreement, position: int) -> None:
    """Take a grant out of a draft; raises ``SafeStatsError``."""
    require_draft(agreement)
    grant = _at(agreement, position)
    _record(services, actor, agreement, "removed", grant)
    _arrange(session, agreement, [other for other in agreement.grants if other is not grant])


def require_draft(agreement: Agreement) -> None:
    """Raises ``SafeStatsError`` unless the agreement may still be changed."""
    if agreement.state == AgreementState.DRAFT:
        return
    instead = (
        "take it back to a draft first, which voids the signatures"
        if agreement.state == AgreementState.SIGNED
        else "amend it, which makes a new draft"
    )
    raise SafeStatsError(
        f"Agreement {agreement.reference} is {agreement.state}: only a draft can be changed; {instead}."
    )


def unsign(agreement: Agreement) -> None:
    """A draft that changes is no longer what somebody signed."""
    agreement.signatures.clear()
    agreement.schedule = agreement.schedule_sha256 = ""
    agreement.signed_on = None


def check_excess(ceiling: Ceiling | None, agreement: Agreement, grants: Iterable[Grant]) -> None:
    """Raises ``SafeStatsError`` naming all in which the grants go beyond the supplier's terms."""
    if found := _beyond(ceiling, agreement, grants):
        assert ceiling is not None
        raise SafeStatsError(
            f"This goes beyond version {ceiling.version} of the supplier's terms on “{agreement.dataset}”: "
            f"{'; '.join(found)}."
        )


def cut_by_terms(ceiling: Ceiling | None, agreement: Agreement) -> list[str]:
    """In a sentence each what the supplier's terms take from the grants as signed; nothing where they take nothing."""
    return [
        f"Version {ceiling.version} of the supplier's terms holds, not what was signed: {words}."
        for words in _beyond(ceiling, agreement, agreement.grants)
        if ceiling is not None
    ]


def _beyond(ceiling: Ceiling | None, agreement: Agreement, grants: Iterable[Grant]) -> list[str]:
    if ceiling is None:
        return []
    organisation = agreement.organisation
    found = []
    if not ceiling.admits(organisation.code, organisation.kind):
        found.append(f"{organisation.name} is none of the recipients ({', '.join(ceiling.recipients)})")
    for grant in grants:
        groups = tuple(FieldGroup(name) for name in grant.groups.split())
        excess = ceiling.excess(groups, Precision(grant.precision), grant.grid_m, grant.uses, grant.last_months)
        found += [f"grant {grant.position}: {words}" if grant.position else words for words in excess]
    return found


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


def describe_grant(grant: GrantProfile, areas: AreaIndex) -> str:
    """A grant in words."""
    months = "all months"
    if grant.from_month or grant.to_month:
        months = f"{grant.from_month or 'the first month'} to {grant.to_month or 'the newest'}"
    how = precision_in_words(grant.shown_precision, grant.grid_m)
    uses = ", ".join(use for use in Use if use in grant.uses) or "nothing"
    officers = "; records for licensing officers too" if grant.officer_records else ""
    where = ", ".join(places_in_words(grant.areas, areas))
    return f"{where}; {months}; fields {', '.join(grant.groups)}; {how}; to {uses}{officers}"


def places_in_words(codes: Sequence[str], areas: AreaIndex) -> list[str]:
    """The areas of a grant: boroughs by name, LSOAs by their number, the rest as it is."""
    boroughs = [code for code in codes if code in areas.boroughs]
    lsoas = [code for code in codes if code in areas.lsoas]
    places = [areas.boroughs[code] for code in boroughs]
    if areas.boroughs and len(boroughs) == len(areas.boroughs):
        places = [f"all {len(boroughs)} boroughs"]
    if lsoas:
        places.append(f"{len(lsoas)} LSOAs" if len(lsoas) > 1 else "1 LSOA")
    return places + [code for code in codes if code not in areas.boroughs and code not in areas.lsoas]


def check_grants(areas: AreaIndex, ceiling: Ceiling | None, agreement: Agreement, wanted: Iterable[GrantTerms]) -> None:
    """Raises ``SafeStatsError`` where ``add_grant`` would; the agreement need not be in the database."""
    check_excess(ceiling, agreement, [_built(areas, terms) for terms in wanted])


def _made(services: Services, session: Session, agreement: Agreement, terms: GrantTerms, today: date | None) -> Grant:
    require_draft(agreement)
    grant = _built(services.areas, terms)
    check_excess(ceiling_on(session, agreement.dataset, today or london_today()), agreement, [grant])
    return grant


def _built(areas: AreaIndex, terms: GrantTerms) -> Grant:
    _check(terms)
    return Grant(
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
        officer_records=terms.officer_records,
        named_areas=" ".join(dict.fromkeys(terms.areas)),
        edge_m=round(terms.edge_m),
        areas=[GrantArea(code=code) for code in resolve_areas(areas, terms.areas, terms.edge_m)],
    )


def _at(agreement: Agreement, position: int) -> Grant:
    if not 1 <= position <= len(agreement.grants):
        raise SafeStatsError(
            f"Agreement {agreement.reference} has no grant {position}: it has {len(agreement.grants)}."
        )
    return agreement.grants[position - 1]


def _arrange(session: Session, agreement: Agreement, ordered: list[Grant]) -> None:
    unsign(agreement)
    # A position is held once: all step aside before each takes its own.
    for number, grant in enumerate(agreement.grants, start=1):
        grant.position = -number
    session.flush()
    agreement.grants[:] = ordered
    for number, grant in enumerate(ordered, start=1):
        grant.position = number
    session.flush()


def _record(services: Services, actor: str, agreement: Agreement, what: str, grant: Grant) -> None:
    details = {
        "what": what,
        "position": grant.position,
        "areas": sorted(area.code for area in grant.areas),
        "fields": grant.groups.split(),
        "precision": grant.precision,
        "grid_m": grant.grid_m,
        "from_month": grant.from_month,
        "to_month": grant.to_month,
        "last_months": grant.last_months,
        "uses": sorted(grant.uses),
        "officer_records": grant.officer_records,
    }
    record(services, actor, EventType.AGREEMENT_GRANTED, agreement, details)


def _check(terms: GrantTerms) -> None:
    if FieldGroup.CORE not in terms.groups:
        raise SafeStatsError("A grant includes the core fields: without them a row says nothing.")
    if not terms.uses:
        raise SafeStatsError("A grant permits at least one use.")
    if terms.precision == Precision.GRID and not FINEST_GRID_M <= terms.grid_m <= COARSEST_GRID_M:
        raise SafeStatsError(f"A grid needs a cell of {FINEST_GRID_M} to {COARSEST_GRID_M} metres (--grid-m).")
    if terms.precision in (Precision.POINT, Precision.GRID) and FieldGroup.LOCATION not in terms.groups:
        raise SafeStatsError(
            f"Precision “{terms.precision}” needs the location fields: grant them, or choose precision “area”."
        )
    if terms.precision == Precision.AGGREGATE and Use.VIEW not in terms.uses:
        raise SafeStatsError("Counts are asked for online: a grant of precision “aggregate” permits the use “view”.")
    if terms.precision == Precision.AGGREGATE and terms.officer_records:
        raise SafeStatsError("A grant of precision “aggregate” shows records to nobody: leave out --officer-records.")
    if not 0 <= terms.edge_m <= WIDEST_EDGE_M:
        raise SafeStatsError(f"An edge is 0 to {WIDEST_EDGE_M / 1000:g} km wide: for more, name the areas.")
    if not 0 <= terms.last_months <= MOST_MONTHS:
        raise SafeStatsError(f"The last months are 0 (all of them) to {MOST_MONTHS}.")
    for month in (terms.from_month, terms.to_month):
        if month and not _MONTH.fullmatch(month):
            raise SafeStatsError(f"“{month}” is no month: write it as 2026-11.")
    if terms.from_month and terms.to_month and terms.to_month < terms.from_month:
        raise SafeStatsError(f"The months end ({terms.to_month}) before they start ({terms.from_month}).")
