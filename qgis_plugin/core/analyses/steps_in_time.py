"""What analyses of hot spots over time share: the period in steps, the cells, their neighbourhood, and the choices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ....shared.getis_ord import Correction
from ..hotspots import CORRECTION_WORDS
from ..sentences import say, translated
from .analysis import Choice, Kind, Request
from .grid_cells import (
    CELL,
    CORRECTION,
    NEIGHBOURS,
    SHAPE,
    Cells,
    Neighbourhood,
    cells_over,
    correction_of,
    neighbourhood,
    numbers_used,
)
from .time_steps import MONTHS, STEP, Steps, steps_of

CONFIDENCE = Choice(
    "confidence",
    "Confidence",
    "How surely a cell has to stand out before it counts as hot or cold.",
    Kind.ONE_OF,
    default="95",
    options=(("90", "90 %"), ("95", "95 %"), ("99", "99 %")),
    advanced=True,
)
_LEVELS = {"90": 1, "95": 2, "99": 3}
STEPPED = (STEP, MONTHS, CELL, SHAPE, *NEIGHBOURS, CONFIDENCE, CORRECTION)


@dataclass(frozen=True)
class Stepped:
    """The incidents of a request by step and cell: ``cube`` has the shape ``(steps, rows, columns)``.

    From the class ``level`` of Gi* on, a cell counts as hot or cold.
    """

    steps: Steps
    cells: Cells
    near: Neighbourhood
    correction: Correction
    level: int
    cube: np.ndarray
    values: Mapping[str, object]

    @classmethod
    def of(cls, request: Request, least_steps: int) -> Stepped:
        """As the choices ``STEPPED`` tell; raises ``AnalysisError``."""
        values, steps = request.values, steps_of(request, least_steps)
        cells = cells_over(request.area, [request.incidents.points], values)
        return cls(
            steps,
            cells,
            neighbourhood(cells, values),
            correction_of(values),
            _LEVELS[str(values["confidence"])],
            steps.counts(cells, request.incidents.points),
            values,
        )

    @property
    def step_words(self) -> tuple[str, str]:
        """The parameter that tells the steps."""
        return "Steps", self.steps.words

    def last_words(self, corrected: str) -> tuple[tuple[str, str], ...]:
        """The parameters of cells, neighbourhood and correction; ``corrected`` is a text with ``{words}`` in it."""
        words = translated(CORRECTION_WORDS[self.correction])
        return (
            *self.cells.parameters,
            ("Neighbourhood", self.near.words),
            ("Correction", say(corrected, words=words)),
        )

    @property
    def values_used(self) -> dict[str, object]:
        """By the choices' names."""
        return {**numbers_used(self.values, self.cells), **self.near.values_used, **self.steps.values_used}
