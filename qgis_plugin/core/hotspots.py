"""Hotspots of a point layer inside a study area: kernel density and Getis-Ord Gi*."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import Enum

from qgis.core import QgsGeometry, QgsMapLayer

from .periods import Period


class Method(str, Enum):
    """What is computed, and as which kind of layer."""

    KDE_RASTER = "kde-raster"
    KDE_GRID = "kde-grid"
    GI_GRID = "gi-grid"
    GI_RASTER = "gi-raster"


@dataclass(frozen=True)
class StudyArea:
    """The area that the hotspots are of, in EPSG:27700; ``edition`` names the boundaries' source."""

    label: str
    geometry: QgsGeometry
    edition: str = ""


@dataclass(frozen=True)
class LegendClass:
    """A class of the map: values from ``lower`` (included) to ``upper``; ``colour`` as #rrggbb."""

    lower: float
    upper: float
    label: str
    colour: str


@dataclass(frozen=True)
class HotspotResult:
    """A finished run: the layer and everything that a reader needs to judge it.

    ``parameters`` are (words, value in words) in the order to be printed, with the values that were used, automatic ones
    included. ``used`` incidents lie in the study area; ``outside`` were left out as outside it; ``unmapped`` have no place.
    """

    method: Method
    layer: QgsMapLayer
    source_layer_id: str
    dataset: str
    dataset_title: str
    what: str  # the categories in words, “all categories”
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

    @property
    def title(self) -> str:
        """Type, place and dates: “Hot spots of burglary, Camden, January 2025 to December 2025”."""
        kind = "Density" if self.method in (Method.KDE_RASTER, Method.KDE_GRID) else "Hot and cold spots"
        period = f", {self.period.label}" if self.period else ""
        return f"{kind} of {self.what}, {self.study_area.label}{period}"
