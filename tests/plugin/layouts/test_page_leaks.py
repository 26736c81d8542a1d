"""Ways in which a page for everybody could tell more than it shows, or show what it must not."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path

import pytest
from qgis.core import (
    QgsGroupLayer,
    QgsLayoutItemLabel,
    QgsLayoutItemLegend,
    QgsLayoutPoint,
    QgsLayoutSize,
    QgsProject,
    QgsVectorLayer,
)
from safestats.qgis_plugin.core.explore.area_sets import AreaSets
from safestats.qgis_plugin.core.explore.choropleth import open_choropleth, write_choropleth
from safestats.qgis_plugin.core.explore.copy_table import CopyTable
from safestats.qgis_plugin.core.explore.counting import count
from safestats.qgis_plugin.core.explore.rates import Bases
from safestats.qgis_plugin.core.explore.selection import By, Selection
from safestats.qgis_plugin.layouts.checks import ExportRefused, check, findings, incident_layers
from safestats.qgis_plugin.layouts.html_twin import twin_of
from safestats.qgis_plugin.layouts.page_frame import small_number_note
from safestats.qgis_plugin.layouts.sheet import MODE_PROPERTY, Mode
from safestats.shared.furniture import FurnitureItem
from safestats.tests.plugin.explore.conftest import manifest, opened, planted, write_copy

_spec = importlib.util.spec_from_file_location("leaking_pages", Path(__file__).with_name("test_layouts.py"))
pages = importlib.util.module_from_spec(_spec)
sys.modules["leaking_pages"] = pages
_spec.loader.exec_module(pages)


@pytest.fixture
def page(project, samples, tmp_path):
    """A hotspot map that may be published."""
    layout = pages.hotspot_page(project, samples, tmp_path, Mode.PUBLICATION)
    check(layout)
    return layout


def write(layout, words, x=20.0):
    """A label of the user's own."""
    label = QgsLayoutItemLabel(layout)
    label.setText(words)
    layout.addLayoutItem(label)
    label.attemptMove(QgsLayoutPoint(x, 60))
    label.attemptResize(QgsLayoutSize(40, 6))
    return label


def words_of_twin(layout):
    """The twin without its pictures."""
    return re.sub(r"base64,[^\"]*", "", twin_of(layout))


def test_the_twin_says_nothing_that_the_paper_hides(page):
    write(page, "to be seen")
    write(page, "beside the paper", x=400)
    write(page, "clear as glass").setItemOpacity(0)
    page.groupItems([write(page, "in a hidden group"), write(page, "hidden, too")]).setVisibility(False)
    write(page, "kept from exports").setExcludeFromExports(True)
    twin = words_of_twin(page)
    assert "to be seen" in twin
    for words in ("beside the paper", "clear as glass", "in a hidden group", "hidden, too", "kept from exports"):
        assert words not in twin
    page.itemById(FurnitureItem.SOURCE.value).setItemOpacity(0)
    assert "Metropolitan Police incidents, through SafeStats." not in words_of_twin(page)


def test_the_twin_has_no_table_from_beside_the_paper(project, samples):
    layout = pages.proximity_page(project, samples, Mode.PUBLICATION)
    table = layout.multiFrames()[0]
    assert (before := words_of_twin(layout).count("<table>"))
    table.frame(0).attemptMove(QgsLayoutPoint(500, 60))
    assert words_of_twin(layout).count("<table>") == before - 1


@pytest.mark.parametrize("kind", ["Point", "MultiPoint", "GeometryCollection"])
def test_points_are_found_in_a_group_within_a_group(project, page, kind):
    points = QgsVectorLayer(f"{'Point' if kind == 'GeometryCollection' else kind}?crs=EPSG:27700", "Homes", "memory")
    if kind == "GeometryCollection":
        points = QgsVectorLayer("GeometryCollection?crs=EPSG:27700", "Homes", "memory")
    assert points.isValid()
    options = QgsGroupLayer.LayerOptions(QgsProject.instance().transformContext())
    inner, outer = QgsGroupLayer("inner", options), QgsGroupLayer("outer", options)
    for layer in (points, inner, outer):
        project.addMapLayer(layer, False)
    inner.setChildLayers([points])
    outer.setChildLayers([inner])
    shown = page.itemById("map")
    shown.setLayers([outer, *shown.layers()])
    assert [layer.name() for layer in incident_layers(page)] == ["Homes"]
    with pytest.raises(ExportRefused, match=r"single incidents \(“Homes”\)"):
        check(page)
    (finding,) = findings(page)
    finding.mend()
    check(page)


@pytest.fixture
def explored(project, tmp_path):
    """A map of exact counts by area, as the explore dock makes it."""
    rows = planted(400)
    write_copy(tmp_path / "lfb.gpkg", "lfb", rows)
    copy, sets = opened(tmp_path / "lfb.gpkg", manifest("lfb", "Fires", len(rows))), AreaSets()
    counted = count(CopyTable.of(copy), Selection("lfb", by=By.BOROUGH), sets, None, lambda: False)
    path = write_choropleth(counted, sets.get(By.BOROUGH, None), None, Bases())
    layer = open_choropleth(path, counted, sets, None)
    project.addMapLayer(layer)
    yield layer
    QgsProject.instance().removeMapLayer(copy.id())


