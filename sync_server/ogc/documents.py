"""The documents of the standard, for the description of the interface."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field


class Link(BaseModel):
    """Where else to go."""

    rel: str
    href: str
    title: str
    type: str


class LandingAnswer(BaseModel):
    """The landing page."""

    title: str
    description: str
    links: list[Link]


class ConformanceAnswer(BaseModel):
    """The conformance classes."""

    conformsTo: list[str]


class SpatialExtent(BaseModel):
    """The box of degrees around the visible places."""

    bbox: list[list[float]]
    crs: str


class TemporalExtent(BaseModel):
    """From the first visible day or month to the last."""

    interval: list[list[str]]


class Extent(BaseModel):
    """Of the visible rows alone; what none of them shows is left out."""

    spatial: SpatialExtent | None = None
    temporal: TemporalExtent | None = None


class CollectionAnswer(BaseModel):
    """One dataset as the subject may view it."""

    id: str
    title: str
    description: str
    attribution: str
    itemType: str
    crs: list[str]
    links: list[Link]
    extent: Extent | None = None


class CollectionsAnswer(BaseModel):
    """Those that the subject may view."""

    links: list[Link]
    collections: list[CollectionAnswer]


class QueryablesAnswer(BaseModel):
    """JSON Schema of the properties."""

    schema_: str = Field(alias="$schema")
    id_: str = Field(alias="$id")
    type: str
    title: str
    properties: dict[str, Any]
    additionalProperties: bool
