"""The proximity and hotspot docks at a real desk: what they show, draw, note for the audit, and say in trouble."""

from __future__ import annotations

import hashlib
import json
from datetime import date

import numpy as np
import pytest
from qgis.core import QgsPointXY, QgsProject
from qgis.PyQt.QtCore import Qt
from safestats.qgis_plugin.core.hotspots import Method
from safestats.qgis_plugin.gui.hotspot_dock import HotspotDock
from safestats.qgis_plugin.gui.proximity_dock import ProximityDock

from .conftest import dated_layer, point_layer, safestats_layer

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
    qtbot.waitUntil(lambda: proximity.result is not None)

    within = sum((e - EAST) ** 2 + (n - NORTH) ** 2 <= 250**2 for e, n, *_ in rows)
    top = proximity.results.table.topLevelItem(0)
    assert top.text(0) == "Metropolitan Police"
    assert top.child(0).text(2) == f"{within:,}"
    assert {top.child(i).text(0) for i in range(1, top.childCount())} >= {"Theft", "Violent crime"}
    assert proximity.place_edit.text() == "SE1 2AD"
    rings = QgsProject.instance().mapLayersByName("Rings around SE1 2AD")[0]
    assert window.mapCanvas().extent().contains(rings.extent())
    assert "shared map points" in proximity.results.remarks.toPlainText()
    event = events(desk)[-1]
    assert (event["kind"], event["dataset"], event["rows"]) == (
        "proximity.search",
        "mps",
        proximity.result.answer.rows[0].figures[-1].count,
    )
    assert event["filter"]["radii_m"] == [100, 250, 500]

    asked = []
    proximity.report_requested.connect(asked.append)
    proximity.results.report_button.click()
    assert asked == [proximity.result]

    proximity.clear()
    assert proximity.result is None and not proximity.results.report_button.isEnabled()
    assert not QgsProject.instance().mapLayersByName("Rings around SE1 2AD")


def search(proximity, qtbot, text: str = "SE1 2AD") -> None:
    """Search, and wait for the ranks too."""
    proximity.place_edit.setText(text)
    proximity.start()
    qtbot.waitUntil(lambda: proximity.result is not None and not proximity.progress.running)


def test_the_rank_comes_afterwards_in_words_and_at_once_the_next_time(proximity, qtbot):
    QgsProject.instance().addMapLayer(safestats_layer(city(), "2025-03"))
    qtbot.waitUntil(lambda: bool(proximity.chosen_layers()))
    proximity.place_edit.setText("SE1 2AD")
    proximity.start()
    qtbot.waitUntil(lambda: proximity.result is not None)
    assert proximity.result.answer.rows[0].figures[-1].share_below is None
    qtbot.waitUntil(lambda: not proximity.progress.running)
    figure = proximity.result.answer.rows[0].figures[-1]
    top = proximity.results.table.topLevelItem(0)
    assert top.child(0).text(5) == f"{int(figure.share_below)} %" and figure.share_below > 90
    assert top.child(1).text(0) == f"500 m: {figure.sentence}" and "postcodes in Southwark" in figure.sentence
    proximity.place_edit.setText("SE1 2AE")
    proximity.start()
    qtbot.waitUntil(lambda: proximity.result.place.label == "SE1 2AE")
    assert proximity.result.answer.rows[0].figures[-1].share_below is not None and not proximity.progress.running


def test_a_search_does_not_wait_for_the_ranks_of_the_one_before(proximity, qtbot):
    QgsProject.instance().addMapLayer(safestats_layer(city(), "2025-03"))
    qtbot.waitUntil(lambda: bool(proximity.chosen_layers()))
    proximity.place_edit.setText("SE1 2AD")
    proximity.start()
    qtbot.waitUntil(lambda: proximity.result is not None)
    assert proximity.progress.running  # the ranks are worked out
    search(proximity, qtbot, "EC2V 7HH")
    assert proximity.result.place.label == "EC2V 7HH" and proximity.search_button.isEnabled()


def test_presets_and_choices_of_ones_own_are_asked_for(proximity, qtbot):
    layer = dated_layer(
        [(EAST, NORTH, date(2025, month, day), hour, "assault", 5.0)
         for month in range(1, 13) for day in (3, 4) for hour in (4, 14, 23)],
        "Ambulances",
    )  # fmt: skip
    QgsProject.instance().addMapLayer(layer)
    qtbot.waitUntil(lambda: proximity.layer_list.item(0).text() == "Ambulances")
    proximity.layer_list.item(0).setCheckState(Qt.CheckState.Checked)
    form = proximity.form
    assert [form.preset_box.itemText(i) for i in range(4)] == [
        "Everything", "Alcohol hours, domestic abuse excluded", "Late night", "Weekend nights",
    ]  # fmt: skip

    def counted() -> int:
        search(proximity, qtbot)
        return proximity.result.answer.rows[0].figures[0].count

    assert counted() == 72
    form.preset_box.setCurrentIndex(1)
    assert counted() == 48
    assert "do not tell domestic abuse apart" in proximity.results.remarks.toPlainText()
    assert proximity.results.table.topLevelItem(0).text(0) == "Ambulances, 18:00–05:59"
    form.hours_box.setCurrentIndex(form.hours_box.count() - 1)
    form.first_hour.setValue(13)
    form.last_hour.setValue(15)
    assert counted() == 24
    form.full_year.setChecked(False)
    form.months.first.setCurrentIndex(form.months.first.findData("2025-11"))
    assert counted() == 4
    form.radii_edit.setText("50")
    assert counted() == 4 and proximity.result.radii == (50,)
    for day in range(7):
        form.days.setItemCheckState(day, Qt.CheckState.Unchecked)
    proximity.start()
    assert "No day is ticked" in proximity.message.text


