"""How many live in each borough, as the server tells it with its edition: what rates per 1,000 are made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .explore.rates import Bases
from .explore.selection import By
from .transport import Cancel, Transport, never

_KIND = "residents"


@dataclass(frozen=True)
class Residents:
    """Numbers by borough code, of a named edition. Boroughs of fewer than ``few`` are flagged beside their rates."""

    edition: str
    source: str
    values: Mapping[str, int]
    few: int


def ask_residents(transport: Transport, cancelled: Cancel = never) -> Residents | None:
    """The newest edition that the server has, ``None`` where it has none; for a task. Raises ``DeskError``."""
    told = Bases.from_json(transport.get_json("/v1/denominators", cancelled=cancelled))
    base = next((one for one in told.of(By.BOROUGH) if one.kind == _KIND), None)
    return None if base is None else Residents(base.edition, base.source, base.values, told.few_residents)
