"""The layers dock and what it opens, against a real server."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest
from qgis.core import QgsCategorizedSymbolRenderer, QgsCoordinateReferenceSystem, QgsProject, QgsVectorLayer
from qgis.PyQt.QtCore import Qt
from qgis.PyQt.QtWidgets import QLabel
from safestats.qgis_plugin.core import grid_ways, layers
from safestats.qgis_plugin.core.desk import Desk
from safestats.qgis_plugin.core.errors import LocalCopyTrouble, SessionEnded
from safestats.qgis_plugin.gui.layer_card import LayerCard
from safestats.qgis_plugin.gui.layers_dock import LayersDock

WAIT_MS = 120_000


@pytest.fixture
def dock(desk: Desk, qgis_iface, qtbot) -> LayersDock:
    dock = LayersDock(desk, qgis_iface)
    qtbot.addWidget(dock)
    dock.show()
    return dock


@pytest.fixture
def listed(dock: LayersDock, live_server, sign_in, qtbot) -> LayersDock:
    """ada has signed in and sees the list."""
    sign_in(live_server.url, "ada")
    qtbot.waitUntil(lambda: bool(dock.cards), timeout=WAIT_MS)
    return dock


@pytest.fixture
def pulled(listed: LayersDock, qtbot) -> LayerCard:
    """The City's card, its layer pulled by a click."""
    card = listed.cards["colp"]
    card.pull_button.click()
    assert card.pulling and not card.pull_button.isEnabled() and not card.cancel_button.isHidden()
    qtbot.waitUntil(lambda: not card.pulling, timeout=WAIT_MS)
    return card


def opened(desk: Desk, card: LayerCard) -> QgsVectorLayer:
    card.open_button.click()
    (layer,) = desk.layers()
    return layer


def test_signed_out_there_is_a_button_and_nothing_else(dock: LayersDock, qtbot) -> None:
    assert dock.pages.currentWidget() is dock.signed_out_page
    with qtbot.waitSignal(dock.sign_in_requested):
        dock.sign_in_button.click()


def test_the_list_tells_what_may_be_pulled_and_why_not(listed: LayersDock) -> None:
    first, *others = listed.cards
    assert first == "colp" and {"btp", "lfb", "mps"} <= set(others)  # what is permitted first
    titles = [listed.cards[dataset].title for dataset in others]
    assert titles == sorted(titles)
    card = listed.cards["colp"]
    assert "rows" in card.facts.text() and "newest data" in card.facts.text() and "2025" in card.facts.text()
    assert "Agreement DSA-CAMDEN, until 31 December 2099" in card._agreement.text()
    assert card.copy_line.text() == "No local copy yet"
    assert card.pull_button.isEnabled() and not card.open_button.isEnabled()
    refused = listed.cards["lfb"]
    assert "agreement" in refused.facts.text().lower()
    assert not refused.pull_button.isVisible()
    assert "Not permitted" in refused.accessibleName()
    assert "Synthetic data" in listed.synthetic_strip.text
    assert "Needs assessment" in listed.purpose.text()


def test_a_click_pulls_and_another_opens(pulled: LayerCard, desk: Desk) -> None:
    assert pulled.strip.text.startswith("Pulled ")
    assert pulled.copy_line.text().startswith("Local copy of ") and "valid until" in pulled.copy_line.text()
    assert pulled.pull_button.text() == "Update"
    layer = opened(desk, pulled)
    assert layer.featureCount() > 0
    assert opened(desk, pulled) is layer  # a second click opens no second layer


def test_the_way_to_degrees_is_chosen_before_the_layer_asks_for_it(pulled: LayerCard, desk: Desk, monkeypatch) -> None:
    """QGIS warns at the first use of a way without OSTN15: the layer's own, before the project has it, is one."""
    national, world = (QgsCoordinateReferenceSystem(name) for name in (grid_ways.NATIONAL_GRID, grid_ways.WORLD))
    known: list[bool] = []
    describe = layers.describe

    def watched(layer, manifest) -> None:
        known.append(layer.transformContext().hasTransform(national, world))
        describe(layer, manifest)

    monkeypatch.setattr(layers, "describe", watched)
    opened(desk, pulled)
    assert known and (known[0] or grid_ways.way_to(grid_ways.WORLD).best)


def test_an_open_layer_is_named_styled_and_attributed(pulled: LayerCard, desk: Desk) -> None:
    layer = opened(desk, pulled)
    assert layer.name().endswith("(synthetic)")
    assert layer.readOnly()
    assert layer.attributeAlias(layer.fields().indexOf("precision_m")) == "Precision of the place (m)"
    assert "City of London Police" in layer.metadata().rights()[0]
    assert layer.serverProperties().attribution() == layer.metadata().rights()[0]
    assert "map points" in layer.metadata().abstract()  # the caveats
    assert "synthetic" in layer.metadata().abstract()
    assert "makes longitude and latitude of them, exact to" in layer.metadata().abstract()
    assert isinstance(layer.renderer(), QgsCategorizedSymbolRenderer)
    assert {c.value() for c in layer.renderer().categories() if c.value()} == set(
        layer.uniqueValues(layer.fields().indexOf("category"))
    )
    assert 0 < layer.opacity() < 1
    node = QgsProject.instance().layerTreeRoot().findLayer(layer)
    assert node.parent().name() == "SafeStats"
    facts = layers.facts(layer)
    assert (facts.dataset, facts.synthetic, facts.agreement, facts.geometry) == ("colp", True, "DSA-CAMDEN", "point")
    assert facts.caveats and facts.first_period == "2025-08"
    assert layers.facts(QgsVectorLayer("Point?crs=EPSG:27700", "other", "memory")) is None


