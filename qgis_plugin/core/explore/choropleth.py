"""A map of counts or rates by area: a layer in classes, with what is not held and what says little told apart."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from osgeo import ogr, osr
from qgis.core import (
    QgsFillSymbol,
    QgsLayerMetadata,
    QgsLinePatternFillSymbolLayer,
    QgsProcessingUtils,
    QgsRuleBasedRenderer,
    QgsSimpleFillSymbolLayer,
    QgsVectorLayer,
)
from qgis.PyQt.QtCore import QCoreApplication
from qgis.PyQt.QtGui import QColor

from ..analysis_error import AnalysisError
from .area_sets import AreaSet, AreaSets, Held
from .counting import Counted
from .rates import Base, Bases
from .wording import BY_WORDS, category_words, period_words, question_words

# One hue that grows darker: readable in every colour blindness, and in grey.
_COLOURS = ("#e8eef5", "#bfd3e6", "#8fb1d3", "#5885b5", "#24588f")
_EDGE, _MISSING, _UNRATED, _LITTLE = "#ffffff", "#9a9a9a", "#f4f4f4", "#b3541e"
_OPACITY = 0.85
EXACT_PROPERTY = "safestats/exact"  # marks a layer of exact counts, which is not for publication
VALUE = "shown"
TABLE = "areas"


def _tr(words: str) -> str:
    return QCoreApplication.translate("Explore", words)


def write_choropleth(counted: Counted, areas: AreaSet, base: Base | None, bases: Bases) -> Path:
    """The areas with their counts, and rates where there is a denominator, in a temporary GeoPackage; for tasks.

    Column ``shown`` is what the map shows: null where the copy does not hold the area in full, or has no rate.
    """
    if not counted.additive:
        raise AnalysisError(
            _tr("Numbers of people of several measures and groups make no map: read them in the table."), "map"
        )
    path = Path(QgsProcessingUtils.generateTempFilename("areas.gpkg"))
    reference = osr.SpatialReference()
    reference.ImportFromEPSG(27700)
    source = ogr.GetDriverByName("GPKG").CreateDataSource(str(path))
    layer = source.CreateLayer(TABLE, reference, ogr.wkbMultiPolygon, ["GEOMETRY_NAME=geom"])
    for name, kind in (
        ("code", ogr.OFTString), ("name", ogr.OFTString), ("incidents", ogr.OFTInteger64), ("base", ogr.OFTInteger64),
        ("rate", ogr.OFTReal), (VALUE, ogr.OFTReal), ("held", ogr.OFTString), ("caution", ogr.OFTString),
    ):  # fmt: skip
        layer.CreateField(ogr.FieldDefn(name, kind))
    layer.StartTransaction()
    for place, held, number in zip(counted.places, counted.held, counted.of_places().tolist()):
        if place.code not in areas.shapes:
            continue  # without a place, or of another edition
        rate = base.rate(number, [place.code]) if base and held is Held.WHOLE else None
        shown = (rate if base else float(number)) if held is Held.WHOLE else None
        values = {
            "code": place.code, "name": place.name, "incidents": None if held is Held.NONE else number,
            "base": base.values.get(place.code) if base else None, "rate": rate, VALUE: shown, "held": held.value,
            "caution": bases.caution(base, place.code, number) if base and rate is not None else "",
        }  # fmt: skip
        feature = ogr.Feature(layer.GetLayerDefn())
        for name, value in values.items():
            if value is not None:
                feature[name] = value
        shape = ogr.CreateGeometryFromWkb(bytes(areas.shapes[place.code].asWkb()))
        feature.SetGeometry(ogr.ForceToMultiPolygon(shape))
        layer.CreateFeature(feature)
    layer.CommitTransaction()
    return path


def open_choropleth(path: Path, counted: Counted, sets: AreaSets, base: Base | None) -> QgsVectorLayer:
    """The layer, in classes and with what a reader must know; on the window's thread."""
    what = category_words(counted.asked) if counted.asked.categories else counted.facts.title
    figure = base.title if base else _tr("incidents")
    name = _tr("{what}, {figure} by {area}, {period}").format(
        what=what, figure=figure, area=BY_WORDS[counted.asked.by], period=period_words(counted.asked)
    )
    if counted.facts.synthetic:
        name += _tr(" (synthetic)")
    layer = QgsVectorLayer(f"{path}|layername={TABLE}", name, "ogr")
    layer.setRenderer(_renderer(layer, base is not None))
    layer.setOpacity(_OPACITY)
    layer.setReadOnly(True)
    layer.setCustomProperty(EXACT_PROPERTY, True)
    metadata = QgsLayerMetadata()
    metadata.setTitle(name)
    lines = [f"{words}: {value}" for words, value in question_words(counted.asked, sets)]
    lines += [_tr("Boundaries: {edition}").format(edition=counted.edition)]
    if base:
        lines.append(_tr("Rates: {title}; {source}").format(title=base.title, source=base.source))
    lines.append(_tr("Agreement {agreement}; release {release}; exact counts, not for publication.").format(
        agreement=counted.facts.agreement, release=counted.facts.release))  # fmt: skip
    metadata.setAbstract("\n".join([*lines, *counted.notes, *counted.facts.caveats]))
    metadata.setRights([text for text in (counted.facts.attribution, counted.attribution) if text])
    layer.setMetadata(metadata)
    return layer


