"""Grids of regular hexagons over the National Grid, pointed at the top: where they lie, how many incidents each holds.

Arrays have the shape ``(rows, columns)`` of *half steps*: a hexagon's neighbours in its own row are two columns away,
those in the next rows one. So only every other element is a hexagon (``HexGrid.there``); the rest hold nothing. In this
form a neighbourhood is the same pattern everywhere, and what is written for square grids works unchanged.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .grids import MAX_CELLS, GridError

_ROW = math.sqrt(3) / 2  # from one row of centres to the next, as a share of the width


@dataclass(frozen=True)
class HexGrid:
    """``left`` and ``bottom`` are the *centre* of the first element; ``cell`` is a hexagon's width across its flat
    sides in metres, so that centres of neighbours lie ``cell`` apart.
    """

    left: float
    bottom: float
    cell: float
    rows: int
    columns: int

    @classmethod
    def covering(cls, left: float, bottom: float, right: float, top: float, cell: float) -> HexGrid:
        """The grid whose hexagons cover an extent; grids of one size agree. Raises ``GridError`` as ``Grid`` does."""
        if not (cell > 0 and math.isfinite(cell)):
            raise GridError(f"The cell size must be more than 0 metres; it is {cell}.")
        if not all(math.isfinite(value) for value in (left, bottom, right, top)) or right < left or top < bottom:
            raise GridError("The extent is empty: choose a study area that holds something.")
        step, height = cell / 2, cell * _ROW
        # Starting at even numbers, row and column of every hexagon are both even or both odd.
        first_column = 2 * (math.floor(left / step) // 2 - 1)
        first_row = 2 * (math.floor(bottom / height) // 2)
        columns = math.ceil(right / step) + 3 - first_column
        rows = math.ceil(top / height) + 2 - first_row
        if rows * columns > MAX_CELLS:
            raise GridError(
                f"Hexagons of {cell:g} m over {(right - left) / 1000:,.0f} × {(top - bottom) / 1000:,.0f} km are "
                f"{rows * columns // 2:,} cells, more than {MAX_CELLS // 2:,}: choose larger cells, or look for an "
                "incident placed far outside the area."
            )
        return cls(first_column * step, first_row * height, cell, rows, columns)

    @property
    def shape(self) -> tuple[int, int]:
        """``(rows, columns)``."""
        return self.rows, self.columns

    @property
    def cell_area_km2(self) -> float:
        """The area of one hexagon in km²."""
        return _ROW * self.cell**2 / 1e6

    @property
    def there(self) -> NDArray[np.bool_]:
        """Which elements are hexagons."""
        return (np.arange(self.rows)[:, None] + np.arange(self.columns)[None, :]) % 2 == 0

    def centres(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Eastings of the columns' centres, shape ``(columns,)``, and northings of the rows', shape ``(rows,)``."""
        return (
            self.left + np.arange(self.columns, dtype=np.float64) * (self.cell / 2),
            self.bottom + np.arange(self.rows, dtype=np.float64) * (self.cell * _ROW),
        )

    def cells_of(
        self, eastings: ArrayLike, northings: ArrayLike
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
        """Column and row of the hexagon that holds each point (the one whose centre is nearest; on a border the
        southern, or western), and whether it lies in the grid.
        """
        across = (np.asarray(eastings, dtype=float) - self.left) / (self.cell / 2)
        up = (np.asarray(northings, dtype=float) - self.bottom) / (self.cell * _ROW)
        below = np.floor(up).astype(np.int64)
        column, row, least = (np.zeros(len(up), dtype=np.int64), below.copy(), np.full(len(up), np.inf))
        for candidate in (below, below + 1):
            parity = candidate % 2
            nearest = 2 * np.ceil((across - parity) / 2 - 0.5).astype(np.int64) + parity
            squared = ((across - nearest) / 2) ** 2 + ((up - candidate) * _ROW) ** 2
            nearer = squared < least
            column[nearer], row[nearer], least[nearer] = nearest[nearer], candidate[nearer], squared[nearer]
        inside = (column >= 0) & (column < self.columns) & (row >= 0) & (row < self.rows)
        return column, row, inside

    def bin(self, eastings: ArrayLike, northings: ArrayLike, weights: ArrayLike | None = None) -> NDArray[Any]:
        """Incidents per hexagon (int64), or the sum of their ``weights`` (float64); those outside are left out."""
        column, row, inside = self.cells_of(eastings, northings)
        flat = row[inside] * self.columns + column[inside]
        chosen = None if weights is None else np.asarray(weights, dtype=float)[inside]
        return np.bincount(flat, chosen, minlength=self.rows * self.columns).reshape(self.shape)

    def outlines(self, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> NDArray[np.float64]:
        """The closed outlines of hexagons, shape ``(n, 7, 2)``, counter-clockwise."""
        x, y = self.left + columns * (self.cell / 2), self.bottom + rows * (self.cell * _ROW)
        half, radius = self.cell / 2, self.cell / math.sqrt(3)
        corners = ((0, -1), (1, -0.5), (1, 0.5), (0, 1), (-1, 0.5), (-1, -0.5), (0, -1))
        return np.stack([np.stack([x + dx * half, y + dy * radius], axis=-1) for dx, dy in corners], axis=1)


def steps_around(steps: int) -> NDArray[np.float64]:
    """The weights of a hexagon and all within so many steps from side to side, as a pattern of half steps."""
    if steps < 1:
        raise GridError(f"The neighbourhood must reach at least 1 cell; it is {steps}.")
    up = np.abs(np.arange(-steps, steps + 1))[:, None]
    across = np.abs(np.arange(-2 * steps, 2 * steps + 1))[None, :]
    away = up + np.maximum(across - up, 0) / 2
    return ((away <= steps) & ((up + across) % 2 == 0)).astype(float)


def within_distance(cell: float, distance: float) -> NDArray[np.float64]:
    """The weights of a hexagon and all whose centres lie at a distance ≤ ``distance`` metres."""
    if distance < cell:
        raise GridError(
            f"The neighbourhood distance of {distance:g} m is smaller than the cell of {cell:g} m, so no cell would "
            "have a neighbour: choose a larger distance or smaller cells."
        )
    reach = int(distance / (cell * _ROW)), int(2 * distance / cell)
    up, across = (np.arange(-number, number + 1) for number in reach)
    # In quarters of the squared width, so that distances of whole widths are exact.
    squared = 3 * up[:, None] ** 2 + across[None, :] ** 2
    near = squared <= 4 * (distance / cell) ** 2 * (1 + 1e-12)
    return (near & ((up[:, None] + across[None, :]) % 2 == 0)).astype(float)
