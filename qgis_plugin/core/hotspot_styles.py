"""Colours, classes and legends of hotspot layers: classes in words and units, colours safe for the colour-blind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np
from qgis.core import (
    QgsCategorizedSymbolRenderer,
    QgsColorRampShader,
    QgsFillSymbol,
    QgsGraduatedSymbolRenderer,
    QgsLayerTreeLayer,
    QgsMapLayerLegendUtils,
    QgsRasterLayer,
    QgsRasterShader,
    QgsRendererCategory,
    QgsRendererRange,
    QgsSingleBandPseudoColorRenderer,
    QgsVectorLayer,
)
from qgis.PyQt.QtGui import QColor

from .sentences import say, translated

LAYER_OPACITY = 0.8

# Lightness tells the steps apart, blue and red the signs: readable in every common colour blindness.
_GI_COLOURS = {
    -3: "#24588f",
    -2: "#6a9fc9",
    -1: "#b7d3e6",
    0: "#eeeeea",
    1: "#f7cdb2",
    2: "#de8463",
    3: "#a62b38",
}
_DENSITY_COLOURS = ("#fae3c4", "#f3b987", "#e28259", "#bd4944", "#7d1a34")
_CONFIDENCE = {1: "90 %", 2: "95 %", 3: "99 %"}
_MULTIPLES = (1.0, 2.0, 3.0, 5.0)


class DensityClasses(str, Enum):
    """How a density surface is cut into classes."""

    MULTIPLES = "multiples"  # of the study area's mean
    QUANTILES = "quantiles"  # a fifth each of the cells above zero


@dataclass(frozen=True)
class LegendClass:
    """A class of the map: values from ``lower`` to ``upper``; ``colour`` is #rrggbb, empty where nothing is drawn."""

    lower: float
    upper: float
    label: str
    colour: str


def gi_classes() -> tuple[LegendClass, ...]:
    """The seven classes of Gi*, hottest first."""
    return tuple(LegendClass(step, step, _gi_label(step), _GI_COLOURS[step]) for step in (3, 2, 1, 0, -1, -2, -3))


def sign_colour(step: int) -> str:
    """The colour of a step from −3 (far below) to 3 (far above)."""
    return _GI_COLOURS[step]


def diverging_classes(
    values: np.ndarray, edges: Sequence[float], words: Callable[[float], str]
) -> tuple[LegendClass, ...]:
    """Seven classes on both sides of a middle, highest first, parted at six ``edges``; the outermost reach the values.

    Those that hold no value are left out.
    """
    values = values[np.isfinite(values)]
    least, most = min(float(values.min()), edges[0]), max(float(values.max()), edges[-1])
    bounds = [least, *edges, most]
    labels = [say("Below {value}", value=words(edges[0]))]
    labels += [say("{low} to {high}", low=words(low), high=words(high)) for low, high in zip(edges, edges[1:])]
    labels.append(say("{value} and more", value=words(edges[-1])))
    found = [
        LegendClass(bounds[i], bounds[i + 1], labels[i], _GI_COLOURS[i - 3])
        for i in range(len(labels))
        if ((values >= bounds[i]) & (values <= bounds[i + 1])).any()
    ]
    return tuple(reversed(found))


def _gi_label(step: int) -> str:
    if not step:
        return translated("Not significant")
    confidence = _CONFIDENCE[abs(step)]
    if step > 0:
        return say("Hot spot, {confidence} confidence", confidence=confidence)
    return say("Cold spot, {confidence} confidence", confidence=confidence)


def density_classes(values: np.ndarray, by: DensityClasses) -> tuple[LegendClass, ...]:
    """Classes for the densities (incidents per km²) of the study area's cells, lowest first; none is empty.

    Multiples of the mean leave what is below the mean undrawn; quantiles leave the cells of zero undrawn.
    """
    values = values[np.isfinite(values)]
    top = float(values.max()) if values.size else 0.0
    if not top > 0:
        return ()
    if by is DensityClasses.MULTIPLES:
        mean = float(values.mean())
        breaks = [m * mean for m in _MULTIPLES if m * mean < top]
        names = ["Below the mean"]
        names += [
            say("{low:.0f}–{high:.0f} times the mean", low=low, high=high)
            for low, high in zip(_MULTIPLES, _MULTIPLES[1:])
        ]
        names = names[: len(breaks)] + [
            say("{multiples:.0f} times the mean and more", multiples=_MULTIPLES[len(breaks) - 1])
        ]
        return _classes([0.0, *breaks, top], names, ["", *density_colours(len(breaks))])
    above = values[values > 0]
    breaks = sorted({float(b) for b in np.quantile(above, [0.2, 0.4, 0.6, 0.8]) if b < top})
    names = [say("{n} of {number}", n=n, number=len(breaks) + 1) for n in range(1, len(breaks) + 2)]
    return _classes([0.0, *breaks, top], names, density_colours(len(breaks) + 1))


