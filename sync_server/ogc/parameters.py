"""The parameters and the GeoJSON answers of items, as the description of the interface tells them."""

from __future__ import annotations

from typing import Any

from .crs import Crs
from .query import DEFAULT_LIMIT
from .service import GEOJSON

_CRS = {"type": "string", "format": "uri", "enum": [crs.value for crs in Crs], "default": Crs.CRS84.value}
_NAME = r"[a-z][a-z0-9_]*"


def _parameter(name: str, description: str, schema: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "description": description, "schema": schema, **more}


_FORMAT = _parameter("f", "The format: there is one.", {"type": "string", "enum": ["json", "geojson"]})
_ANSWER_CRS = _parameter("crs", "The reference system of the answer.", _CRS)
ITEM_PARAMETERS = [_ANSWER_CRS, _FORMAT]
ITEMS_PARAMETERS = [
    _ANSWER_CRS,
    _FORMAT,
    _parameter(
        "bbox",
        "West, south, east, north; only rows that show a place in it.",
        {"type": "array", "items": {"type": "number"}, "minItems": 4, "maxItems": 6},
        style="form",
        explode=False,
    ),
    _parameter("bbox-crs", "The reference system of the box.", _CRS),
    _parameter("datetime", "A day or an instant, or two with a slash between, `..` where open.", {"type": "string"}),
    _parameter(
        "sortby",
        "Properties with commas between, each after + or -.",
        {"type": "string", "pattern": f"^[+-]?{_NAME}(,[+-]?{_NAME})*$"},
    ),
    _parameter(
        "limit",
        "How many at most; more than a page holds gives a page.",
        {"type": "integer", "minimum": 1, "default": DEFAULT_LIMIT},
    ),
    _parameter("cursor", "Where the page begins: part of the `next` link.", {"type": "string"}),
    _parameter(
        "properties",
        "Any property of the layer by its own name: only rows of that value.",
        {"type": "object", "additionalProperties": {"type": "string"}},
        style="form",
        explode=True,
    ),
]

_POINT = {
    "type": "object",
    "required": ["type", "coordinates"],
    "properties": {
        "type": {"const": "Point"},
        "coordinates": {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2},
    },
}
_FEATURE: dict[str, Any] = {
    "type": "object",
    "required": ["type", "id", "geometry", "properties"],
    "properties": {
        "type": {"const": "Feature"},
        "id": {"type": "string"},
        "geometry": {"anyOf": [_POINT, {"type": "null"}]},
        "properties": {"type": "object"},
        "links": {"type": "array", "items": {"type": "object"}},
    },
}
_FEATURES: dict[str, Any] = {
    "type": "object",
    "required": ["type", "features", "links", "numberMatched", "numberReturned", "timeStamp"],
    "properties": {
        "type": {"const": "FeatureCollection"},
        "features": {"type": "array", "items": _FEATURE},
        "links": {"type": "array", "items": {"type": "object"}},
        "numberMatched": {"type": "integer", "minimum": 0},
        "numberReturned": {"type": "integer", "minimum": 0},
        "timeStamp": {"type": "string", "format": "date-time"},
    },
}


def feature_schema() -> dict[str, Any]:
    """The answer with one feature."""
    return {"description": "The feature", "content": {GEOJSON: {"schema": _FEATURE}}}


def features_schema() -> dict[str, Any]:
    """The answer with a page of features."""
    return {"description": "A page of features", "content": {GEOJSON: {"schema": _FEATURES}}}
