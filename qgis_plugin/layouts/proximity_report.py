"""The proximity report: what happened around one place, on one page fit for a licensing hearing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from qgis.core import QgsLayoutItemMap, QgsPrintLayout, QgsProject, QgsRectangle, QgsVectorLayer
from qgis.PyQt.QtCore import QRectF

from ...shared.furniture import FurnitureItem
from ..core.periods import month_words
from ..core.proximity import DatasetRings, ProximityResult
from . import base_map, items
from .hotspot_map import locator, map_furniture
from .incident_points import IncidentPoints
from .items import Block, Cell
from .page_frame import Notes, boundary_attribution, footer, header, joined
from .ring_table import Row, ring_table
from .sheet import Imprint, Mode, Sheet, day, number, tr
from .small_numbers import sentence, shown, without_figures
from .week_chart import week_chart

MAP_WIDTH = 98.0
STRIP_HEIGHT = 25.0
NOTES_HEIGHT = 31.0
NOTES_MOST = 0.45  # of the column
NOTES_SIZES = (7.5, 7.25, 7, 6.75, 6.5, 6.25, 6, 5.75, 5.5, 5.25, 5)
CHART_LEAVES = 0.45  # of the width to the words beside it
ROW_HEIGHTS = (5.2, 4.9, 4.6, 4.3, 4.0, 3.8)
POINTS_PER_MM = 1.72  # type size for a row's height
INCIDENT_COLOURS = ("#b4471f", "#1f6f8b", "#6b4c9a", "#5c7a1f", "#8a6d1b", "#444444")


@dataclass(frozen=True)
class ProximityReport:
    """A finished search and what its publisher decides; ``incidents`` are never drawn in publication mode."""

    result: ProximityResult
    imprint: Imprint
    incidents: tuple[IncidentPoints, ...] = ()

    @property
    def synthetic(self) -> bool:
        """Whether any of the incidents are invented."""
        return self.result.synthetic


def build_proximity_layout(project: QgsProject, content: ProximityReport) -> QgsPrintLayout:
    """The page as a layout of ``project``, which also gets the base map's layers (hidden in its tree)."""
    result, mode = content.result, content.imprint.mode
    sheet = Sheet(project, content.imprint, content.synthetic)
    top = header(sheet)
    bottom = footer(sheet, _notes(result, mode))
    split = sheet.left + sheet.mm(MAP_WIDTH)
    _place_and_map(sheet, content, sheet.rect(sheet.left, top, split, bottom))

    right = sheet.rect(split + sheet.mm(6), top, sheet.right, bottom)
    timed = [dataset for dataset in result.datasets if dataset.hours is not None]
    blocks = [Block("caveats", tr("Read with care"), "\n".join(_caveats(result, mode)))]
    # The tables give way to the words that say how far they can be trusted.
    words_width = right.width() * (CHART_LEAVES if timed else 1)
    needed = sum(map(sum, items.block_heights(sheet, words_width, blocks, NOTES_SIZES[-2])))
    notes_top = bottom - min(max(sheet.mm(NOTES_HEIGHT), needed), right.height() * NOTES_MOST)
    _tables(sheet, result, sheet.rect(right.left(), top, right.right(), notes_top - sheet.mm(3)))
    words_left = right.left()
    if timed:
        widest = max(timed, key=lambda dataset: dataset.total.counts[-1])
        words_left = week_chart(sheet, right.left(), notes_top, widest, result.radii[-1]) + sheet.mm(6)
    words = sheet.rect(words_left, notes_top, right.right(), bottom)
    items.stack(sheet, words, blocks, items.fitting_size(sheet, words, blocks, NOTES_SIZES, 0), 0)
    return sheet.layout


