"""The proximity and hotspot docks at a real desk: what they show, draw, note for the audit, and say in trouble."""

from __future__ import annotations

import json

import numpy as np
import pytest
from qgis.core import QgsPointXY, QgsProject
from qgis.PyQt.QtCore import Qt
from safestats.qgis_plugin.core.hotspots import Method
from safestats.qgis_plugin.gui.hotspot_dock import HotspotDock
from safestats.qgis_plugin.gui.proximity_dock import ProximityDock

from .conftest import point_layer, safestats_layer

EAST, NORTH = 533_512, 179_796  # SE1 2AD


def city(number: int = 600) -> list[tuple[int, int, str, str]]:
    """Incidents around the postcode, in three months."""
    random = np.random.default_rng(7)
    places = np.rint(random.normal((EAST, NORTH), 400, (number, 2))).astype(int)
    months = random.choice(["2025-01", "2025-02", "2025-03"], number)
    kinds = random.choice(["theft", "violent-crime"], number)
    return [(int(e), int(n), str(m), str(k)) for (e, n), m, k in zip(places, months, kinds)]


@pytest.fixture
def proximity(desk, window, qtbot):
    dock = ProximityDock(desk, window)
    qtbot.addWidget(dock)
    yield dock
    dock.close_down()


@pytest.fixture
def hotspots(desk, window, qtbot):
    dock = HotspotDock(desk, window)
    qtbot.addWidget(dock)
    yield dock
    dock.close_down()


def events(desk) -> list[dict]:
    desk.settle()
    lines = (desk.store.root / "events.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["event"] for line in lines if line]


def test_a_search_fills_the_table_draws_the_rings_and_is_noted(proximity, desk, window, qtbot):
    rows = city()
    QgsProject.instance().addMapLayer(safestats_layer(rows, "2025-03"))
    qtbot.waitUntil(lambda: bool(proximity.chosen_layers()))
    proximity.place_edit.setText("se12ad")
    proximity.start()
    qtbot.waitUntil(lambda: proximity.result is not None, timeout=20_000)

    within = sum((e - EAST) ** 2 + (n - NORTH) ** 2 <= 250**2 for e, n, *_ in rows)
    top = proximity.table.topLevelItem(0)
    assert top.text(0) == "Metropolitan Police"
    assert top.child(0).text(2) == f"{within:,}"
    assert {top.child(i).text(0) for i in range(1, top.childCount())} >= {"Theft", "Violent crime"}
    assert proximity.place_edit.text() == "SE1 2AD"
    rings = QgsProject.instance().mapLayersByName("Rings around SE1 2AD")[0]
    assert window.mapCanvas().extent().contains(rings.extent())
    assert "shared map points" in proximity.remarks.toPlainText()
    event = events(desk)[-1]
    assert (event["kind"], event["dataset"], event["rows"]) == (
        "proximity.search",
        "mps",
        proximity.result.answer.rows[0].figures[-1].count,
    )
    assert event["filter"]["radii_m"] == [100, 250, 500]

    asked = []
    proximity.report_requested.connect(asked.append)
    proximity.report_button.click()
    assert asked == [proximity.result]

    proximity.clear()
    assert proximity.result is None and not proximity.report_button.isEnabled()
    assert not QgsProject.instance().mapLayersByName("Rings around SE1 2AD")


def test_a_second_search_replaces_the_rings(proximity, qtbot):
    QgsProject.instance().addMapLayer(safestats_layer(city(), "2025-03"))
    qtbot.waitUntil(lambda: bool(proximity.chosen_layers()))
    for text in ("SE1 2AD", "SE1 2AE"):
        proximity.place_edit.setText(text)
        proximity.start()
        qtbot.waitUntil(
            lambda text=text: proximity.result is not None and proximity.result.place.label == text, timeout=20_000
        )
    names = [layer.name() for layer in QgsProject.instance().mapLayers().values()]
    assert [name for name in names if name.startswith("Rings")] == ["Rings around SE1 2AE"]


def test_a_click_on_the_map_searches_there(proximity, window, qtbot):
    QgsProject.instance().addMapLayer(safestats_layer(city(), "2025-03"))
    qtbot.waitUntil(lambda: bool(proximity.chosen_layers()))
    tool = window.mapCanvas().mapTool()
    proximity.pick_button.click()
    picking = window.mapCanvas().mapTool()
    assert picking is not tool
    picking.canvasClicked.emit(QgsPointXY(533_000.4, 180_000.6), Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: proximity.result is not None, timeout=20_000)
    assert (proximity.result.place.easting, proximity.result.place.northing) == (533_000, 180_001)
    assert not proximity.pick_button.isChecked()


def test_the_dock_offers_the_months_held_and_hours_only_where_known(proximity, qtbot):
    QgsProject.instance().addMapLayer(safestats_layer(city(), "2025-03"))
    qtbot.waitUntil(lambda: bool(proximity.chosen_layers()))
    months = proximity.form.months.first
    assert [months.itemText(i) for i in range(months.count())] == [
        "January 2025",
        "February 2025",
        "March 2025",
    ]
    assert not proximity.form.hours_box.isEnabled()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("SE1", "only part"),
        ("hello there", "not a UK postcode"),
        ("SE1 2AA", "not a live"),
        ("M1 1AE", "outside London"),
    ],
)
def test_a_wrong_postcode_is_told_beside_it(proximity, qtbot, text, words):
    QgsProject.instance().addMapLayer(safestats_layer(city(), "2025-03"))
    qtbot.waitUntil(lambda: bool(proximity.chosen_layers()))
    proximity.place_edit.setText(text)
    proximity.start()
    qtbot.waitUntil(lambda: bool(proximity.message.text), timeout=20_000)
    assert words in proximity.message.text
    assert proximity.search_button.isEnabled() and proximity.result is None


