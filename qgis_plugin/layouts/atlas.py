"""An atlas: the same page for each borough or ward of the study area, one after the other, with its own figures.

The figures of all areas are made safe together, as the one table that they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from qgis.core import (
    QgsFeature,
    QgsField,
    QgsFillSymbol,
    QgsLayoutItemLabel,
    QgsLayoutItemMap,
    QgsMapLayer,
    QgsPrintLayout,
    QgsProject,
    QgsRuleBasedRenderer,
    QgsVectorLayer,
)
from qgis.PyQt.QtCore import QMetaType

from ...shared.disclosure import PublishedCount, published_change, published_count, published_table, published_words
from ...shared.furniture import FurnitureItem
from ..core.breakdown import AreaCount
from ..core.periods import Period
from . import items
from .hotspot_map import (
    PANEL_WIDTH,
    STRIP_HEIGHT,
    HotspotMap,
    care_block,
    ground_of,
    hotspot_frame,
    legend_entries,
    method_block,
    notes_of,
    side_column,
    side_row,
)
from .html_twin import TwinTable, attach_table
from .page_frame import footer, header
from .sheet import BASE_PROPERTY, Mode, Sheet, number, tr, variable_name
from .two_periods import percent

MARGIN = 0.1


@dataclass(frozen=True)
class Atlas(HotspotMap):
    """A run with the incidents of each area; ``before`` is the period that they are compared with, if any."""

    areas: tuple[AreaCount, ...] = ()
    before: Period | None = None


def build_atlas_layout(project: QgsProject, content: Atlas) -> QgsPrintLayout:
    """The layout of ``project`` with its atlas switched on, at its first page."""
    result, imprint = content.result, content.imprint
    sheet = Sheet(project, imprint, content.synthetic)
    ground = ground_of(sheet, content)
    rows = area_rows(content.areas, imprint.mode, result.masking)
    coverage = _coverage(project, content.areas, rows)
    longest = max((one.area.name for one in content.areas), key=len)
    top = header(sheet, f"{imprint.title}: {longest}")
    bottom = footer(sheet, notes_of(result, imprint.mode, ground))
    blocks = [
        items.Block(
            "figures", longest, "\n".join(_figure_lines(max(rows, key=lambda row: len("".join(row))), content))
        ),
        method_block(result, imprint.mode),
        *care_block(result, imprint.mode),
    ]
    gap = sheet.mm(5)
    if imprint.upright:
        split = bottom - sheet.mm(STRIP_HEIGHT)
        place = sheet.rect(sheet.left, top, sheet.right, split - gap)
        side = sheet.rect(sheet.left, split, sheet.right, bottom)
    else:
        split = sheet.right - sheet.mm(PANEL_WIDTH)
        place = sheet.rect(sheet.left, top, split - gap, bottom)
        side = sheet.rect(split, top, sheet.right, bottom)
    main = hotspot_frame(sheet, "map", place, result, ground)
    main.item.setLayers([_outlines(project, coverage, "#1f2933", 0.7), *main.item.layers()])
    main.item.setAtlasDriven(True)
    main.item.setAtlasScalingMode(QgsLayoutItemMap.AtlasScalingMode.Auto)
    main.item.setAtlasMargin(MARGIN)
    (side_row if imprint.upright else side_column)(sheet, side, legend_entries(main, result), blocks, result)
    _by_expressions(sheet, content)
    _mark_in_inset(sheet, coverage)
    items.let_scale_bar_follow(sheet, sheet.layout.itemById(FurnitureItem.SCALE_BAR.value), main.item)
    atlas = sheet.layout.atlas()
    atlas.setCoverageLayer(coverage)
    atlas.setPageNameExpression("name")
    atlas.setEnabled(True)
    atlas.updateFeatures()
    atlas.first()
    attach_table(sheet.layout, _table(content, rows))
    return sheet.layout


Row = tuple[str, str, str]


def area_rows(areas: Sequence[AreaCount], mode: Mode, masking: int) -> list[Row]:
    """Each area's count, the one before (“–” where not held) and the change, in words that may stand on the page."""
    compared = all(one.before is not None for one in areas)
    exact = [(one.count, one.before) if compared else (one.count,) for one in areas]
    if mode is Mode.OPERATIONAL:
        return [
            (
                number(counts[0]),
                number(counts[1]) if compared else "–",
                percent(counts[0] / counts[1] - 1) if compared and counts[1] else "–",
            )
            for counts in exact
        ]
    safe = published_table([tuple(count or 0 for count in counts) for counts in exact], masking)
    rows = []
    for counts, cells in zip(exact, safe.rows):
        ratio = published_change(cells[0], cells[1]) if compared else None
        before = _masked_words(counts[1] or 0, cells[1], masking) if compared else "–"
        rows.append((_masked_words(counts[0], cells[0], masking), before, "–" if ratio is None else percent(ratio)))
    return rows


