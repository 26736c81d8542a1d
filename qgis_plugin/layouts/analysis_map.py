"""The page of an analysis: its map with its own legend, what was found, how it was made, and all the furniture."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from qgis.core import (
    QgsCategorizedSymbolRenderer,
    QgsMapLayer,
    QgsPrintLayout,
    QgsProject,
    QgsRectangle,
    QgsVectorLayer,
)
from qgis.PyQt.QtCore import QRectF

from ..core.analyses.published import Drawn, drawn, drawn_in_public, masking
from ..core.analyses.running import COUNT_WORDS, AnalysisRun
from ..core.base_source import BOUNDARIES_ONLY, BaseSource
from ..core.sentences import translated
from ..core.study_areas import StudyArea
from . import base_map, items
from .base_map import BaseMap
from .hotspot_map import (
    PANEL_WIDTH,
    SEE_THROUGH,
    STRIP_HEIGHT,
    HotspotFrame,
    legend_entries,
    map_furniture,
    notes_of,
    printed_copy,
    side_column,
    side_row,
)
from .html_twin import TwinTable, attach_table, describe
from .page_frame import footer, header, joined
from .remarks import in_order, remarks_block
from .sheet import Imprint, Mode, Sheet, tr
from .small_numbers import printed_value, without_figures

MOST_CLASSES = 9  # in a legend, where some of them do not occur


@dataclass(frozen=True)
class AnalysisMap:
    """A finished run and what its publisher decides."""

    run: AnalysisRun
    imprint: Imprint
    base: BaseSource = BOUNDARIES_ONLY


class PrintedRun:
    """What the parts of a page need to know of a run; see ``hotspot_map.Printed``."""

    def __init__(self, run: AnalysisRun, shown: Drawn) -> None:
        facts = (run.facts, *(other for other, _ in run.others))
        self.study_area: StudyArea = run.area
        self.legend_title = shown.output.legend_title or shown.output.title
        self.used = run.record.incidents
        self.outside = run.record.outside
        self.unmapped: int | None = run.record.unmapped
        self.largest_stack = run.largest_stack
        self.masking = masking(run)
        self.dataset_title = ", ".join(dict.fromkeys(one.title for one in facts))
        self.newest_month = run.facts.newest_month
        self.run_on = date.fromisoformat(run.record.run_on)
        self.attribution = joined(*dict.fromkeys(one.attribution for one in facts))


def build_analysis_layout(project: QgsProject, content: AnalysisMap) -> QgsPrintLayout:
    """The page as a layout of ``project``, which also gets its layers; raises ``AnalysisError`` for what is not public.

    In publication the map holds classes alone, and no sentence a figure that was counted.
    """
    run, imprint = content.run, content.imprint
    shown = drawn_in_public(run) if imprint.mode is Mode.PUBLICATION else drawn(run)
    printed = PrintedRun(run, shown)
    sheet = Sheet(project, imprint, run.synthetic)
    width = run.area.geometry.boundingBox().width()
    ground = base_map.base_map(project, sheet.pt(6.5)[0], source=content.base, width_m=width)
    top = header(sheet)
    bottom = footer(sheet, notes_of(printed, imprint.mode, ground))
    blocks = [*_found(run, imprint.mode), _method(run, imprint.mode), *_care(run, shown, imprint.mode)]
    gap = sheet.mm(5)
    if imprint.upright:
        split = bottom - sheet.mm(STRIP_HEIGHT)
        main = _frame(sheet, sheet.rect(sheet.left, top, sheet.right, split - gap), run, shown, ground)
        room = sheet.rect(sheet.left, split, sheet.right, bottom)
        side_row(sheet, room, legend_entries(main, printed), blocks, printed)
    else:
        split = sheet.right - sheet.mm(PANEL_WIDTH)
        main = _frame(sheet, sheet.rect(sheet.left, top, split - gap, bottom), run, shown, ground)
        room = sheet.rect(split, top, sheet.right, bottom)
        side_column(sheet, room, legend_entries(main, printed), blocks, printed)
    attach_table(sheet.layout, main.table)
    return sheet.layout


def _frame(sheet: Sheet, rect: QRectF, run: AnalysisRun, shown: Drawn, ground: BaseMap) -> HotspotFrame:
    project, area = sheet.project, run.area.geometry
    outline = base_map.study_area(project, area)
    layer = printed_copy(project, shown.layer)
    _shorten(layer, shown)
    if ground.see_through:
        layer.setOpacity(SEE_THROUGH)
    guard = shown.output.guard
    below = []
    if guard is not None and not shown.below.isEmpty():
        below = [base_map.hatched(project, translated(guard.below), shown.below)]
    extent = QgsRectangle(area.boundingBox())
    extent.scale(1.08)
    paper = [] if ground.detailed else [base_map.study_ground(project, area)]
    layers = [outline, *ground.above, *below, layer, *ground.below[:-1], *paper, ground.below[-1]]
    main = items.map_frame(sheet, "map", rect, extent, layers, base_map.OUTSIDE)
    table = _table(shown)
    told = "; ".join(f"{label}: {share}" for label, share in table.rows)
    words = tr("Map: {title}. Class by class, how much is shown in it: {classes}.")
    describe(main, words.format(title=sheet.imprint.title, classes=told or tr("see the legend")))
    map_furniture(sheet, main)
    return HotspotFrame(main, layer, (*below, outline), ground, table)


def _shorten(layer: QgsMapLayer, shown: Drawn) -> None:
    """Leave out of a long legend the classes that do not occur: the words below need the room."""
    classes = shown.output.classes
    renderer = layer.renderer() if isinstance(layer, QgsVectorLayer) else None
    if len(classes) <= MOST_CLASSES or not isinstance(renderer, QgsCategorizedSymbolRenderer):
        return
    for number in sorted(set(range(len(classes))) - shown.occurring, reverse=True):
        renderer.deleteCategory(number)


def _table(shown: Drawn) -> TwinTable:
    rows = tuple((one.label, share) for one, share in zip(shown.output.classes, shown.shares) if one.colour)
    return TwinTable(shown.output.legend_title or shown.output.title, (tr("Class"), tr("How much")), rows)


def _found(run: AnalysisRun, mode: Mode) -> list[items.Block]:
    answer = without_figures([run.findings.answer], mode)
    return [items.Block("found", tr("What was found"), answer[0])] if answer else []


def _method(run: AnalysisRun, mode: Mode) -> items.Block:
    """The parameters as lines, without the counts, which the foot of the page tells in sentences."""
    at_foot = {translated(words) for words in COUNT_WORDS}
    lines = [f"{tr('Analysis')}: {translated(run.analysis.words)}"]
    for parameter in run.parameters:
        words, value = parameter[0], printed_value(parameter, mode)
        if value and words not in at_foot:
            lines.append(f"{words}: {value}")
    return items.Block("method", tr("How it was made"), "\n".join(lines))


def _care(run: AnalysisRun, shown: Drawn, mode: Mode) -> list[items.Block]:
    """What must be known when reading, as one block, or none."""
    every = (run.facts, *(other for other, _ in run.others))
    first = [*without_figures(run.notes, mode), *filter(None, [shown.withheld])]
    care = in_order(first, [text for facts in every for text in facts.caveats])
    return [remarks_block("caveats", care, len(every))] if care else []
