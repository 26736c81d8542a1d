"""Kernel density and Getis-Ord Gi* of incidents: computed off the window's thread, opened as a styled layer.

``run_hotspots`` computes and writes in a background thread; ``open_result`` makes the styled layer on the window's.
Incidents are clipped to the study area first, exactly. A cell belongs to the study area when its centre lies in it or
an incident of the study area lies in the cell, so that no incident is lost at the edge.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
from qgis.core import (
    QgsMapLayer,
    QgsProcessingUtils,
    QgsRasterLayer,
    QgsVectorLayer,
)

from ...shared import kernel_density as densities
from ...shared.bandwidths import Rule
from ...shared.disclosure import masking_of
from ...shared.getis_ord import Correction, GiStarError, gi_star, queen
from ...shared.grids import Grid, GridError
from ...shared.kernel_density import MIN_POINTS, DensityError, default_cell
from .analysis_error import AnalysisError
from .cautions import cautions
from .chosen_bandwidth import chosen_bandwidth
from .errors import Cancelled
from .hotspot_styles import (
    DensityClasses,
    LegendClass,
    density_classes,
    gi_classes,
    number_words,
    style_density_grid,
    style_gi_grid,
    style_raster,
)
from .hotspot_surface import HotspotSurface, unwritable
from .incidents import ALL_INCIDENTS, IncidentFilter, Incidents, Report, gather, no_report
from .periods import Period
from .point_facts import PointFacts, filter_parameter, mostly_guarded
from .points import CancelledCheck, Points, PointSource, largest_stack, never_cancelled
from .sentences import translated
from .study_areas import StudyArea, burn, checked_area

_USED, _LEFT_OUT, _UNMAPPED, _STACK = (
    "In the study area",
    "Outside it, left out",
    "Without a place",
    "Most on one point",
)
# The parameters that are counts: a page tells them in sentences of its own.
COUNT_PARAMETERS = frozenset({_USED, _LEFT_OUT, _UNMAPPED, _STACK})
_HOT_AND_COLD = "Hot / cold cells"
# What counts cells that a published map does not show.
OF_SPARSE_CELLS = frozenset({_HOT_AND_COLD})
# Counts of smaller cells are mostly nought and one, whatever the size of the study area: nothing to compare.
GI_SMALLEST_CELL_M = 100.0
MOST_CELLS = 8_000_000  # London in cells of 25 m has fewer
# A polygon each: more would fill the disk before they are ever drawn.
MOST_CELLS_OF_A_LAYER = 1_000_000
CORRECTION_WORDS = {
    Correction.BENJAMINI_HOCHBERG: "Benjamini–Hochberg, over all cells",
    Correction.BENJAMINI_YEKUTIELI: "Benjamini–Yekutieli, over all cells (stricter)",
    Correction.NONE: "none",
}


class Method(str, Enum):
    """What is computed, and as which kind of layer."""

    KDE_RASTER = "kde-raster"
    KDE_GRID = "kde-grid"
    GI_GRID = "gi-grid"
    GI_RASTER = "gi-raster"

    @property
    def is_density(self) -> bool:
        """Whether the method is a kernel density, else Gi*."""
        return self in (Method.KDE_RASTER, Method.KDE_GRID)

    @property
    def suffix(self) -> str:
        """The suffix of the file that the method writes."""
        return ".tif" if self in (Method.KDE_RASTER, Method.GI_RASTER) else ".gpkg"

    @property
    def words(self) -> str:
        """The method's name for people."""
        return {
            Method.KDE_RASTER: "Kernel density, as raster",
            Method.KDE_GRID: "Kernel density, as grid",
            Method.GI_GRID: "Hot and cold spots (Getis-Ord Gi*), as grid",
            Method.GI_RASTER: "Hot and cold spots (Getis-Ord Gi*), as raster",
        }[self]


