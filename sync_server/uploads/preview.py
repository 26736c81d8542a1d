"""What publishing an upload would change, for a page: tables and a map of counts, and no row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import shapely
from markupsafe import Markup
from sqlalchemy import select
from sqlalchemy.orm import Session

from ..datasets.models import Area, AreaLevel
from ..publishing.comparing_tables import NO_BOROUGH
from ..quality.charts import ClassRange, area_map, class_ranges

# Finer than a pixel of the map is.
_SIMPLER_BY_M = 60


@dataclass(frozen=True)
class Change:
    """Rows before and after, of a month or a place."""

    name: str
    before: int
    after: int

    @property
    def difference(self) -> str:
        """With its sign; a dash for none."""
        return f"{self.after - self.before:+,}".replace("-", "−") if self.after != self.before else "–"


@dataclass(frozen=True)
class Preview:
    """Changes by month and by borough (the largest first), and the map of the rows after."""

    months: tuple[Change, ...]
    boroughs: tuple[Change, ...]
    total: Change
    map: Markup
    classes: tuple[ClassRange, ...]


def preview_of(session: Session, comparison: Iterable[list[Any]]) -> Preview:
    """Of the cells [month, place, before, after] of an upload."""
    shapes, names = _boroughs(session)
    months, places = _Sums(), _Sums()
    for month, place, before, after in comparison:
        months.add(month or "Undated", before, after)
        places.add(place, before, after)
    known = {**names, **NO_BOROUGH}
    changes = [Change(known.get(one.name, one.name), one.before, one.after) for one in places.changes()]
    after = {code: places.after[code] for code in shapes}
    most = max(after, key=lambda code: after[code], default="")
    title = "Map of rows by borough, as they would be after publishing"
    if most and after[most]:
        title += f": most lie in {names[most]} ({after[most]:,})"
    return Preview(
        months=tuple(months.changes()),
        boroughs=tuple(sorted(changes, key=lambda one: (-one.after, -one.before, one.name))),
        total=Change("Together", sum(months.before.values()), sum(months.after.values())),
        map=area_map(shapes, names, after, title, "none") if shapes else Markup(),
        classes=tuple(class_ranges(list(after.values()))),
    )


class _Sums:
    """Sums before and after, by name."""

    def __init__(self) -> None:
        self.before: Counter[str] = Counter()
        self.after: Counter[str] = Counter()

    def add(self, name: str, before: int, after: int) -> None:
        """Count a cell."""
        self.before[name] += before
        self.after[name] += after

    def changes(self) -> list[Change]:
        """In the order of the names."""
        return [Change(name, self.before[name], self.after[name]) for name in sorted(self.before)]


def _boroughs(session: Session) -> tuple[Mapping[str, shapely.Geometry], Mapping[str, str]]:
    """Shapes, made simpler, and names by code."""
    rows = session.execute(
        select(Area.code, Area.name, Area.shape).where(Area.level == AreaLevel.BOROUGH).order_by(Area.code)
    ).all()
    shapes = shapely.simplify(shapely.from_wkb([row.shape for row in rows]), _SIMPLER_BY_M)
    return dict(zip([row.code for row in rows], shapes, strict=True)), {row.code: row.name for row in rows}
