"""Publishing a layer from QGIS: suggestions, the file that is sent, the server's report in the window."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import pytest
from qgis.core import QgsCoordinateTransformContext, QgsFeature, QgsProject, QgsVectorLayer
from qgis.PyQt.QtCore import QDate, QDateTime, QTime, QTimer
from safestats.qgis_plugin.core.column_suggestions import Column, suggest_code, suggest_columns
from safestats.qgis_plugin.core.errors import Cancelled
from safestats.qgis_plugin.core.layer_rows import LayerRows, values_of, write_rows
from safestats.qgis_plugin.core.publishable import LayerMapping, Target, ask_publishables
from safestats.qgis_plugin.gui.publish_layer.dialog import PublishLayerDialog
from safestats.qgis_plugin.plugin import SafeStatsPlugin
from safestats.shared.uploads import Kind, UploadState
from safestats.tests.end_to_end.publisher_rig import CAMDEN, NOWHERE, Publishing, incidents_layer, may
from safestats.tests.end_to_end.rig import Analyst, wait_until

CATEGORY = Target(
    "category", "Category", Kind.CODE, True, {"burglary": "Burglary", "violent-crime": "Violence and sexual offences"}
)
TARGETS = (
    Target("month", "Month", Kind.MONTH, True),
    CATEGORY,
    Target("street", "On or near", Kind.TEXT, False),
    Target("occurred_time", "Time", Kind.TIME, False),
)


def nothing(_stage: str, _done: float, _total: float) -> None:
    """Nobody looks."""


def never() -> bool:
    return False


def rows_of(layer: QgsVectorLayer, only_selected: bool = False) -> LayerRows:
    return LayerRows.of(layer, QgsCoordinateTransformContext(), only_selected)


def written(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


# ---------------------------------------------------------------------- without a server


def test_columns_are_suggested_by_their_names() -> None:
    columns = [Column("CATEGORY"), Column("mnth"), Column("x", "On or near"), Column("other")]
    assert suggest_columns(TARGETS, columns, None) == {"category": "CATEGORY", "month": "mnth", "street": "x"}
    before = LayerMapping({"month": "other", "gone": "x", "street": "gone"})
    suggested = suggest_columns(TARGETS, columns, before)
    assert suggested["month"] == "other" and suggested["street"] == "x"


def test_codes_are_suggested_by_their_words() -> None:
    assert suggest_code(CATEGORY, "BURGLARY") == "burglary"
    assert suggest_code(CATEGORY, "violence & sexual offence") == "violent-crime"
    assert suggest_code(CATEGORY, "Sorcery") == ""
    before = LayerMapping(codes={"category": {"Sorcery": "burglary", "Magic": "no-such-code"}})
    assert suggest_code(CATEGORY, "Sorcery", before) == "burglary"
    assert suggest_code(CATEGORY, "Magic", before) == ""


def test_only_chosen_columns_are_written_and_places_are_points(qgis_app, tmp_path: Path) -> None:
    layer = incidents_layer(
        [(may(1), "a, “b”", "High\nStreet", CAMDEN), (None, "", "", None), (may(3), "c", "d", NOWHERE)]
    )
    choice = LayerMapping({"month": "occurred", "category": "crime_type", "street": "street"})
    path = tmp_path / "rows.csv"
    mapping, features = write_rows(rows_of(layer), choice, TARGETS, path, nothing, never)
    first, second, third = written(path)
    assert list(first) == ["occurred", "crime_type", "street", "longitude of the point", "latitude of the point"]
    assert (first["occurred"], first["crime_type"], first["street"]) == ("2025-05", "a, “b”", "High Street")
    assert (first["longitude of the point"], first["latitude of the point"]) == ("-0.1415000", "51.5400000")
    assert set(second.values()) == {""}
    assert third["latitude of the point"] == "95.0000000"  # which the server rejects
    assert mapping.columns["longitude"] == "longitude of the point" and "officer" not in path.read_text()
    assert features == [feature.id() for feature in layer.getFeatures()]
    assert len(path.read_text().splitlines()) == 4


def test_lines_and_polygons_give_a_point_and_tables_none(qgis_app, tmp_path: Path) -> None:
    polygon = QgsVectorLayer("Polygon?crs=EPSG:27700&field=occurred:date&field=crime_type:string", "p", "memory")
    feature = QgsFeature(polygon.fields())
    feature.setAttributes([may(1), "x"])
    from qgis.core import QgsGeometry

    feature.setGeometry(QgsGeometry.fromWkt("Polygon((0 0, 100 0, 100 100, 0 100, 0 0))"))
    polygon.dataProvider().addFeature(feature)
    table = QgsVectorLayer("NoGeometry?field=occurred:date&field=crime_type:string", "t", "memory")
    feature.setGeometry(QgsGeometry())
    table.dataProvider().addFeature(feature)
    choice = LayerMapping({"month": "occurred", "category": "crime_type"})
    mapping, _ = write_rows(rows_of(polygon), choice, TARGETS, tmp_path / "p.csv", nothing, never)
    (row,) = written(tmp_path / "p.csv")
    assert 0 < float(row["easting of the point"]) < 100
    mapping, _ = write_rows(rows_of(table), choice, TARGETS, tmp_path / "t.csv", nothing, never)
    assert "easting" not in mapping.columns and list(written(tmp_path / "t.csv")[0]) == ["occurred", "crime_type"]


def test_a_column_for_two_targets_is_written_twice(qgis_app, tmp_path: Path) -> None:
    layer = QgsVectorLayer("NoGeometry?field=at:datetime&field=crime_type:string&field=n:double", "t", "memory")
    feature = QgsFeature(layer.fields())
    feature.setAttributes([QDateTime(QDate(2025, 5, 1), QTime(23, 5)), "x", 7.0])
    layer.dataProvider().addFeature(feature)
    choice = LayerMapping({"month": "at", "occurred_time": "at", "category": "crime_type", "street": "n"})
    mapping, _ = write_rows(rows_of(layer), choice, TARGETS, tmp_path / "t.csv", nothing, never)
    (row,) = written(tmp_path / "t.csv")
    assert row == {"at": "2025-05", "at (occurred_time)": "23:05", "crime_type": "x", "n": "7"}
    assert mapping.columns["occurred_time"] == "at (occurred_time)"


def test_only_the_selected_rows_and_what_is_edited(qgis_app, tmp_path: Path) -> None:
    layer = incidents_layer([(may(n), "x", f"road {n}", CAMDEN) for n in range(1, 6)])
    layer.startEditing()
    chosen = [feature.id() for feature in layer.getFeatures()][1:3]
    layer.changeAttributeValue(chosen[0], layer.fields().indexFromName("street"), "edited")
    layer.selectByIds(chosen)
    choice = LayerMapping({"month": "occurred", "street": "street"})
    _, features = write_rows(rows_of(layer, True), choice, TARGETS, tmp_path / "t.csv", nothing, never)
    assert {row["street"] for row in written(tmp_path / "t.csv")} == {"edited", "road 3"} and set(features) == set(
        chosen
    )


def test_values_are_counted_and_too_many_are_no_codes(qgis_app) -> None:
    layer = incidents_layer([(may(1 + n % 9), ("x", "y")[n % 3 == 0], f"road {n}", CAMDEN) for n in range(300)])
    counted = values_of(rows_of(layer), ["crime_type", "street"])
    assert counted == {"crime_type": {"x": 200, "y": 100}, "street": {}}
    with pytest.raises(Cancelled):
        values_of(rows_of(layer), ["crime_type"], lambda: True)


# ---------------------------------------------------------------------- with one


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Publishing]:
    office = Publishing(tmp_path_factory.mktemp("office"))
    yield office
    office.server.stop()


@pytest.fixture
def publisher(office: Publishing, qgis_app, qgis_new_project, tmp_path: Path) -> Iterator[Analyst]:
    publisher = office.publisher(tmp_path, QgsProject.instance())
    yield publisher
    publisher.leave()


@pytest.fixture
def dialog(publisher: Analyst, qgis_iface, qtbot) -> PublishLayerDialog:
    dialog = PublishLayerDialog(publisher.desk, qgis_iface)
    qtbot.addWidget(dialog)
    dialog.show()
    wait_until(lambda: dialog.layer_page.publishable is not None)
    return dialog


def choose(dialog: PublishLayerDialog, layer: QgsVectorLayer) -> None:
    """The layer, for the City's incidents, its values counted."""
    QgsProject.instance().addMapLayer(layer)
    page = dialog.layer_page
    page.layer_combo.setLayer(layer)
    page.dataset_combo.setCurrentIndex(page.dataset_combo.findData("colp"))
    page.synthetic_box.setChecked(True)
    dialog.go_on()
    wait_until(lambda: dialog._counting is None)


