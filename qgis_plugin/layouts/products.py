"""What can be made into a page: a hotspot map in any of the gallery's templates, the map of an analysis, a chart, or a
report around a place.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from qgis.core import QgsPrintLayout, QgsProject, QgsRectangle

from ..core.analyses.published import too_fine, too_narrow
from ..core.analyses.running import AnalysisRun
from ..core.base_source import BaseSource
from ..core.hotspots import HotspotResult
from ..core.proximity import PlaceSearch
from ..core.public_surface import too_narrow_to_publish
from .analysis_map import AnalysisMap, build_analysis_layout
from .checks import Finding
from .incident_points import incidents_of
from .proximity_report import ProximityReport, build_proximity_layout
from .sheet import Imprint, Mode, tr
from .templates import Material, PageKind, build_page
from .time_page import TimeChart, build_chart_layout


@dataclass(frozen=True)
class UsedDataset:
    """A dataset on a page, how many of its rows made it, and what the audit notes of its layer's own filter."""

    dataset: str
    title: str
    rows: int
    audited_filter: Mapping[str, Any] = field(default_factory=dict)


class Product(Protocol):
    """A result that pages are made of."""

    name: str  # in the audit
    words: str  # for people
    in_templates: bool  # whether the gallery has pages for it
    has_map: bool  # whether a map is on its page
    upright: bool  # how its page stands, where the gallery has none for it

    @property
    def title(self) -> str:
        """What the page is called unless its publisher says otherwise."""

    @property
    def datasets(self) -> tuple[UsedDataset, ...]:
        """What it is made of."""

    @property
    def extent(self) -> QgsRectangle:
        """What its map shows, in EPSG:27700."""

    @property
    def guarded(self) -> tuple[Finding, ...]:
        """What keeps it from everybody, whatever its page looks like; what can be made anew is told elsewhere."""

    def build(
        self, project: QgsProject, kind: PageKind, imprint: Imprint, base: BaseSource, material: Material
    ) -> QgsPrintLayout:
        """The page as a layout of ``project``."""


def guarded_categories() -> Finding:
    """That few others are counted beside what is published among others only."""
    return Finding(
        tr("What is counted is mostly of kinds of incident that are published among others only."),
        tr("Let at least as many others count, or make the page for operational use."),
    )


def named_rows() -> Finding:
    """That a layer's filter picks single rows, so that the difference of two maps would be a few incidents."""
    return Finding(
        tr("The layer's filter names single rows, which is a selection, and such are not published."),
        tr("Filter by months, categories or boroughs, or make the page for operational use."),
    )


def named_days() -> Finding:
    """That a layer's filter is by days or hours, so that the difference of two maps would be a few incidents."""
    return Finding(
        tr("The layer is filtered by day, hour or incident number, and such selections are not published."),
        tr("Filter by whole months, categories or boroughs, or make the page for operational use."),
    )


def filtered_layer(title: str) -> Finding:
    """That a report is of a part of a layer, so that two reports could be subtracted."""
    return Finding(
        tr("“{layer}” is filtered, and what is published around a place is of all its incidents.").format(layer=title),
        tr("Take the filter off the layer and search again, or make the page for operational use."),
    )


def _guards(result: HotspotResult | AnalysisRun | PlaceSearch) -> list[Finding]:
    found = [*([guarded_categories()] if result.guarded else []), *([named_rows()] if result.names_rows else [])]
    if isinstance(result, PlaceSearch):
        return [*found, *map(filtered_layer, result.filtered)]
    return [*found, *([named_days()] if result.names_days else [])]


def _too_narrow(needed: float | None) -> list[Finding]:
    """That cells tell places too exactly, where so many metres are needed."""
    if needed is None:
        return []
    return [
        Finding(
            tr("The cells, or the neighbourhoods of cells, would tell places too exactly."),
            tr("Make the run again with cells, or neighbourhoods, of {needed} m or more across.").format(
                needed=f"{needed:,.0f}"
            ),
        )
    ]


class HotspotProduct:
    """A hotspot map."""

    name = "hotspot-map"
    in_templates = True
    has_map = True
    upright = False

    def __init__(self, result: HotspotResult) -> None:
        self.result = result
        self.words = tr("Hotspot map")

    @property
    def title(self) -> str:
        """That of the run."""
        return self.result.title

    @property
    def datasets(self) -> tuple[UsedDataset, ...]:
        """The one that the run read."""
        result = self.result
        return (UsedDataset(result.dataset, result.dataset_title, result.used, result.audited_filter),)

    @property
    def extent(self) -> QgsRectangle:
        """The study area's."""
        return self.result.study_area.geometry.boundingBox()

    @property
    def guarded(self) -> tuple[Finding, ...]:
        """Guarded kinds of incident, single rows, days and hours, and a neighbourhood of Gi* that tells too exactly."""
        return (*_guards(self.result), *_too_narrow(too_narrow_to_publish(self.result)))

    def build(
        self, project: QgsProject, kind: PageKind, imprint: Imprint, base: BaseSource, material: Material
    ) -> QgsPrintLayout:
        """The page of that kind."""
        return build_page(project, kind, self.result, imprint, base, material)


