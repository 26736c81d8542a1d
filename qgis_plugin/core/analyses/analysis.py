"""What an analysis is: what may be chosen, what it is handed, and what it gives back.

An analysis is a plain function of arrays: it touches no layer, widget or project, so that it may run in any thread. The
dock's form, the Processing algorithm, the layers and the record of a run are all made from what is said here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum

import numpy as np

from ..errors import Cancelled
from ..hotspot_styles import LegendClass
from ..hotspot_surface import HotspotSurface
from ..incidents import IncidentFilter, Incidents, Report, no_report
from ..line_rows import Lines
from ..periods import Period
from ..point_facts import ColumnKind, PointFacts
from ..points import CancelledCheck, Points, never_cancelled
from ..study_areas import StudyArea
from ..usual_periods import Usual


class Kind(Enum):
    """What sort of thing is chosen; in brackets, what ``Request.values`` holds of it (``None``: automatic, none)."""

    METRES = "metres"  # float
    WHOLE = "whole number"  # int
    NUMBER = "number"  # float
    DAYS = "days"  # int
    ONE_OF = "one of"  # the value of an option, a str
    YES_NO = "yes or no"  # bool
    COLUMN = "column"  # the column's name; its values are in Request.incidents.points.extra[name]
    LINE_LAYER = "layer of lines"  # the layer's title; its lines are in Request.lines[choice]
    POINT_LAYER = "layer of points"  # the layer's title; its incidents are in Request.others[choice]
    PERIOD = "period"  # Period; the same layer's incidents of it are in Request.others[choice]


class Need(Enum):
    """What the incidents must tell, or the run is refused with a sentence."""

    PERIOD = "period"  # rows tell their month; where no period is chosen, the usual one is taken
    DAYS = "days"  # rows tell their day: Points.days
    HOURS = "hours"  # rows tell their hour: Points.hours


@dataclass(frozen=True)
class Choice:
    """Something to be chosen. ``default`` ``None`` means automatic (numbers), none (columns and layers), or, for a
    period, the one just before the incidents' own that ``Analysis.usual`` calls for.

    ``least`` and ``most`` bound numbers, both included. ``options`` are (value, words) of ONE_OF. ``columns`` says
    which columns of the incidents are offered. A ``required`` column or layer has to be chosen. ``advanced`` choices
    are folded away.
    """

    name: str
    words: str
    help: str
    kind: Kind
    default: object = None
    least: float | None = None
    most: float | None = None
    options: tuple[tuple[str, str], ...] = ()
    columns: tuple[ColumnKind, ...] = tuple(ColumnKind)
    required: bool = False
    advanced: bool = False


@dataclass(frozen=True)
class Other:
    """Further incidents beside the ones analysed, clipped to the same study area: of another layer or period."""

    facts: PointFacts
    incidents: Incidents
    period: Period | None


@dataclass(frozen=True)
class Request:
    """All that an analysis is handed: the incidents of the filter, clipped to ``area``, and the choices.

    ``values`` has every choice by name, as given (``Kind`` says as what); ``others`` and ``lines`` hold what the
    choices of periods and layers stand for. ``report(stage, done, total)`` tells how far the work is.
    """

    incidents: Incidents
    area: StudyArea
    wanted: IncidentFilter
    facts: PointFacts
    values: Mapping[str, object]
    others: Mapping[str, Other] = field(default_factory=dict)
    lines: Mapping[str, Lines] = field(default_factory=dict)
    cancelled: CancelledCheck = never_cancelled
    report: Report = no_report

    def stop_if_cancelled(self) -> None:
        """Raise ``Cancelled`` where the run is no longer wanted; to be asked at least once a second."""
        if self.cancelled():
            raise Cancelled

    def listener(self, stage: str) -> Callable[[int, int], None]:
        """To be told (done, total) by a statistic, however often: ends a cancelled run, reports each per cent once."""
        told = -1

        def heard(done: int, total: int) -> None:
            nonlocal told
            self.stop_if_cancelled()
            # A report is work for the window, too.
            if 100 * done // total != told:
                told = 100 * done // total
                self.report(stage, done, total)

        return heard


class OutputKind(Enum):
    """What becomes of an output."""

    GRID = "grid"  # a layer of cells
    POINTS = "points"
    LINES = "lines"
    TABLE = "table"  # a layer without geometry


@dataclass(frozen=True)
class Guard:
    """What decides which parts of an output everybody may see: those near which no count is small.

    ``counts`` are the incidents of each set by cell, line or point; ``near`` is the pattern of cells over which they
    are summed (``None``: the part itself). What is sparse is shown as the class of value ``neutral``, or not at all.
    Where a ``bandwidth_m`` made the values it must not tell places too exactly; else the width of ``near`` must not, or
    that of the part, and ``width_m`` where the values were made of a narrower neighbourhood. ``below`` says in words
    what classes under zero are: they are hatched, too, as in grey they look like those above.
    """

    counts: tuple[np.ndarray, ...]
    near: np.ndarray | None = None
    neutral: float | None = None
    bandwidth_m: float | None = None
    below: str = ""
    width_m: float | None = None


@dataclass(frozen=True)
class Output:
    """One layer or table of the findings; made by ``grid``, ``points``, ``lines`` or ``table``.

    ``name`` is the layer's name in the file (letters, digits, ``_``), ``title`` its words. ``columns`` are arrays of
    equal length by name: whole numbers, floats (NaN: empty), texts, booleans, or ``datetime64`` (NaT: empty); ``words``
    names columns for people. ``shown`` is the column that is mapped in ``classes``: a class whose ``lower`` and
    ``upper`` are equal is drawn for that value, any other for the range. Points may be ``sized_by`` a column: their
    area follows its value. Without a ``guard`` it shows single incidents, and is never published.
    """

    name: str
    title: str
    kind: OutputKind
    columns: Mapping[str, np.ndarray]
    words: Mapping[str, str] = field(default_factory=dict)
    shown: str = ""
    classes: tuple[LegendClass, ...] = ()
    legend_title: str = ""
    sized_by: str = ""
    surface: HotspotSurface | None = None  # of a grid
    shapes: tuple[np.ndarray, ...] = ()  # of points: one array (n, 2); of lines: an array (vertices, 2) each
    guard: Guard | None = None

    @classmethod
    def grid(
        cls,
        name: str,
        title: str,
        surface: HotspotSurface,
        classes: tuple[LegendClass, ...],
        legend_title: str,
        words: Mapping[str, str] | None = None,
        guard: Guard | None = None,
    ) -> Output:
        """The cells of a surface, mapped by its ``shown`` column."""
        return cls(
            name, title, OutputKind.GRID, {}, words or {}, surface.shown, classes, legend_title, surface=surface,
            guard=guard,
        )  # fmt: skip

    @classmethod
    def points(
        cls,
        name: str,
        title: str,
        eastings: np.ndarray,
        northings: np.ndarray,
        columns: Mapping[str, np.ndarray],
        *,
        words: Mapping[str, str] | None = None,
        shown: str = "",
        classes: tuple[LegendClass, ...] = (),
        legend_title: str = "",
        sized_by: str = "",
        guard: Guard | None = None,
    ) -> Output:
        """Points, a row each."""
        places = np.stack([eastings, northings], axis=1).astype(float)
        return cls(
            name, title, OutputKind.POINTS, columns, words or {}, shown, classes, legend_title, sized_by,
            shapes=(places,), guard=guard,
        )  # fmt: skip

    @classmethod
    def lines(
        cls,
        name: str,
        title: str,
        shapes: tuple[np.ndarray, ...],
        columns: Mapping[str, np.ndarray],
        *,
        words: Mapping[str, str] | None = None,
        shown: str = "",
        classes: tuple[LegendClass, ...] = (),
        legend_title: str = "",
        guard: Guard | None = None,
    ) -> Output:
        """Lines, a row each."""
        return cls(
            name, title, OutputKind.LINES, columns, words or {}, shown, classes, legend_title, shapes=tuple(shapes),
            guard=guard,
        )  # fmt: skip

    @classmethod
    def table(
        cls, name: str, title: str, columns: Mapping[str, np.ndarray], words: Mapping[str, str] | None = None
    ) -> Output:
        """Rows without a place."""
        return cls(name, title, OutputKind.TABLE, columns, words or {})


@dataclass(frozen=True)
class Findings:
    """What an analysis found: ``answer`` in a sentence or two, and layers and tables, the first being the main one.

    ``parameters`` are (words, value in words) with the values that were used, “(automatic)” behind automatic ones; the
    frame puts incidents, period, study area and their numbers before them, and the periods and layers that were chosen.
    ``parts`` are the sets of incidents that the outputs tell apart, where they are others than were asked for.
    ``notes`` are sentences that warn the reader; the frame adds those of few incidents, of moved and of lonely points,
    and of unknown days and hours. ``values_used`` are the choices by name as they were used: given again, they make the
    same run.
    """

    answer: str
    outputs: tuple[Output, ...]
    parameters: tuple[tuple[str, str], ...]
    values_used: Mapping[str, object]
    notes: tuple[str, ...] = ()
    parts: tuple[tuple[PointFacts, Points], ...] = ()


@dataclass(frozen=True)
class Analysis:
    """An analysis by ``name`` (a slug such as ``near-repeat``, also in Processing and in the audit).

    ``group`` is the heading under which it is offered: “Where”, “Change”, “Places”, “Near in time”, “Check a map” or
    “Streets”. ``help`` tells in a paragraph what comes out and how to read it. ``run`` raises ``AnalysisError`` with a
    sentence about what cannot be computed, and ``Cancelled``. ``usual`` are the months taken where nobody chose any.
    """

    name: str
    words: str
    group: str
    help: str
    choices: tuple[Choice, ...]
    run: Callable[[Request], Findings]
    needs: tuple[Need, ...] = ()
    usual: Usual = Usual.YEAR

    def choice(self, name: str) -> Choice:
        """The choice of that name; ``KeyError`` where there is none."""
        return {choice.name: choice for choice in self.choices}[name]
