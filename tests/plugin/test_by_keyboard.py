"""Every dock and page can be worked without a mouse, is named for a screen reader, and fits at 100 and 150 %."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from qgis.core import QgsApplication
from qgis.PyQt.QtCore import Qt
from qgis.PyQt.QtGui import QKeySequence
from qgis.PyQt.QtWidgets import QAbstractButton, QComboBox, QDialog, QLabel, QLineEdit, QPushButton, QWidget
from safestats.qgis_plugin.core.desk import Desk
from safestats.qgis_plugin.core.pull_period import EVERYTHING
from safestats.qgis_plugin.core.settings import DeskSettings
from safestats.qgis_plugin.gui.counts_dialog import CountsDialog
from safestats.qgis_plugin.gui.explore_dock import ExploreDock
from safestats.qgis_plugin.gui.help_window import HelpWindow
from safestats.qgis_plugin.gui.hotspot_dock import HotspotDock
from safestats.qgis_plugin.gui.layers_dock import LayersDock
from safestats.qgis_plugin.gui.options_page import OptionsPage
from safestats.qgis_plugin.gui.period_dialog import PeriodDialog
from safestats.qgis_plugin.gui.proximity_dock import ProximityDock
from safestats.qgis_plugin.gui.publish_dialog import PublishDialog
from safestats.qgis_plugin.gui.publish_layer.dialog import PublishLayerDialog
from safestats.qgis_plugin.gui.purpose_dialog import PurposeDialog
from safestats.qgis_plugin.gui.saved_queries_row import SaveQueryDialog
from safestats.qgis_plugin.gui.sessions_dialog import SessionsDialog
from safestats.qgis_plugin.gui.sign_in_dialog import SignInDialog
from safestats.qgis_plugin.gui.storage_dialog import StorageDialog
from safestats.qgis_plugin.gui.template_gallery import TemplateGallery
from safestats.qgis_plugin.gui.time_dock import TimeDock
from safestats.qgis_plugin.layouts.own_templates import OwnTemplates
from safestats.qgis_plugin.layouts.templates import TEMPLATES
from safestats.tests.plugin.layouts.conftest import four_datasets, proximity_result

ROOT = Path(__file__).resolve().parents[2]
DOCKS = {
    "layers": LayersDock,
    "explore": ExploreDock,
    "proximity": ProximityDock,
    "hotspots": HotspotDock,
    "time": TimeDock,
}
# Windows that come up, by who has to be signed in.
DIALOGS = {
    "sign-in": lambda desk, _iface, _folder: SignInDialog(desk),
    "save query": lambda _desk, _iface, _folder: SaveQueryDialog("Robbery in Camden"),
    "gallery": lambda _desk, _iface, folder: TemplateGallery(OwnTemplates(folder / "own"), TEMPLATES[3]),
    "publish": lambda desk, iface, _folder: PublishDialog(desk, iface, proximity_result(four_datasets())),
    "storage": lambda desk, _iface, _folder: StorageDialog(desk),
}
SIGNED_IN = {
    "purpose": lambda desk, _iface: PurposeDialog(desk),
    "months": lambda desk, _iface: PeriodDialog(desk, "colp", "City of London Police", EVERYTHING),
    "sessions": lambda desk, _iface: SessionsDialog(desk),
    "counts": lambda desk, _iface: CountsDialog(desk, "colp", "City of London Police"),
    "publish layer": lambda desk, iface: PublishLayerDialog(desk, iface),
}
WINDOWS = [*DIALOGS, *SIGNED_IN]
NAMES = [*DOCKS, "options", "help"]
# At 150 % a laptop of 1920 × 1080 has 720 lines for a window, and a dock is rarely wider than a third of it.
WIDEST, HIGHEST = 480, 680
WIDEST_WINDOW = 1240
# Alt with one of these opens a menu of QGIS: Project, Edit, View, Layer, Settings, Plugins, Vector and so on.
OF_QGIS = set("JEVLSPORDWMCH")
OF_QT = ("qt_", "collapseButton")  # parts of widgets that Qt and QGIS make


@pytest.fixture
def make(
    desk: Desk, settings: DeskSettings, qgis_iface, qtbot, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Callable[[str], QWidget]]:
    made: list[QWidget] = []

    def act(name: str) -> QWidget:
        if name in DOCKS:
            widget: QWidget = DOCKS[name](desk, qgis_iface)
        elif name in DIALOGS:
            widget = DIALOGS[name](desk, qgis_iface, tmp_path)
        elif name in SIGNED_IN:
            server, sign_in = request.getfixturevalue("live_server"), request.getfixturevalue("sign_in")
            sign_in(server.url, "ada")
            widget = SIGNED_IN[name](desk, qgis_iface)
        else:
            widget = OptionsPage(settings, "0.1.0", lambda: None) if name == "options" else HelpWindow()
        qtbot.addWidget(widget)
        widget.show()
        made.append(widget)
        # What it asks of the server and draws beside the window is settled when no task is left.
        qtbot.waitUntil(lambda: QgsApplication.taskManager().countActiveTasks() == 0)
        return widget

    yield act
    for widget in made:
        if hasattr(widget, "close_down"):
            widget.close_down()


def inside(widget: QWidget, kind: type) -> list:
    """Its parts of that kind that are seen and not a part of one of Qt's own (a spin box's line, a combo's list)."""
    return [part for part in widget.findChildren(kind) if part.isVisible() and not part.objectName().startswith(OF_QT)]


