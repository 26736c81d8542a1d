"""Hotspots of a million points: in memory beside bare counting and convolving, KDEpy, and libpysal with esda; in QGIS,
from a local copy to a styled layer, beside its heatmap.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import esda
import KDEpy
import libpysal
import numpy as np
import scipy
from esda.getisord import G_Local
from KDEpy import FFTKDE
from numpy.typing import NDArray
from scipy.signal import fftconvolve

from ..shared.getis_ord import gi_star, queen
from ..shared.grids import Grid
from ..shared.kernel_density import kernel_density
from ..sync_server.publishing.geopackage import POINT, write_geopackage
from .incidents import LAYER, PointSet, clustered_points, london_grid, met_rows
from .job import Outcome, Place
from .measuring import Contender, Kind, Measure, UnmeasurableError, in_turns

POINTS = 1_000_000
GRIDS = ((250, 1000), (100, 500))  # cell and bandwidth in metres
_ROUNDS_IN_MEMORY = 7
_TIMES_BARE = 2.0
_OF_KDEPY = 1.0
_OF_ESDA = 1 / 100
_AGREE = 1e-9


def measure(place: Place) -> Outcome:
    """In memory on two grids; in QGIS over a file like the one that a pull brings."""
    points = clustered_points(POINTS)
    versions = {
        "NumPy": np.__version__,
        "SciPy": scipy.__version__,
        "KDEpy": KDEpy.__version__,
        "libpysal": libpysal.__version__,
        "esda": esda.__version__,
    }
    outcome = Outcome(versions=versions)
    for cell, bandwidth in GRIDS:
        outcome.measures += _in_memory(points, cell, bandwidth, place.scratch)
    copy = place.scratch / f"{LAYER}.gpkg"
    write_geopackage(copy, LAYER, met_rows(POINTS, place.resources), POINT, spatial_index=True)
    try:
        done, of_desk = place.desk.measure("hotspot_layers", copy=copy, layer=LAYER, scratch=place.scratch)
    except UnmeasurableError as reason:
        outcome.skipped.append(f"Hotspots in QGIS: {reason}.")
    else:
        outcome.measures += done
        outcome.versions.update(of_desk)
    return outcome


def _in_memory(points: PointSet, cell: int, bandwidth: int, scratch: Path) -> list[Measure]:
    grid = london_grid(cell)
    everywhere = np.ones(grid.shape, dtype=bool)
    eastings, northings = points.eastings, points.northings

    def density(_folder: Path) -> None:
        kernel_density(eastings, northings, grid, bandwidth)

    def getis_ord(_folder: Path) -> None:
        gi_star(grid.bin(eastings, northings), everywhere, queen())

    def bare(kernel: NDArray[np.float64]) -> Callable[[Path], object]:
        return lambda _folder: fftconvolve(_counted(points, grid), kernel, "same")

    def of_kdepy(_folder: Path) -> None:
        _kdepy_density(points, grid, bandwidth)

    def of_esda(_folder: Path) -> None:
        _esda_z(_counted(points, grid))

    _must_agree(points, grid)
    cells = f"{POINTS:,} points in memory, {grid.rows * grid.columns:,} cells of {cell} m"
    return [
        in_turns(
            f"Kernel density, {cells}, bandwidth {bandwidth:,} m",
            [
                Contender("shared.kernel_density", Kind.OURS, density),
                Contender("KDEpy FFTKDE", Kind.PEER, of_kdepy, aim=_OF_KDEPY),
                Contender(
                    "bincount into the cells and one FFT convolution",
                    Kind.LIMIT,
                    bare(_quartic(bandwidth, cell)),
                    aim=_TIMES_BARE,
                ),
            ],
            scratch,
            _ROUNDS_IN_MEMORY,
            note="Ours keeps each point's own place, which the bare way moves to the middle of its cell. KDEpy's "
            "biweight is the same kernel with the same reach.",
        ),
        in_turns(
            f"Gi* with p and q, {cells}, 3 × 3 cells",
            [
                Contender("shared.getis_ord", Kind.OURS, getis_ord),
                Contender(
                    "bincount into the cells and one FFT convolution", Kind.LIMIT, bare(queen()), aim=_TIMES_BARE
                ),
            ],
            scratch,
            _ROUNDS_IN_MEMORY,
        ),
        in_turns(
            f"Gi* with p and q beside libpysal and esda, {cells}, 3 × 3 cells",
            [
                Contender("shared.getis_ord", Kind.OURS, getis_ord),
                Contender("libpysal lat2W and esda G_Local", Kind.PEER, of_esda, aim=_OF_ESDA),
            ],
            scratch,
            warm_up=False,
            note="The same z to nine digits. Theirs makes its table of neighbours each time, and corrects no p.",
        ),
    ]


def _counted(points: PointSet, grid: Grid) -> NDArray[np.float64]:
    """The least that counting takes: points beyond the grid are looked for, as in any real data."""
    column = ((points.eastings - grid.left) / grid.cell).astype(np.int32)
    row = ((points.northings - grid.bottom) / grid.cell).astype(np.int32)
    inside = (column >= 0) & (column < grid.columns) & (row >= 0) & (row < grid.rows)
    flat = row[inside] * grid.columns + column[inside]
    return np.bincount(flat, minlength=grid.rows * grid.columns).reshape(grid.shape).astype(float)


def _quartic(bandwidth: float, cell: float) -> NDArray[np.float64]:
    reach = int(np.ceil(bandwidth / cell))
    offsets = np.arange(-reach, reach + 1) * cell
    ratio = (offsets[:, None] ** 2 + offsets[None, :] ** 2) / bandwidth**2
    return np.where(ratio < 1, (1 - ratio) ** 2, 0.0)


def _kdepy_density(points: PointSet, grid: Grid, bandwidth: float) -> NDArray[np.float64]:
    # Its grid has to reach beyond every point; its bandwidth is the kernel's standard deviation, a reach / √7.
    around = grid.padded(1)
    eastings, northings = around.centres()
    nodes = np.stack(np.meshgrid(eastings, northings, indexing="ij"), -1).reshape(-1, 2)
    data = np.stack([points.eastings, points.northings], axis=1)
    estimate = FFTKDE(kernel="biweight", bw=bandwidth / np.sqrt(7)).fit(data)
    return np.asarray(estimate.evaluate(nodes))


def _esda_z(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    weights = libpysal.weights.lat2W(*counts.shape, rook=False, silence_warnings=True)
    # Its own default, "R", gives z divided by the root of the number of neighbours.
    found: Any = G_Local(counts.ravel(), weights, star=True, transform="B", permutations=0)
    return np.asarray(found.Zs).reshape(counts.shape)


def _must_agree(points: PointSet, grid: Grid) -> None:
    """Raise ``RuntimeError`` where esda's z are not ours: else the times would be of different work."""
    some = _counted(points, grid)[:60, :60].astype(np.int64)
    ours = gi_star(some, np.ones(some.shape, dtype=bool), queen()).z
    apart = float(np.abs(ours - _esda_z(some.astype(float))).max())
    if apart > _AGREE:
        raise RuntimeError(f"Gi* of esda differs by {apart}.")
