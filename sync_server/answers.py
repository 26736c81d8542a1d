"""How the interface's description tells of answers that are no success: every one a problem document."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from fastapi import FastAPI

from ..shared.problems import MEDIA_TYPE

_PROBLEM: dict[str, Any] = {
    "type": "object",
    "title": "Problem",
    "description": "RFC 9457: `code` is for programs and stays; `detail` is a sentence for people.",
    "required": ["type", "code", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "code": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
    },
}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The ``responses`` of routes that may answer with problems of these statuses."""
    return {
        status: {"description": HTTPStatus(status).phrase, "content": {MEDIA_TYPE: {"schema": _PROBLEM}}}
        for status in statuses
    }


# What any request may be answered, and what one with a session, with a body, or to something named may be.
_ALWAYS = (400, 422, 429, 500, 503)
_WITH_SESSION = (401, 403)
_WITH_BODY = (413,)
_NAMED = (404,)


def describe(app: FastAPI) -> None:
    """Let the application's description tell every problem that its routes answer with."""
    plain = app.openapi

    def complete() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = plain()
            schemas = document.setdefault("components", {}).setdefault("schemas", {})
            for unused in ("HTTPValidationError", "ValidationError"):
                schemas.pop(unused, None)
            schemas["Problem"] = _PROBLEM
            for path in document["paths"].values():
                for operation in path.values():
                    _complete(operation)
        assert app.openapi_schema is not None
        return app.openapi_schema

    app.openapi = complete  # type: ignore[method-assign]


def _complete(operation: dict[str, Any]) -> None:
    statuses = list(_ALWAYS)
    if operation.get("security"):
        statuses += _WITH_SESSION
    if "requestBody" in operation:
        statuses += _WITH_BODY
    if any(parameter["in"] == "path" for parameter in operation.get("parameters", ())):
        statuses += _NAMED
    responses = operation["responses"]
    for status, answer in problems(*statuses).items():
        responses[str(status)] = answer
    for status, answer in responses.items():
        if status[0] in "45":
            answer["content"] = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
