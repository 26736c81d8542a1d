"""A chart of time on paper: a page of its own with all its furniture, or a picture on a page that there is already."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass, replace

from qgis.core import (
    Qgis,
    QgsExpressionContextUtils,
    QgsLayout,
    QgsLayoutItem,
    QgsLayoutItemPage,
    QgsLayoutItemPicture,
    QgsLayoutPoint,
    QgsLayoutSize,
    QgsPrintLayout,
    QgsProject,
)
from qgis.PyQt.QtCore import QRectF
from qgis.PyQt.QtGui import QColor

from ...shared.windows import month_words
from ..core.time_answer import ChartKind, TimeAnswer, published
from .checks import mode_of
from .drawing import Drawing
from .html_twin import attach_table, describe
from .items import PAPER
from .page_frame import SYNTHETIC_WORDS, Notes, footer, header, joined
from .sheet import (
    CHART_PROPERTY,
    MAPLESS_PROPERTY,
    SYNTHETIC_PROPERTY,
    Imprint,
    Mode,
    Sheet,
    day,
    number,
    tr,
    variable_name,
)
from .small_numbers import sentence, shown
from .time_charts.charts import Look, draw, heading, least_height
from .time_charts.tables import tables

PAGE_TYPE = (9.0, 8.5, 8.0, 7.5, 7.0, 6.5, 6.0, 5.5)
_PLACED_SHARES = (0.6, 0.45, 0.35)  # of the page's width
_MARGIN, _TRIED = 10.0, 8
_ROOM = 1.25  # a chart is easier to read where it has more than it needs


@dataclass(frozen=True)
class TimeChart:
    """One chart of a reading."""

    kind: ChartKind
    answer: TimeAnswer

    @property
    def title(self) -> str:
        """Dataset, chart and months."""
        return heading(self.kind, self.answer)

    @property
    def rows(self) -> int:
        """How many incidents it is made of."""
        if self.kind is ChartKind.PEERS and self.answer.peers is not None:
            return sum(line.count or 0 for line in self.answer.peers.lines)
        if self.kind is ChartKind.ROLLING:
            return sum(month.count or 0 for month in self.answer.months)
        if self.kind is ChartKind.YEARS and self.answer.years is not None:
            return sum(count or 0 for _, *pair in self.answer.years.months for count in pair)
        return self.answer.rows

    def fit_for(self, mode: Mode) -> TimeAnswer:
        """What may be shown in that mode; raises ``AnalysisError`` where nothing may."""
        return published(self.answer, self.kind) if mode is Mode.PUBLICATION else self.answer


def build_chart_layout(project: QgsProject, chart: TimeChart, imprint: Imprint) -> QgsPrintLayout:
    """The chart as a page of ``project``; raises ``AnalysisError`` where it may not be published."""
    made = chart.fit_for(imprint.mode)
    sheet = Sheet(project, imprint, made.synthetic)
    sheet.layout.setCustomProperty(MAPLESS_PROPERTY, True)
    top = header(sheet)
    bottom = footer(sheet, _notes(chart, made, imprint.mode))
    rect = sheet.rect(sheet.left, top + sheet.mm(1), sheet.right, bottom)
    care = " ".join(map(sentence, made.facts.caveats))
    drawing = _fitting(
        chart.kind, made, rect, lambda size: sheet.pt(size)[0], Look(0, 0, family=sheet.font, headed=False, credit=care)
    )
    item = _picture(sheet.layout, drawing, chart, imprint.mode)
    _put(item, rect)
    for table in tables(chart.kind, made):
        attach_table(sheet.layout, table)
    return sheet.layout


def place_chart(layout: QgsPrintLayout, chart: TimeChart, font: str = "") -> QgsLayoutItemPicture:
    """Put the chart on the first page of a layout, as a picture of vectors that can be moved and resized.

    It is made for whom the layout is made: on a page for publication small counts are withheld. Its source stands
    below it; where its incidents are invented the page must say so, too. Raises ``AnalysisError``.
    """
    mode = mode_of(layout)
    made = chart.fit_for(mode)
    rect = _free_place(layout, lambda width: max(least_height(chart.kind, made, 8.0) * _ROOM, width * 0.55))
    drawing = _fitting(chart.kind, made, rect, lambda size: size, Look(0, 0, family=font, credit=_credit(made)))
    item = _picture(layout, drawing, chart, mode)
    item.setBackgroundEnabled(True)
    item.setBackgroundColor(QColor(PAPER))
    _put(item, rect)
    for table in tables(chart.kind, made):
        attach_table(layout, table)
    if made.synthetic:
        layout.setCustomProperty(SYNTHETIC_PROPERTY, True)
        QgsExpressionContextUtils.setLayoutVariable(layout, variable_name("synthetic-label"), SYNTHETIC_WORDS)
    return item


def _free_place(layout: QgsPrintLayout, height_of: Callable[[float], float]) -> QRectF:
    """The largest place on the first page where nothing is, from the top; the middle where there is none."""
    paper = layout.pageCollection().page(0).sceneBoundingRect()
    taken = [
        item.mapRectToScene(item.rect())
        for item in layout.items()
        if isinstance(item, QgsLayoutItem) and not isinstance(item, QgsLayoutItemPage)
    ]
    sizes = []
    for share in _PLACED_SHARES:
        width = paper.width() * share
        sizes.append((width, min(height_of(width), paper.height() - 2 * _MARGIN)))
    for width, height in sizes:
        across, down = paper.width() - width - 2 * _MARGIN, paper.height() - height - 2 * _MARGIN
        for row in range(_TRIED):
            for column in range(_TRIED):
                left = paper.left() + _MARGIN + across * column / (_TRIED - 1)
                place = QRectF(left, paper.top() + _MARGIN + down * row / (_TRIED - 1), width, height)
                if not any(place.intersects(other) for other in taken):
                    return place
    width, height = sizes[0]
    return QRectF(paper.center().x() - width / 2, paper.center().y() - height / 2, width, height)


def _fitting(kind: ChartKind, made: TimeAnswer, rect: QRectF, points: Callable[[float], float], look: Look) -> Drawing:
    """The chart in the largest type in which it has room."""
    sizes = [points(size) for size in PAGE_TYPE]
    size = next((one for one in sizes if least_height(kind, made, one) <= rect.height()), sizes[-1])
    return draw(kind, made, replace(look, width=rect.width(), height=rect.height(), size=size))


def _picture(layout: QgsLayout, drawing: Drawing, chart: TimeChart, mode: Mode) -> QgsLayoutItemPicture:
    """The drawing as an item that carries it: no file is needed beside the project."""
    item = QgsLayoutItemPicture(layout)
    encoded = base64.b64encode(drawing.svg()).decode("ascii")
    item.setPicturePath(f"base64:{encoded}", Qgis.PictureFormat.SVG)
    item.setResizeMode(QgsLayoutItemPicture.ResizeMode.Zoom)
    item.setPictureAnchor(QgsLayoutItem.ReferencePoint.UpperLeft)
    item.setId(f"chart-{chart.kind.value}")
    item.setCustomProperty(CHART_PROPERTY, mode.value)
    describe(item, tr("Chart: {title}. The table below says what it shows.").format(title=chart.title))
    layout.addLayoutItem(item)
    return item


def _put(item: QgsLayoutItemPicture, rect: QRectF) -> None:
    item.attemptMove(QgsLayoutPoint(rect.x(), rect.y()))
    item.attemptResize(QgsLayoutSize(rect.width(), rect.height()))


def _notes(chart: TimeChart, made: TimeAnswer, mode: Mode) -> Notes:
    facts = made.facts
    # In public no total is told beside the chart: with it, small counts in the chart could be worked out.
    counts = tr("Counts are those in the chart.")
    if mode is Mode.OPERATIONAL:
        counts = tr("Incidents in the chart: {n}.").format(n=number(chart.rows))
    if made.undated:
        words = tr("Without a date, in no chart: {n}.")
        counts += " " + words.format(n=shown(made.undated, mode, made.masking))
    source = tr("{title}, through SafeStats.").format(title=facts.title)
    if made.peers is not None and made.peers.rated and chart.kind is ChartKind.PEERS:
        source += " " + tr("Residents: {edition}, {source}.").format(
            edition=made.peers.edition, source=made.peers.source.rstrip(".")
        )
    return Notes(
        source=source,
        extracted=_extracted(made),
        counts=counts,
        attribution=joined(facts.attribution),
        maskings=(made.masking,),
    )


def _extracted(made: TimeAnswer) -> str:
    newest = made.facts.newest_month or made.period.last
    return tr("Data to {month}; extract of {day}.").format(month=month_words(newest), day=day(made.made_on))


def _credit(made: TimeAnswer) -> str:
    """What stands below a chart that leaves its own page behind."""
    return tr("Source: {title}, through SafeStats. {extracted}").format(
        title=made.facts.title, extracted=_extracted(made)
    )
