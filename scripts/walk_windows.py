"""Runs inside QGIS (``scripts/walk_windows.sh``): every dock and dialog, by real keys and clicks, with pictures.

What a window has done is looked up in the plugin; how it was done is left to ``real_hands``.
"""

from __future__ import annotations

import base64
import hmac
import json
import os
import random
import signal
import struct
import time
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from hashlib import sha1
from pathlib import Path

from desk_steps import Wait
from qgis.core import QgsFeature, QgsGeometry, QgsPointXY, QgsProject, QgsVectorLayer
from qgis.PyQt.QtCore import QDate, QPoint, Qt
from qgis.PyQt.QtWidgets import (
    QApplication,
    QDialog,
    QDockWidget,
    QFileDialog,
    QInputDialog,
    QLineEdit,
    QMainWindow,
    QMenu,
    QTreeView,
    QWidget,
)
from qgis.utils import iface
from real_hands import HandSteps, seen
from safestats.qgis_plugin.core.hotspots import Method
from safestats.qgis_plugin.core.time_answer import ChartKind
from safestats.qgis_plugin.gui.conditions_page import ConditionsPage
from safestats.qgis_plugin.gui.counts_dialog import CountsDialog
from safestats.qgis_plugin.gui.help_window import HelpWindow
from safestats.qgis_plugin.gui.options_page import OptionsPage
from safestats.qgis_plugin.gui.publish_dialog import PublishDialog
from safestats.qgis_plugin.gui.publish_layer.dialog import PublishLayerDialog
from safestats.qgis_plugin.gui.purpose_dialog import PurposeDialog
from safestats.qgis_plugin.gui.saved_queries_row import SaveQueryDialog
from safestats.qgis_plugin.gui.sessions_dialog import SessionsDialog
from safestats.qgis_plugin.gui.sign_in_pages import (
    CodePage,
    EnrolmentPage,
    OrganisationPage,
    PasswordPage,
)
from safestats.qgis_plugin.gui.storage_dialog import StorageDialog
from safestats.qgis_plugin.gui.template_gallery import TemplateGallery
from safestats.qgis_plugin.layouts.export import Format
from safestats.qgis_plugin.layouts.sheet import Mode

FOLDER = Path(os.environ["SAFESTATS_WALK_FOLDER"])
OUTPUT = Path(os.environ["SAFESTATS_WALK_OUTPUT"])  # what is exported goes here
SERVER = os.environ["SAFESTATS_WALK_SERVER"]
SERVER_PROCESS = int(os.environ["SAFESTATS_WALK_SERVER_PROCESS"])
PASSWORD = Path(os.environ["SAFESTATS_WALK_PASSWORD_FILE"]).read_text(encoding="ascii").strip()
ONLY = os.environ.get("SAFESTATS_WALK_SECTIONS", "").split()
ANALYST, PUBLISHER, ADMINISTRATOR = "camden.analyst", "gla.publisher", "gla.admin"
PURPOSE = "Violence reduction"
POLICE, AMBULANCE, SPARE, COUNTED = "mps", "las", "btp", "lfb"
POSTCODE = "NW1 8QP"


LEFT_WIDTH = 210  # of QGIS's own list of layers