def _masked_words(exact: int, cell: PublishedCount, masking: int) -> str:
    return "*" if cell is None and published_count(exact, masking) is not None else published_words(cell, masking)


def _figure_lines(row: Row, content: Atlas) -> list[str]:
    """The lines of one area; with a feature's columns as words, those of the atlas's expression."""
    period = content.result.period.label if content.result.period else tr("all dates")
    lines = [tr("{period}:").format(period=period), tr("{n} incidents").format(n=row[0])]
    if content.before is not None:
        lines += [tr("{period}:").format(period=content.before.label), tr("{n} incidents").format(n=row[1])]
        lines.append(tr("Change: {change}").format(change=row[2]))
    return lines


def _by_expressions(sheet: Sheet, content: Atlas) -> None:
    """Title and figures by expressions, so that each page has its own."""
    sheet.tell("safestats_title", sheet.imprint.title)
    by_name = {item.id(): item for item in sheet.layout.items() if isinstance(item, QgsLayoutItemLabel)}
    title = by_name[FurnitureItem.TITLE.value]
    title.setText(f"[% @{variable_name(FurnitureItem.TITLE.value)} %]: [% @atlas_pagename %]")
    by_name["figures_heading"].setText("[% @atlas_pagename %]")
    columns = ('[% "n" %]', '[% "before" %]', '[% "change" %]')
    by_name["figures"].setText("\n".join(_figure_lines(columns, content)))


def _coverage(project: QgsProject, areas: Sequence[AreaCount], rows: Sequence[Row]) -> QgsVectorLayer:
    """The areas as a layer of ours, each with its words: nothing exact is kept for a page that is published."""
    layer = QgsVectorLayer("MultiPolygon?crs=EPSG:27700", tr("Area of the page"), "memory")
    names = ("name", "n", "before", "change")
    layer.dataProvider().addAttributes([QgsField(name, QMetaType.Type.QString) for name in names])
    layer.updateFields()
    features = []
    for one, row in zip(areas, rows):
        feature = QgsFeature(layer.fields())
        shape = one.area.geometry
        shape.convertToMultiType()
        feature.setGeometry(shape)
        feature.setAttributes([one.area.name, *row])
        features.append(feature)
    layer.dataProvider().addFeatures(features)
    layer.updateExtents()
    layer.setCustomProperty(BASE_PROPERTY, True)
    layer.setFlags(layer.flags() | QgsMapLayer.LayerFlag.Private)
    project.addMapLayer(layer, False)
    return layer


def _outlines(project: QgsProject, coverage: QgsVectorLayer, colour: str, width: float) -> QgsVectorLayer:
    """The coverage as it is drawn: the page's area strongly, its neighbours faintly."""
    shown = coverage.clone()
    root = QgsRuleBasedRenderer.Rule(None)
    for expression, line in (("$id = @atlas_featureid", width), ("ELSE", 0.15)):
        symbol = QgsFillSymbol.createSimple({"style": "no", "outline_color": colour, "outline_width": str(line)})
        root.appendChild(QgsRuleBasedRenderer.Rule(symbol, 0, 0, expression))
    shown.setRenderer(QgsRuleBasedRenderer(root))
    shown.setFlags(shown.flags() | QgsMapLayer.LayerFlag.Private)
    project.addMapLayer(shown, False)
    return shown


def _mark_in_inset(sheet: Sheet, coverage: QgsVectorLayer) -> None:
    """The inset shows where the page's area lies."""
    inset = sheet.layout.itemById("inset")
    marked = coverage.clone()
    symbol = QgsFillSymbol.createSimple({"color": "#1f2933", "outline_style": "no"})
    root = QgsRuleBasedRenderer.Rule(None)
    root.appendChild(QgsRuleBasedRenderer.Rule(symbol, 0, 0, "$id = @atlas_featureid"))
    marked.setRenderer(QgsRuleBasedRenderer(root))
    marked.setFlags(marked.flags() | QgsMapLayer.LayerFlag.Private)
    sheet.project.addMapLayer(marked, False)
    inset.setLayers([marked, *inset.layers()])


def _table(content: Atlas, rows: Sequence[Row]) -> TwinTable:
    head = [tr("Area"), content.result.period.label if content.result.period else tr("all dates")]
    if content.before is not None:
        head += [content.before.label, tr("Change")]
    lines = [(one.area.name, *row[: len(head) - 1]) for one, row in zip(content.areas, rows)]
    return TwinTable(tr("Incidents by area"), tuple(head), tuple(lines))
