"""Processing: kernel density of incidents as a raster."""

from __future__ import annotations

from pathlib import Path

from qgis.core import (
    QgsProcessingContext,
    QgsProcessingOutputNumber,
    QgsProcessingParameterBoolean,
    QgsProcessingParameterEnum,
    QgsProcessingParameterNumber,
    QgsProcessingParameterRasterDestination,
)

from ..core.hotspot_styles import DensityClasses
from ..core.hotspot_surface import HotspotSurface
from ..core.hotspots import HotspotSettings, Method
from .algorithm import advanced, tr, with_help
from .hotspot_algorithm import HotspotAlgorithm


class KernelDensity(HotspotAlgorithm):
    """Incidents per km² by the quartic kernel."""

    NAME = "kerneldensity"
    TITLE = "Kernel density of incidents"
    TAGS = "safestats crime hotspot heatmap kde kernel density quartic"
    ICON = "hotspot"
    HELP = (
        "Incidents per km² at the centre of each cell of the study area, by the quartic kernel: the volume under the "
        "surface is the number of incidents. Incidents are clipped to the study area first.\n\n"
        "Cell and bandwidth may be left empty; the values that were used are told in the log and given back.\n\n"
        "The raster is in the British National Grid (EPSG:27700); cells outside the study area hold no data."
    )
    BANDWIDTH, EDGE, CLASSES, OUTPUT = "BANDWIDTH", "EDGE_CORRECTION", "CLASSES", "OUTPUT"
    BANDWIDTH_USED = "BANDWIDTH_USED"

    def initAlgorithm(self, _configuration: dict | None = None) -> None:
        self.add_inputs()
        self.addParameter(
            with_help(
                QgsProcessingParameterNumber(
                    self.BANDWIDTH,
                    tr("Bandwidth (m)"),
                    QgsProcessingParameterNumber.Type.Double,
                    None,
                    optional=True,
                    minValue=1,
                ),
                tr("How far an incident's influence reaches; leave empty for a rule of thumb."),
            )
        )
        self.addParameter(
            with_help(
                advanced(
                    QgsProcessingParameterBoolean(
                        self.EDGE, tr("Correct for the edge of the study area"), defaultValue=False
                    )
                ),
                tr("Give back to each incident what its kernel would lose outside the study area."),
            )
        )
        words = [tr("Multiples of the mean"), tr("Five equal parts (quantiles)")]
        self.addParameter(
            with_help(
                advanced(QgsProcessingParameterEnum(self.CLASSES, tr("Classes of the map"), words, defaultValue=0)),
                tr("How the density is cut into classes for the map."),
            )
        )
        self.addParameter(QgsProcessingParameterRasterDestination(self.OUTPUT, tr("Density (incidents per km²)")))
        self.add_figures()
        self.addOutput(QgsProcessingOutputNumber(self.BANDWIDTH_USED, tr("Bandwidth that was used (m)")))

    def settings(self, parameters: dict, context: QgsProcessingContext) -> HotspotSettings:
        classes = self.parameterAsEnum(parameters, self.CLASSES, context)
        return HotspotSettings(
            method=Method.KDE_RASTER,
            cell_m=self.parameterAsDouble(parameters, self.CELL, context) or None,
            bandwidth_m=self.parameterAsDouble(parameters, self.BANDWIDTH, context) or None,
            edge_correction=self.parameterAsBool(parameters, self.EDGE, context),
            classes=(DensityClasses.MULTIPLES, DensityClasses.QUANTILES)[classes],
        )

    def write(self, surface: HotspotSurface, parameters: dict, context: QgsProcessingContext) -> dict:
        path = self.parameterAsOutputLayer(parameters, self.OUTPUT, context)
        surface.to_raster(Path(path))
        return {self.OUTPUT: path, self.BANDWIDTH_USED: surface.bandwidth_m}
