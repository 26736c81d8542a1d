"""The hotspot map: one page with the map, its legend, how it was made, and all the furniture of a public document."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Protocol

from qgis.core import (
    QgsLayoutItemMap,
    QgsLayoutMeasurement,
    QgsMapLayer,
    QgsPrintLayout,
    QgsProject,
    QgsRasterLayer,
    QgsRectangle,
    QgsSingleBandPseudoColorRenderer,
)
from qgis.PyQt.QtCore import QRectF
from qgis.PyQt.QtGui import QColor

from ...shared.furniture import FurnitureItem
from ..core.base_source import BOUNDARIES_ONLY, BaseSource
from ..core.hotspot_surface import HotspotSurface
from ..core.hotspots import COUNT_PARAMETERS, OF_SPARSE_CELLS, HotspotResult
from ..core.periods import month_words
from ..core.public_surface import cold_shape, public_surface
from ..core.study_areas import StudyArea
from . import base_map, items
from .base_map import BaseMap
from .html_twin import TwinTable, attach_table, describe
from .page_frame import Notes, boundary_attribution, footer, header, joined
from .remarks import in_order, remarks_block, whole
from .sheet import Imprint, Mode, Sheet, day, tr
from .small_numbers import printed_value, shown, shown_value, without_figures

PANEL_WIDTH = 68.0
STRIP_HEIGHT = 52.0
SEE_THROUGH = 0.65
MOST_GROUND_ENTRIES = 3
LEGEND_SIZES = (7, 6.5, 6, 5.5, 5)
PANEL_SIZES = (8, 7.75, 7.5, 7.25, 7, 6.75, 6.5, 6.25, 6, 5.75, 5.5)


class Printed(Protocol):
    """What the parts beside a map need to know of what it shows; of ``HotspotResult`` and of an analysis's run."""

    @property
    def study_area(self) -> StudyArea: ...
    @property
    def legend_title(self) -> str: ...
    @property
    def used(self) -> int: ...
    @property
    def outside(self) -> int: ...
    @property
    def unmapped(self) -> int | None: ...
    @property
    def largest_stack(self) -> int: ...
    @property
    def masking(self) -> int: ...
    @property
    def dataset_title(self) -> str: ...
    @property
    def newest_month(self) -> str: ...
    @property
    def run_on(self) -> date: ...
    @property
    def attribution(self) -> str: ...


@dataclass(frozen=True)
class HotspotMap:
    """A finished run and what its publisher decides."""

    result: HotspotResult
    imprint: Imprint
    base: BaseSource = BOUNDARIES_ONLY

    @property
    def synthetic(self) -> bool:
        """Whether the incidents are invented."""
        return self.result.synthetic


def build_hotspot_layout(project: QgsProject, content: HotspotMap) -> QgsPrintLayout:
    """The page as a layout of ``project``, which also gets the base map's layers (hidden in its tree)."""
    result, imprint = content.result, content.imprint
    sheet = Sheet(project, imprint, content.synthetic)
    ground = ground_of(sheet, content)
    top = header(sheet)
    bottom = footer(sheet, notes_of(result, imprint.mode, ground))
    blocks = [method_block(result, imprint.mode), *care_block(result, imprint.mode)]
    gap = sheet.mm(5)
    if imprint.upright:
        split = bottom - sheet.mm(STRIP_HEIGHT)
        main = hotspot_frame(sheet, "map", sheet.rect(sheet.left, top, sheet.right, split - gap), result, ground)
        entries = legend_entries(main, result)
        side_row(sheet, sheet.rect(sheet.left, split, sheet.right, bottom), entries, blocks, result)
    else:
        split = sheet.right - sheet.mm(PANEL_WIDTH)
        main = hotspot_frame(sheet, "map", sheet.rect(sheet.left, top, split - gap, bottom), result, ground)
        entries = legend_entries(main, result)
        side_column(sheet, sheet.rect(split, top, sheet.right, bottom), entries, blocks, result)
    attach_table(sheet.layout, main.table)
    return sheet.layout


@dataclass(frozen=True)
class HotspotFrame:
    """A hotspot map on the page, and the layers that its legend explains."""

    item: QgsLayoutItemMap
    printed: QgsMapLayer
    marked: tuple[QgsMapLayer, ...]  # what is drawn on it: cold spots, the study area's outline
    ground: BaseMap
    table: TwinTable  # what it shows, class by class


def ground_of(sheet: Sheet, content: HotspotMap) -> BaseMap:
    """The base map for the study area at the page's size."""
    width = content.result.study_area.geometry.boundingBox().width()
    return base_map.base_map(sheet.project, sheet.pt(6.5)[0], source=content.base, width_m=width)