def test_the_facts_travel_with_the_project(pulled: LayerCard, desk: Desk, tmp_path) -> None:
    before = layers.facts(opened(desk, pulled))
    assert QgsProject.instance().write(str(tmp_path / "project.qgz"))
    again = QgsProject()
    assert again.read(str(tmp_path / "project.qgz"))
    (layer,) = layers.open_layers(again)
    assert layers.facts(layer) == before


def test_an_update_renews_the_open_layer_and_keeps_its_filter(
    pulled: LayerCard, desk: Desk, live_server, qtbot
) -> None:
    layer = opened(desk, pulled)
    kind = min(layer.uniqueValues(layer.fields().indexOf("category")))
    chosen = f"\"category\" = '{kind}'"
    layer.setSubsetString(chosen)
    source, release = layer.source(), layers.facts(layer).release
    live_server.publish(("2025-08", 310, 11), ("2025-09", 205, 12))
    with qtbot.waitSignal(desk.layer_opened, timeout=WAIT_MS):
        pulled.pull_button.click()
    qtbot.waitUntil(lambda: not pulled.pulling, timeout=WAIT_MS)
    assert desk.layers() == [layer]
    assert layer.source() != source and layer.isValid()
    assert layer.subsetString() == chosen
    assert layers.facts(layer).release == release + 1
    assert {feature["category"] for feature in layer.getFeatures()} == {kind}


def test_a_pull_can_be_cancelled(listed: LayersDock, qtbot) -> None:
    card = listed.cards["colp"]
    card.pull_button.click()
    card.cancel_button.click()
    qtbot.waitUntil(lambda: not card.pulling, timeout=20_000)  # long before the server or the lock would be given up
    assert "Cancelled" in card.strip.text
    assert card.pull_button.isEnabled()


def test_a_lapsed_copy_does_not_open(pulled: LayerCard, desk: Desk) -> None:
    state = desk.copies.copy("colp").path.parent / "state.json"
    valid_until = desk.copies.copy("colp").manifest.valid_until
    desk.settle()
    state.write_text(state.read_text().replace(valid_until, "2025-01-01T00:00:00Z"))
    with pytest.raises(LocalCopyTrouble, match="valid until 31 December 2024"):
        desk.open_layer("colp")
    pulled.open_button.click()
    assert "Pull it again" in pulled.strip.text
    assert desk.layers() == []


def test_opening_is_noted_for_the_audit(pulled: LayerCard, desk: Desk, live_server, qtbot) -> None:
    before = len(live_server.events("layer.opened"))
    opened(desk, pulled)
    qtbot.waitUntil(lambda: len(live_server.events("layer.opened")) == before + 1, timeout=WAIT_MS)


def test_signing_out_closes_layers_and_keeps_copies(pulled: LayerCard, listed: LayersDock, desk: Desk, qtbot) -> None:
    opened(desk, pulled)
    path = desk.copies.copy("colp").path
    done: list[bool] = []
    desk.sign_out(lambda: done.append(True))
    qtbot.waitUntil(lambda: bool(done), timeout=WAIT_MS)
    assert desk.layers() == [] and path.exists()
    assert listed.pages.currentWidget() is listed.signed_out_page
    with pytest.raises(SessionEnded):
        desk.open_layer("colp")


def test_a_session_that_ends_while_working_is_told(listed: LayersDock, desk: Desk, qtbot) -> None:
    desk.session.transport.delete("/v1/session")
    listed.refresh()
    qtbot.waitUntil(lambda: listed.pages.currentWidget() is listed.signed_out_page, timeout=WAIT_MS)
    assert "Your session has ended" in listed.signed_out_strip.text


def test_words_of_the_server_are_never_html(listed: LayersDock) -> None:
    page = "<img src='file:////server/share/x.png'>"
    card = listed.cards["colp"]
    card.show_entry({**card._entry, "title": page, "supplier": page, "description": page, "agreement": page})
    shown = [label for label in card.findChildren(QLabel) if "<img" in label.text()]
    assert len(shown) == 3 and all(label.textFormat() == Qt.TextFormat.PlainText for label in shown)
    assert "<img" not in card._supplier.toolTip() and "img" in card._supplier.toolTip()
    assert listed.who.textFormat() == listed.purpose.textFormat() == Qt.TextFormat.PlainText


def test_a_layer_that_is_being_prepared_shows_as_ready_by_itself(listed: LayersDock, live_server, qtbot) -> None:
    card = listed.cards["colp"]
    with (
        closing(sqlite3.connect(live_server.folder / "safestats.sqlite", timeout=WAIT_MS / 1000)) as database,
        database,
    ):
        database.execute("DELETE FROM layer_slice WHERE dataset = 'colp'")
    listed.asking_again.setInterval(200)
    listed.refresh()
    qtbot.waitUntil(lambda: not card.pull_button.isEnabled(), timeout=WAIT_MS)
    assert "Being prepared" in card.facts.text()
    live_server.run("publish colp")  # builds what is missing
    qtbot.waitUntil(card.pull_button.isEnabled, timeout=WAIT_MS)
    assert "Being prepared" not in card.facts.text()
    qtbot.waitUntil(lambda: not listed.asking_again.isActive(), timeout=WAIT_MS)
