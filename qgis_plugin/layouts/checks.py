"""What keeps a page from leaving: each thing found, with what to do about it and, where that can be done, the deed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from qgis.core import (
    QgsExpressionContextUtils,
    QgsGroupLayer,
    QgsLayerTreeLayer,
    QgsLayout,
    QgsLayoutItem,
    QgsLayoutItemAttributeTable,
    QgsLayoutItemHtml,
    QgsLayoutItemLabel,
    QgsLayoutItemLegend,
    QgsLayoutItemMap,
    QgsLayoutItemPage,
    QgsLayoutItemPicture,
    QgsLayoutItemScaleBar,
    QgsMapLayer,
    QgsPrintLayout,
    QgsVectorLayer,
    QgsWkbTypes,
)
from qgis.PyQt.QtCore import QPointF, QRectF

from ...shared.furniture import MARKINGS, FurnitureItem, Lack, refusal, required
from ..core.errors import DeskError
from ..core.explore.choropleth import EXACT_PROPERTY
from .label_words import shorten_words, tells_of_features
from .sheet import (
    AUTHOR_PROPERTY,
    BASE_PROPERTY,
    CHART_PROPERTY,
    MAPLESS_PROPERTY,
    MODE_PROPERTY,
    SYNTHETIC_PROPERTY,
    Mode,
    tr,
    variable_name,
)

TOLERANCE_MM = 0.5
_FAINTEST = 0.2
_FEATURE_COUNT = "showFeatureCount"  # QGIS's own name for it


class ExportRefused(DeskError):  # noqa: N818 - refused, not failed
    """The page may not leave as it is."""

    code = "export-refused"


class FurnitureMissing(ExportRefused):
    """Map furniture is missing from the page; ``items`` names it."""

    code = "furniture-missing"

    def __init__(self, items: tuple[FurnitureItem, ...]) -> None:
        super().__init__(refusal(items))
        self.items = items


@dataclass(frozen=True)
class Finding:
    """One thing that keeps the page from leaving.

    ``sentence`` says what is wrong, ``fix`` what to do. Where the page itself can be mended, ``mend`` does it and
    ``button`` names it; ``item`` is the furniture that it is about, if any.
    """

    sentence: str
    fix: str
    item: FurnitureItem | None = None
    button: str = ""
    mend: Callable[[], None] | None = None


def mode_of(layout: QgsLayout) -> Mode:
    """The mode that the layout was made for; a layout that does not say is taken as operational."""
    return Mode(layout.customProperty(MODE_PROPERTY, Mode.OPERATIONAL.value))


def author_of(layout: QgsLayout) -> str:
    """Who made the page: author and organisation."""
    return str(layout.customProperty(AUTHOR_PROPERTY, ""))


def findings(layout: QgsPrintLayout) -> list[Finding]:
    """Everything that keeps the page from leaving, furniture first in the order of the page."""
    found = [_furniture_finding(layout, item, lack) for item, lack in lacking(layout).items()]
    if mode_of(layout) is Mode.PUBLICATION and (points := incident_layers(layout)):
        names = ", ".join(f"“{layer.name()}”" for layer in points)
        found.append(
            Finding(
                tr("The map shows single incidents ({names}), which may not be published.").format(names=names),
                tr("Take them off the map, or make the page for operational use."),
                button=tr("Take them off"),
                mend=partial(_take_off, layout, [layer.id() for layer in points]),
            )
        )
    if mode_of(layout) is Mode.PUBLICATION:
        found.extend(_exact_maps(layout))
        found.extend(_exact_charts(layout))
        found.extend(_telling_labels(layout))
        found.extend(_counting_legends(layout))
        found.extend(
            Finding(
                tr("The page has a table of a layer's rows or a web page in it, which may not be published."),
                tr("Take it off the page."),
                button=tr("Take it off"),
                mend=partial(layout.removeMultiFrame, frame),
            )
            for frame in layout.multiFrames()
            if isinstance(frame, (QgsLayoutItemAttributeTable, QgsLayoutItemHtml))
        )
    return found


def _exact_maps(layout: QgsPrintLayout) -> list[Finding]:
    """Layers of exact counts by area, drawn on a map or told in a legend."""
    exact: dict[str, QgsMapLayer] = {}
    for layer in (*_drawn_layers(layout), *_told_layers(layout)):
        if str(layer.customProperty(EXACT_PROPERTY, "")).lower() == "true":
            exact[layer.id()] = layer
    if not exact:
        return []
    names = ", ".join(f"“{layer.name()}”" for layer in exact.values())
    return [
        Finding(
            tr("The page shows exact counts by area ({names}), which may not be published.").format(names=names),
            tr("Take them off the page, or make it for operational use."),
            button=tr("Take them off"),
            mend=partial(_take_off_all, layout, list(exact)),
        )
    ]


def _exact_charts(layout: QgsPrintLayout) -> list[Finding]:
    """Charts that were made for colleagues and have come onto a page for everybody."""
    return [
        Finding(
            tr("A chart on the page has exact counts, which may not be published."),
            tr("Take it off, and place it anew from the dock: it is then made for publication."),
            button=tr("Take it off"),
            mend=partial(layout.removeLayoutItem, item),
        )
        for item in layout.items()
        if isinstance(item, QgsLayoutItemPicture)
        and item.customProperty(CHART_PROPERTY, Mode.PUBLICATION.value) != Mode.PUBLICATION.value
    ]


def _telling_labels(layout: QgsPrintLayout) -> list[Finding]:
    """Labels that take their words from layers."""
    atlas = layout.atlas()
    coverage = atlas.coverageLayer() if atlas.enabled() else None
    safe_atlas = coverage is not None and bool(coverage.customProperty(BASE_PROPERTY))
    return [
        Finding(
            tr("A label takes its words from a layer's features ({text}), which may not be published.").format(
                text=shorten_words(item.text())
            ),
            tr("Take it off the page, or write plain words."),
            button=tr("Take it off"),
            mend=partial(layout.removeLayoutItem, item),
        )
        for item in layout.items()
        if isinstance(item, QgsLayoutItemLabel) and tells_of_features(item.text(), safe_atlas)
    ]


def _counting_legends(layout: QgsPrintLayout) -> list[Finding]:
    """Legends that say how many features a layer or class has: exact counts."""
    return [
        Finding(
            tr("The legend shows how many features there are, and exact counts may not be published."),
            tr("Leave the numbers out."),
            button=tr("Leave them out"),
            mend=partial(_count_nothing, item),
        )
        for item in layout.items()
        if isinstance(item, QgsLayoutItemLegend) and any(map(_counts, item.model().rootGroup().findLayers()))
    ]


def _counts(node: QgsLayerTreeLayer) -> bool:
    return bool(int(node.customProperty(_FEATURE_COUNT, 0) or 0)) or bool(node.labelExpression())


def _count_nothing(legend: QgsLayoutItemLegend) -> None:
    legend.setAutoUpdateModel(False)  # or else the project's own tree would change
    for node in legend.model().rootGroup().findLayers():
        node.setCustomProperty(_FEATURE_COUNT, 0)
        node.setLabelExpression("")
    legend.refresh()


def check(layout: QgsPrintLayout) -> None:
    """Raises ``FurnitureMissing`` or ``ExportRefused`` where the page may not leave."""
    lacks = tuple(lacking(layout))
    if lacks:
        raise FurnitureMissing(lacks)
    for finding in findings(layout):
        sentence = finding.sentence[0].lower() + finding.sentence[1:]
        raise ExportRefused(tr("Not exported: {sentence}").format(sentence=f"{sentence} {finding.fix}"))


def missing_furniture(layout: QgsPrintLayout) -> tuple[FurnitureItem, ...]:
    """What does not stand on the page: deleted, hidden, emptied, left out of exports or off the paper."""
    return tuple(lacking(layout))


def lacking(layout: QgsPrintLayout) -> dict[FurnitureItem, Lack]:
    """The furniture that does not stand on the page, and why; in the order of the page."""
    synthetic = str(layout.customProperty(SYNTHETIC_PROPERTY, False)).lower() == "true"
    mapless = str(layout.customProperty(MAPLESS_PROPERTY, False)).lower() == "true"
    lacks = {}
    # A map put on a page that was made without one needs what belongs to a map.
    for item in required(synthetic, not mapless or bool(maps_of(layout))):
        lack = _marking_lack(layout, item) if item in MARKINGS else _lack(layout, item)
        if lack is not None:
            lacks[item] = lack
    return lacks


def carriers(layout: QgsLayout, furniture: FurnitureItem) -> list[QgsLayoutItem]:
    """The layout's items by that name. Not ``itemById``: it may find one copy of several, a hidden one for instance."""
    return [item for item in layout.items() if isinstance(item, QgsLayoutItem) and item.id() == furniture.value]