def all_have_names(widget: QWidget) -> None:
    """What has no words of its own is named for those who do not see it."""
    captions = {label.buddy() for label in inside(widget, QLabel) if label.buddy() is not None}
    silent = [
        part
        for kind in (QAbstractButton, QLineEdit, QComboBox)
        for part in inside(widget, kind)
        if part.isEnabled()
        and part.focusPolicy() != Qt.FocusPolicy.NoFocus
        and not (getattr(part, "text", str)() or part.accessibleName() or part.toolTip())
        and part not in captions
        and part.parentWidget() not in captions
        and not part.parentWidget().accessibleName()
    ]
    assert silent == [], [(type(part).__name__, part.objectName()) for part in silent]


def letters_are_told_apart(widget: QWidget) -> None:
    """No letter leads to two things."""
    texts = [part.text() for kind in (QLabel, QAbstractButton) for part in inside(widget, kind)]
    letters = Counter(QKeySequence.mnemonic(text).toString() for text in texts if "&" in text)
    letters.pop("", None)
    assert [letter for letter, times in letters.items() if times > 1] == []
    if isinstance(
        widget, tuple(DOCKS.values())
    ):  # it shares the window with QGIS's menus, and of two that answer to a letter neither does
        assert {letter[-1] for letter in letters} & OF_QGIS == set()


def tab_leads_everywhere(widget: QWidget) -> None:
    """Tab comes by every input."""
    wanted = {
        part
        for kind in (QAbstractButton, QLineEdit, QComboBox)
        for part in inside(widget, kind)
        if part.isEnabled() and part.focusPolicy() & Qt.FocusPolicy.TabFocus
    }
    reached, part = set(), widget
    for _ in range(400):
        part = part.nextInFocusChain()
        if part is widget:
            break
        reached.add(part)
    assert wanted <= reached


def test_tab_leads_from_the_method_through_its_form_to_the_file(make) -> None:
    dock = make("hotspots")
    dock.method_box.setCurrentIndex(1)
    order, part = [], dock.method_box
    while part is not dock.file_widget.lineEdit():
        part = part.nextInFocusChain()
        order.append(part)
        assert len(order) < 200
    assert all(any(one is made or made.isAncestorOf(one) for one in order) for made in dock.form._inputs.values())


