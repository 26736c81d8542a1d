"""The areas of an edition, as desks are told of them."""

from __future__ import annotations

from pydantic import BaseModel


class AreaAnswer(BaseModel):
    """An area; ``shape`` is its polygon in EPSG:27700, WKB in Base64, ``borough`` the code of its borough."""

    code: str
    name: str
    borough: str
    shape: str


class AreasAnswer(BaseModel):
    """All areas of a level, by code, and the edition that is named beside figures of them."""

    level: str
    edition: str
    title: str
    attribution: str
    areas: list[AreaAnswer]
