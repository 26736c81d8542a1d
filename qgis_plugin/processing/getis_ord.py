"""Processing: hot and cold spots by Getis-Ord Gi* as a grid."""

from __future__ import annotations

from qgis.core import (
    Qgis,
    QgsCoordinateReferenceSystem,
    QgsFeatureSink,
    QgsProcessing,
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingOutputNumber,
    QgsProcessingParameterEnum,
    QgsProcessingParameterFeatureSink,
    QgsProcessingParameterNumber,
)

from ..core.hotspot_surface import HotspotSurface
from ..core.hotspots import CORRECTION_WORDS, HotspotSettings, Method
from ..core.point_facts import NATIONAL_GRID
from .algorithm import advanced, tr, with_help
from .hotspot_algorithm import HotspotAlgorithm


class GetisOrd(HotspotAlgorithm):
    """Gi* over the cells of a study area."""

    NAME = "getisord"
    TITLE = "Hot and cold spots (Getis-Ord Gi*)"
    TAGS = "safestats crime hotspot cold spot getis ord gi star significance grid"
    ICON = "hotspot"
    HELP = (
        "Counts incidents in square cells and tells where counts cluster, high or low, more than chance would have it "
        "(Ord and Getis 1995; binary weights with the cell itself; two-sided).\n\n"
        "Incidents are clipped to the study area first, for an empty hinterland would make all the rest look hot. "
        "Significance is corrected over all cells of the study area. The grid has the columns count, z, p, q (the "
        "corrected p) and class: −3 to 3, cold and hot at 99, 95 and 90 % confidence, 0 not significant."
    )
    NEIGHBOURS, CORRECTION, OUTPUT, HOT, COLD = "NEIGHBOURS", "CORRECTION", "OUTPUT", "HOT_CELLS", "COLD_CELLS"

    def initAlgorithm(self, _configuration: dict | None = None) -> None:
        self.add_inputs()
        self.addParameter(
            with_help(
                QgsProcessingParameterNumber(
                    self.NEIGHBOURS,
                    tr("Neighbours"),
                    QgsProcessingParameterNumber.Type.Integer,
                    1,
                    minValue=1,
                    maxValue=20,
                ),
                tr("How many rings of cells around a cell belong to its neighbourhood."),
            )
        )
        self.addParameter(
            with_help(
                advanced(
                    QgsProcessingParameterEnum(
                        self.CORRECTION, tr("Correction"), list(CORRECTION_WORDS.values()), defaultValue=0
                    )
                ),
                tr("Many cells are tested at once: a correction keeps chance from making hot spots."),
            )
        )
        self.addParameter(
            QgsProcessingParameterFeatureSink(
                self.OUTPUT, tr("Hot and cold spots"), QgsProcessing.SourceType.TypeVectorPolygon
            )
        )
        self.add_figures()
        self.addOutput(QgsProcessingOutputNumber(self.HOT, tr("Hot cells")))
        self.addOutput(QgsProcessingOutputNumber(self.COLD, tr("Cold cells")))

    def settings(self, parameters: dict, context: QgsProcessingContext) -> HotspotSettings:
        return HotspotSettings(
            method=Method.GI_GRID,
            cell_m=self.parameterAsDouble(parameters, self.CELL, context) or None,
            neighbours=self.parameterAsInt(parameters, self.NEIGHBOURS, context),
            correction=list(CORRECTION_WORDS)[self.parameterAsEnum(parameters, self.CORRECTION, context)],
        )

    def write(self, surface: HotspotSurface, parameters: dict, context: QgsProcessingContext) -> dict:
        crs = QgsCoordinateReferenceSystem(NATIONAL_GRID)
        fields = surface.fields()
        sink, target = self.parameterAsSink(parameters, self.OUTPUT, context, fields, Qgis.WkbType.Polygon, crs)
        if sink is None:
            raise QgsProcessingException(self.invalidSinkError(parameters, self.OUTPUT))
        for feature in surface.features():
            sink.addFeature(feature, QgsFeatureSink.Flag.FastInsert)
        del sink
        classes = surface.columns["class"]
        return {self.OUTPUT: target, self.HOT: int((classes > 0).sum()), self.COLD: int((classes < 0).sum())}