@dataclass(frozen=True)
class HotspotSettings:
    """Method and parameters; ``None`` for cell or bandwidth (metres) means automatic."""

    method: Method = Method.KDE_RASTER
    cell_m: float | None = None
    bandwidth_m: float | None = None
    neighbours: int = 1
    correction: Correction = Correction.BENJAMINI_HOCHBERG
    edge_correction: bool = False
    classes: DensityClasses = DensityClasses.MULTIPLES


@dataclass(frozen=True)
class HotspotRun:
    """A finished run whose layer is on disk but not yet open."""

    settings: HotspotSettings
    path: Path
    facts: PointFacts
    wanted: IncidentFilter
    area: StudyArea
    surface: HotspotSurface
    incidents: Incidents
    classes: tuple[LegendClass, ...]
    largest_stack: int
    notes: tuple[str, ...]
    guarded: bool


@dataclass(frozen=True)
class HotspotResult:
    """A finished run: the layer and everything that a reader needs to judge it.

    ``parameters`` are (words, value in words) in the order to be printed, with the values that were used, automatic
    ones included. ``used`` incidents lie in the study area; ``outside`` were left out; ``unmapped`` have no place.
    """

    method: Method
    layer: QgsMapLayer
    source_layer_id: str
    dataset: str
    dataset_title: str
    what: str  # the categories in words, “all incidents”
    period: Period | None
    study_area: StudyArea
    legend_title: str
    classes: tuple[LegendClass, ...]
    parameters: tuple[tuple[str, str], ...]
    used: int
    outside: int
    unmapped: int | None
    largest_stack: int
    snapped: bool
    caveats: tuple[str, ...]
    attribution: str
    synthetic: bool
    newest_month: str
    run_on: date
    notes: tuple[str, ...] = ()
    # For further runs beside this one: what was wanted, and the settings with cell and bandwidth as they were used.
    wanted: IncidentFilter = IncidentFilter()
    settings: HotspotSettings = HotspotSettings()
    class_km2: tuple[float, ...] = ()  # how much of the study area each class covers
    surface: HotspotSurface | None = None
    precision_m: float | None = None  # of the least exact place; None where not every incident tells
    threshold: int = 0  # smaller counts are not published; 0: than the usual one
    audited_filter: Mapping[str, Any] = field(default_factory=dict)  # of the layer's own; empty where it had none
    guarded: bool = False  # few others lie beside what is published among others only
    names_rows: bool = False  # the layer's own filter picks single rows
    names_days: bool = False  # it is by days or hours

    @property
    def masking(self) -> int:
        """The largest count that is withheld in public."""
        return masking_of(self.threshold)

    @property
    def title(self) -> str:
        """Type, place and dates: “Density of burglary, Camden, January 2025 to December 2025”; and whether filtered."""
        kind = "Density" if self.method.is_density else "Hot and cold spots"
        period = f", {self.period.label}" if self.period else ""
        filtered = translated(", layer filtered") if self.audited_filter else ""
        what = self.what if self.what != ALL_INCIDENTS else self.dataset_title.replace(" (synthetic)", "")
        return f"{kind} of {what}, {self.study_area.label}{period}{filtered}"


def run_hotspots(
    source: PointSource,
    area: StudyArea,
    wanted: IncidentFilter,
    settings: HotspotSettings,
    path: Path,
    cancelled: CancelledCheck = never_cancelled,
    report: Report = no_report,
) -> HotspotRun:
    """Compute and write the layer to ``path``; for a background thread.

    Raises ``AnalysisError`` (too few incidents, empty study area, bandwidth smaller than the cell …) or ``Cancelled``.
    """
    check_cells(area, settings)
    incidents = gather(source, area, wanted, cancelled, report, places_only=True)
    report("Computing", 65, 100)
    surface = compute(incidents.points, area, settings)
    if cancelled():
        raise Cancelled
    report("Writing the layer", 80, 100)
    if settings.method.suffix == ".tif":
        surface.to_raster(path)
    else:
        surface.to_grid(path, cancelled)
    return HotspotRun(
        settings=settings,
        path=path,
        facts=source.facts,
        wanted=wanted,
        area=area,
        surface=surface,
        incidents=incidents,
        classes=classes_of(surface, settings),
        largest_stack=largest_stack(incidents.points),
        notes=(*surface.notes, *cautions(incidents.points, source.facts)),
        guarded=mostly_guarded(source.facts, len(incidents.points), incidents.points.number_guarded),
    )


