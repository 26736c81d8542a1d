"""Every dock and page can be worked without a mouse, is named for a screen reader, and fits at 100 and 150 %."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from qgis.PyQt.QtCore import Qt
from qgis.PyQt.QtGui import QKeySequence
from qgis.PyQt.QtWidgets import QAbstractButton, QComboBox, QLabel, QLineEdit, QWidget
from safestats.qgis_plugin.core.desk import Desk
from safestats.qgis_plugin.core.settings import DeskSettings
from safestats.qgis_plugin.gui.explore_dock import ExploreDock
from safestats.qgis_plugin.gui.help_window import HelpWindow
from safestats.qgis_plugin.gui.hotspot_dock import HotspotDock
from safestats.qgis_plugin.gui.layers_dock import LayersDock
from safestats.qgis_plugin.gui.options_page import OptionsPage
from safestats.qgis_plugin.gui.proximity_dock import ProximityDock
from safestats.qgis_plugin.gui.time_dock import TimeDock

ROOT = Path(__file__).resolve().parents[2]
DOCKS = {
    "layers": LayersDock,
    "explore": ExploreDock,
    "proximity": ProximityDock,
    "hotspots": HotspotDock,
    "time": TimeDock,
}
NAMES = [*DOCKS, "options", "help"]
# At 150 % a laptop of 1920 × 1080 has 720 lines for a window, and a dock is rarely wider than a third of it.
WIDEST, HIGHEST = 480, 680
OF_QT = ("qt_", "collapseButton")  # parts of widgets that Qt and QGIS make


@pytest.fixture
def make(desk: Desk, settings: DeskSettings, qgis_iface, qtbot) -> Iterator[Callable[[str], QWidget]]:
    made: list[QWidget] = []

    def act(name: str) -> QWidget:
        if name in DOCKS:
            widget: QWidget = DOCKS[name](desk, qgis_iface)
        else:
            widget = OptionsPage(settings, "0.1.0", lambda: None) if name == "options" else HelpWindow()
        qtbot.addWidget(widget)
        widget.show()
        made.append(widget)
        return widget

    yield act
    for widget in made:
        if hasattr(widget, "close_down"):
            widget.close_down()


def inside(widget: QWidget, kind: type) -> list:
    """Its parts of that kind that are seen and not a part of one of Qt's own (a spin box's line, a combo's list)."""
    return [part for part in widget.findChildren(kind) if part.isVisible() and not part.objectName().startswith(OF_QT)]


@pytest.mark.parametrize("name", NAMES)
def test_what_has_no_words_has_a_name(make, name: str) -> None:
    widget = make(name)
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


@pytest.mark.parametrize("name", NAMES)
def test_no_letter_leads_to_two_things(make, name: str) -> None:
    widget = make(name)
    texts = [part.text() for kind in (QLabel, QAbstractButton) for part in inside(widget, kind)]
    letters = Counter(QKeySequence.mnemonic(text).toString() for text in texts if "&" in text)
    letters.pop("", None)
    assert [letter for letter, times in letters.items() if times > 1] == []


@pytest.mark.parametrize("name", NAMES)
def test_tab_leads_to_every_input(make, name: str) -> None:
    widget = make(name)
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


@pytest.mark.parametrize("name", NAMES)
def test_it_fits_a_screen_at_150_per_cent(make, name: str) -> None:
    widget = make(name)
    least = widget.minimumSizeHint()
    assert least.width() <= WIDEST and least.height() <= HIGHEST, (least.width(), least.height())


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
