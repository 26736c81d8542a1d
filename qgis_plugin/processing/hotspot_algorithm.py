"""What the two hotspot algorithms share: incidents, study area, filter, and the figures that were used."""

from __future__ import annotations

from dataclasses import replace

from qgis.core import (
    QgsMapLayer,
    QgsProcessingContext,
    QgsProcessingFeedback,
    QgsProcessingOutputNumber,
    QgsProcessingParameterNumber,
)

from ..core.analyses.hotspot_runs import tell_layer, values_of
from ..core.analysis_error import AnalysisError
from ..core.cautions import cautions
from ..core.events import EventKind
from ..core.hotspot_surface import HotspotSurface
from ..core.hotspots import HotspotSettings, check_cells, classes_of, compute, style
from ..core.incidents import Incidents, gather
from ..core.point_facts import filter_parameter
from ..core.run_record import RunRecord
from ..core.version import plugin_version
from .algorithm import AfterLoading, tr, with_help
from .incident_algorithm import IncidentAlgorithm


class HotspotAlgorithm(IncidentAlgorithm):
    """Reads the inputs that kernel density and Gi* have in common."""

    CELL, CELL_USED = "CELL", "CELL_USED"

    def add_inputs(self) -> None:
        """The parameters before those of the method."""
        self.add_incidents()
        self.addParameter(
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
        self.add_counts()
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
        self.look_at_incidents(parameters, context)
        settings = self.settings(parameters, context)
        if settings.cell_m and settings.bandwidth_m and settings.bandwidth_m < settings.cell_m:
            raise AnalysisError(
                tr(
                    "The bandwidth of {bandwidth:g} m is smaller than the cell of {cell:g} m: choose a larger "
                    "bandwidth or smaller cells."
                ).format(bandwidth=settings.bandwidth_m, cell=settings.cell_m)
            )

    def _run(self, parameters: dict, context: QgsProcessingContext, feedback: QgsProcessingFeedback) -> dict:
        if self._trouble is not None:
            raise self._trouble
        settings = self.settings(parameters, context)
        check_cells(self._area, settings)

        def report(stage: str, done: float, total: float) -> None:
            if total:
                feedback.setProgress(100 * done / total)

        wanted = self.wanted(parameters, context)
        feedback.setProgressText(tr("Reading the incidents"))
        incidents = gather(self._source, self._area, wanted, feedback.isCanceled, report, places_only=True)
        feedback.setProgressText(tr("Computing"))
        surface = compute(incidents.points, self._area, settings)
        parameters_used = (*self._figures(incidents), *surface.parameters)
        notes = (*surface.notes, *cautions(incidents.points, self._source.facts))
        for words, value in parameters_used:
            feedback.pushInfo(f"{words}: {value}")
        for note in (*notes, *self._source.facts.caveats):
            feedback.pushWarning(note)
        filters = self.filters(settings.method.value, wanted)
        self.note_use(self._source, EventKind.HOTSPOT_RUN, filters, len(incidents.points))
        outputs = self.write(surface, parameters, context)
        used = replace(settings, cell_m=surface.grid.cell, bandwidth_m=surface.bandwidth_m)
        record = RunRecord.of(
            settings.method.value,
            values_of(used),
            self._source.facts,
            wanted,
            self._area,
            (len(incidents.points), incidents.outside, incidents.unmapped),
            plugin_version(),
            {},
        )
        classes, facts = classes_of(surface, settings), self._source.facts

        def dress(layer: QgsMapLayer) -> None:
            style(layer, settings.method, classes)
            tell_layer(layer, layer.name(), record, facts, parameters_used, notes)

        for target in outputs.values():
            if isinstance(target, str) and context.willLoadLayerOnCompletion(target):
                context.layerToLoadOnCompletionDetails(target).setPostProcessor(AfterLoading(dress))
        return {
            **outputs,
            self.INCIDENTS: len(incidents.points),
            self.OUTSIDE: incidents.outside,
            self.UNMAPPED: incidents.unmapped,
            self.CELL_USED: surface.grid.cell,
        }

    def _figures(self, incidents: Incidents) -> tuple[tuple[str, str], ...]:
        return (
            *filter_parameter(self._source.facts),
            (tr("Study area"), self._area.words),
            (tr("In the study area"), f"{len(incidents.points):,}"),
            (tr("Outside it, left out"), f"{incidents.outside:,}"),
            (tr("Without a place"), f"{incidents.unmapped:,}"),
        )
