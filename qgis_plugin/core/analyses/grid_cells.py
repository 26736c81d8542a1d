"""What analyses on a grid have in common: the cells of the study area, the neighbourhood of each, and their choices."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from ....shared import hexagons
from ....shared.change_surface import ChangeError
from ....shared.getis_ord import Correction, GiStarError, distance_band, queen
from ....shared.grids import Grid, GridError
from ....shared.hexagons import HexGrid
from ....shared.hotspot_classes import ClassificationError
from ....shared.kernel_density import DensityError, default_cell
from ..analysis_error import AnalysisError
from ..hotspot_surface import HotspotSurface
from ..hotspots import CORRECTION_WORDS, GI_SMALLEST_CELL_M, MOST_CELLS
from ..points import Points
from ..sentences import say, say_number, translated
from ..study_areas import StudyArea, burn, points_inside
from .analysis import Choice, Kind

_SQUARE, _HEXAGON = "square", "hexagon"
_CONTIGUITY, _DISTANCE = "contiguity", "distance"

CELL = Choice(
    "cell",
    "Cell",
    "The side of a square, or the width of a hexagon. Leave it empty for one that suits the study area.",
    Kind.METRES,
    least=1,
)
SHAPE = Choice(
    "shape",
    "Shape of the cells",
    "A hexagon's six neighbours all lie at the same distance; squares agree with rasters and other grids.",
    Kind.ONE_OF,
    default=_SQUARE,
    options=((_SQUARE, "Squares"), (_HEXAGON, "Hexagons")),
    advanced=True,
)
_NEIGHBOURHOOD = Choice(
    "neighbourhood",
    "Neighbourhood",
    "Which cells count as neighbours: those within some steps from cell to cell, diagonals included, or those whose "
    "centres lie within a distance.",
    Kind.ONE_OF,
    default=_CONTIGUITY,
    options=((_CONTIGUITY, "Cells that touch, by steps"), (_DISTANCE, "Cells within a distance")),
    advanced=True,
)
_STEPS = Choice(
    "steps", "Steps", "How many cells the neighbourhood reaches.", Kind.WHOLE, 1, least=1, most=50, advanced=True
)
_REACH = Choice(
    "distance",
    "Distance",
    "How far the neighbourhood reaches from the cell's centre, in metres. Leave it empty for two cells.",
    Kind.METRES,
    least=1,
    advanced=True,
)
NEIGHBOURS = (_NEIGHBOURHOOD, _STEPS, _REACH)
CORRECTION = Choice(
    "correction",
    "Correction for many tests",
    "Of many cells some stand out by chance; the correction bounds their share among those that are shown.",
    Kind.ONE_OF,
    default=Correction.BENJAMINI_HOCHBERG.value,
    options=tuple((correction.value, words) for correction, words in CORRECTION_WORDS.items()),
    advanced=True,
)


def automatic(chosen: bool = True) -> str:
    """What is put behind a value that was chosen automatically; empty behind others."""
    return translated(" (automatic)") if chosen else ""


@contextmanager
def in_one_sentence() -> Iterator[None]:
    """Lets the statistics' own sentences reach the reader as an ``AnalysisError``."""
    try:
        yield
    except (GridError, DensityError, GiStarError, ChangeError, ClassificationError) as error:
        raise AnalysisError(str(error), "parameters") from error


@dataclass(frozen=True)
class Cells:
    """The ``grid`` over a study area and the ``mask`` of the cells that belong to it."""

    grid: Grid | HexGrid
    mask: np.ndarray
    automatic: bool

    @property
    def hexagonal(self) -> bool:
        """Whether they are hexagons."""
        return isinstance(self.grid, HexGrid)

    @property
    def parameters(self) -> tuple[tuple[str, str], ...]:
        """What was used, in words."""
        shape = translated("hexagons" if self.hexagonal else "squares")
        size = f"{self.grid.cell:g} m{automatic(self.automatic)}, {shape}"
        return ("Cell", size), ("Cells in the study area", f"{int(self.mask.sum()):,}")

    def counts(self, points: Points) -> np.ndarray:
        """Incidents by cell."""
        return self.grid.bin(points.eastings, points.northings)

    def surface(self, columns: Mapping[str, np.ndarray], shown: str) -> HotspotSurface:
        """The surface of columns by name, ``shown`` being the one to be mapped."""
        return HotspotSurface(self.grid, self.mask, dict(columns), shown, None, ())


