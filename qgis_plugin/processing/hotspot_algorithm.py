"""What the two hotspot algorithms share: incidents, study area, filter, and the figures that were used."""

from __future__ import annotations

from qgis.core import (
    QgsMapLayer,
    QgsProcessing,
    QgsProcessingContext,
    QgsProcessingFeedback,
    QgsProcessingLayerPostProcessorInterface,
    QgsProcessingOutputNumber,
    QgsProcessingParameterNumber,
    QgsProcessingParameterString,
    QgsProcessingParameterVectorLayer,
    QgsProject,
)

from ..core.analysis_error import AnalysisError
from ..core.cautions import cautions
from ..core.events import EventKind
from ..core.hotspot_styles import LegendClass
from ..core.hotspots import (
    HotspotSettings,
    HotspotSurface,
    IncidentFilter,
    Incidents,
    Method,
    classes_of,
    compute,
    gather,
    style,
)
from ..core.resource_files import BOUNDARIES
from ..core.study_areas import BoroughMap, StudyArea, polygon_area
from .algorithm import SafeStatsAlgorithm, period_of, tr, with_help


class HotspotAlgorithm(SafeStatsAlgorithm):
    """Reads the inputs that kernel density and Gi* have in common."""

    INPUT, STUDY_AREA, BOROUGHS = "INPUT", "STUDY_AREA", "BOROUGHS"
    CATEGORIES, FROM, TO, CELL = "CATEGORIES", "FROM_MONTH", "TO_MONTH", "CELL"
    INCIDENTS, OUTSIDE, UNMAPPED, CELL_USED = "INCIDENTS", "OUTSIDE", "UNMAPPED", "CELL_USED"

    def add_inputs(self) -> None:
        """The parameters before those of the method."""
        add = self.addParameter
        add(QgsProcessingParameterVectorLayer(self.INPUT, tr("Incidents"), [QgsProcessing.SourceType.TypeVectorPoint]))
        add(
            with_help(
                QgsProcessingParameterVectorLayer(
                    self.STUDY_AREA,
                    tr("Study area (polygons)"),
                    [QgsProcessing.SourceType.TypeVectorPolygon],
                    optional=True,
                ),
                tr("The selected polygons, or all. Incidents outside them are left out."),
            )
        )
        add(
            with_help(
                QgsProcessingParameterString(self.BOROUGHS, tr("Study area (boroughs)"), optional=True),
                tr("Instead of polygons: London boroughs by name or code, separated by commas, or the word London."),
            )
        )
        add(
            with_help(
                QgsProcessingParameterString(self.CATEGORIES, tr("Categories"), optional=True),
                tr("Values of the layer's category column, separated by commas; empty for all."),
            )
        )
        add(QgsProcessingParameterString(self.FROM, tr("First month, such as 2025-03"), optional=True))
        add(QgsProcessingParameterString(self.TO, tr("Last month"), optional=True))
        add(
            with_help(
                QgsProcessingParameterNumber(
                    self.CELL,
                    tr("Cell (m)"),
                    QgsProcessingParameterNumber.Type.Double,
                    None,
                    optional=True,
                    minValue=1,
                ),
                tr("The side of a cell; leave empty for one that suits the study area."),
            )
        )

    def add_figures(self) -> None:
        """The numbers that every run gives back."""
        self.addOutput(QgsProcessingOutputNumber(self.INCIDENTS, tr("Incidents used")))
        self.addOutput(QgsProcessingOutputNumber(self.OUTSIDE, tr("Incidents outside the study area")))
        self.addOutput(QgsProcessingOutputNumber(self.UNMAPPED, tr("Incidents without a place")))
        self.addOutput(QgsProcessingOutputNumber(self.CELL_USED, tr("Cell that was used (m)")))

    def settings(self, parameters: dict, context: QgsProcessingContext) -> HotspotSettings:
        """The method and its parameters; the algorithm's own."""
        raise NotImplementedError

    def write(self, surface: HotspotSurface, parameters: dict, context: QgsProcessingContext) -> dict:
        """Write the layer; the outputs of the algorithm's own."""
        raise NotImplementedError

    def checkParameterValues(self, parameters: dict, context: QgsProcessingContext) -> tuple[bool, str]:
        return self.check(lambda: self._look(parameters, context), parameters, context)

    def _look(self, parameters: dict, context: QgsProcessingContext) -> None:
        self._filter(parameters, context)
        polygons = self.parameterAsVectorLayer(parameters, self.STUDY_AREA, context)
        if (polygons is not None) == bool(self._names(parameters, self.BOROUGHS, context)):
            raise AnalysisError(tr("Give one study area: either a layer of polygons or boroughs."), "study area")
        settings = self.settings(parameters, context)
        if settings.cell_m and settings.bandwidth_m and settings.bandwidth_m < settings.cell_m:
            raise AnalysisError(
                tr(
                    "The bandwidth of {bandwidth:g} m is smaller than the cell of {cell:g} m: choose a larger "
                    "bandwidth or smaller cells."
                ).format(bandwidth=settings.bandwidth_m, cell=settings.cell_m)
            )

    def _names(self, parameters: dict, name: str, context: QgsProcessingContext) -> list[str]:
        text = self.parameterAsString(parameters, name, context)
        return [part.strip() for part in text.split(",") if part.strip()]

    def _filter(self, parameters: dict, context: QgsProcessingContext) -> IncidentFilter:
        first = self.parameterAsString(parameters, self.FROM, context)
        last = self.parameterAsString(parameters, self.TO, context)
        return IncidentFilter(period_of(first, last), tuple(self._names(parameters, self.CATEGORIES, context)))

    def _study_area(self, parameters: dict, context: QgsProcessingContext) -> StudyArea:
        polygons = self.parameterAsVectorLayer(parameters, self.STUDY_AREA, context)
        if polygons is not None:
            return polygon_area(polygons, context.project() or QgsProject.instance())
        return BoroughMap(BOUNDARIES).named(self._names(parameters, self.BOROUGHS, context))

    def prepareAlgorithm(
        self, parameters: dict, context: QgsProcessingContext, _feedback: QgsProcessingFeedback
    ) -> bool:
        self._source = self.point_source(self.parameterAsVectorLayer(parameters, self.INPUT, context))
        self.require_export([self._source], parameters)
        # Layers belong to the thread that prepares; a study area that cannot be had stops the run there.
        self._trouble: AnalysisError | None = None
        try:
            self._area = self._study_area(parameters, context)
        except AnalysisError as error:
            self._trouble = error
        return True

    def processAlgorithm(
        self, parameters: dict, context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> dict:
        return self.run_checked(lambda: self._run(parameters, context, feedback), feedback)

    def _run(self, parameters: dict, context: QgsProcessingContext, feedback: QgsProcessingFeedback) -> dict:
        if self._trouble is not None:
            raise self._trouble
        settings = self.settings(parameters, context)

        def report(stage: str, done: float, total: float) -> None:
            if total:
                feedback.setProgress(100 * done / total)

        wanted = self._filter(parameters, context)
        feedback.setProgressText(tr("Reading the incidents"))
        incidents = gather(self._source, self._area, wanted, feedback.isCanceled, report)
        feedback.setProgressText(tr("Computing"))
        surface = compute(incidents.points, self._area, settings)
        self._tell(surface, incidents, feedback)
        filters: dict = {"method": settings.method.value, "area": self._area.label}
        if wanted.categories:
            filters["categories"] = list(wanted.categories)
        if wanted.period is not None:
            filters.update({"from": wanted.period.first, "to": wanted.period.last})
        self.note_use(self._source, EventKind.HOTSPOT_RUN, filters, len(incidents.points))
        outputs = self.write(surface, parameters, context)
        for target in outputs.values():
            if isinstance(target, str) and context.willLoadLayerOnCompletion(target):
                self._styler = _Styler(settings.method, classes_of(surface, settings))
                context.layerToLoadOnCompletionDetails(target).setPostProcessor(self._styler)
        return {
            **outputs,
            self.INCIDENTS: len(incidents.points),
            self.OUTSIDE: incidents.outside,
            self.UNMAPPED: incidents.unmapped,
            self.CELL_USED: surface.grid.cell,
        }

    def _tell(self, surface: HotspotSurface, incidents: Incidents, feedback: QgsProcessingFeedback) -> None:
        figures = (
            (tr("Study area"), self._area.label),
            (tr("In the study area"), f"{len(incidents.points):,}"),
            (tr("Outside it, left out"), f"{incidents.outside:,}"),
            (tr("Without a place"), f"{incidents.unmapped:,}"),
            *surface.parameters,
        )
        for words, value in figures:
            feedback.pushInfo(f"{words}: {value}")
        for note in (*surface.notes, *cautions(incidents.points, self._source.facts), *self._source.facts.caveats):
            feedback.pushWarning(note)


class _Styler(QgsProcessingLayerPostProcessorInterface):
    """Draws the layer in its classes once Processing has loaded it."""

    def __init__(self, method: Method, classes: tuple[LegendClass, ...]) -> None:
        super().__init__()
        self._method, self._classes = method, classes

    def postProcessLayer(
        self, layer: QgsMapLayer, _context: QgsProcessingContext, _feedback: QgsProcessingFeedback
    ) -> None:
        style(layer, self._method, self._classes)
        layer.triggerRepaint()
