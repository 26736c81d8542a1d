"""Square grids over the National Grid: where cells lie, and how many incidents fall into each.

Arrays of cells have the shape ``(rows, columns)``; row 0 is the *southernmost*, column 0 the westernmost.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

MAX_CELLS = 25_000_000


class GridError(ValueError):
    """No sensible grid can be made; the message says why and what to do."""


@dataclass(frozen=True)
class Grid:
    """``left`` and ``bottom`` of the first cell in metres, the ``cell`` size in metres, rows and columns."""

    left: float
    bottom: float
    cell: float
    rows: int
    columns: int

    @classmethod
    def covering(cls, left: float, bottom: float, right: float, top: float, cell: float) -> Grid:
        """The grid over an extent; its lines lie on multiples of ``cell``, so that grids of one size agree.

        Raises ``GridError`` for a cell that is not positive and for more than ``MAX_CELLS`` cells.
        """
        if not (cell > 0 and math.isfinite(cell)):
            raise GridError(f"The cell size must be more than 0 metres; it is {cell}.")
        if not all(math.isfinite(value) for value in (left, bottom, right, top)) or right < left or top < bottom:
            raise GridError("The extent is empty: choose a study area that holds something.")
        first_column, first_row = math.floor(left / cell), math.floor(bottom / cell)
        columns = math.floor(right / cell) - first_column + 1
        rows = math.floor(top / cell) - first_row + 1
        if rows * columns > MAX_CELLS:
            raise GridError(
                f"Cells of {cell:g} m over {(right - left) / 1000:,.0f} × {(top - bottom) / 1000:,.0f} km are "
                f"{rows * columns:,} cells, more than {MAX_CELLS:,}: choose larger cells, or look for an incident "
                "placed far outside the area."
            )
        return cls(first_column * cell, first_row * cell, cell, rows, columns)

    @property
    def shape(self) -> tuple[int, int]:
        """``(rows, columns)``."""
        return self.rows, self.columns

    @property
    def cell_area_km2(self) -> float:
        """The area of one cell in km²."""
        return self.cell**2 / 1e6

    def centres(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Eastings of the columns' centres, shape ``(columns,)``, and northings of the rows', shape ``(rows,)``."""
        return (
            self.left + (np.arange(self.columns, dtype=np.float64) + 0.5) * self.cell,
            self.bottom + (np.arange(self.rows, dtype=np.float64) + 0.5) * self.cell,
        )

    def bin(self, eastings: ArrayLike, northings: ArrayLike, weights: ArrayLike | None = None) -> NDArray[Any]:
        """Incidents per cell (int64), or the sum of their ``weights`` (float64).

        One on a line belongs to the cell to its east or north; those outside are left out.
        """
        column, row, inside = self.cells_of(eastings, northings)
        chosen = None if weights is None else np.asarray(weights, dtype=float)
        flat = row * self.columns + column
        if not inside.all():
            flat, chosen = flat[inside], None if chosen is None else chosen[inside]
        return np.bincount(flat, chosen, minlength=self.rows * self.columns).reshape(self.shape)

    def cells_of(
        self, eastings: ArrayLike, northings: ArrayLike
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
        """Column and row of each point, and whether it lies in the grid at all."""
        column = np.floor((np.asarray(eastings, dtype=float) - self.left) / self.cell).astype(np.int64)
        row = np.floor((np.asarray(northings, dtype=float) - self.bottom) / self.cell).astype(np.int64)
        inside = (column >= 0) & (column < self.columns) & (row >= 0) & (row < self.rows)
        return column, row, inside

    def outlines(self, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> NDArray[np.float64]:
        """The closed outlines of cells, shape ``(n, 5, 2)``, counter-clockwise from the south-west."""
        west, south = self.left + columns * self.cell, self.bottom + rows * self.cell
        corners = ((0, 0), (1, 0), (1, 1), (0, 1), (0, 0))
        return np.stack([np.stack([west + x * self.cell, south + y * self.cell], -1) for x, y in corners], axis=1)

    @property
    def there(self) -> NDArray[np.bool_]:
        """Which elements are cells: of a square grid, all."""
        return np.ones(self.shape, dtype=bool)

    def refined(self, factor: int) -> Grid:
        """The same extent in cells ``factor`` times smaller."""
        return Grid(self.left, self.bottom, self.cell / factor, self.rows * factor, self.columns * factor)

    def padded(self, cells: int) -> Grid:
        """The grid with so many more cells on every side."""
        return Grid(
            self.left - cells * self.cell,
            self.bottom - cells * self.cell,
            self.cell,
            self.rows + 2 * cells,
            self.columns + 2 * cells,
        )


def convolve(values: NDArray[Any], kernel: NDArray[np.float64]) -> NDArray[np.float64]:
    """The sum of ``values`` around each cell weighted by ``kernel`` (odd sides, symmetric); zero beyond the edge.

    By FFT in double precision: the error is about 1e-15 of the largest sum.
    """
    rows, columns = values.shape
    kernel_rows, kernel_columns = kernel.shape
    size = (fast_length(rows + kernel_rows - 1), fast_length(columns + kernel_columns - 1))
    product = np.fft.rfft2(values, size) * np.fft.rfft2(kernel, size)
    full = np.fft.irfft2(product, size)
    top, left = kernel_rows // 2, kernel_columns // 2
    return full[top : top + rows, left : left + columns]


def neighbour_sums(values: NDArray[Any], weights: NDArray[np.float64]) -> NDArray[Any]:
    """The sum of ``values`` over each cell's neighbourhood, ``weights`` (of 0 and 1) being its pattern.

    Exact (int64) where the values are whole numbers or truths; else within 1e-14 of the largest sum.
    """
    whole = not np.issubdtype(values.dtype, np.floating)
    if whole and (weights == 1).all():
        return _box_sums(values, *weights.shape)
    sums = convolve(values, weights)
    # By FFT a sum of whole numbers is off by far less than a half.
    return np.rint(sums).astype(np.int64) if whole else sums


def _box_sums(values: NDArray[Any], height: int, width: int) -> NDArray[np.int64]:
    rows, columns = values.shape
    # Totals of all to the south-west; four of them make a box.
    total = np.zeros((rows + height, columns + width), dtype=np.int64)
    up, right = height // 2 + 1, width // 2 + 1
    total[up : up + rows, right : right + columns] = values
    np.cumsum(total, axis=0, out=total)
    np.cumsum(total, axis=1, out=total)
    return total[height:, width:] - total[:-height, width:] - total[height:, :-width] + total[:-height, :-width]


def fast_length(length: int) -> int:
    """The next length with no prime factor above 5: FFTs of others take many times as long."""
    while True:
        rest = length
        for factor in (2, 3, 5):
            while rest % factor == 0:
                rest //= factor
        if rest == 1:
            return length
        length += 1