def density_colours(number: int) -> list[str]:
    """So many colours, each darker than the one before; at most five differ."""
    if number == 1:
        return [_DENSITY_COLOURS[2]]
    steps = np.rint(np.linspace(0, len(_DENSITY_COLOURS) - 1, number)).astype(int)
    return [_DENSITY_COLOURS[step] for step in steps]


def _classes(edges: Sequence[float], names: Sequence[str], colours: Sequence[str]) -> tuple[LegendClass, ...]:
    words = [number_words(edge) for edge in edges]
    return tuple(
        LegendClass(edges[i], edges[i + 1], f"{translated(names[i])} ({words[i]}–{words[i + 1]})", colours[i])
        for i in range(len(names))
    )


def number_words(value: float) -> str:
    """A figure as a legend shows it: three significant digits, thousands parted."""
    if not value:
        return "0"
    digits = 2 - int(np.floor(np.log10(abs(value))))
    return f"{round(value, digits):,.{max(0, digits)}f}"


def style_gi_grid(layer: QgsVectorLayer, classes: Sequence[LegendClass]) -> None:
    """Draw a Gi* grid by its column ``class``."""
    categories = [QgsRendererCategory(int(c.lower), _fill(c.colour), c.label) for c in classes]
    layer.setRenderer(QgsCategorizedSymbolRenderer("class", categories))
    layer.setOpacity(LAYER_OPACITY)


def style_density_grid(layer: QgsVectorLayer, classes: Sequence[LegendClass]) -> None:
    """Draw a density grid by its column ``per_km2``."""
    ranges = [QgsRendererRange(c.lower, c.upper, _fill(c.colour), c.label) for c in classes]
    layer.setRenderer(QgsGraduatedSymbolRenderer("per_km2", ranges))
    layer.setOpacity(LAYER_OPACITY)


def style_raster(layer: QgsRasterLayer, classes: Sequence[LegendClass]) -> None:
    """Draw a one-band raster in classes; a value equal to a border belongs to the class below it."""
    ramp = QgsColorRampShader(classes[0].lower, classes[-1].upper)
    ramp.setColorRampType(QgsColorRampShader.Type.Discrete)
    ordered = sorted(classes, key=lambda c: c.upper)
    items = [QgsColorRampShader.ColorRampItem(c.upper, _colour(c.colour), c.label) for c in ordered]
    # Float32 rounds the highest value up at times; nothing may fall above the last class.
    items[-1].value = float("inf")
    ramp.setColorRampItemList(items)
    shader = QgsRasterShader()
    shader.setRasterShaderFunction(ramp)
    layer.setRenderer(QgsSingleBandPseudoColorRenderer(layer.dataProvider(), 1, shader))
    layer.setOpacity(LAYER_OPACITY)


def leave_out_band(node: QgsLayerTreeLayer) -> None:
    """Of a raster show the classes in the tree of layers, and not their band; before the node is put there."""
    layer = node.layer()
    if isinstance(layer, QgsRasterLayer):
        classes = len(layer.renderer().legendSymbologyItems())
        QgsMapLayerLegendUtils.setLegendNodeOrder(node, list(range(1, classes + 1)))  # 0 is the band


def _fill(colour: str) -> QgsFillSymbol:
    # The outline in the fill's own colour closes the hairlines that smoothing leaves between neighbours.
    style = {"color": colour, "outline_color": colour, "outline_width": "0.2", "joinstyle": "miter"}
    return QgsFillSymbol.createSimple(style if colour else {"style": "no", "outline_style": "no"})


def _colour(colour: str) -> QColor:
    return QColor(colour) if colour else QColor(0, 0, 0, 0)
