"""Queries on the server: one's own and the organisation's shared ones; each is run with one's own rights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import ServerTrouble
from ..transport import Cancel, Transport, never
from .selection import Selection

_QUERIES = "/v1/queries"


@dataclass(frozen=True)
class SavedQuery:
    """What is told of a query. Where ``reason`` says why it cannot be run, a colleague's has no name."""

    id: str
    name: str
    dataset: str
    title: str
    owner: str
    own: bool
    removable: bool
    shared: bool
    reason: str

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> SavedQuery:
        """Raises ``KeyError`` and ``TypeError`` for what is none."""
        texts = {name: str(document[name]) for name in ("id", "name", "dataset", "title", "owner", "reason")}
        # An older server does not tell who else may delete it.
        removable = bool(document.get("removable", document["own"]))
        return cls(own=bool(document["own"]), removable=removable, shared=bool(document["shared"]), **texts)


def list_queries(transport: Transport, cancelled: Cancel = never) -> tuple[SavedQuery, ...]:
    """All that may be known of; raises ``DeskError``."""
    answer = transport.get_json(_QUERIES, cancelled=cancelled)
    try:
        return tuple(SavedQuery.from_json(one) for one in answer["queries"])
    except (KeyError, TypeError) as error:
        raise _unreadable() from error


def open_query(transport: Transport, query: str, cancelled: Cancel = never) -> Selection:
    """What a query asks; raises ``DeskError``, with the server's reason where one may not run it."""
    answer = transport.get_json(f"{_QUERIES}/{query}", cancelled=cancelled)
    try:
        return Selection.from_json(answer["definition"])
    except (KeyError, TypeError) as error:
        raise _unreadable() from error


def save_query(
    transport: Transport, name: str, asked: Selection, shared: bool, cancelled: Cancel = never
) -> SavedQuery:
    """Keep a question under a name, with the organisation where ``shared``; raises ``DeskError``."""
    body = {"name": name, "shared": shared, "definition": asked.to_json()}
    try:
        return SavedQuery.from_json(transport.post_json(_QUERIES, body, cancelled=cancelled))
    except (KeyError, TypeError) as error:
        raise _unreadable() from error


def remove_query(transport: Transport, query: str, cancelled: Cancel = never) -> None:
    """Delete one that is ``removable``; raises ``DeskError``."""
    transport.delete(f"{_QUERIES}/{query}", cancelled=cancelled)


def _unreadable() -> ServerTrouble:
    return ServerTrouble("The server told its saved queries in a way that cannot be read: update the plugin.")
