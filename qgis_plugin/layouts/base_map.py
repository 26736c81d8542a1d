"""The base map, drawn from the boundaries at hand: land, river, borough lines and names, all in restrained greys."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from qgis.core import (
    QgsFeature,
    QgsFillSymbol,
    QgsGeometry,
    QgsLinePatternFillSymbolLayer,
    QgsLineSymbol,
    QgsMapLayer,
    QgsMarkerSymbol,
    QgsPalLayerSettings,
    QgsPointXY,
    QgsProject,
    QgsProperty,
    QgsRasterLayer,
    QgsRectangle,
    QgsSingleSymbolRenderer,
    QgsSymbol,
    QgsTextBufferSettings,
    QgsVectorLayer,
    QgsVectorLayerSimpleLabeling,
)
from qgis.PyQt.QtGui import QColor

from ..core.base_source import BOUNDARIES_ONLY, BaseKind, BaseSource
from ..core.proximity import PlaceSearch
from ..core.resource_files import BOUNDARIES, POSTCODES
from ..core.ring_layers import ring_layer
from . import zoomstack
from .sheet import BASE_PROPERTY, tr
from .typography import text_format

POSTCODE_ATTRIBUTION = (
    "Contains OS data © Crown copyright and database right 2025. "
    "Contains Royal Mail data © Royal Mail copyright and database right 2025."
)
OUTSIDE = "#e6eaed"
LAND = "#f3f5f6"
WATER = "#d3dfe8"
LINE = "#8a949e"
FINE_LINE = "#d5dade"


def _file_layer(project: QgsProject, name: str, title: str, symbol: QgsSymbol) -> QgsVectorLayer:
    return _ours(project, QgsVectorLayer(f"{BOUNDARIES}|layername={name}", title, "ogr"), symbol)


def _ours(project: QgsProject, layer: QgsVectorLayer, symbol: QgsSymbol) -> QgsVectorLayer:
    layer.setRenderer(QgsSingleSymbolRenderer(symbol))
    layer.setCustomProperty(BASE_PROPERTY, True)
    layer.setFlags(layer.flags() | QgsMapLayer.LayerFlag.Private)
    project.addMapLayer(layer, False)
    return layer


def _river(project: QgsProject) -> QgsVectorLayer:
    return _file_layer(project, "river", tr("Tidal Thames"), _fill(WATER))


def _fill(fill: str, line: str = "", width: float = 0.2, dashes: str = "solid") -> QgsFillSymbol:
    return QgsFillSymbol.createSimple(
        {
            "color": fill or "0,0,0,0",
            "style": "solid" if fill else "no",
            "outline_color": line or "0,0,0,0",
            "outline_style": dashes if line else "no",
            "outline_width": str(width),
            "joinstyle": "round",
        }
    )


@dataclass(frozen=True)
class BaseMap:
    """Layers in two parts, each top first: ``above`` what is shown on the map, ``below`` it.

    ``detailed``: it has more than boundaries, so that data are drawn without a white ground. ``attribution`` is what
    must be printed beside it, ``legend`` what of it a legend explains.
    """

    above: tuple[QgsMapLayer, ...]
    below: tuple[QgsMapLayer, ...]
    boroughs: QgsVectorLayer
    detailed: bool = False
    see_through: bool = False  # data must let the ground shine through, which has roads and names of its own
    attribution: str = ""
    legend: tuple[QgsMapLayer, ...] = ()


def base_map(
    project: QgsProject,
    label_size: float,
    neighbourhoods: bool = False,
    source: BaseSource = BOUNDARIES_ONLY,
    width_m: float = 20_000.0,
) -> BaseMap:
    """Borough lines and names above; river and land, or the source's own ground, below.

    ``neighbourhoods`` adds the LSOA lines, for large scales; ``width_m`` is how much of the ground a map shows.
    """
    boroughs = _file_layer(project, "borough", tr("Borough boundary"), _fill("", LINE, 0.25))
    boroughs.setLabeling(QgsVectorLayerSimpleLabeling(_borough_names(label_size)))
    land = _file_layer(project, "borough", tr("London"), _fill(LAND))
    if source.kind is BaseKind.SERVICE:
        tiles = _tiles(project, source)
        return BaseMap((boroughs,), (tiles, land), boroughs, True, True, source.attribution)
    river = _river(project)
    if source.kind is BaseKind.FILE and source.path is not None:
        above = zoomstack.lines_and_names(project, source.path, width_m, label_size)
        ground = zoomstack.grounds(project, source.path, width_m)
        shown = tuple(layer for layer in (*above, *ground) if layer.name() not in (tr("Place"),))
        below = (*ground, river, land)
        return BaseMap((boroughs, *above), below, boroughs, True, False, source.attribution, shown)
    boroughs.setLabelsEnabled(not neighbourhoods)  # so near, a name would cover the place
    lines = ()
    if neighbourhoods:
        lines = (_file_layer(project, "lsoa", tr("Neighbourhood (LSOA 2011)"), _fill("", FINE_LINE, 0.15)),)
    return BaseMap((boroughs,), (*lines, river, land), boroughs)


def _tiles(project: QgsProject, source: BaseSource) -> QgsRasterLayer:
    layer = QgsRasterLayer(source.uri, source.title, "wms")
    layer.setCustomProperty(BASE_PROPERTY, True)
    layer.setFlags(layer.flags() | QgsMapLayer.LayerFlag.Private)
    project.addMapLayer(layer, False)
    return layer


def backdrop(project: QgsProject) -> None:
    """Put land, river, borough lines and names below the project's layers, in a group, unless they are there."""
    name = tr("London (base map)")
    root = project.layerTreeRoot()
    if root.findGroup(name) is not None:
        return
    group = root.addGroup(name)
    drawn = base_map(project, label_size=8)
    for layer in (*drawn.above, *drawn.below):
        layer.setFlags(layer.flags() & ~QgsMapLayer.LayerFlag.Private)
        group.addLayer(layer)
    group.setExpanded(False)


