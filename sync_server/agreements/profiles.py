"""One-step profiles: the grants that most organisations have, made from what they serve and what suppliers permit."""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import TYPE_CHECKING

from sqlalchemy.orm import Session

from ...shared.areas import LONDON, OUTSIDE, UNPLACED
from ..datasets.definitions import DatasetDefinition, FieldGroup, layer_fields
from ..errors import SafeStatsError
from ..instants import london_today
from .ceiling import Ceiling, coarser
from .grants import GrantTerms, add_grant, remove_grant, require_draft
from .models import Agreement, Precision, Use
from .terms import ceiling_on

if TYPE_CHECKING:
    from ..services import Services

EDGE_M = 1000


class Profile(StrEnum):
    """What an organisation is usually given."""

    BOROUGH = "borough"  # records of its own areas and 1 km around them, counts of the rest of London
    OWN_AREAS = "own-areas"  # records of its own areas, counts of the rest
    PAN_LONDON = "pan-london"  # records of all London
    AGGREGATES = "aggregates"  # counts of all London


def apply_profile(
    services: Services,
    session: Session,
    actor: str,
    agreement: Agreement,
    profile: Profile,
    today: date | None = None,
) -> None:
    """Give a draft the profile's grants instead of those that it has; raises ``SafeStatsError``."""
    require_draft(agreement)
    ceiling = ceiling_on(session, agreement.dataset, today or london_today())
    own = tuple(area.code for area in agreement.organisation.areas)
    wanted = profile_grants(profile, own, services.definition(agreement.dataset), ceiling)
    for _ in range(len(agreement.grants)):
        remove_grant(services, session, actor, agreement, 1)
    for terms in wanted:
        add_grant(services, session, actor, agreement, terms, today=today)


def profile_grants(
    profile: Profile, own: tuple[str, ...], definition: DatasetDefinition, ceiling: Ceiling | None
) -> list[GrantTerms]:
    """The grants of a profile for an organisation that serves the areas ``own``, as far as the supplier permits.

    Raises ``SafeStatsError`` where a profile needs areas and the register has none.
    """
    grants = []
    if profile == Profile.PAN_LONDON:
        grants.append(_records((LONDON, UNPLACED, OUTSIDE), 0, definition, ceiling))
    elif profile in (Profile.BOROUGH, Profile.OWN_AREAS):
        if not own:
            raise SafeStatsError(
                f"The profile “{profile}” needs the areas that the organisation serves, and the register names none."
            )
        grants.append(_records(own, EDGE_M if profile == Profile.BOROUGH else 0, definition, ceiling))
    if profile != Profile.PAN_LONDON:
        grants.append(_counts((LONDON, UNPLACED), definition, ceiling))
    return [grant for grant in grants if grant.uses]


def _records(areas: tuple[str, ...], edge_m: int, definition: DatasetDefinition, ceiling: Ceiling | None) -> GrantTerms:
    groups = _groups(definition, ceiling)
    precision = Precision.POINT if FieldGroup.LOCATION in groups else Precision.AREA
    finest = (ceiling.precision, ceiling.grid_m) if ceiling else (Precision.POINT, 0)
    precision, grid_m = coarser((precision, 0), finest)
    uses = ceiling.uses if ceiling else frozenset(Use)
    return GrantTerms(areas, groups, precision, grid_m, edge_m, uses=uses)


def _counts(areas: tuple[str, ...], definition: DatasetDefinition, ceiling: Ceiling | None) -> GrantTerms:
    uses = frozenset({Use.VIEW}) & (ceiling.uses if ceiling else frozenset(Use))
    wanted = (FieldGroup.CORE, FieldGroup.AREA, FieldGroup.LOCATION)
    groups = tuple(group for group in _groups(definition, ceiling) if group in wanted)
    return GrantTerms(areas, groups, Precision.AGGREGATE, uses=uses)


def _groups(definition: DatasetDefinition, ceiling: Ceiling | None) -> tuple[FieldGroup, ...]:
    """The groups that the dataset has and the supplier permits."""
    there = {field.group for field in layer_fields(definition)}
    permitted = ceiling.groups if ceiling else tuple(FieldGroup)
    return tuple(group for group in FieldGroup if group in there and group in permitted)