def _place_and_map(sheet: Sheet, content: ProximityReport, rect: QRectF) -> None:
    """Left column: the place in words, the map, and below it the legend and the inset."""
    result, project = content.result, sheet.project
    place = result.place
    heading = ", ".join(part for part in (place.label, place.borough) if part)
    blocks = [Block("place", heading, " ".join(part for part in (place.accuracy, place.warning) if part))]
    room = sheet.rect(rect.left(), rect.top(), rect.right(), rect.top() + sheet.mm(17))
    size = items.fitting_size(sheet, room, blocks, (8.5, 8, 7.5, 7, 6.5, 6, 5.5), 0)
    map_top = items.stack(sheet, room, blocks, size, 0) + sheet.mm(2)
    strip_top = rect.bottom() - sheet.mm(STRIP_HEIGHT)

    base = base_map.base_map(project, sheet.pt(6.5)[0], neighbourhoods=True)
    rings = base_map.search_rings(project, result, sheet.pt(7)[0])
    extent = QgsRectangle(result.rings[-1].boundingBox())
    extent.scale(1.12)
    postcodes = base_map.postcodes(project, extent.buffered(extent.width() / 2))
    incidents: list[QgsVectorLayer] = []
    if sheet.imprint.mode is Mode.OPERATIONAL:
        incidents = [
            base_map.incidents(project, points.title, points.eastings, points.northings, colour)
            for points, colour in zip(content.incidents, INCIDENT_COLOURS)
        ]
    main: QgsLayoutItemMap = items.map_frame(
        sheet,
        "map",
        sheet.rect(rect.left(), map_top, rect.right(), strip_top - sheet.mm(2.5)),
        extent,
        [rings, *incidents, *base.above, postcodes, *base.below],
        base_map.OUTSIDE,
    )
    map_furniture(sheet, main)

    inset_left = rect.right() - sheet.mm(34)
    entries = [items.LegendEntry(layer) for layer in (rings, *incidents, postcodes, base.boroughs, base.below[0])]
    legend_room = sheet.rect(rect.left(), strip_top, inset_left - sheet.mm(2), rect.bottom())
    items.legend(sheet, FurnitureItem.LEGEND.value, legend_room, entries, (7, 6.5, 6, 5.5, 5), columns=1)
    mark = base_map.centre(project, (place.easting, place.northing), place.label, sheet.mm(2.2))
    locator(sheet, sheet.rect(inset_left, strip_top, rect.right(), rect.bottom()), mark)


def _tables(sheet: Sheet, result: ProximityResult, rect: QRectF) -> None:
    """One table a dataset, all with the same columns; small categories are put together where the page is full."""
    caption = tr("Incidents by distance from {place}, {period}").format(
        place=result.place.label, period=result.period.label if result.period else tr("all dates")
    )
    if result.band:
        caption += f" ({result.band})"
    outer = tr("Per km², before and change: within {radius} m.").format(radius=number(result.radii[-1]))
    before = next((d.previous_period for d in result.datasets if d.previous_period), None)
    compared = tr("Before: {period}.").format(period=before.label) if before else tr("The data hold no period before.")
    block = [Block("table_caption", caption, f"{tr('Each distance includes the shorter ones.')} {outer} {compared}")]
    size = items.fitting_size(sheet, sheet.rect(0, 0, rect.width(), sheet.mm(11)), block, (8, 7.5, 7, 6.5, 6), 0)
    top = items.stack(sheet, rect, block, size, 0) + sheet.mm(1.5)

    gap = sheet.mm(1.6)
    height = rect.bottom() - top - gap * (len(result.datasets) - 1)
    categories = [len(dataset.rows) for dataset in result.datasets]
    fixed = 2 * len(categories)
    row_height = next(
        (h for h in map(sheet.mm, ROW_HEIGHTS) if (sum(categories) + fixed) * h <= height), sheet.mm(ROW_HEIGHTS[-1])
    )
    shares = share_rows(categories, int(height / row_height) - fixed)
    type_size = min(8.0, row_height / sheet.mm(1) * POINTS_PER_MM)
    for dataset, share in zip(result.datasets, shares):
        rows = ring_table(dataset, result.areas_km2, share, sheet.imprint.mode)
        made = _table(sheet, dataset, result.radii, rows, (rect.left(), top), rect.width(), row_height, type_size)
        top += made + gap


