"""What a recall or a retention would take out: how much, of which months, and whose agreements show it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from ..agreements.opened import Scope
from ..agreements.scope import live_scopes
from ..datasets.definitions import DatasetDefinition
from ..datasets.erasing import Version, versions_before, versions_of
from ..errors import SafeStatsError
from ..ingest.models import Delivery
from ..instants import LONDON, london_today
from ..publishing.models import ReleaseState
from ..publishing.releases import newest_release
from ..services import Services
from .choosing import Chosen, Named, choose
from .heeding import refuse_unheeded
from .retained import first_kept_month


@dataclass(frozen=True)
class Extent:
    """How much there is of what is to go. ``first_release``: the first that showed some of it; 0: none did."""

    incidents: int = 0
    versions: int = 0
    staged: int = 0
    months: dict[str, int] = field(default_factory=dict)  # versions by month; "" for undated ones
    agreements: dict[str, bool] = field(default_factory=dict)  # in force, and whether they open some of it
    first_release: int = 0


@dataclass(frozen=True)
class Plan:
    """What a recall would take out: to be shown before it is asked for."""

    dataset: str
    named: Named
    chosen: Chosen
    extent: Extent
    visible: int  # the release that people see; 0: none


def plan(services: Services, dataset: str, named: Named) -> Plan:
    """What would go; changes nothing. Raises ``SafeStatsError`` where nothing of it is held."""
    definition = services.definition(dataset)
    with services.database.read() as session:
        refuse_unheeded(services, session)
        chosen = choose(services, session, definition, named)
        visible = newest_release(session, dataset, ReleaseState.PUBLISHED)
        number = visible.number if visible else 0
        if not chosen.identities:
            raise SafeStatsError(f"{dataset} holds nothing of that, in any release: there is nothing to recall.")
        extent = _extent(services, session, definition, versions_of(session, definition, chosen.identities), number)
    return Plan(dataset, named, chosen, extent, number)


def retention_plan(services: Services, dataset: str, today: date | None = None) -> tuple[str, Extent]:
    """The first month that is kept ("" where all are), and how much there is before it."""
    definition = services.definition(dataset)
    first = first_kept_month(definition, today or london_today())
    if not first:
        return "", Extent()
    with services.database.read() as session:
        visible = newest_release(session, dataset, ReleaseState.PUBLISHED)
        old = versions_before(session, definition, first, old_deliveries(session, dataset, first))
        return first, _extent(services, session, definition, old, visible.number if visible else 0)


def old_deliveries(session: Session, dataset: str, first: str) -> list[int]:
    """Those loaded before the first month that is kept: an undated row is as old as its delivery."""
    loaded = datetime.combine(date.fromisoformat(f"{first}-01"), datetime.min.time(), LONDON)
    return list(
        session.scalars(select(Delivery.delivery_id).where(Delivery.dataset == dataset, Delivery.loaded_at < loaded))
    )


def _extent(
    services: Services, session: Session, definition: DatasetDefinition, versions: Iterable[Version], visible: int
) -> Extent:
    incidents: set[str] = set()
    months: Counter[str] = Counter()
    places: set[tuple[str, str, str]] = set()
    staged, first = 0, 0
    for version in versions:
        incidents.add(version.identity)
        months[version.period] += 1
        places.add((version.period, version.area_code, version.borough_code or ""))
        if version.from_release > visible:
            staged += 1
        else:
            first = min(first or version.from_release, version.from_release)
    shown: dict[str, bool] = {}
    for scope in live_scopes(session, definition.code, services.definitions, london_today()):
        opens = any(_shows(scope, *place) for place in places)
        shown[scope.agreement] = shown.get(scope.agreement, False) or opens
    return Extent(len(incidents), months.total(), staged, dict(sorted(months.items())), shown, first)


def _shows(scope: Scope, period: str, area: str, borough: str) -> bool:
    return any(
        scope.gives(grant) and grant.covers(period) and (area in grant.areas or borough in grant.areas)
        for grant in scope.grants
    )
