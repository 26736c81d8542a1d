"""Makes the pictures of the gallery (resources/templates/) from invented incidents, and with a folder as argument every
template as PDF there as well. Run with the desk's Python, without a display:

    QT_QPA_PLATFORM=offscreen .venvs/desk/bin/python scripts/template_previews.py [folder]
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from qgis.core import (
    QgsFeature,
    QgsGeometry,
    QgsLayoutExporter,
    QgsPointXY,
    QgsProject,
    QgsRectangle,
    QgsVectorLayer,
)
from qgis.PyQt.QtCore import QSize, Qt
from qgis.testing import start_app
from safestats.qgis_plugin.core.base_source import BOUNDARIES_ONLY
from safestats.qgis_plugin.core.breakdown import Area
from safestats.qgis_plugin.core.hotspots import (
    HotspotResult,
    HotspotSettings,
    Method,
    open_result,
    run_hotspots,
    temporary_path,
)
from safestats.qgis_plugin.core.incidents import IncidentFilter
from safestats.qgis_plugin.core.page_material import breakdown_of, counts_of, run_before
from safestats.qgis_plugin.core.periods import Period, month_of
from safestats.qgis_plugin.core.points import PointSource
from safestats.qgis_plugin.core.resource_files import BOUNDARIES
from safestats.qgis_plugin.core.study_areas import BoroughMap, StudyArea
from safestats.qgis_plugin.layouts.export import Format, leave
from safestats.qgis_plugin.layouts.sheet import Imprint, Mode
from safestats.qgis_plugin.layouts.templates import PREVIEWS, TEMPLATES, Material, build_page

CENTRES = ((528_900, 184_000), (530_000, 181_700), (527_400, 185_200), (526_500, 184_800), (529_600, 183_100))
KINDS = ("violent-crime", "theft-from-the-person", "robbery", "burglary", "drugs", "public-order")
INCIDENTS = 14_000
WIDTH = 400


def invented(area: StudyArea) -> QgsVectorLayer:
    """Three years of incidents around a few busy places; the same ones each time."""
    chance = np.random.default_rng(2026)
    layer = QgsVectorLayer("Point?crs=EPSG:27700&field=category:string&field=month:string", "Invented", "memory")
    box = area.geometry.boundingBox()
    features = []
    for number in range(INCIDENTS):
        if number % 3:
            where = chance.normal(CENTRES[chance.choice(len(CENTRES), p=(0.35, 0.3, 0.15, 0.1, 0.1))], 330)
        else:
            where = chance.uniform((box.xMinimum(), box.yMinimum()), (box.xMaximum(), box.yMaximum()))
        feature = QgsFeature(layer.fields())
        feature.setGeometry(QgsGeometry.fromPointXY(QgsPointXY(*np.round(where, -1).tolist())))
        season = 2023 * 12 + int(36 * chance.power(1.25))
        kind = KINDS[chance.choice(len(KINDS), p=(0.34, 0.26, 0.08, 0.14, 0.08, 0.1))]
        feature.setAttributes([kind, month_of(season)])
        features.append(feature)
    layer.dataProvider().addFeatures(features)
    layer.updateExtents()
    return layer


def quarters(area: StudyArea) -> tuple[Area, ...]:
    """Four invented areas, for want of wards."""
    box, middle = area.geometry.boundingBox(), area.geometry.boundingBox().center()
    names = {
        "North west": QgsRectangle(box.xMinimum(), middle.y(), middle.x(), box.yMaximum()),
        "North east": QgsRectangle(middle.x(), middle.y(), box.xMaximum(), box.yMaximum()),
        "South west": QgsRectangle(box.xMinimum(), box.yMinimum(), middle.x(), middle.y()),
        "South east": QgsRectangle(middle.x(), box.yMinimum(), box.xMaximum(), middle.y()),
    }
    return tuple(Area(name, area.geometry.intersection(QgsGeometry.fromRect(part))) for name, part in names.items())


def main(folder: Path | None) -> None:
    """All templates."""
    start_app()
    project = QgsProject()
    area = BoroughMap(BOUNDARIES).named(["Camden"])
    layer = invented(area)
    project.addMapLayer(layer)
    source, wanted = PointSource(layer), IncidentFilter(Period("2025-01", "2025-12"))
    settings = HotspotSettings(method=Method.KDE_RASTER)
    now = marked(open_result(run_hotspots(source, area, wanted, settings, temporary_path(Method.KDE_RASTER))))
    before = marked(open_result(run_before(source, now)))
    counts = counts_of(source, now, quarters(area))
    material = Material(before, breakdown_of(source, now), counts.areas, counts.before)
    PREVIEWS.mkdir(exist_ok=True)
    for template in TEMPLATES:
        imprint = Imprint(
            now.title, "A. Analyst", "London Borough of Camden", Mode.PUBLICATION, template.page, template.upright
        )
        layout = build_page(project, template.kind, now, imprint, BOUNDARIES_ONLY, material)
        image = QgsLayoutExporter(layout).renderPageToImage(0, QSize(), 110)
        shown = image.scaled(
            WIDTH, WIDTH, Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.SmoothTransformation
        )
        shown.convertToFormat(shown.Format.Format_Indexed8).save(str(template.preview), "PNG")
        if folder is not None:
            leave(layout, folder, template.name, [Format.PDF], lambda _leaving: None)
        print(template.name, flush=True)


def marked(result: HotspotResult) -> HotspotResult:
    """The result as what it is: made of invented incidents."""
    return replace(result, synthetic=True, dataset_title="Invented incidents", newest_month="2025-12")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