def test_the_incidents_counted_are_listed_in_qgis(proximity, window, qtbot):
    layer = safestats_layer(city(), "2025-03")
    QgsProject.instance().addMapLayer(layer)
    qtbot.waitUntil(lambda: bool(proximity.chosen_layers()))
    assert not proximity.results.incidents_button.isEnabled()
    search(proximity, qtbot)
    (action,) = proximity.results.incidents_button.menu().actions()
    action.trigger()
    ((shown, expression),) = window.tables
    assert shown is layer
    listed = list(layer.getFeatures(expression))
    assert len(listed) == proximity.result.answer.rows[0].figures[-1].count > 100


def test_a_list_of_premises_becomes_a_workbook_and_pages(proximity, desk, qtbot, tmp_path):
    QgsProject.instance().addMapLayer(safestats_layer(city(), "2025-03"))
    qtbot.waitUntil(lambda: bool(proximity.chosen_layers()))
    listed = tmp_path / "list.csv"
    listed.write_text("name,postcode\nThe Anchor,SE1 2AD\nHalf,SE1\n", encoding="utf-8")
    proximity.search_premises(listed, tmp_path)
    qtbot.waitUntil(lambda: bool(proximity.message.text))
    assert proximity.message.text.startswith("1 premises were searched around: premises.xlsx and premises-pages.zip")
    assert "line 3: “SE1” is only part of a postcode" in proximity.message.text
    assert (tmp_path / "premises.xlsx").is_file() and (tmp_path / "premises-pages.zip").is_file()
    before, after = events(desk)[-2:]
    assert (before["kind"], before["dataset"], before["filter"]["list"]) == ("proximity.search", "mps", True)
    digest = hashlib.sha256((tmp_path / "premises.xlsx").read_bytes()).hexdigest()
    assert after["filter"]["sha256"]["premises.xlsx"] == digest and after["rows"] > 100
    assert proximity.premises_button.isEnabled()


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
    qtbot.waitUntil(lambda: proximity.result is not None)
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
    qtbot.waitUntil(lambda: bool(proximity.message.text))
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
    hotspots.incidents.layer_box.setLayer(layer)
    hotspots.incidents.area_box.setCurrentIndex(1)
    hotspots.method_box.setCurrentIndex(list(Method).index(method))
    hotspots.start()
    qtbot.waitUntil(lambda: hotspots.result is not None)
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
    hotspots.incidents.layer_box.setLayer(layer)
    assert hotspots.incidents.borough_box.checkedItems() == ["City of London"]


def test_hotspot_trouble_is_told_beside_the_inputs(hotspots, qtbot):
    hotspots.start()
    assert hotspots.message.text.startswith("No layer is chosen")
    layer = safestats_layer(city(), "2025-03")
    QgsProject.instance().addMapLayer(layer)
    hotspots.incidents.layer_box.setLayer(layer)
    hotspots.start()
    assert "study area is empty" in hotspots.message.text
    hotspots.incidents.area_box.setCurrentIndex(1)
    hotspots.form.input("cell_m").setValue(200)
    hotspots.form.input("bandwidth_m").setValue(100)
    hotspots.start()
    qtbot.waitUntil(lambda: "smaller than the cell" in hotspots.message.text)
    assert hotspots.result is None and hotspots.run_button.isEnabled()


def test_the_note_of_a_search_tells_the_filter_of_its_layer(proximity, desk, qtbot):
    layer = safestats_layer(city(), "2025-03")
    assert layer.setSubsetString("\"category\" = 'theft'")
    QgsProject.instance().addMapLayer(layer)
    qtbot.waitUntil(lambda: bool(proximity.chosen_layers()))
    search(proximity, qtbot)
    noted = events(desk)[-1]["filter"]
    assert (noted["filter"], noted["filter_columns"]) == ('"category" = ?', ["category"])
    assert "own filter lets through" in proximity.results.remarks.toPlainText()


def test_the_notes_of_a_list_of_premises_tell_the_filter_too(proximity, desk, qtbot, tmp_path):
    layer = safestats_layer(city(), "2025-03")
    assert layer.setSubsetString("\"category\" = 'theft'")
    QgsProject.instance().addMapLayer(layer)
    qtbot.waitUntil(lambda: bool(proximity.chosen_layers()))
    listed = tmp_path / "list.csv"
    listed.write_text("name,postcode\nThe Anchor,SE1 2AD\n", encoding="utf-8")
    proximity.search_premises(listed, tmp_path)
    qtbot.waitUntil(lambda: bool(proximity.message.text))
    assert [event["filter"]["filter"] for event in events(desk)[-2:]] == ['"category" = ?'] * 2