@pytest.mark.parametrize("where", ["map", "legend", "group", "copy"])
def test_exact_counts_by_area_do_not_leave(project, page, explored, where):
    shown, legend = page.itemById("map"), page.itemById(FurnitureItem.LEGEND.value)
    layer = explored
    if where == "copy":
        layer = explored.clone()
        project.addMapLayer(layer, False)
    elif where == "group":
        layer = QgsGroupLayer("group", QgsGroupLayer.LayerOptions(QgsProject.instance().transformContext()))
        project.addMapLayer(layer, False)
        layer.setChildLayers([explored])
    if where != "legend":
        shown.setLayers([layer, *shown.layers()])
    if where != "map":
        assert isinstance(legend, QgsLayoutItemLegend)
        legend.model().rootGroup().addLayer(layer)
    with pytest.raises(ExportRefused, match=f"exact counts by area .“{re.escape(explored.name())}”"):
        check(page)
    (finding,) = findings(page)
    before = [one.layerId() for one in project.layerTreeRoot().findLayers()]
    finding.mend()
    assert [one.layerId() for one in project.layerTreeRoot().findLayers()] == before
    check(page)
    page.setCustomProperty(MODE_PROPERTY, Mode.OPERATIONAL.value)
    shown.setLayers([explored, *shown.layers()])
    assert not any("exact counts" in one.sentence for one in findings(page))


@pytest.mark.parametrize(
    "expression",
    [
        "aggregate('Homes', 'concatenate', \"address\")",
        "count(1)",
        "$x",
        "geom_to_wkt(@atlas_geometry)",
        "geom_to_wkt(geometry(get_feature_by_id('Homes', 1)))",
        "attribute(get_feature('Homes', 'id', 1), 'address')",
        "layer_property('Homes', 'feature_count')",
        "eval('agg' || 'regate(1)')",
        "to_json(@atlas_feature)",
        '"address"',
        "@atlas_pagename",
        "var('atlas_' || 'pagename')",
    ],
)
def test_words_taken_from_features_do_not_leave(page, expression):
    label = write(page, f"Note: [% {expression} %]")
    with pytest.raises(ExportRefused, match=r"label takes its words from a layer's features .* Take it off the page"):
        check(page)
    (finding,) = findings(page)
    finding.mend()
    assert label not in page.items()
    check(page)


def test_plain_expressions_leave(page):
    write(page, "[% upper(@layout_name) || ' ' || format_date(now(), 'yyyy') || round(2.5) %], [% not an expression")
    check(page)


def test_colleagues_may_have_words_of_features(project, samples, tmp_path):
    layout = pages.hotspot_page(project, samples, tmp_path)
    write(layout, "[% count(1) %]")
    check(layout)


@pytest.mark.parametrize("how", ["count", "expression"])
def test_a_legend_that_counts_features_does_not_leave(page, how):
    legend = page.itemById(FurnitureItem.LEGEND.value)
    node = legend.model().rootGroup().findLayers()[0]
    if how == "count":
        node.setCustomProperty("showFeatureCount", 1)
    else:
        node.setLabelExpression("@symbol_count")
    with pytest.raises(ExportRefused, match="legend shows how many features there are"):
        check(page)
    (finding,) = findings(page)
    finding.mend()
    check(page)


def test_the_note_on_small_numbers_tells_each_threshold_of_the_page(project, samples, tmp_path):
    health = pages.hotspot_page(project, samples, tmp_path, Mode.PUBLICATION, threshold=8)
    words = " ".join(health.itemById(FurnitureItem.SMALL_NUMBERS.value).currentText().split())
    assert "counts of 1 to 7 are shown as “<8”." in words
    assert "<5" not in words
    datasets = samples.four_datasets()[:1] + [
        samples.dataset_answer("las", "Ambulance call-outs", samples.FIRES, 3, 300, threshold=8)
    ]
    mixed = pages.proximity_page(project, samples, Mode.PUBLICATION, datasets=datasets)
    words = " ".join(mixed.itemById(FurnitureItem.SMALL_NUMBERS.value).currentText().split())
    assert "counts of 1 to 4 are shown as “<5” or, by dataset, of 1 to 7 are shown as “<8”." in words


def test_the_note_says_the_usual_threshold_once():
    assert small_number_note(Mode.PUBLICATION, (4, 4)).count("are shown as") == 1


def test_the_note_speaks_of_changes_where_the_page_shows_some(project, samples, tmp_path):
    def note(layout) -> str:
        return " ".join(layout.itemById(FurnitureItem.SMALL_NUMBERS.value).currentText().split())

    for gi in (False, True):
        words = note(pages.hotspot_page(project, samples, tmp_path, gi=gi))
        assert words.startswith("Counts are exact. A small count") and "hanges" not in words
    row = samples.row_of("mps", "Met", None, "All incidents", (1, 2, 3), None)
    alone = samples.dataset_answer("mps", "Met", ("x",), 1, 5, rows=(row,))
    assert "hanges" not in note(pages.proximity_page(project, samples, datasets=[alone]))
    assert "Changes between counts below 10 say little" in note(pages.proximity_page(project, samples))
