"""The pieces of a page: text, map, legend, scale bar, north arrow, inset, table. Each is one layout item."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from math import floor, log10
from pathlib import Path

from qgis.core import (
    Qgis,
    QgsFillSymbol,
    QgsLayerTreeLayer,
    QgsLayout,
    QgsLayoutFrame,
    QgsLayoutItem,
    QgsLayoutItemLabel,
    QgsLayoutItemLegend,
    QgsLayoutItemManualTable,
    QgsLayoutItemMap,
    QgsLayoutItemPicture,
    QgsLayoutItemScaleBar,
    QgsLayoutItemShape,
    QgsLayoutMeasurement,
    QgsLayoutPoint,
    QgsLayoutSize,
    QgsLayoutTable,
    QgsLayoutTableColumn,
    QgsLegendRenderer,
    QgsLegendStyle,
    QgsLineSymbol,
    QgsMapLayer,
    QgsMapLayerLegendUtils,
    QgsRasterSymbolLegendNode,
    QgsRectangle,
    QgsScaleBarSettings,
    QgsSymbolLegendNode,
    QgsTableCell,
)
from qgis.PyQt.QtCore import QRectF, Qt
from qgis.PyQt.QtGui import QColor

from ...shared.furniture import FurnitureItem
from .sheet import ALTERNATIVE_PROPERTY, Sheet, variable_name
from .typography import INK, fit, render_context, shorten, text_format, text_height, wrap

NORTH_ARROW = Path(__file__).resolve().parents[2] / "resources" / "styles" / "north_arrow.svg"
RULE = "#9aa5b1"
PAPER = "#ffffff"
SHADE = "#e9edf1"
FAINT = "#8a949e"
_FURNITURE = {item.value for item in FurnitureItem}
_RUNS_WIDER = 1.06  # letters in print type, than they were measured
_LEGEND_LINES = (36, 32, 28, 24, 20)  # letters in a line of labels that are broken
ROUNDING = 0.1  # a row that misses the frame by a hair is not drawn


def place(item: QgsLayoutItem, rect: QRectF) -> None:
    """Put an item where ``rect`` is, in millimetres."""
    item.attemptMove(QgsLayoutPoint(rect.x(), rect.y()))
    item.attemptResize(QgsLayoutSize(rect.width(), rect.height()))


def _add(layout: QgsLayout, item: QgsLayoutItem, name: str) -> None:
    item.setId(name)
    layout.addLayoutItem(item)


def text(
    sheet: Sheet,
    name: str,
    rect: QRectF,
    words: str,
    sizes: Sequence[float],
    bold: bool = False,
    colour: str = INK,
    align: Qt.AlignmentFlag = Qt.AlignmentFlag.AlignLeft,
    middle: bool = False,
) -> QgsLayoutItemLabel:
    """A text in ``rect`` at the first of ``sizes`` (A4 points) at which it fits.

    Furniture gets its words by an expression from a variable of the layout, so that a change of one changes all.
    """
    # QGIS would evaluate what stands between “[%” and “%]”: words may come from a server or a file.
    fitted = fit(words.replace("[%", "[ %"), rect.width(), rect.height(), sheet.pt(*sizes), bold, colour, sheet.font)
    label = QgsLayoutItemLabel(sheet.layout)
    label.setMarginX(0)
    label.setMarginY(0)
    label.setText("\n".join(fitted.lines))
    if name in _FURNITURE:
        sheet.tell(variable_name(name), label.text())
        label.setText(f"[% @{variable_name(name)} %]" if label.text() else "")
    label.setTextFormat(fitted.style)
    label.setHAlign(align)
    label.setVAlign(Qt.AlignmentFlag.AlignVCenter if middle else Qt.AlignmentFlag.AlignTop)
    _add(sheet.layout, label, name)
    place(label, rect)
    return label


@dataclass(frozen=True)
class Block:
    """A heading (may be empty) over a text; ``name`` is the text's item id.

    ``remarks``: the sentences of ``words`` of which the last may be left out, about so many ``layers``.
    """

    name: str
    heading: str
    words: str
    remarks: tuple[str, ...] = ()
    layers: int = 1


def block_heights(sheet: Sheet, width: float, blocks: Sequence[Block], size: float) -> list[tuple[float, float]]:
    """The heights of each block's heading and text in mm, at ``size`` (A4 points)."""
    head, body = (text_format(sheet.pt(size)[0], bold=bold, font_family=sheet.font) for bold in (True, False))
    return [
        (
            text_height(wrap(block.heading, width, head), head) + 0.3 if block.heading else 0.0,
            text_height(wrap(block.words, width, body), body) + 0.2,
        )
        for block in blocks
    ]


