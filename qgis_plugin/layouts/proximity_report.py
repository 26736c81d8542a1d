"""The report around a place: what happened there, on one upright page fit for a licensing hearing."""

from __future__ import annotations

from dataclasses import dataclass, replace

from qgis.core import QgsLayoutItemMap, QgsPrintLayout, QgsProject, QgsRectangle, QgsVectorLayer
from qgis.PyQt.QtCore import QRectF, Qt

from ...shared.disclosure import NotPublishableError, Rules, masking_of, publishable
from ...shared.furniture import FurnitureItem
from ...shared.ranks import sentence as rank_sentence
from ...shared.ring_answer import AnswerRow, DatasetAnswer, RingAnswer, RingFigure
from ...shared.windows import month_words
from ..core.analysis_error import AnalysisError
from ..core.base_source import BOUNDARIES_ONLY, BaseSource
from ..core.proximity import PlaceSearch
from . import base_map, items
from .hotspot_map import locator, map_furniture
from .html_twin import describe
from .incident_points import IncidentPoints
from .items import Block
from .page_frame import Notes, boundary_attribution, footer, header, joined
from .ring_remarks import Care
from .ring_table import COARSE, NOTHING, Kind, RingTable, draw, ring_table
from .sheet import Imprint, Mode, Sheet, day, number, tr
from .small_numbers import sentence
from .trend_chart import drawn_of, trend_charts
from .week_chart import HEIGHT as WEEK_HEIGHT
from .week_chart import WITHHELD, week_chart

MAP_WIDTH, MAP_HEIGHT, STRIP_HEIGHT, INSET_WIDTH = 84.0, 64.0, 14.0, 24.0
FEW_DATASETS, HIGH_STRIP = 3, 20.0  # of more the legend has long labels, in two lines
PLACE_HEIGHT, EXEMPT_HEIGHT, CAPTION_HEIGHT = 15.0, 5.0, 4.0
SIGNS_HEIGHT = 6.5
GAP = 3.0
ROW_HEIGHTS = (5.0, 4.8, 4.6, 4.4, 4.2, 4.0, 3.8, 3.6, 3.4, 3.2, 3.1)
WORDS_SIZES = (7.5, 7.25, 7, 6.75, 6.5, 6.25, 6, 5.75, 5.5, 5.25, 5)
INCIDENT_LOOKS = (
    ("#b4471f", "circle"),
    ("#1f4e79", "triangle"),
    ("#6b4c9a", "square"),
    ("#3f5c12", "diamond"),
    ("#8a6d1b", "pentagon"),
    ("#444444", "star"),
)
MOST_GROUND_ENTRIES = 3


@dataclass(frozen=True)
class ProximityReport:
    """A finished search and what its publisher decides; ``incidents`` are never drawn in publication mode."""

    result: PlaceSearch
    imprint: Imprint
    incidents: tuple[IncidentPoints, ...] = ()
    base: BaseSource = BOUNDARIES_ONLY


def build_proximity_layout(project: QgsProject, content: ProximityReport) -> QgsPrintLayout:
    """The page as a layout of ``project``, which also gets the base map's layers (hidden in its tree).

    In publication mode it is made of the answer as it may be published; raises ``AnalysisError`` for a question whose
    answer may not.
    """
    imprint = replace(content.imprint, upright=True)
    public = imprint.mode is Mode.PUBLICATION
    answer = _shortly_named(published(content.result) if public else content.result.answer)
    sheet = Sheet(project, imprint, answer.synthetic)
    ground = base_map.base_map(
        project,
        sheet.pt(6.5)[0],
        neighbourhoods=True,
        source=content.base,
        width_m=content.result.rings[-1].boundingBox().width(),
    )
    top = header(sheet)
    if not public:
        top = _exempt(sheet, top)
    bottom = footer(sheet, _notes(answer, ground.attribution))
    top = _words(sheet, sheet.rect(sheet.left, top, sheet.right, top + sheet.mm(PLACE_HEIGHT)), answer, content.result)
    care = Care(sheet, answer)
    wanted = sheet.mm(CAPTION_HEIGHT + SIGNS_HEIGHT + ROW_HEIGHTS[0] * (len(answer.rows) + 1)) + care.least
    fixed = sheet.mm(MAP_HEIGHT + STRIP_HEIGHT + 2 * GAP)
    # What a short table leaves goes to the map, until it is as high as wide.
    spare = min(max(bottom - top - fixed - wanted, 0.0), sheet.mm(MAP_WIDTH - MAP_HEIGHT))
    middle = top + sheet.mm(MAP_HEIGHT + STRIP_HEIGHT) + spare
    split = sheet.left + sheet.mm(MAP_WIDTH)
    _map(sheet, content, answer, ground, sheet.rect(sheet.left, top, split, middle))
    _charts(sheet, answer, sheet.rect(split + sheet.mm(5), top, sheet.right, middle))
    below = sheet.rect(sheet.left, middle + sheet.mm(GAP), sheet.right, bottom)
    end = _table(sheet, answer, sheet.rect(below.left(), below.top(), below.right(), bottom - care.least))
    care.draw(sheet.rect(below.left(), end + sheet.mm(1.5), below.right(), bottom))
    return sheet.layout


