"""Areas: codes with an edition, and the codes that stand for what lies in none."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

UNPLACED = "unplaced"  # the row has no place
OUTSIDE = "outside"  # placed, but outside the areas that are covered
LONDON = "london"  # all 33 boroughs; written in a grant, resolved when it is signed

_NEARLY_ALL = 0.75  # of a layer's rows, in one borough of all that it is open for
BOUNDARIES_FILE = "boundaries/london-lsoa-2011.gpkg"  # in resources/


class Level(str, Enum):
    """How large the areas are."""

    LSOA = "lsoa"
    BOROUGH = "borough"


@dataclass(frozen=True)
class Area:
    """One area of one edition; ``parent`` is the code of the borough that an LSOA belongs to, else empty."""

    code: str
    name: str
    level: Level
    edition: str
    parent: str = ""


@dataclass(frozen=True)
class Boundaries:
    """The areas of a boundaries file: its edition's name, the boroughs and the LSOAs by code."""

    edition: str
    boroughs: dict[str, Area]
    lsoas: dict[str, Area]

    @classmethod
    def read(cls, path: Path) -> Boundaries:
        """The areas that the GeoPackage at ``path`` holds, without their shapes; raises ``OSError`` if it is absent."""
        if not path.exists():
            raise FileNotFoundError(f"The boundaries file {path.name} is missing: install SafeStats again.")
        connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro&immutable=1", uri=True)
        try:
            (edition,) = connection.execute("SELECT title FROM edition").fetchone()
            boroughs = {
                code: Area(code, name, Level.BOROUGH, edition)
                for code, name in connection.execute("SELECT code, name FROM borough ORDER BY code")
            }
            lsoas = {
                code: Area(code, name, Level.LSOA, edition, parent)
                for code, name, parent in connection.execute("SELECT code, name, borough_code FROM lsoa ORDER BY code")
            }
        finally:
            connection.close()
        return cls(edition, boroughs, lsoas)

    def borough_of(self, lsoa_code: str) -> Area | None:
        """The borough of an LSOA, or ``None`` where the edition does not hold the code."""
        lsoa = self.lsoas.get(lsoa_code)
        return self.boroughs.get(lsoa.parent) if lsoa else None


def strays(opened: Collection[str], boroughs: Collection[str], rows: Mapping[str, int]) -> frozenset[str]:
    """The boroughs that hold what strayed over the border of the one that a supplier covers.

    Where a layer is open for all ``boroughs`` and nearly all its ``rows`` (by borough) are of one of them, the others'
    few are no measure of what happened there.
    """
    most = max(rows.values(), default=0)
    if set(boroughs) - set(opened) or most <= _NEARLY_ALL * sum(rows.values()):
        return frozenset()
    return frozenset(code for code in opened if 0 < rows.get(code, 0) < most)
