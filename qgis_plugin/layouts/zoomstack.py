"""OS Open Zoomstack as a quiet ground: greys that data stand out from, in colour and in grey alike.

Layers and columns are those of Ordnance Survey's GeoPackage schema; a file that lacks one of them is drawn without.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from qgis.core import (
    QgsFillSymbol,
    QgsLineSymbol,
    QgsMapLayer,
    QgsMarkerSymbol,
    QgsPalLayerSettings,
    QgsProject,
    QgsSingleSymbolRenderer,
    QgsSymbol,
    QgsTextBufferSettings,
    QgsVectorLayer,
    QgsVectorLayerSimpleLabeling,
)
from qgis.PyQt.QtGui import QColor

from .sheet import BASE_PROPERTY, tr
from .typography import text_format

WATER, GREEN, BUILDING, ROAD, RAIL = "#d3dfe8", "#e6ece3", "#e4e4e1", "#c9cdd2", "#a9b1b9"
STREETS_BELOW_M = 6000.0  # maps wider than this show no side streets and no buildings


@dataclass(frozen=True)
class Drawn:
    """One layer of the file as it is drawn: ``column`` labels it, ``near`` keeps it to large scales."""

    name: str
    title: str
    symbol: QgsSymbol
    near: bool = False
    column: str = ""


def _fill(colour: str) -> QgsFillSymbol:
    return QgsFillSymbol.createSimple({"color": colour, "outline_style": "no"})


def _line(colour: str, width: float, dashes: str = "solid") -> QgsLineSymbol:
    style = {"line_color": colour, "line_width": str(width), "line_style": dashes, "capstyle": "round"}
    return QgsLineSymbol.createSimple(style)


def _dot(colour: str, size: float) -> QgsMarkerSymbol:
    return QgsMarkerSymbol.createSimple(
        {"name": "square", "color": colour, "outline_color": "#ffffff", "outline_width": "0.1", "size": str(size)}
    )


def lines_and_names(project: QgsProject, path: Path, width_m: float, label_size: float) -> tuple[QgsVectorLayer, ...]:
    """What is drawn above the data, top first: names, stations, railways, roads."""
    return _layers(
        project,
        path,
        width_m,
        label_size,
        (
            Drawn("names", tr("Place"), _dot("0,0,0,0", 0.1), column="name1"),
            Drawn("railway_stations", tr("Railway station"), _dot("#6b7580", 1.2), near=True, column="name"),
            Drawn("roads_national", tr("Main road"), _line(ROAD, 0.5), column="number"),
            Drawn("roads_regional", tr("Other road"), _line(ROAD, 0.3)),
            Drawn("roads_local", tr("Street"), _line(ROAD, 0.15), near=True),
            Drawn("rail", tr("Railway"), _line(RAIL, 0.2, "dash")),
        ),
    )


def grounds(project: QgsProject, path: Path, width_m: float) -> tuple[QgsVectorLayer, ...]:
    """What is drawn below the data, top first: buildings, water, parks and woods."""
    return _layers(
        project,
        path,
        width_m,
        0,
        (
            Drawn("local_buildings", tr("Building"), _fill(BUILDING), near=True),
            Drawn("surfacewater", tr("Water"), _fill(WATER)),
            Drawn("greenspace", tr("Park or open space"), _fill(GREEN)),
            Drawn("woodland", tr("Woodland"), _fill(GREEN)),
        ),
    )


def _layers(
    project: QgsProject, path: Path, width_m: float, label_size: float, wanted: tuple[Drawn, ...]
) -> tuple[QgsVectorLayer, ...]:
    made = []
    for drawn in wanted:
        if drawn.near and width_m > STREETS_BELOW_M:
            continue
        layer = QgsVectorLayer(f"{path}|layername={drawn.name}", drawn.title, "ogr")
        if not layer.isValid():
            continue
        layer.setRenderer(QgsSingleSymbolRenderer(drawn.symbol))
        if drawn.column and label_size and layer.fields().indexOf(drawn.column) >= 0:
            layer.setLabeling(QgsVectorLayerSimpleLabeling(_names(drawn.column, label_size)))
            layer.setLabelsEnabled(True)
        layer.setCustomProperty(BASE_PROPERTY, True)
        layer.setFlags(layer.flags() | QgsMapLayer.LayerFlag.Private)
        project.addMapLayer(layer, False)
        made.append(layer)
    return tuple(made)


def _names(column: str, size: float) -> QgsPalLayerSettings:
    names = QgsPalLayerSettings()
    names.fieldName = column
    style = text_format(size, colour="#52606d")
    halo = QgsTextBufferSettings()
    halo.setEnabled(True)
    halo.setSize(0.5)
    halo.setColor(QColor("#ffffff"))
    style.setBuffer(halo)
    names.setFormat(style)
    names.obstacleSettings().setIsObstacle(False)
    return names
