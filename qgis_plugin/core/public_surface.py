"""A hotspot surface as it may be published: without its sparse cells, as a raster of the shown value alone."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from qgis.core import QgsGeometry, QgsRasterLayer, QgsRectangle

from ...shared.disclosure import published_surface, smallest_bandwidth_m
from ...shared.grids import Grid
from .analysis_error import AnalysisError
from .hotspot_styles import style_raster
from .hotspot_surface import HotspotSurface
from .hotspots import HotspotResult, Method, class_areas, temporary_path


@dataclass(frozen=True)
class PublicSurface:
    """The styled layer, how much each class covers in km², and how many cells are left undrawn as sparse."""

    layer: QgsRasterLayer
    surface: HotspotSurface
    class_km2: tuple[float, ...]
    sparse: int


def public_surface(result: HotspotResult) -> PublicSurface | None:
    """The result's surface for the public; ``None`` where the result has none (it was not computed here).

    Raises ``AnalysisError`` where it cannot be written.
    """
    surface = result.surface
    if surface is None:
        return None
    nearby = nearby_counts(surface, result.settings.neighbours)
    values = published_surface(surface.columns[surface.shown], nearby, result.masking)
    sparse = np.isnan(values) & surface.mask
    if result.method.is_density:  # left undrawn, as what lies below the lowest class is
        shown = replace(surface, columns={surface.shown: values}, mask=surface.mask & ~sparse)
    else:  # not significant, as where nothing is: a hole would tell where a few incidents lie
        shown = replace(surface, columns={surface.shown: np.nan_to_num(values)})
    path = temporary_path(Method.KDE_RASTER if result.method.is_density else Method.GI_RASTER)
    shown.to_raster(path)
    layer = QgsRasterLayer(str(path), result.layer.name(), "gdal")
    if not layer.isValid():
        raise AnalysisError(f"The map for publication cannot be drawn from {path}: try again.")
    style_raster(layer, result.classes)
    return PublicSurface(layer, shown, class_areas(shown, result.classes, result.method.is_density), int(sparse.sum()))


def cold_shape(surface: HotspotSurface) -> QgsGeometry:
    """The cold cells of a Gi* surface as one shape, empty where there are none."""
    return shape_of(surface.grid, surface.mask & (np.nan_to_num(surface.columns["class"]) < 0))


def shape_of(grid: Grid, cells: np.ndarray) -> QgsGeometry:
    """Some cells as one shape, empty where there are none; ``cells`` marks them, southernmost row first."""
    runs = []
    for row in np.flatnonzero(cells.any(axis=1)).tolist():
        edges = np.flatnonzero(np.diff(np.concatenate([[0], cells[row].astype(np.int8), [0]])))
        south = grid.bottom + row * grid.cell
        for first, end in zip(edges[::2].tolist(), edges[1::2].tolist()):
            west, east = grid.left + first * grid.cell, grid.left + end * grid.cell
            runs.append(QgsGeometry.fromRect(QgsRectangle(west, south, east, south + grid.cell)))
    return QgsGeometry.unaryUnion(runs) if runs else QgsGeometry()


def too_fine_to_publish(result: HotspotResult) -> float | None:
    """The bandwidth in metres that a density needs before it may be published; ``None`` where it has it."""
    needed = smallest_bandwidth_m(result.precision_m)
    used = result.settings.bandwidth_m
    return needed if result.method.is_density and used is not None and used < needed else None


def too_narrow_to_publish(result: HotspotResult) -> float | None:
    """How many metres across the neighbourhoods of Gi* must be to be published; ``None`` where they are."""
    needed = smallest_bandwidth_m(result.precision_m)
    if result.method.is_density or result.settings.cell_m is None:
        return None
    return needed if (2 * result.settings.neighbours + 1) * result.settings.cell_m < needed else None


def nearby_counts(surface: HotspotSurface, neighbours: int) -> np.ndarray:
    """How many incidents lie within the bandwidth of each cell's centre; for Gi*, in the cell's neighbourhood."""
    counts = surface.columns["count"]
    if surface.bandwidth_m is None:
        widths = dict.fromkeys(range(-neighbours, neighbours + 1), neighbours)
    else:
        reach = surface.bandwidth_m / surface.grid.cell
        rows = range(-int(reach), int(reach) + 1)
        widths = {row: int(np.sqrt(max(0.0, reach * reach - row * row))) for row in rows}
    return _sums(np.asarray(counts, dtype=np.int64), widths)


def _sums(counts: np.ndarray, widths: dict[int, int]) -> np.ndarray:
    """Sums over a window given by its half width in each row offset, by running sums along the rows."""
    high, wide = counts.shape
    running = np.concatenate([np.zeros((high, 1), dtype=np.int64), counts.cumsum(axis=1)], axis=1)
    columns = np.arange(wide)
    total = np.zeros_like(counts)
    for offset, half in widths.items():
        row_sums = running[:, np.minimum(columns + half + 1, wide)] - running[:, np.maximum(columns - half, 0)]
        low, top = max(0, -offset), min(high, high - offset)
        if low < top:
            total[low:top] += row_sums[low + offset : top + offset]
    return total