def test_tab_leads_past_hidden_buttons(desk: Desk, qtbot) -> None:
    dialog = PublishLayerDialog(desk, None)
    qtbot.addWidget(dialog)
    dialog.show()
    dialog.next_button.setEnabled(True)
    dialog.layer_page.dataset_combo.setFocus()
    met = []
    for _ in range(6):
        dialog.focusNextChild()
        met.append(dialog.focusWidget())
    assert dialog.next_button in met and dialog.close_button in met and dialog.layer_page.layer_combo in met


def fits(widget: QWidget) -> None:
    """It has room on a screen at 150 %."""
    least = widget.minimumSizeHint()
    widest = WIDEST_WINDOW if isinstance(widget, QDialog) and not isinstance(widget, HelpWindow) else WIDEST
    assert least.width() <= widest and least.height() <= HIGHEST, (least.width(), least.height())


def enter_is_harmless(window: QWidget) -> None:
    """At most one button answers to Enter, and none does that takes something away or leads elsewhere."""
    defaults = [button for button in inside(window, QPushButton) if button.isDefault()]
    assert len(defaults) <= 1
    first = [button.text().replace("&", "").split()[0] for button in defaults]
    assert not set(first) & {"Cancel", "Delete", "Remove", "End", "Help", "Back"}, first


@pytest.mark.parametrize("name", NAMES)
def test_what_has_no_words_has_a_name(make, name: str) -> None:
    all_have_names(make(name))


@pytest.mark.parametrize("name", NAMES)
def test_no_letter_leads_to_two_things(make, name: str) -> None:
    letters_are_told_apart(make(name))


@pytest.mark.parametrize("name", NAMES)
def test_tab_leads_to_every_input(make, name: str) -> None:
    tab_leads_everywhere(make(name))


@pytest.mark.parametrize("name", NAMES)
def test_it_fits_a_screen_at_150_per_cent(make, name: str) -> None:
    fits(make(name))


@pytest.mark.parametrize("name", WINDOWS)
def test_a_window_that_comes_up_is_worked_without_a_mouse(make, qtbot, name: str) -> None:
    """All of it on one window, as most of them want a server and somebody who is signed in."""
    window = make(name)
    for check in (all_have_names, letters_are_told_apart, tab_leads_everywhere, fits, enter_is_harmless):
        check(window)
    window.activateWindow()
    qtbot.waitUntil(lambda: window.focusWidget() is not None)
    focused = window.focusWidget()
    assert focused.isVisible() and focused.isEnabled() and not isinstance(focused, QLabel), focused
    qtbot.keyClick(window, Qt.Key.Key_Escape)
    assert not window.isVisible()


def test_escape_closes_the_help(make, qtbot) -> None:
    window = make("help")
    qtbot.keyClick(window, Qt.Key.Key_Escape)
    assert not window.isVisible()


SCALED = """
import sys
from qgis.core import QgsApplication
application = QgsApplication([], True)
application.initQgis()
from safestats.qgis_plugin.gui.explore_dock import ExploreDock
from safestats.qgis_plugin.gui.help_window import HelpWindow
window = HelpWindow()
window.show()
picture = window.grab()
print(picture.devicePixelRatio(), window.width(), picture.width())
"""


def test_at_150_per_cent_windows_are_drawn_with_more_pixels() -> None:
    environment = {**os.environ, "QT_SCALE_FACTOR": "1.5", "QT_QPA_PLATFORM": "offscreen"}
    done = subprocess.run([sys.executable, "-c", SCALED], env=environment, capture_output=True, text=True, check=False)
    ratio, width, pixels = (float(word) for word in done.stdout.split()[-3:])
    assert ratio == 1.5 and pixels == pytest.approx(1.5 * width, abs=2), done.stderr


def test_no_box_stands_in_the_way() -> None:
    """Trouble is told in strips and in the message bar: a box would have to be clicked away."""
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "qgis_plugin").rglob("*.py")]
    assert not [text for text in sources if "QMessageBox" in text]