def fitting_size(sheet: Sheet, rect: QRectF, blocks: Sequence[Block], sizes: Sequence[float], gap: float) -> float:
    """The first of ``sizes`` at which the blocks fit ``rect``; the last where none does."""
    for size in sizes:
        heights = block_heights(sheet, rect.width(), blocks, size)
        if sum(map(sum, heights)) + sheet.mm(gap) * (len(blocks) - 1) <= rect.height():
            return size
    return sizes[-1]


def stack(sheet: Sheet, rect: QRectF, blocks: Sequence[Block], size: float, gap: float) -> float:
    """Blocks from the top of ``rect`` downwards, ``gap`` (A4 mm) apart; where they end, in mm. See ``fitting_size``.

    Where even the smallest size was too large, the last block is cut with an ellipsis: nothing runs over.
    """
    y = rect.y()
    for block, (head, body) in zip(blocks, block_heights(sheet, rect.width(), blocks, size)):
        line = text_height(["x"], text_format(sheet.pt(size)[0], font_family=sheet.font))
        body = min(body, max(rect.bottom() - y - head, line))
        if block.heading:
            above = QRectF(rect.x(), y, rect.width(), head)
            text(sheet, f"{block.name}_heading", above, block.heading, [size], bold=True)
        text(sheet, block.name, QRectF(rect.x(), y + head, rect.width(), body), block.words, [size])
        y += head + body + sheet.mm(gap)
    return y - sheet.mm(gap)


def panel(sheet: Sheet, name: str, rect: QRectF, fill: str, line: str = "") -> QgsLayoutItemShape:
    """A filled rectangle, without outline unless ``line`` is a colour."""
    shape = QgsLayoutItemShape(sheet.layout)
    shape.setShapeType(QgsLayoutItemShape.Shape.Rectangle)
    outline = {"outline_color": line, "outline_width": "0.2"} if line else {"outline_style": "no"}
    shape.setSymbol(QgsFillSymbol.createSimple({"color": fill, **outline}))
    _add(sheet.layout, shape, name)
    place(shape, rect)
    return shape


def map_frame(
    sheet: Sheet, name: str, rect: QRectF, extent: QgsRectangle, layers: Sequence[QgsMapLayer], background: str
) -> QgsLayoutItemMap:
    """A map of ``extent`` (grown to the frame's shape), top layer first, in EPSG:27700."""
    item = QgsLayoutItemMap(sheet.layout)
    _add(sheet.layout, item, name)
    place(item, rect)
    item.setCrs(layers[0].crs())
    item.setLayers(list(layers))
    item.setKeepLayerSet(True)
    item.setKeepLayerStyles(False)
    item.zoomToExtent(extent)
    item.setBackgroundColor(QColor(background))
    item.setFrameEnabled(True)
    item.setFrameStrokeColor(QColor(RULE))
    item.setFrameStrokeWidth(QgsLayoutMeasurement(0.2))
    return item


def round_length(longest: float) -> float:
    """The largest of 1, 2, 5 × 10ⁿ that is at most ``longest``."""
    power = 10.0 ** floor(log10(longest))
    return max(step for step in (1, 2, 5, 10) if step * power <= longest * (1 + 1e-9)) * power


def scale_bar(sheet: Sheet, name: str, of: QgsLayoutItemMap, left: float, bottom: float) -> QgsLayoutItemScaleBar:
    """A bar of a round length, about a quarter of the map wide, in two halves."""
    bar = QgsLayoutItemScaleBar(sheet.layout)
    let_measure(bar, of)
    bar.setHeight(sheet.mm(1.4))
    bar.setLabelBarSpace(sheet.mm(0.8))
    bar.setBoxContentSpace(sheet.mm(1.4))
    bar.setTextFormat(text_format(sheet.pt(7)[0], font_family=sheet.font))
    bar.setFillSymbol(QgsFillSymbol.createSimple({"color": INK, "outline_style": "no"}))
    bar.setLineSymbol(QgsLineSymbol.createSimple({"color": INK, "width": "0.2"}))
    bar.setBackgroundEnabled(True)
    bar.setBackgroundColor(QColor(PAPER))
    _add(sheet.layout, bar, name)
    bar.refresh()
    size = bar.minimumSize()
    place(bar, QRectF(left, bottom - size.height(), size.width(), size.height()))
    return bar