def check(dialog: PublishLayerDialog) -> None:
    """Send it, and wait for the report."""
    dialog.go_on()
    assert not dialog.progress.isHidden() and not dialog.stop_button.isHidden() and not dialog.pages.isEnabled()
    wait_until(lambda: dialog._task is None)


def test_rejected_rows_lead_to_their_features(dialog: PublishLayerDialog, qgis_iface) -> None:
    layer = incidents_layer(
        [
            (may(1), "Burglary", "A Road", CAMDEN),
            (may(2), "Sorcery", "B Road", CAMDEN),
            (None, "Drugs", "C Road", CAMDEN),
            (may(4), "break-in", "D Road", CAMDEN),
        ]
    )
    choose(dialog, layer)
    page = dialog.columns_page
    assert page.columns == {"month": "occurred", "category": "crime_type", "street": "street"}
    codes = {value: combo for _, value, combo in page._codes}
    assert set(codes) == {"Burglary", "Sorcery", "Drugs", "break-in"}
    assert codes["Burglary"].currentData() == "burglary" and codes["Sorcery"].currentData() == ""
    codes["break-in"].setCurrentIndex(codes["break-in"].findData("burglary"))
    check(dialog)
    assert dialog.pages.currentWidget() is dialog.report_page, dialog.strip.text
    report = dialog.report_page
    assert "4 rows = 2 accepted + 2 rejected + 0 duplicates" in report.sum.text()
    shown = [report.errors.topLevelItem(at).text(1) for at in range(report.errors.topLevelItemCount())]
    assert shown == ["category in no code list", "no date"]
    report.errors.topLevelItem(0).setSelected(True)
    assert report.show_button.isEnabled()
    report.show_button.click()
    assert [feature["crime_type"] for feature in layer.selectedFeatures()] == ["Sorcery"]
    # Dropped, and back to the columns.
    dialog.drop_button.click()
    wait_until(lambda: dialog._task is None)
    assert dialog.pages.currentWidget() is page and "dropped" in dialog.strip.text
    # A removed layer takes its window back to the beginning.
    QgsProject.instance().removeMapLayer(layer)
    assert dialog.pages.currentWidget() is dialog.layer_page and "removed" in dialog.strip.text


