"""What a desk is told of its organisation's house style and of the base map that the server has."""

from __future__ import annotations

from pydantic import BaseModel


class MapServiceAnswer(BaseModel):
    """The organisation's own tile service."""

    address: str
    layer: str
    matrix_set: str
    format: str
    attribution: str


class BaseMapAnswer(BaseModel):
    """The base map that may be fetched (``GET /v1/base-map``): its title, size and SHA-256."""

    title: str
    size: int
    sha256: str
    chunks: list[str]


class HouseStyleAnswer(BaseModel):
    """Empty texts stand for the plugin's own. ``logo``: a PNG in Base64."""

    organisation: str
    colour: str = ""
    font: str = ""
    logo: str = ""
    logo_words: str = ""
    map_service: MapServiceAnswer | None = None
    base_map: BaseMapAnswer | None = None
