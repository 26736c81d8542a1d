"""Pages as they are built: everything there, nothing overlapping, nothing cut."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from qgis.core import QgsLayoutItem, QgsLayoutItemLabel, QgsLayoutItemMap, QgsLayoutUtils, QgsLegendRenderer
from safestats.qgis_plugin.core.hotspots import Method
from safestats.qgis_plugin.layouts.export import missing_furniture
from safestats.qgis_plugin.layouts.hotspot_map import HotspotMap, build_hotspot_layout
from safestats.qgis_plugin.layouts.incident_points import IncidentPoints
from safestats.qgis_plugin.layouts.items import round_length
from safestats.qgis_plugin.layouts.proximity_report import ProximityReport, build_proximity_layout
from safestats.qgis_plugin.layouts.sheet import Imprint, Mode, Page
from safestats.qgis_plugin.layouts.typography import fit, text_height, text_width
from safestats.shared.furniture import FurnitureItem

ON_THE_MAP = {FurnitureItem.SCALE_BAR.value, FurnitureItem.NORTH_ARROW.value}
UNDER_TEXT = {"synthetic_panel", "exempt_panel"}
LONG = (
    "Hot and cold spots of violence and sexual offences, anti-social behaviour, theft from the person, criminal damage "
    "and arson, public order and possession of weapons, Hammersmith and Fulham, January 2025 to December 2025"
)


def items_of(layout):
    """The layout's items but for the paper."""
    page = layout.pageCollection().page(0)
    return [item for item in layout.items() if isinstance(item, QgsLayoutItem) and item is not page and item.id()]


def rect_of(item):
    """Where an item is on the page, in mm."""
    return item.mapRectToScene(item.rect())


def hotspot_page(project, samples, tmp_path, mode=Mode.OPERATIONAL, page=Page.A4, title=LONG, **changes):
    """A hotspot map of Camden."""
    area = samples.borough_shape("Camden")
    if changes.pop("gi", False):
        result = samples.hotspot_result(samples.gi_layer(area, 250), area, "Camden", Method.GI_GRID, **changes)
    else:
        layer = samples.density_raster(str(tmp_path / "density.tif"), area, 200)
        result = samples.hotspot_result(layer, area, "Camden", Method.KDE_RASTER, **changes)
    imprint = Imprint(title or result.title, "A. Analyst", "London Borough of Camden", mode, page)
    return build_hotspot_layout(project, HotspotMap(result, imprint))


def proximity_page(
    project, samples, mode=Mode.OPERATIONAL, page=Page.A4, datasets=None, incidents=(), title="", **changes
):
    """A report around SE1 2AA, as full as it gets unless ``datasets`` are given."""
    result = samples.proximity_result(samples.four_datasets() if datasets is None else datasets, **changes)
    imprint = Imprint(title or result.answer.title, "A. Analyst", "London Borough of Southwark, Licensing", mode, page)
    return build_proximity_layout(project, ProximityReport(result, imprint, incidents))


PRODUCTS = ("density", "gi", "proximity", "proximity of one", "many", "sparse")


@pytest.mark.parametrize(
    ("product", "page"),
    [*((product, Page.A4) for product in PRODUCTS), *((product, Page.A3) for product in ("density", "gi", "many"))],
)
@pytest.mark.parametrize("mode", list(Mode))
def test_every_page_is_complete_and_nothing_overlaps(project, samples, tmp_path, product, mode, page):
    if product in ("many", "sparse", "proximity", "proximity of one"):
        one = samples.dataset_answer(
            "mps", "Metropolitan Police incidents", samples.CATEGORIES, 5, 140, synthetic=False
        )
        datasets = {"many": samples.ten_datasets(), "sparse": samples.sparse_datasets(), "proximity of one": [one]}
        layout = proximity_page(project, samples, mode, page, datasets=datasets.get(product), title=LONG)
    else:
        layout = hotspot_page(project, samples, tmp_path, mode, page, gi=product == "gi")
    assert missing_furniture(layout) == ()
    items = items_of(layout)
    paper = layout.pageCollection().page(0).sceneBoundingRect()
    for item in items:
        assert paper.contains(rect_of(item)), item.id()
    for one_item, other in combinations(items, 2):
        if {one_item.id(), other.id()} & (ON_THE_MAP | UNDER_TEXT):
            continue
        shared = rect_of(one_item).intersected(rect_of(other))
        assert min(shared.width(), shared.height()) < 0.35, (one_item.id(), other.id(), shared)
    the_map = rect_of(layout.itemById("map"))
    for name in ON_THE_MAP:
        assert the_map.contains(rect_of(layout.itemById(name))), name