def published(result: PlaceSearch) -> RingAnswer:
    """The answer as everybody may read it; raises ``AnalysisError`` where the question is none that is published."""
    if result.question.within is not None:
        raise AnalysisError(
            tr(
                "What is published covers whole rings, so that two reports cannot be subtracted: search without an "
                "area of your own, or make the report for operational use."
            )
        )
    if result.filtered:
        raise AnalysisError(
            tr(
                "“{layer}” is filtered, and two reports of other filters could be subtracted: take the filter off the "
                "layer and search again, or make the report for operational use."
            ).format(layer=result.filtered[0])
        )
    tables = result.ranks

    def standing(row: AnswerRow, radius: int, count: int) -> str:
        table = tables.get((row.dataset, row.band))
        return rank_sentence(table.of(row.category, radius), count, table.borough) if table is not None else ""

    try:
        return publishable(result.answer, Rules(standing=standing))
    except NotPublishableError as error:
        raise AnalysisError(str(error)) from error


def _shortly_named(answer: RingAnswer) -> RingAnswer:
    """Where the page's own label says of all that they are synthetic, their names need not, and have room."""
    if not _all_synthetic(answer):
        return answer
    short = []
    for dataset in answer.datasets:
        rows = tuple(replace(row, title=_short(row.title)) for row in dataset.rows)
        short.append(replace(dataset, title=_short(dataset.title), rows=rows))
    return replace(answer, datasets=tuple(short))


def _all_synthetic(answer: RingAnswer) -> bool:
    return all(dataset.synthetic for dataset in answer.datasets)


def _short(title: str) -> str:
    return title.replace(" (synthetic)", "")


def _exempt(sheet: Sheet, top: float) -> float:
    """The line that keeps an operational page out of a committee's public papers."""
    strip = sheet.rect(sheet.left, top, sheet.right, top + sheet.mm(EXEMPT_HEIGHT))
    items.panel(sheet, "exempt_panel", strip, items.PAPER, items.RULE)
    words = tr("For the part of a hearing from which the public is excluded: not to go with the published papers")
    centre = Qt.AlignmentFlag.AlignHCenter
    items.text(sheet, "exempt", strip, words, (8.5, 8, 7.5, 7), bold=True, align=centre, middle=True)
    return strip.bottom() + sheet.mm(1.8)


def _words(sheet: Sheet, rect: QRectF, answer: RingAnswer, result: PlaceSearch) -> float:
    """The place and how exact it is; beside it what was asked. Where they end, in mm."""
    place = answer.place
    heading = ", ".join(part for part in (place.label, place.borough) if part)
    where = " ".join(sentence(part) for part in (place.accuracy, place.warning, answer.boundary_note) if part)
    asked = ", ".join(part for part in (answer.now.label, answer.compared_words) if part) + "."
    bands = "; ".join(dict.fromkeys(row.band.words for row in answer.rows if row.category is None))
    preset = result.question.preset.title if not result.question.bands else tr("Times of day of one's own choice")
    blocks = (
        Block("place", heading, where),
        Block("asked", tr("Counted"), tr("{asked} {preset}: {bands}.").format(asked=asked, preset=preset, bands=bands)),
    )
    gap = sheet.mm(5)
    split = rect.left() + rect.width() * 0.55
    rooms = (
        sheet.rect(rect.left(), rect.top(), split, rect.bottom()),
        sheet.rect(split + gap, rect.top(), rect.right(), rect.bottom()),
    )
    size = min(items.fitting_size(sheet, room, [block], (8, *WORDS_SIZES), 0) for room, block in zip(rooms, blocks))
    return max(items.stack(sheet, room, [block], size, 0) for room, block in zip(rooms, blocks)) + sheet.mm(2)


