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
from ..hotspots import CORRECTION_WORDS, GI_SMALLEST_CELL_M, MOST_CELLS, HotspotSurface
from ..periods import Period, month_number, month_of
from ..points import Points
from ..study_areas import StudyArea, burn, points_inside
from .analysis import Choice, Kind

AUTOMATIC = " (automatic)"
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
CONFIDENCE = Choice(
    "confidence",
    "Confidence",
    "How surely a cell has to stand out before it counts as hot or cold.",
    Kind.ONE_OF,
    default="95",
    options=(("90", "90 %"), ("95", "95 %"), ("99", "99 %")),
    advanced=True,
)
MONTHS = Choice(
    "months",
    "Months in a step",
    "How many months are counted together. Leave it empty for as many as give enough steps.",
    Kind.WHOLE,
    least=1,
    most=120,
)
_LEVELS = {"90": 1, "95": 2, "99": 3}


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
        shape = "hexagons" if self.hexagonal else "squares"
        size = f"{self.grid.cell:g} m{AUTOMATIC if self.automatic else ''}, {shape}"
        return ("Cell", size), ("Cells in the study area", f"{int(self.mask.sum()):,}")

    def counts(self, points: Points) -> np.ndarray:
        """Incidents by cell."""
        return self.grid.bin(points.eastings, points.northings)

    def surface(self, columns: Mapping[str, np.ndarray], shown: str) -> HotspotSurface:
        """The surface of columns by name, ``shown`` being the one to be mapped."""
        return HotspotSurface(self.grid, self.mask, dict(columns), shown, None, ())


def cells_over(
    area: StudyArea, points: Sequence[Points], values: Mapping[str, object], smallest: float = GI_SMALLEST_CELL_M
) -> Cells:
    """The cells of the study area: those whose centre lies in it, or in which one of the points lies.

    ``values`` hold the choices ``cell`` and, where it is offered, ``shape``; an automatic cell is no smaller than
    ``smallest``. Raises ``AnalysisError``.
    """
    box = area.geometry.boundingBox()
    corners = box.xMinimum(), box.yMinimum(), box.xMaximum(), box.yMaximum()
    chosen = values.get("cell")
    cell = max(smallest, default_cell(*corners)) if chosen is None else float(chosen)  # type: ignore[arg-type]
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
            how = f"cells within {distance:g} m{AUTOMATIC if given is None else ''}"
            used = {"neighbourhood": _DISTANCE, "distance": distance}
        else:
            steps = int(values["steps"])  # type: ignore[call-overload]
            weights = (hexagons.steps_around if cells.hexagonal else queen)(steps)
            how = f"cells within {steps} step{'s' if steps > 1 else ''}, diagonals included"
            if cells.hexagonal:
                how = f"hexagons within {steps} step{'s' if steps > 1 else ''}"
            used = {"neighbourhood": _CONTIGUITY, "steps": steps}
    return Neighbourhood(weights, f"{how}; {int(weights.sum())} with the cell itself", used)


def correction_of(values: Mapping[str, object]) -> Correction:
    """The correction that was chosen."""
    return Correction(values["correction"])


def level_of(values: Mapping[str, object]) -> int:
    """The class of Gi* from which on a cell counts, by the confidence that was chosen."""
    return _LEVELS[str(values["confidence"])]


@dataclass(frozen=True)
class Steps:
    """A period cut into steps of whole months, earliest first; ``left_out`` months at its start fill no step."""

    periods: tuple[Period, ...]
    months: int
    left_out: Period | None

    @classmethod
    def of(cls, period: Period, months: int) -> Steps:
        """The steps of so many months; they end with the period."""
        number = period.months // months
        first = month_number(period.last) - number * months + 1
        starts = [first + months * step for step in range(number)]
        left_out = None
        if period.months % months:
            left_out = Period(period.first, month_of(first - 1))
        return cls(tuple(Period(month_of(s), month_of(s + months - 1)) for s in starts), months, left_out)

    @property
    def words(self) -> str:
        """“36 steps of 1 month”."""
        return f"{len(self.periods)} steps of {self.months} month{'s' if self.months > 1 else ''}"

    @property
    def notes(self) -> tuple[str, ...]:
        """What the reader must know of the months that are left out."""
        if self.left_out is None:
            return ()
        return (f"{self.left_out.label} would not fill a step of {self.months} months and is left out.",)

    def counts(self, cells: Cells, points: Points) -> np.ndarray:
        """Incidents, shape ``(steps, rows, columns)``."""
        cube = np.zeros((len(self.periods), *cells.grid.shape), dtype=np.int64)
        for number, period in enumerate(self.periods):
            of_step = (points.months >= period.first) & (points.months <= period.last)
            cube[number] = cells.grid.bin(points.eastings[of_step], points.northings[of_step])
        return cube


def numbers_used(values: Mapping[str, object], cells: Cells) -> dict[str, object]:
    """The cell that was used, by the choice's name."""
    return {"cell": cells.grid.cell, **({"shape": values["shape"]} if "shape" in values else {})}