def kernel_density(
    points: Points, area: StudyArea, cell: float | None, bandwidth: float | None, edge_correction: bool
) -> HotspotSurface:
    """The quartic density of the points, in incidents per km², on the cells of the study area."""
    with _in_one_sentence():
        grid, mask = _cells(points, area, default_cell(*_corners(area)) if cell is None else cell)
        east, north = points.eastings, points.northings
        used = chosen_bandwidth(bandwidth, Rule.SILVERMAN, east, north, grid.cell, points.precision)
        density = densities.kernel_density(east, north, grid, used.metres, mask, edge_correction)
    return HotspotSurface(
        grid=grid,
        mask=mask,
        columns={"count": grid.bin(points.eastings, points.northings), "per_km2": density.values},
        shown="per_km2",
        bandwidth_m=density.bandwidth,
        parameters=(
            ("Method", "kernel density, quartic kernel, incidents per km²"),
            _cell_words(grid, cell),
            ("Bandwidth", used.words),
            ("Edge of the study area", "corrected for" if edge_correction else "not corrected for"),
            ("Cells in the study area", f"{int(mask.sum()):,}"),
            ("Mean density", f"{number_words(float(density.values[mask].mean()))} per km²"),
        ),
        notes=used.notes,
    )


def getis_ord(
    points: Points, area: StudyArea, cell: float | None, neighbours: int, correction: Correction
) -> HotspotSurface:
    """Gi* of the points' counts over the cells of the study area, with ``neighbours`` rings of cells around each."""
    if len(points) < MIN_POINTS:
        raise AnalysisError(
            f"Only {len(points)} incidents lie in the study area, too few to tell hot from cold: choose a longer "
            "period, more categories or a larger area.",
            "parameters",
        )
    with _in_one_sentence():
        grid, mask = _cells(points, area, cell or max(GI_SMALLEST_CELL_M, default_cell(*_corners(area))))
        counts = grid.bin(points.eastings, points.northings)
        found = gi_star(counts, mask, queen(neighbours), correction)
    hot, cold = int((found.classes > 0).sum()), int((found.classes < 0).sum())
    notes = []
    if not hot and not cold:
        notes.append("No cell stands out: nothing here is more, or less, than chance would bring.")
    side = 2 * neighbours + 1
    return HotspotSurface(
        grid=grid,
        mask=mask,
        columns={"count": counts, "z": found.z, "p": found.p, "q": found.q, "class": found.classes},
        shown="class",
        bandwidth_m=None,
        parameters=(
            ("Method", "Getis-Ord Gi* (1995), binary weights, two-sided"),
            _cell_words(grid, cell),
            ("Neighbourhood", f"{side} × {side} cells, the cell itself included"),
            ("Correction", CORRECTION_WORDS[correction]),
            ("Cells in the study area", f"{found.cells:,}"),
            (_HOT_AND_COLD, f"{hot:,} / {cold:,}"),
        ),
        notes=tuple(notes),
    )


def _cell_words(grid: Grid, chosen: float | None) -> tuple[str, str]:
    return "Cell", f"{grid.cell:g} m" + ("" if chosen else " (automatic)")


def _corners(area: StudyArea) -> tuple[float, float, float, float]:
    box = area.geometry.boundingBox()
    return box.xMinimum(), box.yMinimum(), box.xMaximum(), box.yMaximum()


