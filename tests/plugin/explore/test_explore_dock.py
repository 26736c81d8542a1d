"""The explore dock on a real copy: counts, table, comparison, filter, map, files; what it refuses, it says."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from osgeo import ogr
from qgis.core import QgsCoordinateReferenceSystem, QgsGeometry, QgsProject, QgsRectangle, QgsRuleBasedRenderer
from qgis.gui import QgsMapCanvas
from qgis.PyQt.QtCore import QDate, QPoint, QPointF, Qt
from qgis.PyQt.QtGui import QWheelEvent
from qgis.PyQt.QtWidgets import QApplication, QLabel
from safestats.qgis_plugin.core.errors import SessionEnded
from safestats.qgis_plugin.core.explore.filter_question import keep_question, taken_question
from safestats.qgis_plugin.core.explore.pivot import Across, Lines
from safestats.qgis_plugin.core.explore.rates import Base, Bases
from safestats.qgis_plugin.core.explore.saved_queries import SavedQuery
from safestats.qgis_plugin.core.explore.selection import By, Selection, Within
from safestats.qgis_plugin.core.explore.table_files import Sheet, write_csv
from safestats.qgis_plugin.core.periods import DaySpan, Period
from safestats.qgis_plugin.gui.explore_dock import ExploreDock
from safestats.shared.manifest import Slice
from safestats.tests.plugin.conftest import WAIT_MS
from safestats.tests.plugin.explore.conftest import CAMDEN, CITY, HACKNEY, manifest, opened, planted, write_copy

RESIDENTS = Bases(
    50_000,
    (
        Base("residents", "residents", 1000, By.BOROUGH, "mid-2023", "ONS, OGL v3.0", {
            CAMDEN: 210_000, CITY: 8_600, HACKNEY: 259_000, "E09000019": 216_000, "E09000033": 205_000,
        }),
    ),
)  # fmt: skip


class Window:
    """What the dock needs of QGIS's window."""

    def __init__(self, canvas: QgsMapCanvas) -> None:
        self._canvas = canvas

    def mapCanvas(self) -> QgsMapCanvas:
        return self._canvas


@pytest.fixture
def window(qgis_app, qtbot) -> Window:
    canvas = QgsMapCanvas()
    canvas.setDestinationCrs(QgsCoordinateReferenceSystem("EPSG:27700"))
    canvas.resize(400, 400)
    canvas.setExtent(QgsRectangle(520000, 172000, 540000, 192000))
    qtbot.addWidget(canvas)
    return Window(canvas)


@pytest.fixture
def dock(desk, window, qtbot) -> Iterator[ExploreDock]:
    dock = ExploreDock(desk, window)
    qtbot.addWidget(dock)
    dock.resize(430, 1100)
    dock.show()
    yield dock
    dock.close_down()


@pytest.fixture
def ready(dock, layer, qtbot) -> ExploreDock:
    """With the planted layer chosen and its categories known."""
    qtbot.waitUntil(lambda: dock.choices.tree.topLevelItemCount() > 0, timeout=WAIT_MS)
    return dock


def query(name: str, **of: object) -> SavedQuery:
    told = {"id": name, "name": name, "dataset": "mps", "title": "Met", "owner": "Ada Okafor", "reason": ""}
    return SavedQuery.from_json({**told, "own": False, "shared": True, **of})


def test_the_bin_is_for_one_s_own_queries_and_for_those_the_server_lets_one_delete(ready) -> None:
    row = ready.queries
    told = [query("own", own=True), query("hers"), query("left", removable=True), query("", removable=True)]
    row.show_queries(tuple(told))
    seen = []
    for at in range(1, 5):
        row.box.setCurrentIndex(at)
        seen.append(row.delete_button.isEnabledTo(row))
    assert seen == [True, False, True, True]
    assert "Ada Okafor has left" in row.delete_button.toolTip()
    row.box.setCurrentIndex(1)
    assert row.delete_button.toolTip() == "Delete this query of yours"


def counted(dock: ExploreDock, qtbot) -> None:
    dock.count_button.click()
    qtbot.waitUntil(lambda: not dock.progress.running, timeout=WAIT_MS)


def tick(box, *codes: str) -> None:
    for row in range(box.count()):
        on = box.itemData(row) in codes
        box.setItemCheckState(row, Qt.CheckState.Checked if on else Qt.CheckState.Unchecked)