def let_measure(bar: QgsLayoutItemScaleBar, of: QgsLayoutItemMap) -> None:
    """Let a bar measure a map of metres: a round length, about a quarter of it wide, in two halves."""
    metres = round_length(of.extent().width() * 0.25)
    kilometres = metres >= 1000
    bar.setLinkedMap(of)
    bar.applyDefaultSettings()
    bar.setStyle("Single Box")
    bar.setUnits(Qgis.DistanceUnit.Kilometers if kilometres else Qgis.DistanceUnit.Meters)
    bar.setUnitLabel("km" if kilometres else "m")
    bar.setMapUnitsPerScaleBarUnit(1)
    bar.setNumberOfSegmentsLeft(0)
    bar.setNumberOfSegments(2)
    bar.setUnitsPerSegment((metres / 1000 if kilometres else metres) / 2)


def let_scale_bar_follow(sheet: Sheet, bar: QgsLayoutItemScaleBar, of: QgsLayoutItemMap) -> None:
    """Let a bar find its round length anew where the map's scale changes from page to page."""
    bar.setSegmentSizeMode(QgsScaleBarSettings.SegmentSizeMode.FitWidth)
    bar.setMinimumBarWidth(of.rect().width() * 0.12)
    bar.setMaximumBarWidth(of.rect().width() * 0.25)
    bar.setUnits(Qgis.DistanceUnit.Meters)
    bar.setUnitLabel("m")
    height = bar.rect().height()
    bottom = bar.pos().y() + height
    place(bar, QRectF(bar.pos().x(), bottom - height, of.rect().width() * 0.25 + sheet.mm(8), height))


def north_arrow(sheet: Sheet, name: str, of: QgsLayoutItemMap, rect: QRectF) -> QgsLayoutItemPicture:
    """An arrow to grid north."""
    arrow = QgsLayoutItemPicture(sheet.layout)
    arrow.setPicturePath(str(NORTH_ARROW))
    arrow.setLinkedMap(of)
    arrow.setNorthMode(QgsLayoutItemPicture.NorthMode.GridNorth)
    arrow.setBackgroundEnabled(True)
    arrow.setBackgroundColor(QColor(PAPER))
    _add(sheet.layout, arrow, name)
    place(arrow, rect)
    return arrow


def picture(sheet: Sheet, name: str, rect: QRectF, path: Path, words: str) -> QgsLayoutItemPicture:
    """A picture in its own proportions, at the right of ``rect``; ``words`` say what it shows to who cannot see it."""
    item = QgsLayoutItemPicture(sheet.layout)
    item.setPicturePath(str(path))
    item.setResizeMode(QgsLayoutItemPicture.ResizeMode.Zoom)
    item.setPictureAnchor(QgsLayoutItem.ReferencePoint.MiddleRight)
    item.setCustomProperty(ALTERNATIVE_PROPERTY, words)
    _add(sheet.layout, item, name)
    place(item, rect)
    return item


@dataclass(frozen=True)
class LegendEntry:
    """A layer in the legend; ``heading`` is printed above its classes, empty for a layer of one symbol."""

    layer: QgsMapLayer
    heading: str = ""
    label: str = ""


def legend(
    sheet: Sheet, name: str, rect: QRectF, entries: Sequence[LegendEntry], sizes: Sequence[float], columns: int = 1
) -> QgsLayoutItemLegend:
    """The symbols of ``entries`` from the layers themselves, at the first size that fits; top left in ``rect``.

    Where none fits, long labels are broken into lines, as few as will do.
    """
    item = QgsLayoutItemLegend(sheet.layout)
    _add(sheet.layout, item, name)
    item.setAutoUpdateModel(False)
    item.setTitle("")
    item.setColumnCount(columns)
    item.setBoxSpace(0)
    item.setResizeToContents(False)
    item.setWrapString("\n")
    for size, letters in (*product(sizes, (None,)), *product(sizes, _LEGEND_LINES)):
        if letters is not None or size == sizes[0]:
            _fill_legend(item, entries, letters)
        _legend_type(sheet, item, size)
        needed = QgsLegendRenderer(item.model(), item.legendSettings()).minimumSize(render_context())
        if needed.height() <= rect.height() and needed.width() * _RUNS_WIDER <= rect.width():
            break
    width = max(needed.width() * _RUNS_WIDER, min(needed.width() + sheet.mm(2), rect.width()))
    place(item, QRectF(rect.x(), rect.y(), width, needed.height() + 0.5))
    return item


def _fill_legend(item: QgsLayoutItemLegend, entries: Sequence[LegendEntry], letters: int | None) -> None:
    root = item.model().rootGroup()
    root.clear()
    for entry in entries:
        node: QgsLayerTreeLayer = root.addLayer(entry.layer)
        words = entry.heading or entry.label or entry.layer.name()
        if letters is not None and not entry.heading:
            words = textwrap.fill(words, letters, break_long_words=False)
        node.setCustomProperty("legend/title-label", words)
        if entry.heading:
            _only_classes(item, node)
        else:
            item.model().refreshLayerLegend(node)


