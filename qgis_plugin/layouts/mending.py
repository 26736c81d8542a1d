"""Puts furniture back on a page that lacks it: drawings on the map that they belong to, words on a page of notes."""

from __future__ import annotations

from dataclasses import replace

from qgis.core import (
    QgsLayout,
    QgsLayoutItemLabel,
    QgsLayoutItemLegend,
    QgsLayoutItemMap,
    QgsLayoutItemPage,
    QgsLayoutItemPicture,
    QgsLayoutItemScaleBar,
    QgsLayoutPoint,
    QgsLayoutSize,
    QgsLegendRenderer,
    QgsPrintLayout,
)
from qgis.PyQt.QtCore import QRectF, Qt

from ...shared.furniture import MARKINGS, FurnitureItem
from .checks import Finding, carriers, findings, maps_of, pages_of, shown_layers, variable_words
from .items import NORTH_ARROW, let_measure
from .sheet import BASE_PROPERTY, tr, variable_name
from .typography import render_context, text_format

NOTES_PROPERTY = "safestats/notes-page"
_MARGIN, _LINE = 12.0, 11.0


def put_back(layout: QgsLayout, furniture: FurnitureItem) -> None:
    """Put the item on the page; one that stands there unfit is taken away first."""
    if furniture in MARKINGS:
        _mark_every_page(layout, furniture)
        return
    for item in carriers(layout, furniture):
        layout.removeLayoutItem(item)
    main = _main_map(layout)
    if furniture is FurnitureItem.LEGEND:
        _legend(layout, main)
    elif furniture is FurnitureItem.SCALE_BAR and main is not None:
        _scale_bar(layout, main)
    elif furniture is FurnitureItem.NORTH_ARROW and main is not None:
        _north_arrow(layout, main)
    elif furniture.is_text:
        _note(layout, furniture)


def _main_map(layout: QgsLayout) -> QgsLayoutItemMap | None:
    """The map of that name, or else the largest."""
    maps = maps_of(layout)
    named = [item for item in maps if item.id() == "map"]
    return next(iter(named), max(maps, key=lambda item: item.rect().width() * item.rect().height(), default=None))


def _notes_page(layout: QgsLayout) -> int:
    """The number of the page of notes, made where there is none yet."""
    known = layout.customProperty(NOTES_PROPERTY)
    if known is not None and int(known) < layout.pageCollection().pageCount():
        return int(known)
    first = layout.pageCollection().page(0)
    page = QgsLayoutItemPage(layout)
    page.setPageSize(QgsLayoutSize(first.rect().width(), first.rect().height()))
    layout.pageCollection().addPage(page)
    number = layout.pageCollection().pageCount() - 1
    layout.setCustomProperty(NOTES_PROPERTY, number)
    for marking in MARKINGS:
        _mark_every_page(layout, marking)
    return number


def _note(layout: QgsLayout, furniture: FurnitureItem) -> None:
    """The item below what is on the page of notes already, with its name before it."""
    number = _notes_page(layout)
    page = layout.pageCollection().page(number)
    lowest = max(
        (
            item.pos().y() - page.pos().y() + item.rect().height()
            for item in layout.pageCollection().itemsOnPage(number)
            if item is not page and item.id() not in [marking.value for marking in MARKINGS]
        ),
        default=_MARGIN + 4,
    )
    width = page.rect().width()
    name = furniture.words[:1].upper() + furniture.words[1:]
    _label(layout, f"{furniture.value}_heading", name, QRectF(_MARGIN, lowest + 2, 50, _LINE), number, bold=True)
    place = QRectF(_MARGIN + 54, lowest + 2, width - 2 * _MARGIN - 54, _LINE)
    _label(layout, furniture.value, f"[% @{variable_name(furniture.value)} %]", place, number)