def test_without_a_layer_the_search_says_what_to_do(proximity):
    proximity.place_edit.setText("SE1 2AD")
    proximity.start()
    assert proximity.message.text.startswith("No layer is chosen")


def test_a_layer_of_another_grid_is_refused_by_name(proximity, qtbot):
    layer = point_layer([(1, 2, "2025-01", "theft")], "degrees", crs="EPSG:4326")
    QgsProject.instance().addMapLayer(layer)
    qtbot.waitUntil(lambda: proximity.layer_list.item(0).text() == "degrees")
    proximity.layer_list.item(0).setCheckState(Qt.CheckState.Checked)
    proximity.start()
    assert "“degrees” is in EPSG:4326" in proximity.message.text


@pytest.mark.parametrize("method", list(Method))
def test_each_method_puts_a_layer_on_the_map_and_lists_what_was_used(hotspots, desk, qtbot, method):
    layer = safestats_layer(city(), "2025-03")
    QgsProject.instance().addMapLayer(layer)
    hotspots.layer_box.setLayer(layer)
    hotspots.area_box.setCurrentIndex(1)
    hotspots.method_box.setCurrentIndex(list(Method).index(method))
    hotspots.start()
    qtbot.waitUntil(lambda: hotspots.result is not None, timeout=20_000)
    result = hotspots.result
    assert QgsProject.instance().mapLayer(result.layer.id()) is not None
    assert result.used == 600 and result.method is method
    shown = hotspots.values.toPlainText()
    for words, value in result.parameters:
        assert words in shown and value in shown
    event = events(desk)[-1]
    assert (event["kind"], event["rows"], event["filter"]["method"]) == ("hotspot.run", 600, method.value)
    asked = []
    hotspots.map_requested.connect(asked.append)
    hotspots.map_button.click()
    assert asked == [result]


def test_only_boroughs_that_the_layer_covers_are_ticked(hotspots, qtbot):
    box = next(b for b in hotspots.boroughs if b.name == "City of London").geometry.boundingBox()
    corners = [(box.xMinimum(), box.yMinimum()), (box.xMaximum(), box.yMaximum())]
    layer = safestats_layer([(int(x), int(y), "2025-01", "theft") for x, y in corners], "2025-01")
    QgsProject.instance().addMapLayer(layer)
    hotspots.layer_box.setLayer(layer)
    assert hotspots.borough_box.checkedItems() == ["City of London"]


def test_hotspot_trouble_is_told_beside_the_inputs(hotspots, qtbot):
    hotspots.start()
    assert hotspots.message.text.startswith("No layer is chosen")
    layer = safestats_layer(city(), "2025-03")
    QgsProject.instance().addMapLayer(layer)
    hotspots.layer_box.setLayer(layer)
    hotspots.start()
    assert "study area is empty" in hotspots.message.text
    hotspots.area_box.setCurrentIndex(1)
    hotspots.cell_spin.setValue(200)
    hotspots.bandwidth_spin.setValue(100)
    hotspots.start()
    qtbot.waitUntil(lambda: "smaller than the cell" in hotspots.message.text, timeout=20_000)
    assert hotspots.result is None and hotspots.run_button.isEnabled()