def _corners(area: StudyArea) -> tuple[float, float, float, float]:
    box = area.geometry.boundingBox()
    return box.xMinimum(), box.yMinimum(), box.xMaximum(), box.yMaximum()


def usual_cell(area: StudyArea) -> float:
    """The automatic cell of a study area in metres, before an analysis's own smallest is kept."""
    return default_cell(*_corners(area))


def cells_over(
    area: StudyArea, points: Sequence[Points], values: Mapping[str, object], smallest: float = GI_SMALLEST_CELL_M
) -> Cells:
    """The cells of the study area: those whose centre lies in it, or in which one of the points lies.

    ``values`` hold the choices ``cell`` and, where it is offered, ``shape``; an automatic cell is no smaller than
    ``smallest``. Raises ``AnalysisError``.
    """
    corners = _corners(area)
    chosen = values.get("cell")
    cell = max(smallest, usual_cell(area)) if chosen is None else float(chosen)  # type: ignore[arg-type]
    with in_one_sentence():
        kind = HexGrid if values.get("shape") == _HEXAGON else Grid
        grid: Grid | HexGrid = kind.covering(*corners, cell)
        if grid.rows * grid.columns > MOST_CELLS:
            raise GridError(
                f"Cells of {cell:g} m make {grid.rows * grid.columns:,} cells of the study area, more than "
                f"{MOST_CELLS:,}, and nobody reads so many: choose larger cells or a smaller area."
            )
    if isinstance(grid, Grid):
        top = grid.bottom + grid.rows * grid.cell
        mask = burn(area.geometry, grid.left, top, grid.cell, grid.shape, touched=False)[::-1]
    else:
        mask = np.zeros(grid.shape, dtype=bool)
        rows, columns = np.nonzero(grid.there)
        eastings, northings = grid.centres()
        mask[rows, columns] = points_inside(eastings[columns], northings[rows], area.geometry)
    for some in points:
        mask = mask | (grid.bin(some.eastings, some.northings) > 0)
    return Cells(grid, mask, chosen is None)


@dataclass(frozen=True)
class Neighbourhood:
    """The pattern of ``weights`` and what it is in words; ``values_used`` by the choices' names."""

    weights: np.ndarray
    words: str
    values_used: Mapping[str, object]


def neighbourhood(cells: Cells, values: Mapping[str, object]) -> Neighbourhood:
    """The neighbourhood that the choices ``NEIGHBOURS`` tell; raises ``AnalysisError``."""
    cell = cells.grid.cell
    with in_one_sentence():
        if values["neighbourhood"] == _DISTANCE:
            given = values["distance"]
            distance = 2 * cell if given is None else float(given)  # type: ignore[arg-type]
            weights = (hexagons.within_distance if cells.hexagonal else distance_band)(cell, distance)
            how = say("cells within {distance:g} m", distance=distance) + automatic(given is None)
            used = {"neighbourhood": _DISTANCE, "distance": distance}
        else:
            steps = int(values["steps"])  # type: ignore[call-overload]
            weights = (hexagons.steps_around if cells.hexagonal else queen)(steps)
            how = say_number(
                steps, "cells within {n} step, diagonals included", "cells within {n} steps, diagonals included"
            )
            if cells.hexagonal:
                how = say_number(steps, "hexagons within {n} step", "hexagons within {n} steps")
            used = {"neighbourhood": _CONTIGUITY, "steps": steps}
    return Neighbourhood(weights, say("{how}; {value} with the cell itself", how=how, value=int(weights.sum())), used)


def correction_of(values: Mapping[str, object]) -> Correction:
    """The correction that was chosen."""
    return Correction(values["correction"])


def numbers_used(values: Mapping[str, object], cells: Cells) -> dict[str, object]:
    """The cell that was used, by the choice's name."""
    return {"cell": cells.grid.cell, **({"shape": values["shape"]} if "shape" in values else {})}
