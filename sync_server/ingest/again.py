"""Places rows anew whose descriptions somebody has decided on since they were loaded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import polars as pl
from sqlalchemy import select
from sqlalchemy.orm import Session

from ..audit.log import EventType
from ..datasets.areas import AreaIndex
from ..datasets.definitions import DatasetDefinition, layer_fields
from ..datasets.definitions import Delivery as DeliveryMode
from ..datasets.incidents import incident_table
from ..errors import SafeStatsError
from ..geocoding.levels import Placed
from ..geocoding.models import PlaceDecision, PlaceWaiting
from ..geocoding.review import decided, leave
from ..progress import ReportsProgress, silent
from ..services import Services
from . import staging
from .identity import content_hashes
from .models import Delivery
from .placing import with_areas
from .recording import next_release, refuse_beside_rollback, stage_release

_PLACED = ("geo_level", "confidence", "matched_text")


def place_again(services: Services, actor: str, dataset: str, progress: ReportsProgress = silent) -> int:
    """Stage, for the next release, the rows of a dataset that wait to be placed as was decided; how many.

    Rows that are held no longer wait no longer. Raises ``SafeStatsError`` where a rollback waits to be published.
    """
    definition = services.definition(dataset)
    if definition.delivery == DeliveryMode.REPLACES:
        raise SafeStatsError(f"{dataset} describes no places in words: there is nothing to place anew.")
    with services.database.write(dataset=dataset) as session:
        found = session.execute(
            select(PlaceWaiting.identity, PlaceDecision)
            .join(PlaceDecision, PlaceDecision.decision_id == PlaceWaiting.decision_id)
            .where(PlaceWaiting.dataset == dataset)
        ).all()
        waiting = {identity: decided(decision) for identity, decision in found}
        if not waiting:
            return 0
        held = _held(session, definition, list(waiting))
        changed = 0
        if not held.is_empty():
            rows = _placed(held, definition, services.areas, [waiting[name] for name in held["identity"]])
            changed = _stage(services, session, definition, rows, progress)
        leave(session, dataset, list(waiting))
        services.audit.record(EventType.PLACES_AGAIN, actor=actor, dataset=dataset, rows=changed)
    return changed


def _held(session: Session, definition: DatasetDefinition, identities: Sequence[str]) -> pl.DataFrame:
    """The standing rows of these identities, with the delivery that each came by."""
    table = incident_table(definition)
    names = ["identity", "delivery_id", "period", *(declared.name for declared in layer_fields(definition))]
    found: list[tuple[Any, ...]] = []
    for start in range(0, len(identities), 500):
        which = table.c.identity.in_(identities[start : start + 500]) & table.c.to_release.is_(None)
        found += [tuple(row) for row in session.execute(select(*(table.c[name] for name in names)).where(which))]
    return pl.DataFrame(found, schema=names, orient="row", infer_schema_length=None)


def _placed(held: pl.DataFrame, definition: DatasetDefinition, areas: AreaIndex, places: list[Placed]) -> pl.DataFrame:
    names = {declared.name for declared in definition.fields}
    levels = dict(definition.field("geo_level").codes) if "geo_level" in names else {}
    made = {
        "easting": pl.Series([place.easting for place in places], dtype=pl.Int64),
        "northing": pl.Series([place.northing for place in places], dtype=pl.Int64),
        "location_method": pl.Series([str(place.method) for place in places], dtype=pl.String),
        "precision_m": pl.Series([place.precision_m for place in places], dtype=pl.Int64),
        "place_borough": pl.Series([place.borough_code for place in places], dtype=pl.String),
        "geo_level": pl.Series([levels.get(str(place.level), str(place.level)) for place in places], dtype=pl.String),
        "confidence": pl.Series([place.confidence for place in places], dtype=pl.Int64),
        "matched_text": pl.Series([place.matched_text for place in places], dtype=pl.String),
    }
    frame = held.with_columns(
        values.alias(name) for name, values in made.items() if name not in _PLACED or name in names
    )
    frame = with_areas(frame.with_columns(pl.lit(None, pl.String).alias("reason")), areas, definition)
    stored = [declared.name for declared in layer_fields(definition)]
    return frame.with_columns(content_hashes(frame, ["period", "area_code", *stored]))


def _stage(
    services: Services, session: Session, definition: DatasetDefinition, rows: pl.DataFrame, progress: ReportsProgress
) -> int:
    release = next_release(session, definition.code)
    synthetic = select(Delivery.synthetic).where(Delivery.delivery_id == rows["delivery_id"][0])
    changed = 0
    # Each row stays that of the delivery it came by.
    for (delivery_id,), group in rows.group_by(["delivery_id"], maintain_order=True):
        whole = staging.Covered(frozenset())
        difference = staging.compare(session, definition, group, whole, release, services.keys, True)
        if difference.empty:
            continue
        if not changed:
            refuse_beside_rollback(session, definition.code, release)
            stage_release(session, definition.code, release, bool(session.scalar(synthetic)))
        staging.write(session, definition, difference, release, int(str(delivery_id)), progress)
        changed += difference.changed
    return changed