def _mark_every_page(layout: QgsLayout, furniture: FurnitureItem) -> None:
    for item in carriers(layout, furniture):
        layout.removeLayoutItem(item)
    for number, page in enumerate(pages_of(layout)):
        y = 4.5 if furniture is FurnitureItem.MARKING_TOP else page.rect().height() - 9
        place = QRectF(_MARGIN, y, page.rect().width() - 2 * _MARGIN, 4.5)
        words = f"[% @{variable_name(furniture.value)} %]"
        label = _label(layout, furniture.value, words, place, number, bold=True)
        label.setHAlign(Qt.AlignmentFlag.AlignHCenter)


def _label(
    layout: QgsLayout, name: str, words: str, place: QRectF, page: int, bold: bool = False
) -> QgsLayoutItemLabel:
    label = QgsLayoutItemLabel(layout)
    label.setId(name)
    label.setText(words)
    label.setTextFormat(text_format(8.5, bold))
    label.setMarginX(0)
    label.setMarginY(0)
    layout.addLayoutItem(label)
    label.attemptMove(QgsLayoutPoint(place.x(), place.y()), True, False, page)
    label.attemptResize(QgsLayoutSize(place.width(), place.height()))
    return label


def _legend(layout: QgsLayout, main: QgsLayoutItemMap | None) -> None:
    """On the page of notes: a legend grows with its classes, and there nothing is in its way."""
    number = _notes_page(layout)
    legend = QgsLayoutItemLegend(layout)
    legend.setId(FurnitureItem.LEGEND.value)
    legend.setTitle(tr("Legend"))
    legend.setResizeToContents(False)
    layout.addLayoutItem(legend)
    fill_legend(legend, main)
    legend.attemptMove(QgsLayoutPoint(_MARGIN, layout.pageCollection().page(number).rect().height() / 2), page=number)
    needed = QgsLegendRenderer(legend.model(), legend.legendSettings()).minimumSize(render_context())
    legend.attemptResize(QgsLayoutSize(needed.width() + 1, needed.height() + 1))


def fill_legend(legend: QgsLayoutItemLegend, main: QgsLayoutItemMap | None) -> None:
    """Let a legend explain the layers of a map but for its ground."""
    legend.setAutoUpdateModel(False)
    root = legend.model().rootGroup()
    root.clear()
    for layer in shown_layers(main) if main is not None else []:
        if not layer.customProperty(BASE_PROPERTY):
            root.addLayer(layer)
    if not root.findLayers() and main is not None and main.layers():
        root.addLayer(main.layers()[0])


def _scale_bar(layout: QgsLayout, main: QgsLayoutItemMap) -> None:
    bar = QgsLayoutItemScaleBar(layout)
    bar.setId(FurnitureItem.SCALE_BAR.value)
    let_measure(bar, main)
    layout.addLayoutItem(bar)
    bar.refresh()
    size = bar.minimumSize()
    bar.attemptResize(size)
    bottom = main.pos().y() + main.rect().height() - size.height() - 2
    bar.attemptMove(QgsLayoutPoint(main.pos().x() + 2, bottom))


def _north_arrow(layout: QgsLayout, main: QgsLayoutItemMap) -> None:
    arrow = QgsLayoutItemPicture(layout)
    arrow.setId(FurnitureItem.NORTH_ARROW.value)
    arrow.setPicturePath(str(NORTH_ARROW))
    arrow.setLinkedMap(main)
    layout.addLayoutItem(arrow)
    arrow.attemptResize(QgsLayoutSize(7, 10))
    arrow.attemptMove(QgsLayoutPoint(main.pos().x() + main.rect().width() - 9, main.pos().y() + 2))


def remedied(layout: QgsPrintLayout) -> list[Finding]:
    """The layout's findings; each that only needs something put back comes with the deed."""
    return [_with_remedy(layout, finding) for finding in findings(layout)]


def _with_remedy(layout: QgsPrintLayout, finding: Finding) -> Finding:
    item = finding.item
    if item is None or finding.mend is not None:
        return finding
    if item.is_text and item not in MARKINGS and not variable_words(layout, item):
        return finding  # nobody has said what it is to say
    return replace(
        finding,
        fix=tr("It can be put on the map, or on a page of notes."),
        button=tr("Put it back"),
        mend=lambda: put_back(layout, item),
    )
