"""From a local copy to a styled layer of its density, beside QGIS's heatmap of the same points in the same process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qgis.core import QgsGeometry, QgsRasterLayer, QgsRectangle, QgsVectorLayer

from ...qgis_plugin.core.hotspots import HotspotSettings, open_result, run_hotspots
from ...qgis_plugin.core.incidents import IncidentFilter
from ...qgis_plugin.core.points import PointSource
from ...qgis_plugin.core.study_areas import StudyArea
from ..measuring import Contender, Kind, Measure, in_turns
from .application import answer, processing_run

_GRIDS = ((250, 1000), (100, 500))  # cell and bandwidth in metres
_LONDON = (503_000, 155_000, 562_000, 201_000)
_OF_HEATMAP = 1 / 5
# Values of QGIS's own parameters.
_QUARTIC = 0
_RAW = 0


def measure(arguments: dict[str, Any]) -> list[Measure]:
    """A measure for each grid; the files are opened anew each time."""
    run_algorithm = processing_run()
    address = f"{arguments['copy']}|layername={arguments['layer']}"
    area = StudyArea("London", QgsGeometry.fromRect(QgsRectangle(*_LONDON)))
    layer = QgsVectorLayer(address, "incidents", "ogr")
    rows = layer.featureCount()
    placed = len(PointSource(layer).read(places_only=True))

    def measure_of(cell: int, bandwidth: int) -> Measure:
        def ours(folder: Path) -> None:
            source = PointSource(QgsVectorLayer(address, "incidents", "ogr"))
            settings = HotspotSettings(cell_m=cell, bandwidth_m=bandwidth)
            result = open_result(run_hotspots(source, area, IncidentFilter(), settings, folder / "ours.tif"))
            if result.used != placed:
                raise RuntimeError(f"{result.used} incidents were used, not {placed}.")

        def heatmap(folder: Path) -> None:
            inputs = {"INPUT": address, "RADIUS": bandwidth, "PIXEL_SIZE": cell, "KERNEL": _QUARTIC}
            output = {"OUTPUT_VALUE": _RAW, "DECAY": 0, "OUTPUT": str(folder / "heatmap.tif")}
            made = run_algorithm("qgis:heatmapkerneldensityestimation", {**inputs, **output})
            if not QgsRasterLayer(made["OUTPUT"], "heatmap").isValid():
                raise RuntimeError("The heatmap cannot be opened.")

        return in_turns(
            f"A local copy of {rows:,} rows to a styled layer of its density in QGIS, cells of {cell} m, bandwidth "
            f"{bandwidth:,} m",
            [
                Contender("run_hotspots and open_result", Kind.OURS, ours),
                Contender("qgis:heatmapkerneldensityestimation", Kind.PEER, heatmap, aim=_OF_HEATMAP),
            ],
            Path(arguments["scratch"]),
            note="Ours also clips to the study area, counts what has no place, warns, and makes classes.",
        )

    return [measure_of(cell, bandwidth) for cell, bandwidth in _GRIDS]


if __name__ == "__main__":
    answer(measure)
