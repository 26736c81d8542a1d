"""What was made of a local copy ends with the session: in the docks, in the page's window, in the project, in files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from qgis.core import QgsProject, QgsVectorLayer
from safestats.qgis_plugin.core.desk import Desk
from safestats.qgis_plugin.core.desk_session import SessionState
from safestats.qgis_plugin.core.errors import DeskError, LocalCopyTrouble, SessionEnded
from safestats.qgis_plugin.core.events import EventKind
from safestats.qgis_plugin.core.hotspots import Method
from safestats.qgis_plugin.core.run_record import has_record
from safestats.qgis_plugin.core.uses import Use
from safestats.qgis_plugin.gui.explore_dock import ExploreDock
from safestats.qgis_plugin.gui.hotspot_dock import HotspotDock
from safestats.qgis_plugin.gui.proximity_dock import ProximityDock
from safestats.qgis_plugin.gui.publish_dialog import PublishDialog
from safestats.qgis_plugin.gui.time_dock import TimeDock

from .conftest import point_layer

WAIT_MS = 120_000
GUILDHALL = "532500, 181400"


@pytest.fixture
def incidents(desk: Desk, live_server, sign_in, qtbot) -> QgsVectorLayer:
    """The City's layer, pulled and open, of somebody who is signed in."""
    sign_in(live_server.url, "erin")
    ended: list[Any] = []
    desk.pull("colp", "City of London Police", ended.append, ended.append)
    qtbot.waitUntil(lambda: bool(ended), timeout=WAIT_MS)
    assert not isinstance(ended[0], DeskError), ended[0]
    return desk.open_layer("colp")


def docked(kind: type, desk: Desk, window: Any, qtbot: Any) -> Iterator[Any]:
    dock = kind(desk, window)
    qtbot.addWidget(dock)
    dock.show()
    yield dock
    dock.close_down()


@pytest.fixture
def proximity(desk, window, qtbot) -> Iterator[ProximityDock]:
    yield from docked(ProximityDock, desk, window, qtbot)


@pytest.fixture
def hotspots(desk, window, qtbot) -> Iterator[HotspotDock]:
    yield from docked(HotspotDock, desk, window, qtbot)


@pytest.fixture
def time_dock(desk, window, qtbot) -> Iterator[TimeDock]:
    yield from docked(TimeDock, desk, window, qtbot)


@pytest.fixture
def explore(desk, window, qtbot) -> Iterator[ExploreDock]:
    yield from docked(ExploreDock, desk, window, qtbot)


def sign_out(desk: Desk, qtbot) -> None:
    ended: list[bool] = []
    desk.sign_out(lambda: ended.append(True))
    qtbot.waitUntil(lambda: bool(ended), timeout=WAIT_MS)


def end_session(desk: Desk) -> None:
    """As when the server says that it is over: layers stay."""
    assert desk.session is not None
    desk._heed(desk.session, SessionEnded("Your session has ended.", "session-ended"))
    assert desk.session.state is SessionState.ENDED


def search(proximity: ProximityDock, qtbot) -> None:
    qtbot.waitUntil(lambda: bool(proximity.chosen_layers()), timeout=WAIT_MS)
    proximity.place_edit.setText(GUILDHALL)
    proximity.start()
    qtbot.waitUntil(lambda: not proximity.progress.running, timeout=WAIT_MS)
    assert proximity.result is not None, proximity.message.text
    assert proximity.results.report_button.isEnabled() and proximity.results.incidents_button.isEnabled()


def run(hotspots: HotspotDock, layer: QgsVectorLayer, method: object, qtbot) -> None:
    hotspots.incidents.layer_box.setLayer(layer)
    hotspots.incidents.area_box.setCurrentIndex(1)
    hotspots.method_box.setCurrentIndex(hotspots.method_box.findData(method))
    hotspots.start()
    qtbot.waitUntil(lambda: not hotspots.progress.running, timeout=WAIT_MS)
    assert hotspots.values.isVisible(), hotspots.message.text


