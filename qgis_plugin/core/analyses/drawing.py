"""Draws the layers of findings in the classes that the analysis gave them."""

from __future__ import annotations

from collections.abc import Sequence

from qgis.core import (
    Qgis,
    QgsCategorizedSymbolRenderer,
    QgsFeatureRequest,
    QgsFillSymbol,
    QgsGraduatedSymbolRenderer,
    QgsLineSymbol,
    QgsMarkerSymbol,
    QgsProperty,
    QgsRendererCategory,
    QgsRendererRange,
    QgsSingleSymbolRenderer,
    QgsSymbol,
    QgsSymbolLayer,
    QgsVectorLayer,
    QgsWkbTypes,
)

from ..hotspot_styles import LAYER_OPACITY, LegendClass
from .analysis import Output

_PLAIN = "#bd4944"
_SMALLEST_MM, _LARGEST_MM = 1.6, 12.0


def draw(layer: QgsVectorLayer, output: Output) -> None:
    """Style a layer as its output says; a table stays as it is."""
    if not layer.isSpatial():
        return
    size = _size(layer, output.sized_by) if output.sized_by else None
    if not output.shown or not output.classes:
        layer.setRenderer(QgsSingleSymbolRenderer(_symbol(layer, _PLAIN, size)))
    elif all(found.lower == found.upper for found in output.classes):
        layer.setRenderer(_categorised(layer, output.shown, output.classes, size))
    else:
        ranges = [QgsRendererRange(c.lower, c.upper, _symbol(layer, c.colour, size), c.label) for c in output.classes]
        layer.setRenderer(QgsGraduatedSymbolRenderer(output.shown, ranges))
    if output.sized_by:
        # The large ones first, so that none hides a smaller one.
        largest_first = QgsFeatureRequest.OrderByClause(f'"{output.sized_by}"', False)
        layer.renderer().setOrderBy(QgsFeatureRequest.OrderBy([largest_first]))
        layer.renderer().setOrderByEnabled(True)
    layer.setOpacity(LAYER_OPACITY)


def _categorised(
    layer: QgsVectorLayer, column: str, classes: Sequence[LegendClass], size: QgsProperty | None
) -> QgsCategorizedSymbolRenderer:
    categories = [QgsRendererCategory(int(c.lower), _symbol(layer, c.colour, size), c.label) for c in classes]
    return QgsCategorizedSymbolRenderer(column, categories)


def _size(layer: QgsVectorLayer, column: str) -> QgsProperty:
    """Millimetres across, so that the area follows the value; the largest value has the largest symbol."""
    top = layer.maximumValue(layer.fields().indexOf(column))
    largest = float(top) if isinstance(top, (int, float)) and top > 0 else 1.0
    across = f'{_LARGEST_MM} * sqrt(coalesce("{column}", 0) / {largest})'
    return QgsProperty.fromExpression(f"max({_SMALLEST_MM}, {across})")


def _symbol(layer: QgsVectorLayer, colour: str, size: QgsProperty | None) -> QgsSymbol:
    """A symbol of the layer's kind; without a colour, one that draws nothing."""
    kind = QgsWkbTypes.geometryType(layer.wkbType())
    if kind == Qgis.GeometryType.Polygon:
        # The outline in the fill's own colour closes the hairlines that smoothing leaves between neighbours.
        fill = {"color": colour, "outline_color": colour, "outline_width": "0.2", "joinstyle": "miter"}
        return QgsFillSymbol.createSimple(fill if colour else {"style": "no", "outline_style": "no"})
    if kind == Qgis.GeometryType.Line:
        line = {"line_color": colour, "line_width": "1.0", "capstyle": "round"}
        return QgsLineSymbol.createSimple(line if colour else {"line_style": "no"})
    marker = {"name": "circle", "color": colour, "outline_color": "#ffffff", "outline_width": "0.2", "size": "2.4"}
    symbol = QgsMarkerSymbol.createSimple(marker if colour else {"size": "0", "outline_style": "no"})
    if size is not None and colour:
        symbol.symbolLayer(0).setDataDefinedProperty(QgsSymbolLayer.Property.Size, size)
    return symbol