def pages_of(layout: QgsLayout) -> list[QgsLayoutItemPage]:
    """The sheets of paper."""
    return [layout.pageCollection().page(number) for number in range(layout.pageCollection().pageCount())]


def _lack(layout: QgsLayout, furniture: FurnitureItem) -> Lack | None:
    lacks = [_lack_of(layout, item, furniture) for item in carriers(layout, furniture)]
    if None in lacks:
        return None
    return lacks[0] if lacks else Lack.ABSENT


def _marking_lack(layout: QgsLayout, furniture: FurnitureItem) -> Lack | None:
    """A marking stands on every sheet, for sheets part."""
    items = carriers(layout, furniture)
    standing = [item for item in items if _lack_of(layout, item, furniture) is None]
    marked = {item.page() for item in standing}
    if len(marked) >= layout.pageCollection().pageCount():
        return None
    unsound = [lack for item in items if (lack := _lack_of(layout, item, furniture)) is not None]
    return unsound[0] if unsound else Lack.ABSENT


def _lack_of(layout: QgsLayout, item: QgsLayoutItem, furniture: FurnitureItem) -> Lack | None:
    return unseen(layout, item) or _content_lack(layout, item, furniture)


def unseen(layout: QgsLayout, item: QgsLayoutItem) -> Lack | None:
    """Why whoever reads the paper does not see the item, whatever it holds; ``None`` where they do."""
    group = item.parentGroup()
    if not item.isVisible() or (group is not None and not group.isVisible()):
        return Lack.HIDDEN
    if item.excludeFromExports() or (group is not None and group.excludeFromExports()):
        return Lack.LEFT_OUT
    if item.itemOpacity() <= _FAINTEST:
        return Lack.FAINT
    place = item.mapRectToScene(item.rect())
    if not any(_paper(page).contains(place) for page in pages_of(layout)):
        return Lack.OFF_PAGE
    if item.rect().width() <= 1 or item.rect().height() <= 1:
        return Lack.EMPTY
    return None


