"""How many live in each borough, as the server tells it with its edition: what rates per 1,000 are made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .errors import ServerTrouble
from .transport import Cancel, Transport, never

_KIND, _LEVEL = "residents", "borough"


@dataclass(frozen=True)
class Residents:
    """Numbers by borough code, of a named edition. Boroughs of fewer than ``few`` are flagged beside their rates."""

    edition: str
    source: str
    values: Mapping[str, int]
    few: int


def ask_residents(transport: Transport, cancelled: Cancel = never) -> Residents | None:
    """The newest edition that the server has, ``None`` where it has none; for a task. Raises ``DeskError``."""
    told = transport.get_json("/v1/denominators", cancelled=cancelled)
    try:
        base = next((one for one in told["bases"] if (one["kind"], one["level"]) == (_KIND, _LEVEL)), None)
        if base is None:
            return None
        values = {str(code): int(value) for code, value in base["values"].items()}
        return Residents(str(base["edition"]), str(base["source"]), values, int(told["few_residents"]))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ServerTrouble(
            "The server told its numbers of residents in a way that cannot be read: update the plugin.", "unreadable"
        ) from error