def breaks(values: np.ndarray) -> tuple[float, ...]:
    """Edges of at most five classes of about equally many areas, ascending; fewer where values are few or equal."""
    if not values.size:
        return ()
    edges = np.quantile(values, np.linspace(0, 1, len(_COLOURS) + 1))
    return tuple(float(edge) for edge in np.unique(edges))


def _renderer(layer: QgsVectorLayer, rates: bool) -> QgsRuleBasedRenderer:
    """Classes of what is shown; what is not held, not rated or says little has a rule where it occurs."""
    areas = [(area[VALUE], area["held"], area["caution"]) for area in layer.getFeatures()]
    edges = breaks(np.array([value for value, *_rest in areas if isinstance(value, (int, float))], dtype=float))
    root = QgsRuleBasedRenderer.Rule(None)
    number = "{:,.1f}" if rates else "{:,.0f}"
    if len(edges) == 1:
        root.appendChild(_rule(_fill(_COLOURS[2]), f'"{VALUE}" = {edges[0]!r}', number.format(edges[0])))
    darkest = 1 - len(edges)  # so many from the end: few classes are dark ones
    colours = _COLOURS[darkest:] if darkest < 0 else ()
    for at, (low, high, colour) in enumerate(zip(edges, edges[1:], colours)):
        least = ">=" if at == 0 else ">"
        label = f"{number.format(low)} – {number.format(high)}"
        root.appendChild(_rule(_fill(colour), f'"{VALUE}" {least} {low!r} AND "{VALUE}" <= {high!r}', label))
    whole = Held.WHOLE.value
    if any(held != whole for _value, held, _caution in areas):
        words = _tr("Not held in full in your copy")
        root.appendChild(_rule(_hatched(_MISSING, 2.0), f"\"held\" <> '{whole}'", words))
    if any(held == whole and not isinstance(value, (int, float)) for value, held, _caution in areas):
        unrated = f'"{VALUE}" IS NULL AND "held" = \'{whole}\''
        root.appendChild(_rule(_fill(_UNRATED, _MISSING), unrated, _tr("No denominator: no rate")))
    if any(isinstance(caution, str) and caution for _value, _held, caution in areas):
        words = _tr("The rate says little (small base)")
        root.appendChild(_rule(_hatched(_LITTLE, 1.6), "coalesce(\"caution\", '') <> ''", words))
    return QgsRuleBasedRenderer(root)


def _rule(symbol: QgsFillSymbol, expression: str, label: str) -> QgsRuleBasedRenderer.Rule:
    return QgsRuleBasedRenderer.Rule(symbol, 0, 0, expression, label)


def _fill(colour: str, edge: str = _EDGE) -> QgsFillSymbol:
    return QgsFillSymbol.createSimple({"color": colour, "outline_color": edge, "outline_width": "0.2"})


def _hatched(colour: str, distance: float) -> QgsFillSymbol:
    symbol = QgsFillSymbol()
    edge = QgsSimpleFillSymbolLayer.create({"style": "no", "outline_color": colour, "outline_width": "0.2"})
    symbol.changeSymbolLayer(0, edge)
    lines = QgsLinePatternFillSymbolLayer()
    lines.setLineAngle(45)
    lines.setDistance(distance)
    lines.setColor(QColor(colour))
    lines.setLineWidth(0.25)
    symbol.appendSymbolLayer(lines)
    return symbol