def _paper(page: QgsLayoutItemPage) -> QRectF:
    return page.sceneBoundingRect().adjusted(-TOLERANCE_MM, -TOLERANCE_MM, TOLERANCE_MM, TOLERANCE_MM)


def _content_lack(layout: QgsLayout, item: QgsLayoutItem, furniture: FurnitureItem) -> Lack | None:
    if isinstance(item, QgsLayoutItemLabel):
        words = item.currentText().strip()
        if not words:
            return Lack.EMPTY
        return Lack.WRONG if furniture in MARKINGS and words != mode_of(layout).marking else None
    if isinstance(item, QgsLayoutItemLegend):
        held = any(node.layer() is not None for node in item.model().rootGroup().findLayers())
    elif isinstance(item, QgsLayoutItemScaleBar):
        held = item.linkedMap() is not None and item.numberOfSegments() > 0
    elif isinstance(item, QgsLayoutItemPicture):
        held = Path(item.picturePath()).is_file()
    else:
        return Lack.WRONG
    return None if held else Lack.EMPTY


# ---------------------------------------------------------------------- what can be mended


def _furniture_finding(layout: QgsPrintLayout, item: FurnitureItem, lack: Lack) -> Finding:
    sentence = tr("The {item} {lack}.").format(item=item.words, lack=lack.value)
    mends: dict[Lack, tuple[str, str, Callable[[QgsLayoutItem], None]]] = {
        Lack.HIDDEN: (tr("Show it."), tr("Show it"), _show),
        Lack.LEFT_OUT: (tr("Let it be exported."), tr("Let it out"), _let_out),
        Lack.FAINT: (tr("Make it opaque."), tr("Make it opaque"), lambda piece: piece.setItemOpacity(1.0)),
        Lack.OFF_PAGE: (tr("Move it onto the page."), tr("Move it back"), partial(_move_in, layout)),
    }
    if lack in mends:
        fix, button, deed = mends[lack]
        return Finding(sentence, fix, item, button, lambda: [deed(piece) for piece in carriers(layout, item)] and None)
    if item in MARKINGS and lack in (Lack.WRONG, Lack.EMPTY):
        fix = tr("It reads “{marking}” on this page.").format(marking=mode_of(layout).marking)
        return Finding(sentence, fix, item, tr("Write it"), partial(_mark, layout, item))
    if (words := variable_words(layout, item)) and lack in (Lack.EMPTY, Lack.WRONG):
        return Finding(sentence, tr("Fill it in."), item, tr("Fill it in"), partial(_fill_in, layout, item, words))
    return Finding(sentence, _WHERE_TO_FILL_IN.get(item, tr("Put it back, as a layout item of that name.")), item)


_WHERE_TO_FILL_IN = {
    FurnitureItem.TITLE: "Write a title above.",
    FurnitureItem.AUTHOR: "Give author and organisation above.",
}


def variable_words(layout: QgsLayout, item: FurnitureItem) -> str:
    """What the item says on this page, as the layout's variables know it; empty where they do not."""
    scope = QgsExpressionContextUtils.layoutScope(layout)
    return str(scope.variable(variable_name(item.value)) or "")


