"""Where a place stands among the postcodes of its borough: every one of them counted, once per local copy.

What was worked out is kept in memory, and of a local copy in a file beside it, which goes with the copy.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from qgis.core import QgsRectangle

from ...shared import rings
from ...shared.presets import Exclusion
from ...shared.ranks import Distribution, count_all
from ...shared.rings import AnyBand
from ...shared.windows import Window
from .errors import Cancelled
from .local_store import LocalStore
from .periods import Period
from .places import PlaceFinder
from .points import CancelledCheck, Points, Rows, never_cancelled

_VERSION = 1
_PLACES_AT_ONCE = 4_000


@dataclass(frozen=True)
class RankTable:
    """How often each count occurs among a borough's postcodes, by category (``None``: all) and radius."""

    borough: str
    postcodes: int
    distributions: dict[tuple[str | None, int], Distribution]

    def of(self, category: str | None, radius: int) -> Distribution:
        """That of a category and ring; one that never occurs in the borough is 0 everywhere."""
        return self.distributions.get((category, radius)) or Distribution((0,), (self.postcodes,))

    def to_json(self) -> dict[str, Any]:
        """Plain JSON types."""
        rows = [[category, radius, one.counts, one.postcodes] for (category, radius), one in self.distributions.items()]
        return {"borough": self.borough, "postcodes": self.postcodes, "distributions": rows}

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> RankTable:
        """The table; raises ``KeyError``, ``TypeError`` or ``ValueError`` for what is none."""
        rows = document["distributions"]
        return cls(
            str(document["borough"]),
            int(document["postcodes"]),
            {(category, radius): Distribution(tuple(c), tuple(p)) for category, radius, c, p in rows},
        )


class BoroughRanks:
    """The tables of the layers that are searched."""

    def __init__(self, store: LocalStore, finder: PlaceFinder) -> None:
        self._store = store
        self._finder = finder
        self._tables: dict[tuple[str, str, str], RankTable] = {}
        self._looked_up: set[tuple[str, str]] = set()

    def known(
        self, source: Rows, borough: str, window: Window, band: AnyBand, radii: Sequence[int], leave_out: Exclusion
    ) -> RankTable | None:
        """The table of the borough (its code), where it was worked out before."""
        if not borough:
            return None
        layer = source.identity
        if (layer, borough) not in self._looked_up:
            self._looked_up.add((layer, borough))
            for key, table in self._kept(source, borough).items():
                self._tables.setdefault((layer, borough, key), table)
        return self._tables.get((layer, borough, _key(window, band, radii, leave_out)))

    def prepare(
        self,
        source: Rows,
        borough: str,
        window: Window,
        bands: Sequence[AnyBand],
        radii: Sequence[int],
        leave_out: Exclusion,
        cancelled: CancelledCheck = never_cancelled,
    ) -> None:
        """Work out what is not known yet; for a background thread. Raises ``Cancelled`` and ``AnalysisError``."""
        missing = [band for band in bands if self.known(source, borough, window, band, radii, leave_out) is None]
        if not borough or not missing:
            return
        places = self._finder.postcodes_of(borough)
        if not len(places):
            return
        west, south = (places.min(axis=0) - max(radii)).tolist()
        east, north = (places.max(axis=0) + max(radii)).tolist()
        points = source.read(
            QgsRectangle(west, south, east, north),
            Period(window.first, window.last),
            cancelled=cancelled,
            leave_out=leave_out,
        )
        name = self._finder.borough_name(borough)
        counted = _count(points, places, missing, radii, cancelled)
        for band, distributions in zip(missing, counted):
            table = RankTable(name, len(places), distributions)
            self._tables[source.identity, borough, _key(window, band, radii, leave_out)] = table
        self._keep(source, borough)

    def postcodes_of(self, borough: str) -> np.ndarray:
        """Where the postcodes of the borough are, shape ``(n, 2)``."""
        return self._finder.postcodes_of(borough)

    # ------------------------------------------------------------------ beside a local copy

    def _kept(self, source: Rows, borough: str) -> dict[str, RankTable]:
        content = self._store.read_beside(source.kept_file, _name(borough)) if source.kept_file else None
        if content is None:
            return {}
        try:
            document = json.loads(content)
            if document["version"] != _VERSION:
                return {}
            return {str(key): RankTable.from_json(table) for key, table in document["tables"].items()}
        except (ValueError, KeyError, TypeError):
            return {}  # it is worked out anew

    def _keep(self, source: Rows, borough: str) -> None:
        if source.kept_file is None:
            return
        tables = {
            key: table.to_json()
            for (layer, found, key), table in list(self._tables.items())
            if (layer, found) == (source.identity, borough)
        }
        content = json.dumps({"version": _VERSION, "tables": tables}, separators=(",", ":")).encode()
        self._store.keep_beside(source.kept_file, _name(borough), content)


def _name(borough: str) -> str:
    return f"{borough}.ranks"


def _key(window: Window, band: AnyBand, radii: Sequence[int], leave_out: Exclusion) -> str:
    return json.dumps([window.first, window.last, band.words, *radii, *leave_out.categories, *leave_out.flags])


def _count(
    points: Points, places: np.ndarray, bands: Sequence[AnyBand], radii: Sequence[int], cancelled: CancelledCheck
) -> list[dict[tuple[str | None, int], Distribution]]:
    """For each band, how often each count occurs around the places."""
    categories, category = np.unique(points.categories, return_inverse=True)
    kinds = len(categories)
    inside = [rings.in_band(band, points.hours, points.weekdays).inside for band in bands]
    weights = np.zeros((len(points), kinds * len(bands)), dtype=np.int32)
    for number, chosen in enumerate(inside):
        weights[np.flatnonzero(chosen), category[chosen] + number * kinds] = 1
    spots = np.stack([points.eastings, points.northings], axis=1)
    counts = np.zeros((len(places), len(radii), kinds * len(bands)), dtype=np.int64)
    for first in range(0, len(places), _PLACES_AT_ONCE):
        if cancelled():
            raise Cancelled
        some = slice(first, first + _PLACES_AT_ONCE)
        counts[some] = count_all(spots, weights, places[some], radii)
    found = []
    for number in range(len(bands)):
        own = counts[:, :, number * kinds : (number + 1) * kinds]
        tables: dict[tuple[str | None, int], Distribution] = {}
        for i, radius in enumerate(radii):
            tables[None, radius] = Distribution.of(own[:, i].sum(axis=1))
            tables.update({(str(name), radius): Distribution.of(own[:, i, k]) for k, name in enumerate(categories)})
        found.append(tables)
    return found
