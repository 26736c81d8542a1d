"""Hands on a real QGIS: keys and mouse as the X server sends them (xdotool), never a signal or a method of a widget.

Where a widget lies is asked of Qt; whether it can be reached there is looked up before each click.
"""

from __future__ import annotations

import subprocess
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

from desk_steps import DeskSteps, Wait
from qgis.PyQt import sip
from qgis.PyQt.QtCore import QEventLoop, QPoint, QRect, Qt
from qgis.PyQt.QtGui import QAction
from qgis.PyQt.QtWidgets import (
    QAbstractItemView,
    QAbstractScrollArea,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QDialog,
    QDockWidget,
    QMenu,
    QRadioButton,
    QScrollArea,
    QTabBar,
    QWidget,
)
from qgis.utils import iface

_MOST_TABS = 90
_MOST_WHEEL = 120
_MOST_KEYS = 60
_SETTLE_S = 0.12
_WITHIN_S = 150.0
_WHEEL_UP, _WHEEL_DOWN = 4, 5


class HandSteps(DeskSteps):
    """Steps for a job that is done by hand. What goes wrong in one section is logged, and the next is tried."""

    def __init__(self, log: Path, pictures: Path) -> None:
        super().__init__(log, pictures, 600.0)
        self.troubles: list[str] = []

    # ------------------------------------------------------------------ sections

    def tried(self, name: str, section: Callable[[], Iterator[Wait]]) -> Iterator[Wait]:
        """Take the steps of a section; what goes wrong is logged with a picture, and its windows are closed."""
        walk, failed = section(), None
        while True:
            try:
                wait = next(walk) if failed is None else walk.throw(failed)
                failed = None
            except StopIteration:
                self.say(f"{name}: done")
                return
            except Exception as error:
                self.troubles.append(name)
                lines = traceback.extract_tb(error.__traceback__)[1:]
                at = "; ".join(f"{line.name}, line {line.lineno}" for line in lines)
                self.say(f"{name}: TROUBLE: {type(error).__name__}: {error} ({at})")
                self.picture(f"trouble-{name}")
                yield from self.close_windows()
                return
            outcome: list[Exception | None] = []
            late = self.pause(_WITHIN_S)

            def over(wait: Wait = wait, late: Wait = late, outcome: list = outcome) -> bool:
                try:
                    if wait():
                        outcome.append(None)
                    elif late():
                        outcome.append(TimeoutError(f"nothing happened for {_WITHIN_S:.0f} s"))
                except Exception as error:
                    outcome.append(error)
                return bool(outcome)

            yield over
            failed = outcome[0]

    def say(self, words: str) -> None:
        """A line of the log."""
        self.log.write(f"{words}\n")

    def close_windows(self) -> Iterator[Wait]:
        """Escape from whatever is open above QGIS's window."""
        for _ in range(8):
            above = QApplication.activePopupWidget() or QApplication.activeModalWidget()
            if above is None:
                above = next((w for w in self.window.findChildren(QDialog) if w.isVisible()), None)
            if above is None:
                return
            self.key("Escape")
            yield self.pause(0.5)
            if not sip.isdeleted(above) and above.isVisible() and isinstance(above, QDialog):
                above.reject()

    # ------------------------------------------------------------------ keys

    def key(self, *names: str) -> None:
        """Press keys, such as ``Tab`` or ``alt+p``, one after the other."""
        self._xdotool("key", "--clearmodifiers", "--delay", "25", *names)

    def type(self, text: str) -> None:
        """Type a text where the cursor is."""
        self._xdotool("type", "--clearmodifiers", "--delay", "12", "--file", "-", text=text)

    def typed(self, widget: QWidget, text: str) -> Iterator[Wait]:
        """Come to a field by Tab, and write ``text`` in the place of what is in it."""
        yield from self.tab_to(widget)
        self.key("ctrl+a")
        self.type(text)
        yield self.pause(2 * _SETTLE_S)

    def tab_to(self, widget: QWidget) -> Iterator[Wait]:
        """Press Tab until the keyboard is on ``widget``."""
        dock, stops, key = dock_of(widget), [], "Tab"
        for _ in range(_MOST_TABS):
            if self.has_focus(widget):
                return
            now = QApplication.focusWidget()
            if stops and dock is not None and (now is None or not dock.isAncestorOf(now)):
                key = "shift+Tab"  # past its end: back again
            stops.append(named(now))
            yield from self.step(key)
        raise LookupError(f"Tab does not lead to {named(widget)}, but to {', '.join(dict.fromkeys(stops))}")

    @staticmethod
    def has_focus(widget: QWidget) -> bool:
        """Whether keys go to it, or to a part of it."""
        now = QApplication.focusWidget()
        return now is not None and (now is widget or widget.isAncestorOf(now) or now is widget.focusProxy())

    def around_by_tab(self, window: QWidget) -> Iterator[Wait]:
        """Go through a window by Tab; its inputs that this does not lead to are an error."""
        wanted = inputs(window)
        if isinstance(window, QDockWidget):  # to its beginning: from beyond its end Tab does not come back
            for _ in range(_MOST_TABS):
                yield from self.step("shift+Tab")
                now = QApplication.focusWidget()
                if now is None or not window.isAncestorOf(now):
                    yield from self.step("Tab")
                    break
        reached: list[QWidget] = []
        for _ in range(_MOST_TABS):
            now = QApplication.focusWidget()
            if now is None or not (now is window or window.isAncestorOf(now)) or now in reached:
                break  # beyond a dock, or round
            reached.append(now)
            yield from self.step("Tab")
        missed = [part for part in wanted if not any(met(part, one) for one in reached)]
        if missed:
            raise LookupError("Tab passes by " + "; ".join(map(named, missed)))
        self.say(f"    Tab: {len(reached)} stops")

    def step(self, key: str) -> Iterator[Wait]:
        """Press Tab or Shift+Tab, and wait until the keyboard is elsewhere, or a second."""
        before, late = QApplication.focusWidget(), self.pause(1.0)
        self.key(key)
        yield lambda: QApplication.focusWidget() is not before or late()

    def choose(self, box: QComboBox, row: int) -> Iterator[Wait]:
        """Come to a list by Tab and choose a row by the arrow keys."""
        yield from self.tab_to(box)
        for _ in range(_MOST_KEYS):
            if box.currentIndex() == row:
                return
            before = box.currentIndex()
            self.key("Down" if before < row else "Up")
            yield lambda before=before: box.currentIndex() != before
            yield self.pause(0.05)
        raise LookupError(f"the arrow keys do not lead to row {row} of {named(box)}")

    # ------------------------------------------------------------------ mouse

    def press(self, widget: QWidget, button: int = 1, at: QPoint | None = None, times: int = 1) -> Iterator[Wait]:
        """Click a widget, in its middle or ``at`` a point of it, once it can be clicked and is brought into view."""
        yield lambda: widget.isVisible() and widget.isEnabled()
        yield from self.into_view(widget)
        point = widget.mapToGlobal(at if at is not None else widget.rect().center())
        found = QApplication.widgetAt(point)
        if found is None or not (found is widget or widget.isAncestorOf(found) or found.isAncestorOf(widget)):
            raise LookupError(
                f"{named(widget)} is covered or off the screen at {point.x()}, {point.y()}: {named(found)}"
            )
        self.click_at(point, button, times)
        yield self.pause(2 * _SETTLE_S)

    def press_left(self, widget: QWidget) -> Iterator[Wait]:
        """Click at its left end, where a check box has its box and a word its beginning."""
        yield from self.press(widget, at=QPoint(9, widget.rect().center().y()))

    def click_at(self, point: QPoint, button: int = 1, times: int = 1) -> None:
        """Click a point of the screen."""
        ratio = self.window.devicePixelRatioF()
        x, y = str(round(point.x() * ratio)), str(round(point.y() * ratio))
        self._xdotool("mousemove", x, y, "click", "--repeat", str(times), "--delay", "60", str(button))

    def into_view(self, widget: QWidget) -> Iterator[Wait]:
        """Turn the mouse's wheel over the scroll area in which ``widget`` lies until it is seen whole."""
        area = widget.parentWidget()
        while area is not None and not isinstance(area, QScrollArea):
            area = area.parentWidget()
        if area is None or not isinstance(area, QScrollArea) or area is widget:
            return
        view = area.viewport()
        for _ in range(_MOST_WHEEL):
            top = widget.mapTo(view, QPoint(0, 0)).y()
            if 0 <= top <= max(0, view.height() - widget.height()):
                return
            bar = area.verticalScrollBar()
            before = bar.value()
            corner = view.mapToGlobal(QPoint(3, min(view.height() - 3, 3)))  # beside lists, which would take the wheel
            self.click_at(corner, _WHEEL_UP if top < 0 else _WHEEL_DOWN)
            late = self.pause(1.0)
            yield lambda before=before, late=late, bar=bar: bar.value() != before or late()
            if bar.value() == before:
                return

    def row_of(self, view: QAbstractItemView, words: str) -> QPoint:
        """Where in ``view`` the item lies whose text begins with ``words``."""
        model = view.model()

        def under(parent) -> QPoint | None:
            for row in range(model.rowCount(parent)):
                index = model.index(row, 0, parent)
                if str(index.data() or "").startswith(words):
                    view.scrollTo(index)
                    return view.visualRect(index).center()
                found = under(index)
                if found is not None:
                    return found
            return None

        found = under(view.rootIndex())
        if found is None:
            raise LookupError(f"{named(view)} has no item “{words}”")
        return found

    # ------------------------------------------------------------------ menus and docks

    def menu(self, action: QAction) -> Iterator[Wait]:
        """Choose from the plugin's menu: Alt+P opens QGIS's Plugins menu, the mouse does the rest."""
        plugins_menu, ours = iface.pluginMenu(), self.plugin.menu
        yield lambda: QApplication.activeWindow() is self.window  # a dialog may be closing still
        yield self.pause(0.3)
        self.key("alt+p")
        yield plugins_menu.isVisible
        yield self.pause(0.2)
        self.click_at(plugins_menu.mapToGlobal(plugins_menu.actionGeometry(ours.menuAction()).center()))
        yield ours.isVisible
        yield self.pause(0.2)
        self.click_at(ours.mapToGlobal(ours.actionGeometry(action).center()))
        yield lambda: not ours.isVisible()
        yield self.pause(0.3)

    def pick(self, menu: QMenu, words: str) -> Iterator[Wait]:
        """Choose an item of a menu that is open."""
        yield menu.isVisible
        yield self.pause(0.2)
        action = next((one for one in menu.actions() if one.text().replace("&", "").startswith(words)), None)
        if action is None:
            raise LookupError(f"the menu has no “{words}”")
        self.click_at(menu.mapToGlobal(menu.actionGeometry(action).center()))
        yield self.pause(0.4)

    def front(self, dock: QDockWidget) -> Iterator[Wait]:
        """Bring a dock to the front by a click on its tab."""
        if seen(dock):
            return
        for bar in self.window.findChildren(QTabBar):
            for at in range(bar.count()):
                if bar.isVisible() and bar.tabText(at) == dock.windowTitle():
                    self.click_at(bar.mapToGlobal(bar.tabRect(at).center()))
                    yield lambda: seen(dock)
                    yield self.pause(0.4)
                    return
        raise LookupError(f"there is no tab “{dock.windowTitle()}”")

    def shut_and_open(self, dock: QDockWidget) -> Iterator[Wait]:
        """Close a dock by the plugin's menu, and open it by the menu again."""
        action = dock.toggleViewAction()
        if action.isChecked():
            yield from self.menu(action)
            yield dock.isHidden
        yield from self.menu(action)
        yield lambda: seen(dock)
        yield self.pause(0.4)

    # ------------------------------------------------------------------ pictures

    def take(self, name: str, widget: QWidget | None = None, ours: bool = True) -> None:
        """A picture of a window with its frame, of a dock with its tabs, or of the screen.

        A window larger than the screen is trouble where it is ours, and not one of QGIS's own.
        """
        QApplication.processEvents(QEventLoop.ProcessEventsFlag.ExcludeUserInputEvents)
        screen = self.window.screen()
        frame = screen.geometry()
        if isinstance(widget, QDockWidget) and not widget.isFloating():
            frame = QRect(widget.mapToGlobal(QPoint(0, 0)), widget.size())
            for bar in self.window.findChildren(QTabBar):
                titles = [bar.tabText(at) for at in range(bar.count())]
                if bar.isVisible() and widget.windowTitle() in titles:
                    frame = frame.united(QRect(bar.mapToGlobal(QPoint(0, 0)), bar.size()))
        elif widget is not None:
            frame = widget.frameGeometry()
            if not screen.geometry().contains(frame):
                self.say(f"    {name}: larger than the screen: {frame.getRect()}")
                if ours:
                    self.troubles.append(f"{name} is larger than the screen")
                frame = frame.intersected(screen.geometry())
        image = screen.grabWindow(0, frame.x(), frame.y(), frame.width(), frame.height())
        image.save(str(self.pictures / f"{name}.png"))
        self.say(f"    {name}: {frame.width()} × {frame.height()}")

    def _xdotool(self, *words: str, text: str | None = None) -> None:
        subprocess.run(["xdotool", *words], input=text, text=True, check=True, timeout=30)


