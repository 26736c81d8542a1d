"""Hotspots of a million points: our statistics beside bare counting, our algorithm beside QGIS's heatmap."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyogrio
import shapely

from ..shared.getis_ord import gi_star, queen
from ..shared.kernel_density import kernel_density
from ..shared.manifest import SRID
from .incidents import LONDON, PointSet, clustered_points, london_grid
from .job import Outcome, Place
from .measuring import Contender, Kind, Measure, UnmeasurableError, in_turns
from .programs import Desk

POINTS = 1_000_000
GRIDS = ((250, 1000), (100, 500))  # cell and bandwidth in metres
_ROUNDS_IN_MEMORY = 7
# Values of QGIS's own parameters.
_QUARTIC = 0
_RAW = 0


def measure(place: Place) -> Outcome:
    """In memory beside ``numpy.bincount``; over a GeoPackage, by ``qgis_process``, beside the heatmap."""
    points = clustered_points(POINTS)
    outcome = Outcome(versions={"NumPy": np.__version__})
    for cell, bandwidth in GRIDS:
        outcome.measures += _in_memory(points, cell, bandwidth, place.scratch)
    try:
        place.desk.prepare()
    except UnmeasurableError as reason:
        outcome.skipped.append(f"Kernel density beside QGIS's heatmap: {reason}.")
        return outcome
    incidents, area = place.scratch / "incidents.gpkg", place.scratch / "area.gpkg"
    _write_layer(incidents, "Point", shapely.to_wkb(shapely.points(points.eastings, points.northings)))
    _write_layer(area, "Polygon", [shapely.to_wkb(shapely.box(*LONDON))])
    outcome.measures += [
        _by_qgis_process(place.desk, incidents, area, cell, bandwidth, place.scratch) for cell, bandwidth in GRIDS
    ]
    return outcome


def _in_memory(points: PointSet, cell: int, bandwidth: int, scratch: Path) -> list[Measure]:
    grid = london_grid(cell)
    everywhere = np.ones(grid.shape, dtype=bool)

    def density(_folder: Path) -> None:
        kernel_density(points.eastings, points.northings, grid, bandwidth)

    def getis_ord(_folder: Path) -> None:
        gi_star(grid.bin(points.eastings, points.northings), everywhere, queen())

    def count(_folder: Path) -> None:
        column = ((points.eastings - grid.left) / cell).astype(np.int64)
        row = ((points.northings - grid.bottom) / cell).astype(np.int64)
        np.bincount(row * grid.columns + column, minlength=grid.rows * grid.columns)

    counting = Contender("numpy.bincount into the cells", Kind.LIMIT, count)
    cells = f"{POINTS:,} points in memory, {grid.rows * grid.columns:,} cells of {cell} m"
    return [
        in_turns(
            f"Kernel density, {cells}, bandwidth {bandwidth:,} m",
            [Contender("shared.kernel_density", Kind.OURS, density), counting],
            scratch,
            _ROUNDS_IN_MEMORY,
        ),
        in_turns(
            f"Gi* with p and q, {cells}, 3 × 3 cells",
            [Contender("shared.getis_ord", Kind.OURS, getis_ord), counting],
            scratch,
            _ROUNDS_IN_MEMORY,
        ),
    ]


def _by_qgis_process(desk: Desk, incidents: Path, area: Path, cell: int, bandwidth: int, scratch: Path) -> Measure:
    def ours(folder: Path) -> None:
        inputs = {"INPUT": incidents, "STUDY_AREA": area, "CELL": cell, "BANDWIDTH": bandwidth}
        used = desk.process("safestats:kerneldensity", {**inputs, "OUTPUT": folder / "ours.tif"})["INCIDENTS"]
        if used != POINTS:
            raise RuntimeError(f"safestats:kerneldensity used {used} of {POINTS} incidents.")

    def heatmap(folder: Path) -> None:
        inputs = {"INPUT": incidents, "RADIUS": bandwidth, "PIXEL_SIZE": cell, "KERNEL": _QUARTIC}
        output = {"OUTPUT_VALUE": _RAW, "DECAY": 0, "OUTPUT": folder / "heatmap.tif"}
        desk.process("qgis:heatmapkerneldensityestimation", {**inputs, **output})

    return in_turns(
        f"Kernel density of a GeoPackage to a GeoTIFF by qgis_process, {POINTS:,} points, cells of {cell} m, "
        f"bandwidth {bandwidth:,} m",
        [
            Contender("safestats:kerneldensity", Kind.OURS, ours),
            Contender("qgis:heatmapkerneldensityestimation", Kind.PEER, heatmap),
            Contender("qgis_process starting up", Kind.LIMIT, lambda folder: desk.start()),
        ],
        scratch,
        warm_up=False,
        note="Ours also clips to the study area and counts what has no place.",
    )


def _write_layer(path: Path, kind: str, wkb: object) -> None:
    table = pa.table({"geometry": pa.array(wkb, pa.binary())})
    pyogrio.write_arrow(table, path, driver="GPKG", geometry_name="geometry", geometry_type=kind, crs=f"EPSG:{SRID}")
