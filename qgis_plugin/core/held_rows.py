"""Rows of a layer in memory, by square cells: many questions about one neighbourhood, read from the file once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from qgis.core import QgsRectangle

from ...shared.presets import Exclusion
from ...shared.windows import Window
from .periods import Period
from .points import NOTHING, CancelledCheck, Points, Rows, never_cancelled

_CELL_M = 500.0


class HeldRows:
    """Those of ``rows`` with a place in a rectangle, of a period, less what is left out; beyond it nothing is found."""

    def __init__(self, rows: Rows, points: Points) -> None:
        self.facts, self.identity, self.kept_file = rows.facts, rows.identity, rows.kept_file
        self._rows = rows
        self._unplaced: dict[Window, int] = {}
        self._west = float(points.eastings.min()) if len(points) else 0.0
        self._south = float(points.northings.min()) if len(points) else 0.0
        column, row = self._column(points.eastings), self._row(points.northings)
        self._width = int(column.max()) + 1 if len(points) else 1
        cell = row * self._width + column
        order = np.argsort(cell, kind="stable")
        self._points, self._cell = points.where(order), cell[order]

    @classmethod
    def around(
        cls,
        rows: Rows,
        places: Sequence[Sequence[int]],
        margin: float,
        period: Period,
        leave_out: Exclusion,
        cancelled: CancelledCheck = never_cancelled,
    ) -> HeldRows:
        """Those within ``margin`` metres of the rectangle of some places; raises ``Cancelled``."""
        west, south = np.min(places, axis=0).tolist()
        east, north = np.max(places, axis=0).tolist()
        box = QgsRectangle(west - margin, south - margin, east + margin, north + margin)
        return cls(rows, rows.read(box, period, cancelled=cancelled, leave_out=leave_out))

    def read(
        self,
        extent: QgsRectangle | None = None,
        period: Period | None = None,
        *,
        cancelled: CancelledCheck = never_cancelled,
        leave_out: Exclusion = NOTHING,
    ) -> Points:
        """Those inside ``extent`` (border included), of the period; what was left out stays out."""
        points = self._points
        if extent is not None:
            edges = np.array([extent.xMinimum(), extent.xMaximum()]), np.array([extent.yMinimum(), extent.yMaximum()])
            (left, right), (bottom, top) = self._column(edges[0]).tolist(), self._row(edges[1]).tolist()
            left, right = max(left, 0), min(right, self._width - 1)
            rows = np.arange(max(bottom, 0), top + 1) * self._width
            starts = np.searchsorted(self._cell, rows + left)
            ends = np.searchsorted(self._cell, rows + right, side="right") if right >= left else starts
            chosen = [np.arange(start, end) for start, end in zip(starts.tolist(), ends.tolist())]
            points = points.where(np.concatenate(chosen) if chosen else np.zeros(0, dtype=np.int64))
            x, y = points.eastings, points.northings
            within_x = (x >= extent.xMinimum()) & (x <= extent.xMaximum())
            points = points.where(within_x & (y >= extent.yMinimum()) & (y <= extent.yMaximum()))
        if period is not None:
            points = points.where((points.months >= period.first) & (points.months <= period.last))
        return points

    def unplaced(self, window: Window, cancelled: CancelledCheck = never_cancelled) -> int:
        """How many rows of the months, anywhere in the layer, have no place."""
        if window not in self._unplaced:
            self._unplaced[window] = self._rows.unplaced(window, cancelled)
        return self._unplaced[window]

    def categories(self, cancelled: CancelledCheck = never_cancelled) -> tuple[str, ...]:
        """The categories that occur in the layer."""
        return self._rows.categories(cancelled)

    def _column(self, eastings: np.ndarray) -> np.ndarray:
        return np.floor((eastings - self._west) / _CELL_M).astype(np.int64)

    def _row(self, northings: np.ndarray) -> np.ndarray:
        return np.floor((northings - self._south) / _CELL_M).astype(np.int64)
