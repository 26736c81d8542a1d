"""A release's comparison as tables, for its page and for the command line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from ..datasets.areas import OUTSIDE, UNPLACED
from ..datasets.models import Area, AreaLevel
from .models import ReleaseComparison

MOST_CHANGED = 10  # cells that are told as those that changed most
NO_BOROUGH = {OUTSIDE: "Outside London", UNPLACED: "Without a place"}
_UNDATED = "Undated"


@dataclass(frozen=True)
class Changed:
    """Rows before and after, of a month, a borough, a category, or a borough's month; and what became of rows."""

    name: str
    before: int
    after: int
    added: int = 0
    changed: int = 0
    withdrawn: int = 0
    key: str = ""  # of a month

    @property
    def difference(self) -> str:
        """With its sign; a dash for none."""
        return f"{self.after - self.before:+,}".replace("-", "−") if self.after != self.before else "–"

    @property
    def moves(self) -> bool:
        """Whether anything differs."""
        return bool(self.after != self.before or self.added or self.changed or self.withdrawn)


@dataclass(frozen=True)
class Changes:
    """What ``release`` changes against ``before`` (0: none). The tables are of the months that it touches, the boroughs
    of ``month`` alone where one is chosen; ``total`` is of all months."""

    release: int
    before: int
    month: str
    total: Changed
    months: tuple[Changed, ...]
    boroughs: tuple[Changed, ...]
    categories: tuple[Changed, ...]
    most: tuple[Changed, ...]  # boroughs' months, what changed most first


def changes_of(session: Session, comparison: ReleaseComparison, month: str = "") -> Changes:
    """The tables of a comparison; boroughs in all touched months unless told which."""
    cells: Sequence[Sequence[Any]] = comparison.counts["cells"]
    names = {**borough_names(session), **NO_BOROUGH}
    month = month if month in {cell[0] for cell in cells} and month else ""
    boroughs = _summed([cell for cell in cells if month in ("", cell[0])], 1, names)
    single = [_changed(f"{cell[0] or _UNDATED}, {names.get(cell[1], cell[1])}", [cell]) for cell in cells]
    single.sort(key=lambda one: (-abs(one.after - one.before), -one.added - one.changed - one.withdrawn, one.name))
    categories = [Changed(name or "None", before, after) for name, before, after in comparison.counts["categories"]]
    sums = _changed("", cells)
    return Changes(
        comparison.release,
        comparison.before,
        month,
        Changed(
            "All months",
            comparison.counts["before"],
            comparison.counts["after"],
            sums.added,
            sums.changed,
            sums.withdrawn,
        ),
        tuple(_summed(cells, 0, {"": _UNDATED})),
        tuple(sorted(boroughs, key=lambda one: (-one.after, -one.before, one.name))),
        tuple(sorted(categories, key=lambda one: (-one.after, -one.before, one.name))),
        tuple(one for one in single if one.moves)[:MOST_CHANGED],
    )


def borough_names(session: Session) -> dict[str, str]:
    """The boroughs' names by code."""
    found = session.execute(select(Area.code, Area.name).where(Area.level == AreaLevel.BOROUGH))
    return {row.code: row.name for row in found}


def _summed(cells: Sequence[Sequence[Any]], at: int, names: Mapping[str, str]) -> list[Changed]:
    """The cells put together by one of their two parts."""
    keys = sorted({cell[at] for cell in cells})
    return [_changed(names.get(key, key), [cell for cell in cells if cell[at] == key], key) for key in keys]


def _changed(name: str, cells: Sequence[Sequence[Any]], key: str = "") -> Changed:
    before, after, added, changed, withdrawn = (sum(cell[at] for cell in cells) for at in range(2, 7))
    return Changed(name, before, after, added, changed, withdrawn, key)