def test_a_column_that_names_people_is_refused_in_plain_words(dialog: PublishLayerDialog) -> None:
    layer = incidents_layer([(may(n), "Drugs", "Jo Bloggs", CAMDEN) for n in range(1, 9)], street="victim_name")
    choose(dialog, layer)
    page = dialog.columns_page
    street = next(at for at, target in enumerate(page._publishable.targets) if target.name == "street")
    page._columns[street].setCurrentIndex(page._columns[street].findData("victim_name"))
    check(dialog)
    assert dialog.pages.currentWidget() is page
    assert "victim_name" in dialog.strip.text and "Bloggs" not in dialog.strip.text
    assert not dialog.next_button.isHidden() and dialog.next_button.isEnabled()


def test_what_is_needed_is_asked_for(dialog: PublishLayerDialog) -> None:
    choose(dialog, incidents_layer([(may(1), "Drugs", "A Road", CAMDEN)]))
    page = dialog.columns_page
    page._columns[0].setCurrentIndex(0)
    assert [target.name for target in page.missing] == ["month"]
    assert not dialog.next_button.isEnabled() and "Month" in dialog.next_button.toolTip()


def test_stopped_the_load_is_cancelled_and_the_window_lives(
    dialog: PublishLayerDialog, office: Publishing, qtbot
) -> None:
    rows = [(may(1 + n % 28), "Drugs", f"Road {n}", CAMDEN) for n in range(30_000)]
    choose(dialog, incidents_layer(rows))
    beats: list[int] = []
    heart = QTimer()
    heart.timeout.connect(lambda: beats.append(1))
    heart.start(10)
    dialog.go_on()
    before = len(beats)
    qtbot.wait(300)
    assert len(beats) - before > 10
    dialog.stop_button.click()
    wait_until(lambda: dialog._task is None)
    heart.stop()
    assert "Cancelled" in dialog.strip.text and dialog.pages.currentWidget() is dialog.columns_page
    wait_until(
        lambda: not office.server.folder.query("SELECT 1 FROM publishing_job WHERE state IN ('waiting', 'running')")
    )
    # Nothing of it is staged, nor waits.
    assert not office.server.folder.query("SELECT 1 FROM release WHERE state = 'staged'")
    incoming = office.server.folder.path / "incoming"
    wait_until(lambda: not incoming.is_dir() or not list(incoming.iterdir()))


def test_it_is_published(dialog: PublishLayerDialog) -> None:
    choose(dialog, incidents_layer([(may(1), "Drugs", "A Road", CAMDEN), (may(2), "Robbery", "B Road", CAMDEN)]))
    check(dialog)
    assert dialog._upload.state is UploadState.STAGED, dialog.strip.text
    assert dialog.next_button.text() == "Publish" and dialog.back_button.isHidden()
    dialog.go_on()
    wait_until(lambda: dialog._task is None)
    assert dialog._upload.state is UploadState.PUBLISHED and "is published" in dialog.strip.text
    assert dialog.next_button.isHidden() and dialog.drop_button.isHidden()


def test_the_menu_has_it_for_publishers_alone(office: Publishing, publisher: Analyst, tmp_path: Path) -> None:
    assert publisher.desk.session.user.publishes
    analyst = office.analyst(tmp_path / "ann")
    assert not analyst.desk.session.user.publishes
    with pytest.raises(Exception, match="role") as refused:
        ask_publishables(analyst.desk.transport)
    assert refused.value.code == "role-not-permitted"
    analyst.leave()
    assert hasattr(SafeStatsPlugin, "publish_layer")