def choose(box, value) -> None:
    box.setCurrentIndex(box.findData(value))


def texts(dock: ExploreDock) -> list[list[str]]:
    model = dock.results.table.model()
    return [[str(model.index(r, c).data()) for c in range(model.columnCount())] for r in range(model.rowCount())]


def test_nothing_can_be_asked_before_a_layer_is_open(dock: ExploreDock) -> None:
    assert not dock.count_button.isEnabled() and "Open a layer" in dock.layer_box.currentText()
    dock.start()
    assert "No layer is chosen" in dock.message.text


def test_what_is_ticked_is_counted_and_the_audit_hears_of_it(ready: ExploreDock, desk, sql, qtbot) -> None:
    tree = ready.choices.tree
    fire = next(tree.topLevelItem(at) for at in range(4) if tree.topLevelItem(at).text(0) == "Fire")
    fire.child(0).setCheckState(0, Qt.CheckState.Checked)
    finer = fire.child(0).text(0)
    choose(ready.choices.area_box, Within.BOROUGHS.value)
    tick(ready.choices.borough_box, CAMDEN, HACKNEY)
    counted(ready, qtbot)
    where = f"finer = '{finer}' AND borough_code IN ('{CAMDEN}', '{HACKNEY}')"
    ((expected,),) = sql(f"SELECT count(*) FROM lfb WHERE {where}")
    assert ready.results.headline.text() == f"{expected:,} incidents" and expected > 100
    assert "synthetic" in ready.results.question.text()
    by_borough = dict(sql(f"SELECT borough_code, count(*) FROM lfb WHERE {where} GROUP BY 1"))
    assert {row[0]: row[1] for row in texts(ready)} == {
        "Camden": f"{by_borough[CAMDEN]:,}", "Hackney": f"{by_borough[HACKNEY]:,}"
    }  # fmt: skip
    choose(ready.results.lines_box, Lines.CATEGORIES)
    choose(ready.results.across_box, Across.NOTHING)
    assert texts(ready) == [[f"Fire · {finer}", f"{expected:,}"]]
    desk.settle()
    notes = [json.loads(line)["event"] for line in desk.store.events_path.read_text().splitlines() if line]
    (event,) = [note for note in notes if note["kind"] == "explore.run"]
    assert (event["dataset"], event["rows"]) == ("lfb", expected)
    assert event["filter"]["categories"] == [f"Fire / {finer}"] and event["filter"]["codes"] == [CAMDEN, HACKNEY]


def test_rates_stand_beside_london_and_neighbours_and_the_city_is_flagged(ready: ExploreDock, qtbot) -> None:
    ready.results.take_bases(RESIDENTS)
    choose(ready.choices.area_box, Within.BOROUGHS.value)
    tick(ready.choices.borough_box, CAMDEN, CITY)
    counted(ready, qtbot)
    assert ready.results.base is None and ready.results.compared.topLevelItem(0).text(2) == "–"
    ready.results.base_box.setCurrentIndex(1)
    assert ready.results.base_box.currentText() == "per 1,000 residents (mid-2023)"
    rows = {row[0]: row for row in texts(ready)}
    number = ready.counted.boroughs[CAMDEN]
    assert rows["Camden"][2] == f"{1000 * number / 210_000:,.1f}"
    assert "City of London *" in rows
    lines = [ready.results.compared.topLevelItem(at) for at in range(ready.results.compared.topLevelItemCount())]
    told = {line.text(0): line.text(2) for line in lines}
    assert told["Camden"] == rows["Camden"][2] and "Islington (neighbour)" in told
    assert told["London *"] == "–"  # not every borough has a denominator
    assert "few residents" in next(line.toolTip(0) for line in lines if line.text(0) == "City of London *")
    assert "mid-2023" in ready.results.notes.text() and "LSOA 2011" in ready.results.notes.text()


def test_the_layer_is_filtered_to_what_is_counted_and_back(ready: ExploreDock, layer, qtbot) -> None:
    everything = layer.featureCount()
    choose(ready.choices.area_box, Within.BOROUGHS.value)
    tick(ready.choices.borough_box, CITY)
    ready.filter_button.click()
    qtbot.waitUntil(lambda: bool(layer.subsetString()), timeout=WAIT_MS)
    counted(ready, qtbot)
    assert sum(1 for _ in layer.getFeatures()) == ready.counted.total < everything
    ready.filter_button.click()
    assert not layer.subsetString()


