"""Steps taken in a real QGIS (``qgis --code``), one after the other while it goes on living; with a log and pictures.

What the steps are is told by the script that QGIS runs; nothing here is about one job.
"""

from __future__ import annotations

import time
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from pathlib import Path

from qgis.core import QgsProject
from qgis.PyQt.QtCore import QEventLoop, QTimer
from qgis.PyQt.QtWidgets import QApplication, QDialog, QPushButton, QRadioButton, QWidget
from qgis.utils import iface, plugins
from safestats.qgis_plugin.gui.publish_dialog import PublishDialog

Wait = Callable[[], bool]


class DeskSteps(ABC):
    """One job, driven by a timer; its log ends with ``done`` if all steps succeeded, with what went wrong if not."""

    def __init__(self, log: Path, pictures: Path, step_seconds: float) -> None:
        self.plugin = plugins["safestats"]
        self.window = iface.mainWindow()
        self.log = log.open("w", encoding="utf-8", buffering=1)
        self.pictures = pictures
        self.step_seconds = step_seconds

    @abstractmethod
    def steps(self) -> Iterator[Wait]:
        """The whole job: each ``yield`` waits until what it gives holds, ``step_seconds`` at most."""

    def run(self) -> None:
        """Drive the steps; ends QGIS, whatever happens."""
        steps = self.steps()
        waiting: list[Wait] = [lambda: True]
        since = [time.monotonic()]

        def tick() -> None:
            try:
                if waiting[0]():
                    waiting[0] = next(steps)
                    since[0] = time.monotonic()
                elif time.monotonic() - since[0] > self.step_seconds:
                    raise TimeoutError(f"nothing happened for {self.step_seconds:.0f} s")
            except StopIteration:
                self.log.write("done\n")
                self.end()
            except Exception:
                self.log.write(traceback.format_exc())
                self.picture("trouble")
                self.end()

        self.timer = QTimer(self.window)
        self.timer.timeout.connect(tick)
        self.timer.start(50)

    def end(self) -> None:
        self.timer.stop()
        self.log.close()
        # Emptied first: QGIS would ask whether the layers in memory may be lost.
        QgsProject.instance().clear()
        QTimer.singleShot(500, iface.actionExit().trigger)

    # ------------------------------------------------------------------ for the steps

    def pause(self, seconds: float) -> Wait:
        until = time.monotonic() + seconds
        return lambda: time.monotonic() >= until

    def drawn(self) -> bool:
        return not iface.mapCanvas().isDrawing()

    def publish_dialog(self) -> PublishDialog | None:
        """The one that is open, if any."""
        open_ones = [child for child in self.window.findChildren(PublishDialog) if child.isVisible()]
        return open_ones[0] if open_ones else None

    def picture(self, name: str, dialog: QDialog | None = None) -> None:
        """What the screen shows of the window, or of one dialog, as PNG."""
        QApplication.processEvents(QEventLoop.ProcessEventsFlag.ExcludeUserInputEvents)
        frame = self.window.screen().geometry() if dialog is None else dialog.frameGeometry()
        image = self.window.screen().grabWindow(0, frame.x(), frame.y(), frame.width(), frame.height())
        image.save(str(self.pictures / f"{name}.png"))


def click(parent: QWidget, words: str) -> None:
    """Press the button of that name."""
    for button in parent.findChildren(QPushButton):
        if button.text().replace("&", "").rstrip("…").strip() == words:
            button.click()
            return
    raise LookupError(f"there is no button “{words}”")


def choose_purpose(page: QWidget, code: str) -> None:
    """Tick the purpose with that code."""
    for button in page.findChildren(QRadioButton):
        button.setChecked(True)
        if page.purpose is not None and page.purpose.code == code:
            return
    raise LookupError(f"there is no purpose “{code}”")