def _cells(points: Points, area: StudyArea, cell: float) -> tuple[Grid, np.ndarray]:
    """The grid over the study area, and which of its cells belong to it."""
    grid = Grid.covering(*_corners(area), cell)
    refuse_too_many(cell, grid.rows * grid.columns)
    top = grid.bottom + grid.rows * grid.cell
    mask = burn(area.geometry, grid.left, top, grid.cell, grid.shape, touched=False)[::-1]
    return grid, mask | (grid.bin(points.eastings, points.northings) > 0)


@contextmanager
def _in_one_sentence() -> Iterator[None]:
    """Lets the statistics' own sentences reach the reader as an ``AnalysisError``."""
    try:
        yield
    except (GridError, DensityError, GiStarError) as error:
        raise AnalysisError(str(error), "parameters") from error


def check_cells(area: StudyArea, settings: HotspotSettings) -> None:
    """Raise ``AnalysisError`` for more cells than can be; it needs no incidents, so that nobody waits for it."""
    checked_area(area)
    cell = settings.cell_m
    if cell is None or not cell > 0:
        return  # an automatic cell is never too small, and one of 0 has a sentence of its own
    if settings.method.suffix == ".tif":
        _check_extent(area, cell)
    else:
        check_cells_of(area, cell, "larger cells, a smaller study area or a raster")


def check_cells_of(area: StudyArea, cell: float, instead: str = "larger cells or a smaller study area") -> None:
    """Raise ``AnalysisError`` where cells of so many metres are more than a layer of cells can have."""
    cells = round(area.geometry.area() / cell**2)
    if cells > MOST_CELLS_OF_A_LAYER:
        raise AnalysisError(
            f"Cells of {cell:g} m would be about {cells:,} in the study area, more than the "
            f"{MOST_CELLS_OF_A_LAYER:,} that a layer of cells can hold: choose {instead}.",
            "parameters",
        )
    _check_extent(area, cell)


def _check_extent(area: StudyArea, cell: float) -> None:
    left, bottom, right, top = _corners(area)
    refuse_too_many(cell, round((right - left) / cell) * round((top - bottom) / cell))


def refuse_too_many(cell: float, cells: int) -> None:
    """Raise ``AnalysisError`` for more cells than a grid may have."""
    if cells > MOST_CELLS:
        raise AnalysisError(
            f"Cells of {cell:g} m make {cells:,} cells of the study area, more than {MOST_CELLS:,}, and nobody reads "
            "so many: choose larger cells or a smaller area.",
            "parameters",
        )


def compute(points: Points, area: StudyArea, settings: HotspotSettings) -> HotspotSurface:
    """The surface of the method that the settings name."""
    if settings.method.is_density:
        return kernel_density(points, area, settings.cell_m, settings.bandwidth_m, settings.edge_correction)
    return getis_ord(points, area, settings.cell_m, settings.neighbours, settings.correction)


def classes_of(surface: HotspotSurface, settings: HotspotSettings) -> tuple[LegendClass, ...]:
    """The classes in which the surface is mapped."""
    if settings.method.is_density:
        return density_classes(surface.columns["per_km2"][surface.mask], settings.classes)
    return gi_classes()


def temporary_path(method: Method) -> Path:
    """A new file in QGIS's folder of temporary results, which goes when QGIS closes."""
    name = "density" if method.is_density else "hot_spots"
    return Path(QgsProcessingUtils.generateTempFilename(f"{name}{method.suffix}"))


def style(layer: QgsMapLayer, method: Method, classes: Sequence[LegendClass]) -> None:
    """Draw a result's layer in its classes."""
    if isinstance(layer, QgsRasterLayer):
        style_raster(layer, classes)
    elif method.is_density:
        style_density_grid(layer, classes)
    else:
        style_gi_grid(layer, classes)