def test_days_narrow_the_months_and_a_query_brings_them_back(ready: ExploreDock, desk, layer, sql, qtbot) -> None:
    choices = ready.choices
    choices.months.choose(Period("2025-03", "2025-04"))
    assert (choices.first_day.date(), choices.last_day.date()) == (QDate(2025, 3, 1), QDate(2025, 4, 30))
    assert not choices.first_day.isEnabled()
    choices.days_check.click()
    assert choices.first_day.isEnabled() and not choices.months.isEnabled()
    choices.first_day.setDate(QDate(2025, 3, 9))
    choices.last_day.setDate(QDate(2025, 4, 2))
    counted(ready, qtbot)
    ((expected,),) = sql("SELECT count(*) FROM lfb WHERE occurred_on >= '2025-03-09' AND occurred_on < '2025-04-03'")
    assert ready.counted.total == expected > 100
    assert "9 March 2025 to 2 April 2025" in ready.results.question.text()
    (event,) = notes_of(desk)
    assert (event["filter"]["from"], event["filter"]["to"]) == ("2025-03-09", "2025-04-02")
    asked = choices.question()
    choices.reset()
    assert choices.question().days is None and choices.months.isEnabled()
    assert choices.show_question(asked) == [] and choices.question() == asked
    choices.first_day.setDate(QDate(2025, 2, 3))
    assert choices.months.shown() == ("2025-02", "2025-04")
    choices.last_day.setDate(QDate(2025, 1, 2))
    ready.start()
    assert "comes before the first" in ready.message.text and ready.counted is None


def test_days_that_are_whole_months_are_months(ready: ExploreDock, qtbot) -> None:
    choices = ready.choices
    choices.days_check.click()
    choices.first_day.setDate(QDate(2025, 2, 1))
    choices.last_day.setDate(QDate(2025, 4, 30))
    assert (choices.question().period, choices.question().days) == (Period("2025-02", "2025-04"), None)


def test_days_stay_within_the_copy_and_with_their_layer_and_person(ready: ExploreDock, desk, tmp_path, qtbot) -> None:
    choices = ready.choices
    choices.days_check.click()
    choices.first_day.setDate(QDate(2019, 1, 1))
    assert choices.question().days is None and choices.first_day.date() == QDate(2025, 1, 1)
    choices.first_day.setDate(QDate(2025, 3, 9))
    asked = choices.question()
    rows = [row for row in planted(200) if row["month"] >= "2025-09"]
    write_copy(tmp_path / "o.gpkg", "lfb", rows)
    told = manifest(
        "lfb", "Autumn", len(rows), first_period="2025-09", slices=(Slice("x", 1, "0", (), period="2025-12-10"),)
    )
    other = opened(tmp_path / "o.gpkg", told)
    qtbot.waitUntil(lambda: ready.layer_box.findData(other.id()) >= 0, timeout=WAIT_MS)
    choose(ready.layer_box, other.id())
    qtbot.waitUntil(lambda: choices.tree.topLevelItemCount() > 0, timeout=WAIT_MS)
    assert not choices.days_check.isChecked()
    assert (choices.first_day.date(), choices.last_day.date()) == (QDate(2025, 9, 1), QDate(2025, 12, 10))
    assert choices.show_question(asked)[0].startswith("The query asks for 9 March 2025 to 31 December 2025; of these")
    march = DaySpan("2025-03-09", "2025-03-20")
    assert "None of the query's days" in choices.show_question(replace(asked, period=march.period, days=march))[0]
    choices.first_hour.setValue(3)
    choices.days_check.setChecked(True)
    choices.last_day.setDate(QDate(2025, 10, 9))
    choices.reset()
    assert (choices.first_hour.value(), choices.last_day.date().day()) == (18, 31)


