"""The hotspot map: one page with the map, its legend, how it was made, and all the furniture of a public document."""

from __future__ import annotations

from dataclasses import dataclass

from qgis.core import (
    QgsLayoutMeasurement,
    QgsMapLayer,
    QgsPrintLayout,
    QgsProject,
    QgsRasterLayer,
    QgsRectangle,
    QgsSingleBandPseudoColorRenderer,
)
from qgis.PyQt.QtGui import QColor

from ...shared.furniture import FurnitureItem
from ..core.hotspots import COUNT_PARAMETERS, HotspotResult
from ..core.periods import month_words
from . import base_map, items
from .page_frame import Notes, boundary_attribution, footer, header, joined
from .sheet import Imprint, Mode, Sheet, day, tr
from .small_numbers import sentence, shown, shown_value, without_figures

PANEL_WIDTH = 68.0
PANEL_SIZES = (8, 7.75, 7.5, 7.25, 7, 6.75, 6.5, 6.25, 6, 5.75, 5.5)


@dataclass(frozen=True)
class HotspotMap:
    """A finished run and what its publisher decides."""

    result: HotspotResult
    imprint: Imprint

    @property
    def synthetic(self) -> bool:
        """Whether the incidents are invented."""
        return self.result.synthetic


def build_hotspot_layout(project: QgsProject, content: HotspotMap) -> QgsPrintLayout:
    """The page as a layout of ``project``, which also gets the base map's layers (hidden in its tree)."""
    result = content.result
    sheet = Sheet(project, content.imprint, content.synthetic)
    top = header(sheet)
    bottom = footer(sheet, _notes(result, content.imprint.mode))
    gap = sheet.mm(5)
    split = sheet.right - sheet.mm(PANEL_WIDTH)

    base = base_map.base_map(project, sheet.pt(6.5)[0])
    area = result.study_area.geometry
    outline = base_map.study_area(project, area)
    printed = printed_copy(project, result.layer)
    extent = QgsRectangle(area.boundingBox())
    extent.scale(1.08)
    main = items.map_frame(
        sheet,
        "map",
        sheet.rect(sheet.left, top, split - gap, bottom),
        extent,
        [outline, *base.above, printed, *base.below[:-1], base_map.study_ground(project, area), base.below[-1]],
        base_map.OUTSIDE,
    )
    map_furniture(sheet, main)

    inset_height = sheet.mm(25)
    side = sheet.rect(split, top, sheet.right, bottom - inset_height - sheet.mm(3))
    legend = items.legend(
        sheet,
        FurnitureItem.LEGEND.value,
        side,
        [
            items.LegendEntry(printed, heading=result.legend_title),
            items.LegendEntry(outline, label=tr("Study area")),
            items.LegendEntry(base.boroughs, label=tr("Borough boundary")),
        ],
        (7, 6.5, 6),
    )
    below = legend.pos().y() + legend.rect().height() + sheet.mm(4)
    blocks = [items.Block("method", tr("How it was made"), _method(result, content.imprint.mode))]
    care = [*without_figures(result.notes, content.imprint.mode), *result.caveats]
    if care:
        blocks.append(items.Block("caveats", tr("Read with care"), " ".join(map(sentence, care))))
    words = sheet.rect(split, below, sheet.right, side.bottom())
    items.stack(sheet, words, blocks, items.fitting_size(sheet, words, blocks, PANEL_SIZES, 2.5), 2.5)

    inset = sheet.rect(split, bottom - inset_height, sheet.right, bottom)
    locator(sheet, inset, base_map.marked_area(project, area))
    return sheet.layout


def printed_copy(project: QgsProject, layer: QgsMapLayer) -> QgsMapLayer:
    """The layer as it is printed: opaque, for a see-through layer makes QGIS turn the whole map into a picture."""
    copy = layer.clone()
    copy.setOpacity(1.0)
    copy.setFlags(copy.flags() | QgsMapLayer.LayerFlag.Private)
    if isinstance(copy, QgsRasterLayer) and isinstance(copy.renderer(), QgsSingleBandPseudoColorRenderer):
        ramp = copy.renderer().shader().rasterShaderFunction()
        classes = ramp.colorRampItemList()
        for item in classes:
            if not item.color.alpha():
                item.color = QColor(255, 255, 255, 0)  # the legend ignores that it is clear: let it be white there
        ramp.setColorRampItemList(classes)
    project.addMapLayer(copy, False)
    return copy


def map_furniture(sheet: Sheet, main: items.QgsLayoutItemMap) -> None:
    """Scale bar and north arrow, on the map."""
    edge = sheet.mm(2.5)
    left, top = main.pos().x() + edge, main.pos().y() + edge
    bar = items.scale_bar(
        sheet, FurnitureItem.SCALE_BAR.value, main, left, main.pos().y() + main.rect().height() - edge
    )
    width, height = sheet.mm(7), sheet.mm(10)
    right = main.pos().x() + main.rect().width() - edge
    place = sheet.rect(right - width, top, right, top + height)
    arrow = items.north_arrow(sheet, FurnitureItem.NORTH_ARROW.value, main, place)
    for item in (bar, arrow):
        main.addLabelBlockingItem(item)
    main.setLabelMargin(QgsLayoutMeasurement(sheet.mm(1.5)))


def locator(sheet: Sheet, rect: items.QRectF, marked: base_map.QgsVectorLayer) -> None:
    """The inset: where in London the map lies."""
    layers = base_map.locator(sheet.project, marked)
    extent = QgsRectangle(layers[-1].extent())
    extent.scale(1.05)
    inset = items.map_frame(sheet, "inset", rect, extent, layers, items.PAPER)
    inset.setFrameEnabled(False)


def _method(result: HotspotResult, mode: Mode) -> str:
    """The parameters as lines, without the counts, which the foot of the page tells in sentences."""
    counts = [result.used, result.outside, result.unmapped or 0, result.largest_stack]
    return "\n".join(
        f"{name}: {shown_value(value, counts, mode)}"
        for name, value in result.parameters
        if name not in COUNT_PARAMETERS
    )


def _notes(result: HotspotResult, mode: Mode) -> Notes:
    counts = [
        tr("{used} incidents in the study area make the map.").format(used=shown(result.used, mode)),
    ]
    if result.unmapped is None:
        counts.append(tr("How many have no place and cannot be mapped is not known."))
    else:
        counts.append(tr("{n} have no place and cannot be mapped.").format(n=shown(result.unmapped, mode)))
    if result.outside:
        counts.append(tr("{n} lie outside the study area and are left out.").format(n=shown(result.outside, mode)))
    if result.largest_stack > 1:
        counts.append(tr("Up to {n} share one and the same point.").format(n=shown(result.largest_stack, mode)))
    return Notes(
        source=tr("{dataset}, through SafeStats.").format(dataset=result.dataset_title),
        extracted=tr("Data to {month}; extract of {day}.").format(
            month=month_words(result.newest_month), day=day(result.run_on)
        ),
        counts=" ".join(counts),
        attribution=joined(result.attribution, boundary_attribution()),
    )