def locator(project: QgsProject, marked: QgsVectorLayer) -> list[QgsVectorLayer]:
    """The layers of the inset: London's boroughs with ``marked`` on top."""
    return [
        marked,
        _river(project),
        _file_layer(project, "borough", tr("London"), _fill("#e4e7eb", "#ffffff", 0.12)),
    ]


def _borough_names(size: float) -> QgsPalLayerSettings:
    names = QgsPalLayerSettings()
    names.fieldName = "name"
    names.autoWrapLength = 13
    names.placement = QgsPalLayerSettings.Placement.Horizontal
    style = text_format(size, colour="#3e4c59")
    style.setBuffer(_halo(0.5))
    names.setFormat(style)
    return names


def _halo(size: float) -> QgsTextBufferSettings:
    halo = QgsTextBufferSettings()
    halo.setEnabled(True)
    halo.setSize(size)
    halo.setColor(QColor("#ffffff"))
    return halo


def polygons(project: QgsProject, title: str, shapes: Iterable[QgsGeometry], symbol: QgsSymbol) -> QgsVectorLayer:
    """Polygons of EPSG:27700 as a layer of ours."""
    return _memory(project, "MultiPolygon", title, shapes, symbol)


def points(project: QgsProject, title: str, places: Iterable[tuple[float, float]], symbol: QgsSymbol) -> QgsVectorLayer:
    """Points that are no incidents (a search's centre, postcodes) as a layer of ours."""
    shapes = (QgsGeometry.fromPointXY(QgsPointXY(*xy)) for xy in places)
    return _memory(project, "Point", title, shapes, symbol)


def _memory(
    project: QgsProject, kind: str, title: str, shapes: Iterable[QgsGeometry], symbol: QgsSymbol
) -> QgsVectorLayer:
    layer = QgsVectorLayer(f"{kind}?crs=EPSG:27700", title, "memory")
    features = []
    for shape in shapes:
        feature = QgsFeature()
        shape = QgsGeometry(shape)
        if kind.startswith("Multi"):
            shape.convertToMultiType()
        feature.setGeometry(shape)
        features.append(feature)
    layer.dataProvider().addFeatures(features)
    layer.updateExtents()
    return _ours(project, layer, symbol)


def study_area(project: QgsProject, shape: QgsGeometry) -> QgsVectorLayer:
    """The study area's outline, the strongest line on the map."""
    return polygons(project, tr("Study area"), [shape], _fill("", "#1f2933", 0.55))


def hatched(project: QgsProject, title: str, shape: QgsGeometry) -> QgsVectorLayer:
    """A shape under fine slanting lines, which tell it from its like where colours cannot be seen."""
    lines = QgsLinePatternFillSymbolLayer()
    lines.setLineAngle(45)
    lines.setDistance(1.4)
    lines.setSubSymbol(QgsLineSymbol.createSimple({"line_color": "#1f2933", "line_width": "0.12"}))
    symbol = _fill("")
    symbol.changeSymbolLayer(0, lines)
    return polygons(project, title, [shape], symbol)


