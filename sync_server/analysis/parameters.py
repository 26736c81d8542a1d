"""The parameters of facets, as the description of the interface tells them."""

from __future__ import annotations

from typing import Any

from .schemas import MONTH_PATTERN

_MONTH = {"type": "string", "pattern": MONTH_PATTERN}

FACETS_PARAMETERS: list[dict[str, Any]] = [
    {"name": "by", "in": "query", "required": True, "description": "The property.", "schema": {"type": "string"}},
    {"name": "from_month", "in": "query", "description": "The first month.", "schema": _MONTH},
    {"name": "to_month", "in": "query", "description": "The last month.", "schema": _MONTH},
    {
        "name": "properties",
        "in": "query",
        "description": "Any property of the layer by its own name: only rows of that value.",
        "schema": {"type": "object", "additionalProperties": {"type": "string"}},
        "style": "form",
        "explode": True,
    },
]