def in_classes_of(run: HotspotRun, first: HotspotResult) -> HotspotRun:
    """The run in the classes of another, so that the two can be compared; the highest reaches up to both's values."""
    classes = list(first.classes)
    if run.settings.method.is_density and classes:
        top = float(run.surface.columns["per_km2"][run.surface.mask].max(initial=0.0))
        classes[-1] = replace(classes[-1], upper=max(classes[-1].upper, top))
    return replace(run, classes=tuple(classes))


def open_result(run: HotspotRun) -> HotspotResult:
    """The run's layer, styled and named, with all that a reader must know; on the window's thread."""
    method, facts = run.settings.method, run.facts
    what = ", ".join(facts.label(value).lower() for value in run.wanted.categories) or ALL_INCIDENTS
    name = f"{'Density' if method.is_density else 'Hot and cold spots'}: {what}, {run.area.label}"
    if facts.subset:
        name += translated(", layer filtered")
    if method.suffix == ".tif":
        layer: QgsMapLayer = QgsRasterLayer(str(run.path), name, "gdal")
    else:
        layer = QgsVectorLayer(f"{run.path}|layername={run.path.stem}", name, "ogr")
    if not layer.isValid():
        raise unwritable(run.path, "the file cannot be opened again")
    style(layer, method, run.classes)
    return HotspotResult(
        method=method,
        layer=layer,
        source_layer_id=facts.layer_id,
        dataset=facts.dataset,
        dataset_title=facts.title,
        what=what,
        period=run.wanted.period,
        study_area=run.area,
        legend_title="Incidents per km²" if method.is_density else "Getis-Ord Gi*",
        classes=run.classes,
        parameters=_parameters(run, what),
        used=len(run.incidents.points),
        outside=run.incidents.outside,
        unmapped=run.incidents.unmapped,
        largest_stack=run.largest_stack,
        snapped=facts.snapped,
        caveats=facts.caveats,
        attribution=facts.attribution,
        synthetic=facts.synthetic,
        newest_month=facts.newest_month,
        run_on=date.today(),
        notes=run.notes,
        wanted=run.wanted,
        settings=replace(run.settings, cell_m=run.surface.grid.cell, bandwidth_m=run.surface.bandwidth_m),
        class_km2=class_areas(run.surface, run.classes, run.settings.method.is_density),
        surface=run.surface,
        precision_m=precision_of(run.incidents.points),
        threshold=facts.threshold,
        audited_filter=facts.audited_filter,
        guarded=run.guarded,
        names_rows=facts.names_rows,
        names_days=facts.names_days,
    )


def class_areas(surface: HotspotSurface, classes: Sequence[LegendClass], is_density: bool) -> tuple[float, ...]:
    """The area of the cells in each class, in km²; a value equal to a border belongs to the class below it."""
    values = surface.columns[surface.shown][surface.mask]
    cell_km2 = (surface.grid.cell / 1000) ** 2
    if not is_density:
        return tuple(float((values == c.lower).sum() * cell_km2) for c in classes)
    shares = [((values > c.lower) | (i == 0)) & (values <= c.upper) for i, c in enumerate(classes)]
    return tuple(float(share.sum() * cell_km2) for share in shares)


def precision_of(points: Points) -> float | None:
    """The precision of the least exact place in metres; ``None`` where not every incident tells."""
    known = points.precision
    return float(known.max()) if len(known) and not np.isnan(known).any() else None


def _parameters(run: HotspotRun, what: str) -> tuple[tuple[str, str], ...]:
    return (
        ("Incidents", what),
        *filter_parameter(run.facts),
        ("Period", run.wanted.period.label if run.wanted.period else "all dates"),
        ("Study area", run.area.words),
        (_USED, f"{len(run.incidents.points):,}"),
        (_LEFT_OUT, f"{run.incidents.outside:,}"),
        (_UNMAPPED, f"{run.incidents.unmapped:,}"),
        *run.surface.parameters,
        (_STACK, f"{run.largest_stack:,}"),
    )