def _map(sheet: Sheet, content: ProximityReport, answer: RingAnswer, ground: base_map.BaseMap, rect: QRectF) -> None:
    """The rings on their ground, below them the legend and the inset."""
    result, project = content.result, sheet.project
    place = result.place
    many = not answer.public and len(content.incidents) > FEW_DATASETS
    strip_top = rect.bottom() - sheet.mm(HIGH_STRIP if many else STRIP_HEIGHT)
    rings = base_map.search_rings(project, result, sheet.pt(7)[0])
    extent = QgsRectangle(result.rings[-1].boundingBox())
    extent.scale(1.14)
    # Where there are no streets, postcodes show them.
    dots = [] if ground.detailed else [base_map.postcodes(project, extent.buffered(extent.width() / 2))]
    incidents: list[QgsVectorLayer] = []
    if not answer.public:
        incidents = [
            base_map.incidents(
                project,
                _short(points.title) if _all_synthetic(answer) else points.title,
                points.eastings,
                points.northings,
                *look,
            )
            for points, look in zip(content.incidents, INCIDENT_LOOKS)
        ]
    main: QgsLayoutItemMap = items.map_frame(
        sheet,
        "map",
        sheet.rect(rect.left(), rect.top(), rect.right(), strip_top - sheet.mm(1.5)),
        extent,
        [rings, *incidents, *ground.above, *dots, *ground.below],
        base_map.OUTSIDE,
    )
    radii = ", ".join(number(radius) for radius in answer.radii)
    words = tr("Map: rings of {radii} m around {place}. The table says what lies within them.")
    describe(main, words.format(radii=radii, place=place.label))
    map_furniture(sheet, main)

    inset_left = rect.right() - sheet.mm(INSET_WIDTH)
    further = ground.legend[:MOST_GROUND_ENTRIES] if ground.detailed else ground.below[:1]
    entries = [items.LegendEntry(layer) for layer in (*incidents, *dots, ground.boroughs, *further)]
    legend_room = sheet.rect(rect.left(), strip_top, inset_left - sheet.mm(2), rect.bottom())
    columns = 1 if len(entries) <= 3 else 2
    items.legend(sheet, FurnitureItem.LEGEND.value, legend_room, entries, (7, 6.5, 6, 5.5, 5, 4.5), columns=columns)
    mark = base_map.centre(project, (place.easting, place.northing), place.label, sheet.mm(1.8))
    locator(sheet, sheet.rect(inset_left, strip_top, rect.right(), rect.bottom()), mark)


def _charts(sheet: Sheet, answer: RingAnswer, rect: QRectF) -> None:
    """Hour by weekday of the largest dataset that tells it, and the months of all."""
    top = rect.top()
    timed = [dataset for dataset in answer.datasets if any(map(any, dataset.hours or ()))]
    if timed:
        largest = max(timed, key=lambda dataset: _outer(dataset).count or 0)
        room = sheet.rect(rect.left(), top, rect.right(), top + sheet.mm(WEEK_HEIGHT))
        top = week_chart(sheet, room, largest, answer.radii[-1], answer.public) + sheet.mm(GAP)
    if drawn_of(answer):
        trend_charts(sheet, sheet.rect(rect.left(), top, rect.right(), rect.bottom()), answer)
    elif not timed:
        words = tr("Too few incidents for a chart by months or hours.")
        items.text(
            sheet, "no_charts", sheet.rect(rect.left(), top, rect.right(), top + sheet.mm(5)), words, WORDS_SIZES
        )