def seen(widget: QWidget) -> bool:
    """Whether it is in front: a dock under another as a tab is shown, but not seen."""
    return widget.isVisible() and not widget.visibleRegion().isEmpty()


def dock_of(widget: QWidget) -> QDockWidget | None:
    """The dock in which it lies."""
    above = widget.parentWidget()
    while above is not None and not isinstance(above, QDockWidget):
        above = above.parentWidget()
    return above


def inputs(window: QWidget) -> list[QWidget]:
    """The parts of a window that Tab has to lead to."""
    found = []
    for part in window.findChildren(QWidget):
        own = part.window() is window.window() and part.isVisible() and part.isEnabled()
        tab = part.focusPolicy() & Qt.FocusPolicy.TabFocus and part.focusPolicy() != Qt.FocusPolicy.NoFocus
        inner = part.objectName().startswith("qt_") or isinstance(part.parentWidget(), (QComboBox, QAbstractSpinBox))
        if own and tab and not inner and part.focusProxy() is None and not isinstance(part, QRadioButton):
            if isinstance(part, QAbstractScrollArea) and not isinstance(part, QAbstractItemView):
                continue  # scrolled by the wheel, or by what is inside
            found.append(part)
    return found


def met(part: QWidget, reached: QWidget) -> bool:
    """Whether the keyboard was on it, or on a part of it."""
    return part is reached or part.isAncestorOf(reached) or reached.isAncestorOf(part)


def named(widget: QWidget | None) -> str:
    """What a log calls a widget."""
    if widget is None:
        return "nothing"
    words = getattr(widget, "text", str)() if not isinstance(widget, QComboBox) else ""
    return f"{type(widget).__name__} “{widget.accessibleName() or words or widget.toolTip() or widget.objectName()}”"