def run_of_places(hotspots: HotspotDock, layer: QgsVectorLayer, qtbot) -> None:
    """A run whose first layer is a point for each place."""
    method = next(one for one in hotspots._analyses if one.name == "concentration")
    hotspots.method_box.setCurrentIndex(hotspots.method_box.findData(method))
    box = hotspots.form.input("unit")
    box.setCurrentIndex(box.findData("points"))
    run(hotspots, layer, method, qtbot)


@pytest.mark.parametrize("end", ["sign-out", "ended", "copy"])
def test_a_search_cannot_be_seen_or_leave_after_its_session_or_copy(
    proximity, incidents, desk, qtbot, tmp_path: Path, end: str
) -> None:
    search(proximity, qtbot)
    dialog = PublishDialog(desk, None, proximity.result)
    qtbot.addWidget(dialog)
    dialog.open()
    desk.require_use("colp", "City of London Police", Use.EXPORT)
    if end == "sign-out":
        sign_out(desk, qtbot)
    elif end == "ended":
        end_session(desk)
    else:
        desk.give_up("colp")
    assert proximity.result is None and proximity.results.table.topLevelItemCount() == 0
    assert not proximity.results.report_button.isEnabled() and not proximity.results.incidents_button.isEnabled()
    assert not dialog.isVisible()
    refusal = LocalCopyTrouble if end == "copy" else SessionEnded
    words = "no local copy of" if end == "copy" else "You are not signed in, so nothing made of"
    with pytest.raises(refusal, match=words):
        desk.require_use("colp", "City of London Police", Use.EXPORT)
    with pytest.raises(refusal, match=words):
        desk.note_leaving(EventKind.MAP_EXPORT, [("colp", {}, 3)])
    desk.require_use("trees", "trees", Use.EXPORT)  # somebody else's


def test_a_page_that_is_drawn_after_the_session_does_not_leave(proximity, incidents, desk, qtbot, tmp_path) -> None:
    search(proximity, qtbot)
    result = proximity.result
    sign_out(desk, qtbot)
    dialog = PublishDialog(desk, None, result)
    qtbot.addWidget(dialog)
    dialog.author_edit.setText("Anybody")
    dialog.organisation_edit.setText("Any Council")
    dialog.folder.setFilePath(str(tmp_path / "out"))
    (tmp_path / "out").mkdir()
    dialog.redraw()
    assert any("You are not signed in" in finding.sentence for finding in dialog.findings.findings)
    assert dialog.export() == [] and list((tmp_path / "out").iterdir()) == []
    dialog.close()


def test_a_search_that_ends_after_the_session_shows_nothing(proximity, incidents, desk, qtbot) -> None:
    qtbot.waitUntil(lambda: bool(proximity.chosen_layers()), timeout=WAIT_MS)
    proximity.place_edit.setText(GUILDHALL)
    proximity.start()
    end_session(desk)
    qtbot.waitUntil(lambda: not proximity.progress.running, timeout=WAIT_MS)
    assert proximity.result is None and "You are not signed in" in proximity.message.text


def test_charts_counts_and_values_end_with_the_session(hotspots, time_dock, explore, incidents, desk, qtbot) -> None:
    run(hotspots, incidents, Method.KDE_GRID, qtbot)
    time_dock.layer_box.setLayer(incidents)
    time_dock.count()
    qtbot.waitUntil(lambda: time_dock.answer is not None, timeout=WAIT_MS)
    kinds = range(time_dock.chart_box.count())
    drawable = next(at for at in kinds if not time_dock.answer.trouble(time_dock.chart_box.itemData(at)))
    time_dock.chart_box.setCurrentIndex(drawable)
    qtbot.waitUntil(lambda: explore.count_button.isEnabled(), timeout=WAIT_MS)
    explore.start()
    qtbot.waitUntil(lambda: explore.counted is not None, timeout=WAIT_MS)
    assert hotspots.map_button.isEnabled() and time_dock.export_button.isEnabled()
    assert explore.results.export_button.isEnabled()
    end_session(desk)
    assert hotspots.result is None and not hotspots.values.isVisible() and not hotspots.map_button.isEnabled()
    assert time_dock.answer is None and not time_dock.export_button.isEnabled()
    assert not time_dock.place_button.isEnabled()
    assert (
        explore.counted is None
        and not explore.results.export_button.isEnabled()
        and not explore.results.map_button.isEnabled()
    )