def _only_classes(item: QgsLayoutItemLegend, node: QgsLayerTreeLayer) -> None:
    """Leave out of the legend what is no class (a raster's “Band 1”)."""
    model = item.model()
    nodes = model.layerOriginalLegendNodes(node)
    classes = [i for i, n in enumerate(nodes) if isinstance(n, (QgsSymbolLegendNode, QgsRasterSymbolLegendNode))]
    QgsMapLayerLegendUtils.setLegendNodeOrder(node, classes)
    model.refreshLayerLegend(node)


def _legend_type(sheet: Sheet, item: QgsLayoutItemLegend, size: float) -> None:
    body = text_format(sheet.pt(size)[0], font_family=sheet.font)
    heading = text_format(sheet.pt(size)[0], bold=True, font_family=sheet.font)
    style = QgsLegendStyle.Style
    for component, chosen in ((style.Group, heading), (style.Subgroup, heading), (style.SymbolLabel, body)):
        rule = item.style(component)
        rule.setTextFormat(chosen)
        rule.setMargin(QgsLegendStyle.Side.Left, 0)
        item.setStyle(component, rule)
    label = item.style(style.SymbolLabel)
    label.setMargin(QgsLegendStyle.Side.Left, sheet.mm(1.6))
    item.setStyle(style.SymbolLabel, label)
    spaces = item.style(style.Symbol)
    spaces.setMargin(QgsLegendStyle.Side.Top, sheet.mm(0.14 * size))
    item.setStyle(style.Symbol, spaces)
    below = item.style(style.Subgroup)
    below.setMargin(QgsLegendStyle.Side.Top, 0)
    below.setMargin(QgsLegendStyle.Side.Bottom, sheet.mm(0.4))
    item.setStyle(style.Subgroup, below)
    item.setSymbolWidth(sheet.mm(0.75 * size))
    item.setSymbolHeight(sheet.mm(0.42 * size))


@dataclass(frozen=True)
class Cell:
    """A cell of a printed table."""

    words: str = ""
    bold: bool = False
    colour: str = INK
    fill: str = ""
    right: bool = False
    centre: bool = False


def table(
    sheet: Sheet,
    name: str,
    corner: tuple[float, float],
    widths: Sequence[float],
    row_height: float,
    rows: Sequence[Sequence[Cell]],
    size: float,
    lines: str = "",
    margin: float = 0.8,
) -> QgsLayoutFrame:
    """A table of fixed columns and rows; words too long for their cell are cut with an ellipsis."""
    multi = QgsLayoutItemManualTable.create(sheet.layout)
    sheet.layout.addMultiFrame(multi)
    margin = sheet.mm(margin)
    contents = []
    for row in rows:
        cells = []
        for cell, width in zip(row, widths):
            style = text_format(sheet.pt(size)[0], cell.bold, cell.colour, font_family=sheet.font)
            made = QgsTableCell(shorten(cell.words, width - 2 * margin, style))
            made.setTextFormat(style)
            side = Qt.AlignmentFlag.AlignRight if cell.right else Qt.AlignmentFlag.AlignLeft
            if cell.centre:
                side = Qt.AlignmentFlag.AlignHCenter
            made.setHorizontalAlignment(side)
            made.setVerticalAlignment(Qt.AlignmentFlag.AlignVCenter)
            if cell.fill:
                made.setBackgroundColor(QColor(cell.fill))
            cells.append(made)
        contents.append(cells)
    multi.setCellMargin(margin)
    multi.setShowGrid(bool(lines))
    if lines:
        multi.setGridColor(QColor(lines))
        multi.setGridStrokeWidth(0.15)
    multi.setColumns([QgsLayoutTableColumn() for _ in widths])
    multi.setTableContents(contents)
    multi.setIncludeTableHeader(False)
    multi.setHeaderMode(QgsLayoutTable.HeaderMode.NoHeaders)
    # A table adds its margins and lines to what it is told.
    line = 0.15 if lines else 0.0
    multi.setColumnWidths([width - 2 * margin - line for width in widths])
    multi.setRowHeights([row_height - 2 * margin - line for _ in rows])
    frame = QgsLayoutFrame(sheet.layout, multi)
    multi.addFrame(frame)
    frame.setId(name)
    place(frame, QRectF(corner[0], corner[1], sum(widths) + line, row_height * len(rows) + line + ROUNDING))
    multi.refresh()
    return frame