def test_a_filter_of_another_question_is_told_and_the_wheel_only_scrolls(ready: ExploreDock, layer, qtbot) -> None:
    ready.choices.days_check.click()
    ready.choices.first_day.setDate(QDate(2025, 3, 9))
    ready.filter_button.click()
    qtbot.waitUntil(lambda: bool(layer.subsetString()), timeout=WAIT_MS)
    counted(ready, qtbot)
    assert ready.message.text == ""
    box = ready.choices.first_day
    ready.count_button.setFocus()
    turn = QWheelEvent(
        *(QPointF(5, 5), QPointF(box.mapToGlobal(QPoint(5, 5))), QPoint(0, 0), QPoint(0, -120)),
        *(Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase, False),
    )
    QApplication.sendEvent(box, turn)
    assert box.date() == QDate(2025, 3, 9)
    box.setDate(QDate(2025, 3, 10))
    counted(ready, qtbot)
    assert "still filtered to what was asked before" in ready.message.text


def test_where_a_copy_tells_no_days_it_is_said(dock: ExploreDock, qgis_new_project, tmp_path, qtbot) -> None:
    rows = [{name: value for name, value in row.items() if name != "occurred_on"} for row in planted(50)]
    write_copy(tmp_path / "m.gpkg", "lfb", rows)
    opened(tmp_path / "m.gpkg", manifest("lfb", "Fires", len(rows)))
    qtbot.waitUntil(lambda: dock.choices.tree.topLevelItemCount() > 0, timeout=WAIT_MS)
    assert not dock.choices.days_check.isEnabled() and "does not tell days" in dock.choices.days_check.toolTip()
    days = DaySpan("2025-03-09", "2025-04-02")
    told = dock.choices.show_question(Selection("lfb", days.period, days=days))
    assert told == ["Your copy does not tell days: whole months are asked of it."]
    assert dock.choices.question().days is None


def notes_of(desk) -> list[dict]:
    desk.settle()
    if not desk.store.events_path.exists():
        return []
    return [json.loads(line)["event"] for line in desk.store.events_path.read_text().splitlines() if line]


def test_a_filter_is_noted_for_the_audit_without_the_shape(ready: ExploreDock, desk, layer, qtbot) -> None:
    ready.choices.set_drawn(QgsGeometry.fromRect(QgsRectangle(529_000, 181_000, 532_000, 184_000)), "")
    choose(ready.choices.area_box, Within.SHAPE.value)
    ready.filter_button.click()
    qtbot.waitUntil(lambda: bool(layer.subsetString()), timeout=WAIT_MS)
    (event,) = notes_of(desk)
    assert (event["kind"], event["dataset"]) == ("explore.run", "lfb")
    assert event["filter"]["within"] == "shape" and event["filter"]["filtered"] is True
    assert "529000" not in json.dumps(event) and "fid" not in json.dumps(event)


def test_without_the_right_the_layer_is_not_filtered(ready: ExploreDock, desk, layer, qtbot, monkeypatch) -> None:
    def refuse(_dataset: str, _title: str = "") -> None:
        raise SessionEnded("You are not signed in.", "not-signed-in")

    monkeypatch.setattr(desk, "require_right", refuse)
    choose(ready.choices.area_box, Within.BOROUGHS.value)
    tick(ready.choices.borough_box, CITY)
    ready.filter_button.click()
    qtbot.waitUntil(lambda: bool(ready.message.text), timeout=WAIT_MS)
    assert ready.message.text == "You are not signed in." and not layer.subsetString()
    assert not ready.filter_button.isChecked() and notes_of(desk) == []


def test_the_question_of_a_filter_is_asked_again_where_the_filter_was_not_kept(desk, window, layer, qtbot) -> None:
    keep_question(layer, Selection("lfb", within=Within.BOROUGHS, codes=(CITY,)))
    dock = ExploreDock(desk, window)
    qtbot.addWidget(dock)
    qtbot.waitUntil(lambda: dock.choices.tree.topLevelItemCount() > 0, timeout=WAIT_MS)
    asked = dock.choices.question()
    assert (asked.within, asked.codes) == (Within.BOROUGHS, (CITY,))
    assert taken_question(layer) is None  # once
    dock.close_down()


def test_an_area_is_drawn_on_the_map(ready: ExploreDock, window: Window, qtbot) -> None:
    choose(ready.choices.area_box, Within.SHAPE.value)
    counted(ready, qtbot)
    assert "No area is drawn" in ready.message.text
    window.mapCanvas().show()
    ready.choices.draw_button.click()
    for x, y in ((100, 100), (300, 100), (300, 300), (100, 300)):
        qtbot.mouseClick(window.mapCanvas().viewport(), Qt.MouseButton.LeftButton, pos=QPoint(x, y))
    qtbot.mouseClick(window.mapCanvas().viewport(), Qt.MouseButton.RightButton, pos=QPoint(200, 200))
    assert "km²" in ready.choices.draw_button.text()
    counted(ready, qtbot)
    asked = ready.counted.asked
    assert asked.within is Within.SHAPE and QgsGeometry.fromWkt(asked.shape).area() == pytest.approx(1e8, rel=0.05)
    assert 0 < ready.counted.total < 4000


