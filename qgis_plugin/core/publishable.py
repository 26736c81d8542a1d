"""What may be published to, as the server tells it: datasets, what a column may lead to, the last layer's mapping."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ...shared.uploads import Kind
from .errors import ServerTrouble
from .transport import Cancel, Transport, never


@dataclass(frozen=True)
class Target:
    """Something of a dataset that a column may lead to."""

    name: str
    title: str
    kind: Kind
    required: bool
    codes: Mapping[str, str] = field(default_factory=dict)
    headers: tuple[str, ...] = ()  # what suppliers call it


@dataclass(frozen=True)
class LayerMapping:
    """Which column leads to which target, and what texts of it mean."""

    columns: Mapping[str, str] = field(default_factory=dict)
    codes: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    precision_m: int = 1


@dataclass(frozen=True)
class Publishable:
    """A dataset that may be published to. ``mapping`` is that of the organisation's last layer."""

    dataset: str
    title: str
    sites: bool
    replaces: bool  # what a delivery lacks of its months is withdrawn
    points: bool
    synthetic: bool | None
    targets: tuple[Target, ...]
    mapping: LayerMapping | None


def ask_publishables(transport: Transport, *, cancelled: Cancel = never) -> list[Publishable]:
    """The datasets that the signed-in person may publish to."""
    document = transport.get_json("/v1/publishing/datasets", cancelled=cancelled)
    try:
        return [_publishable(entry) for entry in document["datasets"]]
    except (KeyError, TypeError, ValueError) as error:
        raise unreadable() from error


def _publishable(entry: Mapping[str, Any]) -> Publishable:
    told = entry["mapping"]
    return Publishable(
        dataset=str(entry["dataset"]),
        title=str(entry["title"]),
        sites=bool(entry["sites"]),
        replaces=bool(entry["replaces"]),
        points=bool(entry["points"]),
        synthetic=entry["synthetic"],
        targets=tuple(
            Target(
                one["name"],
                one["title"],
                Kind(one["kind"]),
                bool(one["required"]),
                dict(one["codes"]),
                tuple(one["headers"]),
            )
            for one in entry["targets"]
        ),
        mapping=LayerMapping(told["columns"], told["codes"], int(told["precision_m"])) if told else None,
    )


def unreadable() -> ServerTrouble:
    """To be raised where an answer does not hold what it should."""
    return ServerTrouble(
        "The server answered in a way that this plugin cannot read. Update the plugin; if it stays, tell the SafeStats "
        "team.",
        "unreadable",
    )