def hotspot_frame(
    sheet: Sheet, name: str, rect: QRectF, result: HotspotResult, ground: BaseMap, furniture: bool = True
) -> HotspotFrame:
    """The map of a result on its ground, all of the study area in view; with scale bar and north arrow."""
    project, area = sheet.project, result.study_area.geometry
    outline = base_map.study_area(project, area)
    result, layer, surface = shown_in(result, sheet.imprint.mode)
    printed = printed_copy(project, layer)
    extent = QgsRectangle(area.boundingBox())
    extent.scale(1.08)
    if ground.see_through:
        printed.setOpacity(SEE_THROUGH)
    paper = [] if ground.detailed else [base_map.study_ground(project, area)]
    cold = _cold(project, result, surface)
    layers = [outline, *ground.above, *cold, printed, *ground.below[:-1], *paper, ground.below[-1]]
    main = items.map_frame(sheet, name, rect, extent, layers, base_map.OUTSIDE)
    describe(main, map_words(result))
    if furniture:
        map_furniture(sheet, main)
    return HotspotFrame(main, printed, (*cold, outline), ground, class_table(result))


def shown_in(result: HotspotResult, mode: Mode) -> tuple[HotspotResult, QgsMapLayer, HotspotSurface | None]:
    """The result, its layer and surface as they may be shown: in public without the sparse cells."""
    public = public_surface(result) if mode is Mode.PUBLICATION else None
    if public is None:
        return result, result.layer, result.surface
    return replace(result, class_km2=public.class_km2), public.layer, public.surface


def _cold(project: QgsProject, result: HotspotResult, surface: HotspotSurface | None) -> list[QgsMapLayer]:
    """What marks cold spots beside their colour: in grey, they look like hot ones."""
    if result.method.is_density or surface is None:
        return []
    shape = cold_shape(surface)
    return [] if shape.isEmpty() else [base_map.hatched(project, tr("Hatched: cold spots"), shape)]


def map_words(result: HotspotResult) -> str:
    """The map in words, for who cannot see it."""
    shown = [
        tr("{label}: {area}").format(label=one.label, area=area_words(km2))
        for one, km2 in zip(result.classes, result.class_km2)
        if one.colour
    ]
    words = tr("Map: {title}. Class by class, how much of the study area is shown in it: {classes}.")
    return words.format(title=result.title, classes="; ".join(shown) or tr("see the legend"))


def area_words(km2: float) -> str:
    """“1.3 km²”."""
    return tr("{area} km²").format(area=f"{km2:,.1f}" if km2 < 100 else f"{km2:,.0f}")


def class_table(result: HotspotResult) -> TwinTable:
    """What the map shows, class by class."""
    rows = [(one.label, area_words(km2)) for one, km2 in zip(result.classes, result.class_km2)]
    return TwinTable(result.legend_title, (tr("Class"), tr("Part of the study area")), tuple(rows))


def legend_entries(main: HotspotFrame, result: Printed) -> list[items.LegendEntry]:
    """What the legend explains; the first of a ground's layers where it has many."""
    return [
        items.LegendEntry(main.printed, heading=result.legend_title),
        *(items.LegendEntry(layer) for layer in main.marked),
        items.LegendEntry(main.ground.boroughs, label=tr("Borough boundary")),
        *(items.LegendEntry(layer) for layer in main.ground.legend[:MOST_GROUND_ENTRIES]),
    ]


def side_column(
    sheet: Sheet,
    rect: QRectF,
    entries: Sequence[items.LegendEntry],
    blocks: Sequence[items.Block],
    result: Printed,
) -> None:
    """Legend, words and inset below one another."""
    inset_height = sheet.mm(25)
    side = sheet.rect(rect.left(), rect.top(), rect.right(), rect.bottom() - inset_height - sheet.mm(3))
    legend = items.legend(sheet, FurnitureItem.LEGEND.value, side, entries, LEGEND_SIZES)
    below = legend.pos().y() + legend.rect().height() + sheet.mm(4)
    words = sheet.rect(rect.left(), below, rect.right(), side.bottom())
    blocks = whole(sheet, words, blocks, PANEL_SIZES[-1], 2.5)
    items.stack(sheet, words, blocks, items.fitting_size(sheet, words, blocks, PANEL_SIZES, 2.5), 2.5)
    inset = sheet.rect(rect.left(), rect.bottom() - inset_height, rect.right(), rect.bottom())
    locator(sheet, inset, base_map.marked_area(sheet.project, result.study_area.geometry))


