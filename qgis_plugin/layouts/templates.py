"""The gallery: what a page may be made as. A template is a kind of page on a size of paper, upright or lying."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from qgis.core import QgsPrintLayout, QgsProject

from ..core.base_source import BaseSource
from ..core.breakdown import AreaCount, Breakdown
from ..core.hotspots import HotspotResult
from ..core.needed import needed
from ..core.periods import Period
from ..core.resource_files import RESOURCES
from .atlas import Atlas, build_atlas_layout
from .hotspot_map import HotspotMap, build_hotspot_layout
from .map_and_charts import MapAndCharts, build_map_and_charts_layout
from .sheet import Imprint, Page, tr
from .two_periods import TwoPeriods, build_two_periods_layout

PREVIEWS = RESOURCES / "templates"


class PageKind(str, Enum):
    """What is on the page."""

    ONE_MAP = "one-map"
    TWO_PERIODS = "two-periods"
    MAP_AND_CHARTS = "map-and-charts"
    ATLAS = "atlas"

    @property
    def words(self) -> str:
        """Its name for people."""
        return {
            PageKind.ONE_MAP: tr("One map"),
            PageKind.TWO_PERIODS: tr("Two periods side by side"),
            PageKind.MAP_AND_CHARTS: tr("Map with charts"),
            PageKind.ATLAS: tr("Atlas, a page for each area"),
        }[self]


@dataclass(frozen=True)
class Template:
    """One entry of the gallery."""

    kind: PageKind
    page: Page
    upright: bool

    @property
    def name(self) -> str:
        """Its name in the audit and in files."""
        return f"{self.kind.value}-{self.page.value.lower()}-{'portrait' if self.upright else 'landscape'}"

    @property
    def words(self) -> str:
        """Its name for people."""
        way = tr("portrait") if self.upright else tr("landscape")
        return tr("{kind}, {page} {way}").format(kind=self.kind.words, page=self.page.value, way=way)

    @property
    def preview(self) -> Path:
        """A picture of the page, filled with invented incidents."""
        return PREVIEWS / f"{self.name}.png"


TEMPLATES = tuple(
    Template(kind, page, upright) for kind in PageKind for page in (Page.A4, Page.A3) for upright in (False, True)
)


@dataclass(frozen=True)
class Material:
    """What there is for the kinds of page that show more than the run itself; ``None`` where it is not prepared."""

    before: HotspotResult | None = None
    breakdown: Breakdown | None = None
    areas: tuple[AreaCount, ...] = ()
    areas_before: Period | None = None


def build_page(
    project: QgsProject,
    kind: PageKind,
    result: HotspotResult,
    imprint: Imprint,
    base: BaseSource,
    material: Material,
) -> QgsPrintLayout:
    """The page as a layout of ``project``; the material of its kind must be there."""
    if kind is PageKind.TWO_PERIODS:
        before = needed(material.before, "map of the period before")
        return build_two_periods_layout(project, TwoPeriods(result, imprint, base, before))
    if kind is PageKind.MAP_AND_CHARTS:
        breakdown = needed(material.breakdown, "breakdown")
        return build_map_and_charts_layout(project, MapAndCharts(result, imprint, base, breakdown))
    if kind is PageKind.ATLAS:
        areas = needed(material.areas or None, "area")
        return build_atlas_layout(project, Atlas(result, imprint, base, areas, material.areas_before))
    return build_hotspot_layout(project, HotspotMap(result, imprint, base))
