"""Pages as they are built: everything there, nothing overlapping, nothing cut."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from qgis.core import (
    QgsLayoutItem,
    QgsLayoutItemLabel,
    QgsLayoutItemMap,
    QgsLayoutUtils,
    QgsLegendRenderer,
    QgsVectorLayer,
)
from qgis.PyQt.QtCore import QRectF
from safestats.qgis_plugin.core.hotspots import Method
from safestats.qgis_plugin.layouts.export import missing_furniture
from safestats.qgis_plugin.layouts.hotspot_map import HotspotMap, build_hotspot_layout
from safestats.qgis_plugin.layouts.incident_points import IncidentPoints
from safestats.qgis_plugin.layouts.items import LegendEntry, legend, round_length
from safestats.qgis_plugin.layouts.page_frame import joined
from safestats.qgis_plugin.layouts.proximity_report import ProximityReport, build_proximity_layout
from safestats.qgis_plugin.layouts.remarks import in_order, left_out, remarks_block, weight, whole
from safestats.qgis_plugin.layouts.sheet import Imprint, Mode, Page, Sheet
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


@pytest.mark.parametrize("page", list(Page))
@pytest.mark.parametrize("number", [1, 3, 4, 5, 6])
def test_the_legend_of_incidents_of_many_datasets_is_whole(project, samples, number, page):
    incidents = tuple(IncidentPoints(title, np.array([533_512.0]), np.array([179_796.0])) for title in TITLES[:number])
    layout = proximity_page(project, samples, page=page, incidents=incidents)
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


def test_a_legend_breaks_no_word(project):
    sheet = Sheet(project, Imprint("Title", "A. Analyst", "London Borough of Camden"), synthetic=True)
    title = "Incidents of counterrevolutionaries"
    layer = QgsVectorLayer("Point?crs=EPSG:27700", title, "memory")
    project.addMapLayer(layer, False)
    made = legend(sheet, "legend", QRectF(0, 0, 12, 12), [LegendEntry(layer)], (7, 5))
    (node,) = made.model().rootGroup().findLayers()
    written = node.customProperty("legend/title-label")
    assert "\n" in written and written.split() == title.split()


def nodes_of(legend):
    """The first legend node of each layer."""
    return [legend.model().layerLegendNodes(node)[0] for node in legend.model().rootGroup().findLayers()]


def declared_page(project, samples, tmp_path, product, mode, page):
    """A page of what the datasets are declared with: all six, or the police's alone."""
    if product == "report":
        return proximity_page(project, samples, mode, page, datasets=samples.declared_datasets())
    words = samples.declared("mps")
    changes = {"dataset_title": words.pop("title"), "notes": (HOT,), **words}
    return hotspot_page(project, samples, tmp_path, mode, page, title="", gi=product == "gi", **changes)


HOT = "The supplier moves incidents to shared map points: a hot cell may be one"
EVERY_PAGE = [
    pytest.param(product, mode, page, id=f"{product}-{mode.value}-{page.value}")
    for product in ("report", "density", "gi")
    for mode in Mode
    for page in Page
]


@pytest.mark.parametrize(("product", "mode", "page"), EVERY_PAGE)
def test_nothing_at_the_foot_is_cut_and_every_attribution_stands_there(project, samples, tmp_path, product, mode, page):
    layout = declared_page(project, samples, tmp_path, product, mode, page)
    for name in ("attribution", *(item.value for item in FurnitureItem)):
        item = layout.itemById(name)
        if isinstance(item, QgsLayoutItemLabel):
            assert "…" not in item.currentText(), name
            assert text_height(item.currentText().split("\n"), item.textFormat()) <= item.rect().height() + 0.6, name
    label = layout.itemById("attribution")
    assert label.textFormat().size() >= 5
    words = " ".join(label.currentText().split())
    datasets = samples.declared_datasets() if product == "report" else samples.declared_datasets()[-1:]
    for dataset in datasets:
        for told in dataset.attribution.rstrip(".").split(". "):
            assert words.count(told.removeprefix("Source: ")) == 1, told
    assert "Source: Office for National Statistics licensed under the Open Government Licence v.3.0." in words
    if product == "report":
        assert "Contains OS data © Crown copyright and database right 2024, 2025." in words
        assert "Contains Royal Mail data © Royal Mail copyright and database right 2025." in words
    assert rect_of(label).bottom() <= rect_of(layout.itemById(FurnitureItem.MARKING_BOTTOM.value)).top()


def test_a_foot_with_very_many_licences_takes_room_of_the_page(project, samples, tmp_path):
    many = " ".join(f"Source: Supplier of the incidents number {number}, at some length." for number in range(40))
    layout = hotspot_page(project, samples, tmp_path, attribution=many)
    words = " ".join(layout.itemById("attribution").currentText().split())
    assert words.count("Supplier of the incidents") == 40 and "…" not in words
    assert rect_of(layout.itemById("map")).bottom() < rect_of(layout.itemById("footer_rule")).top()


