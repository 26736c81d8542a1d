"""Two periods side by side: the same map twice, in the same classes and on one scale, with how the counts changed."""

from __future__ import annotations

from dataclasses import dataclass, replace

from qgis.core import QgsPrintLayout, QgsProject
from qgis.PyQt.QtCore import Qt

from ...shared.change import change as rate_change
from ...shared.disclosure import published_change, published_count, published_table, published_words
from ..core.hotspots import HotspotResult
from ..core.needed import needed
from . import items
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
from .html_twin import TwinTable, attach_table
from .page_frame import Notes, footer, header
from .sheet import Mode, Sheet, tr
from .small_numbers import shown

STRIP = 44.0
STRIP_UPRIGHT = 62.0
CAPTION = 6.0


@dataclass(frozen=True)
class TwoPeriods(HotspotMap):
    """A run, and the run of the period before with the same settings, in the same classes."""

    before: HotspotResult | None = None


def build_two_periods_layout(project: QgsProject, content: TwoPeriods) -> QgsPrintLayout:
    """The page as a layout of ``project``: the period before at the left, the period at the right."""
    before = needed(content.before, "map of the period before")
    result, mode = content.result, content.imprint.mode
    sheet = Sheet(project, content.imprint, content.synthetic)
    ground = ground_of(sheet, content)
    top = header(sheet)
    bottom = footer(sheet, _notes(content, notes_of(result, mode, ground)))
    gap = sheet.mm(5)
    split = bottom - sheet.mm(STRIP_UPRIGHT if content.imprint.upright else STRIP)
    width = (sheet.right - sheet.left - gap) / 2
    frames = []
    for number, one in enumerate((before, result)):
        left = sheet.left + number * (width + gap)
        caption = sheet.rect(left, top, left + width, top + sheet.mm(CAPTION - 1))
        words = one.period.label if one.period else tr("all dates")
        centre = Qt.AlignmentFlag.AlignHCenter
        text_name = f"period_{number}"
        items.text(sheet, text_name, caption, words, (10, 9, 8, 7), bold=True, align=centre, middle=True)
        place = sheet.rect(left, top + sheet.mm(CAPTION), left + width, split - gap)
        frames.append(hotspot_frame(sheet, f"map_{number}" if number else "map", place, one, ground, not number))
    blocks = [
        items.Block("change", tr("Change"), change_words(result, before, mode)),
        method_block(result, mode),
        *care_block(result, mode),
    ]
    side_row(
        sheet,
        sheet.rect(sheet.left, split, sheet.right, bottom),
        legend_entries(frames[1], result),
        blocks,
        result,
    )
    attach_table(sheet.layout, _table(result, before, *(frame.table for frame in frames)))
    return sheet.layout


def change_words(result: HotspotResult, before: HotspotResult, mode: Mode) -> str:
    """How the number of incidents changed: in public from rounded counts, and not on a small base."""
    if mode is Mode.PUBLICATION:
        masking = result.masking
        now, then = published_count(result.used, masking), published_count(before.used, masking)
        safe = published_table([(result.used,), (before.used,)], masking)
        words = tr("{now} incidents, {then} in the period before.").format(
            now=published_words(safe.rows[0][0], masking), then=published_words(safe.rows[1][0], masking)
        )
        ratio = published_change(now, then)
        if ratio is None:
            return words + " " + tr("No change is given on so small a base.")
        return words + " " + tr("Change: {change}, from the rounded counts.").format(change=percent(ratio))
    words = tr("{now} incidents, {then} in the period before.").format(
        now=shown(result.used, mode, result.masking), then=shown(before.used, mode, result.masking)
    )
    rate = rate_change(result.used, before.used)
    if rate.ratio is None:
        return words + " " + tr("There were none before, so no change can be given.")
    interval = ""
    if rate.low is not None and rate.high is not None and rate.high != float("inf"):
        interval = tr(" (95 % interval {low} to {high})").format(low=percent(rate.low - 1), high=percent(rate.high - 1))
    words += " " + tr("Change: {change}{interval}.").format(change=percent(rate.ratio - 1), interval=interval)
    return words + (" " + tr("So small counts say little.") if rate.weak else "")


def percent(ratio: float) -> str:
    """“+12 %”, with a real minus."""
    return f"{ratio * 100:+,.0f} %".replace("-", "−")


def _notes(content: TwoPeriods, notes: Notes) -> Notes:
    then = needed(content.before, "map of the period before")
    before = tr("In the period before, {n} incidents make the map.").format(
        n=shown(then.used, content.imprint.mode, then.masking)
    )
    return replace(notes, counts=f"{notes.counts} {before}")


def _table(result: HotspotResult, before: HotspotResult, then: TwinTable, now: TwinTable) -> TwinTable:
    """The tables of both maps beside one another."""
    head = (tr("Class"), *(one.period.label if one.period else tr("all dates") for one in (before, result)))
    return TwinTable(result.legend_title, head, tuple((a[0], a[1], b[1]) for a, b in zip(then.rows, now.rows)))
