"""The rings of a proximity search as a temporary map layer: outlines, labels, and the centre as a cross."""

from __future__ import annotations

from qgis.core import (
    Qgis,
    QgsFeature,
    QgsFillSymbol,
    QgsGeometryGeneratorSymbolLayer,
    QgsMarkerSymbol,
    QgsPalLayerSettings,
    QgsProperty,
    QgsSimpleFillSymbolLayer,
    QgsSymbol,
    QgsTextBufferSettings,
    QgsTextFormat,
    QgsVectorLayer,
    QgsVectorLayerSimpleLabeling,
)
from qgis.PyQt.QtGui import QColor

from .point_facts import NATIONAL_GRID
from .proximity import PlaceSearch

_LINE = "#1c3d5a"


def ring_layer(result: PlaceSearch) -> QgsVectorLayer:
    """A memory layer with one circle per radius, the largest first, styled and labelled."""
    layer = QgsVectorLayer(
        f"Polygon?crs={NATIONAL_GRID}&field=radius_m:integer&field=area_km2:double",
        f"Rings around {result.place.label}",
        "memory",
    )
    features = []
    for radius, area, ring in sorted(zip(result.radii, result.areas_km2, result.rings), key=lambda r: -r[0]):
        feature = QgsFeature(layer.fields())
        feature.setAttributes([radius, area])
        feature.setGeometry(ring)
        features.append(feature)
    layer.dataProvider().addFeatures(features)
    layer.updateExtents()
    # It is drawn again by the next search: QGIS need not ask whether to keep it.
    layer.setCustomProperty("skipMemoryLayersCheck", 1)
    layer.renderer().setSymbol(_symbol(min(result.radii)))
    layer.setLabeling(QgsVectorLayerSimpleLabeling(_labels()))
    layer.setLabelsEnabled(True)
    return layer


def _symbol(smallest: int) -> QgsFillSymbol:
    # A pale line below the dark one keeps the ring visible on every map.
    symbol = QgsFillSymbol.createSimple({"style": "no", "outline_color": "255,255,255,190", "outline_width": "1.4"})
    symbol.appendSymbolLayer(
        QgsSimpleFillSymbolLayer.create({"style": "no", "outline_color": _LINE, "outline_width": "0.5"})
    )
    centre = QgsGeometryGeneratorSymbolLayer.create(
        {
            "SymbolType": "Marker",
            "geometryModifier": f'if("radius_m" = {smallest}, centroid($geometry), NULL)',
        }
    )
    cross = QgsMarkerSymbol.createSimple(
        {"name": "cross", "color": _LINE, "outline_color": _LINE, "outline_width": "0.6", "size": "4.5"}
    )
    centre.setSymbolType(QgsSymbol.SymbolType.Marker)
    centre.setSubSymbol(cross)
    symbol.appendSymbolLayer(centre)
    return symbol


def _labels() -> QgsPalLayerSettings:
    settings = QgsPalLayerSettings()
    settings.fieldName = "\"radius_m\" || ' m'"
    settings.isExpression = True
    settings.geometryGeneratorEnabled = True
    settings.geometryGenerator = "make_point(x(centroid($geometry)), y_max($geometry))"
    settings.geometryGeneratorType = Qgis.GeometryType.Point
    settings.placement = Qgis.LabelPlacement.OverPoint
    text = QgsTextFormat()
    text.setSize(9)
    text.setColor(QColor(_LINE))
    halo = QgsTextBufferSettings()
    halo.setEnabled(True)
    halo.setSize(0.9)
    halo.setColor(QColor("#ffffff"))
    text.setBuffer(halo)
    settings.setFormat(text)
    always = QgsProperty.fromValue(True)
    settings.dataDefinedProperties().setProperty(QgsPalLayerSettings.Property.AlwaysShow, always)
    return settings