def _table(sheet: Sheet, answer: RingAnswer, rect: QRectF) -> float:
    """The table and what its signs mean; where they end, in mm."""
    caption = tr("Incidents by distance; each distance includes the shorter ones, and no dataset is added to another")
    band = sheet.rect(rect.left(), rect.top(), rect.right(), rect.top() + sheet.mm(CAPTION_HEIGHT))
    items.text(sheet, "table_heading", band, caption, (8, 7.5, 7, 6.5, 6), bold=True)
    top, bottom = band.bottom() + sheet.mm(0.4), rect.bottom() - sheet.mm(SIGNS_HEIGHT)
    made, row_height = _fitted_table(sheet, answer, bottom - top)
    end = draw(sheet, made, sheet.rect(rect.left(), top, rect.right(), bottom), row_height)
    signs = sheet.rect(rect.left(), end + sheet.mm(0.6), rect.right(), min(end + sheet.mm(SIGNS_HEIGHT), rect.bottom()))
    block = Block("table_signs", "", _signs(answer, made))
    return items.stack(sheet, signs, [block], items.fitting_size(sheet, signs, [block], WORDS_SIZES[2:], 0), 0)


def _fitted_table(sheet: Sheet, answer: RingAnswer, height: float) -> tuple[RingTable, float]:
    """The table with its rows as high as the room allows; fewer rows where even the lowest are too many."""
    for row_height in map(sheet.mm, ROW_HEIGHTS):
        room = int(height / row_height) - 1
        made = ring_table(answer, room)
        if len(made.lines) == len(answer.rows):
            break
    return made, row_height


def _signs(answer: RingAnswer, made: RingTable) -> str:
    """What the signs of the table mean, those that stand in it."""
    kinds = {column.kind for column in made.columns}
    words = []
    if answer.public:
        small = {figure.mark for row in answer.rows for figure in row.figures if figure.mark.startswith("<")}
        for sign in sorted(small):
            words.append(tr("{sign}: 1 to {most}, withheld.").format(sign=sign, most=int(sign[1:]) - 1))
        if made.holds(WITHHELD):
            words.append(tr("*: withheld, so that no small count can be worked out."))
    if Kind.CHANGE in kinds:
        words.append(tr("change: against the months before, with the range that chance alone leaves open (95 %)."))
    if made.weak:
        words.append(tr("Grey: rests on a count below 10 and is rough."))
    words.append(tr("per km²: of the land in the ring on which the data are held."))
    if Kind.RANK in kinds:
        borough = answer.place.borough or tr("borough")
        borough = f"the {borough}" if borough.startswith(("City ", "borough")) else borough
        words.append(
            tr("postcodes: over 9 in 10 means more than around 9 in 10 of those in {borough}.").format(borough=borough)
        )
    if made.holds(COARSE):
        words.append(tr("†: some are placed less exactly than the ring is wide."))
    if made.holds(NOTHING):
        words.append(tr("–: not given."))
    if made.hidden:
        words.append(tr("{n} further rows have no room here.").format(n=made.hidden))
    return " ".join(words)


def _outer(dataset: DatasetAnswer) -> RingFigure:
    return dataset.rows[0].figures[-1]


def _notes(answer: RingAnswer, ground: str) -> Notes:
    unplaced = [
        tr("{dataset} {n}").format(
            dataset=part.title, n=tr("not told") if part.unplaced is None else number(part.unplaced)
        )
        for part in answer.datasets
    ]
    newest = dict.fromkeys(part.newest for part in answer.datasets)
    dates = [
        month_words(month)
        if len(newest) == 1
        else tr("{month} ({datasets})").format(
            month=month_words(month), datasets=", ".join(p.title for p in answer.datasets if p.newest == month)
        )
        for month in sorted(newest)
    ]
    return Notes(
        source=tr("{datasets}, through SafeStats.").format(datasets="; ".join(part.title for part in answer.datasets)),
        extracted=tr("Data to {months}; extract of {day}.").format(
            months=", ".join(dates), day=day(answer.answered_on)
        ),
        counts=tr(
            "The table counts the incidents within each distance. Without a place, in no ring: {unplaced}."
        ).format(unplaced="; ".join(unplaced)),
        attribution=joined(*answer.attributions, boundary_attribution(), base_map.POSTCODE_ATTRIBUTION, ground),
        maskings=tuple(masking_of(part.threshold) for part in answer.datasets),
        changes=any(figure.change is not None for row in answer.rows for figure in row.figures),
    )