class ReportProduct:
    """A report of what happened around a place."""

    name = "proximity-report"
    in_templates = False
    has_map = True
    upright = True

    def __init__(self, result: PlaceSearch, open_in: QgsProject) -> None:
        self.result = result
        self.words = tr("Proximity report")
        self._open_in = open_in  # where the layers are that the search read

    @property
    def title(self) -> str:
        """That of the search."""
        return self.result.answer.title

    @property
    def datasets(self) -> tuple[UsedDataset, ...]:
        """Those that the search counted in."""
        return tuple(
            UsedDataset(one.code, one.title, one.rows[0].figures[-1].count or 0, self.result.audited_filter(one.code))
            for one in self.result.answer.datasets
        )

    @property
    def extent(self) -> QgsRectangle:
        """The outer ring's."""
        return self.result.rings[-1].boundingBox()

    @property
    def guarded(self) -> tuple[Finding, ...]:
        """What layers' own filters choose; else its public page groups guarded kinds of incident."""
        return tuple(_guards(self.result))

    def build(
        self, project: QgsProject, kind: PageKind, imprint: Imprint, base: BaseSource, material: Material
    ) -> QgsPrintLayout:
        """The one page that there is of it; single incidents are drawn for colleagues only."""
        incidents = incidents_of(self.result, self._open_in) if imprint.mode is Mode.OPERATIONAL else ()
        return build_proximity_layout(project, ProximityReport(self.result, imprint, incidents, base))


class AnalysisProduct:
    """The map of an analysis of the registry."""

    in_templates = False
    has_map = True
    upright = False

    def __init__(self, run: AnalysisRun) -> None:
        self.run = run
        self.name = f"analysis-{run.analysis.name}"
        self.words = tr("Map of an analysis")

    @property
    def title(self) -> str:
        """That of the run; synthetic data have a label of their own."""
        return self.run.title.replace(" (synthetic)", "")

    @property
    def datasets(self) -> tuple[UsedDataset, ...]:
        """Those that the run read."""
        every: dict[str, UsedDataset] = {}
        for facts, used in ((self.run.facts, self.run.record.incidents), *self.run.others):
            one = every.setdefault(facts.dataset, UsedDataset(facts.dataset, facts.title, used))
            if not one.audited_filter:  # of several layers of a dataset, that which was filtered
                every[facts.dataset] = replace(one, audited_filter=facts.audited_filter)
        return tuple(every.values())

    @property
    def extent(self) -> QgsRectangle:
        """The study area's."""
        return self.run.area.geometry.boundingBox()

    @property
    def guarded(self) -> tuple[Finding, ...]:
        """Guarded kinds of incident, single rows, days and hours, and what tells places too exactly."""
        found = _guards(self.run)
        if (needed := too_fine(self.run)) is not None:
            found.append(
                Finding(
                    tr("The bandwidth would tell places too exactly."),
                    tr("Make the run again with {needed} m or more.").format(needed=f"{needed:,.0f}"),
                )
            )
        found.extend(_too_narrow(too_narrow(self.run)))
        return tuple(found)

    def build(
        self, project: QgsProject, kind: PageKind, imprint: Imprint, base: BaseSource, material: Material
    ) -> QgsPrintLayout:
        """The one page that there is of it."""
        return build_analysis_layout(project, AnalysisMap(self.run, imprint, base))


class ChartProduct:
    """A chart of when incidents happened."""

    in_templates = False
    has_map = False
    upright = False

    def __init__(self, chart: TimeChart) -> None:
        self.chart = chart
        self.name = f"chart-{chart.kind.value}"
        self.words = tr("Chart")

    @property
    def title(self) -> str:
        """Dataset, chart and months."""
        return self.chart.title

    @property
    def datasets(self) -> tuple[UsedDataset, ...]:
        """The one that was counted."""
        facts = self.chart.answer.facts
        return (UsedDataset(facts.dataset, facts.title, self.chart.rows, facts.audited_filter),)

    @property
    def extent(self) -> QgsRectangle:
        """Nowhere: there is no map."""
        return QgsRectangle()

    @property
    def guarded(self) -> tuple[Finding, ...]:
        """Nothing: its public page groups them, or is refused."""
        return ()

    def build(
        self, project: QgsProject, kind: PageKind, imprint: Imprint, base: BaseSource, material: Material
    ) -> QgsPrintLayout:
        """The one page that there is of it."""
        return build_chart_layout(project, self.chart, imprint)


def product_of(result: HotspotResult | AnalysisRun | PlaceSearch | TimeChart, open_in: QgsProject) -> Product:
    """The product of a finished run, search or chart."""
    if isinstance(result, AnalysisRun):
        return AnalysisProduct(result)
    if isinstance(result, TimeChart):
        return ChartProduct(result)
    return HotspotProduct(result) if isinstance(result, HotspotResult) else ReportProduct(result, open_in)
