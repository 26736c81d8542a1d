"""A map with charts: where, when and what on one page."""

from __future__ import annotations

from dataclasses import dataclass

from qgis.core import QgsPrintLayout, QgsProject

from ..core.breakdown import Breakdown
from .charts import category_chart, category_words, chart_tables, month_chart, shown_categories, shown_months
from .hotspot_map import (
    HotspotMap,
    care_block,
    ground_of,
    hotspot_frame,
    legend_entries,
    method_block,
    notes_of,
    side_row,
)
from .html_twin import attach_table
from .page_frame import footer, header
from .sheet import Sheet, tr

STRIP = 40.0
STRIP_UPRIGHT = 46.0
CHARTS_SHARE = 0.42
CHARTS_UPRIGHT = 48.0


@dataclass(frozen=True)
class MapAndCharts(HotspotMap):
    """A run with the months and categories of its incidents."""

    breakdown: Breakdown = Breakdown((), ())


def build_map_and_charts_layout(project: QgsProject, content: MapAndCharts) -> QgsPrintLayout:
    """The page as a layout of ``project``."""
    result, mode, upright = content.result, content.imprint.mode, content.imprint.upright
    sheet = Sheet(project, content.imprint, content.synthetic)
    ground = ground_of(sheet, content)
    top = header(sheet)
    bottom = footer(sheet, notes_of(result, mode, ground))
    gap = sheet.mm(5)
    split = bottom - sheet.mm(STRIP_UPRIGHT if upright else STRIP)
    if upright:
        charts_top = split - gap - sheet.mm(CHARTS_UPRIGHT)
        middle = (sheet.left + sheet.right) / 2
        place = sheet.rect(sheet.left, top, sheet.right, charts_top - gap)
        months = sheet.rect(sheet.left, charts_top, middle - gap / 2, split - gap)
        categories = sheet.rect(middle + gap / 2, charts_top, sheet.right, split - gap)
    else:
        charts_left = sheet.right - (sheet.right - sheet.left) * CHARTS_SHARE
        middle = (top + split - gap) / 2
        place = sheet.rect(sheet.left, top, charts_left - gap, split - gap)
        months = sheet.rect(charts_left, top, sheet.right, middle - gap / 2)
        categories = sheet.rect(charts_left, middle + gap / 2, sheet.right, split - gap)
    main = hotspot_frame(sheet, "map", place, result, ground)
    one_category = len(content.breakdown.categories) < 2
    if one_category:  # there is nothing to compare: the months get the room
        months = months.united(categories) if upright else sheet.rect(months.left(), top, sheet.right, split - gap)
    month_chart(sheet, "months", months, tr("Incidents by month"), shown_months(content.breakdown, mode))
    if not one_category:
        period = result.period.label if result.period else tr("all dates")
        category_chart(
            sheet,
            "categories",
            categories,
            tr("Incidents by category, {period}").format(period=period),
            shown_categories(content.breakdown, mode),
            category_words(content.breakdown, mode),
        )
    blocks = [method_block(result, mode), *care_block(result, mode)]
    side_row(sheet, sheet.rect(sheet.left, split, sheet.right, bottom), legend_entries(main, result), blocks, result)
    for table in (main.table, *chart_tables(content.breakdown, mode)):
        attach_table(sheet.layout, table)
    return sheet.layout
