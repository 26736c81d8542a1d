"""What every algorithm of incidents in a study area begins with: layer, study area, categories, months."""

from __future__ import annotations

from qgis.core import (
    QgsProcessing,
    QgsProcessingContext,
    QgsProcessingFeedback,
    QgsProcessingOutputNumber,
    QgsProcessingParameterString,
    QgsProcessingParameterVectorLayer,
    QgsProject,
)

from ..core.analysis_error import AnalysisError
from ..core.incidents import IncidentFilter
from ..core.points import PointSource
from ..core.resource_files import BOUNDARIES
from ..core.study_areas import BoroughMap, StudyArea, polygon_area
from .algorithm import SafeStatsAlgorithm, period_of, tr, with_help


class IncidentAlgorithm(SafeStatsAlgorithm):
    """Reads the inputs that say which incidents are analysed, and where."""

    INPUT, STUDY_AREA, BOROUGHS = "INPUT", "STUDY_AREA", "BOROUGHS"
    CATEGORIES, FROM, TO = "CATEGORIES", "FROM_MONTH", "TO_MONTH"
    INCIDENTS, OUTSIDE, UNMAPPED = "INCIDENTS", "OUTSIDE", "UNMAPPED"

    def add_incidents(self) -> None:
        """The parameters of layer, study area, categories and months."""
        add = self.addParameter
        add(
            with_help(
                QgsProcessingParameterVectorLayer(
                    self.INPUT, tr("Incidents"), [QgsProcessing.SourceType.TypeVectorPoint]
                ),
                tr("A layer of points, an incident each."),
            )
        )
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
        add(
            with_help(
                QgsProcessingParameterString(self.FROM, tr("First month, such as 2025-03"), optional=True),
                tr(
                    "Empty, with the last month empty too, for all months, or for those that an analysis usually takes."
                ),
            )
        )
        add(
            with_help(
                QgsProcessingParameterString(self.TO, tr("Last month"), optional=True),
                tr("Included; empty for the first month alone."),
            )
        )

    def add_counts(self) -> None:
        """The numbers of incidents that every run gives back."""
        self.addOutput(QgsProcessingOutputNumber(self.INCIDENTS, tr("Incidents used")))
        self.addOutput(QgsProcessingOutputNumber(self.OUTSIDE, tr("Incidents outside the study area")))
        self.addOutput(QgsProcessingOutputNumber(self.UNMAPPED, tr("Incidents without a place")))

    def look_at_incidents(self, parameters: dict, context: QgsProcessingContext) -> None:
        """Raise ``AnalysisError`` for months that are none, and unless one study area is given."""
        self.wanted(parameters, context)
        polygons = self.parameterAsVectorLayer(parameters, self.STUDY_AREA, context)
        if (polygons is not None) == bool(self.names(parameters, self.BOROUGHS, context)):
            raise AnalysisError(tr("Give one study area: either a layer of polygons or boroughs."), "study area")

    def names(self, parameters: dict, name: str, context: QgsProcessingContext) -> list[str]:
        """The parts of a text separated by commas."""
        text = self.parameterAsString(parameters, name, context)
        return [part.strip() for part in text.split(",") if part.strip()]

    def wanted(self, parameters: dict, context: QgsProcessingContext) -> IncidentFilter:
        """Which incidents are analysed."""
        first = self.parameterAsString(parameters, self.FROM, context)
        last = self.parameterAsString(parameters, self.TO, context)
        return IncidentFilter(period_of(first, last), tuple(self.names(parameters, self.CATEGORIES, context)))

    def _study_area(self, parameters: dict, context: QgsProcessingContext) -> StudyArea:
        polygons = self.parameterAsVectorLayer(parameters, self.STUDY_AREA, context)
        if polygons is not None:
            return polygon_area(polygons, context.project() or QgsProject.instance())
        return BoroughMap(BOUNDARIES).named(self.names(parameters, self.BOROUGHS, context))

    def prepareAlgorithm(
        self, parameters: dict, context: QgsProcessingContext, _feedback: QgsProcessingFeedback
    ) -> bool:
        self._source = self.point_source(self.parameterAsVectorLayer(parameters, self.INPUT, context))
        # Layers belong to the thread that prepares; a study area that cannot be had stops the run there.
        self._trouble: AnalysisError | None = None
        try:
            self._area = self._study_area(parameters, context)
        except AnalysisError as error:
            self._trouble = error
        self.require_copies(self.sources(parameters, context), parameters)
        return True

    def sources(self, _parameters: dict, _context: QgsProcessingContext) -> list[PointSource]:
        """The layers of incidents that are read; on the thread that prepares."""
        return [self._source]

    def filters(self, method: str, wanted: IncidentFilter) -> dict:
        """What is noted of a run for the audit."""
        found: dict = {"method": method, "area": self._area.label}
        if wanted.categories:
            found["categories"] = list(wanted.categories)
        if wanted.period is not None:
            found.update({"from": wanted.period.first, "to": wanted.period.last})
        return {**found, **self._source.facts.audited_filter}