def study_ground(project: QgsProject, shape: QgsGeometry) -> QgsVectorLayer:
    """White paper under the study area, so that it stands out from its surroundings."""
    return polygons(project, tr("Study area"), [shape], _fill("#ffffff"))


def marked_area(project: QgsProject, shape: QgsGeometry) -> QgsVectorLayer:
    """The study area as a filled mark on the inset."""
    return polygons(project, tr("Study area"), [shape], _fill("#64748b", "#475569", 0.15))


def search_rings(project: QgsProject, result: PlaceSearch, label_size: float) -> QgsVectorLayer:
    """A proximity search's rings and centre, as on the screen, labelled in the page's type."""
    layer = ring_layer(result)
    layer.setName(tr("Distance from {place}").format(place=result.place.label))
    names = layer.labeling().settings()
    style = text_format(label_size, bold=True, colour="#1c3d5a")
    style.setBuffer(_halo(0.7))
    names.setFormat(style)
    layer.setLabeling(QgsVectorLayerSimpleLabeling(names))
    return _ours(project, layer, layer.renderer().symbol().clone())


def incidents(
    project: QgsProject, title: str, eastings: np.ndarray, northings: np.ndarray, colour: str, shape: str = "circle"
) -> QgsVectorLayer:
    """Incidents as points; one symbol for all that share a point, its area growing with their number.

    ``shape`` is QGIS's name of a marker: it tells datasets apart where colours cannot be seen.
    """
    places, stacked = np.unique(np.stack([eastings, northings], axis=1), axis=0, return_counts=True)
    layer = QgsVectorLayer("Point?crs=EPSG:27700&field=n:integer", title, "memory")
    features = []
    for (x, y), n in zip(places.tolist(), stacked.tolist()):
        feature = QgsFeature(layer.fields())
        feature.setGeometry(QgsGeometry.fromPointXY(QgsPointXY(x, y)))
        feature["n"] = n
        features.append(feature)
    layer.dataProvider().addFeatures(features)
    layer.updateExtents()
    # See-through by its colour: a see-through layer would turn the map into a picture.
    fill = QColor(colour)
    symbol = QgsMarkerSymbol.createSimple(
        {
            "name": shape,
            "color": f"{fill.red()},{fill.green()},{fill.blue()},140",
            "outline_color": "#ffffff",
            "outline_width": "0.1",
            "size": "1.6",
        }
    )
    symbol.setDataDefinedSize(QgsProperty.fromExpression('min(1.1 * sqrt("n"), 6)'))
    layer.setRenderer(QgsSingleSymbolRenderer(symbol))
    layer.setFlags(layer.flags() | QgsMapLayer.LayerFlag.Private)
    project.addMapLayer(layer, False)
    return layer


@lru_cache(maxsize=1)
def _postcode_places() -> np.ndarray:
    """Where all postcodes are, shape ``(n, 2)``: read once, for a page is drawn again at every change of its form."""
    with gzip.open(POSTCODES, "rt", encoding="ascii", newline="") as file:
        rows = csv.reader(file)
        head = next(rows)
        east, north = head.index("easting"), head.index("northing")
        return np.array([(row[east] or 0, row[north] or 0) for row in rows], dtype=np.float64).reshape(-1, 2)


def postcodes(project: QgsProject, extent: QgsRectangle) -> QgsVectorLayer:
    """The postcodes inside ``extent`` as faint dots: where nothing else is at hand, they show streets and parks."""
    x, y = _postcode_places().T
    inside = (x >= extent.xMinimum()) & (x <= extent.xMaximum()) & (y >= extent.yMinimum()) & (y <= extent.yMaximum())
    places = zip(x[inside].tolist(), y[inside].tolist())
    symbol = QgsMarkerSymbol.createSimple({"name": "circle", "color": "#b3bcc5", "outline_style": "no", "size": "0.7"})
    return points(project, tr("Postcode"), places, symbol)


def centre(project: QgsProject, place: tuple[float, float], title: str, size: float) -> QgsVectorLayer:
    """A proximity search's centre."""
    symbol = QgsMarkerSymbol.createSimple(
        {"name": "cross2", "color": "#1f2933", "outline_color": "#1f2933", "outline_width": "0.6", "size": str(size)}
    )
    return points(project, title, [place], symbol)
