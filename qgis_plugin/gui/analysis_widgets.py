"""Pieces that the proximity and hotspot docks share: a progress line, a range of months, form labels."""

from __future__ import annotations

from collections.abc import Callable

from qgis.core import QgsApplication
from qgis.PyQt.QtCore import pyqtSignal
from qgis.PyQt.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QSizePolicy,
    QToolButton,
    QWidget,
)

from ..core.periods import Period, month_number, month_of, month_words
from ..core.tasks import DeskTask


class ProgressLine(QWidget):
    """The task that a dock runs: how far it is, and a button that stops it; hidden while nothing runs."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._task: DeskTask | None = None
        self._bar = QProgressBar(self)
        self._bar.setAccessibleName(self.tr("Progress"))
        self._bar.setTextVisible(True)
        self._cancel = QToolButton(self)
        self._cancel.setIcon(QgsApplication.getThemeIcon("mTaskCancel.svg"))
        self._cancel.setAutoRaise(True)
        self._cancel.setToolTip(self.tr("Stop"))
        self._cancel.setAccessibleName(self.tr("Stop"))
        self._cancel.clicked.connect(self.stop)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self._bar, 1)
        row.addWidget(self._cancel)
        self.hide()

    @property
    def running(self) -> bool:
        """Whether a task is under way."""
        return self._task is not None

    def follow(self, task: DeskTask) -> None:
        """Show how far ``task`` is until ``finish``."""
        self._task = task
        task.reported.connect(self._report)
        self._bar.setRange(0, 0)
        self._bar.setFormat("")
        self._cancel.setEnabled(True)
        self.show()

    def _report(self, stage: str, done: float, total: float) -> None:
        self._bar.setRange(0, 100 if total else 0)
        self._bar.setValue(int(100 * done / total) if total else 0)
        self._bar.setFormat(stage)

    def stop(self) -> None:
        """Ask the task to stop, and show that the wish was heard."""
        if self._task is None:
            return
        self._task.cancel()
        self._cancel.setEnabled(False)
        self._bar.setFormat(self.tr("Stopping …"))

    def finish(self) -> None:
        """Nothing runs any more."""
        self._task = None
        self.hide()


class MonthRange(QWidget):
    """From one month to another, both included; or all dates."""

    changed = pyqtSignal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.first = QComboBox(self)
        self.first.setAccessibleName(self.tr("First month"))
        self.first.setToolTip(self.tr("The first month that is counted"))
        self.last = QComboBox(self)
        self.last.setAccessibleName(self.tr("Last month"))
        self.last.setToolTip(self.tr("The last month that is counted"))
        until = QLabel(self.tr("to"), self)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        for box in (self.first, self.last):
            box.setMinimumContentsLength(8)
            box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
            box.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
            box.currentIndexChanged.connect(self.changed)
        row.addWidget(self.first, 1)
        row.addWidget(until)
        row.addWidget(self.last, 1)
        self.setFocusProxy(self.first)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)

    def set_held(self, first: str, newest: str, shown: Period | None) -> None:
        """Offer the months from ``first`` to ``newest`` and choose ``shown``; none where rows are not dated."""
        months = [month_of(n) for n in range(month_number(first), month_number(newest) + 1)] if newest else []
        for box, chosen in ((self.first, shown and shown.first), (self.last, shown and shown.last)):
            blocked = box.blockSignals(True)
            box.clear()
            for month in months:
                box.addItem(month_words(month), month)
            if not months:
                box.addItem(self.tr("all dates"), "")
            box.setCurrentIndex(max(0, box.findData(chosen)))
            box.blockSignals(blocked)
            box.setEnabled(bool(months))
        self.changed.emit()

    def shown(self) -> tuple[str, str]:
        """The months that are shown, in whichever order; empty for all dates."""
        return self.first.currentData() or "", self.last.currentData() or ""

    def choose(self, period: Period | None) -> None:
        """Choose these months, as far as they are held; ``None``: all of them."""
        newest = self.last.count() - 1
        self.first.setCurrentIndex(max(0, self.first.findData(period.first)) if period is not None else 0)
        found = self.last.findData(period.last) if period is not None else newest
        self.last.setCurrentIndex(found if found >= 0 else newest)

    def period(self) -> Period | None:
        """The months chosen, ``None`` for all dates; raises ``AnalysisError`` where they are the wrong way round."""
        first, last = self.first.currentData(), self.last.currentData()
        return Period(first, last) if first and last else None


def caption(text: str, buddy: QWidget, set_name: Callable[[str], None] | None = None) -> QLabel:
    """A form's label that leads to its input by keyboard and names it to a screen reader."""
    label = QLabel(text)
    label.setBuddy(buddy)
    (set_name or buddy.setAccessibleName)(text.replace("&", ""))
    return label
