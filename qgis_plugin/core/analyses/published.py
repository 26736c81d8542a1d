"""The main output of a run as a page draws it: as it is, or for everybody in classes and without what is sparse."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from qgis.core import QgsGeometry, QgsPointXY, QgsProcessingUtils, QgsVectorLayer

from ....shared.disclosure import ROUNDING, masking_of, published_cells, smallest_bandwidth_m
from ....shared.grids import Grid, neighbour_sums
from ..analysis_error import AnalysisError
from ..hotspot_styles import LegendClass, density_colours
from ..hotspot_surface import HotspotSurface
from ..needed import needed
from ..public_surface import shape_of
from ..sentences import say, translated
from ..study_areas import StudyArea
from .analysis import Findings, Guard, Output, OutputKind
from .drawing import draw
from .running import AnalysisRun
from .writing import source_of, write

_CLASS = "class"
_MOST_CLASSES = 4


@dataclass(frozen=True)
class Drawn:
    """A styled layer, its output, in words how much each of its classes covers, and what is hatched beside its colour.

    ``withheld`` says in words what of it everybody may not see; empty for colleagues.
    """

    layer: QgsVectorLayer
    output: Output
    shares: tuple[str, ...]
    occurring: frozenset[int]  # the numbers of the classes of which there is any
    below: QgsGeometry
    withheld: str = ""


def masking(run: AnalysisRun) -> int:
    """The largest count that is withheld in public, of all layers that were read."""
    return masking_of(max(facts.threshold for facts in (run.facts, *(other for other, _ in run.others))))


def too_fine(run: AnalysisRun) -> float | None:
    """The bandwidth in metres that the run needs before it may be published; ``None`` where it has it, or has none."""
    guard = run.findings.outputs[0].guard
    used = guard.bandwidth_m if guard is not None else None
    needed = smallest_bandwidth_m(run.precision_m)
    return needed if used is not None and used < needed else None


def too_narrow(run: AnalysisRun) -> float | None:
    """How many metres the cells of a map without bandwidth need, or their neighbourhoods, before it may be published.

    ``None`` where they are as wide, or there are none.
    """
    output = run.findings.outputs[0]
    guard, surface = output.guard, output.surface
    if guard is None or surface is None:
        return None
    width = guard.width_m
    if width is None and guard.bandwidth_m is None:
        width = _cells_across(guard.near) * surface.grid.cell
    needed = smallest_bandwidth_m(run.precision_m)
    return needed if width is not None and width < needed else None


def _cells_across(near: np.ndarray | None) -> int:
    """How many cells a neighbourhood has from west to east through its middle."""
    return 1 if near is None else int(np.count_nonzero(near[near.shape[0] // 2]))


def drawn(run: AnalysisRun) -> Drawn:
    """The main output as it is."""
    output = run.findings.outputs[0]
    of_class = _classed(output)
    layer = _opened(source_of(run, output), output)
    return Drawn(layer, output, _shares(output, of_class), _occurring(of_class), _below(output, of_class))


def drawn_in_public(run: AnalysisRun) -> Drawn:
    """The main output without what is sparse, as a layer that holds classes alone; raises ``AnalysisError``."""
    output = run.findings.outputs[0]
    if output.guard is None:
        raise AnalysisError(
            say(
                "“{analysis}” shows single incidents, which are not published: make the page for operational use, or "
                "publish a density.",
                analysis=translated(run.analysis.words),
            )
        )
    public = public_output(output, masking(run), run.area, run.precision_m)
    if not len(public.shapes) and output.kind is OutputKind.LINES:
        raise AnalysisError(
            say(
                "No street is {least} m long or more with enough incidents, and shorter ones would tell places too "
                "exactly: choose cells instead, or make the page for operational use.",
                least=f"{smallest_bandwidth_m(run.precision_m):,.0f}",
            )
        )
    path = Path(QgsProcessingUtils.generateTempFilename("published.gpkg"))
    write(Findings("", (public,), (), {}), path)
    of_class = _classed(public)
    layer = _opened(f"{path}|layername={public.name}", public)
    withheld = _withheld(output, masking(run), run.precision_m)
    shares = _shares(public, of_class)
    return Drawn(layer, public, shares, _occurring(of_class), _below(public, of_class), withheld)


def public_output(output: Output, largest: int, area: StudyArea, precision_m: float | None) -> Output:
    """A guarded output with nothing but the numbers of its classes; what counts up to ``largest`` make is left out.

    Points become squares so large that none of them tells a place more exactly than a published density would.
    """
    guard = needed(output.guard, "guard")
    if output.kind is OutputKind.POINTS:
        return _squares(output, guard, largest, area, precision_m)
    of_class = _classed(output)
    of_class[_sparse(guard, largest)] = _neutral(output)
    unseen = [number for number, one in enumerate(output.classes) if not one.colour]
    of_class[np.isin(of_class, unseen)] = -1
    if output.kind is OutputKind.LINES and guard.bandwidth_m is None:
        of_class[_lengths(output) < smallest_bandwidth_m(precision_m)] = -1
    # Numbered as they were, those of a meaning below zero stay below.
    codes = np.array([_code(one, number) for number, one in enumerate(output.classes)], dtype=np.int64)
    shown = np.where(of_class >= 0, codes[of_class], 0)
    classes = tuple(
        LegendClass(float(code), float(code), one.label, one.colour)
        for code, one in zip(codes.tolist(), output.classes)
        if one.colour
    )
    if output.surface is not None:
        mask = output.surface.mask & (of_class >= 0)
        surface = HotspotSurface(output.surface.grid, mask, {_CLASS: shown}, _CLASS, None, ())
        return Output.grid(output.name, output.title, surface, classes, output.legend_title, guard=guard)
    kept = np.flatnonzero(of_class >= 0)
    return Output.lines(
        output.name, output.title, tuple(output.shapes[at] for at in kept), {_CLASS: shown[kept]}, shown=_CLASS,
        classes=classes, legend_title=output.legend_title, guard=guard,
    )  # fmt: skip


def _code(one: LegendClass, number: int) -> int:
    return int(one.lower) if one.lower == one.upper else number


def _classed(output: Output) -> np.ndarray:
    """The number of each value's class in ``output.classes``, -1 where it is in none; a border is the class below's."""
    surface = output.surface
    values = np.asarray(surface.columns[output.shown] if surface is not None else output.columns[output.shown], float)
    found = np.full(values.shape, -1, dtype=np.int64)
    for number, one in enumerate(output.classes):
        here = (values >= one.lower) & (values <= one.upper) & (found < 0)
        if one.lower != one.upper and any(other.upper == one.lower for other in output.classes):
            here &= values > one.lower
        found[here] = number
    return np.where(surface.mask, found, -1) if surface is not None else found


def _neutral(output: Output) -> int:
    wanted = output.guard.neutral if output.guard is not None else None
    found = (number for number, one in enumerate(output.classes) if one.lower == one.upper == wanted)
    return -1 if wanted is None else next(found, -1)


def _sparse(guard: Guard, largest: int) -> np.ndarray:
    found = np.zeros(np.shape(guard.counts[0]), dtype=bool)
    for counts in guard.counts:
        whole = np.asarray(counts, dtype=np.int64)
        near = whole if guard.near is None else neighbour_sums(whole, guard.near)
        found |= (near > 0) & (near <= largest)
    return found


def _squares(output: Output, guard: Guard, largest: int, area: StudyArea, precision_m: float | None) -> Output:
    """The incidents on the points, summed by squares, rounded, in classes."""
    side = smallest_bandwidth_m(precision_m)
    box = area.geometry.boundingBox()
    grid = Grid.covering(box.xMinimum(), box.yMinimum(), box.xMaximum(), box.yMaximum(), side)
    places = output.shapes[0]
    sums = grid.bin(places[:, 0], places[:, 1], np.asarray(guard.counts[0], dtype=float))
    shown = published_cells(np.rint(sums).astype(np.int64), largest)
    known = np.unique(shown[shown > 0])
    edges = known[np.unique(np.linspace(0, len(known), min(len(known), _MOST_CLASSES) + 1).astype(int)[:-1])]
    of_class = np.where(shown > 0, np.searchsorted(edges, np.nan_to_num(shown), side="right") - 1, -1)
    tops = [*(edges[1:] - ROUNDING), known[-1]] if len(known) else []
    colours = density_colours(len(edges)) if len(edges) else []
    classes = tuple(
        LegendClass(number, number, f"{low:,.0f}" if low == top else f"{low:,.0f}–{top:,.0f}", colour)
        for number, (low, top, colour) in enumerate(zip(edges, tops, colours))
    )
    surface = HotspotSurface(grid, of_class >= 0, {_CLASS: of_class.astype(np.int64)}, _CLASS, None, ())
    legend = say("{what}, by squares of {side} m", what=output.legend_title or output.title, side=f"{side:,.0f}")
    return Output.grid(output.name, output.title, surface, classes, legend, guard=guard)


def _withheld(output: Output, largest: int, precision_m: float | None) -> str:
    """What is not shown, in a sentence."""
    neutral = _neutral(output)
    label = output.classes[neutral].label if neutral >= 0 and output.classes[neutral].colour else ""
    words = {
        OutputKind.GRID: say("Cells near which fewer than {n} incidents lie are left undrawn.", n=largest + 1),
        OutputKind.LINES: say("Streets near which fewer than {n} incidents may lie are left undrawn.", n=largest + 1),
        OutputKind.POINTS: say("Places are put together by squares; those with fewer than {n} incidents are left "
                               "undrawn, and other numbers are rounded.", n=largest + 1),
    }  # fmt: skip
    if output.kind is OutputKind.LINES and needed(output.guard, "guard").bandwidth_m is None:
        return say(
            "Streets shorter than {least} m, and those near which fewer than {n} incidents lie, are left undrawn.",
            least=f"{smallest_bandwidth_m(precision_m):,.0f}",
            n=largest + 1,
        )
    if label:
        return say("Cells near which fewer than {n} incidents lie are shown as “{label}”.", n=largest + 1, label=label)
    return words[output.kind]


def _shares(output: Output, of_class: np.ndarray) -> tuple[str, ...]:
    """How much is of each class: km² of cells, km of lines, how many points."""
    numbers = range(len(output.classes))
    if output.surface is not None:
        each = output.surface.grid.cell_area_km2
        return tuple(_length((of_class == number).sum() * each, "km²") for number in numbers)
    if output.kind is OutputKind.LINES:
        lengths = _lengths(output) / 1000
        return tuple(_length(lengths[of_class == number].sum(), "km") for number in numbers)
    return tuple(f"{int((of_class == number).sum()):,}" for number in numbers)


def _lengths(output: Output) -> np.ndarray:
    """Of lines, in metres."""
    return np.array([np.hypot(*np.diff(shape, axis=0).T).sum() for shape in output.shapes])


def _occurring(of_class: np.ndarray) -> frozenset[int]:
    return frozenset(np.unique(of_class[of_class >= 0]).tolist())


def _length(value: float, unit: str) -> str:
    return f"{value:,.1f} {unit}" if value < 100 else f"{value:,.0f} {unit}"


def _below(output: Output, of_class: np.ndarray) -> QgsGeometry:
    """The cells of classes below zero as one shape; empty where such are not hatched, or there are none."""
    surface = output.surface
    if surface is None or output.guard is None or not output.guard.below:
        return QgsGeometry()
    below = [number for number, one in enumerate(output.classes) if one.upper < 0]
    cells = np.isin(of_class, below)
    if not cells.any():
        return QgsGeometry()
    if isinstance(surface.grid, Grid):
        return shape_of(surface.grid, cells)
    rings = surface.grid.outlines(*np.nonzero(cells))
    polygons = [QgsGeometry.fromPolygonXY([[QgsPointXY(x, y) for x, y in ring]]) for ring in rings.tolist()]
    return QgsGeometry.unaryUnion(polygons)


def _opened(source: str, output: Output) -> QgsVectorLayer:
    layer = QgsVectorLayer(source, output.title, "ogr")
    if not layer.isValid():
        raise AnalysisError(say("The result is not there any more: make the run again, then its page."))
    draw(layer, output)
    return layer