TITLES = (
    *("Assaults treated in emergency departments", "British Transport Police incidents", "Bus driver incident reports"),
    *("City of London Police incidents", "London Ambulance Service dispatches", "Metropolitan Police incidents"),
)


@pytest.mark.parametrize("number", [1, 3, 4, 5, 6])
def test_the_legend_of_incidents_of_many_datasets_is_whole(project, samples, number):
    incidents = tuple(IncidentPoints(title, np.array([533_512.0]), np.array([179_796.0])) for title in TITLES[:number])
    layout = proximity_page(project, samples, incidents=incidents)
    legend = layout.itemById(FurnitureItem.LEGEND.value)
    drawn = QgsLegendRenderer(legend.model(), legend.legendSettings())
    needed = drawn.minimumSize(QgsLayoutUtils.createRenderContextForLayout(layout, None))
    room = rect_of(legend)
    assert needed.width() <= room.width() and needed.height() <= room.height() + 0.8
    assert room.right() <= rect_of(layout.itemById("inset")).left()
    for name in ("map", "table_heading"):
        shared = room.intersected(rect_of(layout.itemById(name)))
        assert min(shared.width(), shared.height()) < 0.35, name
    written = " ".join(node.layerNode().customProperty("legend/title-label") for node in nodes_of(legend))
    assert all(title in " ".join(written.split()) for title in TITLES[:number])


def nodes_of(legend):
    """The first legend node of each layer."""
    return [legend.model().layerLegendNodes(node)[0] for node in legend.model().rootGroup().findLayers()]


def test_text_fits_its_items(project, samples):
    layout = proximity_page(project, samples, title=LONG)
    for item in items_of(layout):
        if isinstance(item, QgsLayoutItemLabel):
            lines, style = item.currentText().split("\n"), item.textFormat()
            assert max(text_width(line, style) for line in lines) <= item.rect().width() + 0.01, item.id()
            assert text_height(lines, style) <= item.rect().height() + 0.6, item.id()
            assert "…" not in item.currentText(), item.id()


def test_a_text_too_long_is_cut_with_an_ellipsis_and_says_so():
    fitted = fit("word " * 200, 40, 8, (10, 8))
    assert not fitted.complete
    assert fitted.lines[-1].endswith("…")
    assert fitted.height <= 8
    assert fit("short", 40, 8, (10, 8)).style.size() == 10


def test_a_scale_bar_is_round():
    assert [round_length(x) for x in (7.3, 1999, 2000, 4999, 12345)] == [5, 1000, 2000, 2000, 10000]


def test_maps_need_no_picture(project, samples, tmp_path):
    """See-through layers would turn the whole map of a PDF into a picture."""
    layout = hotspot_page(project, samples, tmp_path, gi=True)
    for item in layout.items():
        if isinstance(item, QgsLayoutItemMap):
            assert not item.containsAdvancedEffects()
            assert all(layer.opacity() == 1 for layer in item.layers())


def test_words_are_not_evaluated(project, samples):
    layout = proximity_page(project, samples, title="Around [% 6 * 7 %]")
    shown = " ".join(item.currentText() for item in items_of(layout) if isinstance(item, QgsLayoutItemLabel))
    assert "6 * 7" in shown and "42" not in shown.split()