def side_row(
    sheet: Sheet,
    rect: QRectF,
    entries: Sequence[items.LegendEntry],
    blocks: Sequence[items.Block],
    result: Printed,
) -> None:
    """Legend, words in two columns, and inset beside one another."""
    gap = sheet.mm(4)
    legend_right = rect.left() + rect.width() * 0.33
    room = sheet.rect(rect.left(), rect.top(), legend_right, rect.bottom())
    legend = items.legend(sheet, FurnitureItem.LEGEND.value, room, entries, LEGEND_SIZES)
    inset_left = rect.right() - sheet.mm(34)
    inset = sheet.rect(inset_left, rect.top(), rect.right(), rect.top() + min(sheet.mm(26), rect.height()))
    locator(sheet, inset, base_map.marked_area(sheet.project, result.study_area.geometry))
    left = legend.pos().x() + legend.rect().width() + gap
    columns = _columns(blocks)
    width = (inset_left - gap - left - gap * (len(columns) - 1)) / len(columns)
    rooms = [
        sheet.rect(left + n * (width + gap), rect.top(), left + n * (width + gap) + width, rect.bottom())
        for n in range(len(columns))
    ]
    columns = [whole(sheet, room, column, PANEL_SIZES[-1], 2.5) for room, column in zip(rooms, columns)]
    size = min(items.fitting_size(sheet, room, column, PANEL_SIZES, 2.5) for room, column in zip(rooms, columns))
    for room, column in zip(rooms, columns):
        items.stack(sheet, room, column, size, 2.5)


def _columns(blocks: Sequence[items.Block]) -> list[list[items.Block]]:
    """The longest block by itself, the others together in their order."""
    longest = max(blocks, key=lambda block: len(block.words))
    others = [block for block in blocks if block is not longest]
    return [others, [longest]] if others else [[longest]]


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


def map_furniture(sheet: Sheet, main: QgsLayoutItemMap) -> None:
    """Scale bar and north arrow, on the map; of several maps on one scale, the first carries them."""
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


def locator(sheet: Sheet, rect: QRectF, marked: base_map.QgsVectorLayer) -> None:
    """The inset: where in London the map lies."""
    layers = base_map.locator(sheet.project, marked)
    extent = QgsRectangle(layers[-1].extent())
    extent.scale(1.05)
    inset = items.map_frame(sheet, "inset", rect, extent, layers, items.PAPER)
    inset.setFrameEnabled(False)
    describe(inset, tr("Inset: where in London the map lies."))


def method_block(result: HotspotResult, mode: Mode) -> items.Block:
    """The parameters as lines, without the counts, which the foot of the page tells in sentences."""
    counts = [result.used, result.outside, result.unmapped or 0, result.largest_stack]
    lines = "\n".join(
        f"{parameter[0]}: {shown_value(printed_value(parameter, mode), counts, mode, result.masking)}"
        for parameter in result.parameters
        if parameter[0] not in COUNT_PARAMETERS and not (mode is Mode.PUBLICATION and parameter[0] in OF_SPARSE_CELLS)
    )
    return items.Block("method", tr("How it was made"), lines)


def care_block(result: HotspotResult, mode: Mode) -> list[items.Block]:
    """What must be known when reading, as one block, or none."""
    first = without_figures(result.notes, mode)
    if mode is Mode.PUBLICATION and result.surface is not None:
        few = tr("Cells near which fewer than {n} incidents lie are {shown}.")
        density, other = tr("left undrawn, as are those below the lowest class"), tr("shown as not significant")
        first.append(few.format(n=result.masking + 1, shown=density if result.method.is_density else other))
    care = in_order(first, result.caveats)
    return [remarks_block("caveats", care)] if care else []


def notes_of(result: Printed, mode: Mode, ground: BaseMap) -> Notes:
    """The words at the foot of the page."""

    def told(count: int) -> str:
        return shown(count, mode, result.masking)

    counts = [
        tr("{used} incidents in the study area make the map.").format(used=told(result.used)),
    ]
    if result.unmapped is None:
        counts.append(tr("How many have no place and cannot be mapped is not known."))
    else:
        counts.append(tr("{n} have no place and cannot be mapped.").format(n=told(result.unmapped)))
    if result.outside:
        counts.append(tr("{n} lie outside the study area and are left out.").format(n=told(result.outside)))
    if result.largest_stack > 1:
        counts.append(tr("Up to {n} share one and the same point.").format(n=told(result.largest_stack)))
    return Notes(
        source=tr("{dataset}, through SafeStats.").format(dataset=result.dataset_title),
        extracted=tr("Data to {month}; extract of {day}.").format(
            month=month_words(result.newest_month), day=day(result.run_on)
        ),
        counts=" ".join(counts),
        attribution=joined(result.attribution, boundary_attribution(), ground.attribution),
        maskings=(result.masking,),
    )