def _show(item: QgsLayoutItem) -> None:
    item.setVisibility(True)
    if item.parentGroup() is not None:
        item.parentGroup().setVisibility(True)


def _let_out(item: QgsLayoutItem) -> None:
    item.setExcludeFromExports(False)
    if item.parentGroup() is not None:
        item.parentGroup().setExcludeFromExports(False)


def _move_in(layout: QgsLayout, item: QgsLayoutItem) -> None:
    """To the nearest place on the first sheet, made smaller where it is larger than that."""
    paper = layout.pageCollection().page(0).sceneBoundingRect()
    place = item.mapRectToScene(item.rect())
    width, height = min(place.width(), paper.width()), min(place.height(), paper.height())
    left = min(max(place.left(), paper.left()), paper.right() - width)
    top = min(max(place.top(), paper.top()), paper.bottom() - height)
    item.attemptSetSceneRect(QRectF(QPointF(left, top), QPointF(left + width, top + height)))


def _mark(layout: QgsLayout, furniture: FurnitureItem) -> None:
    for item in carriers(layout, furniture):
        if isinstance(item, QgsLayoutItemLabel):
            item.setText(mode_of(layout).marking)


def _fill_in(layout: QgsLayout, furniture: FurnitureItem, words: str) -> None:
    for item in carriers(layout, furniture):
        if isinstance(item, QgsLayoutItemLabel):
            item.setText(f"[% @{variable_name(furniture.value)} %]")


def incident_layers(layout: QgsLayout) -> list[QgsMapLayer]:
    """The layers on the layout's maps that show incidents one by one: every point layer that is not the base map's."""
    shown: dict[str, QgsMapLayer] = {}
    for item in maps_of(layout):
        for layer in shown_layers(item):
            if isinstance(layer, QgsVectorLayer) and _points(layer) and not layer.customProperty(BASE_PROPERTY):
                shown[layer.id()] = layer
    return list(shown.values())


def _drawn_layers(layout: QgsLayout) -> list[QgsMapLayer]:
    return [layer for item in maps_of(layout) for layer in shown_layers(item)]


def _told_layers(layout: QgsLayout) -> list[QgsMapLayer]:
    nodes = [node for legend in _legends_of(layout) for node in legend.model().rootGroup().findLayers()]
    return [leaf for node in nodes if node.layer() is not None for leaf in _leaves(node.layer())]


def _legends_of(layout: QgsLayout) -> list[QgsLayoutItemLegend]:
    return [item for item in layout.items() if isinstance(item, QgsLayoutItemLegend)]


def maps_of(layout: QgsLayout) -> list[QgsLayoutItemMap]:
    """The layout's maps."""
    return [item for item in layout.items() if isinstance(item, QgsLayoutItemMap)]


def shown_layers(item: QgsLayoutItemMap) -> list[QgsMapLayer]:
    """What a map draws, by its own set of layers, its theme or the project; a group of layers as its layers."""
    layers: list[QgsMapLayer] = []
    for layer in item.layersToRender():
        layers.extend(_leaves(layer))
    return layers


def _leaves(layer: QgsMapLayer) -> list[QgsMapLayer]:
    """The layer itself; of a group those of its layers and of the groups in it."""
    if not isinstance(layer, QgsGroupLayer):
        return [layer]
    return [leaf for child in layer.childLayers() for leaf in _leaves(child)]


def _points(layer: QgsVectorLayer) -> bool:
    """Whether the layer shows points, or may: one of any geometry can hold them."""
    kind = QgsWkbTypes.geometryType(layer.wkbType())
    return kind in (QgsWkbTypes.PointGeometry, QgsWkbTypes.UnknownGeometry)


def _take_off(layout: QgsLayout, ids: list[str]) -> None:
    for item in maps_of(layout):
        item.setLayers([layer for layer in shown_layers(item) if layer.id() not in ids])
        item.setKeepLayerSet(True)
        item.setFollowVisibilityPreset(False)


def _take_off_all(layout: QgsLayout, ids: list[str]) -> None:
    """Off the maps, and out of the legends."""
    _take_off(layout, ids)
    for legend in _legends_of(layout):
        nodes = [node for node in legend.model().rootGroup().findLayers() if _holds(node, ids)]
        if nodes:
            legend.setAutoUpdateModel(False)  # or else the project's own tree would change
            for node in [node for node in legend.model().rootGroup().findLayers() if _holds(node, ids)]:
                node.parent().removeChildNode(node)
            legend.refresh()


def _holds(node: QgsLayerTreeLayer, ids: list[str]) -> bool:
    return node.layer() is not None and any(leaf.id() in ids for leaf in _leaves(node.layer()))
