"""Browser, options, expressions and help: the real QGIS models and pages, with a real server behind them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from qgis.core import QgsBrowserModel, QgsExpression, QgsExpressionContext, QgsGeometry
from qgis.PyQt.QtCore import QDate, QModelIndex, Qt
from qgis.PyQt.QtWidgets import QWidget
from safestats.qgis_plugin.core.desk import Desk
from safestats.qgis_plugin.core.errors import DeskError
from safestats.qgis_plugin.core.expression_functions import ExpressionFunctions
from safestats.qgis_plugin.core.places import PlaceFinder
from safestats.qgis_plugin.core.resource_files import HELP
from safestats.qgis_plugin.core.settings import DeskSettings
from safestats.qgis_plugin.gui.browser import BrowserDeeds, BrowserNode
from safestats.qgis_plugin.gui.help_window import HelpWindow
from safestats.qgis_plugin.gui.options_page import OptionsFactory, OptionsPage

WAIT_MS = 120_000


# ---------------------------------------------------------------- Browser


class Deeds:
    def __init__(self) -> None:
        self.done: list[tuple[str, ...]] = []

    def note(self, what: str):
        return lambda *arguments: self.done.append((what, *arguments))


@pytest.fixture
def deeds() -> Deeds:
    return Deeds()


@pytest.fixture
def node(desk: Desk, deeds: Deeds):
    names = ("open", "pull", "sign in", "sign out", "show")
    node = BrowserNode(desk, BrowserDeeds(*(deeds.note(name) for name in names)))
    yield node
    node.remove()


def top(model: QgsBrowserModel) -> QModelIndex | None:
    rows = [model.index(row, 0) for row in range(model.rowCount())]
    return next((index for index in rows if index.data() == "SafeStats"), None)


def below(model: QgsBrowserModel) -> list[str]:
    index = top(model)
    if model.canFetchMore(index):
        model.fetchMore(index)
    return [model.index(row, 0, index).data() for row in range(model.rowCount(index))]


def test_the_browser_lists_the_copies_of_whoever_is_signed_in(
    desk: Desk, node: BrowserNode, deeds: Deeds, live_server, sign_in, qtbot
) -> None:
    model = QgsBrowserModel()
    model.initialize()
    assert top(model) is not None and below(model) == []
    root = model.dataItem(top(model))
    menu = QWidget()
    (signs_in,) = root.actions(menu)
    signs_in.trigger()
    assert deeds.done.pop() == ("sign in",)

    sign_in(live_server.url, "ada")
    ended: list[Any] = []
    desk.pull("colp", "colp", ended.append, ended.append)
    qtbot.waitUntil(lambda: bool(ended), timeout=WAIT_MS)
    assert not isinstance(ended[0], DeskError), ended[0]
    qtbot.waitUntil(lambda: below(model) == ["City of London Police incidents (synthetic)"], timeout=WAIT_MS)
    item = model.dataItem(model.index(0, 0, top(model)))
    assert " rows to 2025-" in item.toolTip() and "valid until" in item.toolTip()
    assert not item.hasDragEnabled()  # dragged, it would be opened without a record
    assert item.handleDoubleClick() and deeds.done.pop() == ("open", "colp")
    opens, pulls = item.actions(menu)
    pulls.trigger()
    assert deeds.done.pop() == ("pull", "colp")

    desk.sign_out(lambda: None)
    qtbot.waitUntil(lambda: below(model) == [], timeout=WAIT_MS)


def test_removed_the_node_leaves_the_browser(desk: Desk, deeds: Deeds, qtbot) -> None:
    model = QgsBrowserModel()
    model.initialize()
    node = BrowserNode(desk, BrowserDeeds(*(deeds.note("") for _ in range(5))))
    assert top(model) is not None
    node.remove()
    qtbot.wait(20)
    assert top(model) is None
    desk.session_changed.emit()  # nothing is left that would hear it


# ---------------------------------------------------------------- options


@pytest.fixture
def page(qgis_app, settings: DeskSettings, qtbot, monkeypatch) -> OptionsPage:
    monkeypatch.delenv("SAFESTATS_LOCAL_ROOT", raising=False)
    settings.server = "https://safestats.example.org"
    page = OptionsFactory(settings, "0.1.0", lambda: None).createWidget()
    qtbot.addWidget(page)
    return page


def test_what_is_entered_is_kept_when_it_is_applied(page: OptionsPage, settings: DeskSettings, tmp_path: Path) -> None:
    listed = tmp_path / "premises.csv"
    listed.write_text("name,postcode\n", encoding="utf-8")
    page.server.setText("safestats.example.net/")
    page.folder.setFilePath(str(tmp_path / "elsewhere"))
    page.premises.setFilePath(str(listed))
    assert settings.server == "https://safestats.example.org" and page.isValid()
    page.apply()
    assert settings.server == "https://safestats.example.net"
    assert settings.local_root == tmp_path / "elsewhere" and settings.premises_list == listed
    page.folder.setFilePath("")
    page.premises.setFilePath("")
    page.apply()
    assert settings.local_root == settings.default_local_root and settings.premises_list is None


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda page: page.server.setText("http://safestats.example.org"), "not encrypted"),
        (lambda page: page.premises.setFilePath("/nowhere/list.csv"), "There is no file /nowhere/list.csv"),
        (lambda page: page.folder.setFilePath("copies"), "no whole path"),
    ],
)
def test_what_cannot_be_kept_is_told_in_the_page(page: OptionsPage, settings: DeskSettings, change, sentence) -> None:
    change(page)
    assert not page.isValid()
    assert sentence in page.strip.text
    page.apply()
    assert settings.server == "https://safestats.example.org" and settings.premises_list is None


def test_a_folder_set_by_the_computer_is_shown_and_not_changed(
    qgis_app, settings, qtbot, monkeypatch, tmp_path
) -> None:
    monkeypatch.setenv("SAFESTATS_LOCAL_ROOT", str(tmp_path))
    page = OptionsPage(settings, "0.1.0", lambda: None)
    qtbot.addWidget(page)
    assert not page.folder.isEnabled() and page.folder.filePath() == str(tmp_path)
    page.apply()
    assert settings.chosen_local_root == ""


# ---------------------------------------------------------------- expressions


@pytest.fixture(scope="module")
def functions(qgis_app):
    functions = ExpressionFunctions(PlaceFinder())
    functions.register()
    yield functions
    functions.remove()
    assert not QgsExpression.isFunctionName("safestats_postcode")


def evaluated(text: str) -> tuple[Any, str]:
    expression = QgsExpression(text)
    assert not expression.hasParserError(), expression.parserErrorString()
    return expression.evaluate(QgsExpressionContext()), expression.evalErrorString()


def test_expressions_know_postcodes_boroughs_and_months(functions) -> None:
    point, trouble = evaluated("safestats_postcode('e161ze')")
    place = PlaceFinder().find("E16 1ZE")
    assert not trouble and isinstance(point, QgsGeometry)
    assert (point.asPoint().x(), point.asPoint().y()) == (place.easting, place.northing)
    assert evaluated("safestats_borough(safestats_postcode('E16 1ZE'))") == ("Newham", "")
    assert evaluated("safestats_month_begins('2026-02')") == (QDate(2026, 2, 1), "")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("safestats_postcode('E16')", "only part of a postcode"),
        ("safestats_borough('here')", "asks for a point"),
        ("safestats_borough(make_point(-0.1, 51.5))", "far outside London"),
        ("safestats_month_begins('soon')", "no month"),
    ],
)
def test_an_expression_that_asks_amiss_says_so(functions, text: str, sentence: str) -> None:
    value, trouble = evaluated(text)
    assert value is None and sentence in trouble


@pytest.mark.parametrize("shape", ["POINT EMPTY", "POLYGON EMPTY", "LINESTRING EMPTY"])
def test_an_empty_geometry_lies_nowhere(functions, shape: str) -> None:
    assert evaluated(f"safestats_borough(geom_from_wkt('{shape}'))") == (None, "")


def test_null_stays_null(functions) -> None:
    assert evaluated("safestats_postcode(NULL)")[0] is None


# ---------------------------------------------------------------- help


def test_help_has_a_page_for_each_topic_and_follows_its_links(qgis_app, qtbot) -> None:
    window = HelpWindow()
    qtbot.addWidget(window)
    assert window.topics.count() == len(list(HELP.glob("*.md"))) >= 6
    assert "Pull" in window.page.toPlainText()
    assert window.show_topic("9-trouble.md") and "certificate" in window.page.toPlainText()
    assert not window.show_topic("nothing.md")
    for page in HELP.glob("*.md"):
        for link in re.findall(r"\]\(([^)]+)\)", page.read_text(encoding="utf-8")):
            assert (HELP / link).is_file(), f"{page.name} leads to {link}"


def test_help_is_turned_by_keyboard(qgis_app, qtbot) -> None:
    window = HelpWindow()
    qtbot.addWidget(window)
    window.show()
    before = window.page.toPlainText()
    qtbot.keyClick(window.topics, Qt.Key.Key_Down)
    assert window.page.toPlainText() != before
