"""What the sync routes take and give, besides the manifest (``shared.manifest``)."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, BaseModel, Field

_FILTER_BYTES = 4096
_EVENTS_AT_ONCE = 500


class LayerAnswer(BaseModel):
    """One declared dataset: what of it may be synced, or why not. Figures are those of the agreement's rows.

    ``uses`` is what the agreement permits of rows, whether or not they may be synced: view (questions to the server)
    and sync of some rows, export and publish of every row of the copy. ``aggregate``: some rows are never shown, but
    may be counted (``POST /v1/proximity``).
    """

    dataset: str
    title: str
    supplier: str
    description: str
    permitted: bool
    reason: str = ""
    reason_code: str = ""
    uses: list[str] = []
    aggregate: bool = False
    preparing: bool = False
    rows: int = 0
    size: int = 0  # bytes to download for the whole layer
    newest: str = ""  # the newest month, YYYY-MM
    release: int = 0
    published_at: str = ""
    fingerprint: str = ""  # as in the manifest: another one where the rights changed
    rights: str = ""  # likewise, whatever the months: told while the files are being made, too
    agreement: str = ""
    agreement_until: str = ""  # the last day
    geometry: str = ""
    precision: str = ""
    fields: list[str] = []
    synthetic: bool = False


class LayersAnswer(BaseModel):
    """Every declared dataset."""

    layers: list[LayerAnswer]


class EventKind(StrEnum):
    """What a desk does with its local copies."""

    PROXIMITY_SEARCH = "proximity.search"
    HOTSPOT_RUN = "hotspot.run"
    MAP_EXPORT = "map.export"
    LAYER_OPENED = "layer.opened"
    EXPLORED = "explore.run"
    TIME_CHARTS = "time.charts"
    TABLE_EXPORT = "table.export"
    NOTE_REFUSED = "note.refused"  # another event, which the server would not take


def _short(filter: dict[str, Any]) -> dict[str, Any]:
    try:
        size = len(json.dumps(filter, ensure_ascii=False, allow_nan=False).encode())
    except ValueError as error:
        raise ValueError("a filter has numbers that are finite and texts that are Unicode") from error
    if size > _FILTER_BYTES:
        raise ValueError(f"a filter has at most {_FILTER_BYTES} bytes")
    return filter


def _utc(at: datetime) -> datetime:
    try:
        return at.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("an instant lies between the years 1 and 9999 in UTC") from error


class ClientEvent(BaseModel):
    """Something that was done at a desk, at the desk's time."""

    id: UUID
    kind: EventKind
    at: Annotated[AwareDatetime, AfterValidator(_utc)]
    dataset: str = Field(max_length=32)
    filter: Annotated[dict[str, Any], AfterValidator(_short)] = {}
    rows: int | None = Field(default=None, ge=0)


class EventsRequest(BaseModel):
    """Events to be audited; those sent before are passed over."""

    events: list[ClientEvent] = Field(max_length=_EVENTS_AT_ONCE)


class EventsAnswer(BaseModel):
    """How many of the events the audit did not hold already."""

    accepted: int