def share_rows(wanted: Sequence[int], room: int) -> list[int]:
    """How many category rows each table gets of ``room``: all that it wants, or less from the longest; at least 1."""
    shares = list(wanted)
    while sum(shares) > max(room, len(shares)) and max(shares) > 1:
        shares[shares.index(max(shares))] -= 1
    return shares


def _table(
    sheet: Sheet,
    dataset: DatasetRings,
    radii: Sequence[int],
    rows: Sequence[Row],
    corner: tuple[float, float],
    width: float,
    row_height: float,
    size: float,
) -> float:
    figures = [width * 0.095] * len(radii) + [width * 0.105, width * 0.105, width * 0.105]
    widths = [width - sum(figures), *figures]
    titles = [tr("≤ {radius} m").format(radius=number(radius)) for radius in radii]
    titles += [tr("per km²"), tr("before"), tr("change")]
    head = [Cell(dataset.title, bold=True, fill=items.SHADE)]
    head += [Cell(title, bold=True, fill=items.SHADE, right=True) for title in titles]
    cells = [head]
    for row in rows:
        line = [Cell(row.label, bold=row.total)]
        line += [Cell(words, bold=row.total, right=True) for words in (*row.counts, row.per_km2, row.before)]
        line.append(Cell(row.change, bold=row.total, right=True, colour=items.FAINT if row.weak else items.INK))
        cells.append(line)
    items.table(sheet, f"table_{dataset.dataset}", corner, widths, row_height, cells, size)
    return row_height * len(cells)


def _caveats(result: ProximityResult, mode: Mode) -> list[str]:
    """What a reader must know of the data, each sentence once, with the datasets that it is about."""
    about: dict[str, list[str]] = {}
    for dataset in result.datasets:
        for words in (*without_figures(dataset.notes, mode), *dataset.caveats):
            about.setdefault(sentence(words), []).append(dataset.title)
    # Sentences about the same datasets stand together, so that their names are printed once.
    together: dict[tuple[str, ...], list[str]] = {}
    for words, titles in about.items():
        together.setdefault(tuple(titles), []).append(words)
    everyone = len(result.datasets)
    lines = [*result.left_out] + [
        " ".join(sentences) if len(titles) == everyone else f"{', '.join(titles)}: {' '.join(sentences)}"
        for titles, sentences in together.items()
    ]
    lines.insert(0, tr("Datasets are not added up: several services may each record the same event."))
    if mode is Mode.PUBLICATION:
        lines.append(tr("* is withheld, so that no small count can be worked out. No incidents are drawn on the map."))
    return lines


def _notes(result: ProximityResult, mode: Mode) -> Notes:
    radius = number(result.radii[-1])
    counts, unplaced = [], []
    for dataset in result.datasets:
        counts.append(tr("{dataset} {n}").format(dataset=dataset.title, n=shown(dataset.total.counts[-1], mode)))
        if dataset.unplaced is None:
            unplaced.append(tr("{dataset} not known").format(dataset=dataset.title))
        else:
            unplaced.append(tr("{dataset} {n}").format(dataset=dataset.title, n=shown(dataset.unplaced, mode)))
    newest = sorted({month_words(d.newest_month) for d in result.datasets if d.newest_month})
    return Notes(
        source=tr("{datasets}, through SafeStats.").format(datasets="; ".join(d.title for d in result.datasets)),
        extracted=tr("Data to {months}; extract of {day}.").format(
            months=" / ".join(newest), day=day(result.searched_on)
        ),
        counts=tr("Within {radius} m: {counts}. Without a place, in no ring: {unplaced}.").format(
            radius=radius, counts="; ".join(counts), unplaced="; ".join(unplaced)
        ),
        attribution=joined(
            *(dataset.attribution for dataset in result.datasets), boundary_attribution(), base_map.POSTCODE_ATTRIBUTION
        ),
    )