def test_attributions_are_joined_without_losing_any():
    right = "Contains OS data © Crown copyright and database right"
    joint = joined(f"Source: A, b. {right}.", f"{right} 2025. Source: C.", f"{right} 2024.", "Source: A, b.")
    assert joint == f"Source: A, b; C. {right} 2024, 2025."
    assert joined(joint, f"Source: D. {right} 2026") == f"Source: A, b; C; D. {right} 2024, 2025, 2026."
    assert joined(f"{right}.", "") == f"{right}."
    assert joined("") == ""


@pytest.mark.parametrize(("product", "mode", "page"), EVERY_PAGE)
def test_what_is_read_with_care_is_whole_remarks_and_what_is_left_out_is_said(
    project, samples, tmp_path, product, mode, page
):
    layout = declared_page(project, samples, tmp_path, product, mode, page)
    report = product == "report"
    labels = [layout.itemById(name) for name in (("care", "care_more") if report else ("caveats",))]
    words = " ".join(" ".join(label.currentText().split()) for label in labels)
    assert "…" not in words
    for label in labels:
        assert text_height(label.currentText().split("\n"), label.textFormat()) <= label.rect().height() + 0.6
    datasets = samples.declared_datasets() if report else samples.declared_datasets()[-1:]
    remarks = set().union(*(part.caveats for part in datasets))
    if mode is Mode.OPERATIONAL and report:
        remarks = remarks.union(*(part.notes for part in datasets))
    printed = {remark for remark in remarks if remark in words}
    missing = remarks - printed
    told = re.search(r"(\d+) more remarks are in the layers?' metadata\.|$", words.replace("layer's", "layers'"))
    assert int(told[1] or 0) == len(missing)
    # What limits counts and places comes before the rest, and assumptions after all.
    assert max(map(weight, printed)) <= min(map(weight, missing), default=2)
    if report:
        assert missing
        assert not any(remark in missing for part in datasets for remark in (*part.notes, part.caveats[0])
                       if mode is Mode.OPERATIONAL or remark in part.caveats)  # fmt: skip
    elif mode is Mode.OPERATIONAL:
        assert words.startswith(f"{HOT}. Places are not exact")


def test_beside_an_upright_map_too_remarks_are_left_out_whole(project, samples):
    area = samples.borough_shape("Camden")
    result = samples.hotspot_result(samples.gi_layer(area, 250), area, "Camden", Method.GI_GRID, notes=(HOT,))
    caveats = tuple(f"{one} Once more: {time}." for time in "abc" for one in samples.declared("istv")["caveats"])
    imprint = Imprint(result.title, "A. Analyst", "London Borough of Camden", upright=True)
    layout = build_hotspot_layout(project, HotspotMap(replace(result, caveats=caveats), imprint))
    words = " ".join(layout.itemById("caveats").currentText().split())
    assert "…" not in words and words.endswith("more remarks are in the layer's metadata.")


LONG_ASSUMPTION = f"Assumed: {'all is well, ' * 8}as far as anybody knows."


def test_an_unfitting_remark_is_left_out_whole(project):
    sheet = Sheet(project, Imprint("Title", "A. Analyst", "London Borough of Camden"), synthetic=True)
    remarks = in_order(["First of the run"], [LONG_ASSUMPTION, "Outcomes are not held.", "Places are rough."])
    assert remarks == ["First of the run.", "Places are rough.", "Outcomes are not held.", LONG_ASSUMPTION]
    block = remarks_block("caveats", remarks)
    assert whole(sheet, QRectF(0, 0, 60, 60), [block], 7, 0)[0].words == " ".join(remarks)
    shown = [whole(sheet, QRectF(0, 0, 60, height), [block], 7, 0)[0].words for height in np.arange(6, 30, 0.5)]
    assert (
        "First of the run. Places are rough. Outcomes are not held. One more remark is in the layer's metadata."
        in shown
    )
    assert shown[0] == "4 more remarks are in the layer's metadata." and shown[-1] == " ".join(remarks)
    assert all("Assumed" not in words or words == " ".join(remarks) for words in shown)
    assert left_out(1, 3) == "One more remark is in the layers' metadata."


@pytest.mark.parametrize("page", list(Page))
def test_the_headings_of_charts_are_whole(project, samples, page):
    layout = proximity_page(project, samples, page=page, datasets=samples.declared_datasets())
    headings = [item for item in items_of(layout) if re.fullmatch(r"trend_\w+_heading", item.id())]
    assert {" ".join(item.currentText().split()) for item in headings} == set(TITLES)


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