def test_a_map_tells_classes_and_what_is_not_held(desk, window, qtbot, qgis_new_project, tmp_path: Path) -> None:
    rows = [row for row in planted(800) if row["borough_code"] in (CAMDEN, HACKNEY)]
    write_copy(tmp_path / "lfb.gpkg", "lfb", rows)
    opened(tmp_path / "lfb.gpkg", manifest("lfb", "Fires", len(rows), areas=(CAMDEN, HACKNEY)))
    dock = ExploreDock(desk, window)
    qtbot.addWidget(dock)
    dock.results.take_bases(RESIDENTS)
    counted(dock, qtbot)
    assert "31 of 33 are not in your copy" in dock.results.notes.text()
    assert [row[1] for row in texts(dock) if row[0] == "Barnet *"] == ["–"]
    dock.results.base_box.setCurrentIndex(1)
    dock.results.map_button.click()
    qtbot.waitUntil(lambda: not dock.progress.running, timeout=WAIT_MS)
    made = QgsProject.instance().layerTreeRoot().children()[0].layer()
    assert "per 1,000 residents (mid-2023) by borough" in made.name() and "(synthetic)" in made.name()
    values = {
        feature["code"]: (feature["incidents"], feature["shown"], feature["held"]) for feature in made.getFeatures()
    }
    number = dock.counted.boroughs[CAMDEN]
    assert values[CAMDEN] == (number, pytest.approx(1000 * number / 210_000), "whole")
    assert len(values) == 33 and values[CITY][2] == "none"
    assert not isinstance(values[CITY][0], int) and not isinstance(values[CITY][1], float)
    assert isinstance(made.renderer(), QgsRuleBasedRenderer)
    labels = [rule.label() for rule in made.renderer().rootRule().children()]
    assert "Not held in full in your copy" in labels and "DSA-CAMDEN-LFB" in made.metadata().abstract()
    dock.close_down()


@pytest.mark.parametrize("suffix", [".csv", ".xlsx"])
def test_files_are_marked_dated_and_noted(ready: ExploreDock, desk, sql, tmp_path: Path, qtbot, suffix: str) -> None:
    ready.results.take_bases(RESIDENTS)
    counted(ready, qtbot)
    ready.results.base_box.setCurrentIndex(1)
    path = tmp_path / f"counts{suffix}"
    ready.export_to(path)
    qtbot.waitUntil(lambda: not ready.progress.running, timeout=WAIT_MS)
    assert "OFFICIAL-SENSITIVE" in ready.message.text and path.is_file()
    if suffix == ".csv":
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = list(csv.reader(file))
        assert lines[0] == lines[-1] == ["OFFICIAL-SENSITIVE"]
        told, cells = " ".join(" ".join(line) for line in lines[:40]), [line for line in lines if len(line) == 6]
        numbers = {tuple(line[:4]): line[4] for line in cells if line[3].startswith("2025-")}
        areas = {line[0]: line for line in cells if line[0].startswith("E09") and not line[3].startswith("2025-")}
        assert areas[CITY][2:4] == [str(ready.counted.boroughs[CITY]), "8600"] and "few residents" in areas[CITY][5]
    else:
        book = ogr.Open(str(path))
        about = [[f[i] or "" for i in range(2)] for f in book.GetLayer("About")]
        told = " ".join(map(" ".join, about))
        names = {f.GetName() for f in book.GetLayer("Counts").schema}
        assert names == {"code", "area", "category", "month", "incidents", "note"}
        numbers = {
            (f["code"], f["area"], f["category"], f["month"]): str(f["incidents"])
            for f in book.GetLayer("Counts") if f["month"]
        }  # fmt: skip
        sheets = [book.GetLayer(at) for at in range(book.GetLayerCount())]
        for sheet in sheets:
            last = [feature[0] for feature in sheet][-1]
            assert last == "OFFICIAL-SENSITIVE"
    for words in (
        "DSA-CAMDEN-LFB, until 31 December 2099",
        "Conditions of use",
        "2025-01 to 2025-12",
        "invented",
        "mid-2023",
    ):
        assert words in told
    expected = sql(
        "SELECT borough_code, category || ' · ' || finer, month, count(*) FROM lfb"
        " WHERE borough_code NOTNULL AND category NOTNULL GROUP BY 1, 2, 3"
    )
    found = {(code, category, month): number for (code, _name, category, month), number in numbers.items()}
    assert all(found[code, category, month] == str(number) for code, category, month, number in expected)
    notes = [json.loads(line)["event"] for line in desk.store.events_path.read_text().splitlines() if line]
    (event,) = [note for note in notes if note["kind"] == "table.export"]
    assert event["filter"]["format"] == suffix[1:] and event["rows"] == ready.counted.total