class Walk(HandSteps):
    """All windows in the order in which a person meets them."""

    def steps(self) -> Iterator[Wait]:
        """Sign in, then section after section; some depend on what earlier ones have opened."""
        self.codes = enrol()
        self.window.showMaximized()
        self.window.findChild(QDockWidget, "Browser").close()
        tree = self.window.findChild(QDockWidget, "Layers")
        yield self.pause(2.0)
        self.window.resizeDocks([tree], [LEFT_WIDTH], Qt.Orientation.Horizontal)
        yield from self.tried("sign-in", self.sign_in)
        yield from self.tried("layers", self.layers)
        for name, section in (
            ("counts", self.counts),
            ("purpose", self.purpose),
            ("sessions", self.sessions),
            ("storage", self.storage),
            ("explore", self.explore),
            ("place", self.place),
            ("place-page", self.place_page),
            ("premises", self.premises),
            ("forms", self.forms),
            ("hotspots", self.hotspots),
            ("page", self.page),
            ("time", self.time_charts),
            ("time-page", self.time_page),
            ("options", self.options),
            ("help", self.help),
            ("locator", self.locator),
            ("browser", self.browser),
            ("publish-layer", self.publish_layer),
            ("offline", self.offline),
        ):
            if not ONLY or name in ONLY:
                yield from self.tried(name, section)
        if self.troubles:
            raise RuntimeError("; ".join(self.troubles))

    # ------------------------------------------------------------------ signing in

    def sign_in(self) -> Iterator[Wait]:
        self.take("first-look")
        yield from self.menu(self.plugin.sign_in_action)
        yield lambda: self.plugin.flow.dialog is not None and self.plugin.flow.dialog.isVisible()
        dialog = self.plugin.flow.dialog
        yield from self.around_by_tab(dialog)
        self.take("sign-in", dialog)
        yield from self.press(dialog.page.other_button)
        yield lambda: isinstance(dialog.page, OrganisationPage)
        yield self.pause(0.4)
        yield from self.around_by_tab(dialog)
        self.take("sign-in-organisation", dialog)
        yield from self.press(dialog.page.other_button)
        yield lambda: isinstance(dialog.page, PasswordPage)
        yield from self.account(dialog, ADMINISTRATOR)
        yield lambda: isinstance(dialog.page, EnrolmentPage)
        yield self.pause(0.5)
        self.take("sign-in-enrolment", dialog)
        self.key("Escape")
        yield lambda: self.plugin.flow.dialog is None
        yield from self.in_as(ANALYST, ("conditions",))

    def account(self, dialog: QDialog, user: str) -> Iterator[Wait]:
        """Server, user and password, and Enter."""
        yield from self.typed(dialog.page.server, SERVER)
        yield from self.typed(dialog.page.username, user)
        yield from self.typed(dialog.page.password, PASSWORD)
        self.key("Return")

    def in_as(self, user: str, pictures: tuple[str, ...] = ()) -> Iterator[Wait]:
        """Sign in, with a recovery code where one is asked for, and accept the conditions."""
        yield from self.menu(self.plugin.sign_in_action)
        yield lambda: self.plugin.flow.dialog is not None and self.plugin.flow.dialog.isVisible()
        dialog = self.plugin.flow.dialog
        yield from self.account(dialog, user)
        yield lambda: not isinstance(dialog.page, PasswordPage)
        yield self.pause(0.5)
        if isinstance(dialog.page, CodePage):
            self.take("sign-in-code", dialog)
            yield from self.typed(dialog.page.code, self.codes.pop())
            self.key("Return")
            yield lambda: not isinstance(dialog.page, CodePage)
            yield self.pause(0.5)
        yield from self.accept(dialog, pictures)
        yield lambda: self.plugin.desk.signed_in

    def accept(self, dialog: QDialog, pictures: tuple[str, ...] = ()) -> Iterator[Wait]:
        """Choose the purpose and accept the conditions."""
        page = dialog.page
        wanted = next(b for b in page.chooser.group.buttons() if b.text().startswith(PURPOSE))
        yield from self.press_left(wanted)
        yield lambda: page.chooser.purpose is not None
        yield from self.tab_to(page.agreed)
        self.key("space")
        yield page.agreed.isChecked
        if "conditions" in pictures:
            yield from self.around_by_tab(dialog)
            self.take("conditions", dialog)
        yield from self.tab_to(page.agreed)
        self.key("Return")

    # ------------------------------------------------------------------ layers dock

    def layers(self) -> Iterator[Wait]:
        dock = self.plugin.layers_dock
        yield from self.shut_and_open(dock)
        yield lambda: bool(dock.cards)
        yield self.pause(0.5)
        ambulance, police, spare = (dock.cards[name] for name in (AMBULANCE, POLICE, SPARE))
        yield from self.press(ambulance.months_button)
        yield lambda: dock.period_dialog is not None and dock.period_dialog.pull_button.isEnabled()
        dialog = dock.period_dialog
        yield self.pause(0.3)
        yield from self.press(dialog.presets[0])
        yield from self.around_by_tab(dialog)
        self.take("months", dialog)
        self.key("Return")
        yield lambda: dock.period_dialog is None
        yield lambda: ambulance.has_copy and not ambulance.pulling
        for card in (spare, police):
            yield from self.press(card.pull_button)
            yield lambda card=card: card.has_copy and not card.pulling
        for card in (ambulance, police):
            yield from self.press(card.open_button)
            yield lambda card=card: len(self.plugin.desk.layers()) > (card is police)
        yield self.drawn
        yield self.pause(1.5)
        iface.messageBar().clearWidgets()  # QGIS misses a grid of the Ordnance Survey on this machine
        self.take("layers-dock", dock)
        self.take("layers-window")

    def counts(self) -> Iterator[Wait]:
        dock = self.plugin.layers_dock
        yield from self.front(dock)
        card = dock.cards[COUNTED]
        self.say(f"    {card.facts.text()}")
        yield from self.press(card.counts_button)
        yield lambda: dock.counts_dialog is not None and dock.counts_dialog.isVisible()
        dialog: CountsDialog = dock.counts_dialog
        yield self.pause(0.3)
        yield from self.typed(dialog.postcode, POSTCODE)
        self.key("Return")
        yield lambda: dialog.table.topLevelItemCount() > 0 or bool(dialog.strip.text)
        yield self.pause(0.4)
        yield from self.around_by_tab(dialog)
        self.take("counts", dialog)
        self.key("Escape")
        yield lambda: dock.counts_dialog is None

    def purpose(self) -> Iterator[Wait]:
        before = self.plugin.desk.session.purpose.code
        for again in (False, True):
            yield from self.menu(self.plugin.purpose_action)
            dialog = yield from self.opened(PurposeDialog)
            yield lambda dialog=dialog: dialog._task is None
            button = next(b for b in dialog.chooser.group.buttons() if b.text().startswith(PURPOSE) is again)
            yield from self.press_left(button)
            if not again:
                yield from self.around_by_tab(dialog)
                self.take("purpose", dialog)
                self.key("Escape")
            else:
                yield from self.tab_to(dialog.change_button)
                self.key("Return")
            yield lambda: self.plugin.session_dialog is None
        yield self.pause(0.5)
        assert self.plugin.desk.session.purpose.code == before

    def sessions(self) -> Iterator[Wait]:
        yield from self.press(self.plugin.layers_dock.sessions_button)
        dialog = yield from self.opened(SessionsDialog)
        yield lambda: dialog.list.topLevelItemCount() > 0
        yield from self.around_by_tab(dialog)
        self.take("sessions", dialog)
        self.key("Escape")
        yield lambda: self.plugin.session_dialog is None

    def storage(self) -> Iterator[Wait]:
        yield from self.menu(self.plugin.storage_action)
        dialog = yield from self.opened(StorageDialog)
        yield lambda: dialog.table.rowCount() == 3
        yield from self.around_by_tab(dialog)
        at = self.row_of(dialog.table, self.plugin.layers_dock.cards[SPARE].title)
        yield from self.press(dialog.table.viewport(), at=at)
        self.take("storage", dialog)
        yield from self.press(dialog.remove_button)
        yield lambda: dialog.table.rowCount() == 2
        self.key("Escape")
        yield lambda: self.plugin.session_dialog is None
        yield lambda: not self.plugin.layers_dock.cards[SPARE].has_copy

    # ------------------------------------------------------------------ explore

    def explore(self) -> Iterator[Wait]:
        dock = self.plugin.explore_dock
        yield from self.shut_and_open(dock)
        yield from self.choose(dock.layer_box, dock.layer_box.findText(self.police.name()))
        yield lambda: dock.choices.tree.topLevelItemCount() > 0
        yield from self.tab_to(dock.choices.tree)
        self.key("Home", "space")
        yield lambda: bool(dock.choices.question().categories)
        yield from self.press(dock.count_button)
        yield lambda: dock.counted is not None
        yield self.pause(0.6)
        self.take("explore-dock", dock)
        yield from self.into_view(dock.results.export_button)
        self.take("explore-dock-results", dock)
        yield from self.press(dock.results.map_button)
        yield lambda: bool(dock._map_layer_id) and self.drawn()
        yield self.pause(1.0)
        self.take("explore-window")
        yield from self.save_file(dock.results.export_button, OUTPUT / "counts.xlsx")
        yield from self.press(dock.filter_button)
        yield lambda: bool(self.police.subsetString())
        yield from self.press(dock.filter_button)
        yield lambda: not self.police.subsetString()
        yield from self.press(dock.queries.save_button)
        dialog = yield from self.opened(SaveQueryDialog)
        yield from self.typed(dialog.name, "Violence, month by month")
        yield from self.tab_to(dialog.shared)
        self.key("space")
        yield from self.around_by_tab(dialog)
        self.take("save-query", dialog)
        yield from self.tab_to(dialog.name)
        self.key("Return")
        yield lambda: dock.queries.box.count() > 1
        yield from self.choose(dock.queries.box, dock.queries.box.count() - 1)
        yield from self.press(dock.queries.open_button)
        yield self.pause(1.0)
        yield from self.press(dock.queries.delete_button)
        yield lambda: dock.queries.box.count() == 1
        yield from self.draw_area(dock)
        yield from self.around_by_tab(dock)

    def draw_area(self, dock: QDockWidget) -> Iterator[Wait]:
        """Four corners on the map, and a right click."""
        box = dock.choices.area_box
        row = next(row for row in range(box.count()) if "raw" in box.itemText(row))
        yield from self.choose(box, row)
        yield from self.press(dock.choices.draw_button)
        canvas = iface.mapCanvas()
        width, height = canvas.width(), canvas.height()
        for x, y in ((0.3, 0.3), (0.7, 0.3), (0.7, 0.7), (0.3, 0.7)):
            self.click_at(canvas.mapToGlobal(QPoint(int(x * width), int(y * height))))
            yield self.pause(0.5)
        self.click_at(canvas.mapToGlobal(QPoint(int(0.3 * width), int(0.7 * height))), 3)
        yield lambda: "km²" in dock.choices.draw_button.text()
        yield self.pause(0.4)
        self.take("explore-drawn")
        yield from self.choose(box, 0)

    # ------------------------------------------------------------------ around a place

    def place(self) -> Iterator[Wait]:
        dock = self.plugin.proximity_dock
        yield from self.shut_and_open(dock)
        yield from self.typed(dock.place_edit, POSTCODE.lower())
        self.key("Return")
        yield lambda: dock.result is not None and not dock.progress.running
        yield self.drawn
        yield self.pause(1.0)
        self.take("place-dock", dock)
        self.take("place-window")
        before = dock.result
        yield from self.press(dock.pick_button)
        canvas = iface.mapCanvas()
        self.click_at(canvas.mapToGlobal(QPoint(canvas.width() // 2 + 40, canvas.height() // 2 + 30)))
        yield lambda: dock.result is not None and dock.result is not before and not dock.progress.running
        yield self.pause(0.5)
        more = dock.form.more
        yield from self.press(more, at=QPoint(30, 10))
        yield lambda: not more.isCollapsed()
        yield self.pause(0.4)
        yield from self.into_view(dock.place_edit)
        self.take("place-choices", dock)
        yield from self.around_by_tab(dock)
        yield from self.press(more, at=QPoint(30, 10))
        yield from self.press(dock.results.incidents_button)
        menu = dock.results.incidents_button.menu()
        yield menu.isVisible
        self.key("Down", "Return")
        table = yield from self.window_named("Features Total")
        yield self.pause(0.5)
        self.take("place-incidents", table, ours=False)
        self.key("alt+F4")
        yield lambda: not is_there(table)

    def place_page(self) -> Iterator[Wait]:
        dock = self.plugin.proximity_dock
        yield from self.front(dock)
        yield from self.press(dock.results.report_button)
        dialog = yield from self.page_drawn()
        yield from self.around_by_tab(dialog)
        self.take("page-place", dialog)
        self.key("Escape")
        yield lambda: self.publish_dialog() is None

    def premises(self) -> Iterator[Wait]:
        dock = self.plugin.proximity_dock
        listed, folder = OUTPUT / "premises.csv", OUTPUT / "premises"
        folder.mkdir()
        listed.write_text("name,postcode\nThe Invented Arms,NW1 8QP\nThe Invented Theatre,NW1 8NH\n", encoding="utf-8")
        yield from self.front(dock)
        yield from self.press(dock.premises_button)
        dialog = yield from self.opened(QFileDialog)
        self.type(str(listed))
        self.key("Return")
        yield lambda: not is_there(dialog)
        dialog = yield from self.opened(QFileDialog)
        self.key("ctrl+a")
        self.type(str(folder))
        self.key("Return")
        yield lambda: not is_there(dialog)
        yield lambda: not dock.progress.running and bool(dock.message.text)
        yield self.pause(0.5)
        self.take("premises-done", dock)
        assert len(list(folder.iterdir())) >= 2, "no workbook or no pages"

    # ------------------------------------------------------------------ hotspots

    def forms(self) -> Iterator[Wait]:
        """The form of each analysis, chosen with the arrow keys, and gone through by Tab."""
        dock = self.plugin.hotspot_dock
        yield from self.shut_and_open(dock)
        layers = dock.incidents.layer_box
        row = next(row for row in range(layers.count()) if layers.layer(row) is self.ambulance)
        yield from self.choose(layers, row)
        yield self.pause(0.5)
        for row in range(dock.method_box.count()):
            method = dock.method_box.itemData(row)
            if method is None:
                continue
            name = method.value if isinstance(method, Method) else method.name
            yield from self.choose(dock.method_box, row)
            yield self.pause(0.4)
            yield from self.tab_to(dock.incidents.layer_box)
            yield self.pause(0.2)
            self.take(f"form-{name}", dock)
            yield from self.around_by_tab(dock)

    def hotspots(self) -> Iterator[Wait]:
        """A density, by Enter on its button, and one analysis of the registry with its table."""
        dock = self.plugin.hotspot_dock
        if not seen(dock):
            yield from self.shut_and_open(dock)
        for method in ("repeat-locations", Method.KDE_RASTER):
            yield from self.choose(dock.method_box, self.row_of_method(method))
            yield from self.tab_to(dock.run_button)
            self.key("space")
            yield lambda: not dock.progress.running and (dock.values.isVisible() or bool(dock.message.text))
            yield self.drawn
            yield self.pause(1.0)
            assert dock.values.isVisible(), dock.message.text
            self.take(f"result-{getattr(method, 'value', method)}", dock)
        yield from self.press(dock.repeat_button)
        yield from self.pick(dock.repeat_menu, dock.repeat_menu.actions()[0].text())
        yield lambda: "run of" in dock.message.text
        yield from self.choose(dock.method_box, self.row_of_method(Method.KDE_RASTER))
        before = dock.result
        yield from self.press(dock.run_button)
        yield lambda: dock.result is not None and dock.result is not before and not dock.progress.running
        yield self.drawn
        yield self.pause(1.0)
        self.take("hotspots-window")

    def row_of_method(self, wanted: Method | str) -> int:
        box = self.plugin.hotspot_dock.method_box
        data = [box.itemData(row) for row in range(box.count())]
        return next(row for row, one in enumerate(data) if one == wanted or getattr(one, "name", None) == wanted)

    def page(self) -> Iterator[Wait]:
        """The page of the density: gallery, own template, publication's findings, files, the designer."""
        dock = self.plugin.hotspot_dock
        yield from self.front(dock)
        yield from self.press(dock.map_button)
        dialog = yield from self.page_drawn()
        yield from self.around_by_tab(dialog)
        self.take("page-hotspots", dialog)
        yield from self.press(dialog.template_button)
        gallery = yield from self.opened(TemplateGallery)
        yield self.pause(0.5)
        yield from self.around_by_tab(gallery)
        self.take("templates", gallery)
        yield from self.tab_to(gallery.list)
        self.key("Right", "Return")
        yield lambda: not is_there(gallery)
        yield from self.page_settled(dialog)
        yield from self.press(dialog.save_template_button)
        asked = yield from self.opened(QInputDialog)
        self.type("A page of ours")
        yield self.pause(0.3)
        self.take("save-template", asked)
        self.key("Return")
        yield lambda: "gallery" in dialog.strip.text
        yield from self.choose(dialog.mode_combo, dialog.mode_combo.findData(Mode.PUBLICATION))
        yield self.pause(0.6)
        yield from self.page_settled(dialog)
        self.take("page-findings", dialog)
        yield from self.choose(dialog.mode_combo, dialog.mode_combo.findData(Mode.OPERATIONAL))
        yield self.pause(0.6)
        yield from self.page_settled(dialog)
        yield from self.typed(dialog.folder.lineEdit(), str(OUTPUT))
        yield from self.tab_to(dialog.formats[Format.PNG])
        self.key("space")
        yield dialog.export_button.isEnabled
        yield from self.press(dialog.export_button)
        yield lambda: "Written to" in dialog.strip.text
        assert list(OUTPUT.glob("*.png")) and list(OUTPUT.glob("*.pdf"))
        yield from self.press(dialog.designer_button)
        designer = yield from self.designer()
        self.take("designer", designer, ours=False)
        self.key("alt+F4")
        yield lambda: not is_there(designer)
        yield self.pause(0.4)
        self.key("Escape")
        yield lambda: self.publish_dialog() is None

    # ------------------------------------------------------------------ time

    def time_charts(self) -> Iterator[Wait]:
        dock = self.plugin.time_dock
        yield from self.shut_and_open(dock)
        row = next(row for row in range(dock.layer_box.count()) if dock.layer_box.layer(row) is self.ambulance)
        yield from self.choose(dock.layer_box, row)
        for kind in ChartKind:
            yield from self.choose(dock.chart_box, dock.chart_box.findData(kind))
            yield lambda: dock.answer is not None and not dock.progress.running
            yield self.pause(0.5)
            self.take(f"time-{kind.value}", dock)
        yield from self.choose(dock.chart_box, 0)
        yield from self.around_by_tab(dock)
        yield from self.press(dock.place_button)
        yield from self.pick(dock.layout_menu, "New layout")
        designer = yield from self.designer()
        self.key("alt+F4")
        yield lambda: not is_there(designer)
        yield self.pause(0.4)
        assert "Placed" in dock.message.text

    def time_page(self) -> Iterator[Wait]:
        dock = self.plugin.time_dock
        yield from self.front(dock)
        yield from self.press(dock.export_button)
        dialog = yield from self.page_drawn()
        self.take("page-time", dialog)
        self.key("Escape")
        yield lambda: self.publish_dialog() is None

    # ------------------------------------------------------------------ at home in QGIS

    def options(self) -> Iterator[Wait]:
        yield from self.menu(self.plugin.at_home.options_action)
        yield lambda: QApplication.activeModalWidget() is not None
        dialog = QApplication.activeModalWidget()
        yield lambda: dialog.findChild(OptionsPage) is not None and dialog.findChild(OptionsPage).isVisible()
        page = dialog.findChild(OptionsPage)
        yield self.pause(0.5)
        self.take("options", dialog, ours=False)
        yield from self.typed(page.server, "http://safestats.example.org")
        self.key("Return")
        yield lambda: bool(page.strip.text)
        yield self.pause(0.3)
        self.take("options-trouble", dialog, ours=False)
        self.key("Escape")
        yield lambda: not is_there(dialog)

    def help(self) -> Iterator[Wait]:
        yield from self.menu(self.plugin.at_home.help_action)
        window = yield from self.opened(HelpWindow)
        yield from self.tab_to(window.topics)
        self.key("Down", "Down")
        yield lambda: window.topics.currentRow() == 2
        yield self.pause(0.3)
        self.take("help", window)
        self.key("Escape")
        yield lambda: not is_there(window)

    def locator(self) -> Iterator[Wait]:
        self.key("ctrl+k")
        yield self.pause(0.5)
        self.type("place nw1 8q")
        yield self.pause(2.5)
        bar = next(w for w in self.window.findChildren(QLineEdit) if w.text() == "place nw1 8q")
        self.take("locator")
        before = iface.mapCanvas().extent()
        self.key("Down", "Return")
        yield lambda: iface.mapCanvas().extent() != before
        self.key("ctrl+k")
        yield lambda: self.has_focus(bar)
        self.key("ctrl+a", "BackSpace", "Escape")
        yield lambda: not bar.text()

    def browser(self) -> Iterator[Wait]:
        panel = self.window.findChild(QDockWidget, "Browser")
        self.key("ctrl+2")
        yield lambda: seen(panel)
        yield self.pause(0.5)
        tree = panel.findChild(QTreeView)
        yield from self.press(tree.viewport(), at=self.row_of(tree, "SafeStats"))
        self.key("Right")
        title = next(layer.name() for layer in self.plugin.desk.layers() if layer is self.police)
        yield self.pause(1.0)
        yield from self.press(tree.viewport(), 3, self.row_of(tree, title))
        yield lambda: isinstance(QApplication.activePopupWidget(), QMenu)
        yield self.pause(0.3)
        self.take("browser")
        self.key("Escape")
        yield lambda: QApplication.activePopupWidget() is None
        number = len(QgsProject.instance().mapLayers())
        yield from self.press(tree.viewport(), at=self.row_of(tree, title), times=2)
        yield self.pause(1.0)
        self.say(f"    layers before and after the double click: {number}, {len(QgsProject.instance().mapLayers())}")
        self.key("ctrl+2")
        yield panel.isHidden

    # ------------------------------------------------------------------ publisher, offline

    def publish_layer(self) -> Iterator[Wait]:
        """The publisher signs in with a recovery code, and loads a layer as far as the server's report."""
        layer = invented_layer()
        QgsProject.instance().addMapLayer(layer)
        yield from self.menu(self.plugin.sign_out_action)
        yield lambda: not self.plugin.desk.signed_in
        yield from self.front(self.plugin.layers_dock)
        yield self.pause(0.5)
        self.take("signed-out", self.plugin.layers_dock)
        yield from self.in_as(PUBLISHER)
        yield self.pause(1.0)
        yield from self.menu(self.plugin.publish_layer_action)
        dialog = yield from self.opened(PublishLayerDialog)
        page = dialog.layer_page
        yield lambda: page.publishable is not None and page.isEnabled()
        row = next(row for row in range(page.layer_combo.count()) if page.layer_combo.layer(row) is layer)
        yield from self.choose(page.layer_combo, row)
        yield from self.choose(page.dataset_combo, page.dataset_combo.findData("colp"))
        yield from self.tab_to(page.withdrawals_box)
        self.key("space")
        yield page.withdrawals_box.isChecked
        yield from self.around_by_tab(dialog)
        self.take("publish-layer", dialog)
        yield from self.press(dialog.next_button)
        yield lambda: dialog.pages.currentWidget() is dialog.columns_page and dialog.next_button.isEnabled()
        yield self.pause(0.5)
        yield from self.around_by_tab(dialog)
        self.take("publish-layer-columns", dialog)
        yield from self.press(dialog.next_button)
        yield lambda: dialog.drop_button.isVisible() and dialog.drop_button.isEnabled()
        yield self.pause(0.5)
        self.take("publish-layer-report", dialog)
        yield from self.press(dialog.drop_button)
        yield lambda: dialog.pages.currentWidget() is dialog.columns_page
        self.key("Escape")
        yield lambda: self.plugin.session_dialog is None
        yield from self.menu(self.plugin.sign_out_action)
        yield lambda: not self.plugin.desk.signed_in

    def offline(self) -> Iterator[Wait]:
        """Without a server: the analyst goes on with the copies that are here."""
        if self.plugin.desk.signed_in:
            yield from self.menu(self.plugin.sign_out_action)
            yield lambda: not self.plugin.desk.signed_in
        with suppress(ProcessLookupError):
            os.kill(SERVER_PROCESS, signal.SIGTERM)
        yield self.pause(2.0)
        yield from self.menu(self.plugin.sign_in_action)
        yield lambda: self.plugin.flow.dialog is not None and self.plugin.flow.dialog.isVisible()
        dialog = self.plugin.flow.dialog
        yield from self.account(dialog, ANALYST)
        yield lambda: bool(dialog.strip.text)
        yield self.pause(0.3)
        self.take("sign-in-offline", dialog)
        yield from self.press(dialog.page.offline_button)
        yield lambda: isinstance(dialog.page, ConditionsPage)
        yield self.pause(0.5)
        yield from self.accept(dialog)
        yield lambda: self.plugin.desk.offline
        yield lambda: self.plugin.flow.dialog is None
        yield from self.front(self.plugin.layers_dock)
        yield self.pause(0.5)
        self.take("layers-offline", self.plugin.layers_dock)

    # ------------------------------------------------------------------ for the steps

    @property
    def police(self) -> QgsVectorLayer:
        """The open layer of months."""
        return self.layer_of(POLICE)

    @property
    def ambulance(self) -> QgsVectorLayer:
        """The open layer of days and hours."""
        return self.layer_of(AMBULANCE)

    def layer_of(self, dataset: str) -> QgsVectorLayer:
        title = self.plugin.layers_dock.cards[dataset].title
        return next(layer for layer in self.plugin.desk.layers() if layer.name().startswith(title))

    def opened(self, kind: type) -> Iterator[Wait]:
        """Wait for a window of that kind; the window."""

        def found() -> QWidget | None:
            return next((w for w in QApplication.allWidgets() if type(w) is kind and w.isVisible()), None)

        yield lambda: found() is not None
        yield self.pause(0.3)
        return found()

    def window_named(self, words: str) -> Iterator[Wait]:
        """Wait for a window whose title has these words; the window."""

        def found() -> QWidget | None:
            return next((w for w in QApplication.topLevelWidgets() if words in w.windowTitle() and w.isVisible()), None)

        yield lambda: found() is not None
        return found()

    def designer(self) -> Iterator[Wait]:
        """Wait for the layout designer; its window."""

        def found() -> QWidget | None:
            windows = (w for w in QApplication.topLevelWidgets() if isinstance(w, QMainWindow))
            return next((w for w in windows if w is not self.window and w.isVisible()), None)

        yield lambda: found() is not None
        yield self.pause(1.5)
        return found()

    def page_drawn(self) -> Iterator[Wait]:
        """Wait for the page's dialog and its first preview; the dialog."""
        dialog = yield from self.opened(PublishDialog)
        yield from self.page_settled(dialog)
        return dialog

    def page_settled(self, dialog: PublishDialog) -> Iterator[Wait]:
        yield lambda: not dialog._timer.isActive() and not dialog.progress.running and dialog._layout is not None
        yield self.pause(0.5)

    def save_file(self, button: QWidget, path: Path) -> Iterator[Wait]:
        """Press a button that asks where to save, type a name, and wait for the file."""
        yield from self.press(button)
        yield from self.opened(QFileDialog)
        self.type(str(path))
        self.key("Return")
        yield path.is_file
        yield self.pause(0.5)


def is_there(window: QWidget) -> bool:
    """Whether it is shown still; one that is deleted is not."""
    try:
        return window.isVisible()
    except RuntimeError:
        return False


def enrol() -> list[str]:
    """Set up the publisher's second factor, as the console does; the recovery codes."""
    opened = post("/v1/session", {"username": PUBLISHER, "password": PASSWORD})
    secret = post("/v1/session/enrolment", {}, opened["token"])["secret"]
    key = base64.b32decode(secret + "=" * (-len(secret) % 8))
    digest = hmac.new(key, struct.pack(">Q", int(time.time()) // 30), sha1).digest()
    at = digest[-1] & 15
    code = f"{(struct.unpack('>I', digest[at : at + 4])[0] & 0x7FFFFFFF) % 1_000_000:06d}"
    return list(post("/v1/session/enrolment/confirm", {"code": code}, opened["token"])["recovery_codes"])


def post(path: str, body: dict, token: str = "") -> dict:
    headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}
    asked = urllib.request.Request(SERVER + path, json.dumps(body).encode(), headers)
    with urllib.request.urlopen(asked, timeout=20) as answer:
        return json.load(answer)


def invented_layer() -> QgsVectorLayer:
    """Incidents of a May in the City, one of a kind that nobody knows."""
    chance = random.Random(1)
    columns = "field=occurred:date&field=crime_type:string&field=street:string&field=officer:string"
    layer = QgsVectorLayer(f"Point?crs=EPSG:4326&{columns}", "Invented incidents of May", "memory")
    kinds = ("Burglary", "Drugs", "Robbery", "Shoplifting", "Violence & sexual offence")
    features = []
    for number in range(240):
        feature = QgsFeature(layer.fields())
        kind = kinds[number % 5] if number != 7 else "Sorcery"
        feature.setAttributes([QDate(2025, 5, 1 + number % 28), kind, f"Invented Street {number % 20}", "PC Secret"])
        place = QgsPointXY(-0.092 + chance.uniform(-0.008, 0.008), 51.5145 + chance.uniform(-0.003, 0.003))
        feature.setGeometry(QgsGeometry.fromPointXY(place))
        features.append(feature)
    layer.dataProvider().addFeatures(features)
    layer.updateExtents()
    return layer


walk = Walk(FOLDER / "walk.log", FOLDER)
walk.run()