@pytest.mark.parametrize("chosen", [False, True])
def test_results_that_hold_places_leave_the_project_and_sums_stay(
    hotspots, incidents, desk, qtbot, tmp_path: Path, chosen: bool
) -> None:
    run(hotspots, incidents, Method.KDE_GRID, qtbot)
    grid = hotspots.result.layer.id()
    kept = tmp_path / "chosen.gpkg"
    hotspots.file_widget.setFilePath(str(kept) if chosen else "")
    run_of_places(hotspots, incidents, qtbot)
    path = hotspots.findings.path
    assert path.is_file() and (path == kept) is chosen
    project = desk.project
    assert len([layer for layer in project.mapLayers().values() if str(path) in layer.source()]) == 3
    others = point_layer([(530_000 + i // 2, 180_000 + i // 2, "2025-01", "theft") for i in range(60)], "trees")
    project.addMapLayer(others)
    hotspots.file_widget.setFilePath("")
    run_of_places(hotspots, others, qtbot)
    theirs = hotspots.findings.path
    sign_out(desk, qtbot)
    left = {layer.source() for layer in project.mapLayers().values()}
    assert not any(str(path) in source for source in left)
    assert project.mapLayer(grid) is not None
    assert any(str(theirs) in source for source in left) and theirs.is_file()
    assert path.exists() is chosen
    assert hotspots.findings is not None  # of a layer of their own
    assert all(group.children() for group in project.layerTreeRoot().findGroups() if group.name() != "SafeStats")


def test_a_copy_that_is_given_up_takes_its_places_along(hotspots, incidents, desk, qtbot) -> None:
    run_of_places(hotspots, incidents, qtbot)
    path = hotspots.findings.path
    desk.give_up("colp")
    assert not any(has_record(layer) for layer in desk.project.mapLayers().values())
    assert not path.exists() and hotspots.findings is None and not hotspots.values.isVisible()


def test_after_a_refusal_no_former_values_are_left(proximity, hotspots, incidents, qtbot) -> None:
    search(proximity, qtbot)
    proximity.place_edit.setText("ZZ99 9ZZ")
    proximity.start()
    qtbot.waitUntil(lambda: bool(proximity.message.text) and not proximity.progress.running, timeout=WAIT_MS)
    assert proximity.result is None and proximity.results.table.topLevelItemCount() == 0
    assert not proximity.results.report_button.isEnabled() and proximity.place_edit.text() == "ZZ99 9ZZ"
    assert not QgsProject.instance().mapLayersByName(f"Rings around {GUILDHALL}")
    run(hotspots, incidents, Method.KDE_GRID, qtbot)
    hotspots.incidents.layer_box.setLayer(None)
    hotspots.start()
    assert hotspots.message.text and not hotspots.values.isVisible()
    assert hotspots.result is None and not hotspots.map_button.isEnabled()


def test_results_are_not_offered_as_incidents(proximity, hotspots, time_dock, explore, incidents, qtbot) -> None:
    run_of_places(hotspots, incidents, qtbot)
    results = {layer.id() for layer in QgsProject.instance().mapLayers().values() if has_record(layer)}
    assert len(results) == 3
    proximity.refresh_layers()
    assert [item.text() for item in proximity._items()] == [incidents.name()]
    for box in (hotspots.incidents.layer_box, time_dock.layer_box):
        offered = {box.layer(row).id() for row in range(box.count()) if box.layer(row) is not None}
        assert incidents.id() in offered and not offered & results
    listed = {explore.layer_box.itemData(row) for row in range(explore.layer_box.count())}
    assert not listed & results