def test_no_cell_of_a_table_is_taken_for_a_formula(tmp_path: Path) -> None:
    planted = ("=1+1", "+1", "-1", "@SUM(A1)", " =1+1", "\t=1+1", "\n=1+1", "\u00a0=1+1", "＝1+1")
    table = Sheet("Areas", ("=A1", "incidents"), (str, int), tuple((one, -1) for one in planted))
    write_csv(tmp_path / "t.csv", (("=told", "=told"),), (table,), lambda: False)
    with (tmp_path / "t.csv").open(encoding="utf-8-sig", newline="") as file:
        cells = [cell for line in csv.reader(file) for cell in line]
    assert [cell for cell in cells if any(sign in cell for sign in "=+@＝-") and cell[0] != "'"] == [
        "OFFICIAL-SENSITIVE",
        *["-1"] * len(planted),
        "OFFICIAL-SENSITIVE",
    ]


def test_no_file_without_the_use_or_without_its_note(
    ready: ExploreDock, desk, tmp_path: Path, qtbot, monkeypatch
) -> None:
    counted(ready, qtbot)
    desk._listed[desk._account_key(), "lfb"] = {"dataset": "lfb", "permitted": True, "uses": ["view", "sync"]}
    ready.export_to(tmp_path / "no.csv")
    assert "does not grant its export" in ready.message.text and not (tmp_path / "no.csv").exists()
    desk._listed[desk._account_key(), "lfb"]["uses"].append("export")
    desk.store.events_path.parent.mkdir(parents=True, exist_ok=True)
    desk.settle()
    desk.store.events_path.unlink(missing_ok=True)
    desk.store.events_path.mkdir()
    ready.export_to(tmp_path / "no.csv")
    assert "Nothing was exported" in ready.message.text and not (tmp_path / "no.csv").exists()
    desk.store.events_path.rmdir()
    ready.export_to(tmp_path / "nowhere" / "no.csv")
    qtbot.waitUntil(lambda: not ready.progress.running, timeout=WAIT_MS)
    assert "cannot be written" in ready.message.text


def test_a_layer_of_counts_alone_is_told_and_cannot_be_chosen(desk, window, qtbot, layer) -> None:
    desk._listed[desk._account_key(), "ndtms"] = {
        "dataset": "ndtms", "title": "Treatment", "permitted": False, "aggregate": True, "reason": "Counts only."
    }  # fmt: skip
    dock = ExploreDock(desk, window)
    qtbot.addWidget(dock)
    at = dock.layer_box.findText("Treatment – counts only")
    assert at > 0 and not dock.layer_box.model().item(at).isEnabled()
    assert "ask for counts" in dock.layer_box.itemData(at, Qt.ItemDataRole.ToolTipRole)
    dock.close_down()


def test_every_input_has_a_name_and_the_dock_is_no_wider_than_the_others(ready: ExploreDock, qtbot) -> None:
    counted(ready, qtbot)
    for widget in (
        ready.layer_box, ready.choices.tree, ready.choices.area_box, ready.choices.by_box, ready.results.table,
        ready.choices.lsoa_edit, ready.results.lines_box, ready.results.across_box, ready.results.base_box,
            ready.queries.box,
    ):  # fmt: skip
        assert widget.accessibleName()
    assert ready.widget().widget().minimumSizeHint().width() <= 450
    assert all(label.text() != "" for label in ready.results.findChildren(QLabel) if label.isVisible())
